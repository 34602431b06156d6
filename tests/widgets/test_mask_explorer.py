"""MaskExplorer from Python's side: what it shows is what the engine does, and nothing else."""

from __future__ import annotations

import base64
import copy
import io

import numpy as np
import pytest
import torch
import traitlets
from matplotlib import image
from torch import nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.widgets import MaskExplorer
from tests.widgets.browser_side import asked, shown

TECHNIQUES = ["l1_unstructured", "random_unstructured", "ln_structured", "random_structured"]
UNSTRUCTURED = TECHNIQUES[:2]
AMOUNTS = [0, 1, 2, 0.0, 0.3, 0.5, 1.0]

LAYERS = [
    (lambda: nn.Conv2d(1, 6, 5), "weight"),
    (lambda: nn.Conv2d(2, 3, (1, 3)), "weight"),
    (lambda: nn.Conv1d(3, 4, 7), "weight"),
    (lambda: nn.Conv3d(2, 3, 2), "weight"),
    (lambda: nn.Linear(8, 5), "weight"),
    (lambda: nn.Linear(8, 5, dtype=torch.float64), "bias"),
    (lambda: nn.Linear(8, 5, dtype=torch.bfloat16), "weight"),
    (lambda: nn.Embedding(7, 3), "weight"),
    (lambda: nn.LSTM(4, 3), "weight_hh_l0"),
]


@pytest.fixture
def conv1():
    torch.manual_seed(0)
    return nn.Conv2d(1, 6, 5)


def engines_mask(module, name, technique, amount, seed=0, engine=prune, **options):
    """The mask of one real call, on a copy."""
    module = copy.deepcopy(module)
    torch.manual_seed(seed)
    getattr(engine, technique)(module, name, amount=amount, **options)
    return getattr(module, f"{name}_mask")


def shown_mask(explorer):
    """The mask as the browser works it out from what it was sent."""
    order = np.frombuffer(explorer.order, "<i4").reshape(explorer.shape)
    kind, number, *_ = explorer.answer["controls"]["amount"]
    if not explorer.ways:
        number = explorer.units
    elif kind == "fraction":
        number = round(number * explorer.units)
    return torch.from_numpy(order >= number)


def moved(explorer, **choices):
    """What the browser sends when the reader moves a control."""
    asked(explorer, choices)


def pressed(explorer, button):
    """What the browser sends when the reader presses a button."""
    asked(explorer, press=button)


def snapshot(module):
    """All that pruning could touch."""
    return (
        {key: (id(p), p.detach().clone()) for key, p in module.named_parameters()},
        {key: b.clone() for key, b in module.named_buffers()},
        [(type(hook), hook.amount) for hook in module._forward_pre_hooks.values()],
        set(vars(module)),
    )


def same(before, after):
    parameters, buffers, hooks, names = before
    return (
        {k: p[0] for k, p in parameters.items()} == {k: p[0] for k, p in after[0].items()}
        and all(torch.equal(p[1], after[0][k][1]) for k, p in parameters.items())
        and buffers.keys() == after[1].keys()
        and all(torch.equal(b, after[1][k]) for k, b in buffers.items())
        and hooks == after[2]
        and names == after[3]
    )


# The preview


CASES = [
    (make, name, technique)
    for make, name in LAYERS
    for technique in TECHNIQUES
    if name != "bias" or technique in UNSTRUCTURED  # a bias has no channels
]


@pytest.mark.parametrize(("make", "name", "technique"), CASES)
@pytest.mark.parametrize("amount", AMOUNTS, ids=repr)
def test_preview_is_the_engines_mask(make, name, technique, amount):
    torch.manual_seed(0)
    module = make()
    before = snapshot(module)
    explorer = MaskExplorer(module, name, technique=technique, amount=amount, seed=3)
    options = {"ln_structured": {"n": 2, "dim": 0}, "random_structured": {"dim": 0}}
    expected = engines_mask(module, name, technique, amount, 3, **options.get(technique, {}))
    assert torch.equal(explorer.mask, expected)
    assert explorer.mask.dtype == expected.dtype
    assert torch.equal(shown_mask(explorer), expected.bool())
    assert same(before, snapshot(module))


@pytest.mark.parametrize("dim", range(-4, 4))
@pytest.mark.parametrize("n", [1, 2, float("inf")])
def test_every_dim_and_norm(conv1, dim, n):
    explorer = MaskExplorer(conv1, technique="ln_structured", dim=dim, n=n, amount=1)
    expected = engines_mask(conv1, "weight", "ln_structured", 1, dim=dim, n=n)
    assert torch.equal(explorer.mask, expected)


def test_the_default_seed_is_not_the_one_that_made_the_weights():
    torch.manual_seed(0)
    conv1 = nn.Conv2d(1, 6, 5)
    pruned = MaskExplorer(conv1, technique="random_unstructured", amount=45).mask == 0
    kept_values, pruned_values = conv1.weight[~pruned], conv1.weight[pruned]
    # With the same seed for both, random pruning takes exactly the largest weights.
    assert pruned_values.min() < kept_values.max()


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("technique", ["random_unstructured", "random_structured"])
def test_seed_gives_torchs_own_mask(conv1, technique, seed):
    options = {} if technique == "random_unstructured" else {"dim": 1 - 1}
    explorer = MaskExplorer(conv1, technique=technique, seed=seed, amount=0.5)
    torchs = engines_mask(conv1, "weight", technique, 0.5, seed, torch_prune, **options)
    assert torch.equal(explorer.mask, torchs)


def test_preview_and_apply_leave_the_random_state_alone(conv1):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    MaskExplorer(conv1, technique="random_unstructured").apply()
    assert torch.equal(torch.rand(3), expected)


def test_browser_gets_the_values_whatever_their_layout(conv1):
    linear = nn.Linear(4, 3)
    linear.weight = nn.Parameter(torch.arange(12.0).view(4, 3).t())  # not contiguous
    explorer = MaskExplorer(linear)
    values = np.frombuffer(explorer.values, "<f4").reshape(explorer.shape)
    assert (values == np.arange(12.0).reshape(4, 3).T).all()
    assert torch.equal(shown_mask(explorer), explorer.mask.bool())


def test_earlier_prune_is_where_the_preview_starts(conv1):
    prune.l1_unstructured(conv1, "weight", amount=50)
    explorer = MaskExplorer(conv1, amount=0.5)
    assert (explorer.mask == 0).sum() == 100
    assert torch.equal(explorer.mask, engines_mask(conv1, "weight", "l1_unstructured", 0.5))
    assert (np.frombuffer(explorer.order, "<i4") == -1).sum() == 50


# The traits


def test_amount_of_one_and_all_of_it_are_two_things(conv1):
    explorer = MaskExplorer(conv1, amount=1)
    seen = []
    explorer.observe(lambda change: seen.append(change.new), "amount")
    explorer.amount = 1.0
    assert seen == [1.0]
    assert explorer.mask.sum() == 0
    assert explorer.answer["controls"]["amount"] == ["fraction", 1.0]
    assert repr(explorer).endswith("amount=1.0, kept=0/150)")


def test_moving_a_slider_moves_the_amount(conv1):
    explorer = MaskExplorer(conv1)
    seen = []
    explorer.observe(lambda change: seen.append(change.new), "amount")
    moved(explorer, amount=["fraction", 0.42])
    assert seen == [0.42]
    explorer.amount = 45
    assert explorer.answer["controls"]["amount"] == ["count", 45, 150]
    moved(explorer, amount=["count", 46, 150])
    assert explorer.amount == 46
    assert isinstance(explorer.amount, int)


def test_a_count_of_another_layer_keeps_its_share(model):
    """The slider was moved while the layer that the reader had chosen was on its way."""
    explorer = MaskExplorer(model, "conv1.weight", amount=45)
    moved(explorer, name="conv2.weight")
    moved(explorer, amount=["count", 75, 150])
    assert explorer.amount == 1200
    moved(explorer, technique="n_m")
    moved(explorer, amount=["fraction", 0.5])  # N:M takes a count alone
    assert explorer.amount == explorer.units // 2


def test_a_count_keeps_its_share_from_entries_to_channels(conv1):
    explorer = MaskExplorer(conv1, amount=50)
    explorer.technique = "random_structured"
    assert explorer.amount == 2
    assert explorer.units == 6
    explorer.technique = "l1_unstructured"
    assert explorer.amount == 50


@pytest.mark.parametrize(
    ("technique", "options", "random"),
    [
        ("l1_unstructured", [], False),
        ("random_unstructured", [], True),
        ("ln_structured", ["n", "dim"], False),
        ("random_structured", ["dim"], True),
        ("custom_from_mask", [], False),
    ],
)
def test_the_menu_says_which_settings_matter(conv1, technique, options, random):
    menu = {entry["value"]: entry for entry in MaskExplorer(conv1).techniques}
    assert (menu[technique]["options"], menu[technique]["random"]) == (options, random)


@pytest.mark.parametrize("settings", [
    {"technique": "l1"}, {"amount": 1.5}, {"amount": -1}, {"amount": 151}, {"amount": float("nan")},
    {"seed": -1}, {"n": 3},
], ids=str)  # fmt: skip
def test_a_wrong_setting_changes_nothing(conv1, settings):
    explorer = MaskExplorer(conv1)
    before = repr(explorer), explorer.order, explorer.code
    for trait, value in settings.items():
        with pytest.raises(ValueError, match=f"{trait}="):
            setattr(explorer, trait, value)
        with pytest.raises(ValueError, match=f"{trait}="):
            MaskExplorer(conv1, **settings)
    assert (repr(explorer), explorer.order, explorer.code) == before


def test_wrong_types_are_refused(conv1):
    for amount in ("half", None, True, torch.tensor(0.5)):
        with pytest.raises(TypeError, match="Invalid type for amount"):
            MaskExplorer(conv1, amount=amount)
    with pytest.raises(IndexError, match="Invalid index 4"):
        MaskExplorer(conv1, dim=4)
    with pytest.raises(TypeError, match=r"should be a torch\.nn\.Module, not Parameter"):
        MaskExplorer(conv1.weight)
    with pytest.raises(traitlets.TraitError):
        MaskExplorer(conv1, seed="zero")


def test_a_wrong_name_is_answered_with_the_right_ones(conv1):
    with pytest.raises(AttributeError, match="no parameter 'weigth'; it has 'weight', 'bias'"):
        MaskExplorer(conv1, "weigth")
    with pytest.raises(
        AttributeError, match=r"no parameter 'weight'; it has '0\.weight', '0\.bias'"
    ):
        MaskExplorer(nn.Sequential(conv1), "weight")
    with pytest.raises(AttributeError, match="Sequential has no parameters to prune"):
        MaskExplorer(nn.Sequential(nn.ReLU()))
    with pytest.raises(AttributeError, match="no parameter 'bias'; it has 'weight'"):
        MaskExplorer(nn.Linear(2, 2, bias=False), "bias")
    with pytest.raises(ValueError, match="run the module on an input first"):
        MaskExplorer(nn.LazyLinear(3))
    conv1.nothing = nn.Parameter(torch.empty(0, 3))
    with pytest.raises(AttributeError, match="no parameter 'nothing'"):
        MaskExplorer(conv1, "nothing")


def test_structured_techniques_are_not_offered_without_channels(conv1):
    explorer = MaskExplorer(conv1, "bias")
    offered = [entry["value"] for entry in explorer.techniques]
    assert offered == [*UNSTRUCTURED, "custom_from_mask"]
    with pytest.raises(ValueError, match=r"not offered for a tensor of shape \(6,\)"):
        explorer.technique = "ln_structured"


# Apply and Reset


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("earlier", [False, True])
def test_reset_gives_the_module_back_as_it_was(conv1, technique, earlier):
    if earlier:
        prune.random_unstructured(conv1, "weight", amount=0.2)
    before = snapshot(conv1)
    explorer = MaskExplorer(conv1, technique=technique, amount=0.5)
    preview = explorer.mask
    explorer.apply()
    assert torch.equal(conv1.weight_mask, preview)
    assert torch.equal(explorer.mask, preview)
    explorer.reset()
    assert same(before, snapshot(conv1))
    assert torch.equal(explorer.mask, preview)


def test_applying_twice_does_not_compound(conv1):
    before = snapshot(conv1)
    explorer = MaskExplorer(conv1, amount=0.5)
    explorer.apply()
    explorer.amount = 0.2
    assert (explorer.mask == 0).sum() == 30
    explorer.apply()
    assert (conv1.weight_mask == 0).sum() == 30
    explorer.reset()
    assert same(before, snapshot(conv1))


def test_after_apply_the_preview_still_starts_from_before(conv1):
    explorer = MaskExplorer(conv1, amount=0.5)
    explorer.apply()
    explorer.technique = "random_unstructured"
    assert (np.frombuffer(explorer.order, "<i4") >= 0).all()
    explorer.reset()
    expected = engines_mask(conv1, "weight", "random_unstructured", 0.5, explorer.seed)
    assert torch.equal(explorer.mask, expected)


def test_the_code_does_what_apply_does(conv1):
    for technique in TECHNIQUES:
        for amount in (1, 0.5, 1.0):
            explorer = MaskExplorer(conv1, technique=technique, amount=amount, seed=4, n=1)
            copied = copy.deepcopy(conv1)
            exec(explorer.code, {"torch": torch, "prune": torch_prune, "conv1": copied})
            explorer.apply()
            assert torch.equal(copied.weight_mask, conv1.weight_mask), explorer.code
            explorer.reset()


def test_the_code_reads_as_one_would_write_it():
    model = nn.Module()
    model.conv1 = nn.Conv2d(1, 6, 5)
    assert MaskExplorer(model.conv1, amount=45).code == (
        'prune.l1_unstructured(model.conv1, name="weight", amount=45)'
    )
    explorer = MaskExplorer(model.conv1, technique="ln_structured", n=float("inf"), label="net.c")
    assert explorer.code == (
        'prune.ln_structured(net.c, name="weight", amount=0.3, n=float("inf"), dim=0)'
    )
    explorer.technique, explorer.seed = "random_unstructured", 7
    assert explorer.code == (
        'torch.manual_seed(7)\nprune.random_unstructured(net.c, name="weight", amount=0.3)'
    )
    assert "0.3".join(explorer.call) == explorer.code


def test_weights_that_changed_since_are_ranked_anew(conv1):
    explorer = MaskExplorer(conv1, amount=0.3)
    with torch.no_grad():
        conv1.weight.copy_(conv1.weight.flip(0))
    expected = engines_mask(conv1, "weight", "l1_unstructured", 0.3)
    explorer.apply()
    assert torch.equal(conv1.weight_mask, expected)
    assert torch.equal(shown_mask(explorer), expected.bool())


def test_pruning_from_elsewhere_is_not_undone(conv1):
    explorer = MaskExplorer(conv1, amount=0.5)
    explorer.apply()
    prune.l1_unstructured(conv1, "weight", amount=25)
    explorer.reset()
    assert (conv1.weight_mask == 0).sum() == 100
    assert explorer.message == ("Not undone: weight was pruned or changed from elsewhere since.")


def test_a_button_tells_its_error_in_the_panel(conv1, capsys):
    explorer = MaskExplorer(conv1, amount=0.5)
    prune.l1_unstructured(conv1, "weight", amount=100)
    explorer.amount = 100  # of the 150 that the explorer still believes in
    mask = conv1.weight_mask.clone()
    pressed(explorer, "apply")
    assert explorer.failed
    assert explorer.message.startswith("amount=100 should be smaller")
    assert torch.equal(conv1.weight_mask, mask)
    assert capsys.readouterr() == ("", "")
    assert explorer.amount == 50  # what is left
    prune.l1_unstructured(conv1, "weight", amount=1)
    with pytest.raises(ValueError, match="amount=50"):
        explorer.apply()  # in Python an error is an error


def test_a_lost_parameter_is_said_in_the_panel(conv1):
    explorer = MaskExplorer(conv1)
    del conv1.weight
    moved(explorer, technique="random_unstructured")
    assert explorer.failed
    assert explorer.message == "Conv2d has lost its parameter 'weight'"


# Without a browser


def test_repr_states_the_state(conv1):
    explorer = MaskExplorer(conv1, amount=0.3)
    assert repr(explorer) == (
        "MaskExplorer(layer='conv1', technique='l1_unstructured', amount=0.3, kept=105/150)"
    )


def test_viewers_without_widgets_get_text_and_a_picture(conv1):
    explorer = MaskExplorer(conv1)
    before = snapshot(conv1)
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    png = bundle["image/png"]
    picture = image.imread(io.BytesIO(png if isinstance(png, bytes) else base64.b64decode(png)))
    assert min(picture.shape[:2]) > 100
    assert picture[..., :3].std() > 0.05  # not an empty page
    assert same(before, snapshot(conv1))


@pytest.mark.parametrize(("make", "name"), LAYERS)
def test_every_layer_has_a_picture(make, name):
    bundle, _ = MaskExplorer(make(), name)._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")


def test_names_reach_the_code_as_python(conv1):
    model = nn.Module()
    model.add_module('<img src=x onerror="alert(1)">', conv1)
    del conv1
    explorer = MaskExplorer(next(model.children()))
    expected = r'model.get_submodule("<img src=x onerror=\"alert(1)\">")'
    assert expected in explorer.code


# Whole models


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LeNet()


def pruned_copy(model, prune_it):
    """A copy, pruned by ordinary calls."""
    copied = copy.deepcopy(model)
    prune_it(copied)
    return copied


def test_a_model_starts_with_its_first_weight_and_shows_any(model):
    explorer = MaskExplorer(model)
    assert (explorer.name, explorer.layer) == ("conv1.weight", "conv1")
    assert [row["name"] for row in explorer.parameters] == [n for n, _ in model.named_parameters()]
    explorer.name = "fc2.weight"
    assert repr(explorer) == (
        "MaskExplorer(layer='fc2', technique='l1_unstructured', amount=0.3, kept=7056/10080)"
    )
    assert explorer.code == 'prune.l1_unstructured(model.fc2, name="weight", amount=0.3)'
    expected = engines_mask(model.fc2, "weight", "l1_unstructured", 0.3)
    assert torch.equal(explorer.mask, expected)
    with pytest.raises(AttributeError, match=r"no parameter 'fc9\.weight'"):
        explorer.name = "fc9.weight"
    assert explorer.name == "fc2.weight"


def test_settings_that_the_new_parameter_cannot_take_are_exchanged(model):
    explorer = MaskExplorer(model, technique="ln_structured", dim=3)
    moved(explorer, name="conv1.bias")
    assert explorer.technique == "l1_unstructured"
    sentence = "Ln structured does not fit conv1.bias of shape (6,): L1 unstructured instead."
    assert explorer.message == sentence
    assert explorer.dim == 0 and not explorer.failed
    moved(explorer, technique="ln_structured")
    assert explorer.failed and explorer.technique == "l1_unstructured"
    assert explorer.message.startswith("technique='ln_structured' is not offered for a tensor of")


@pytest.mark.parametrize("amount", [0, 1, 777, 61_470, 0.0, 0.3, 0.85, 1.0])
def test_global_is_the_engines_global(model, amount):
    explorer = MaskExplorer(model, technique="global_unstructured", amount=amount)
    layers = [model.conv1, model.conv2, model.fc1, model.fc2, model.fc3]
    copied = copy.deepcopy(layers)
    prune.global_unstructured(
        [(layer, "weight") for layer in copied], prune.L1Unstructured, amount=amount
    )
    for name, layer in zip(["conv1", "conv2", "fc1", "fc2", "fc3"], copied, strict=True):
        explorer.name = f"{name}.weight"
        assert torch.equal(explorer.mask, layer.weight_mask), name
    # The bars know it too, where the slider of the browser can stand.
    for row in explorer.parameters:
        if "steps" in row and not isinstance(amount, int):
            gone = dict(zip(["conv1", "conv2", "fc1", "fc2", "fc3"], copied, strict=True))
            mask = gone[row["name"].split(".")[0]].weight_mask
            assert row["steps"][round(100 * amount)] == int((mask == 0).sum())


def test_global_applies_all_or_nothing_and_comes_back(model):
    before = snapshot(model)
    explorer = MaskExplorer(model, technique="global_unstructured", amount=0.6)
    explorer.apply()
    assert prune.sparsity(model) == pytest.approx(0.6 * 61_470 / 61_706, abs=1e-4)
    explorer.amount = 0.2
    explorer.apply()  # in place of the first, not on top
    gone = sum(int((m.weight_mask == 0).sum()) for m in model.children())
    assert gone == round(0.2 * 61_470)
    explorer.undo()
    assert sum(int((m.weight_mask == 0).sum()) for m in model.children()) == round(0.6 * 61_470)
    explorer.reset()
    assert same(before, snapshot(model))
    assert not explorer.undoable


def test_the_global_code_runs(model):
    explorer = MaskExplorer(model, technique="global_unstructured", amount=0.4)
    copied = copy.deepcopy(model)
    exec(explorer.code, {"prune": torch_prune, "model": copied})
    explorer.apply()
    for ours, theirs in zip(model.children(), copied.children(), strict=True):
        assert torch.equal(ours.weight_mask, theirs.weight_mask)


def test_many_weights_are_listed_by_a_loop():
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(9)))
    explorer = MaskExplorer(model, technique="global_unstructured", amount=0.4)
    copied = copy.deepcopy(model)
    exec(explorer.code, {"prune": prune, "model": copied})
    explorer.apply()
    for ours, theirs in zip(model, copied, strict=True):
        assert torch.equal(ours.weight_mask, theirs.weight_mask)


@pytest.mark.parametrize("goes", range(5))
def test_n_m_takes_so_many_of_each_group(model, goes):
    explorer = MaskExplorer(model, "fc1.weight", technique="n_m", amount=goes)
    copied = prune.n_m(copy.deepcopy(model.fc1), "weight", n=4 - goes, m=4)
    assert torch.equal(explorer.mask, copied.weight_mask)
    assert explorer.code == f'prune.n_m(model.fc1, name="weight", n={4 - goes}, m=4)'
    explorer.apply()
    assert torch.equal(model.fc1.weight_mask, copied.weight_mask)


def test_n_m_starts_with_the_pattern_it_is_known_for(model):
    explorer = MaskExplorer(model, "fc1.weight")
    explorer.technique = "n_m"
    assert explorer.code == 'prune.n_m(model.fc1, name="weight", n=2, m=4)'
    explorer.m = 8
    assert explorer.code == 'prune.n_m(model.fc1, name="weight", n=4, m=8)'
    with pytest.raises(ValueError, match=r"amount=0\.3 should be an int: how many of each group"):
        explorer.amount = 0.3
    explorer.technique = "l1_unstructured"
    assert explorer.units == 48_000


def test_n_m_is_offered_where_groups_fit(model):
    offered = {entry["value"] for entry in MaskExplorer(model, "conv1.weight").techniques}
    assert "n_m" not in offered  # one input channel


# A method of one's own


class Corner(prune.BasePruningMethod):
    """Prunes from the first entry on."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        self.amount = amount

    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[: round(self.amount * t.numel())] = 0
        return mask


class EverySecond(torch_prune.BasePruningMethod):
    """torch's base, and no amount."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


class Largest(prune.L1Unstructured):
    """Ranks in its own way."""

    def importance(self, t):
        return 1 / t


class Flicker(prune.BasePruningMethod):
    """Prunes the first half, then only the second."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount):
        self.amount = amount

    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        half = t.numel() // 2
        mask.view(-1)[slice(None, half) if self.amount < 0.5 else slice(half, None)] = 0
        return mask


@pytest.mark.parametrize("method", [Corner, Largest])
@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("amount", [0.0, 0.07, 0.3, 1.0])
def test_a_method_of_ones_own_that_takes_an_amount(conv1, method, earlier, amount):
    if earlier:
        prune.random_unstructured(conv1, "weight", amount=50)
    copied = copy.deepcopy(conv1)
    method.apply(copied, "weight", amount=amount)
    explorer = MaskExplorer(conv1, technique=method, amount=amount)
    assert torch.equal(explorer.mask, copied.weight_mask)
    explorer.apply()
    assert torch.equal(conv1.weight_mask, copied.weight_mask)
    expected = f'{method.__name__}.apply(conv1, "weight", amount={amount})'
    assert explorer.code.splitlines()[-1] == expected


def test_a_method_of_ones_own_without_an_amount(conv1):
    explorer = MaskExplorer(conv1, technique=EverySecond)
    assert (explorer.ways, explorer.mask.sum()) == ([], 75)
    before = snapshot(conv1)
    explorer.apply()
    assert torch.equal(conv1.weight_mask, explorer.mask)
    explorer.undo()
    assert same(before, snapshot(conv1))


def test_what_a_slider_cannot_show_is_refused(conv1):
    with pytest.raises(
        ValueError, match=r"Flicker keeps at amount=0\.5 what it prunes at a smaller"
    ):
        MaskExplorer(conv1, technique=Flicker)
    with pytest.raises(TypeError, match="LnStructured needs amount, n"):
        MaskExplorer(conv1, technique=prune.LnStructured)
    with pytest.raises(TypeError, match="technique should be a name or a BasePruningMethod"):
        MaskExplorer(conv1, technique=nn.Linear)


# By hand


def painted(explorer, **entries):
    """What the browser sends when the reader clicks entries: their flat index and 0 or 1."""
    kept = (explorer.mask != 0).to(torch.uint8).flatten()
    for index, value in entries.items():
        kept[int(index.strip("_"))] = value
    choices = {"name": explorer.name, "technique": "custom_from_mask"}
    asked(explorer, choices, bytes={"painted": memoryview(kept.numpy().tobytes())})


def test_painting_changes_single_entries(conv1):
    explorer = MaskExplorer(conv1, amount=45)
    l1 = explorer.mask.flatten()
    kept, gone = int(l1.nonzero()[0]), int((l1 == 0).nonzero()[0])
    painted(explorer, **{f"_{kept}": 0, f"_{gone}": 1})
    expected = l1.clone()
    expected[kept], expected[gone] = 0, 1
    assert torch.equal(explorer.mask.flatten(), expected)
    assert explorer.technique == "custom_from_mask"
    explorer.apply()
    assert torch.equal(conv1.weight_mask.flatten(), expected)
    explorer.technique = "l1_unstructured"
    assert torch.equal(explorer.mask.flatten(), l1)


def test_an_amount_that_comes_with_a_painted_mask_is_kept(conv1):
    """The slider had not come to rest when the painting began: both go in one question."""
    explorer = MaskExplorer(conv1)
    kept = torch.ones(150, dtype=torch.uint8)
    choices = {"name": "weight", "technique": "custom_from_mask", "amount": ["fraction", 0.1]}
    asked(explorer, choices, bytes={"painted": memoryview(kept.numpy().tobytes())})
    assert explorer.mask.all()
    moved(explorer, technique="l1_unstructured", painted=None)
    assert explorer.amount == 0.1
    assert int((explorer.mask == 0).sum()) == 15


def test_choices_that_do_not_fit_leave_all_as_it_was(conv1):
    explorer = MaskExplorer(conv1)
    before = explorer.answer["controls"]
    choices = {"name": "weight", "technique": "custom_from_mask", "amount": ["fraction", 0.1]}
    asked(explorer, choices, bytes={"painted": memoryview(b"1")})
    assert explorer.failed and "painted" in explorer.message
    assert explorer.answer["controls"] == before


def test_the_code_of_a_mask_by_hand_runs(conv1):
    explorer = MaskExplorer(conv1, amount=45)
    painted(explorer, _0=0, _149=0)
    copied = copy.deepcopy(conv1)
    exec(explorer.code, {"torch": torch, "prune": torch_prune, "conv1": copied})
    assert torch.equal(copied.weight_mask, explorer.mask)
    assert (
        "explorer.mask"
        in MaskExplorer(nn.Linear(50, 50), amount=1, technique="custom_from_mask").by_hand[2]
    )


def test_a_mask_can_be_set_from_python(conv1):
    explorer = MaskExplorer(conv1)
    mask = torch.ones_like(conv1.weight)
    mask[3] = 0
    explorer.mask = mask
    assert torch.equal(explorer.mask, mask)
    assert explorer.technique == "custom_from_mask"
    with pytest.raises(ValueError, match=r"mask should have the shape \(6, 1, 5, 5\), not \(3,\)"):
        explorer.mask = torch.ones(3)


def test_what_was_pruned_before_cannot_be_restored_by_hand(conv1):
    prune.l1_unstructured(conv1, "weight", amount=50)
    explorer = MaskExplorer(conv1)
    explorer.mask = torch.ones(6, 1, 5, 5)
    assert explorer.mask.sum() == 100


def test_another_layer_starts_by_hand_with_everything(model):
    explorer = MaskExplorer(model)
    explorer.mask = torch.zeros(6, 1, 5, 5)
    explorer.name = "fc3.weight"
    assert explorer.mask.sum() == 840


# Undo


def test_undo_goes_back_apply_by_apply(conv1):
    before = snapshot(conv1)
    explorer = MaskExplorer(conv1, amount=10)
    explorer.apply()
    explorer.technique, explorer.amount = "random_unstructured", 40
    explorer.apply()
    random = conv1.weight_mask.clone()
    explorer.technique, explorer.amount = "l1_unstructured", 90
    explorer.apply()
    explorer.undo()
    assert torch.equal(conv1.weight_mask, random)
    explorer.undo()
    assert (conv1.weight_mask == 0).sum() == 10
    explorer.undo()
    assert same(before, snapshot(conv1))
    explorer.undo()
    assert explorer.message == "Nothing to undo: nothing was pruned from here."


def test_undo_of_several_layers_leaves_the_others(model):
    explorer = MaskExplorer(model, amount=0.5)
    explorer.apply()
    explorer.name = "fc3.weight"
    explorer.apply()
    explorer.undo()
    assert prune.is_pruned(model.conv1) and not prune.is_pruned(model.fc3)


def test_an_apply_that_fails_gives_the_earlier_one_back(conv1):
    class Fails(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            if broken:
                raise RuntimeError("no more")
            return default_mask * 0

    broken = False
    explorer = MaskExplorer(conv1, amount=30, technique=Fails)
    explorer.technique = "l1_unstructured"
    explorer.apply()
    after = snapshot(conv1)
    explorer.technique = "Fails"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorer, "_look", lambda *_: None)  # the preview would fail before
        broken = True
        pressed(explorer, "apply")
    assert (explorer.failed, explorer.message) == (True, "no more")
    assert torch.equal(conv1.weight_mask, after[1]["weight_mask"])


# The accuracy


def independent_accuracy(model, digits, prune_it):
    copied = pruned_copy(model, prune_it)
    with torch.no_grad():
        guesses = copied(digits.test_images).argmax(1)
    return float((guesses == digits.test_labels).float().mean())


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_the_accuracy_is_that_of_a_model_pruned_so(model, digits):
    explorer = MaskExplorer(model, "fc3.weight", technique="random_unstructured", data=digits)
    explorer.measure()
    assert [share for share, _ in explorer.curve] == [step / 20 for step in range(21)]
    assert (explorer.progress, explorer.measuring) == (1.0, False)

    def prune_it(amount):
        torch.manual_seed(explorer.seed)
        return lambda m: prune.random_unstructured(m.fc3, "weight", amount=amount)

    for share, accuracy in explorer.curve[::5]:
        torch.manual_seed(explorer.seed)
        expected = independent_accuracy(model, digits, prune_it(share))
        assert accuracy == pytest.approx(expected, abs=1e-6), share
    explorer.amount = 0.37
    explorer.measure()
    at, accuracy = explorer.accuracy
    assert at == round(0.37 * 840)
    assert accuracy == pytest.approx(independent_accuracy(model, digits, prune_it(0.37)), abs=1e-6)


def test_a_curve_is_measured_once_for_each_technique(digits):
    images = digits.train_images.flatten(1)
    targets = torch.nn.functional.one_hot(digits.train_labels).float()
    model = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))  # reads digits, at once
    model[1].weight.data = torch.linalg.lstsq(images, targets, driver="gelsd").solution.T.clone()
    explorer = MaskExplorer(model, data=digits)
    explorer.measure()
    l1 = explorer.curve
    assert l1[0][1] > 0.8 > 0.2 > l1[-1][1]
    explorer.technique = "random_unstructured"
    explorer.measure()
    assert explorer.curve != l1
    explorer.technique = "l1_unstructured"
    assert explorer.curve == l1  # at once, without waiting
    explorer.apply()
    assert explorer.curve == l1  # what the panel has applied itself changes nothing
    explorer.name = "1.bias"
    explorer.measure()
    assert explorer.curve[0][1] == dict(l1)[0.3]  # but it counts for the other parameters
    explorer.name = "1.weight"
    with torch.no_grad():
        model[1].weight_orig.mul_(2)
    explorer.refresh()
    assert explorer.curve == []  # another model: what was measured says nothing any more
    explorer.close()


def test_stop_and_go_on(model, digits):
    explorer = shown(MaskExplorer(model, data=digits))
    explorer.stop()
    explorer._background.wait()
    found = len(explorer.curve)
    assert found < 21 and not explorer.measuring and explorer.progress == found / 21
    assert explorer.accuracy[0] == 45  # the accuracy at the slider is still answered
    explorer.go_on()
    explorer._background.wait()
    assert len(explorer.curve) == 21
    explorer.close()


def test_a_closed_panel_stops_its_work(model, digits):
    explorer = shown(MaskExplorer(model, data=digits))
    explorer.close()
    explorer._background.wait()
    assert len(explorer.curve) < 21


def test_measuring_leaves_the_model_alone(model, digits):
    model.train()
    prune.l1_unstructured(model.fc1, "weight", amount=0.5)
    before = snapshot(model)
    explorer = MaskExplorer(model, data=digits, technique="global_unstructured")
    explorer.measure()
    assert same(before, snapshot(model)) and model.training


def test_data_of_another_kind_is_refused(model, digits):
    for data in (digits.test_images, [digits.test_images], "digits", 3):
        with pytest.raises(TypeError, match="data should be what load_digits"):
            MaskExplorer(model, data=data)


def test_an_error_while_measuring_is_said_in_the_panel(digits):
    explorer = MaskExplorer(nn.Sequential(nn.Linear(3, 3)), data=digits)
    explorer.measure()
    assert explorer.failed
    assert explorer.message.startswith("The accuracy cannot be measured: mat1 and mat2 shapes")


# Staying up to date


def test_a_cell_that_prunes_or_trains_is_seen(model):
    explorer = MaskExplorer(model)
    prune.l1_unstructured(model.conv1, "weight", amount=50)
    explorer.refresh()
    assert (np.frombuffer(explorer.order, "<i4") == -1).sum() == 50
    assert next(row for row in explorer.parameters if row["name"] == "conv1.weight")["gone"] == 50
    old = explorer.values
    with torch.no_grad():
        model.conv1.weight_orig.mul_(2)
    explorer.refresh()
    assert explorer.values != old


def test_refresh_sends_nothing_when_nothing_changed(model):
    explorer = MaskExplorer(model)
    changes = []
    explorer.observe(changes.append)
    explorer.refresh()
    assert changes == []


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.TransformerEncoderLayer(16, 2, 32),
        lambda: nn.LSTM(4, 3),
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
        lambda: nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2)),
        lambda: nn.Sequential(nn.Linear(3, 2).to("meta"), nn.Linear(3, 2)),
        lambda: nn.ModuleDict({"a": nn.Linear(2, 2).half()}),
    ],
)
def test_models_of_every_kind(make):
    model = make()
    explorer = MaskExplorer(model)
    for row in explorer.parameters:
        explorer.name = row["name"]
        unseen = any(is_lazy(p) or p.is_meta for p in model.parameters())
        before = None if unseen else snapshot(model)
        explorer.apply()
        explorer.reset()
        assert before is None or same(before, snapshot(model))


def test_tied_weights_are_shown_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    explorer = MaskExplorer(model)
    assert [row["name"] for row in explorer.parameters] == ["0.weight", "0.bias", "1.bias"]
    explorer.apply()
    assert torch.equal(model[0].weight_mask, model[1].weight_mask)
    explorer.undo()
    assert model[0].weight is model[1].weight
    expected = (
        'prune.l1_unstructured(model[0], name="weight", amount=0.3)\nprune.prune_twins(model)'
    )
    assert explorer.code == expected.replace("model[0]", 'model.get_submodule("0")')
    assert "0.3".join(explorer.call) == explorer.code
    copied = copy.deepcopy(model)
    exec(explorer.code, {"prune": prune, "model": copied})
    explorer.apply()
    for one, other in zip(model, copied, strict=True):
        assert torch.equal(one.weight_mask, other.weight_mask)
    explorer.undo()
    explorer.mask = torch.eye(3)
    exec(explorer.code, {"prune": prune, "torch": torch, "model": model})
    assert torch.equal(model[1].weight_mask, torch.eye(3))
    explorer.name = "1.bias"
    assert "prune_twins" not in explorer.code


# Other tensors


def test_what_cannot_be_shown_is_told_with_what_to_do():
    with pytest.raises(ValueError, match=r"Linear is on the meta device.* to_empty"):
        MaskExplorer(nn.Linear(4, 3, device="meta"))
    eight = nn.Linear(4, 3).requires_grad_(False)
    eight.weight.data = eight.weight.data.to(torch.float8_e4m3fn)
    with pytest.raises(ValueError, match="weight is of type float8_e4m3fn, which torch can"):
        MaskExplorer(eight, "weight")
    assert MaskExplorer(eight).name == "bias"  # that one can be shown


def test_a_bfloat16_model_reads_float32_images(digits):
    torch.manual_seed(0)
    model = LeNet().bfloat16()
    explorer = MaskExplorer(model, "fc3.weight", data=digits)
    explorer.measure()
    assert explorer.message == "" and len(explorer.curve) == 21
    images = digits.test_images.bfloat16()
    with torch.no_grad():
        right = (model(images).argmax(1) == digits.test_labels).float().mean()
    assert explorer.curve[0][1] == pytest.approx(float(right), abs=1e-6)
