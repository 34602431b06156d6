"""SensitivityExplorer from Python's side: what it measures, previews, applies and takes back."""

from __future__ import annotations

import copy
import io
import re
import threading

import pytest
import torch
import traitlets
from matplotlib import image
from torch import nn
from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from prune_lab.training import evaluate
from prune_lab.widgets import SensitivityExplorer, sensitivity_explorer
from prune_lab.widgets.frontend import STATIC
from prune_lab.widgets.trial import Trial
from tests.widgets.browser_side import asked, hidden, shown

TECHNIQUES = {
    "l1_unstructured": {},
    "random_unstructured": {},
    "ln_structured": {"n": 2, "dim": 0},
}


class Residual(nn.Module):
    """A block of a ResNet between two layers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norm, self.activation = nn.BatchNorm2d(4), nn.ReLU()
        self.head = nn.Linear(4 * 64, 5)

    def forward(self, x):
        x = self.stem(x)
        return self.head((x + self.activation(self.norm(self.conv(x)))).flatten(1))


class Transformer(nn.Module):
    """Rows of the image as tokens, after a token that is the model's own parameter."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = torch.cat([self.token.expand(len(x), 1, 8), x[:, 0]], dim=1)
        return self.head(self.encoder(x).mean(dim=1) * 10)


class Tied(nn.Module):
    """Two layers that share one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
        self.second.weight = self.first.weight

    def forward(self, x):
        return self.second(torch.relu(self.first(x.flatten(1))))


MODELS = {"residual": Residual, "transformer": Transformer, "tied": Tied}


def make(kind="residual"):
    """A model, and images that it labels without a mistake while it is unpruned."""
    torch.manual_seed(0)
    model = MODELS[kind]()
    images = torch.randn(60, 1, 8, 8)
    model.eval()
    with torch.no_grad():
        labels = model(images).argmax(dim=1)
    return model, (images, labels)


@pytest.fixture(autouse=True)
def one_thread():
    """For models so small, a second thread costs more than it brings."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def made():
    """Explorers that are closed in the end."""
    explorers = []

    def explorer(model, data, **settings):
        explorers.append(shown(SensitivityExplorer(model, data, **settings)))
        return explorers[-1]

    yield explorer
    for one in explorers:
        one.close()


def measured(explorer):
    explorer._background.wait()
    assert explorer.message == ""
    return explorer


def names_of(model):
    return [name for name, parameter in model.named_parameters() if parameter.dim() > 1]


def pruned_copy(model, technique, amounts, seed=1, engine=prune):
    """What the reader would do by hand."""
    copied = copy.deepcopy(model)
    places = []
    for name in names_of(model):
        path, _, last = name.rpartition(".")
        places.append((name, copied.get_submodule(path), last))
    for i, (name, module, last) in enumerate(places):
        if amounts.get(name):
            torch.manual_seed(seed + i)
            call = getattr(engine, technique)
            call(module, last, amount=amounts[name], **TECHNIQUES[technique])
    prune.prune_twins(copied)
    return copied


def snapshot(model):
    """All that pruning could touch."""
    return (
        {key: (id(p), p.detach().clone()) for key, p in model.named_parameters()},
        {key: b.clone() for key, b in model.named_buffers()},
        [list(map(id, m._forward_pre_hooks.values())) for m in model.modules()],
        [set(vars(m)) for m in model.modules()],
        [type(m) for m in model.modules()],
        torch.get_rng_state(),
    )


def same(before, after):
    def equal(one, other):
        if isinstance(one, torch.Tensor):
            return torch.equal(one, other)
        if isinstance(one, tuple):
            return all(map(equal, one, other))
        return one == other

    return all(
        (isinstance(one, dict) and one.keys() == other.keys()
         and all(equal(one[key], other[key]) for key in one))
        or (not isinstance(one, dict) and equal(one, other))
        for one, other in zip(before, after, strict=True)
    )  # fmt: skip


class Gate:
    """Lets measurements through one by one, and counts them."""

    def __init__(self, monkeypatch):
        self.begun, self.open, self.count = threading.Semaphore(0), threading.Semaphore(0), 0
        accuracy = Trial.accuracy

        def gated(trial, values):
            self.begun.release()
            self.open.acquire()
            self.count += 1
            return accuracy(trial, values)

        monkeypatch.setattr(Trial, "accuracy", gated)

    def let(self, n):
        """Let n measurements pass, and wait until the next one has begun."""
        self.open.release(n)
        for _ in range(n):
            assert self.begun.acquire(timeout=60)

    def leave(self):
        self.open.release(10_000)


# What is measured


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("kind", ["residual", "transformer"])
def test_curves_and_accuracy_are_those_of_the_engine(made, kind, technique):
    model, data = make(kind)
    explorer = made(model, data, technique=technique)
    amounts = dict(zip(names_of(model), (0.45, 0.3, 0.6, 0.2, 0.7, 0.5), strict=False))
    explorer.amounts = amounts
    measured(explorer)
    assert explorer.baseline == evaluate(model, *data) == 1
    assert list(explorer.curves) == names_of(model)
    for name, points in explorer.curves.items():
        assert [amount for amount, _ in points] == [step / 20 for step in range(21)]
        for amount, accuracy in points:
            alone = pruned_copy(model, technique, {name: amount})
            assert accuracy == evaluate(alone, *data), (name, amount)
    together = pruned_copy(model, technique, amounts)
    assert explorer.accuracy == evaluate(together, *data) < 1


def test_another_seed_draws_anew_and_layers_draw_apart(made):
    model, data = make("residual")
    explorer = made(model, data, technique="random_unstructured", seed=5)
    explorer.amounts = {"stem.weight": 0.5, "head.weight": 0.4}
    measured(explorer)
    expected = pruned_copy(model, "random_unstructured", explorer.amounts, seed=5)
    assert explorer.accuracy == evaluate(expected, *data)
    explorer.seed = 6
    assert explorer.accuracy is None
    measured(explorer)
    expected = pruned_copy(model, "random_unstructured", explorer.amounts, seed=6)
    assert explorer.accuracy == evaluate(expected, *data)
    assert explorer.code.startswith("torch.manual_seed(6)\n")
    assert "\ntorch.manual_seed(8)\n" in explorer.code  # the third layer's own


def test_what_was_pruned_before_stays_pruned(made):
    model, data = make()
    prune.l1_unstructured(model.head, "weight", amount=0.5)
    prune.random_unstructured(model.conv, "weight", amount=50)
    prune.random_structured(model.conv, "weight", amount=1, dim=0)
    gone = int((model.head.weight_mask == 0).sum() + (model.conv.weight_mask == 0).sum())
    for technique in TECHNIQUES:
        explorer = made(model, data, technique=technique)
        assert explorer.pruned == gone
        explorer.amounts = {"conv.weight": 0.5, "head.weight": 0.4}
        measured(explorer)
        copied = copy.deepcopy(model)
        for i, name in enumerate(["stem", "conv", "head"]):
            if explorer.amounts[f"{name}.weight"]:
                torch.manual_seed(1 + i)
                module, amount = getattr(copied, name), explorer.amounts[f"{name}.weight"]
                getattr(prune, technique)(module, "weight", amount, **TECHNIQUES[technique])
        assert explorer.accuracy == evaluate(copied, *data)
        zeros = sum(int((mask == 0).sum()) for mask in copied.buffers() if mask.dim() > 1)
        assert explorer.kept == explorer.total - zeros


def test_the_size_counts_what_is_left(made):
    model, data = make()
    explorer = made(model, data)
    assert explorer.total == sum(parameter.numel() for parameter in model.parameters())
    for technique in TECHNIQUES:
        explorer.technique = technique
        for amount in (0, 0.1, 0.25, 0.5, 0.77, 1):
            explorer.amounts = dict.fromkeys(names_of(model), amount)
            copied = pruned_copy(model, technique, explorer.amounts)
            left = sum(int(mask.sum()) for key, mask in copied.named_buffers() if "mask" in key)
            others = sum(p.numel() for p in model.parameters() if p.dim() < 2)
            assert explorer.kept == (left + others if amount else explorer.total)


def test_a_tied_weight_is_one_layer(made):
    model, data = make("tied")
    explorer = made(model, data)
    explorer.amounts = {"first.weight": 0.7}
    measured(explorer)
    expected = pruned_copy(model, "l1_unstructured", explorer.amounts)
    assert explorer.accuracy == evaluate(expected, *data) < 1
    assert list(explorer.amounts) == ["first.weight"]
    assert explorer.total == 64 * 64 + 2 * 64


# What is previewed


def test_a_preview_leaves_the_model_and_the_random_numbers_alone(made):
    model, data = make("transformer")
    model.train()
    before = snapshot(model)
    explorer = made(model, data, technique="random_unstructured")
    explorer.amounts = dict.fromkeys(names_of(model), 0.5)
    measured(explorer)
    assert same(before, snapshot(model))
    assert model.training


def test_accuracy_is_not_known_until_it_is_measured_for_the_last_amounts(made, monkeypatch):
    model, data = make()
    gate = Gate(monkeypatch)
    explorer = made(model, data)
    assert gate.begun.acquire(timeout=60)
    gate.let(2)  # the baseline, which is the sliders' too, and the first point of a curve
    assert explorer.accuracy == explorer.baseline == 1
    count = gate.count
    for amount in (0.1, 0.2, 0.3, 0.9):
        explorer.amounts = {"head.weight": amount}
        assert explorer.accuracy is None
    explorer.stop()
    gate.leave()
    measured(explorer)
    assert explorer.accuracy == evaluate(
        pruned_copy(model, "l1_unstructured", explorer.amounts), *data
    )
    assert explorer.basis["amounts"] == explorer.amounts
    assert gate.count == count + 2  # the step that was under way, and the last amounts


def test_stop_holds_the_curves_and_go_on_takes_them_up(made, monkeypatch):
    model, data = make()
    gate = Gate(monkeypatch)
    explorer = made(model, data)
    assert gate.begun.acquire(timeout=60)
    gate.let(6)
    explorer.stop()
    assert explorer.stopped
    gate.leave()
    measured(explorer)
    held = explorer.curves
    assert 0 < sum(map(len, held.values())) < 3 * 21
    explorer.amounts = {"head.weight": 0.87}  # no point of a curve
    measured(explorer)
    assert explorer.accuracy is not None  # the sliders' accuracy is measured all the same
    assert explorer.curves == held
    count = gate.count
    explorer.go_on()
    measured(explorer)
    assert [len(points) for points in explorer.curves.values()] == [21] * 3
    # Nothing twice: 20 amounts beside 0 for each layer, where there are so many entries
    missing = 3 * 20 - sum(len(points) - 1 for points in held.values())
    assert gate.count == count + missing


def test_curves_are_kept_for_each_technique(made, monkeypatch):
    model, data = make()
    gate = Gate(monkeypatch)
    gate.leave()
    explorer = measured(made(model, data))
    curves, count = explorer.curves, gate.count
    explorer.technique = "ln_structured"
    # What takes no whole filter costs nothing: that needs no measuring.
    assert {y for points in explorer.curves.values() for _, y in points} == {explorer.baseline}
    assert explorer.basis["technique"] == "ln_structured"
    measured(explorer)
    # Of 4, 4 and 5 filters or rows, each count is measured once; the sliders at 0 are known.
    assert gate.count == count + 4 + 4 + 5
    explorer.technique = "l1_unstructured"
    assert explorer.curves == curves
    measured(explorer)
    assert gate.count == count + 4 + 4 + 5


@pytest.mark.parametrize("end", ["close", "hide"])
def test_a_panel_that_nobody_sees_does_not_work(made, monkeypatch, end):
    model, data = make()
    gate = Gate(monkeypatch)
    explorer = made(model, data)
    assert gate.begun.acquire(timeout=60)
    if end == "close":
        explorer.close()
        gate.leave()
        explorer._background.wait()
        explorer.amounts = {"head.weight": 0.5}
        explorer._background.wait()
        assert gate.count == 1  # the one that was under way
    else:
        hidden(explorer)
        explorer.amounts = {"head.weight": 0.5}
        gate.leave()
        explorer._background.wait()
        assert gate.count == 1  # the one that was under way
        shown(explorer)
        assert len(measured(explorer).curves["head.weight"]) == 21


# What is applied


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("kind", MODELS)
def test_apply_undo_reset(made, kind, technique):
    model, data = make(kind)
    first, *others = names_of(model)
    before = snapshot(model)
    explorer = made(model, data, technique=technique)
    explorer.amounts = {first: 0.75, **dict.fromkeys(others, 0.25)}
    measured(explorer)
    curves, accuracy = explorer.curves, explorer.accuracy
    explorer.apply()
    assert torch.equal(before[-1], torch.get_rng_state())
    assert evaluate(model, *data) == accuracy
    assert explorer.undoable
    assert explorer.message.startswith(f"Applied to {1 + len(others)} layer")
    explorer.refresh()  # as after a cell: our own Apply makes nothing stale
    assert (explorer.curves, explorer.accuracy) == (curves, accuracy)
    applied = {key: mask.clone() for key, mask in model.named_buffers() if "_mask" in key}

    explorer.amounts = {first: 1}  # the others are left alone: they are unpruned again
    explorer.apply()
    masks = {key: mask for key, mask in model.named_buffers() if "_mask" in key}
    assert {key.removesuffix("_mask") for key in masks} <= {first, "second.weight"}
    reference, _ = make(kind)
    expected = pruned_copy(reference, technique, {first: 1.0})
    assert torch.equal(masks[f"{first}_mask"], dict(expected.named_buffers())[f"{first}_mask"])

    explorer.undo()
    masks = {key: mask for key, mask in model.named_buffers() if "_mask" in key}
    assert masks.keys() == applied.keys()
    assert all(torch.equal(mask, applied[key]) for key, mask in masks.items())
    explorer.undo()
    assert same(before[:-1], snapshot(model)[:-1])
    assert not explorer.undoable
    assert explorer.amounts[first] == 1  # the sliders stay

    explorer.apply()
    explorer.reset()
    assert same(before[:-1], snapshot(model)[:-1])
    assert set(explorer.amounts.values()) == {0}
    assert explorer.message == "Undone: the model is as it was before."


def test_nothing_to_apply(made):
    model, data = make()
    before = snapshot(model)
    explorer = made(model, data)
    explorer.amounts = {"conv.weight": 0.001}  # of 144 entries that is none
    explorer.apply()
    assert explorer.message == "Nothing to apply: every slider is at 0."
    assert same(before, snapshot(model))
    assert explorer.code == ""


def test_apply_is_all_or_nothing(made, monkeypatch):
    model, data = make()
    explorer = made(model, data)
    explorer.amounts = {"conv.weight": 0.5}
    explorer.apply()
    before = [mask.clone() for mask in model.buffers()]
    call = prune.l1_unstructured

    def fails(module, name, amount):
        if module is model.head:
            raise RuntimeError("no room\nfor a mask")
        return call(module, name, amount)

    monkeypatch.setattr(prune, "l1_unstructured", fails)
    explorer.amounts = dict.fromkeys(explorer.amounts, 0.25)
    asked(explorer, press="apply")
    assert (explorer.message, explorer.failed) == ("no room", True)
    assert all(map(torch.equal, before, model.buffers()))
    assert not prune.is_pruned(model.head)
    assert not prune.is_pruned(model.stem)


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("kind", MODELS)
def test_the_code_does_what_apply_does(made, kind, technique):
    model, data = make(kind)
    explorer = made(model, data, technique=technique, seed=3)
    explorer.amounts = dict(zip(names_of(model), (0.5, 1.0, 0.25), strict=False))
    copied = copy.deepcopy(model)
    exec(explorer.code, {"torch": torch, "prune": prune, "model": copied})
    explorer.apply()
    masks = {key: mask for key, mask in model.named_buffers() if "_mask" in key}
    assert masks
    by_code = dict(copied.named_buffers())
    assert all(torch.equal(mask, by_code[key]) for key, mask in masks.items())


def test_the_code_runs_with_torchs_module_too(made):
    model, data = make()
    model.add_module('<img src=x onerror="alert(1)">', nn.Linear(3, 3))
    explorer = made(model, data, technique="ln_structured", label="net")
    explorer.amounts = {'<img src=x onerror="alert(1)">.weight': 1 / 3, "stem.weight": 0.5}
    net = copy.deepcopy(model)
    exec(explorer.code, {"prune": torch_prune, "net": net})
    assert 'net.get_submodule("<img src=x onerror=\\"alert(1)\\">")' in explorer.code
    assert sum(int(mask.sum()) for key, mask in net.named_buffers() if "mask" in key) == 6 + 18


# What cells change


def test_a_changed_model_is_measured_anew(made):
    model, data = make()
    explorer = made(model, data)
    explorer.amounts = {"stem.weight": 0.5}
    measured(explorer)
    before = explorer.curves
    explorer.refresh()
    assert explorer.curves is before  # nothing has changed
    with torch.no_grad():
        model.head.weight.copy_(model.head.weight.flip(0))
    explorer.refresh()
    assert explorer.accuracy is None
    assert explorer.baseline is None
    assert not any(explorer.curves.values())
    measured(explorer)
    assert explorer.baseline == evaluate(model, *data) < 1
    assert explorer.curves != before


@pytest.mark.parametrize("change", ["buffer", "bias", "module"])
def test_every_kind_of_change_is_seen(made, change):
    model, data = make()
    explorer = measured(made(model, data))
    with torch.no_grad():
        if change == "buffer":
            model.norm.running_mean += 1
        elif change == "bias":
            model.head.bias += torch.arange(5)
        else:
            model.activation = nn.Sigmoid()
    explorer.refresh()
    assert explorer.accuracy is None
    assert measured(explorer).accuracy == evaluate(model, *data)


def test_a_layer_that_goes_takes_its_slider_along(made):
    model, data = make()
    explorer = made(model, data)
    explorer.amounts = {"conv.weight": 0.5, "head.weight": 0.4}
    model.conv = nn.Identity()
    model.more = nn.Linear(2, 2)
    explorer.refresh()
    assert explorer.amounts == {"stem.weight": 0, "head.weight": 0.4, "more.weight": 0}
    assert list(measured(explorer).curves) == list(explorer.amounts)


def test_training_after_apply_is_not_lost(made):
    model, data = make()
    explorer = made(model, data)
    explorer.amounts = {"head.weight": 0.5}
    explorer.apply()
    with torch.no_grad():
        model.head.weight_orig.mul_(2)
    explorer.refresh()
    trained = model.head.weight_orig.detach().clone()
    explorer.reset()
    assert torch.equal(model.head.weight, trained)


def test_pruning_from_elsewhere_is_not_undone(made):
    model, data = make()
    explorer = made(model, data)
    explorer.amounts = {"head.weight": 0.5, "conv.weight": 0.5}
    explorer.apply()
    prune.l1_unstructured(model.head, "weight", amount=0.5)
    explorer.refresh()
    explorer.undo()
    assert float(model.head.weight_mask.mean()) == 0.25
    assert "head.weight was pruned or changed from elsewhere" in explorer.message


# What is set


def test_amounts_that_are_left_out_are_0(made):
    model, data = make()
    explorer = made(model, data)
    seen = []
    explorer.observe(lambda change: seen.append(change.new), "amounts")
    explorer.amounts = {"head.weight": 1}
    assert seen == [{"stem.weight": 0, "conv.weight": 0, "head.weight": 1.0}]


@pytest.mark.parametrize(("trait", "value", "sentence"), [
    ("amounts", {"fc.weight": 0.5}, "no weight 'fc.weight' to prune; there are stem.weight, conv"),
    ("amounts", {"head.weight": 1.5}, "amount=1.5 of head.weight should be a fraction in"),
    ("amounts", {"head.weight": float("nan")}, "amount=nan"),
    ("technique", "l1", "technique='l1' is not offered; choose one of l1_unstructured, random"),
    ("seed", -1, "seed=-1 should lie between 0 and"),
])  # fmt: skip
def test_a_wrong_setting_changes_nothing(made, trait, value, sentence):
    model, data = make()
    explorer = made(model, data)
    before = getattr(explorer, trait)
    with pytest.raises(ValueError, match=sentence):
        setattr(explorer, trait, value)
    assert getattr(explorer, trait) == before
    if trait != "amounts":
        with pytest.raises(ValueError, match=sentence):
            made(model, data, **{trait: value})


def test_wrong_arguments_are_told_apart(made):
    model, data = make()
    with pytest.raises(TypeError, match=r"should be a torch\.nn\.Module, not Tensor"):
        made(data[0], data)
    with pytest.raises(TypeError, match="a pair of tensors: images and labels"):
        made(model, "digits")
    with pytest.raises(ValueError, match="ReLU has no weight with two or more dimensions"):
        made(nn.ReLU(), data)
    with pytest.raises(traitlets.TraitError):
        made(model, data, seed="one")
    with pytest.raises(traitlets.TraitError):
        made(model, data).amounts = {"head.weight": "half"}


def test_data_that_does_not_fit_is_said_in_the_panel(made, capsys):
    model, (images, labels) = make()
    explorer = made(model, (images[:, :, :5], labels))
    explorer._background.wait()
    assert explorer.failed
    assert "mat1 and mat2 shapes cannot be multiplied" in explorer.message
    assert "\n" not in explorer.message
    assert explorer.accuracy is None
    assert capsys.readouterr() == ("", "")


# Without a browser


def test_repr_states_the_state(made):
    model, data = make("transformer")
    explorer = made(model, data, technique="ln_structured")
    assert repr(explorer) == (
        "SensitivityExplorer(technique='ln_structured', layers=6, kept=653/653)"
    )
    explorer.amounts = {"encoder.linear1.weight": 0.25}
    assert repr(explorer).endswith("kept=621/653)")


def test_viewers_without_widgets_get_the_curves(made):
    model, data = make()
    model.add_module("$_{$", nn.Linear(2, 2))
    explorer = measured(made(model, data))
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer)
    picture = image.imread(io.BytesIO(bundle["image/png"]))
    assert len(explorer._figure().axes[0].lines) == 4
    assert picture.std() > 0.05


def test_a_picture_without_curves_says_that_they_come(made):
    explorer = made(*make())
    explorer.stop()
    explorer._background.wait()
    explorer._measured.clear()
    explorer.stop()
    (said,) = explorer._figure().axes[0].texts
    assert said.get_text().startswith("The curves are not measured yet in this picture")
    explorer._measured[explorer._key_of({"conv.weight": 36})] = 0.5
    explorer.stop()
    explorer._background.wait()  # the accuracy without pruning, where each curve begins
    (said,) = explorer._figure().axes[0].texts
    assert said.get_text().startswith("2 of 3 curves are not measured yet")
    explorer.go_on()
    assert not measured(explorer)._figure().axes[0].texts


def test_picture_and_panel_have_the_same_colours():
    pens = re.findall(r'colour: "(#\w+)"', (STATIC / "curve.js").read_text(encoding="utf-8"))
    assert pens == sensitivity_explorer.COLOURS
