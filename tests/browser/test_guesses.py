"""Guesses in JupyterLab: made by mouse, finger and keys, kept, and the truth laid over them."""

from __future__ import annotations

import re
import secrets
from itertools import pairwise

import pytest
from playwright.sync_api import expect

from prune_lab.course.guesses import Guesses
from prune_lab.widgets import save_page
from tests.browser.notebook import LOW_CONTRAST, Notebook, choose_theme, until, write

NUMBER = 'guesses.number("twice", "How many of 150?", low=0, high=150, unit="weights")'
CHOICE = 'guesses.choice("layer", "Which layer?", options=["conv1", "conv2", "fc1"])'
CURVE = """guesses.curve(
    "accuracy", "How does it fall?", x=("fraction pruned", 0, 1), y=("accuracy in %", 0, 100)
)"""
TRUTHS = {
    NUMBER: 'guesses.reveal("twice", 112)',
    CHOICE: 'guesses.reveal("layer", "fc1")',
    CURVE: 'guesses.reveal("accuracy", ([0, 0.5, 1], [98, 90, 10]))',
}


@pytest.fixture
def page(lab_page):
    return lab_page


class Guessing(Notebook):
    """A notebook that asks one question and reveals nothing yet."""

    def __init__(self, page, jupyter_lab, question):
        self.question = question
        chapter = secrets.token_hex(4)  # the tests share a folder, and a guess outlives its kernel
        setup = f"from prune_lab.course.guesses import Guesses\nguesses = Guesses('{chapter}')"
        name = write(jupyter_lab.folder, f"guess-{chapter}.ipynb", setup, question)
        super().__init__(page, jupyter_lab.address(name), "Your guess: ")
        self.words = self.panel.locator(".prune-lab-guess-words")

    def kept(self):
        """The guess as Python has it."""
        return self.ask("[asked.guess for asked in guesses._asked.values()][0]")

    def reveal(self):
        """Run the cell that answers; its panel, when it is there."""
        self.start(TRUTHS[self.question])
        revealed = self.page.get_by_role("group", name="The answer: ").last
        revealed.wait_for()
        return revealed

    def restart_and_run_all(self):
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.locator('li[data-command="runmenu:restart-and-run-all"]').click()
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        expect(self.page.locator(".jp-Dialog")).to_have_count(0)


class Drawing(Guessing):
    def __init__(self, page, jupyter_lab):
        super().__init__(page, jupyter_lab, CURVE)
        self.area = self.panel.locator(".prune-lab-plot-area")
        self.line = self.panel.locator(".prune-lab-stroke-guess")

    def places(self, points):
        """Where on the screen points of the plot are, both from 0 to 1."""
        box = self.area.bounding_box()
        return [
            (box["x"] + x * box["width"], box["y"] + (1 - y) * box["height"]) for x, y in points
        ]

    def draw(self, *points):
        places = self.places(points)
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place)
        self.page.mouse.up()


def on_the_way(points, columns=41):
    """Each column's height, in percent, on the straight lines through the points."""
    heights = [None] * columns
    for (x0, y0), (x1, y1) in pairwise(points):
        for column in range(columns):
            x = column / (columns - 1)
            if x0 <= x <= x1:
                heights[column] = 100 * (y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    return heights


def close(drawn, expected, by=1.0):
    """Whether the same columns are drawn, and each as high up to a pixel or two."""
    return drawn is not None and all(
        (a is None) == (b is None) and (a is None or abs(a - b) <= by)
        for a, b in zip(drawn, expected, strict=True)
    )


FALL = [(0.0, 0.98), (0.5, 0.5), (1.0, 0.1)]


def test_a_curve_is_drawn_with_the_mouse_and_the_truth_laid_over_it(page, jupyter_lab):
    drawing = Drawing(page, jupyter_lab)
    expect(drawing.words).to_contain_text("No guess yet")
    expect(drawing.line).to_have_attribute("d", "")
    drawing.draw(*FALL)
    expect(drawing.words).to_have_text("This is your guess. Draw over it to change it.")
    until(lambda: close(drawing.kept(), on_the_way(FALL)), True)
    shown = drawing.line.get_attribute("d")

    revealed = drawing.reveal()
    said = revealed.locator(".prune-lab-guess-words")
    expect(said).to_have_text(
        re.compile(
            r"^They part most at fraction pruned 0\.5: "
            r"accuracy in % is (39|40|41)(\.\d)? higher than you drew\.$"
        )
    )
    assert revealed.locator(".prune-lab-stroke-guess").get_attribute("d") == shown
    truth = revealed.locator(".prune-lab-stroke-truth").get_attribute("d")
    numbers = [float(n) for n in re.findall(r"[\d.]+", truth)]
    assert numbers == pytest.approx([0, 0.02, 0.5, 0.1, 1, 0.9])
    assert revealed.locator(".prune-lab-stroke-gap").bounding_box()["height"] > 60

    # Drawn over in part: the rest stays. The panel that reveals follows.
    drawing.show()
    drawing.draw((0.75, 0.9), (1.0, 0.9))
    changed = on_the_way(FALL)[:30] + on_the_way([(0.75, 0.9), (1.0, 0.9)])[30:]
    until(lambda: close(drawing.kept(), changed), True)
    expect(revealed.locator(".prune-lab-stroke-guess")).to_have_attribute(
        "d", drawing.line.get_attribute("d")
    )


def test_a_curve_is_drawn_with_a_finger(page, jupyter_lab):
    drawing = Drawing(page, jupyter_lab)
    touch = "(part) => getComputedStyle(part).touchAction"
    assert drawing.area.evaluate(touch) == "none"
    assert drawing.panel.evaluate(touch) == drawing.words.evaluate(touch) == "auto"
    finger = page.context.new_cdp_session(page)

    def send(kind, *places):
        points = [{"x": x, "y": y} for x, y in places]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    first, *others = drawing.places(FALL)
    send("touchStart", first)
    for place in others:
        send("touchMove", place)
    send("touchEnd")
    expect(drawing.words).to_contain_text("This is your guess.")
    until(lambda: close(drawing.kept(), on_the_way(FALL)), True)
    drawing.show()
    drawing.panel.get_by_role("button", name="Take back").click()
    expect(drawing.words).to_contain_text("No guess yet")
    until(drawing.kept, None)


def test_a_curve_is_drawn_with_the_keyboard_alone(page, jupyter_lab):
    drawing = Drawing(page, jupyter_lab)
    drawing.area.focus()
    keys = page.keyboard
    keys.press("Home")
    assert (
        drawing.panel.locator(".prune-lab-stroke-cursor").evaluate(
            "(cursor) => getComputedStyle(cursor).visibility"
        )
        == "visible"
    )
    for _ in range(5):
        keys.press("PageUp")
    spot = drawing.panel.locator(".prune-lab-plot-spot")
    expect(spot).to_have_text("fraction pruned 0: 100")
    for _ in range(20):
        keys.press("ArrowRight")
    expect(spot).to_have_text("fraction pruned 0.5: 100, not drawn")
    keys.press("ArrowDown")
    keys.press("End")
    for _ in range(9):
        keys.press("PageDown")
    keys.press("ArrowUp")
    expect(spot).to_have_text("fraction pruned 1: 10")
    expect(drawing.panel.locator("[aria-live=polite]").first).to_have_text("fraction pruned 1: 10")
    keys.press("Tab")
    expect(drawing.panel.get_by_role("button", name="Take back")).to_be_focused()
    drawn = on_the_way([(0, 1), (0.5, 0.98), (1, 0.1)])
    until(lambda: close(drawing.kept(), drawn, by=1e-6), True)
    assert page.locator(".jp-CodeCell").count() == 2  # and JupyterLab took none of the keys


def test_a_guess_outlives_the_kernel(page, jupyter_lab):
    drawing = Drawing(page, jupyter_lab)
    drawing.draw(*FALL)
    expect(drawing.words).to_contain_text("This is your guess.")
    shown = drawing.line.get_attribute("d")
    drawing.start("__import__('os').getpid()")
    process = page.locator(".jp-Notebook .jp-CodeCell").last.locator(".jp-OutputArea-output")
    before = process.inner_text()
    drawing.restart_and_run_all()
    expect(process).to_have_text(re.compile(rf"^(?!{before}$)\d+$"))
    expect(drawing.words).to_contain_text("This is your guess.")
    expect(drawing.line).to_have_attribute("d", shown)
    until(lambda: close(drawing.kept(), on_the_way(FALL)), True)


def test_a_number_set_right_before_the_next_cell_is_in_its_answer(page, jupyter_lab):
    guessing = Guessing(page, jupyter_lab, NUMBER)
    slider = guessing.panel.get_by_role("slider", name="your guess", exact=True)
    box = guessing.panel.get_by_role("spinbutton", name="your guess, as a number")
    expect(slider).to_have_attribute("aria-valuetext", "no guess")
    slider.focus()
    page.keyboard.press("ArrowRight")  # from the middle
    revealed = guessing.reveal()  # nothing was waited for
    said = revealed.locator(".prune-lab-guess-words")
    expect(said).to_have_text("You guessed 76 weights, and it is 112: 36 more.")
    expect(revealed.locator(".prune-lab-guess-tag")).to_have_text(
        ["your guess: 76 weights", "the truth: 112 weights"]
    )
    parts = (".prune-lab-guess-track", ".prune-lab-guess-pin.prune-lab-truth")
    line, pin = (revealed.locator(part).bounding_box() for part in parts)
    at = pin["x"] - line["x"]
    assert at == pytest.approx(line["width"] * 112 / 150, abs=1)

    guessing.show()
    box.fill("112.4")
    box.press("Enter")
    expect(said).to_have_text("You guessed 112 weights, and so it is.")
    until(guessing.kept, 112)
    box.fill("151")
    box.press("Enter")
    guessing.settle()
    assert guessing.words.inner_text() == "Your guess: 112 weights."
    assert guessing.kept() == 112
    guessing.panel.get_by_role("button", name="Take back").click()
    expect(said).to_have_text("You made no guess. It is 112 weights.")
    expect(box).to_have_value("")
    slider.click()  # its middle, where it stands: that is a guess as well
    expect(guessing.words).to_have_text("Your guess: 75 weights.")
    until(guessing.kept, 75)


def test_a_choice_is_made_by_mouse_and_keys(page, jupyter_lab):
    guessing = Guessing(page, jupyter_lab, CHOICE)
    revealed = guessing.reveal()
    said = revealed.locator(".prune-lab-guess-words")
    expect(said).to_have_text("You made no guess. It is fc1.")
    guessing.show()
    guessing.panel.get_by_role("radio", name="conv1").check()
    expect(said).to_have_text("You chose conv1, and it is fc1.")
    page.keyboard.press("ArrowDown")
    expect(said).to_have_text("You chose conv2, and it is fc1.")
    expect(revealed.get_by_role("listitem")).to_have_text(
        ["○conv1", "●conv2your guess", "○fc1✓ the truth"]
    )
    until(guessing.kept, "conv2")


@pytest.mark.parametrize("question", TRUTHS, ids=["number", "choice", "curve"])
def test_dark_and_narrow(page, jupyter_lab, question):
    guessing = Guessing(page, jupyter_lab, question)
    revealed = guessing.reveal()
    contrast = LOW_CONTRAST.replace("seen > 10", "seen > 1")
    try:
        choose_theme(page, "JupyterLab Dark")
        for panel in (guessing.panel, revealed):
            panel.scroll_into_view_if_needed()
            until(lambda p=panel: p.evaluate(contrast), [])
    finally:
        choose_theme(page, "JupyterLab Light")
    for panel in (guessing.panel, revealed):
        panel.scroll_into_view_if_needed()
        until(lambda p=panel: p.evaluate(contrast), [])
    guessing.narrow()
    assert guessing.sticking_out("input, button, svg, span, div") == []


@pytest.mark.parametrize("look", ["light", "dark", "forced", "rtl"])
def test_a_page_without_python_shows_guess_and_truth(page, tmp_path, monkeypatch, look):
    monkeypatch.setenv("PRUNE_LAB_GUESSES", "")
    page.emulate_media(
        color_scheme="dark" if look in ("dark", "forced") else "light",
        forced_colors="active" if look == "forced" else "none",
    )
    page.set_viewport_size({"width": 400, "height": 700})
    hostile = "</script><img src=x onerror=alert(1)>"
    page.on("dialog", lambda dialog: pytest.fail("the question was run"))
    guesses = Guesses("05")
    guesses.choice("layer", hostile, options=[hostile, "fc1"]).guess = hostile
    guesses.number("twice", hostile, low=-5, high=5, unit="points").guess = 5
    curve = guesses.curve("fall", hostile, x=("x", 0, 1), y=(hostile, 0, 1))
    curve.guess = [0.5] * 41
    revealed = [
        guesses.reveal("layer", "fc1"),
        guesses.reveal("twice", -5),
        guesses.reveal("fall", ([0, 1], [0.5, 1])),
    ]
    for panel in revealed:
        page.goto(save_page(panel, tmp_path / "page.html").as_uri())
        page.evaluate(f"document.documentElement.dir = '{'rtl' if look == 'rtl' else 'ltr'}'")
        group = page.get_by_role("group")
        expect(group).to_contain_text(panel.sentence)
        assert page.locator("img").count() == 0
        assert group.evaluate(LOW_CONTRAST.replace("seen > 10", "seen > 1")) == []
        outside = """(panel) => {
            const { left, right } = panel.getBoundingClientRect();
            return [...panel.querySelectorAll("*")]
                .map((part) => [part.getBoundingClientRect(), part.className])
                .filter(([box]) => box.width && (box.left < left - 0.5 || box.right > right + 0.5))
                .map(([, name]) => String(name));
        }"""
        assert group.evaluate(outside) == []
