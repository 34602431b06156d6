"""A large layer in JupyterLab: it comes, it follows the hand in steps, and it says what it is."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.notebook import until, write
from tests.browser.test_mask_explorer import Explorer

LARGE = """
import torch
from torch import nn
from prune_lab.widgets import MaskExplorer

torch.manual_seed(0)
layer = nn.Linear(1000, 1100)  # a little more than is ranked entry by entry
MaskExplorer(layer)
"""

HELD = """
import threading
from prune_lab.widgets.magnitudes import Magnitudes

gate, find = threading.Event(), Magnitudes.find

def held(ranking, count):
    yield 0.0
    gate.wait()
    return (yield from find(ranking, count))

Magnitudes.find = held
"""


@pytest.fixture
def large(lab_page, jupyter_lab):
    return Explorer(lab_page, jupyter_lab.address(write(jupyter_lab.folder, "large.ipynb", LARGE)))


def test_a_large_layer_is_shown_by_blocks_and_steps(large):
    panel, note = large.panel, large.panel.locator(".prune-lab-note")
    expect(large.heatmap).to_be_visible()  # it has been worked out beside the kernel
    expect(panel.get_by_text("in steps of 0.1 %", exact=True)).to_be_visible()
    expect(note).to_contain_text("each cell is a block of 5 × 5")
    assert large.counts() == (770_000, 330_000)

    large.slider.press("ArrowRight")
    large.settle()
    assert large.counts() == (768_900, 331_100)
    assert large.amount() == "0.301"
    panel.get_by_role("radio", name="count").check()
    large.slider.press("ArrowRight")
    large.settle()
    assert large.counts() == (767_800, 332_200)
    assert large.amount() == "332200"

    kept = large.ask("int(widget._ranking.masks(330_000)['weight'][20:25, 20:25].sum())")

    large.heatmap.hover(position={"x": 9, "y": 9})
    expect(large.entry).to_have_text(f"block from weight[20, 20] · {kept} of 25 kept at 30 %")

    large.press("Apply")
    expect(panel.get_by_role("button", name="Undo")).to_be_enabled()
    assert large.ask("int((layer.weight_mask == 0).sum())") == 332_200

    # An amount between two steps is counted, and drawn as the step before.
    large.ask("widget.amount", before="widget.amount = 123_456")
    until(large.counts, (976_544, 123_456))
    expect(note).to_contain_text("Drawn as it is at 11.2 %, the step before.")
    assert large.amount() == "123456"


def test_apply_leaves_the_kernel_free_and_can_be_stopped(large):
    """The cell that runs meanwhile sees the model as it was; then the masks are put on."""
    panel = large.panel
    expect(large.heatmap).to_be_visible()
    # Masks are found as soon as this gate is opened.
    large.ask("0", before=HELD)
    large.press("Apply")
    bar = panel.get_by_role("progressbar", name="masks found so far")
    expect(bar).to_be_visible()
    expect(panel.get_by_role("button", name="Apply", exact=True)).to_be_disabled()
    assert large.ask("hasattr(layer, 'weight_mask')") is False  # the kernel is free
    large.press("Stop")
    expect(panel.get_by_text("Stopped: nothing was applied.")).to_be_visible()
    expect(bar).to_be_hidden()

    large.press("Apply")
    expect(bar).to_be_visible()
    large.ask("0", before="gate.set()")
    expect(panel.get_by_text("Applied: layer.weight is now")).to_be_visible()
    expect(bar).to_be_hidden()
    assert large.ask("int((layer.weight_mask == 0).sum())") == 330_000
    large.press("Undo")
    expect(panel.get_by_text("Undone: the model is as it was before.")).to_be_visible()
    assert large.ask("hasattr(layer, 'weight_mask')") is False
