"""ModuleInspector from Python's side: what it shows is what the model holds, now and before."""

from __future__ import annotations

import io
import json

import pytest
import torch
import traitlets
from matplotlib import image
from torch import nn

from prune_lab import inspection, prune
from prune_lab.lenet import LeNet
from prune_lab.widgets import ModuleInspector
from tests.widgets.browser_side import asked, hidden, send, shown


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LeNet()


def marks(inspector, owner=None):
    """What the panel marks: (word, kind, name), of one module or of all."""
    return [
        (row["what"], row["kind"], row["name"])
        for row in inspector.rows
        if row["what"] and owner in (None, row["owner"])
    ]


def changes(inspector):
    """The counts in the tree, where they are not 0."""
    return {entry["path"]: entry["changes"] for entry in inspector.tree if entry["changes"]}


# What it shows


def test_the_tree_is_torchs_named_modules(model):
    inspector = ModuleInspector(model)
    assert [entry["path"] for entry in inspector.tree] == [p for p, _ in model.named_modules()]
    conv1 = inspector.tree[1]
    assert conv1 == {
        "path": "conv1",
        "type": "Conv2d",
        "title": "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))",
        "changes": 0,
    }


def test_rows_are_torchs_parameters_and_buffers_each_once():
    model = nn.Sequential(LeNet(), nn.BatchNorm2d(6))
    rows = ModuleInspector(model).rows
    for kind, named in (("parameter", model.named_parameters), ("buffer", model.named_buffers)):
        assert [row["name"] for row in rows if row["kind"] == kind] == [n for n, _ in named()]
    weight = next(row for row in rows if row["name"] == "0.conv1.weight")
    assert weight["owner"] == "0.conv1"
    assert weight["now"][0] == "(6, 1, 5, 5)"
    assert (weight["what"], "before" in weight) == ("", False)


def test_the_text_says_the_chosen_module_and_what_lies_in_it(model):
    inspector = ModuleInspector(model)
    assert repr(inspector) == "ModuleInspector(module='', parameters=10, buffers=0, hooks=0)"
    inspector.module = "fc1"
    assert repr(inspector) == "ModuleInspector(module='fc1', parameters=2, buffers=0, hooks=0)"
    prune.l1_unstructured(model.conv1, "weight", 0.3)
    inspector.refresh()
    assert repr(inspector) == "ModuleInspector(module='fc1', parameters=2, buffers=0, hooks=0)"
    inspector.module = ""
    assert repr(inspector).endswith("parameters=10, buffers=1, hooks=1, changes=4)")


def test_a_module_whose_name_begins_like_anothers_is_another():
    model = nn.ModuleDict({"fc": nn.Linear(2, 2), "fc1": nn.Linear(2, 2)})
    assert "parameters=2" in repr(ModuleInspector(model, "fc"))


def test_the_picture_shows_the_chosen_module(model):
    inspector = ModuleInspector(model, "conv1")
    assert "weight " in text_of(inspector)
    assert "conv1.weight" not in text_of(inspector)
    inspector.module = ""
    assert "conv1.weight" in text_of(inspector)
    prune.identity(model.conv2, "bias")
    inspector.refresh()
    assert "> LeNet " in text_of(inspector)
    assert "    conv2 Conv2d  [4 changes]" in text_of(inspector)
    bundle, _ = inspector._repr_mimebundle_()
    assert bundle["text/plain"] == repr(inspector)
    assert image.imread(io.BytesIO(bundle["image/png"])).size > 10_000


def text_of(inspector):
    (text,) = inspector._figure().texts
    return text.get_text()


# Now and before


def test_pruning_remove_and_undo_are_followed(model):
    inspector = ModuleInspector(model, "conv1")
    names = [
        ("renamed", "parameter", "conv1.weight_orig"),
        ("added", "buffer", "conv1.weight_mask"),
        ("added", "plain tensor", "conv1.weight"),
        ("added", "hook", "L1Unstructured on weight"),
    ]
    untouched = model.conv1.weight.detach().clone()

    prune.l1_unstructured(model.conv1, "weight", amount=0.3)
    inspector.refresh()
    assert marks(inspector) == names
    assert changes(inspector) == {"conv1": 4}
    renamed = next(row for row in inspector.rows if row["what"] == "renamed")
    assert (renamed["was"], renamed["other_values"]) == ("conv1.weight", False)
    mask = next(row for row in inspector.rows if row["name"] == "conv1.weight_mask")
    assert mask["now"][3] == "45 of 150"

    prune.remove(model.conv1, "weight")
    inspector.refresh()
    assert marks(inspector) == [("changed", "parameter", "conv1.weight")]
    weight = next(row for row in inspector.rows if row["name"] == "conv1.weight")
    assert (weight["before"][3], weight["now"][3]) == ("0 of 150", "45 of 150")

    model.conv1.weight.data.copy_(untouched)
    inspector.refresh()
    assert marks(inspector) == []
    assert "changes" not in repr(inspector)


def test_what_is_gone_is_shown_as_it_was(model):
    prune.l1_unstructured(model.conv1, "weight", amount=0.3)
    inspector = ModuleInspector(model, "conv1")
    prune.remove(model.conv1, "weight")
    inspector.refresh()
    assert ("gone", "buffer", "conv1.weight_mask") in marks(inspector)
    mask = next(row for row in inspector.rows if row["name"] == "conv1.weight_mask")
    assert mask["before"][3] == "45 of 150"
    assert "now" not in mask
    assert "buffers=0, hooks=0, changes=4" in repr(inspector)


def test_compare_from_now_forgets_what_was_before(model):
    inspector = ModuleInspector(model)
    prune.l1_unstructured(model.conv1, "weight", amount=0.3)
    asked(inspector, press="mark")  # as the button does, without a refresh before it
    assert marks(inspector) == []
    assert "compare from now" in inspector.since
    prune.remove(model.conv1, "weight")
    inspector.refresh()
    assert changes(inspector) == {"conv1": 4}


def test_a_value_changed_behind_torchs_back_is_seen(model):
    inspector = ModuleInspector(model)
    bias = model.fc3.bias.detach().clone()
    model.fc3.bias.data.copy_(bias.flip(0))  # through .data torch's own counter does not move
    inspector.refresh()
    assert marks(inspector) == [("changed", "parameter", "fc3.bias")]
    changed = next(row for row in inspector.rows if row["what"])
    assert (changed["other_values"], "before" in changed) == (True, False)  # the same range


def test_a_frozen_parameter_is_a_change_without_other_values(model):
    inspector = ModuleInspector(model)
    model.fc1.weight.requires_grad_(False)
    inspector.refresh()
    (row,) = (row for row in inspector.rows if row["what"])
    assert (row["what"], row["name"], row["other_values"]) == ("changed", "fc1.weight", False)
    assert (row["before"][4], row["now"][4]) == ("True", "False")


def test_nothing_is_sent_when_nothing_changed(model):
    inspector = ModuleInspector(model)
    sent = []
    inspector.observe(lambda change: sent.append(change.name), traitlets.All)
    inspector.refresh()
    assert sent == []
    model.conv1 = nn.Conv2d(1, 6, 5, stride=1, padding=0, dilation=1).requires_grad_(False)
    inspector.refresh()
    assert set(sent) == {"tree", "rows"}


def test_the_same_hook_twice_is_two_rows_and_one_change(model):
    def announce(module, inputs):
        pass

    model.conv1.register_forward_pre_hook(announce)
    inspector = ModuleInspector(model)
    handle = model.conv1.register_forward_pre_hook(announce)
    inspector.refresh()
    hooks = [row["what"] for row in inspector.rows if row["kind"] == "hook"]
    assert hooks == ["", "added"]
    handle.remove()
    inspector.refresh()
    assert marks(inspector) == []


def test_modules_come_and_go(model):
    inspector = ModuleInspector(nn.Sequential(model), "0.fc3")
    model.norm = nn.BatchNorm1d(3)
    inspector.refresh()
    assert changes(inspector) == {"0.norm": 5}
    del model.fc3, model.norm
    inspector.refresh()
    assert inspector.module == "0"  # where fc3 was
    assert changes(inspector) == {"0": 2}
    assert marks(inspector) == [
        ("gone", "parameter", "0.fc3.weight"),
        ("gone", "parameter", "0.fc3.bias"),
    ]


def test_a_module_without_tensors_that_takes_anothers_place_is_seen():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    inspector = ModuleInspector(model)
    model[1] = nn.Dropout(0.5)
    inspector.refresh()
    assert inspector.tree[2]["title"] == "Dropout(p=0.5, inplace=False)"


def test_the_model_is_only_read(model):
    prune.l1_unstructured(model.conv1, "weight", amount=0.3)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    inspector = ModuleInspector(model)
    inspector.mark()
    inspector._figure()
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


# Any model


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = self.other = nn.Linear(3, 3)
        self.tied = nn.Linear(3, 3)
        self.tied.weight = self.one.weight


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("seen", torch.zeros(3, dtype=torch.bool))
        self.register_buffer("codes", torch.tensor([1, 0, 3]).to(torch.uint16))
        self.register_buffer("none", None)


ANY = {
    "no parameters": nn.ReLU,
    "empty": nn.Sequential,
    "lazy": lambda: nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d()),
    "meta": lambda: nn.Linear(3, 2, device="meta"),
    "shared": Shared,
    "int and bool buffers": Counting,
    "residual": lambda: nn.ModuleDict(
        {"block": nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))}
    ),
    "transformer": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2
    ),
    "lstm": lambda: nn.LSTM(3, 4),
    "half": lambda: nn.Linear(3, 2).to(torch.bfloat16),
}


@pytest.mark.parametrize("make", ANY.values(), ids=ANY)
def test_any_model_can_be_inspected_and_followed(make):
    model = make()
    inspector = ModuleInspector(model)
    json.dumps([inspector.tree, inspector.rows])
    for entry in inspector.tree:
        inspector.module = entry["path"]
        assert entry["title"] in text_of(inspector)
    inspector.refresh()
    assert marks(inspector) == []
    model.register_buffer("new", torch.ones(2))
    inspector.refresh()
    assert marks(inspector) == [("added", "buffer", "new")]


def test_a_lazy_module_gets_its_shapes_with_its_first_input():
    model = nn.Sequential(nn.LazyLinear(3))
    inspector = ModuleInspector(model)
    assert inspector.rows[0]["now"][0] == "not known yet"
    model(torch.zeros(1, 4))
    inspector.refresh()
    assert inspector.rows[0]["now"][0] == "(3, 4)"
    assert inspector.rows[0]["before"][0] == "not known yet"


def test_of_a_large_model_little_is_sent_and_an_unchanged_tensor_is_counted_once(monkeypatch):
    inside = [nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.BatchNorm1d(4)) for _ in range(200)]
    model = nn.Sequential(
        *(nn.Sequential(*inside[start : start + 20]) for start in range(0, 200, 20))
    )
    inspector = ModuleInspector(model)
    assert len(inspector.tree) == 811
    assert len(json.dumps([inspector.tree, inspector.rows])) < 400_000
    counted = []
    count = inspection._zeros
    monkeypatch.setattr(
        inspection, "_zeros", lambda values: counted.append(values) or count(values)
    )
    inspector.refresh()
    assert counted == []
    with torch.no_grad():
        model[9][19][0].weight.zero_()
    inspector.refresh()
    assert len(counted) == 1
    assert changes(inspector) == {"9.19.0": 1}


def test_the_picture_of_a_large_model_has_an_end():
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(500)))
    model.add_module("x" * 500, nn.Linear(1, 1))
    inspector = ModuleInspector(model)
    lines = text_of(inspector).splitlines()
    assert len(lines) < 50
    assert max(map(len, lines)) <= 140
    assert lines[-1].endswith("more lines")
    width, height = inspector._figure().get_size_inches()
    assert width < 15 and height < 15


def test_names_are_sent_as_they_are_and_drawn_as_text():
    model = nn.Module()
    name = "<img src=x onerror=alert(1)> $x^$"
    model.add_module(name, nn.Linear(2, 2))
    inspector = ModuleInspector(model, name)
    assert inspector.tree[1]["path"] == name
    assert inspector.rows[0]["name"] == f"{name}.weight"
    inspector.module = ""
    inspector._repr_mimebundle_()  # the "$" would be a formula, and a wrong one


# Errors


@pytest.mark.parametrize("other", [None, "conv1", nn.Linear, torch.zeros(2)])
def test_only_a_model_can_be_inspected(other):
    with pytest.raises(TypeError, match=r"^model must be a torch\.nn\.Module, but got "):
        ModuleInspector(other)


@pytest.mark.parametrize("unknown", ["conv3", "conv1.weight", ".", 3, nn.Linear(1, 1)])
def test_only_a_module_of_the_model_can_be_chosen(model, cells, unknown):
    with pytest.raises(ValueError, match=r"^the model has no module .*; it has 'conv1', 'conv2'"):
        ModuleInspector(model, unknown)
    assert cells.callbacks["post_run_cell"] == []  # no half-made panel stays behind
    inspector = ModuleInspector(model, "conv1")
    with pytest.raises((ValueError, traitlets.TraitError)):
        inspector.module = unknown
    assert inspector.module == "conv1"


def test_the_error_names_some_modules_of_a_large_model():
    with pytest.raises(ValueError, match=r"it has '0', .*'9' and 490 more$"):
        ModuleInspector(nn.Sequential(*(nn.ReLU() for _ in range(500))), "fc")
    with pytest.raises(ValueError, match=r"it has no modules inside$"):
        ModuleInspector(nn.ReLU(), "fc")


def test_what_goes_wrong_after_a_cell_is_one_sentence_until_it_is_right_again(model, cells):
    def broken(*arguments, **options):
        raise RuntimeError("this model cannot be walked\nTraceback: ...")

    inspector = ModuleInspector(model)
    shown(inspector)
    model.named_modules = broken
    cells.trigger("post_run_cell", None)
    assert (inspector.message, inspector.failed) == ("this model cannot be walked", True)
    asked(inspector, press="mark")
    assert inspector.failed
    del model.named_modules
    cells.trigger("post_run_cell", None)
    assert (inspector.message, inspector.failed) == ("", False)


# Cells


def test_it_looks_again_after_every_cell(model, cells):
    inspector = ModuleInspector(model)
    shown(inspector)
    prune.l1_unstructured(model.conv1, "weight", amount=0.3)
    assert marks(inspector) == []
    cells.trigger("post_run_cell", None)
    assert changes(inspector) == {"conv1": 4}


@pytest.mark.parametrize("end", ["close", "hidden"])
def test_closed_or_hidden_it_does_no_work(model, cells, monkeypatch, end):
    inspector = ModuleInspector(model)
    shown(inspector)
    looked = []
    monkeypatch.setattr(ModuleInspector, "refresh", lambda self: looked.append(self))
    if end == "close":
        inspector.close()
    else:
        hidden(inspector)
    cells.trigger("post_run_cell", None)
    assert looked == []


def test_shown_again_it_is_up_to_date(model, cells):
    inspector = ModuleInspector(model)
    shown(inspector)
    hidden(inspector)
    prune.l1_unstructured(model.conv1, "weight", amount=0.3)
    cells.trigger("post_run_cell", None)
    assert marks(inspector) == []
    shown(inspector)
    assert changes(inspector) == {"conv1": 4}


def test_the_browser_may_call_nothing_but_mark(model):
    inspector = ModuleInspector(model)
    asked(inspector, press="close")
    assert inspector.comm is not None
    asked(inspector, press="_show")
    send(inspector, {}, [])
