"""What is known to fail in ``torch.nn.utils.prune``, each as a small program.

Every function takes the module under test, ``torch.nn.utils.prune`` or ``prune_lab.prune``, and
raises if it misbehaves. Its docstring is a row of the defect table in ``docs/engine.md``. Where
torch has no call for something (``hold_pruned``, ``load_checkpoint``), the program does what a
user of torch would do in its place.
"""

from __future__ import annotations

import copy
import functools
import io
import re
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tests.engine.snapshots import Snapshot, reachable_bytes, saved_bytes

Prune = Any  # torch.nn.utils.prune or prune_lab.prune
Check = Callable[[Prune], None]


class Defect(NamedTuple):
    """One row of the table."""

    number: int
    title: str
    check: Check
    on_torch: type[Exception]

    def __str__(self) -> str:
        return f"{self.number}-{self.check.__name__}"


DEFECTS: list[Defect] = []


def defect(number: int, on_torch: type[Exception] = AssertionError) -> Callable[[Check], Check]:
    """Enter a program into the table; ``on_torch`` is how torch is known to fail it."""

    def enter(check: Check) -> Check:
        title = (check.__doc__ or "").partition("\n")[0].rstrip(".")
        DEFECTS.append(Defect(number, title, check, on_torch))
        return check

    return enter


def works(check: Check, prune: ModuleType | SimpleNamespace) -> bool:
    """Tell whether ``prune`` passes."""
    torch.manual_seed(0)
    try:
        check(prune)
    except (Exception, pytest.fail.Exception):
        return False
    return True


def offer(prune: Prune, name: str, instead: Callable[..., Any]) -> Callable[..., Any]:
    """Return the call ``name``, or where there is none, what a user does ``instead``."""
    return getattr(prune, name, instead)


def linear(*values: float) -> nn.Linear:
    """Return a layer of one output whose weights are ``values``, without a bias."""
    layer = nn.Linear(len(values), 1, bias=False)
    layer.weight.data = torch.tensor([values], dtype=torch.float32)
    return layer


def kept(layer: nn.Module, name: str = "weight") -> list[int]:
    """Return the flat indices that the mask keeps."""
    return getattr(layer, name + "_mask").reshape(-1).nonzero().view(-1).tolist()


def zeros(tensor: Tensor) -> int:
    """Count the entries that are zero."""
    return int((tensor == 0).sum())


# 1. A call that fails changes nothing


def _fails_cleanly(module: nn.Module, error: type[Exception], call: Callable[[], object]) -> None:
    before = Snapshot(module)
    with pytest.raises(error):
        call()
    before.assert_unchanged()


class _Technique:
    """Makes techniques that misbehave, on whichever base class is under test."""

    def __init__(self, prune: Prune) -> None:
        self._base = prune.BasePruningMethod

    def returning(self, mask: object) -> Any:
        class Returns(self._base):  # type: ignore[name-defined,misc]
            PRUNING_TYPE = "global"

            def compute_mask(self, t: Tensor, default_mask: Tensor) -> object:
                return mask

        return Returns


@defect(1)
def first_prune_fails(prune: Prune) -> None:
    """A first prune that fails leaves the module as it was, the order of its parameters too."""
    layer = nn.Linear(3, 2)
    _fails_cleanly(layer, ValueError, lambda: prune.l1_unstructured(layer, "weight", 100))
    ones = torch.ones(4)
    _fails_cleanly(layer, AssertionError, lambda: prune.custom_from_mask(layer, "weight", ones))


@defect(1)
def second_prune_fails(prune: Prune) -> None:
    """A second prune that fails leaves hook, mask and masked weight in place."""
    layer = prune.l1_unstructured(nn.Linear(3, 2), "weight", 2)
    _fails_cleanly(layer, ValueError, lambda: prune.l1_unstructured(layer, "weight", 5))
    _fails_cleanly(layer, IndexError, lambda: prune.random_structured(layer, "weight", 1, dim=2))


@defect(1)
def third_prune_fails(prune: Prune) -> None:
    """A third prune that fails leaves the container of the first two as it was."""
    layer = prune.random_unstructured(nn.Linear(3, 2), "weight", 2)
    prune.ln_structured(layer, "weight", 1, n=2, dim=0)
    ones = torch.ones(4)
    _fails_cleanly(layer, ValueError, lambda: prune.l1_unstructured(layer, "weight", 100))
    _fails_cleanly(layer, AssertionError, lambda: prune.custom_from_mask(layer, "weight", ones))


@defect(1)
def technique_returns_wrong_shape(prune: Prune) -> None:
    """A technique whose mask has the wrong shape leaves nothing behind, at any prune."""
    layer = nn.Linear(3, 2)
    wrong = _Technique(prune).returning(torch.ones(5))
    for _ in range(3):
        _fails_cleanly(layer, Exception, lambda: wrong.apply(layer, "weight"))
        prune.l1_unstructured(layer, "weight", 1)


@defect(1)
def technique_returns_nothing(prune: Prune) -> None:
    """A technique that forgets to return its mask leaves nothing behind."""
    layer = nn.Linear(3, 2)
    forgets = _Technique(prune).returning(None)
    for _ in range(3):
        _fails_cleanly(layer, Exception, lambda: forgets.apply(layer, "weight"))
        prune.l1_unstructured(layer, "weight", 1)


@defect(1)
def importance_scores_of_wrong_shape(prune: Prune) -> None:
    """Importance scores of the wrong shape change nothing, also on a pruned layer."""
    layer = nn.Linear(3, 2)
    scores = torch.ones(3, 2)
    for _ in range(3):
        _fails_cleanly(
            layer,
            AssertionError,
            lambda: prune.l1_unstructured(layer, "weight", 1, importance_scores=scores),
        )
        prune.l1_unstructured(layer, "weight", 1)


@defect(1)
def global_fails_half_way(prune: Prune) -> None:
    """Global pruning that fails at its second parameter leaves the first one alone."""
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    net[1].weight_orig = torch.zeros(1)  # the name that pruning needs
    places = [(net[0], "weight"), (net[1], "weight")]
    _fails_cleanly(
        net, KeyError, lambda: prune.global_unstructured(places, prune.L1Unstructured, amount=3)
    )


@defect(1)
def global_second_round_fails(prune: Prune) -> None:
    """A second global prune that fails leaves the first one in force."""
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2))
    prune.global_unstructured([(net[0], "weight")], prune.L1Unstructured, amount=3)
    net[1].weight_orig = torch.zeros(1)
    places = [(net[0], "weight"), (net[1], "weight")]
    _fails_cleanly(
        net, KeyError, lambda: prune.global_unstructured(places, prune.L1Unstructured, amount=3)
    )


# 2. Ranking sees the current values


@defect(2)
def ranks_after_optimizer_step(prune: Prune) -> None:
    """Pruning right after an optimizer step ranks the new values."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    layer.weight_orig.grad = torch.tensor([[0.0, 0.0, -7.0, 3.9]])
    optimizer.step()  # now 1, 2, 10, 0.1
    prune.l1_unstructured(layer, "weight", 1)
    assert kept(layer) == [1, 2]


@defect(2)
def ranks_after_load_state_dict(prune: Prune) -> None:
    """Pruning right after load_state_dict ranks the loaded values."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 1)
    layer.load_state_dict({**layer.state_dict(), "weight_orig": torch.tensor([[0.0, 9, 8, 7]])})
    prune.l1_unstructured(layer, "weight", 1)
    assert kept(layer) == [1, 2]


@defect(2)
def ranks_after_rewind(prune: Prune) -> None:
    """Pruning right after a rewind to earlier values ranks those."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 1)
    start = {"weight": torch.tensor([[5.0, 9.0, 8.0, 7.0]])}

    def by_hand(model: nn.Module, state: dict[str, Tensor]) -> None:
        model.weight_orig.data.copy_(state["weight"])

    offer(prune, "rewind", by_hand)(layer, start)
    prune.l1_unstructured(layer, "weight", 1)
    assert kept(layer) == [1, 2]


@defect(2)
def ranks_after_half(prune: Prune) -> None:
    """Pruning after .half(), .to(float64) or .bfloat16() works in the new dtype."""
    for dtype in (torch.float16, torch.float64, torch.bfloat16):
        layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 1)
        layer.to(dtype)
        layer.weight_orig.data.copy_(torch.tensor([[5.0, 9.0, 8.0, 7.0]]))
        prune.l1_unstructured(layer, "weight", 1)
        assert kept(layer) == [1, 2]
        assert layer.weight.dtype == layer.weight_mask.dtype == dtype


@defect(2)
def structured_ranks_current_values(prune: Prune) -> None:
    """Structured pruning ranks the current values too."""
    layer = nn.Linear(2, 3)
    prune.identity(layer, "weight")
    layer.weight_orig.data.copy_(torch.tensor([[9.0, 9.0], [1.0, 1.0], [5.0, 5.0]]))
    prune.ln_structured(layer, "weight", 1, n=2, dim=0)
    assert kept(layer) == [0, 1, 4, 5]


@defect(2)
def global_ranks_current_values(prune: Prune) -> None:
    """Global pruning ranks the current values too."""
    net = nn.Sequential(linear(1, 2, 3), linear(4, 5, 6))
    places = [(net[0], "weight"), (net[1], "weight")]
    prune.global_unstructured(places, prune.L1Unstructured, amount=1)
    net[1].weight_orig.data.copy_(torch.tensor([[0.1, 0.2, 7.0]]))
    prune.global_unstructured(places, prune.L1Unstructured, amount=2)
    assert (kept(net[0]), kept(net[1])) == ([1, 2], [2])


# 3. Copies


def _assert_good_copy(prune: Prune, copied: nn.Module, model: nn.Module) -> None:
    """Same output, still pruned, and training the copy leaves the model alone."""
    x = torch.randn(2, 4)
    with torch.no_grad():
        torch.testing.assert_close(copied(x), model(x), rtol=0, atol=0)
    assert prune.is_pruned(copied)
    expected = {key: value.clone() for key, value in model.state_dict().items()}
    copied(x).sum().backward()
    torch.optim.SGD(copied.parameters(), lr=1.0).step()
    for key, value in model.state_dict().items():
        assert torch.equal(value, expected[key])
    assert not torch.equal(copied[0].weight_orig, model[0].weight_orig)
    assert zeros(copied(x)) == 0 and zeros(copied[0].weight) == 5


def _pruned_net(prune: Prune) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    prune.l1_unstructured(net[0], "weight", 5)
    prune.ln_structured(net[2], "weight", 1, n=2, dim=0)
    prune.random_unstructured(net[2], "weight", 1)
    return net


def _train_step(model: nn.Module, lr: float = 0.1) -> None:
    model(torch.randn(2, 4)).square().sum().backward()
    torch.optim.SGD(model.parameters(), lr=lr).step()


@defect(3, RuntimeError)
def deepcopy_after_pruning(prune: Prune) -> None:
    """copy.deepcopy of a model works right after pruning."""
    net = _pruned_net(prune)
    _assert_good_copy(prune, copy.deepcopy(net), net)


@defect(3, RuntimeError)
def deepcopy_after_forward(prune: Prune) -> None:
    """copy.deepcopy works after a forward pass with gradients."""
    net = _pruned_net(prune)
    net(torch.randn(2, 4))
    _assert_good_copy(prune, copy.deepcopy(net), net)


@defect(3, RuntimeError)
def deepcopy_in_training(prune: Prune) -> None:
    """copy.deepcopy works in training: before backward, after it, after a step, of a copy."""
    net = _pruned_net(prune)
    loss = net(torch.randn(2, 4)).square().sum()
    _assert_good_copy(prune, copy.deepcopy(net), net)
    loss.backward()
    _assert_good_copy(prune, copy.deepcopy(net), net)
    torch.optim.SGD(net.parameters(), lr=0.1).step()
    _assert_good_copy(prune, copy.deepcopy(copy.deepcopy(net)), net)


@defect(3, RuntimeError)
def averaged_model(prune: Prune) -> None:
    """Averaging the weights of a pruned model (torch.optim.swa_utils) works."""
    net = _pruned_net(prune)
    average = torch.optim.swa_utils.AveragedModel(net)
    _train_step(net)
    average.update_parameters(net)
    assert zeros(average.module[0].weight) == 5


@defect(3, RuntimeError)
def deepcopy_of_one_layer(prune: Prune) -> None:
    """copy.deepcopy of single layers works: convolution, embedding, LSTM, GRU."""
    for layer, name, x in (
        (nn.Conv2d(2, 3, 3), "weight", torch.randn(1, 2, 5, 5)),
        (nn.Embedding(5, 3), "weight", torch.tensor([0, 4])),
        (nn.LSTM(3, 4), "weight_hh_l0", torch.randn(2, 1, 3)),
        (nn.GRU(3, 4), "weight_ih_l0", torch.randn(2, 1, 3)),
    ):
        prune.l1_unstructured(layer, name, 0.5)
        layer(x)
        copied = copy.deepcopy(layer)
        getattr(layer, name + "_orig").data.mul_(2)  # the copy must not follow
        (ours, theirs) = (
            out[0] if isinstance(out := m(x), tuple) else out for m in (copied, layer)
        )
        assert not torch.equal(ours, theirs)
        assert torch.equal(getattr(copied, name + "_mask"), getattr(layer, name + "_mask"))


# 4. Checkpoints of pruned and clean models into one another


def _strictly(model: nn.Module, state: dict[str, Tensor]) -> None:
    model.load_state_dict(state)


@defect(4, RuntimeError)
def pruned_checkpoint_into_clean_model(prune: Prune) -> None:
    """A pruned checkpoint loads into a clean model by one explicit call, mask in force."""
    pruned, clean = _pruned_net(prune), nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    offer(prune, "load_checkpoint", _strictly)(clean, pruned.state_dict())
    x = torch.randn(2, 4)
    assert torch.equal(clean(x), pruned(x)) and torch.equal(clean[0].weight, pruned[0].weight)
    assert list(clean.state_dict()) == list(pruned.state_dict()) and prune.is_pruned(clean)


@defect(4, RuntimeError)
def clean_checkpoint_into_pruned_model(prune: Prune) -> None:
    """A clean checkpoint loads into a pruned model by the same call, its mask kept."""
    pruned, clean = _pruned_net(prune), nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2))
    mask = pruned[0].weight_mask.clone()
    offer(prune, "load_checkpoint", _strictly)(pruned, clean.state_dict())
    assert torch.equal(pruned[0].weight_mask, mask)
    assert torch.equal(pruned[0].weight_orig, clean[0].weight)
    assert torch.equal(pruned[0].weight, clean[0].weight * mask)


# 5. Attention


def _train_attention(attention: nn.MultiheadAttention, steps: int = 3) -> None:
    attention.train()
    optimizer = torch.optim.SGD(attention.parameters(), lr=0.5)
    for _ in range(steps):
        x = torch.randn(2, 3, 8)
        optimizer.zero_grad()
        attention(x, x, x)[0].square().sum().backward()
        optimizer.step()


def _twin_without_pruning(attention: nn.MultiheadAttention) -> nn.MultiheadAttention:
    """Return plain attention with the pruned one's current values, masked by hand."""
    twin = nn.MultiheadAttention(8, 2, batch_first=True)
    state = attention.state_dict()
    masked = {key[: -len("_mask")] for key in state if key.endswith("_mask")}
    plain = {k: v for k, v in state.items() if not k.endswith(("_orig", "_mask"))}
    plain |= {key: state[key + "_orig"] * state[key + "_mask"] for key in masked}
    twin.load_state_dict(plain)
    return twin


@defect(5, RuntimeError)
def attention_trains(prune: Prune) -> None:
    """MultiheadAttention with a pruned out_proj trains for several steps, mask in force."""
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    prune.l1_unstructured(attention.out_proj, "weight", 0.5)
    prune.random_unstructured(attention.out_proj, "bias", 0.5)
    start = attention.out_proj.weight_orig.detach().clone()
    _train_attention(attention)
    assert not torch.equal(attention.out_proj.weight_orig, start)
    x = torch.randn(2, 3, 8)
    twin = _twin_without_pruning(attention)
    torch.testing.assert_close(attention(x, x, x)[0], twin(x, x, x)[0])


@defect(5)
def attention_evaluates_current_values(prune: Prune) -> None:
    """MultiheadAttention in eval uses the loaded values under the mask, fast path on and off."""
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    prune.l1_unstructured(attention.out_proj, "weight", 0.5)
    attention.out_proj.load_state_dict(
        {k: v + 1 if k.endswith("orig") else v for k, v in attention.out_proj.state_dict().items()}
    )
    _assert_evaluates(attention)


def _assert_evaluates(attention: nn.MultiheadAttention) -> None:
    x = torch.randn(2, 3, 8)
    twin = _twin_without_pruning(attention).eval()
    fast_path = torch.backends.mha.get_fastpath_enabled()
    try:
        for enabled in (True, False):
            torch.backends.mha.set_fastpath_enabled(enabled)
            with torch.no_grad():
                torch.testing.assert_close(attention(x, x, x)[0], twin(x, x, x)[0])
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


@defect(5, RuntimeError)
def encoder_layer_trains_and_evaluates(prune: Prune) -> None:
    """TransformerEncoderLayer with every weight pruned trains, then evaluates what it trained."""
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    places = [
        (layer.self_attn, "in_proj_weight"),
        (layer.self_attn.out_proj, "weight"),
        (layer.linear1, "weight"),
        (layer.linear2, "weight"),
        (layer.norm1, "weight"),
    ]
    for module, name in places:
        prune.random_unstructured(module, name, 0.5)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    x = torch.randn(2, 3, 8)
    for _ in range(3):
        optimizer.zero_grad()
        layer(x).square().sum().backward()
        optimizer.step()
    expected = layer(x)
    layer.eval()
    with torch.no_grad():
        torch.testing.assert_close(layer(x), expected)
    for module, name in places:
        prune.remove(module, name)
    with torch.no_grad():  # nothing is attached any more: now the fast path runs
        torch.testing.assert_close(layer(x), expected)


# 6. Memory layouts


def _small_ones_went(layer: nn.Module, values: Tensor, k: int) -> None:
    order = values.abs().reshape(-1).argsort()
    expected = torch.ones(values.numel())
    expected[order[:k]] = 0
    assert torch.equal(layer.weight_mask, expected.view(values.shape))
    assert torch.equal(layer.weight, values * layer.weight_mask)


def _layouts() -> list[nn.Module]:
    conv = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    transposed = nn.Linear(3, 5)
    transposed.weight = nn.Parameter(torch.randn(3, 5).t())
    strided = nn.Linear(3, 5)
    strided.weight = nn.Parameter(torch.randn(10, 3)[::2])
    return [conv, transposed, strided]


@defect(6, RuntimeError)
def l1_in_any_layout(prune: Prune) -> None:
    """l1_unstructured prunes channels_last, transposed and strided weights, repeatedly."""
    for layer in _layouts():
        values = layer.weight.detach().clone()
        prune.l1_unstructured(layer, "weight", 4)
        _small_ones_went(layer, values, 4)
        prune.l1_unstructured(layer, "weight", 3)
        _small_ones_went(layer, values, 7)
        assert torch.equal(prune.remove(layer, "weight").weight, layer.weight)


@defect(6, RuntimeError)
def random_in_any_layout(prune: Prune) -> None:
    """random_unstructured prunes them, with the mask of a contiguous weight from that seed."""
    for layer in _layouts():
        plain = copy.deepcopy(layer)
        plain.weight.data = plain.weight.detach().contiguous()
        for module in (layer, plain):
            torch.manual_seed(1)
            prune.random_unstructured(module, "weight", 4)
        assert torch.equal(layer.weight_mask, plain.weight_mask)


@defect(6, RuntimeError)
def global_in_any_layout(prune: Prune) -> None:
    """global_unstructured prunes them."""
    layers = _layouts()
    values = torch.cat([layer.weight.detach().reshape(-1) for layer in layers])
    prune.global_unstructured(
        [(layer, "weight") for layer in layers], prune.L1Unstructured, amount=20
    )
    pruned = torch.cat([layer.weight.detach().reshape(-1) for layer in layers])
    expected = values.clone()
    expected[values.abs().argsort()[:20]] = 0
    assert torch.equal(pruned, expected)


# 7. Pruned entries stay pruned

_OPTIMIZERS: list[Callable[[Any], torch.optim.Optimizer]] = [
    functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    functools.partial(torch.optim.SGD, lr=0.1, weight_decay=0.1),
    functools.partial(torch.optim.Adam, lr=0.1),
    functools.partial(torch.optim.AdamW, lr=0.1),
]


def _steps(layer: nn.Module, optimizer: torch.optim.Optimizer, n: int = 4) -> None:
    for _ in range(n):
        optimizer.zero_grad()
        layer(torch.randn(8, 6)).square().sum().backward()
        optimizer.step()


@defect(7)
def zeros_stay_after_remove(prune: Prune) -> None:
    """After remove, training leaves the zeros at zero: SGD, momentum, weight decay, Adam, AdamW."""
    hold = offer(prune, "hold_pruned", lambda optimizer, module: None)
    for make in _OPTIMIZERS:
        layer = nn.Linear(6, 2)
        optimizer = make(layer.parameters())
        _steps(layer, optimizer)  # momentum has been gathered
        prune.l1_unstructured(layer, "weight", 5)
        hold(optimizer, layer)
        prune.remove(layer, "weight")
        gone = layer.weight.detach() == 0
        before = layer.weight.detach().clone()
        _steps(layer, optimizer)
        assert gone.sum() == 5 and (layer.weight[gone] == 0).all()
        assert (layer.weight[~gone] != before[~gone]).all()


@defect(7)
def masked_values_do_not_drift(prune: Prune) -> None:
    """Under a mask, the values of weight_orig do not drift while the others train."""
    hold = offer(prune, "hold_pruned", lambda optimizer, module: None)
    for make in _OPTIMIZERS:
        layer = nn.Linear(6, 2)
        optimizer = make(layer.parameters())
        hold(optimizer, layer)
        _steps(layer, optimizer)
        prune.l1_unstructured(layer, "weight", 5)
        gone = layer.weight_mask == 0
        before = layer.weight_orig.detach().clone()
        _steps(layer, optimizer)
        assert torch.equal(layer.weight_orig[gone], before[gone])
        assert (layer.weight_orig[~gone] != before[~gone]).all()


# 8. What is masked is 0.0


@defect(8)
def masked_inf_is_zero(prune: Prune) -> None:
    """A masked inf or NaN is 0: after pruning, a forward pass, remove and in prune()."""
    for bad in (float("inf"), -float("inf"), float("nan")):
        layer = linear(bad, 2.0, bad)
        mask = torch.tensor([[0.0, 1.0, 0.0]])
        prune.custom_from_mask(layer, "weight", mask)
        assert layer.weight.tolist() == [[0, 2, 0]]
        assert layer(torch.ones(1, 3)).item() == 2
        assert layer.weight.tolist() == [[0, 2, 0]]
        pruned = prune.CustomFromMask(mask).prune(torch.tensor([[bad, 2.0, bad]]))
        assert pruned.tolist() == [[0, 2, 0]]
        assert prune.remove(layer, "weight").weight.tolist() == [[0, 2, 0]]


@defect(8)
def masked_inf_has_zero_gradient(prune: Prune) -> None:
    """The gradient at a masked inf or NaN is 0, and finite elsewhere."""
    layer = linear(float("inf"), 2.0, float("nan"))
    prune.custom_from_mask(layer, "weight", torch.tensor([[0.0, 1.0, 0.0]]))
    layer(torch.ones(1, 3)).square().sum().backward()
    assert layer.weight_orig.grad.tolist() == [[0, 4, 0]]


@defect(8)
def masked_negative_is_plus_zero(prune: Prune) -> None:
    """A masked negative is 0.0, not -0.0: after pruning, a forward pass and remove."""
    layer = linear(-1.0, -2.0, -3.0)
    prune.l1_unstructured(layer, "weight", 2)
    assert layer.weight.signbit().tolist() == [[False, False, True]]
    layer(torch.ones(1, 3))
    assert layer.weight.signbit().tolist() == [[False, False, True]]
    prune.remove(layer, "weight")
    assert layer.weight.signbit().tolist() == [[False, False, True]]


# 9. Global pruning counts right


@defect(9)
def global_listed_twice(prune: Prune) -> None:
    """A parameter that is listed twice counts once."""
    layer = linear(1, 2, 3, 4, 5, 6)
    places = [(layer, "weight")] * 2
    prune.global_unstructured(places, prune.L1Unstructured, amount=4)
    assert kept(layer) == [4, 5]


@defect(9)
def global_tied(prune: Prune) -> None:
    """A parameter that two of the modules hold counts once."""
    first, second = linear(1, 2, 3, 4), linear(0, 0, 0, 0)
    second.weight = first.weight
    other = linear(1.5, 10)
    places = [(first, "weight"), (second, "weight"), (other, "weight")]
    prune.global_unstructured(places, prune.L1Unstructured, amount=3)
    assert (kept(first), kept(second), kept(other)) == ([2, 3], [2, 3], [1])


@defect(9, ValueError)
def global_generator(prune: Prune) -> None:
    """The parameters may come from a generator."""
    net = nn.Sequential(linear(1, 2), linear(3, 4))
    prune.global_unstructured(((layer, "weight") for layer in net), prune.L1Unstructured, amount=3)
    assert (kept(net[0]), kept(net[1])) == ([], [1])


@defect(9)
def global_of_nothing(prune: Prune) -> None:
    """An empty list of parameters is an error that says so."""
    with pytest.raises(ValueError, match="parameters is empty"):
        prune.global_unstructured([], prune.L1Unstructured, amount=1)


# 10. Memory

_SIDE = 64
_SIZE = 4 * _SIDE * _SIDE  # bytes of one weight


def _assert_small(layer: nn.Module) -> None:
    # Ours remembers one bit per entry for undo; whoever holds a mask holds 32.
    assert reachable_bytes(layer) <= 3 * _SIZE + _SIZE // 32
    tensors = layer.weight_orig.nbytes + layer.weight_mask.nbytes + layer.weight.nbytes
    assert saved_bytes(layer) <= tensors + 8_000  # torch.save's own headers


@defect(10)
def memory_of_a_mask(prune: Prune) -> None:
    """A layer pruned by a mask holds parameter, mask and masked weight, and saves no more."""
    layer = nn.Linear(_SIDE, _SIDE, bias=False)
    prune.custom_from_mask(layer, "weight", torch.rand(_SIDE, _SIDE) > 0.5)
    _assert_small(layer)
    for _ in range(3):
        prune.custom_from_mask(layer, "weight", torch.rand(_SIDE, _SIDE) > 0.5)
    _assert_small(layer)


@defect(10)
def memory_after_global(prune: Prune) -> None:
    """So does each layer after global pruning: no mask of the whole model hides in a hook."""
    for technique in (prune.L1Unstructured, prune.RandomUnstructured):
        net = nn.Sequential(*(nn.Linear(_SIDE, _SIDE, bias=False) for _ in range(4)))
        prune.global_unstructured([(layer, "weight") for layer in net], technique, amount=0.5)
        for layer in net:
            _assert_small(layer)


@defect(10)
def memory_after_ten_rounds(prune: Prune) -> None:
    """So does each after ten rounds of global pruning and training."""
    net = nn.Sequential(*(nn.Linear(_SIDE, _SIDE, bias=False) for _ in range(2)))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(10):
        prune.global_unstructured(
            [(layer, "weight") for layer in net], prune.L1Unstructured, amount=0.1
        )
        net(torch.randn(2, _SIDE)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    for layer in net:
        _assert_small(layer)


# 11. Tied parameters


def _no_call(model: nn.Module) -> None:
    """Torch has none: a user of torch hopes."""


def _tied() -> tuple[nn.ModuleDict, nn.Module, nn.Module]:
    model = nn.ModuleDict({"emb": nn.Embedding(5, 3), "out": nn.Linear(3, 5, bias=False)})
    model["out"].weight = model["emb"].weight
    return model, model["emb"], model["out"]


@defect(11)
def tied_twin_is_pruned(prune: Prune) -> None:
    """Of a tied parameter, one explicit call (prune_twins) prunes the twin, which trains."""
    model, embedding, output = _tied()
    prune.l1_unstructured(embedding, "weight", 6)
    offer(prune, "prune_twins", _no_call)(model)
    assert zeros(output.weight) == 6 and torch.equal(output.weight, embedding.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        output(embedding(torch.tensor([0, 1, 2]))).square().sum().backward()
        optimizer.step()
    x = torch.randn(1, 3)
    expected = x @ (embedding.weight_orig * embedding.weight_mask).t()
    torch.testing.assert_close(output(x), expected)


@defect(11)
def tied_twin_follows(prune: Prune) -> None:
    """A later prune under either name, and remove, then act on both."""
    model, embedding, output = _tied()
    prune.l1_unstructured(embedding, "weight", 3)
    offer(prune, "prune_twins", _no_call)(model)
    prune.l1_unstructured(output, "weight", 3)
    assert zeros(embedding.weight) == zeros(output.weight) == 6
    prune.remove(embedding, "weight")
    assert embedding.weight is output.weight and zeros(output.weight) == 6


# 12. The hook's place


@defect(12)
def hook_keeps_its_place(prune: Prune) -> None:
    """Pruning again, once or ten times, keeps the hook's place among other hooks."""
    layer = nn.Linear(4, 2)
    layer.register_forward_pre_hook(lambda *_: None)
    prune.l1_unstructured(layer, "weight", 1)
    layer.register_forward_pre_hook(lambda *_: None)
    order = list(layer._forward_pre_hooks)
    prune.l1_unstructured(layer, "weight", 1)
    assert list(layer._forward_pre_hooks) == order
    for _ in range(2):
        prune.random_unstructured(layer, "weight", 1)
    assert list(layer._forward_pre_hooks) == order


@defect(12)
def hooks_see_the_masked_weight(prune: Prune) -> None:
    """A hook put on after pruning still sees the weight of this forward pass after re-pruning."""
    layer = linear(1, 2, 3, 4)
    prune.l1_unstructured(layer, "weight", 1)
    seen: list[float] = []
    layer.register_forward_pre_hook(lambda module, _: seen.append(module.weight.sum().item()))
    prune.l1_unstructured(layer, "weight", 1)
    layer.weight_orig.data.fill_(1)
    layer(torch.ones(1, 4))
    assert seen == [2]


# 13. Parametrized tensors


class _Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


@defect(13, TypeError)
def prune_a_parametrized_tensor(prune: Prune) -> None:
    """Pruning a parametrized tensor refuses, and says what to prune instead."""
    layer = nn.Linear(3, 2)
    parametrize.register_parametrization(layer, "weight", _Doubled())
    before = Snapshot(layer)
    with pytest.raises(ValueError, match=r"parametrized.*prune 'original'"):
        prune.l1_unstructured(layer, "weight", 1)
    before.assert_unchanged()


@defect(13)
def prune_weight_norm(prune: Prune) -> None:
    """Pruning a weight that the old weight_norm computes refuses, and says what to do."""
    with pytest.warns(FutureWarning):
        layer = torch.nn.utils.weight_norm(nn.Linear(3, 2))
    before = Snapshot(layer)
    with pytest.raises(TypeError, match="'weight' of Linear is computed"):
        prune.l1_unstructured(layer, "weight", 1)
    before.assert_unchanged()


# 14. Compilers, exporters, function transforms


@defect(14)
def func_grad_leaves_nothing_behind(prune: Prune) -> None:
    """torch.func.grad of functional_call leaves the module's own tensor in module.weight."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    parameters = {name: p.detach() for name, p in layer.named_parameters()}

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(layer, parameters, torch.ones(1, 4)).sum()

    for _ in range(2):
        gradients = torch.func.grad(loss)(parameters)
        assert gradients["weight_orig"].tolist() == [[0, 0, 1, 1]]
        assert not torch._C._functorch.is_functorch_wrapped_tensor(layer.weight)
        assert layer.weight.tolist() == [[0, 0, 3, 4]]
        prune.random_unstructured(layer, "weight", 0)  # and again after re-pruning


@defect(14)
def functional_call_leaves_nothing_behind(prune: Prune) -> None:
    """After functional_call with other parameters, module.weight is still the module's."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    other = {"weight_orig": torch.tensor([[5.0, 6.0, 7.0, 8.0]])}
    assert torch.func.functional_call(layer, other, torch.ones(1, 4)).item() == 15
    assert layer.weight.tolist() == [[0, 0, 3, 4]]


@defect(14)
def vmap_leaves_nothing_behind(prune: Prune) -> None:
    """An ensemble by torch.func.vmap leaves module.weight alone too."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    stacked = {"weight_orig": torch.arange(8.0).view(2, 1, 4)}
    outputs = torch.func.vmap(lambda p: torch.func.functional_call(layer, p, torch.ones(1, 4)))(
        stacked
    )
    assert outputs.view(-1).tolist() == [5, 13]
    assert not torch._C._functorch.is_functorch_wrapped_tensor(layer.weight)
    assert layer.weight.tolist() == [[0, 0, 3, 4]]


# 15. Norms, and errors that name the thing


@defect(15, RuntimeError)
def matrix_norms_of_convolutions(prune: Prune) -> None:
    """ln_structured with n='fro' and n='nuc' prunes convolutions of one to three dimensions."""
    for n in ("fro", "nuc"):
        for conv in (nn.Conv1d(3, 4, 2), nn.Conv2d(3, 4, 2), nn.Conv3d(3, 4, 2)):
            for dim in (0, 1, -1):
                values = conv.weight.detach()
                layer = prune.ln_structured(copy.deepcopy(conv), "weight", 1, n=n, dim=dim)
                channels = values.movedim(dim, 0)
                matrices = channels.reshape(channels.shape[0], channels.shape[1], -1)
                norms = torch.linalg.matrix_norm(matrices, n)
                mask = layer.weight_mask.movedim(dim, 0).flatten(1)
                assert mask.sum(1).eq(0).nonzero().view(-1).tolist() == [int(norms.argmin())]


def _says(error: type[Exception], *words: str) -> Any:
    return pytest.raises(error, match=".*".join(re.escape(word) for word in words))


def _refuses(prune: Prune, amount: object, error: type[Exception], *words: str) -> None:
    layer = nn.Linear(3, 2)
    for _ in range(2):  # on a clean layer, then on a pruned one
        before = Snapshot(layer)
        for call in (
            lambda: prune.l1_unstructured(layer, "weight", amount),
            lambda: prune.random_unstructured(layer, "weight", amount),
            lambda: prune.ln_structured(layer, "weight", amount, n=2, dim=0),
            lambda: prune.random_structured(layer, "weight", amount, dim=0),
            lambda: prune.global_unstructured(
                [(layer, "weight")], prune.L1Unstructured, amount=amount
            ),
        ):
            with _says(error, *words):
                call()
            before.assert_unchanged()
        prune.l1_unstructured(layer, "weight", 1)


@defect(15)
def bool_amount(prune: Prune) -> None:
    """amount=True and amount=False are refused by name, and change nothing."""
    for amount in (True, False):
        _refuses(prune, amount, TypeError, f"Invalid type for amount: {amount}")


@defect(15)
def nan_amount(prune: Prune) -> None:
    """amount=NaN is refused by name, and changes nothing."""
    _refuses(prune, float("nan"), ValueError, "amount=nan should")


@defect(15)
def tensor_amount(prune: Prune) -> None:
    """amount as a tensor, string, None or complex number changes nothing, also when pruned."""
    for amount in (torch.tensor(0.5), torch.tensor(1), "x", None, 1j):
        _refuses(prune, amount, TypeError, f"Invalid type for amount: {amount}")


@defect(15)
def lazy_parameter(prune: Prune) -> None:
    """A lazy parameter is refused with a sentence that names it and says what to do."""
    layer = nn.LazyLinear(3)
    before = Snapshot(layer)
    with _says(ValueError, "'weight' of LazyLinear is not initialised"):
        prune.l1_unstructured(layer, "weight", 1)
    before.assert_unchanged()


@defect(15)
def missing_parameter(prune: Prune) -> None:
    """A missing parameter is named, and so are those that there are."""
    layer = nn.Linear(3, 2)
    before = Snapshot(layer)
    with _says(AttributeError, "Linear has no parameter 'wieght'", "'weight', 'bias'"):
        prune.l1_unstructured(layer, "wieght", 1)
    before.assert_unchanged()


@defect(15)
def no_bias(prune: Prune) -> None:
    """bias=None is refused with a sentence that names it."""
    layer = nn.Linear(3, 2, bias=False)
    before = Snapshot(layer)
    with _says(TypeError, "'bias' of Linear is None"):
        prune.l1_unstructured(layer, "bias", 1)
    before.assert_unchanged()


@defect(15)
def a_buffer(prune: Prune) -> None:
    """A buffer is refused with a sentence that names it."""
    layer = nn.BatchNorm1d(3)
    before = Snapshot(layer)
    with _says(TypeError, "'running_mean' of BatchNorm1d is a buffer"):
        prune.l1_unstructured(layer, "running_mean", 1)
    before.assert_unchanged()


@defect(15)
def no_such_dim(prune: Prune) -> None:
    """A dim below -ndim is refused with the index and the shape, like one above."""
    for dim in (-3, 2):
        layer = nn.Linear(3, 2)
        before = Snapshot(layer)
        with _says(IndexError, f"Invalid index {dim} for tensor of size torch.Size([2, 3])"):
            prune.ln_structured(layer, "weight", 1, n=2, dim=dim)
        before.assert_unchanged()


@defect(15)
def not_pairs(prune: Prune) -> None:
    """model.parameters() in place of pairs (module, name) is refused with a sentence."""
    layer = nn.Linear(3, 2)
    with _says(TypeError, "pairs (module, name)"):
        prune.global_unstructured(layer.parameters(), prune.L1Unstructured, amount=1)


# 16. Ties


@defect(16)
def ties_of_entries(prune: Prune) -> None:
    """Of equal entries the lowest index goes first: l1_unstructured, any size and amount."""
    for n in (5, 40, 300, 6_000):
        for k in (1, n // 3, n - 1):
            layer = nn.Linear(n, 1)
            nn.init.ones_(layer.weight)
            prune.l1_unstructured(layer, "weight", k)
            assert kept(layer) == list(range(k, n))


@defect(16)
def ties_of_channels(prune: Prune) -> None:
    """Of equal channels too: ln_structured."""
    for n in (5, 40, 300):
        for k in (1, n // 3, n - 1):
            layer = nn.Linear(2, n)
            nn.init.ones_(layer.weight)
            prune.ln_structured(layer, "weight", k, n=2, dim=0)
            assert kept(layer) == list(range(2 * k, 2 * n))


@defect(16)
def ties_across_layers(prune: Prune) -> None:
    """Of equal entries across layers too, in the order in which they are listed."""
    net = nn.Sequential(nn.Linear(30, 1), nn.Linear(30, 1))
    for layer in net:
        nn.init.ones_(layer.weight)
    places = [(net[1], "weight"), (net[0], "weight")]
    prune.global_unstructured(places, prune.L1Unstructured, amount=35)
    assert (kept(net[1]), kept(net[0])) == ([], list(range(5, 30)))


def saved_and_loaded(model: nn.Module) -> nn.Module:
    """Return what comes back from ``torch.save`` and ``torch.load``."""
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)
