"""MaskExplorer where learners meet it, in JupyterLab, with mouse and keyboard.

What is on the screen is read from the screen: a cell of the heatmap counts as pruned when its
pixels are hatched, as kept when they are of one colour, and that colour is compared too.
"""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from matplotlib import image
from playwright.sync_api import expect

from prune_lab import plots
from tests.browser.notebook import GATED, Notebook, choose_theme, measured_here, until, write

CHAPTER = "03-prune-a-module.ipynb"

SMALL = """
import torch
from torch import nn
from prune_lab.widgets import MaskExplorer

torch.manual_seed(0)
conv1 = nn.Conv2d(1, 6, 5)
MaskExplorer(conv1)
"""

WHOLE = """
import torch
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.widgets import MaskExplorer

torch.manual_seed(0)
model = LeNet()
MaskExplorer(model, data=load_digits())
"""


@pytest.fixture
def page(lab_page):
    return lab_page


@pytest.fixture
def open_cells(page, jupyter_lab, request):
    """Open a notebook of these cells, in a kernel of its own."""

    def opened(*cells):
        name = write(jupyter_lab.folder, f"{request.node.name}.ipynb", *cells)
        return Explorer(page, jupyter_lab.address(name))

    return opened


class Explorer(Notebook):
    """A notebook with a MaskExplorer, and what can be read off its panel."""

    _grid = None

    def __init__(self, page, address):
        super().__init__(page, address, "Mask explorer for")
        expect(self.panel.locator("code")).to_contain_text("prune.")
        self.settle()

    @property
    def slider(self):
        return self.panel.get_by_role("slider")

    @property
    def heatmap(self):
        return self.panel.locator("canvas.prune-lab-heatmap")

    @property
    def entry(self):
        return self.panel.locator(".prune-lab-entry")

    def press(self, button):
        self.panel.get_by_role("button", name=button, exact=True).click()

    def choose(self, label, value):
        self.panel.locator("label", has_text=re.compile(f"^{label}")).locator(
            "select"
        ).select_option(value)

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

    def drag(self, *shares):
        """Drag the amount; stop at each share of the track with the button held."""
        box = self.slider.bounding_box()
        y, left, width = box["y"] + box["height"] / 2, box["x"] + 9, box["width"] - 18
        value = float(self.slider.input_value()) / float(self.slider.get_attribute("max"))
        self.page.mouse.move(left + value * width, y)
        self.page.mouse.down()
        for share in shares:
            self.page.mouse.move(left + share * width, y, steps=6)
            self.settle()
            yield share
        self.page.mouse.up()
        self.settle()

    def pixels(self, canvas=None):
        data = (canvas or self.heatmap).evaluate("c => c.toDataURL().split(',')[1]")
        return image.imread(io.BytesIO(base64.b64decode(data)))

    def cells(self):
        """The 6 x 5 x 5 cells of conv1, each an array of its inner pixels (RGB)."""
        return np.array([self._cell(*at) for at in self._places()], dtype=object).reshape(6, 5, 5)

    def _places(self):
        """The rows and columns of pixels of every entry of conv1."""
        self._picture = self.pixels()
        size = self._picture.shape
        if self._grid is None or self._grid[0] != size:
            inside = self._picture[..., 3] > 0.5
            # Between cells the canvas is empty, while no frame marks one of them. The labels
            # above are not cells: they are not tall.
            columns = runs(inside[-3])
            rows = [run for run in runs(inside[:, columns[0][0] + 2]) if run[1] - run[0] > 8]
            across = len(columns) // 5
            assert len(columns) % 5 == 0 and across * len(rows) == 30
            self._grid = size, rows, columns
        _, rows, columns = self._grid
        across = len(columns) // 5
        for at in range(150):
            kernel, row, col = at // 25, at // 5 % 5, at % 5
            yield rows[kernel // across * 5 + row], columns[kernel % across * 5 + col]

    def _cell(self, rows, columns):
        box = self._picture[rows[0] + 3 : rows[1] - 3, columns[0] + 3 : columns[1] - 3, :3]
        found = np.empty(1, dtype=object)
        found[0] = box.reshape(-1, 3)
        return found

    def pruned(self):
        """Where the heatmap is hatched, 6 x 5 x 5."""
        return np.vectorize(lambda pixels: bool(np.ptp(pixels, axis=0).max() > 0.05))(self.cells())

    def middle(self, *index):
        """The middle of conv1's entry [filter, 0, row, col], in pixels of the window."""
        at = int(np.ravel_multi_index(index, (6, 5, 5)))
        rows, columns = list(self._places())[at]
        box = self.heatmap.bounding_box()
        scale = box["width"] / self._picture.shape[1]
        return box["x"] + sum(columns) / 2 * scale, box["y"] + sum(rows) / 2 * scale


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


def test_chapter_3(page, jupyter_lab):
    """Drag, press keys, apply, undo: screen, words, code and Python agree at every step."""
    notebook = Explorer(page, jupyter_lab.address(CHAPTER))
    first = "[out for out in Out.values() if isinstance(out, MaskExplorer)][0]"
    python = f"import copy\nfrom prune_lab.widgets import MaskExplorer\nwidget = {first}"
    weights = np.array(notebook.ask("widget._parameters.model.weight.tolist()", python)).reshape(
        6, 5, 5
    )
    notebook.show()  # who runs all cells is taken to the last one

    # The mouse. What the screen must show is worked out here, not asked of the widget.
    for share in notebook.drag(0.1, 0.55, 0.8, 0.4):
        amount = float(notebook.amount())
        assert amount == pytest.approx(share, abs=0.011)
        k = round(amount * 150)
        assert notebook.counts() == (150 - k, k)
        assert (notebook.pruned() == smallest(weights, k)).all()
    until(lambda: notebook.ask("widget.amount", python), float(notebook.amount()))

    # The keys
    notebook.slider.focus()
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
    until(lambda: notebook.ask("widget.amount", python), before)
    gone = np.array(notebook.ask("(widget.mask == 0).tolist()", python)).reshape(6, 5, 5)
    assert (gone == notebook.pruned()).all()
    line = re.sub(r"\(.*?, name", "(copied, name", notebook.code())
    mask = notebook.ask(
        "copied.weight_mask.tolist()",
        f"{python}\ncopied = copy.deepcopy(widget._parameters.model)\n{line}",
    )
    assert (np.array(mask).reshape(6, 5, 5) == ~gone).all()
    assert notebook.ask("prune.is_pruned(widget._parameters.model)", python) is False

    # Kept entries have the colour of their value.
    ramp = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in plots.RAMP]) / 255
    places = (weights / np.abs(weights).max() + 1) / 2
    stops = np.linspace(0, 1, len(ramp))
    for pixels, place in zip(notebook.cells()[~gone], places[~gone], strict=True):
        expected = [np.interp(place, stops, ramp[:, channel]) for channel in range(3)]
        assert pixels.mean(axis=0) == pytest.approx(expected, abs=0.02)

    # Apply and Undo
    status = notebook.panel.get_by_role("status")
    notebook.press("Apply")
    expect(status).to_contain_text("Applied")
    applied = notebook.ask("(widget._parameters.model.weight_mask == 0).tolist()", python)
    assert (np.array(applied).reshape(6, 5, 5) == notebook.pruned()).all()
    for _ in notebook.drag(0.9):
        pass
    notebook.press("Apply")
    until(
        lambda: notebook.ask("int((widget._parameters.model.weight_mask == 0).sum())", python), 135
    )
    notebook.press("Undo")
    expect(status).to_contain_text("Undone")
    again = notebook.ask("(widget._parameters.model.weight_mask == 0).tolist()", python)
    assert again == applied
    notebook.press("Reset")
    until(lambda: notebook.ask("prune.is_pruned(widget._parameters.model)", python), False)
    expect(notebook.panel.get_by_role("button", name="Reset")).to_be_disabled()


def test_a_busy_kernel_does_not_hold_the_slider(page, open_cells):
    notebook = open_cells(SMALL)
    with notebook.busy():
        for _ in notebook.drag(0.5, 0.9, 0.7):
            k = round(float(notebook.amount()) * 150)
            assert notebook.counts() == (150 - k, k)
            assert notebook.pruned().sum() == k
        # Also from one way of giving the amount to the other.
        fraction, (_, pruned) = notebook.amount(), notebook.counts()
        notebook.panel.get_by_role("radio", name="count", exact=True).check()
        notebook.settle()
        assert notebook.amount() == str(pruned)
        notebook.slider.focus()
        page.keyboard.press("ArrowLeft")
        notebook.settle()
        assert notebook.amount() == str(pruned - 1)
        assert notebook.pruned().sum() == pruned - 1
        assert fraction != notebook.amount()

    # When the kernel is back it hears of the last amount too, and does not move the slider.
    until(lambda: notebook.ask("widget.amount"), pruned - 1)
    assert notebook.amount() == str(pruned - 1)


def test_apply_right_after_a_move_applies_what_is_shown(page, open_cells):
    """Python hears of a move only when the slider rests, or when something else is pressed."""
    notebook = open_cells(SMALL)
    notebook.slider.focus()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    notebook.press("Apply")
    notebook.settle()
    shown = notebook.counts()
    # What was pressed is done beside the cells, and may not be when it is first asked for.
    gone = "int((getattr(conv1, 'weight_mask', torch.ones(1)) == 0).sum())"
    until(lambda: notebook.ask(gone), shown[1])
    assert shown[1] == round(0.37 * 150)


def test_every_entry_is_explained_and_can_be_painted(page, open_cells):
    notebook = open_cells(SMALL)
    weights = notebook.ask("widget._parameters.model.weight.tolist()")
    assert notebook.pruned().sum() == 45
    notebook.heatmap.focus()
    for key in ["ArrowRight"] * 6 + ["ArrowDown"] * 2:
        page.keyboard.press(key)  # over the gap into filter 1, then down
    notebook.settle()
    text = notebook.entry.inner_text().replace("−", "-")
    value = weights[1][0][2][1]
    assert text.startswith(f"weight[1, 0, 2, 1] = {float(f'{value:.3g}')} · ")
    turn = int((np.abs(weights) < abs(value)).sum()) + 1
    assert f"{turn}" in text.split(" · ")[1]
    assert text.endswith("pruned" if turn <= 45 else "kept")

    # The pointer, and live while the slider moves under it
    notebook.slider.focus()
    page.keyboard.press("Home")
    x, y = notebook.middle(0, 0, 0)
    page.mouse.move(x, y)
    expect(notebook.entry).to_contain_text("weight[0, 0, 0, 0]")
    expect(notebook.entry).to_contain_text("kept")
    page.keyboard.press("End")
    expect(notebook.entry).to_contain_text("pruned")
    page.keyboard.press("Home")

    # Painting: the first entry decides, the others follow.
    page.mouse.down()
    page.mouse.move(*notebook.middle(0, 0, 3), steps=8)
    page.mouse.up()
    notebook.settle()
    expected = np.zeros((6, 5, 5), dtype=bool)
    expected[0, 0, :4] = True
    assert (notebook.pruned() == expected).all()
    assert notebook.counts() == (146, 4)
    line = (
        "mask = torch.ones(6, 1, 5, 5)\nmask.view(-1)[[0, 1, 2, 3]] = 0\n"
        'prune.custom_from_mask(conv1, name="weight", mask=mask)'
    )
    assert notebook.code() == line
    page.mouse.click(*notebook.middle(0, 0, 1))  # and back
    notebook.heatmap.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press(" ")
    notebook.settle()
    expected[0, 0, 1], expected[0, 1, 1] = False, True
    assert (notebook.pruned() == expected).all()
    gone = "(widget.mask == 0).flatten().nonzero().flatten().tolist()"
    until(lambda: notebook.ask(gone), [0, 2, 3, 6])
    assert notebook.ask("widget.code") == notebook.code()
    notebook.press("Apply")
    expect(notebook.panel.get_by_role("status")).to_contain_text("Applied")
    mask = notebook.ask("(widget._parameters.model.weight_mask == 0).flatten().tolist()")
    assert np.flatnonzero(mask).tolist() == [0, 2, 3, 6]
    notebook.choose("technique", "l1_unstructured")
    until(lambda: notebook.counts(), (150, 0))  # the amount is still where it was


def test_layers_techniques_and_the_accuracy(page, open_cells, tmp_path):
    gate = tmp_path / "gate"
    gated = GATED.format(gate=str(gate)) + "MaskExplorer("
    notebook = open_cells(WHOLE.replace("MaskExplorer(", gated))
    notebook.choose("layer", "fc2.weight")
    until(lambda: notebook.counts(), (7056, 3024))
    notebook.choose("technique", "global_unstructured")
    expect(notebook.panel.locator("code")).to_contain_text("global_unstructured(weights")
    for _ in notebook.drag(0.8):
        pass
    until(lambda: notebook.ask("int(widget.mask.sum())"), notebook.counts()[0])
    shares = notebook.panel.locator(".prune-lab-share").all_inner_texts()
    exact = notebook.ask(
        "[int(100 * float((mask == 0).float().mean()) + 0.5) for mask in"
        " widget._ranking.masks(widget._count()).values()]"
    )
    assert [int(share.removesuffix(" %")) for share in shares] == pytest.approx(exact, abs=1)

    # The accuracy arrives when it arrives, and then it is that of this amount.
    counts = notebook.panel.locator(".prune-lab-counts")
    expect(counts).to_contain_text(re.compile(r"accuracy [\d.]+ % → [\d.]+ %"))
    notebook.panel.get_by_role("progressbar", name="accuracy").wait_for(state="hidden")
    value = "f'→ {100 * widget.accuracy[1]:.1f} %'"
    until(lambda: notebook.ask(value) in counts.inner_text().replace("\u00a0", " "), True)
    gate.mkdir()  # or the curve is there before a hand can press Stop
    notebook.choose("technique", "random_unstructured")
    notebook.press("Stop")
    notebook.press("Go on")
    gate.rmdir()
    notebook.panel.get_by_role("progressbar", name="accuracy").wait_for(state="hidden")
    assert len(notebook.ask("widget.curve")) == 21

    seed = notebook.panel.get_by_label("seed")
    seed.fill("7")
    seed.press("Tab")
    line = 'torch.manual_seed(7)\nprune.random_unstructured(model.fc2, name="weight", amount=0.8)'
    until(notebook.code, line)
    notebook.press("Copy")
    expect(notebook.panel.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == line
    notebook.choose("technique", "n_m")
    until(notebook.code, 'prune.n_m(model.fc2, name="weight", n=2, m=4)')
    assert notebook.counts() == (5040, 5040)
    notebook.slider.focus()
    page.keyboard.press("ArrowRight")
    until(notebook.code, 'prune.n_m(model.fc2, name="weight", n=1, m=4)')


TRAINED = """
from prune_lab.course import trained_lenet
from prune_lab.data import load_digits
from prune_lab.widgets import MaskExplorer

model, digits = trained_lenet(), load_digits()
MaskExplorer(model, "fc1.weight", technique="random_unstructured", data=digits)
"""

# Counted by the engine and by torch, and not by the panel.
COUNT = """
from prune_lab.training import evaluate
tried = copy.deepcopy(model)
torch.manual_seed(1)
prune.random_unstructured(tried.fc1, "weight", widget.amount)
right = round(evaluate(tried, digits.test_images, digits.test_labels) * 360)
"""


def test_the_browser_measures_and_python_says_the_same(page, open_cells):
    notebook = open_cells(TRAINED)

    def measured():
        return measured_here(notebook.panel)[0]

    for share in (0.93, 0.6):
        for _ in notebook.drag(share):
            pass
        right = measured()
        until(lambda: notebook.ask("widget.accuracy[1] * 360"), pytest.approx(right))
        assert notebook.ask("right", COUNT) == right
    assert notebook.ask("widget._browser_measures")

    notebook.start("with torch.no_grad(): _ = model.fc3.bias.mul_(9)")
    notebook.show()
    right = notebook.ask("right", COUNT)
    until(measured, right)
    until(lambda: notebook.ask("widget.accuracy[1] * 360"), pytest.approx(right))


def test_views_histogram_and_threshold(page, open_cells):
    notebook = open_cells(SMALL)
    notebook.panel.get_by_role("radio", name="weights", exact=True).check()
    notebook.settle()
    assert not notebook.pruned().any()  # every value, pruned or not
    notebook.panel.get_by_role("radio", name="mask", exact=True).check()
    notebook.settle()
    kept = notebook.cells()[~notebook.pruned()]
    assert len(kept) == 105
    assert np.ptp([pixels.mean(axis=0) for pixels in kept], axis=0).max() < 0.01  # one colour

    histogram = notebook.panel.locator(".prune-lab-side canvas").first
    threshold = float(histogram.get_attribute("aria-label").rsplit(" ", 1)[1])
    weights = np.abs(notebook.ask("widget._parameters.model.weight.flatten().tolist()"))
    assert threshold == pytest.approx(np.sort(weights)[44], rel=0.006)
    colours = notebook.pixels(histogram)
    for _ in notebook.drag(0.9):
        moved = float(histogram.get_attribute("aria-label").rsplit(" ", 1)[1])
        assert moved == pytest.approx(np.sort(weights)[134], rel=0.006)
        assert np.abs(notebook.pixels(histogram) - colours).max() > 0.2
    box = histogram.bounding_box()
    left, right = 42, 14  # what the plane leaves for its numbers, as in plot.js
    page.mouse.move(box["x"] + left + (box["width"] - left - right) / 2, box["y"] + 20)
    expect(notebook.panel.locator(".prune-lab-side .prune-lab-title").first).to_have_text(
        re.compile(r"^−[\d.]+ to [\d.]+: (\d+) values, \1 pruned$")
    )


def test_dark_theme_and_narrow_window(page, open_cells):
    notebook = open_cells(WHOLE)
    hatched = notebook.pruned()
    light = notebook.cells()[hatched][0].mean()
    choose_theme(page, "JupyterLab Dark")
    until(lambda: bool(notebook.cells()[hatched][0].mean() < 0.4 < light), True)
    until(notebook.low_contrast, [])
    assert (notebook.pruned() == hatched).all()
    choose_theme(page, "JupyterLab Light")  # the setting outlives the page
    until(lambda: bool(notebook.cells()[hatched][0].mean() > 0.6), True)
    until(notebook.low_contrast, [])

    notebook.narrow()
    assert notebook.sticking_out("canvas, button, select, code, input, .prune-lab-readout") == []


def test_run_again_restart_and_two_at_once(page, open_cells):
    second = "model = nn.Sequential(conv1, nn.Flatten())\nMaskExplorer(model, amount=100)"
    notebook = open_cells(SMALL, second)
    panels = page.get_by_role("group", name="Mask explorer for")
    expect(panels).to_have_count(2)
    for _ in range(2):
        notebook.run_all()
        notebook.settle()
    expect(page.locator(".jp-InputPrompt", has_text="[6]")).to_have_count(1)
    expect(panels).to_have_count(2)
    notebook.show()
    for _ in notebook.drag(0.6):
        assert notebook.counts() == (60, 90)
    expect(panels.nth(1).locator(".prune-lab-counts")).to_contain_text("50 kept")

    # Those that were run over do nothing any more; the two on the screen follow the cells.
    every = "import gc\npanels = [w for w in gc.get_objects() if issubclass(type(w), Panel)]"
    hidden = "sorted(panel._hidden for panel in panels)"
    until(lambda: notebook.ask(hidden, every), [False] * 2 + [True] * 4)

    # After a restart the panel is gone or asleep; run again, it works again.
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator('li[data-command="kernelmenu:restart-and-clear"]').click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    expect(panels).to_have_count(0)
    page.get_by_text("| Idle").wait_for()
    notebook.run_all()
    panels.first.wait_for()
    notebook.show()
    for _ in notebook.drag(0.2):
        assert notebook.counts() == (120, 30)


def test_a_name_is_text_and_never_code(page, open_cells):
    name = '<img src=x onerror="hacked = true">'
    notebook = open_cells(
        "from torch import nn\nfrom prune_lab.widgets import MaskExplorer\n"
        "model = nn.Module()\n"
        f"model.add_module({name!r}, nn.Linear(3, 2))\n"
        "model.add_module('b', nn.Linear(3, 2))\n"
        "MaskExplorer(model)"
    )
    assert name in notebook.panel.locator(".prune-lab-title").first.inner_text()
    assert notebook.panel.locator("img").count() == 0
    assert page.evaluate("typeof hacked") == "undefined"
