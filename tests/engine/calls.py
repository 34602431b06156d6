"""Calls of the engine drawn by hypothesis, good and bad ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from prune_lab import prune
from tests.engine.snapshots import Snapshot

INF = float("inf")


def draw_technique(draw: st.DrawFn, weight: Tensor) -> Callable[[Any], object]:
    """Draw a call that prunes ``weight`` of a module; it may ask for more than there is."""
    amount = draw(st.one_of(st.floats(0, 1), st.integers(0, weight.numel() + 1)))
    seed = draw(st.integers(0, 99))
    mask = (torch.rand(weight.shape, generator=torch.Generator().manual_seed(seed)) < 0.7).int()
    scores = torch.rand(weight.shape, generator=torch.Generator().manual_seed(seed + 1))
    dim = draw(st.integers(-weight.dim() - 1, weight.dim()))
    n = draw(st.sampled_from([1, 2, 0.5, INF, -INF, "fro"]))
    m = draw(st.sampled_from([1, 2, 4]))
    calls: list[Callable[[Any], object]] = [
        lambda layer: prune.identity(layer, "weight"),
        lambda layer: prune.l1_unstructured(layer, "weight", amount),
        lambda layer: prune.l1_unstructured(layer, "weight", amount, importance_scores=scores),
        lambda layer: prune.random_unstructured(layer, "weight", amount),
        lambda layer: prune.custom_from_mask(layer, "weight", mask),
        lambda layer: prune.random_structured(layer, "weight", amount, dim),
        lambda layer: prune.ln_structured(layer, "weight", amount, n, dim, scores),
        lambda layer: prune.n_m(layer, "weight", m // 2, m),
        lambda layer: prune.l1_unstructured(layer, "wieght", amount),
        lambda layer: prune.l1_unstructured(layer, "weight", 1.5),
        lambda layer: prune.global_unstructured(
            [(layer, "weight")], prune.L1Unstructured, amount=amount
        ),
        lambda layer: prune.global_structured([(layer, "weight")], amount, dim=dim),
    ]
    return draw(st.sampled_from(calls))


def pruned(call: Callable[[Any], object], layer: Any) -> bool:
    """Tell whether the call succeeded; if not, it must have changed nothing."""
    before = Snapshot(layer)
    torch.manual_seed(0)
    try:
        call(layer)
    except (ValueError, IndexError, AttributeError, TypeError, RuntimeError):  # as torch's do
        before.assert_unchanged()
        return False
    return True
