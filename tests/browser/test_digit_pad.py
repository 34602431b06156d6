"""DigitPad in JupyterLab: a digit by mouse, finger and keys, and answers that follow."""

from __future__ import annotations

import os
import secrets
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.notebook import Notebook, choose_theme, until, write

CELL = """
import torch
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.training import fit
from prune_lab.widgets import DigitPad
torch.manual_seed(0)
model = LeNet()
digits = load_digits()
_ = fit(model, digits, epochs=4)
DigitPad(model, digits)
"""

# Strokes in a pad 1 wide and 1 high, as one would draw them: large, in one go.
SEVEN = [(0.3, 0.1), (0.7, 0.1), (0.62, 0.4), (0.5, 0.7), (0.45, 0.93)]
ZERO = [(0.5, 0.08), (0.34, 0.2), (0.28, 0.5), (0.34, 0.8), (0.5, 0.92)]
ZERO += [(0.66, 0.8), (0.72, 0.5), (0.66, 0.2), (0.5, 0.08)]
THREE = [(0.3, 0.15), (0.5, 0.08), (0.68, 0.2), (0.62, 0.4), (0.45, 0.48)]
THREE += [(0.66, 0.58), (0.7, 0.78), (0.5, 0.92), (0.28, 0.85)]


@pytest.fixture
def page(lab_page):
    return lab_page


class Pad(Notebook):
    def __init__(self, page, jupyter_lab):
        # A name of its own: a notebook that is opened again finds the kernel of the last time.
        name = write(jupyter_lab.folder, f"pad-{secrets.token_hex(4)}.ipynb", CELL)
        super().__init__(page, jupyter_lab.address(name), "Digit pad")
        self.find_parts()

    def find_parts(self):
        self.canvas = self.panel.locator("canvas.prune-lab-pad")
        self.amount = self.panel.get_by_role("slider", name="amount")
        self.words = self.panel.locator(".prune-lab-said")
        self.caption = self.panel.locator(".prune-lab-padding .prune-lab-note")

    def press(self, name):
        self.panel.get_by_role("button", name=name).click()

    def draw(self, stroke):
        box = self.canvas.bounding_box()
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=5)
        self.page.mouse.up()

    def chart(self, number):
        """What a chart says of itself: in words, and each bar's text and length."""
        rows = self.page.locator(".prune-lab-digit-row")
        chart = self.panel.get_by_role("img").filter(has=rows).nth(number)
        return chart.evaluate("""(chart) => [
            chart.getAttribute("aria-label"),
            [...chart.querySelectorAll(".prune-lab-digit-row")].map((row) => [
                row.lastChild.textContent.replace("\\u00a0", " "),
                parseFloat(row.querySelector(".prune-lab-digit-track span").style.width)]),
        ]""")

    def shows(self, dense, pruned):
        """Compare both charts with Python's probabilities."""
        for number, answer in enumerate((dense, pruned)):
            until(lambda n=number, a=answer: self.chart(n)[1], [bar(p) for p in answer])
            words = self.chart(number)[0].replace("\u00a0", " ")
            winner = answer.index(max(answer))
            assert f"says {winner}" in words
            assert f"{winner}: {bar(answer[winner])[0]}" in words

    def agrees(self):
        """Wait until the charts show what Python has, and compare all of it."""
        until(lambda: [self.chart(n)[1] for n in (0, 1)] == self.bars(), True)
        self.shows(*self.ask(ANSWERS))

    def bars(self):
        return [[bar(p) for p in answer] for answer in self.ask(ANSWERS)]

    def ink(self):
        """The canvas as the screen shows it: one alpha (0 to 255) for each pixel of the image."""
        return self.canvas.evaluate("""(canvas) => {
            const cell = canvas.width / 32;
            const context = canvas.getContext("2d");
            const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
            return Array.from({ length: 1024 }, (_, i) => {
                const [x, y] = [(i % 32 + 0.5) * cell, (Math.floor(i / 32) + 0.5) * cell];
                return data[4 * (Math.floor(y) * canvas.width + Math.floor(x)) + 3];
            });
        }""")

    def answered(self):
        """Whether Python holds the ink that is on the screen, and has answered for it."""
        held, answered = self.ask(f"[{INK}, widget._asked[0] == widget.image]")
        shown = self.ink()
        full = max(shown) / max(1, *held)  # a theme's ink may be slightly transparent
        same = [shown[i] for i in INSIDE] == pytest.approx([full * held[i] for i in INSIDE], abs=2)
        return answered and same


def bar(probability):
    """Text and length of a bar, the text by the rule that nothing is rounded to certainty."""
    if 0.995 <= probability < 1:
        text = ">99 %"
    elif 0 < probability < 0.005:
        text = "<1 %"
    else:
        text = f"{int(100 * probability + 0.5)} %"
    return [text, pytest.approx(100 * probability, abs=1e-3)]


INSIDE = [i for i in range(1024) if 8 < i % 32 < 25 and 1 < i // 32 < 30]  # off the frame
ANSWERS = "[widget.dense, widget.pruned]"
INK = "[round(255 * x) for x in __import__('numpy').frombuffer(widget.image, '<f4').tolist()]"


def test_draws_with_the_mouse_and_loads_digits(page, jupyter_lab):
    pad = Pad(page, jupyter_lab)
    pad.press("Clear")
    expect(pad.words).to_contain_text("An empty pad has no answer.")
    expect(pad.caption).to_contain_text("Draw a digit here")
    read = []
    for stroke in (ZERO, THREE, SEVEN):
        pad.press("Clear")
        expect(pad.words).to_contain_text("An empty pad has no answer.")
        pad.draw(stroke)
        until(pad.answered, True)
        expect(pad.words).to_contain_text("dense says")
        read.append(pad.ask("[widget.dense.index(max(widget.dense)), widget.label]"))
    # As thick and as large as the data's digits: the network reads them, but it is no certainty.
    assert sum(got == [digit, None] for got, digit in zip(read, (0, 3, 7), strict=True)) >= 2
    expect(pad.caption).to_have_text("Your own digit.")
    pad.agrees()
    assert pad.answered()

    # Elsewhere a finger scrolls the page.
    touch = "(part) => getComputedStyle(part).touchAction"
    assert pad.canvas.evaluate(touch) == "none"
    assert pad.panel.evaluate(touch) == pad.caption.evaluate(touch) == "auto"

    pad.press("Real digit")
    expect(pad.caption).to_contain_text("its label is")
    pad.press("One that pruning breaks")
    expect(pad.words).to_contain_text("They disagree")
    right = "[p.index(max(p)) == widget.label for p in (widget.dense, widget.pruned)]"
    until(lambda: pad.ask(right), [True, False])
    pad.agrees()
    label = pad.ask("widget.label")
    expect(pad.caption).to_contain_text(f"its label is {label}.")
    expect(pad.panel.locator(".prune-lab-judged")).to_have_text(["✓ right", "✗ wrong"])

    pad.amount.fill("0")
    expect(pad.words).to_contain_text("0 of 61,470 weights pruned")
    expect(pad.words).to_contain_text("They agree")
    pad.press("One that pruning breaks")
    expect(pad.panel.get_by_role("status")).to_contain_text("None of the 360 digits breaks")


def test_the_last_state_is_answered_and_a_busy_kernel_is_waited_for(page, jupyter_lab):
    pad = Pad(page, jupyter_lab)
    pad.amount.fill("0.95")
    expect(pad.words).to_contain_text("58,396 of 61,470 weights pruned")
    until(lambda: pad.ask("widget.amount"), 0.95)
    pad.agrees()
    pad.panel.get_by_role("combobox", name="technique").select_option("random_unstructured")
    pad.panel.get_by_role("spinbutton", name="seed").fill("3")
    pad.panel.get_by_role("spinbutton", name="seed").press("Tab")
    until(lambda: pad.ask("[widget.technique, widget.seed]"), ["random_unstructured", 3])
    pad.agrees()

    # JupyterLab may ask for answers beside the cells: only a stopped kernel cannot give them. Then
    # the browser reads, and it finds the next digit.
    kernel = pad.ask("__import__('os').getpid()")
    os.kill(kernel, signal.SIGSTOP)
    try:
        for step in range(30):
            pad.amount.fill(str(0.5 + step / 100))
            pad.settle()
        assert pad.amount.get_attribute("aria-valuetext") == "79 %"
        expect(pad.words).to_contain_text("48,561 of 61,470 weights pruned")
        pad.press("Real digit")
        expect(pad.caption).to_contain_text("its label is 6.")
        expect(pad.words).to_contain_text("dense says 6")
        here = [pad.chart(number) for number in (0, 1)]
    finally:
        os.kill(kernel, signal.SIGCONT)
    until(lambda: pad.ask("[widget.amount, widget.label, widget.at]"), [0.79, 6, 1])
    pad.agrees()
    # What Python says of it is what the browser said.
    for number, (words, bars) in enumerate(here):
        now = pad.chart(number)
        assert now[0] == words
        assert [size for _, size in now[1]] == pytest.approx([size for _, size in bars], abs=1e-3)


def test_draws_with_the_keyboard(page, jupyter_lab):
    pad = Pad(page, jupyter_lab)
    pad.panel.get_by_role("button", name="Clear").press("Enter")
    page.keyboard.press("Shift+Tab")
    expect(pad.canvas).to_be_focused()
    expect(pad.caption).to_contain_text("Pen up at row 16, column 16.")
    for key in ["ArrowUp"] * 12 + ["Space"] + ["ArrowDown"] * 24:
        page.keyboard.press(key)
    expect(pad.caption).to_contain_text("Pen down at row 28, column 16.")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    expect(pad.caption).to_contain_text("Pen up at row 28, column 17.")
    expect(pad.words).to_contain_text("dense says")
    voice = pad.panel.locator("[aria-live=polite]")
    expect(voice).to_contain_text("Pen up at row 28, column 17.")
    expect(voice).to_contain_text("dense says")
    until(lambda: [pad.ask(INK)[32 * row + 16] > 200 for row in (4, 16, 28)], [True] * 3)
    held = pad.ask(INK)
    assert [held[32 * row + 16] > 200 for row in range(4, 29)] == [True] * 25
    assert all(held[32 * row + col] == 0 for row in range(32) for col in (4, 28))


def test_dark_narrow_and_run_again(page, jupyter_lab):
    pad = Pad(page, jupyter_lab)
    colour = """(canvas) => {
        const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) return data[i];
    }"""
    pad.press("Real digit")
    assert pad.canvas.evaluate(colour) < 80  # dark ink on light paper
    try:
        choose_theme(page, "JupyterLab Dark")
        pad.show()
        until(lambda: pad.canvas.evaluate(colour) > 180, True)
        until(pad.low_contrast, [])
    finally:
        choose_theme(page, "JupyterLab Light")
    pad.narrow()
    assert pad.sticking_out("canvas, button, select, input, output, .prune-lab-digit-row") == []
    box = pad.canvas.bounding_box()
    assert box["width"] == box["height"] > 200

    page.set_viewport_size({"width": 1280, "height": 1000})
    pad.run_all()
    pad.show()
    assert page.get_by_role("group", name="Digit pad").count() == 1
    hidden = "[out._hidden for out in Out.values() if isinstance(out, Panel)]"
    until(lambda: pad.ask(hidden), [True, False])
