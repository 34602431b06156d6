"""Panels beside other widgets: linked amounts, and functions that follow a panel."""

from __future__ import annotations

import pytest
import torch
from ipywidgets import FloatText, IntSlider, dlink, interactive_output, link
from torch import nn
from torch.nn.utils import prune as torch_prune

from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.widgets import DigitPad, MaskExplorer, SensitivityExplorer
from tests.widgets.browser_side import asked, send


@pytest.fixture
def explorer():
    torch.manual_seed(0)
    return MaskExplorer(nn.Conv2d(1, 6, 5), amount=45)


def test_a_linked_slider_and_the_panel_move_each_other(explorer):
    slider = IntSlider(max=300)
    link((explorer, "amount"), (slider, "value"))
    assert slider.value == 45
    slider.value = 60
    assert explorer.amount == 60 and int((explorer.mask == 0).sum()) == 60
    asked(explorer, {"amount": ["count", 20, 150]})
    assert slider.value == 20


def test_what_does_not_fit_is_said_in_the_panel(explorer):
    slider = IntSlider(max=300)
    link((explorer, "amount"), (slider, "value"))
    with pytest.raises(ValueError, match="amount=200"):
        slider.value = 200  # from the browser, this error would go into a log
    assert explorer.amount == 45
    assert explorer.failed and explorer.message.startswith("amount=200 should be smaller")
    assert explorer.answer["controls"]["amount"] == ["count", 45, 150]
    slider.value = 100
    assert (explorer.failed, explorer.message) == (False, "")


def test_a_function_can_follow_a_panel(explorer):
    number, pruned = FloatText(), []
    dlink((explorer, "amount"), (number, "value"))
    interactive_output(
        lambda amount: pruned.append(int((explorer.mask == 0).sum())), {"amount": number}
    )
    asked(explorer, {"amount": ["fraction", 0.5]})
    assert pruned == [45, 75]


@pytest.mark.parametrize(
    "make",
    [
        lambda: MaskExplorer(LeNet(), amount=0.2),
        lambda: DigitPad(LeNet(), load_digits(), amount=0.2),
    ],
)
def test_the_state_is_a_letter_box_between_the_widgets_of_a_page(make):
    panel = make()
    sent = []
    panel.comm.send = lambda data=None, **_: sent.append(data)
    assert panel.get_state(["amount"])["amount"] == 0.2
    panel.set_state({"amount": 0.7})  # what `jslink` would write
    assert panel.amount == 0.2
    panel.amount = 0.5
    assert sent and not any("amount" in message.get("state", {}) for message in sent)
    assert sent[-1]["state"]["answer"]["controls"]["amount"] in (["fraction", 0.5], 0.5)


def test_each_state_that_leaves_python_has_a_later_number_and_the_whole_is_sent_again(explorer):
    explorer.open()
    sent = []
    explorer.comm.send = lambda data=None, **_: sent.append(data)
    snapshot = explorer.get_state()  # what JupyterLab is told of all widgets together
    explorer.apply()
    send(explorer, {"ask": "again"}, [])
    numbers = [state["_serial"] for state in (snapshot, *(data["state"] for data in sent))]
    assert len(numbers) > 2 and numbers == sorted(set(numbers))
    whole = sent[-1]
    assert {*whole["state"], *(path[0] for path in whole["buffer_paths"])} == set(snapshot)
    assert whole["state"]["undoable"]


@pytest.mark.parametrize(
    "refused",
    [
        {"technique": "ln_structured", "seed": -1},
        {"technique": "ln_structured", "dim": 7},
        {"technique": "ln_structured", "n": "three"},
        {"technique": "ln_structured", "view": "upside down"},
        {"seed": 2, "technique": "none of these"},
        {"seed": 2, "colour": "green"},
    ],
)
def test_nobody_hears_of_choices_that_are_refused(explorer, refused):
    heard = []
    explorer.observe(heard.append, ["technique", "seed", "dim", "n", "view"])
    asked(explorer, refused)
    assert explorer.failed and explorer.message
    assert heard == []
    assert (explorer.technique, explorer.seed, explorer.dim) == ("l1_unstructured", 1, 0)
    asked(explorer, {"technique": "ln_structured", "dim": 1})
    assert [change.name for change in heard] == ["technique", "dim"] and not explorer.failed


@pytest.mark.parametrize(
    "make",
    [
        lambda model, data: MaskExplorer(model, data=data),
        SensitivityExplorer,
        DigitPad,
    ],
)
def test_a_model_that_torchs_engine_has_just_pruned_can_be_tried(make):
    model, digits = LeNet(), load_digits()
    torch_prune.global_unstructured(
        [(model.conv1, "weight"), (model.fc1, "weight")], torch_prune.L1Unstructured, amount=0.5
    )
    model.seen = [model.fc1.weight.abs()]  # a hook may keep such a tensor, too
    panel = make(model, digits)
    if isinstance(panel, DigitPad):
        pruned = panel._networks.before
        assert pruned == int(0.5 * (model.conv1.weight.numel() + model.fc1.weight.numel()))
    else:
        panel.measure()
        assert panel.message == ""
    assert not model.fc1.weight.is_leaf and model.fc1.weight.grad_fn is not None
    panel.close()
