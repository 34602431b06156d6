"""MaskExplorer where learners meet it: chapter 3, in JupyterLab, with mouse and keyboard.

What is on the screen is read from the screen: a cell of the heatmap counts as pruned when its
pixels are hatched, as kept when they are of one colour, and that colour is compared too.
"""

from __future__ import annotations

import base64
import io
import json
import re
import time

import nbformat
import numpy as np
import pytest
from matplotlib import image
from playwright.sync_api import expect

SECONDS = 1000  # Playwright counts milliseconds
CHAPTER = "03-prune-a-module.ipynb"

SMALL = """
import torch
from torch import nn
from prune_lab.widgets import MaskExplorer

torch.manual_seed(0)
conv1 = nn.Conv2d(1, 6, 5)
MaskExplorer(conv1)
"""

# Runs on the panel's own module, which a chapter need not have put into a variable.
FIND = """
import copy, json, torch
from prune_lab import prune
from prune_lab.widgets import MaskExplorer
explorer = [out for out in Out.values() if isinstance(out, MaskExplorer)][-1]
"""


@pytest.fixture
def page(browser, tmp_path):
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(60 * SECONDS)
    errors = []
    page.on("pageerror", lambda error: errors.append(error))
    yield page
    page.screenshot(path=tmp_path / "last.png")  # pytest keeps the folders of failed runs
    context.close()
    assert errors == []


@pytest.fixture
def small(jupyter_lab, request):
    """A notebook with nothing but the explorer."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(SMALL.strip())],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    name = f"{request.node.name}.ipynb"  # a kernel of its own
    nbformat.write(notebook, jupyter_lab.folder / name)
    return jupyter_lab.address(name)


class Notebook:
    """An open notebook, all its cells running, with an empty cell at its end for questions."""

    def __init__(self, page, address):
        self.page = page
        page.goto(address)
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        expect(page.get_by_text("| Idle")).to_be_visible(timeout=60 * SECONDS)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator('li[data-command="runmenu:run-all"]').click()
        self.panel = page.get_by_role("group", name="Mask explorer for").first
        expect(self.panel.locator("code")).to_contain_text("amount=", timeout=60 * SECONDS)
        page.keyboard.press("Escape")
        self.show()

    def show(self):
        """Scroll to the panel; JupyterLab draws again what had left the screen."""
        self.panel.scroll_into_view_if_needed()
        expect(self.panel.locator("code")).to_contain_text("amount=")
        self.settle()

    def start(self, code):
        """Run code in a new cell at the end, without waiting for it."""
        last = self.page.locator(".jp-Notebook .jp-CodeCell").last
        last.locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("b")
        self.page.keyboard.press("Enter")
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Control+Enter")
        self.page.keyboard.press("Escape")

    def ask(self, expression, before=""):
        """The value of a Python expression, through JSON; `explorer` is the panel on screen."""
        self.start(f'{FIND}{before}\nprint("ANSWER", json.dumps({expression}))')
        answer = self.page.locator(".jp-OutputArea-output", has_text="ANSWER").last
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").last
        expect(cell.locator(".jp-OutputArea-output")).to_contain_text(
            "ANSWER", timeout=120 * SECONDS
        )
        text = answer.inner_text()
        self.show()
        return json.loads(text.partition("ANSWER")[2])

    @property
    def handle(self):
        return self.panel.get_by_role("slider").locator("visible=true")

    def counts(self):
        """(kept, pruned) as the panel says in words."""
        text = self.panel.locator(".prune-lab-counts").inner_text()
        return tuple(
            int(n.replace(",", "")) for n in re.match(r"(\S+) kept · (\S+)", text).groups()
        )

    def code(self):
        return self.panel.locator("code").inner_text()

    def amount(self):
        return re.search(r"amount=([\d.]+)", self.code()).group(1)

    def settle(self):
        """Wait until the browser has painted what was asked of it."""
        self.page.evaluate("() => new Promise(r => requestAnimationFrame(() => setTimeout(r)))")

    def cells(self):
        """The 6 x 5 x 5 cells of conv1, each an array of its inner pixels (RGB)."""
        data = self.panel.locator("canvas").evaluate("c => c.toDataURL().split(',')[1]")
        pixels = image.imread(io.BytesIO(base64.b64decode(data)))
        inside = pixels[..., 3] > 0.5
        # Between cells the canvas is empty. The labels above are not cells: they are not tall.
        columns = runs(inside[-3])
        rows = [run for run in runs(inside[:, columns[0][0] + 2]) if run[1] - run[0] > 8]
        assert (len(columns), len(rows)) == (15, 10)
        found = np.empty((6, 5, 5), dtype=object)
        for j, (top, bottom) in enumerate(rows):
            for i, (left, right) in enumerate(columns):
                inner = pixels[top + 3 : bottom - 3, left + 3 : right - 3, :3]
                found[(j // 5) * 3 + i // 5, j % 5, i % 5] = inner.reshape(-1, 3)
        return found

    def pruned(self):
        """Where the heatmap is hatched, 6 x 5 x 5."""
        return np.vectorize(lambda pixels: bool(np.ptp(pixels, axis=0).max() > 0.05))(self.cells())


def runs(flags):
    """Beginnings and ends of the stretches that are true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return list(zip(edges[::2], edges[1::2], strict=True))


def smallest(weights, k):
    """The k entries with the smallest magnitude: what L1 takes."""
    weights = np.array(weights)
    gone = np.zeros(weights.size, dtype=bool)
    gone[np.argsort(np.abs(weights), axis=None, kind="stable")[:k]] = True
    return gone.reshape(weights.shape)


def drag(notebook, *shares):
    """Drag the amount's handle; stop at each share of the track with the button held."""
    handle = notebook.handle.bounding_box()
    track = notebook.panel.locator(".noUi-base").locator("visible=true").bounding_box()
    y = handle["y"] + handle["height"] / 2
    notebook.page.mouse.move(handle["x"] + handle["width"] / 2, y)
    notebook.page.mouse.down()
    for share in shares:
        notebook.page.mouse.move(track["x"] + share * track["width"], y, steps=6)
        notebook.settle()
        yield share
    notebook.page.mouse.up()
    notebook.settle()


def choose_theme(page, name):
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator("li", has_text=re.compile("^Theme$")).hover()
    page.get_by_text(name, exact=True).click()


def until(answer, expected, seconds=20):
    """Wait until `answer()` is `expected`, and say the difference if it never is."""
    end = time.monotonic() + seconds
    while (got := answer()) != expected and time.monotonic() < end:
        time.sleep(0.2)
    assert got == expected


def test_chapter_3(page, jupyter_lab):
    """Drag, press keys, apply, reset: screen, words, code and Python agree at every step."""
    notebook = Notebook(page, jupyter_lab.address(CHAPTER))
    notebook.ask("setattr(explorer, 'technique', 'l1_unstructured')")
    expect(notebook.panel.locator("code")).to_contain_text("l1_unstructured")
    weights = np.array(notebook.ask("explorer._module.weight.tolist()")).reshape(6, 5, 5)

    # The mouse. What the screen must show is worked out here, not asked of the widget.
    for share in drag(notebook, 0.1, 0.55, 0.8, 0.4):
        amount = float(notebook.amount())
        assert amount == pytest.approx(share, abs=0.011)
        k = round(amount * 150)
        assert notebook.counts() == (150 - k, k)
        assert (notebook.pruned() == smallest(weights, k)).all()
    assert notebook.ask("explorer.amount") == float(notebook.amount())

    # The keys
    notebook.handle.focus()
    before = float(notebook.amount())
    for key, step in [("ArrowRight", 1), ("ArrowUp", 1), ("ArrowUp", 1), ("ArrowLeft", -1)]:
        page.keyboard.press(key)
        notebook.settle()
        before = round(before + step / 100, 2)
        assert float(notebook.amount()) == before
        k = round(before * 150)
        assert notebook.counts() == (150 - k, k)
        assert (notebook.pruned() == smallest(weights, k)).all()

    # Python sees what the screen shows, and it is what the line of code does.
    assert notebook.ask("explorer.amount") == before
    gone = np.array(notebook.ask("(explorer.mask == 0).tolist()")).reshape(6, 5, 5)
    assert (gone == notebook.pruned()).all()
    line = re.sub(r"\(.*?, name", "(copied, name", notebook.code())
    mask = notebook.ask(
        "copied.weight_mask.tolist()", f"copied = copy.deepcopy(explorer._module)\n{line}"
    )
    assert (np.array(mask).reshape(6, 5, 5) == ~gone).all()
    assert notebook.ask("prune.is_pruned(explorer._module)") is False

    # Kept entries have the colour of their value.
    ramp = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in notebook.ask(
        "list(explorer.view.ramp)")]) / 255  # fmt: skip
    places = (weights / np.abs(weights).max() + 1) / 2
    stops = np.linspace(0, 1, len(ramp))
    for pixels, place in zip(notebook.cells()[~gone], places[~gone], strict=True):
        expected = [np.interp(place, stops, ramp[:, channel]) for channel in range(3)]
        assert pixels.mean(axis=0) == pytest.approx(expected, abs=0.02)

    # Apply and Reset
    notebook.panel.get_by_role("button", name="Apply").click()
    expect(notebook.panel.get_by_role("status")).to_contain_text("Applied")
    applied = notebook.ask("(explorer._module.weight_mask == 0).tolist()")
    assert (np.array(applied).reshape(6, 5, 5) == notebook.pruned()).all()
    notebook.panel.get_by_role("button", name="Reset").click()
    expect(notebook.panel.get_by_role("status")).to_contain_text("Undone")
    assert notebook.ask("prune.is_pruned(explorer._module)") is False


def test_a_busy_kernel_does_not_hold_the_slider(page, small):
    notebook = Notebook(page, small)
    notebook.start("import time; time.sleep(8); print('AWAKE')")
    expect(page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(1)
    notebook.panel.scroll_into_view_if_needed()
    for _ in drag(notebook, 0.5, 0.9, 0.7):
        k = round(float(notebook.amount()) * 150)
        assert notebook.counts() == (150 - k, k)
        assert notebook.pruned().sum() == k
    # Also from one way of giving the amount to the other.
    fraction, (_, pruned) = notebook.amount(), notebook.counts()
    notebook.panel.get_by_role("button", name="count").click()
    notebook.settle()
    assert notebook.amount() == str(pruned)
    page.get_by_role("slider", name="amount as a count").focus()
    page.keyboard.press("ArrowLeft")
    notebook.settle()
    assert notebook.amount() == str(pruned - 1)
    assert notebook.pruned().sum() == pruned - 1
    expect(page.locator(".jp-InputPrompt", has_text="[*]")).to_have_count(1)  # busy all the while
    assert fraction != notebook.amount()

    # When the kernel is back it hears of the last amount too, and does not move the slider.
    until(lambda: notebook.ask("explorer.amount"), pruned - 1)
    assert notebook.amount() == str(pruned - 1)


def test_every_entry_is_explained(page, small):
    notebook = Notebook(page, small)
    weights = notebook.ask("explorer._module.weight.tolist()")
    entry = notebook.panel.locator(".prune-lab-entry")
    canvas = notebook.panel.locator("canvas")
    canvas.focus()
    for key in ["ArrowRight"] * 6 + ["ArrowDown"] * 2:
        page.keyboard.press(key)  # over the gap into filter 1, then down
    notebook.settle()
    text = entry.inner_text()
    value = weights[1][0][2][1]
    assert text.startswith(f"weight[1, 0, 2, 1] = {float(f'{value:.3g}')} · ")
    turn = int((np.abs(weights) < abs(value)).sum()) + 1
    assert f"{turn}" in text.split(" · ")[1]
    assert text.endswith("pruned" if turn <= 45 else "kept")

    # The pointer, and live while the slider moves under it
    notebook.ask("setattr(explorer, 'amount', 0)")
    until(notebook.amount, "0")
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 14, box["y"] + 18 + 14)
    expect(entry).to_contain_text("weight[0, 0, 0, 0]")
    expect(entry).to_contain_text("kept")
    notebook.start("explorer.amount = 1.0")
    expect(entry).to_contain_text("Point at an entry")  # the pointer left for the new cell


def test_technique_seed_and_copy(page, small):
    notebook = Notebook(page, small)
    notebook.panel.get_by_label("technique").select_option("random structured")
    seed = notebook.panel.get_by_label("seed")
    seed.fill("7")
    seed.press("Tab")
    line = 'torch.manual_seed(7)\nprune.random_structured(conv1, name="weight", amount=0.3, dim=0)'
    until(notebook.code, line)
    gone = notebook.pruned().reshape(6, -1)
    assert (gone.all(axis=1) == gone.any(axis=1)).all()  # whole filters
    assert gone.any(axis=1).sum() == 2
    notebook.panel.get_by_role("button", name="Copy").click()
    expect(notebook.panel.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == line
    mask = notebook.ask("(explorer.mask == 0).tolist()")
    assert (np.array(mask).reshape(6, -1) == gone).all()


def test_dark_theme_and_narrow_window(page, small):
    notebook = Notebook(page, small)
    hatched = notebook.pruned()
    light = notebook.cells()[hatched][0].mean()
    choose_theme(page, "JupyterLab Dark")
    until(lambda: bool(notebook.cells()[hatched][0].mean() < 0.4 < light), True)
    assert (notebook.pruned() == hatched).all()
    choose_theme(page, "JupyterLab Light")  # the setting outlives the page
    until(lambda: bool(notebook.cells()[hatched][0].mean() > 0.6), True)

    page.set_viewport_size({"width": 400, "height": 900})
    page.keyboard.press("Escape")
    page.keyboard.press("Control+b")
    notebook.panel.scroll_into_view_if_needed()
    until(lambda: notebook.panel.bounding_box()["width"] < 400, True)
    notebook.settle()
    outside = notebook.panel.evaluate("""panel => {
        const right = panel.getBoundingClientRect().right;
        const parts = panel.querySelectorAll("canvas, button, select, code, .widget-readout");
        return [...parts].filter((part) => part.getBoundingClientRect().right > right)
            .map((part) => part.outerHTML);
    }""")
    assert outside == []
    expect(notebook.panel.get_by_role("button", name="Apply")).to_be_in_viewport()


def test_run_again_leaves_one_panel(page, small):
    notebook = Notebook(page, small)
    for _ in range(2):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.locator('li[data-command="runmenu:run-all"]').click()
        notebook.settle()
    expect(page.locator(".jp-InputPrompt", has_text="[3]")).to_have_count(1)
    expect(page.locator(".prune-lab")).to_have_count(1)
    expect(notebook.panel.locator("canvas")).to_have_count(1)
    assert notebook.pruned().sum() == 45
