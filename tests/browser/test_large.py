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
