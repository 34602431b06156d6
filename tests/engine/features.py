"""What a pruning engine can do, each as a small program: the rows of the feature table.

Some of these torch does as well; they are here because a drop-in engine must do them too. As in
``defects``, a program takes the module under test and raises if it cannot.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from tests.engine.defects import Check, Prune, _assert_evaluates, kept, linear, zeros
from tests.engine.snapshots import Snapshot


class Feature(NamedTuple):
    """One row of the table."""

    title: str
    check: Check
    in_torch: bool

    def __str__(self) -> str:
        return self.check.__name__


FEATURES: list[Feature] = []


def feature(in_torch: bool) -> Callable[[Check], Check]:
    """Enter a program into the table; ``in_torch`` tells whether torch can do it."""

    def enter(check: Check) -> Check:
        title = (check.__doc__ or "").partition("\n")[0].rstrip(".")
        FEATURES.append(Feature(title, check, in_torch))
        return check

    return enter


@feature(in_torch=True)
def techniques(prune: Prune) -> None:
    """Random, L1, random structured, Ln structured, identity, own mask; repeated; `remove`."""
    layer = nn.Linear(4, 6)
    for call, pruned in (
        (lambda: prune.identity(layer, "weight"), 0),
        (lambda: prune.random_unstructured(layer, "weight", 4), 4),
        (lambda: prune.l1_unstructured(layer, "weight", 0.5), 14),
        (lambda: prune.custom_from_mask(layer, "weight", layer.weight_mask), 14),
    ):
        assert call() is layer and zeros(layer.weight) == pruned
    prune.remove(layer, "weight")
    assert isinstance(layer.weight, nn.Parameter) and zeros(layer.weight) == 14
    rows = prune.random_structured(nn.Linear(4, 6), "weight", 0.5, dim=0)
    assert sorted(rows.weight_mask.sum(1).tolist()) == [0, 0, 0, 4, 4, 4]
    prune.ln_structured(rows, "weight", 1, n=1, dim=1)
    assert sorted(rows.weight_mask.sum(0).tolist()) == [0, 3, 3, 3]


@feature(in_torch=True)
def global_unstructured(prune: Prune) -> None:
    """Global pruning of entries across layers, importance scores from the caller."""
    net = nn.Sequential(linear(1, 2, 3), linear(4, 5, 6))
    places = [(net[0], "weight"), (net[1], "weight")]
    scores = {places[1]: torch.zeros(1, 3)}
    prune.global_unstructured(places, prune.L1Unstructured, importance_scores=scores, amount=4)
    assert (kept(net[0]), kept(net[1])) == ([1, 2], [])


@feature(in_torch=True)
def own_technique(prune: Prune) -> None:
    """One's own technique by subclassing `BasePruningMethod`."""

    class EverySecond(prune.BasePruningMethod):  # type: ignore[name-defined,misc]
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    layer = linear(1, 2, 3, 4)
    EverySecond.apply(layer, "weight")
    assert kept(layer) == [1, 3]
    EverySecond.apply(layer, "weight")
    assert kept(layer) == [3]


def _pickled(model: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(model))


def _state(model: nn.Module) -> list[Tensor]:
    return [value.clone() for value in model.state_dict().values()]


@feature(in_torch=True)
def pickles(prune: Prune) -> None:
    """pickle and `torch.save`/`load` of a pruned model, also in training."""
    from tests.engine.defects import saved_and_loaded

    net = nn.Sequential(nn.Linear(4, 3), nn.LSTM(3, 2))
    prune.l1_unstructured(net[0], "weight", 3)
    prune.random_unstructured(net[0], "weight", 3)
    prune.l1_unstructured(net[1], "weight_hh_l0", 3)
    x = torch.randn(5, 4)
    for _ in range(3):
        for copied in (_pickled(net), saved_and_loaded(net)):
            assert torch.equal(copied(x)[0], net(x)[0]) and prune.is_pruned(copied)
            copied(x)[0].sum().backward()
            torch.optim.SGD(copied.parameters(), lr=1.0).step()
            prune.l1_unstructured(copied[0], "weight", 2)
            assert zeros(prune.remove(copied[0], "weight").weight) == 8
            assert zeros(net[0].weight) == 6
        net(x)[0].sum().backward()
        torch.optim.SGD(net.parameters(), lr=0.1).step()


@feature(in_torch=True)
def mixing_is_never_silent(prune: Prune) -> None:
    """`load_state_dict` of a pruned checkpoint into a clean model is an error, never a guess."""
    pruned, clean = prune.l1_unstructured(nn.Linear(3, 2), "weight", 2), nn.Linear(3, 2)
    for model, other in ((pruned, clean), (clean, pruned)):
        with pytest.raises(
            RuntimeError, match=r"weight_mask.*weight_orig|weight_orig.*weight_mask"
        ):
            model.load_state_dict(other.state_dict())


@feature(in_torch=True)
def recurrent_layers(prune: Prune) -> None:
    """LSTM and GRU train and evaluate with every weight masked, and after `remove`."""
    for kind in (nn.LSTM, nn.GRU):
        layer = kind(3, 4, num_layers=2)
        names = [name for name, _ in layer.named_parameters()]
        for name in names:
            prune.random_unstructured(layer, name, 0.5)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            layer(torch.randn(5, 2, 3))[0].square().sum().backward()
            optimizer.step()
        plain = kind(3, 4, num_layers=2).eval()
        values = {n: getattr(layer, n + "_orig") * getattr(layer, n + "_mask") for n in names}
        plain.load_state_dict(values)
        x = torch.randn(5, 2, 3)
        layer.eval()
        with torch.no_grad():
            torch.testing.assert_close(layer(x)[0], plain(x)[0])
            for name in names:
                prune.remove(layer, name)
            torch.testing.assert_close(layer(x)[0], plain(x)[0])
        layer.train()(x)[0].sum().backward()
        layer(x)[0].sum().backward()


@feature(in_torch=True)
def inner_parametrization(prune: Prune) -> None:
    """The original of a parametrized tensor (`parametrizations.weight.original1`) is pruned."""
    layer = torch.nn.utils.parametrizations.weight_norm(nn.Linear(4, 3))
    inner = layer.parametrizations.weight
    prune.l1_unstructured(inner, "original1", 5)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.randn(2, 4)).square().sum().backward()
        optimizer.step()
    assert zeros(layer.weight) == 5
    prune.remove(inner, "original1")
    assert zeros(layer.weight) == 5


class _Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


@feature(in_torch=True)
def parametrize_the_original(prune: Prune) -> None:
    """`weight_orig` of a pruned layer can be parametrized."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    parametrize.register_parametrization(layer, "weight_orig", _Doubled())
    assert layer(torch.ones(1, 4)).item() == 14


def _net(prune: Prune) -> nn.Sequential:
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    prune.l1_unstructured(net[0], "weight", 5)
    prune.l1_unstructured(net[0], "bias", 1)
    prune.random_structured(net[2], "weight", 1, dim=1)
    return net


def _before_and_after(prune: Prune, net: nn.Sequential, check: Callable[[], None]) -> None:
    """Run the check before and after re-pruning, after a step, and after remove."""
    check()
    prune.l1_unstructured(net[0], "weight", 2)
    check()
    net(torch.randn(2, 4)).sum().backward()
    torch.optim.SGD(net.parameters(), lr=0.5).step()
    check()
    prune.remove(net[0], "weight")
    check()
    prune.remove(net[0], "bias")
    prune.remove(net[2], "weight")
    check()


@feature(in_torch=True)
def compiled(prune: Prune) -> None:
    """`torch.compile(fullgraph=True)`: before and after re-pruning and `remove`, with gradients."""
    for backend in ("eager", "aot_eager"):
        torch.compiler.reset()
        net = _net(prune)
        fast = torch.compile(net, fullgraph=True, backend=backend)

        def check(net: nn.Module = net, fast: Callable[[Tensor], Tensor] = fast) -> None:
            x = torch.randn(2, 4)
            torch.testing.assert_close(fast(x), net(x))
            for output in (net(x), fast(x)):
                output.square().sum().backward()
            with torch.no_grad():
                torch.testing.assert_close(fast(x), net(x))

        _before_and_after(prune, net, check)
    torch.compiler.reset()


@feature(in_torch=True)
def exported(prune: Prune) -> None:
    """`torch.export`: before and after re-pruning and `remove`."""
    net = _net(prune).eval()

    def check() -> None:
        x = torch.randn(2, 4)
        program = torch.export.export(net, (x,))
        torch.testing.assert_close(program.module()(x), net(x))
        assert "weight_mask" in str(list(program.state_dict)) or not prune.is_pruned(net[0])

    _before_and_after(prune, net, check)


@feature(in_torch=True)
def traced(prune: Prune) -> None:
    """`torch.jit.trace`: before and after re-pruning and `remove`; the trace is masked too."""
    net = _net(prune)

    def check() -> None:
        x = torch.randn(2, 4)
        traced = torch.jit.trace(net, x)
        torch.testing.assert_close(traced(x), net(x))
        net[2].bias.data.add_(1)
        torch.testing.assert_close(traced(x), net(x))

    _before_and_after(prune, net, check)


@feature(in_torch=True)
def functional(prune: Prune) -> None:
    """`torch.func.functional_call`, `grad` and `vmap` give the masked result."""
    net = _net(prune)

    def check() -> None:
        parameters = {name: p.detach() for name, p in net.named_parameters()}
        x = torch.randn(3, 4)

        def loss(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
            return torch.func.functional_call(net, parameters, x).square().sum()

        expected = copy_of_state(net)
        gradients = torch.func.grad(loss)(parameters, x)
        by_sample = torch.func.vmap(torch.func.grad(loss), (None, 0))(parameters, x)
        net.zero_grad()
        net(x).square().sum().backward()
        for name, p in net.named_parameters():
            torch.testing.assert_close(gradients[name], p.grad)
            torch.testing.assert_close(by_sample[name].sum(0), p.grad)
        doubled = {name: 2 * p for name, p in parameters.items()}
        with torch.no_grad():
            output = torch.func.functional_call(net, doubled, x)
            now = net(x)
        assert not torch.equal(output, now)
        for a, b in zip(expected, _state(net), strict=True):
            assert torch.equal(a, b)

    _before_and_after(prune, net, check)


def copy_of_state(model: nn.Module) -> list[Tensor]:
    """Return the values of a model's parameters and buffers."""
    return _state(model)


@feature(in_torch=True)
def ln_in_any_layout(prune: Prune) -> None:
    """`ln_structured` prunes channels_last and transposed weights; n is a number, inf or -inf."""
    conv = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    for n in (1, 2, 0.5, float("inf"), -float("inf")):
        layer = copy.deepcopy(conv)
        prune.ln_structured(layer, "weight", 1, n=n, dim=0)
        norms = torch.linalg.vector_norm(conv.weight, n, dim=(1, 2, 3))
        gone = layer.weight_mask.flatten(1).sum(1) == 0
        assert gone.nonzero().view(-1).tolist() == [int(norms.argmin())]


@feature(in_torch=False)
def attention_in_force(prune: Prune) -> None:
    """A pruned `out_proj` of attention can be re-pruned, saved, copied, undone, removed."""
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    clean = Snapshot(attention)
    prune.l1_unstructured(attention.out_proj, "weight", 0.5)
    prune.undo(attention.out_proj, "weight")
    clean.assert_unchanged()
    prune.l1_unstructured(attention.out_proj, "weight", 0.5)
    for model in (attention, copy.deepcopy(attention), _pickled(attention)):
        prune.random_unstructured(model.out_proj, "weight", 0.5)
        model.out_proj.weight_orig.data.add_(1)
        _assert_evaluates(model)
        x = torch.randn(2, 3, 8)
        before = model(x, x, x)[0]
        prune.remove(model.out_proj, "weight")
        torch.testing.assert_close(model(x, x, x)[0], before)
        assert type(model.out_proj) is type(nn.MultiheadAttention(8, 2).out_proj)


@feature(in_torch=False)
def pruning_order(prune: Prune) -> None:
    """`pruning_order`: when each entry goes; one ranking gives the mask of every amount."""
    scores = torch.randn(3, 4)
    order = prune.pruning_order(prune.L1Unstructured(0), scores)
    for k in range(13):
        mask = prune.L1Unstructured(k).compute_mask(scores, torch.ones(3, 4))
        assert torch.equal((order >= k).float(), mask)


@feature(in_torch=False)
def global_structured(prune: Prune) -> None:
    """`global_structured`: the least important channels of the whole network go."""
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5))
    net[1].weight.data[[0, 2]] *= 1e-3
    net[0].weight.data[1] *= 1e-3
    prune.global_structured([(net[0], "weight"), (net[1], "weight")], 3)
    assert kept(net[0]) == [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert kept(net[1]) == [4, 5, 6, 7, *range(12, 20)]


@feature(in_torch=False)
def n_m(prune: Prune) -> None:
    """`n_m`: N of every M neighbours stay (2:4 by default), for sparse matrix kernels."""
    layer = prune.n_m(linear(1, -4, 3, 2, 8, 7, 6, 5), "weight")
    assert kept(layer) == [1, 2, 4, 5]


@feature(in_torch=False)
def undo(prune: Prune) -> None:
    """`undo`: the last prune is dropped, what it took comes back."""
    layer = linear(1, 2, 3, 4)
    clean = Snapshot(layer)
    prune.l1_unstructured(layer, "weight", 1)
    prune.l1_unstructured(layer, "weight", 1)
    prune.undo(layer, "weight")
    assert kept(layer) == [1, 2, 3] and layer.weight.tolist() == [[0, 2, 3, 4]]
    prune.undo(layer, "weight")
    clean.assert_unchanged()


@feature(in_torch=False)
def rewind(prune: Prune) -> None:
    """`rewind`: earlier values under today's mask, as a lottery ticket needs it."""
    layer = linear(1, 2, 3, 4)
    start = copy.deepcopy(layer.state_dict())
    layer.weight.data.copy_(torch.tensor([[4.0, 3.0, 2.0, 1.0]]))
    prune.l1_unstructured(layer, "weight", 2)
    prune.rewind(layer, start)
    assert layer.weight.tolist() == [[1, 2, 0, 0]]


@feature(in_torch=False)
def cached(prune: Prune) -> None:
    """`cached`: inside the block the masked weight is computed once."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with prune.cached(), torch.no_grad():
        layer(torch.ones(1, 4))
        weight = layer.weight
        layer(torch.ones(1, 4))
        assert layer.weight is weight


@feature(in_torch=False)
def sparsity(prune: Prune) -> None:
    """`sparsity`: the pruned fraction of a model."""
    net = nn.Sequential(linear(1, 2, 3), linear(4))
    prune.l1_unstructured(net[0], "weight", 1)
    assert prune.sparsity(net) == 0.25


@feature(in_torch=False)
def hold_pruned(prune: Prune) -> None:
    """`hold_pruned`: an optimizer leaves pruned entries alone."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    handle = prune.hold_pruned(optimizer, layer)
    prune.remove(layer, "weight")
    layer(torch.ones(1, 4)).sum().backward()
    optimizer.step()
    assert zeros(layer.weight) == 2
    handle.remove()
    optimizer.step()
    assert zeros(layer.weight) == 0


@feature(in_torch=False)
def load_checkpoint(prune: Prune) -> None:
    """`load_checkpoint`: pruned and clean checkpoints into pruned and clean models."""
    pruned, clean = prune.l1_unstructured(linear(1, 2), "weight", 1), linear(3, 4)
    prune.load_checkpoint(clean, pruned.state_dict())
    assert clean.weight.tolist() == [[0, 2]] and prune.is_pruned(clean)


@feature(in_torch=False)
def importance_everywhere(prune: Prune) -> None:
    """Importance scores from the caller for `n_m` and `global_structured` too."""
    layer = prune.n_m(
        linear(1, 2, 3, 4), "weight", importance_scores=torch.tensor([[9.0, 8, 7, 6]])
    )
    assert kept(layer) == [0, 1]
    rows = nn.Linear(2, 3)
    scores = {(rows, "weight"): torch.tensor([[1.0, 1], [3, 3], [2, 2]])}
    prune.global_structured([(rows, "weight")], 2, importance_scores=scores)
    assert kept(rows) == [2, 3]
