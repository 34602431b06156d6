"""What a viewer without widgets sees of a panel, and what those hear who do not see it."""

from __future__ import annotations

import io

import pytest
import torch
from matplotlib import image

from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.widgets import DigitPad, MaskExplorer, ModuleInspector, SensitivityExplorer

DIGITS = load_digits()
PANELS = {
    "MaskExplorer": lambda model: MaskExplorer(model, data=DIGITS),
    "SensitivityExplorer": lambda model: SensitivityExplorer(model, DIGITS),
    "DigitPad": lambda model: DigitPad(model, DIGITS),
    "ModuleInspector": lambda model: ModuleInspector(model),
}


@pytest.mark.parametrize("name", PANELS)
def test_a_stored_picture_has_words(name):
    panel = PANELS[name](LeNet())
    bundle, metadata = panel._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == bundle["text/plain"] == repr(panel)
    panel.close()


def test_the_explorers_picture_names_its_layer_and_tells_what_pruning_costs():
    torch.manual_seed(0)
    explorer = MaskExplorer(LeNet(), data=(DIGITS.test_images[:50], DIGITS.test_labels[:50]))
    assert explorer._caption() == "conv1.weight"
    plain = image.imread(io.BytesIO(explorer._repr_mimebundle_()[0]["image/png"]))
    explorer.measure()
    [_, now] = explorer.accuracy
    [[_, before], *_] = explorer.curve
    assert (
        explorer._caption() == f"conv1.weight · accuracy {100 * before:.1f} % → {100 * now:.1f} %"
    )
    told = image.imread(io.BytesIO(explorer._repr_mimebundle_()[0]["image/png"]))
    assert (told[-30:] < 0.5).sum() > (plain[-30:] < 0.5).sum()  # more words under it
    explorer.amount = 101  # not measured yet
    assert explorer._caption() == "conv1.weight"
    explorer.close()
