"""An amount linked in the browser: ipywidgets' jslink, by the control's name."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.notebook import Notebook, until, write

CELL = """
import torch
from IPython.display import display
from ipywidgets import FloatSlider, IntSlider, jslink
from torch import nn
from prune_lab.widgets import MaskExplorer

torch.manual_seed(0)
conv1 = nn.Conv2d(1, 6, 5)
explorer = MaskExplorer(conv1, amount={amount})
other = {slider}
jslink((other, "value"), (explorer, "amount"))
display(other)
explorer
"""


@pytest.fixture
def page(lab_page):
    return lab_page


class Linked(Notebook):
    """An explorer, and another widget's slider in the same page."""

    def __init__(self, page, address):
        super().__init__(page, address, "Mask explorer for")
        self.slider = self.panel.get_by_role("slider")
        self.handle = page.locator(".widget-slider .noUi-handle")
        self.number = page.locator(".widget-slider .widget-readout")

    def press(self, slider, key, times=1):
        slider.focus()
        for _ in range(times):
            self.page.keyboard.press(key)
        self.settle()

    def shown(self):
        """What both sides show: the explorer's slider, its pruned entries, and the other."""
        words = self.panel.locator(".prune-lab-counts b").nth(1).inner_text()
        return float(self.slider.input_value()), int(words), float(self.number.inner_text())


@pytest.fixture
def open_linked(page, jupyter_lab, request):
    def opened(amount, slider):
        name = write(
            jupyter_lab.folder,
            f"{request.node.name}.ipynb",
            CELL.format(amount=amount, slider=slider),
        )
        return Linked(page, jupyter_lab.address(name))

    return opened


def test_each_moves_the_other_without_python(open_linked):
    notebook = open_linked(0.3, "FloatSlider(0.3, min=0, max=1, step=0.01)")
    until(notebook.shown, (0.3, 45, 0.3))
    with notebook.busy():  # whatever Python says comes when all this is long over
        notebook.press(notebook.handle, "ArrowRight", 10)
        until(notebook.shown, (0.4, 60, 0.4))
        notebook.press(notebook.slider, "ArrowRight", 20)
        until(notebook.shown, (0.6, 90, 0.6))
        notebook.press(notebook.handle, "ArrowLeft", 5)
        until(notebook.shown, (0.55, 82, 0.55))
        notebook.press(notebook.slider, "ArrowLeft", 1)
        until(notebook.shown, (0.54, 81, 0.54))
    # Python hears of the last; what it answered to the others has moved nothing.
    until(lambda: notebook.ask("[explorer.amount, other.value]"), [0.54, 0.54])
    assert notebook.shown() == (0.54, 81, 0.54)
    # And both follow Python, whichever of them it moves.
    notebook.start("explorer.amount = 0.2")
    until(notebook.shown, (0.2, 30, 0.2))
    notebook.start("other.value = 0.8")
    until(notebook.shown, (0.8, 120, 0.8))
    until(lambda: notebook.ask("[explorer.amount, other.value]"), [0.8, 0.8])


def test_a_count_that_does_not_fit_is_clamped_on_both_sides(open_linked):
    notebook = open_linked(45, "IntSlider(45, min=0, max=500)")
    until(notebook.shown, (45, 45, 45))
    notebook.press(notebook.handle, "ArrowRight", 1)
    until(notebook.shown, (46, 46, 46))
    notebook.press(notebook.handle, "End")
    until(notebook.shown, (150, 150, 150))
    until(lambda: notebook.ask("[explorer.amount, other.value]"), [150, 150])
    expect(notebook.panel.get_by_role("status")).to_have_text("")
