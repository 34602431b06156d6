"""What strangers do with a pruned layer and nobody told us: never wrong in silence.

Each test is a kind of its own, found by trying such programs against ours and against torch's.
"""

from __future__ import annotations

import contextvars
import copy
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.utils import parametrize
from torch.nn.utils import prune as torch_prune
from torch.utils.checkpoint import checkpoint

from prune_lab import prune
from prune_lab.prune import large
from tests.engine.defects import linear
from tests.engine.snapshots import Snapshot

X = torch.ones(1, 4)


@pytest.mark.parametrize("gradients", [False, True])
def test_an_older_masked_weight_set_again_is_refused(gradients: bool) -> None:
    """The best weight so far, kept and put back, would be overwritten by the next forward."""
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with torch.set_grad_enabled(gradients):
        layer(X)
        best = layer.weight
        layer.weight = best  # no change
        layer(X)
        layer.weight = best
        with pytest.raises(ValueError, match="weight_orig"):
            layer(X)
        del layer.weight
        assert layer(X).item() == 7


def test_none_in_place_of_the_weight_is_refused() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    layer.weight = None
    with pytest.raises(ValueError, match="NoneType"):
        layer(X)


def test_threads_that_take_turns_are_not_refused() -> None:
    """Whichever of them has shown its weight last, it is no stranger's."""
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert {y.item() for y in pool.map(layer, [X] * 2_000)} == {7}
    finally:
        sys.setswitchinterval(before)


def test_another_layers_masked_weight_is_refused() -> None:
    layers: list[Any] = [prune.l1_unstructured(linear(1, 2, 3, n), "weight", 2) for n in (4, 5)]
    layers[0].weight = layers[1].weight
    with pytest.raises(ValueError, match="weight_orig"):
        layers[0](X)


def test_shallow_copies_take_turns() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    copies = [layer, copy.copy(layer), copy.copy(layer)]
    for _ in range(2):
        assert [each(X).item() for each in copies] == [7, 7, 7]
    copies[2].weight = copies[1].weight
    with pytest.raises(ValueError, match="weight_orig"):
        copies[2](X)
    assert copy.deepcopy(copies[1])(X).item() == 7


class _Keeps(prune.BasePruningMethod):
    """A technique that goes on holding the mask that it returns."""

    PRUNING_TYPE = "global"
    mask = torch.tensor([[1.0, 1, 0, 0]])

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return self.mask


def test_a_mask_that_the_technique_keeps_is_not_the_modules() -> None:
    layers: list[Any] = [linear(1, 2, 3, 4), linear(1, 2, 3, 4)]
    for layer in layers:
        _Keeps.apply(layer, "weight")
    layers[0].load_state_dict({"weight_orig": X, "weight_mask": torch.ones(1, 4)})
    assert layers[1](X).item() == 3 and _Keeps.mask.sum() == 2


def test_scores_of_another_device_change_nothing() -> None:
    layer = linear(1, 2, 3, 4)
    for _ in range(2):
        before = Snapshot(layer)
        with pytest.raises((ValueError, RuntimeError, NotImplementedError)):
            prune.l1_unstructured(layer, "weight", 1, torch.ones(1, 4, device="meta"))
        before.assert_unchanged()
        prune.l1_unstructured(layer, "weight", 1)


@pytest.mark.parametrize("shape", [(1, 3), (4, 4), (2, 1, 4)])
def test_a_mask_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    """Also where it could be broadcast, and the layer would give outputs of another shape."""
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    layer.weight_mask = torch.ones(shape)
    for gradients in (False, True):
        with torch.set_grad_enabled(gradients), pytest.raises(RuntimeError):
            layer(X)


def test_a_mask_that_is_learned() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    del layer.weight_mask
    layer.weight_mask = nn.Parameter(torch.tensor([[0.0, 0.5, 1, 1]]))
    layer(X).sum().backward()
    assert layer.weight_mask.grad.tolist() == [[1, 2, 3, 4]]
    before = Snapshot(layer)
    with pytest.raises(TypeError):
        prune.l1_unstructured(layer, "weight", 1)
    before.assert_unchanged()
    assert prune.remove(layer, "weight").weight.tolist() == [[0, 1, 3, 4]]


def test_remove_in_inference_mode_leaves_a_parameter_that_trains() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with torch.inference_mode():
        layer(X)
        prune.remove(layer, "weight")
    layer(X).sum().backward()
    assert layer.weight.grad is not None


def test_a_lazy_model_that_cannot_be_loaded_stays_lazy() -> None:
    source = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    prune.l1_unstructured(source[0], "weight", 4)
    fitting = source.state_dict()
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyLinear(2))
    before = Snapshot(model)
    for wrong in ({**fitting, "2.weight": X}, {k: v for k, v in fitting.items() if k != "1.bias"}):
        with pytest.raises(RuntimeError):
            prune.load_checkpoint(model, wrong)
        before.assert_unchanged()
        assert all(nn.parameter.is_lazy(parameter) for parameter in model.parameters())
    prune.load_checkpoint(model, fitting)
    assert torch.equal(model(X), source(X))


def test_a_load_that_fails_leaves_undo_its_memory() -> None:
    layer: Any = linear(1, 2, 3, 4)
    for _ in range(2):
        prune.l1_unstructured(layer, "weight", 1)
    state = {"weight_orig": X, "weight_mask": torch.ones(1, 4)}
    with pytest.raises(RuntimeError):
        prune.load_checkpoint(layer, {**state, "bias": X})
    assert prune.undo(layer, "weight")(X).item() == 9
    prune.l1_unstructured(layer, "weight", 1)
    prune.load_checkpoint(layer, state)
    with pytest.raises(ValueError, match="not known"):
        prune.undo(layer, "weight")


def test_a_load_that_fails_at_the_last_moment_leaves_the_model_alone() -> None:
    """A technique's own apply_mask, or a layer of buffers alone on the meta device."""

    class Rarely(prune.L1Unstructured):
        def apply_mask(self, module: nn.Module) -> Tensor:
            weight = super().apply_mask(module)
            if (weight > 50).any():
                raise LookupError
            return weight

    model = nn.Sequential(linear(1, 2, 3, 4), nn.BatchNorm1d(1, affine=False), linear(1)).eval()
    prune.l1_unstructured(model[0], "weight", 2)
    Rarely.apply(model[2], "weight", 0)
    before = Snapshot(model)
    with pytest.raises(LookupError):
        prune.load_checkpoint(model, {k: v * 100 for k, v in model.state_dict().items()})
    before.assert_unchanged()
    assert torch.allclose(model(X), torch.tensor([[7.0]]), rtol=1e-4)
    with torch.device("meta"):
        empty = nn.Sequential(nn.BatchNorm1d(1, affine=False), nn.Linear(4, 1))
    before_ids = [id(tensor) for tensor in (*empty.buffers(), *empty.parameters())]
    state = {"0." + k: v for k, v in nn.BatchNorm1d(1, affine=False).state_dict().items()}
    with pytest.raises(RuntimeError):
        prune.load_checkpoint(empty, {**state, "1.weight": X})
    assert [id(tensor) for tensor in (*empty.buffers(), *empty.parameters())] == before_ids


def test_undo_gives_the_mask_the_device_that_it_had() -> None:
    """Unless the module has been moved since; masks without values can be undone too."""
    layer: Any = nn.Linear(4, 1, bias=False, device="meta")
    for _ in range(2):
        prune.custom_from_mask(layer, "weight", torch.ones(1, 4, device="meta"))
    assert prune.undo(layer, "weight").weight_mask.is_meta
    moved: Any = linear(1, 2, 3, 4)
    for kept in ([[1.0, 0, 1, 1]], [[1.0, 1, 0, 1]]):
        prune.custom_from_mask(moved, "weight", torch.tensor(kept))
    stays = copy.deepcopy(moved)
    assert prune.undo(moved.to("meta"), "weight").weight_mask.is_meta
    assert prune.undo(stays, "weight").weight_mask.tolist() == [[1, 0, 1, 1]]


class _Empty(nn.Linear):
    """A module that is False, as a container without layers is."""

    def __len__(self) -> int:
        return 0


def test_ties_of_modules_that_are_false_are_copied() -> None:
    model: Any = nn.ModuleDict({"a": _Empty(4, 1), "b": _Empty(4, 1)})
    model["b"].weight = model["a"].weight
    prune.l1_unstructured(model["a"], "weight", 1)
    assert prune.prune_twins(model) == ["b.weight"]
    copied = copy.deepcopy(model)
    prune.l1_unstructured(copied["b"], "weight", 1)
    assert copied["a"].weight_mask.sum() == 2 and model["a"].weight_mask.sum() == 3


def test_twins_within_one_module() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.there = self.back = nn.Parameter(torch.tensor([[1.0, 2, 3, 4]]))

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.there.T + x @ self.back.T

    model: Any = prune.l1_unstructured(Twice(), "there", 2)
    assert model(X).item() == 17
    assert prune.prune_twins(model) == ["back"]
    assert model(X).item() == 14
    assert prune.l1_unstructured(model, "back", 1)(X).item() == 8
    assert prune.undo(copy.deepcopy(model), "there")(X).item() == 14
    prune.remove(model, "there")
    assert model(X).item() == 8 and model.there is model.back


def test_a_copy_does_not_take_what_was_assigned_for_its_own() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    layer.weight = torch.ones(1, 4)
    with pytest.raises(ValueError, match="weight_orig"):
        copy.deepcopy(layer)(X)


def test_fake_tensors_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have no memory that the system could be asked about."""
    monkeypatch.setattr(large, "_HUGE", 0)
    with torch._subclasses.FakeTensorMode():
        for call in (prune.random_unstructured, prune.l1_unstructured):
            layer: Any = call(nn.Linear(4, 2), "weight", 0.5)
            assert layer(torch.ones(1, 4)).shape == (1, 2)


def test_what_backward_refuses_does_not_depend_on_the_size() -> None:
    """A second pass through one graph, and a mask that has been written in between."""
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    once = layer(X).sum()
    once.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        once.backward()
    late = layer(X).sum()
    layer.weight_mask.fill_(1)
    with pytest.raises(RuntimeError, match="modified"):
        late.backward()
    with prune.cached():
        late = layer(X).sum()
    layer.weight_mask.fill_(1)
    with pytest.raises(RuntimeError, match="modified"):
        late.backward()


def test_an_inf_under_the_mask_of_a_middle_sized_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large, but not so large that its graph is made by hand: the sum tells that there is a NaN."""
    monkeypatch.setattr(large, "FROM", 0)
    monkeypatch.setattr(large, "GRAPH_FROM", torch.inf)
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    layer.weight_orig.data[0, 0] = torch.inf
    layer(X).sum().backward()
    assert layer(X).item() == 7 and layer.weight_orig.grad.tolist() == [[0, 0, 1, 1]]


# What can be right is right.


class _Frozen(nn.Linear):
    def __setattr__(self, name: str, value: object) -> None:
        if "is_frozen" in self.__dict__:
            raise PermissionError("this layer is frozen")
        super().__setattr__(name, value)


def _shared_submodule() -> None:
    def model() -> Any:
        made: Any = nn.Module()
        made.a = made.b = linear(1, 2, 3, 4)  # two paths to one layer
        return made

    source, target, clean = model(), model(), model().state_dict()
    prune.l1_unstructured(source.a, "weight", 2)
    prune.load_checkpoint(target, source.state_dict())
    assert target.b(X).item() == 7
    with torch.no_grad():
        target.a.weight_orig.add_(1)
    prune.rewind(target, clean)
    assert target.a(X).item() == 7


def _equal_modules() -> None:
    class Equal(nn.Linear):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

        def __hash__(self) -> int:
            return 1

    layer: Any = Equal(4, 1, bias=False)
    layer.weight.data = torch.tensor([[1.0, 2, 3, 4]])
    prune.l1_unstructured(layer, "weight", 2)
    copied = copy.copy(layer)
    assert [each(X).item() for each in (copied, layer, copied)] == [7, 7, 7]


def _checkpointing_inside_cached() -> None:
    for reentrant in (False, True):
        layer, x = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2), X.clone()
        with prune.cached():
            passes = [
                checkpoint(layer, x.requires_grad_(), use_reentrant=reentrant) for _ in range(2)
            ]
        sum(passes).sum().backward()  # type: ignore[union-attr]
        assert layer.weight_orig.grad.tolist() == [[0, 0, 2, 2]]


def _a_default_device() -> None:
    layer: Any = nn.Linear(4, 3)
    with torch.device("meta"):
        prune.random_structured(layer, "weight", 1, dim=0)
        prune.l1_unstructured(layer, "weight", 2)
    assert (layer.weight_mask == 0).sum() == 6 and layer(X).shape == (1, 3)


def _a_mask_of_channels_can_be_written() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    prune.global_structured([(layer, "weight") for layer in model], 2)
    model.load_state_dict(copy.deepcopy(model.state_dict()))


def _a_setattr_that_notes_changes() -> None:
    class Transposed(nn.Linear):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "weight":
                self.__dict__["transposed"] = None
            super().__setattr__(name, value)

        def forward(self, x: Tensor) -> Tensor:
            if self.__dict__["transposed"] is None:
                self.__dict__["transposed"] = self.weight.detach().t()
            return x @ self.transposed

    layer: Any = Transposed(4, 1, bias=False)
    layer.weight.data = torch.tensor([[1.0, 2, 3, 4]])
    assert layer(X).item() == 10
    assert prune.l1_unstructured(layer, "weight", 2)(X).item() == 7
    layer.weight_orig.data.add_(1)
    assert layer(X).item() == 9


def _a_setattr_in_which_threads_meet() -> None:
    """Another thread runs the layer between any two steps of showing a weight."""

    class Meeting(nn.Linear):
        def __setattr__(self, name: str, value: object) -> None:
            meet = self.__dict__.pop("meet", None) if name == "weight" else None
            if meet:
                meet()
            super().__setattr__(name, value)
            if meet:
                meet()

    layer: Any = Meeting(4, 1, bias=False)
    layer.weight.data = torch.tensor([[1.0, 2, 3, 4]])
    prune.l1_unstructured(layer, "weight", 2)
    with ThreadPoolExecutor(1) as pool:
        layer.__dict__["meet"] = lambda: pool.submit(layer, X).result()
        assert layer(X).item() == layer(X).item() == 7


def _an_out_proj_of_which_one_is_pruned() -> None:
    attention: Any = nn.MultiheadAttention(4, 2)
    x = torch.ones(1, 4)
    for name in ("weight", "bias"):
        gone = torch.zeros_like(getattr(attention.out_proj, name))
        prune.custom_from_mask(attention.out_proj, name, gone)
    prune.remove(attention.out_proj, "bias")
    attention.out_proj.weight_orig.data.fill_(1)
    assert attention(x, x, x)[0].tolist() == [[0, 0, 0, 0]]


def _a_zero_that_no_mask_prunes_trains() -> None:
    layer: Any = prune.custom_from_mask(linear(0, 2, 3, 4), "weight", torch.tensor([[1, 0, 1, 1]]))
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0, weight_decay=0.5)
    prune.hold_pruned(optimizer, layer)
    layer(X).sum().backward()
    optimizer.step()
    assert layer.weight_orig.tolist() == [[-1, 2, 0.5, 1]]
    torch_prune.remove(layer, "weight")
    for _ in range(2):
        layer.weight.grad = torch.ones(1, 4)
        optimizer.step()
    assert layer.weight[0, 1] == 0


def _cached_in_a_context_that_is_copied() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with prune.cached(), ThreadPoolExecutor(1) as pool:
        layer(X)
        layer.weight_orig.data.mul_(2)  # a write that this block does not see
        there = contextvars.copy_context()
        assert pool.submit(there.run, layer, X).result().item() == 14


def _cached_in_a_context_that_outlives_the_block() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with prune.cached():
        there = contextvars.copy_context()
    assert there.run(layer, X).item() == 7
    layer.weight_orig.data.mul_(2)  # a write that an open block would not see
    assert there.run(layer, X).item() == 14


def _cached_with_a_mask_that_is_learned() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    del layer.weight_mask
    layer.weight_mask = nn.Parameter(torch.tensor([[0.0, 0.5, 1, 1]]))
    with prune.cached():
        layer(X).sum().backward()
    assert layer.weight_mask.grad.tolist() == [[1, 2, 3, 4]]


def _cached_with_a_tangent() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    with forward_ad.dual_level(), prune.cached():
        dual = forward_ad.make_dual(layer.weight_orig.detach() * 1, torch.ones(1, 4))
        with torch.no_grad():
            layer.weight_orig.copy_(dual)
        assert forward_ad.unpack_dual(layer(X)).tangent.item() == 2


def _extra_state_of_before() -> None:
    class Noted(nn.Linear):
        notes: list[int]

        def get_extra_state(self) -> list[int]:
            return list(self.notes)

        def set_extra_state(self, state: list[int]) -> None:
            self.notes[:] = state  # written in place

    model: Any = nn.Sequential(Noted(4, 1), nn.Linear(1, 1))
    model[0].notes = [0]
    state = {**model.state_dict(), "0._extra_state": [7], "1.weight": torch.ones(5)}
    with pytest.raises(RuntimeError, match="size mismatch"):
        prune.load_checkpoint(model, state)
    assert model[0].notes == [0]


def _torchs_hook_between_two_of_ours() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 1)
    torch_prune.l1_unstructured(layer, "weight", 1)
    assert layer(X).item() == 7
    assert prune.l1_unstructured(layer, "weight", 1)(X).item() == 4


def _a_second_undo_of_three_prunes() -> None:
    layer: Any = linear(1, 2, 3, 4)
    for _ in range(3):
        prune.l1_unstructured(layer, "weight", 1)
    assert prune.undo(layer, "weight")(X).item() == 7
    with pytest.raises(ValueError, match="not known"):
        prune.undo(layer, "weight")


def _twins_whose_masks_are_written() -> None:
    model: Any = nn.ModuleDict({"a": linear(1, 2, 3, 4), "b": linear(0, 0, 0, 0)})
    model["b"].weight = model["a"].weight
    prune.l1_unstructured(model["a"], "weight", 1)
    for again in (prune.prune_twins, lambda _: prune.l1_unstructured(model["b"], "weight", 1)):
        again(model)
        before = model["b"].weight_mask.clone()
        model["a"].weight_mask.mul_(0.5)
        assert torch.equal(model["b"].weight_mask, before)
        model["a"].weight_mask.copy_(before)


def _a_twin_whose_hook_was_taken_away() -> None:
    model: Any = nn.ModuleDict({"a": linear(1, 2, 3, 4), "b": linear(0, 0, 0, 0)})
    model["b"].weight = model["a"].weight
    prune.l1_unstructured(model["a"], "weight", 1)
    prune.prune_twins(model)
    model["b"]._forward_pre_hooks.clear()
    assert prune.l1_unstructured(model["a"], "weight", 1)(X).item() == 7
    assert model["b"].weight_mask.tolist() == [[0, 1, 1, 1]]


def _an_original_that_is_copied() -> None:
    model: Any = nn.ModuleDict({"a": linear(1, 2, 3, 4), "b": linear(0, 0, 0, 0)})
    model["b"].weight = model["a"].weight
    prune.l1_unstructured(model["a"], "weight", 1)
    prune.prune_twins(model)
    before = Snapshot(model)
    copy.deepcopy(model)
    before.assert_unchanged()


def _vmap_over_masks() -> None:
    layer: Any = prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)
    masks = torch.tensor([[[1.0, 0, 0, 0]], [[0, 1, 1, 0]]])

    def run(mask: Tensor) -> Any:
        return torch.func.functional_call(layer, {"weight_mask": mask}, X)

    assert torch.func.vmap(run)(masks).view(-1).tolist() == [1, 5]
    assert layer(X).item() == 7


def _a_copy_with_a_graph_of_a_parametrized_layer() -> None:
    class Doubled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    layer: Any = prune.l1_unstructured(nn.Linear(4, 1), "weight", 2)
    parametrize.register_parametrization(layer, "bias", Doubled())
    layer(X)
    assert torch.equal(copy.deepcopy(layer)(X), layer(X))


def _an_lstm_beside_a_layer_that_refuses() -> None:
    lstm, frozen = nn.LSTM(3, 4), _Frozen(4, 1)
    frozen.__dict__["is_frozen"] = True
    places = [(lstm, "weight_ih_l0"), (frozen, "weight")]
    with pytest.raises(PermissionError):
        prune.global_unstructured(places, prune.L1Unstructured, amount=3)
    assert lstm._flat_weights[0] is lstm.weight_ih_l0


RIGHT = [
    _an_lstm_beside_a_layer_that_refuses,
    _shared_submodule,
    _equal_modules,
    _checkpointing_inside_cached,
    _a_default_device,
    _a_mask_of_channels_can_be_written,
    _a_setattr_that_notes_changes,
    _a_setattr_in_which_threads_meet,
    _an_out_proj_of_which_one_is_pruned,
    _a_zero_that_no_mask_prunes_trains,
    _cached_in_a_context_that_is_copied,
    _cached_in_a_context_that_outlives_the_block,
    _cached_with_a_mask_that_is_learned,
    _cached_with_a_tangent,
    _extra_state_of_before,
    _torchs_hook_between_two_of_ours,
    _a_second_undo_of_three_prunes,
    _twins_whose_masks_are_written,
    _a_twin_whose_hook_was_taken_away,
    _an_original_that_is_copied,
    _vmap_over_masks,
    _a_copy_with_a_graph_of_a_parametrized_layer,
]


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("program", RIGHT, ids=lambda program: program.__name__[1:])
def test_right(program: Callable[[], None]) -> None:
    program()


# What cannot be right is refused, and nothing has changed.


def _pruned() -> Any:
    return prune.l1_unstructured(linear(1, 2, 3, 4), "weight", 2)


def _with_a_buffer_in_its_place() -> Any:
    layer = _pruned()
    del layer.weight
    layer.register_buffer("weight", torch.ones(1, 4))
    return layer


def _with_a_parametrized_bias() -> Any:
    attention = nn.MultiheadAttention(4, 2)
    parametrize.register_parametrization(attention.out_proj, "bias", nn.Identity())
    return attention


def _with_a_frozen_layer() -> Any:
    model = nn.Sequential(linear(1, 2, 3, 4), _Frozen(4, 1, bias=False), linear(5, 6, 7, 8))
    model[1].__dict__["is_frozen"] = True
    return model


def _with_an_expanded_parameter() -> Any:
    model = nn.Sequential(linear(1, 2), nn.Module(), linear(3, 4))
    model[1].one = nn.Parameter(torch.ones(1).expand(3))  # cannot be written
    return model


def _with_two_hooks() -> Any:
    layer = _pruned()
    layer.register_forward_pre_hook(copy.copy(next(iter(layer._forward_pre_hooks.values()))))
    return layer


def _tied_but_pruned_apart() -> Any:
    model = nn.Sequential(linear(1, 2, 3, 4), linear(0, 0, 0, 0))
    model[1].weight = model[0].weight
    prune.l1_unstructured(model[0], "weight", 1)
    return model


def _prune(name: str) -> Callable[[Any], object]:
    return lambda module: prune.l1_unstructured(module, name, 1)


def _prune_all(model: Any) -> None:
    places = [(layer, "weight") for layer in model]
    prune.global_unstructured(places, prune.L1Unstructured, amount=3)


_clean_state = {"weight": torch.ones(1, 4)}
REFUSED: dict[str, tuple[Callable[[], Any], Callable[[Any], object], type[Exception], str]] = {
    "what the old weight_norm reads": (
        lambda: nn.utils.weight_norm(linear(1, 2, 3, 4)),
        _prune("weight_v"),
        ValueError,
        "parametrizations",
    ),
    "what the old spectral_norm reads": (
        lambda: nn.utils.spectral_norm(nn.Linear(4, 2)),
        _prune("weight_orig"),
        ValueError,
        "parametrizations",
    ),
    "a list": (lambda: nn.ParameterList([X]), _prune("0"), TypeError, "no forward pass"),
    "a dictionary": (
        lambda: nn.ParameterDict({"a": X}),
        _prune("a"),
        TypeError,
        "no forward pass",
    ),
    "a compiled module": (
        lambda: torch.jit.script(linear(1, 2, 3, 4)),
        _prune("weight"),
        TypeError,
        "before it is compiled",
    ),
    "a parametrized out_proj": (
        _with_a_parametrized_bias,
        lambda attention: prune.l1_unstructured(attention.out_proj, "weight", 1),
        ValueError,
        "before you parametrize",
    ),
    "a weight for a pruned out_proj": (
        lambda: prune.l1_unstructured(nn.MultiheadAttention(4, 2).out_proj, "weight", 1),
        lambda out_proj: setattr(out_proj, "weight", nn.Parameter(torch.ones(4, 4))),
        ValueError,
        "out_proj is pruned",
    ),
    "a buffer in its place": (
        _with_a_buffer_in_its_place,
        lambda layer: layer(X),
        ValueError,
        "a Tensor has been set in its place",
    ),
    "two hooks on one tensor": (
        _with_two_hooks,
        _prune("weight"),
        AssertionError,
        "Use a PruningContainer",
    ),
    "parameters of a clean layer": (
        _pruned,
        lambda layer: torch.func.functional_call(layer, _clean_state, X),
        ValueError,
        "weight_orig",
    ),
    "tied places that are not pruned alike": (
        _tied_but_pruned_apart,
        _prune_all,
        ValueError,
        "prune_twins",
    ),
    "a layer that refuses": (
        _with_a_frozen_layer,
        _prune_all,
        PermissionError,
        "frozen",
    ),
    "a parameter that cannot be written": (
        _with_an_expanded_parameter,
        lambda model: prune.load_checkpoint(
            model, {k: v * 0 for k, v in _with_an_expanded_parameter().state_dict().items()}
        ),
        RuntimeError,
        "loading",
    ),
    "to rewind to the model's own memory": (
        _pruned,
        lambda layer: prune.rewind(layer, layer.state_dict()),
        ValueError,
        "deepcopy",
    ),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("build, call, error, words", REFUSED.values(), ids=REFUSED)
def test_refused(
    build: Callable[[], Any],
    call: Callable[[Any], object],
    error: type[Exception],
    words: str,
) -> None:
    module = build()
    is_script = isinstance(module, torch.jit.ScriptModule)  # whose tables torch makes anew
    before = None if is_script else Snapshot(module)
    with pytest.raises(error, match=words):
        call(module)
    if before is not None:
        before.assert_unchanged()
