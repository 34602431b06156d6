"""What users really do: libraries, threads, ties, copies, other people's references.

Each program takes the module under test, as in ``defects``, and raises if something goes wrong in
silence. ``on_torch`` is how torch fails it, None where torch is right.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.utils import parametrize
from torch.nn.utils.fusion import fuse_conv_bn_eval

from tests.engine.defects import Check, Prune, kept, linear, offer, zeros
from tests.engine.snapshots import Snapshot


class Fault(NamedTuple):
    """One row of the table."""

    title: str
    check: Check
    on_torch: type[Exception] | None

    def __str__(self) -> str:
        return self.check.__name__


FAULTS: list[Fault] = []


def fault(on_torch: type[Exception] | None = None) -> Callable[[Check], Check]:
    """Enter a program into the table."""

    def enter(check: Check) -> Check:
        title = (check.__doc__ or "").partition("\n")[0].rstrip(".")
        FAULTS.append(Fault(title, check, on_torch))
        return check

    return enter


X = torch.ones(1, 4)


def _no_call(model: nn.Module) -> list[str]:
    return []


@fault()
def kept_references_stay(prune: Prune) -> None:
    """Whoever keeps `weight`, its detach, data, numpy or a slice finds the numbers unchanged."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    for gradients in (False, True):
        with torch.set_grad_enabled(gradients):
            layer(X)
            holders = [layer.weight, layer.weight.detach(), layer.weight.data, layer.weight[:, 2:]]
            array = layer.weight.detach().numpy()
            before = [h.detach().clone() for h in (*holders, torch.from_numpy(array))]
            layer.weight_orig.data.add_(1)
            layer(X)
            prune.l1_unstructured(layer, "weight", 0)
            layer(X)
        after = [h.detach() for h in (*holders, torch.from_numpy(array))]
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@fault()
def a_kept_weight_survives_remove(prune: Prune) -> None:
    """A masked weight kept from before `remove` does not train with the parameter."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with torch.no_grad():
        layer(X)
        weight = layer.weight
    prune.remove(layer, "weight")
    layer.weight.data.add_(5)
    assert weight.tolist() == [[0, 0, 3, 4]]


@fault()
def a_parameter_list_is_no_twin(prune: Prune) -> None:
    """A ParameterList that holds the Parameter too stays as it is, and its optimizer works."""
    layer = linear(1, 2, 3, 4)
    listed = nn.ParameterList([layer.weight])
    prune.l1_unstructured(layer, "weight", 2)
    torch.optim.SGD(list(listed), 0.1)
    assert listed[0] is layer.weight_orig and not prune.is_pruned(listed)


@fault()
def an_exported_graph_is_no_twin(prune: Prune) -> None:
    """A graph that was exported or traced before pruning gives what it gave."""
    layer = linear(1, 2, 3, 4)
    exported, traced = torch.export.export(layer, (X,)).module(), torch.jit.trace(layer, X)
    scripted = torch.fx.symbolic_trace(nn.Sequential(layer))
    prune.l1_unstructured(layer, "weight", 2)
    assert exported(X).item() == traced(X).item() == 10 and layer(X).item() == 7
    assert scripted(X).item() == 7  # it calls the layer itself


@fault()
def a_regulariser_keeps_its_parameter(prune: Prune) -> None:
    """A regulariser that holds the Parameter goes on with it."""
    layer = linear(1, 2, 3, 4)
    regulariser = nn.Module()
    regulariser.target = layer.weight
    prune.l1_unstructured(layer, "weight", 2)
    assert regulariser.target.sum().item() == 10 and regulariser.target.is_leaf


@fault(AssertionError)
def ties_made_after_the_first_prune(prune: Prune) -> None:
    """`prune_twins` finds ties made after the first prune, and only in the given model."""
    model = nn.ModuleDict({"emb": nn.Embedding(5, 3), "out": nn.Linear(3, 5, bias=False)})
    outside = nn.Linear(3, 5, bias=False)
    prune.l1_unstructured(model["emb"], "weight", 6)
    model["out"].weight = outside.weight = model["emb"].weight_orig
    assert offer(prune, "prune_twins", _no_call)(model) == ["out.weight"]
    assert zeros(model["out"].weight) == 6 and not prune.is_pruned(outside)


@fault(AttributeError)
def untied_twins_go_their_own_way(prune: Prune) -> None:
    """Once untied, twins no longer follow; `undo` gives each its Parameter back."""
    model = nn.ModuleDict({"a": linear(1, 2, 3, 4), "b": linear(0, 0, 0, 0)})
    model["b"].weight = model["a"].weight
    prune.l1_unstructured(model["a"], "weight", 1)
    prune.prune_twins(model)
    model["b"].weight_orig = nn.Parameter(torch.ones(1, 4))
    prune.l1_unstructured(model["a"], "weight", 1)
    assert kept(model["a"]) == [2, 3] and kept(model["b"]) == [1, 2, 3]


@fault(AttributeError)
def copies_have_ties_of_their_own(prune: Prune) -> None:
    """Ties hold in a deep copy, among the copies; after a file, a prune asks for them."""
    model = nn.ModuleDict({"a": linear(1, 2, 3, 4), "b": linear(0, 0, 0, 0)})
    model["b"].weight = model["a"].weight
    prune.l1_unstructured(model["a"], "weight", 1)
    prune.prune_twins(model)
    copied = copy.deepcopy(model)
    prune.l1_unstructured(copied["b"], "weight", 1)
    assert kept(copied["a"]) == [2, 3] and kept(model["a"]) == [1, 2, 3]
    from tests.engine.defects import saved_and_loaded

    loaded = saved_and_loaded(model)
    with pytest.raises(ValueError, match="prune_twins"):
        prune.l1_unstructured(loaded["a"], "weight", 1)
    prune.prune_twins(loaded)
    prune.l1_unstructured(loaded["a"], "weight", 1)
    assert kept(loaded["b"]) == [2, 3]


@fault()
def an_assigned_parameter_is_refused(prune: Prune) -> None:
    """A Parameter set as `weight` of a pruned layer is refused at the next forward."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    layer.weight = nn.Parameter(torch.ones(1, 4))
    with pytest.raises((ValueError, TypeError), match="weight"):
        layer(X)


@fault(RuntimeError)
def an_assigned_tensor_is_refused(prune: Prune) -> None:
    """So is a tensor, in place of being overwritten; taken away again, all is well."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    for model in (layer, copy.deepcopy(layer), copy.copy(layer)):
        model.weight = torch.ones(1, 4)
        for _ in range(2):
            with pytest.raises(ValueError, match="weight_orig"):
                model(X)
        del model.weight
        assert model(X).item() == 7


@fault(AssertionError)
def a_tensor_assigned_after_loading(prune: Prune) -> None:
    """So is one that is set on a layer that has just come from a file."""
    from tests.engine.defects import saved_and_loaded

    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with torch.no_grad():
        layer(X)
    for model in (saved_and_loaded(layer), saved_and_loaded(saved_and_loaded(layer))):
        assert model(X).item() == 7
        again = saved_and_loaded(model)
        again.weight = torch.ones(1, 4)
        with pytest.raises((ValueError, TypeError), match="weight"):
            again(X)


@fault(AssertionError)
def fused_batch_norm(prune: Prune) -> None:
    """`fuse_conv_bn_eval` of a pruned convolution says what to do."""
    conv, norm = nn.Conv2d(1, 2, 2).eval(), nn.BatchNorm2d(2).eval()
    prune.l1_unstructured(conv, "weight", 3)
    with torch.no_grad():
        conv(torch.ones(1, 1, 3, 3))
        try:
            fuse_conv_bn_eval(conv, norm)(torch.ones(1, 1, 3, 3))
        except Exception as error:
            assert "remove" in str(error)


def _train(layer: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        layer(torch.randn(8, 4)).square().sum().backward()
        optimizer.step()


@fault(AttributeError)
def hold_pruned_holds_masks_alone(prune: Prune) -> None:
    """`hold_pruned` holds what masks prune, through `remove`, and lets other zeros train."""
    layer = linear(0, 1, 2, 3)  # this zero is a value like any other
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    prune.hold_pruned(optimizer, layer)
    prune.custom_from_mask(layer, "weight", torch.tensor([[1, 0, 1, 1]]))
    prune.remove(layer, "weight")  # no step has seen the mask
    _train(layer, optimizer)
    assert layer.weight[0, 1] == 0 and layer.weight[0, 0] != 0
    prune.l1_unstructured(layer, "weight", 3)
    _train(layer, optimizer)
    gone, before = layer.weight_mask == 0, layer.weight_orig.detach().clone()
    prune.undo(layer, "weight")
    _train(layer, optimizer)
    gone[0, 1] = False
    assert layer.weight[0, 1] == 0 and (layer.weight != before)[gone].all()


@fault(AttributeError)
def hold_pruned_refuses(prune: Prune) -> None:
    """`hold_pruned` refuses swapped arguments, an optimizer of another model, a mere wrapper."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)

    class Wrapper(torch.optim.Optimizer):
        def __init__(self) -> None:  # as libraries for training on several devices do
            self.param_groups = optimizer.param_groups

    with pytest.raises(TypeError, match="that it wraps"):
        prune.hold_pruned(Wrapper(), layer)
    with pytest.raises(TypeError, match="in this order"):
        prune.hold_pruned(layer, optimizer)
    with pytest.raises(ValueError, match="holds no parameter"):
        prune.hold_pruned(optimizer, nn.Linear(4, 1))


@fault(AttributeError)
def cached_in_functional_call(prune: Prune) -> None:
    """`cached` and `functional_call` with two values of `weight_orig` give two answers."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with prune.cached(), torch.no_grad():
        answers = [
            torch.func.functional_call(layer, {"weight_orig": layer.weight_orig * n}, X).item()
            for n in (1, 2, 3)
        ]
        assert [*answers, layer(X).item()] == [7, 14, 21, 7]


@fault(AttributeError)
def cached_sees_changes(prune: Prune) -> None:
    """Inside `cached`, a weight or mask that changes, moves or is replaced is seen."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with prune.cached(), torch.no_grad():
        assert layer(X).item() == 7
        layer.weight_orig.mul_(2)
        assert layer(X).item() == 14
        for _ in range(3):
            layer.weight_orig.data = layer.weight_orig.data * 2
            expected = (layer.weight_orig * layer.weight_mask).sum().item()
            assert layer(X).item() == expected
        layer.weight_mask.fill_(1)
        assert layer(X).item() == 160
        assert layer.double()(X.double()).item() == 160


@fault(AttributeError)
def cached_elsewhere(prune: Prune) -> None:
    """A `cached` block of another thread, or of a paused generator, changes nothing here."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)

    def paused() -> Iterator[float]:
        with prune.cached():
            yield layer(X).item()
            yield layer(X).item()

    generator = paused()
    assert next(generator) == 7
    seen: list[float] = []
    layer.weight_orig.data.mul_(2)
    thread = threading.Thread(target=lambda: seen.append(layer(X).item()))
    thread.start()
    thread.join()
    assert seen == [14]
    with torch.no_grad():
        layer.weight_orig.mul_(1)
    losses = [layer(X).sum(), layer(X).sum()]
    for loss in losses:
        loss.backward()
    assert layer.weight_orig.grad.tolist() == [[0, 0, 2, 2]]
    assert next(generator) == 14


@fault(AttributeError)
def cached_sees_every_optimizer(prune: Prune) -> None:
    """Inside `cached`, a step of any optimizer is seen, also of a fused one."""
    for options in ({"fused": True}, {"foreach": True}, {"foreach": False}):
        layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
        optimizer = torch.optim.SGD(layer.parameters(), lr=1.0, **options)
        with prune.cached():
            layer(X).sum().backward()
            optimizer.step()
            assert layer(X).item() == 5


@fault(AttributeError)
def traced_inside_cached(prune: Prune) -> None:
    """A trace that is made inside `cached` follows the parameters, as any trace does."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    for gradients in (False, True):
        with prune.cached(), torch.set_grad_enabled(gradients):
            assert layer(X).item() == layer.weight_orig[0, 2:].sum().item()
            traces = (torch.jit.trace(layer, X), make_fx(layer)(X))
        with torch.no_grad():
            layer.weight_orig.add_(1)
            assert traces[0](X) == traces[1](X) == layer(X)


class _Cloning(nn.Linear):
    """Gives clones as its state, as some libraries do."""

    def __init__(self) -> None:
        super().__init__(4, 1, bias=False)
        self.register_state_dict_post_hook(_clone)


def _clone(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    for key in state:
        state[key] = state[key].clone()


@fault(AttributeError)
def rewind_of_a_cloned_state(prune: Prune) -> None:
    """`rewind` reaches the module's own tensors where its state dict is a clone."""
    layer = _Cloning()
    start = layer.state_dict()
    prune.l1_unstructured(layer, "weight", 2)
    layer.weight_orig.data.add_(1)
    prune.rewind(layer, start)
    assert torch.equal(layer.weight_orig, start["weight"])
    for wrong in (layer, None):
        with pytest.raises(TypeError, match="state_dict"):
            prune.rewind(layer, wrong)


class _Extra(nn.Linear):
    def __init__(self) -> None:
        super().__init__(4, 1, bias=False)
        self.note = 0

    def get_extra_state(self) -> int:
        return self.note

    def set_extra_state(self, state: int) -> None:
        self.note = state


@fault(AttributeError)
def load_checkpoint_loads_as_torch_does(prune: Prune) -> None:
    """`load_checkpoint` takes extra state, old batch norms and a meta model as torch does."""
    pruned, clean = prune.l1_unstructured(_Extra(), "weight", 2), _Extra()
    pruned.note = 7
    prune.load_checkpoint(clean, pruned.state_dict())
    assert clean.note == 7 and torch.equal(clean.weight, pruned.weight)
    norm = nn.BatchNorm1d(3)
    old = {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    prune.load_checkpoint(norm, old)
    with torch.device("meta"):
        empty = nn.Linear(4, 1, bias=False)
    source = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    prune.load_checkpoint(empty, source.state_dict())
    assert empty(X).item() == 7 and kept(empty) == [2, 3]


@fault(AttributeError)
def load_checkpoint_is_all_or_nothing(prune: Prune) -> None:
    """`load_checkpoint` that fails in one of two layers leaves both, and the values, alone."""
    source = nn.Sequential(linear(1, 2, 3, 4), linear(5))
    for layer in source:
        prune.l1_unstructured(layer, "weight", 1)
    target = nn.Sequential(linear(9, 9, 9, 9), linear(9))
    target[1].weight_mask = torch.zeros(1)  # a taken name
    before = Snapshot(target)
    with pytest.raises((KeyError, RuntimeError)):
        prune.load_checkpoint(target, source.state_dict())
    before.assert_unchanged()
    shapes = nn.Sequential(linear(9, 9, 9, 9), linear(9, 9))
    before = Snapshot(shapes)
    clean = {"0.weight": torch.ones(1, 4), "1.weight": torch.ones(1, 1)}
    for state in (source.state_dict(), clean):  # the second fits the first layer
        with pytest.raises(RuntimeError, match="size mismatch"):
            prune.load_checkpoint(shapes, state)
        before.assert_unchanged()


@fault(AttributeError)
def undo_keeps_the_order(prune: Prune) -> None:
    """`undo` gives parameters their order back: an optimizer's state of before fits again."""
    layer = nn.Linear(3, 2)
    layer.extra = nn.Parameter(torch.ones(1))
    clean = Snapshot(layer)
    for first, second in (("weight", "bias"), ("bias", "weight")):
        for undone in ((first, second), (second, first)):
            prune.l1_unstructured(layer, first, 1)
            middle = Snapshot(layer)
            prune.l1_unstructured(layer, second, 1)
            prune.undo(layer, undone[0])
            if undone[0] == second:
                middle.assert_unchanged()
            prune.undo(layer, undone[1])
            clean.assert_unchanged()


@fault(AttributeError)
def undo_of_a_scaling_mask(prune: Prune) -> None:
    """`undo` of a scaling mask gives the dtype that the module has become."""
    layer = prune.custom_from_mask(linear(1, 2, 3, 4), "weight", torch.tensor([[0.5, 1, 1, 1]]))
    prune.custom_from_mask(layer, "weight", torch.tensor([[1.0, 0, 1, 1]]))
    layer.double()
    prune.undo(layer, "weight")
    assert layer.weight_mask.dtype == torch.float64 and layer(X.double()).item() == 9.5


@fault()
def own_apply_mask_from_the_start(prune: Prune) -> None:
    """A technique's own `apply_mask` is what is shown from the first moment on."""

    class Tenth(prune.L1Unstructured):  # type: ignore[name-defined,misc]
        def apply_mask(self, module: nn.Module) -> Tensor:
            return module.weight_orig * (0.1 + 0.9 * module.weight_mask)

    layer = linear(10, 20, 30, 40)
    Tenth.apply(layer, "weight", amount=2)
    assert torch.allclose(layer.weight, torch.tensor([[1.0, 2, 30, 40]]))
    assert torch.allclose(layer(X), torch.tensor([[73.0]]))
    prune.remove(layer, "weight")
    assert torch.allclose(layer.weight, torch.tensor([[1.0, 2, 30, 40]]))


@fault(AssertionError)
def own_apply_mask_that_fails(prune: Prune) -> None:
    """One that raises leaves the layer as it was."""

    class Fails(prune.L1Unstructured):  # type: ignore[name-defined,misc]
        def apply_mask(self, module: nn.Module) -> Tensor:
            raise LookupError

    layer = nn.Linear(3, 2)
    for _ in range(2):
        before = Snapshot(layer)
        with pytest.raises(LookupError):
            Fails.apply(layer, "weight", amount=2)
        before.assert_unchanged()
        prune.l1_unstructured(layer, "weight", 1)


class _Doubled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


@fault(KeyError)
def parametrized_original(prune: Prune) -> None:
    """A parametrized `weight_orig` is masked at every forward; what cannot work is a sentence."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    parametrize.register_parametrization(layer, "weight_orig", _Doubled())
    assert layer(X).item() == 14 and layer.weight.tolist() == [[0, 0, 6, 8]]
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    for call in (
        lambda: prune.remove(layer, "weight"),
        lambda: prune.undo(layer, "weight"),
        lambda: prune.sparsity(layer),
        lambda: prune.hold_pruned(optimizer, layer),
    ):
        before = Snapshot(layer)
        with pytest.raises(ValueError, match="remove_parametrizations"):
            call()
        before.assert_unchanged()


@fault()
def meta_and_fake(prune: Prune) -> None:
    """Tensors without values (meta, FakeTensor) are pruned: shapes and names come out right."""
    for context in (torch.device("meta"), torch._subclasses.FakeTensorMode()):
        with context:
            for call in (
                lambda m: prune.l1_unstructured(m, "weight", 0.5),
                lambda m: prune.random_unstructured(m, "weight", 0.5),
                lambda m: prune.ln_structured(m, "weight", 0.5, 2, 0),
            ):
                layer = call(nn.Linear(4, 2))
                assert layer.weight_mask.shape == layer.weight.shape == (2, 4)
                assert layer(torch.ones(1, 4)).shape == (1, 2)
                prune.remove(layer, "weight")


@fault()
def forward_mode(prune: Prune) -> None:
    """Forward-mode derivatives, double backward and sparse gradients go through the mask."""
    layer = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(layer.weight_orig.detach(), torch.ones(1, 4))
        out = torch.func.functional_call(layer, {"weight_orig": dual}, X)
        assert forward_ad.unpack_dual(out).tangent.item() == 2
    (first,) = torch.autograd.grad(layer(X).pow(2).sum(), layer.weight_orig, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), layer.weight_orig)
    assert second.tolist() == [[0, 0, 4, 4]]
    embedding = nn.Embedding(3, 2, sparse=True)
    prune.custom_from_mask(embedding, "weight", torch.tensor([[1, 0], [1, 1], [0, 1]]))
    embedding(torch.tensor([0, 2])).sum().backward()
    assert embedding.weight_orig.grad.to_dense().tolist() == [[1, 0], [0, 0], [0, 1]]


@fault(AssertionError)
def masked_inf_and_threads(prune: Prune) -> None:
    """An inf under the mask is never seen, whatever other threads do with the layer."""
    layer = linear(*[float("inf"), 1.0] * 50)
    prune.custom_from_mask(layer, "weight", torch.tensor([[0, 1] * 50]))
    seen: list[float] = []

    def work() -> None:
        with torch.no_grad():
            seen.extend(layer(torch.ones(1, 100)).item() for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [50.0] * 150


@fault(AssertionError)
def names_that_cannot_be_meant(prune: Prune) -> None:
    """`weight_orig` of a pruned layer, `"0.weight"`, swapped arguments: a sentence helps."""
    layer = prune.l1_unstructured(nn.Linear(3, 2), "weight", 2)
    net = nn.Sequential(nn.Linear(3, 2))
    before = Snapshot(layer)
    for name, call, error, words in (
        ("weight_orig", layer, ValueError, "prune 'weight' again"),
        ("weight_mask", layer, ValueError, "prune 'weight' again"),
        ("0.weight", net, AttributeError, "prune 'weight' of its submodule"),
        ("0", net, TypeError, "is a module"),
        (layer, "weight", TypeError, "swapped"),
        ("weight", layer.bias, TypeError, "module should be"),
        (0.5, layer, TypeError, "name should be"),
    ):
        with pytest.raises(error, match=words):
            prune.l1_unstructured(call, name, 1)
    before.assert_unchanged()


@fault(AttributeError)
def n_m_on_a_pruned_layer(prune: Prune) -> None:
    """`n_m` with scores keeps n of each group also where entries are gone already."""
    layer = prune.custom_from_mask(linear(1, 2, 3, 4), "weight", torch.tensor([[0, 0, 1, 1]]))
    prune.n_m(layer, "weight", importance_scores=torch.tensor([[9.0, 8, 2, 1]]))
    assert kept(layer) == [2, 3]


@fault(AttributeError)
def pruning_order_of_odd_things(prune: Prune) -> None:
    """`pruning_order`: a scaled entry is not gone; a list, a class, a wrong mask are refused."""
    scores, l1 = torch.tensor([3.0, 1.0, 2.0]), prune.L1Unstructured(0)
    order = prune.pruning_order(l1, scores, torch.tensor([0.5, 1.0, 1.0]))
    assert order.tolist() == [2, 0, 1]
    for arguments, error in (
        ((l1, [1.0]), TypeError),
        ((prune.L1Unstructured, scores), TypeError),
        ((l1, scores, torch.ones(2)), ValueError),
    ):
        with pytest.raises(error):
            prune.pruning_order(*arguments)


@fault(AttributeError)
def sparsity_without_values(prune: Prune) -> None:
    """`sparsity` of lazy, meta and quantized modules is refused in a sentence."""
    quantized = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 2)), {nn.Linear})
    for module in (nn.LazyLinear(3), nn.Linear(4, 2, device="meta"), quantized):
        with pytest.raises(ValueError, match=r"not initialised|no values|packed"):
            prune.sparsity(module)


@fault(RuntimeError)
def shallow_copy(prune: Prune) -> None:
    """`copy.copy` of a layer, while its parameters are listed, can be pruned and deep-copied."""
    layer = linear(1, 2, 3, 4)
    listed = dict(layer.named_parameters())
    twin = copy.copy(layer)
    prune.l1_unstructured(twin, "weight", 2)
    assert twin(X).item() == layer(X).item() == 7 and len(listed) == 1
    assert copy.deepcopy(twin)(X).item() == copy.deepcopy(layer)(X).item() == 7
