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
from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from prune_lab.widgets import MaskExplorer

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
    order = np.frombuffer(explorer.view.order, "<i4").reshape(explorer.view.shape)
    count = explorer._number.value
    return torch.from_numpy(order >= count)


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
    values = np.frombuffer(explorer.view.values, "<f4").reshape(explorer.view.shape)
    assert (values == np.arange(12.0).reshape(4, 3).T).all()
    assert torch.equal(shown_mask(explorer), explorer.mask.bool())


def test_earlier_prune_is_where_the_preview_starts(conv1):
    prune.l1_unstructured(conv1, "weight", amount=50)
    explorer = MaskExplorer(conv1, amount=0.5)
    assert (explorer.mask == 0).sum() == 100
    assert torch.equal(explorer.mask, engines_mask(conv1, "weight", "l1_unstructured", 0.5))
    assert (np.frombuffer(explorer.view.order, "<i4") == -1).sum() == 50


# The traits


def test_amount_of_one_and_all_of_it_are_two_things(conv1):
    explorer = MaskExplorer(conv1, amount=1)
    seen = []
    explorer.observe(lambda change: seen.append(change.new), "amount")
    explorer.amount = 1.0
    assert seen == [1.0]
    assert explorer.mask.sum() == 0
    assert explorer.view.unit == 0 or explorer._unit.index == 0
    assert repr(explorer).endswith("amount=1.0, kept=0/150)")


def test_moving_a_slider_moves_the_amount(conv1):
    explorer = MaskExplorer(conv1)
    seen = []
    explorer.observe(lambda change: seen.append(change.new), "amount")
    explorer._fraction.value = 0.42
    assert seen == [0.42]
    explorer.amount = 45
    assert (explorer._unit.index, explorer._number.value) == (1, 45)
    explorer._number.value = 46
    assert explorer.amount == 46
    assert isinstance(explorer.amount, int)


def test_a_moved_slider_is_never_moved_back(conv1):
    """The kernel may be far behind the pointer: an answer would tear the slider away."""
    explorer = MaskExplorer(conv1)
    sent = []
    explorer._number.observe(sent.append)
    explorer._unit.observe(sent.append)
    explorer.view.observe(sent.append, ["fraction", "count", "unit"])
    explorer._fraction.value = 0.9
    assert explorer.amount == 0.9
    assert sent == []


def test_a_count_keeps_its_share_from_entries_to_channels(conv1):
    explorer = MaskExplorer(conv1, amount=50)
    explorer.technique = "random_structured"
    assert explorer.amount == 2
    assert explorer._number.max == 6
    explorer.technique = "l1_unstructured"
    assert explorer.amount == 50


@pytest.mark.parametrize(
    ("technique", "shown"),
    [
        ("l1_unstructured", set()),
        ("random_unstructured", {"_seed"}),
        ("ln_structured", {"_n", "_dim"}),
        ("random_structured", {"_dim", "_seed"}),
    ],
)
def test_only_the_settings_that_matter_are_shown(conv1, technique, shown):
    explorer = MaskExplorer(conv1, technique=technique)
    controls = {"_seed", "_n", "_dim"}
    assert {c for c in controls if getattr(explorer, c).layout.display != "none"} == shown


@pytest.mark.parametrize("settings", [
    {"technique": "l1"}, {"amount": 1.5}, {"amount": -1}, {"amount": 151}, {"amount": float("nan")},
    {"seed": -1}, {"n": 3},
], ids=str)  # fmt: skip
def test_a_wrong_setting_changes_nothing(conv1, settings):
    explorer = MaskExplorer(conv1)
    before = repr(explorer), explorer.view.order, explorer.code
    for trait, value in settings.items():
        with pytest.raises(ValueError, match=f"{trait}="):
            setattr(explorer, trait, value)
        with pytest.raises(ValueError, match=f"{trait}="):
            MaskExplorer(conv1, **settings)
    assert (repr(explorer), explorer.view.order, explorer.code) == before


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
    with pytest.raises(AttributeError, match="no parameter 'weigth'; it has 'bias', 'weight'"):
        MaskExplorer(conv1, "weigth")
    with pytest.raises(AttributeError, match="none of its own: pass one of its layers"):
        MaskExplorer(nn.Sequential(conv1))
    with pytest.raises(AttributeError, match="no parameter 'bias'; it has 'weight'"):
        MaskExplorer(nn.Linear(2, 2, bias=False), "bias")
    with pytest.raises(ValueError, match="run the module on an input first"):
        MaskExplorer(nn.LazyLinear(3))
    conv1.nothing = nn.Parameter(torch.empty(0, 3))
    with pytest.raises(ValueError, match=r"of shape \(0, 3\) has no entries"):
        MaskExplorer(conv1, "nothing")


def test_structured_techniques_are_not_offered_without_channels(conv1):
    explorer = MaskExplorer(conv1, "bias")
    assert [value for _, value in explorer._technique.options] == UNSTRUCTURED
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
    assert (np.frombuffer(explorer.view.order, "<i4") >= 0).all()
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
    assert "0.3".join(explorer.view.code) == explorer.code


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
    assert "Nothing to undo" in explorer.view.message


def test_a_button_tells_its_error_in_the_panel(conv1, capsys):
    explorer = MaskExplorer(conv1, amount=0.5)
    prune.l1_unstructured(conv1, "weight", amount=100)
    explorer.amount = 100  # of the 150 that the explorer still believes in
    mask = conv1.weight_mask.clone()
    explorer._apply.click()
    assert explorer.view.failed
    assert explorer.view.message.startswith("amount=100 should be smaller")
    assert torch.equal(conv1.weight_mask, mask)
    assert capsys.readouterr() == ("", "")
    assert explorer.amount == 50  # what is left
    prune.l1_unstructured(conv1, "weight", amount=1)
    with pytest.raises(ValueError, match="amount=50"):
        explorer.apply()  # in Python an error is an error


def test_a_lost_parameter_is_said_in_the_panel(conv1):
    explorer = MaskExplorer(conv1)
    del conv1.weight
    explorer._technique.value = "random_unstructured"
    assert explorer.view.failed
    assert explorer.view.message == "conv1 has lost its parameter 'weight'"


# Without a browser


def test_repr_states_the_state(conv1):
    explorer = MaskExplorer(conv1, amount=0.3)
    assert repr(explorer) == (
        "MaskExplorer(layer='conv1', technique='l1_unstructured', amount=0.3, kept=105/150)"
    )


def test_viewers_without_widgets_get_text_and_a_picture(conv1):
    explorer = MaskExplorer(conv1)
    before = snapshot(conv1)
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    png = bundle["image/png"]
    picture = image.imread(io.BytesIO(png if isinstance(png, bytes) else base64.b64decode(png)))
    assert min(picture.shape[:2]) > 100
    assert picture[..., :3].std() > 0.05  # not an empty page
    assert same(before, snapshot(conv1))


@pytest.mark.parametrize(("make", "name"), LAYERS)
def test_every_layer_has_a_picture(make, name):
    assert MaskExplorer(make(), name)._png().startswith(b"\x89PNG")


def test_names_reach_the_code_as_python(conv1):
    model = nn.Module()
    model.add_module('<img src=x onerror="alert(1)">', conv1)
    del conv1
    explorer = MaskExplorer(next(model.children()))
    expected = r'model.get_submodule("<img src=x onerror=\"alert(1)\">")'
    assert expected in explorer.code
