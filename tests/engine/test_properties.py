"""What holds whatever the weights, amounts and techniques: hypothesis looks for a case against it.

Weights are drawn with ties, zeros of both signs, infinities and NaN among them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.prune import large, ranking
from tests.engine.calls import draw_technique, pruned
from tests.engine.snapshots import Snapshot, identical

NAN, INF = float("nan"), float("inf")
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16])
VALUES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, INF, -INF, NAN]),
    st.floats(-10, 10, width=16),
    st.floats(allow_nan=False, width=16),
)
# Shrinking finds the smallest case; a time limit for each would only fail on a busy machine.
settings.register_profile(
    "engine",
    deadline=None,
    max_examples=40,
    derandomize=True,
    # The sizes of conftest stay the same for all examples of a test.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("engine")


@st.composite
def weights(draw: st.DrawFn, min_dim: int = 1, finite: bool = False) -> Tensor:
    """Draw a tensor of one to four dimensions, of at most a hundred entries or so."""
    shape = draw(st.lists(st.integers(1, 5), min_size=min_dim, max_size=4).filter(_is_small))
    size = torch.Size(shape).numel()
    values = draw(st.lists(VALUES, min_size=size, max_size=size))
    tensor = torch.tensor(values, dtype=torch.float64).view(shape).to(draw(DTYPES))
    return tensor.nan_to_num(1.0, 2.0, -2.0) if finite else tensor


def _is_small(shape: list[int]) -> bool:
    return torch.Size(shape).numel() <= 100


def layer_of(weight: Tensor) -> Any:
    """Return a module whose one parameter has these values."""
    module = nn.Module()
    module.register_parameter("weight", nn.Parameter(weight.clone()))
    return module


@contextmanager
def as_if_large(parts: int) -> Iterator[None]:
    """Let small tensors be ranked as large ones are: in parts, by sampling and counting."""
    with (
        mock.patch.object(large, "FROM", 0),
        mock.patch.object(large, "_PIECE", parts),
    ):
        yield


def smallest(values: list[float], k: int) -> set[int]:
    """Return the indices of the k smallest magnitudes, by Python's own sort.

    NaN is larger than everything, and of equal ones the first goes first.
    """
    indices = range(len(values))
    numbers = [i for i in indices if not math.isnan(values[i])]
    nans = [i for i in indices if math.isnan(values[i])]
    return set((sorted(numbers, key=lambda i: abs(values[i])) + nans)[:k])


def assert_masked(layer: Any) -> None:
    """``weight`` is ``weight_orig`` where the mask is 1, and 0.0, not -0.0, where it is 0."""
    kept = layer.weight_mask == 1
    assert (kept | (layer.weight_mask == 0)).all()
    weight, orig = layer.weight.detach(), layer.weight_orig.detach()
    assert identical(weight[kept], orig[kept])
    assert (weight[~kept] == 0).all() and not weight[~kept].signbit().any()


@given(data=st.data(), weight=weights(), parts=st.sampled_from([None, 1, 7, 64]))
def test_exactly_the_smallest_go_and_of_ties_the_first(
    data: st.DataObject, weight: Tensor, parts: int | None
) -> None:
    k = data.draw(st.integers(0, weight.numel()))
    layer = layer_of(weight)
    if parts is None:
        prune.l1_unstructured(layer, "weight", k)
    else:
        with as_if_large(parts):
            prune.l1_unstructured(layer, "weight", k)
    gone = set((layer.weight_mask.view(-1) == 0).nonzero().view(-1).tolist())
    assert gone == smallest(weight.double().view(-1).tolist(), k)
    assert layer.weight_mask.dtype == weight.dtype and layer.weight_mask.is_contiguous()
    assert_masked(layer)


@given(
    data=st.data(),
    tensors=st.lists(weights(), min_size=1, max_size=3),
    parts=st.sampled_from([None, 5]),
)
def test_global_pruning_ranks_all_as_one(
    data: st.DataObject, tensors: list[Tensor], parts: int | None
) -> None:
    together = [value for tensor in tensors for value in tensor.double().view(-1).tolist()]
    k = data.draw(st.integers(0, len(together)))
    layers = [layer_of(tensor) for tensor in tensors]
    places = [(layer, "weight") for layer in layers]
    if parts is None:
        prune.global_unstructured(places, prune.L1Unstructured, amount=k)
    else:
        with as_if_large(parts):
            prune.global_unstructured(places, prune.L1Unstructured, amount=k)
    masks = torch.cat([layer.weight_mask.double().view(-1) for layer in layers])
    assert set((masks == 0).nonzero().view(-1).tolist()) == smallest(together, k)
    for layer in layers:
        assert_masked(layer)


@given(data=st.data(), weight=weights(min_dim=2))
def test_a_larger_amount_prunes_more_of_the_same(data: st.DataObject, weight: Tensor) -> None:
    dim = data.draw(st.integers(-weight.dim(), weight.dim() - 1))
    entries, channels = weight.numel(), weight.shape[dim]
    call, units = data.draw(
        st.sampled_from(
            [
                (lambda m, k: prune.l1_unstructured(m, "weight", k), entries),
                (lambda m, k: prune.random_unstructured(m, "weight", k), entries),
                (lambda m, k: prune.random_structured(m, "weight", k, dim), channels),
                (lambda m, k: prune.ln_structured(m, "weight", k, 2, dim), channels),
            ]
        )
    )
    less, more = sorted(data.draw(st.tuples(st.integers(1, units), st.integers(1, units))))
    masks = []
    for k in (less, more):
        torch.manual_seed(1)
        masks.append(call(layer_of(weight), k).weight_mask)
        assert (masks[-1] == 0).sum() == k * entries // units
    assert (masks[1] <= masks[0]).all()


@given(data=st.data(), weight=weights())
def test_any_sequence_keeps_what_was_pruned_and_fails_without_a_trace(
    data: st.DataObject, weight: Tensor
) -> None:
    layer = layer_of(weight)
    parameter = id(layer.weight)
    mask = torch.ones_like(weight)
    for _ in range(data.draw(st.integers(1, 5))):
        if pruned(draw_technique(data.draw, weight), layer):
            assert (layer.weight_mask <= mask).all(), "an entry has come back"
            mask = layer.weight_mask.clone()
            assert id(layer.weight_orig) == parameter
            assert identical(layer.weight_orig.detach(), weight)
            assert_masked(layer)
    if prune.is_pruned(layer):
        masked = layer.weight.detach().clone()
        prune.remove(layer, "weight")
        assert id(layer.weight) == parameter and identical(layer.weight.detach(), masked)
        assert not prune.is_pruned(layer) and list(layer.state_dict()) == ["weight"]


@given(data=st.data(), weight=weights())
def test_undo_restores_to_the_bit(data: st.DataObject, weight: Tensor) -> None:
    layer = layer_of(weight)
    earlier = data.draw(st.booleans()) and pruned(draw_technique(data.draw, weight), layer)
    clean = Snapshot(layer)
    mask = layer.weight_mask.clone() if earlier else None
    if not pruned(draw_technique(data.draw, weight), layer):
        return
    prune.undo(layer, "weight")
    if mask is None:
        clean.assert_unchanged()
        assert torch.equal(layer.weight.signbit(), weight.signbit())
    else:
        assert torch.equal(layer.weight_mask, mask) and layer.weight_mask.dtype == mask.dtype
        assert_masked(layer)
        prune.undo(layer, "weight")
        assert list(layer.state_dict()) == ["weight"] and identical(layer.weight.detach(), weight)


@given(data=st.data(), weight=weights(finite=True))
def test_masked_entries_get_no_gradient(data: st.DataObject, weight: Tensor) -> None:
    layer = layer_of(weight)
    if not pruned(draw_technique(data.draw, weight), layer):
        return
    layer.weight.sum().backward()
    assert torch.equal(layer.weight_orig.grad, layer.weight_mask)


@given(data=st.data(), weight=weights())
def test_a_forward_pass_masks_new_values_too(data: st.DataObject, weight: Tensor) -> None:
    layer = layer_of(weight.nan_to_num(1.0, 2.0, -2.0))
    layer.forward = lambda: layer.weight
    if not pruned(draw_technique(data.draw, weight), layer):
        return
    layer.weight_orig.data.copy_(weight)  # infinities and NaN under the mask as well
    with torch.set_grad_enabled(data.draw(st.booleans())):
        layer()
    assert_masked(layer)


@pytest.mark.parametrize("seed", range(3))
def test_a_sample_that_misleads_costs_time_not_truth(seed: int) -> None:
    """All of the sample is drawn from the largest entries: the bracket misses the answer."""
    scores = torch.rand(1000, generator=torch.Generator().manual_seed(seed))
    largest = scores.sort().values[-50:]
    with as_if_large(64), mock.patch.object(large, "_sample", lambda _: largest):
        for k in (1, 300, 500, 960, 999):
            (mask,) = ranking.keep_largest([scores], k)
            assert torch.equal(mask == 0, scores <= scores.kthvalue(k).values)


def test_undo_gives_the_mask_its_dtype_back() -> None:
    """As in torch, importance scores of another dtype leave theirs to the mask."""
    layer: Any = prune.identity(nn.Linear(3, 2).double(), "weight")
    prune.l1_unstructured(layer, "weight", 2, importance_scores=torch.rand(2, 3))
    assert layer.weight_mask.dtype == torch.float32
    prune.undo(layer, "weight")
    assert layer.weight_mask.dtype == torch.float64
    prune.l1_unstructured(layer, "weight", 2)
    layer.half()  # what the model has become since, it stays
    prune.undo(layer, "weight")
    assert layer.weight_mask.dtype == torch.float16


@pytest.mark.parametrize("mask", [None, torch.ones(5)], ids=["no mask", "mask of another shape"])
def test_a_remove_that_fails_changes_nothing(mask: Tensor | None) -> None:
    layer: Any = prune.l1_unstructured(nn.Linear(3, 2), "weight", 2)
    del layer.weight_mask
    if mask is not None:
        layer.register_buffer("weight_mask", mask)
    before = Snapshot(layer)
    with pytest.raises((AttributeError, RuntimeError)):
        prune.remove(layer, "weight")
    before.assert_unchanged()
    assert "weight" in layer.__dict__
