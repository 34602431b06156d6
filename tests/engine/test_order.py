"""One ranking, every mask: ``order >= k`` is the mask that the engine itself makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prune_lab import prune

# What prunes k units, as a class and the arguments of its `apply`.
Technique = Callable[[int], tuple[Any, dict[str, Any]]]


def _ln(n: float | str, dim: int) -> Technique:
    return lambda k: (prune.LnStructured, {"amount": k, "n": n, "dim": dim})


def _channels(dim: int) -> Technique:
    return lambda k: (prune.RandomStructured, {"amount": k, "dim": dim})


def _groups(m: int) -> Technique:
    return lambda k: (prune.NM, {"n": m - k, "m": m})


TECHNIQUES: dict[str, Technique] = {
    "L1": lambda k: (prune.L1Unstructured, {"amount": k}),
    "random": lambda k: (prune.RandomUnstructured, {"amount": k}),
    **{
        f"L{n} dim {dim}": _ln(n, dim)
        for n in (1, 2, 0.5, 3, float("inf"), -float("inf"), "fro", "nuc")
        for dim in (0, 1, -1)
    },
    **{f"random channels dim {dim}": _channels(dim) for dim in (0, 1, -1)},
    "2:4": _groups(4),
    "1:2": _groups(2),
}
NAN, INF = float("nan"), float("inf")
WEIGHTS = {
    "matrix": torch.randn(6, 8, generator=torch.Generator().manual_seed(0)),
    "convolution": torch.randn(3, 4, 2, 3, generator=torch.Generator().manual_seed(1)),
    "ties": torch.tensor([[1.0, -1, 2, 0], [-2, 1, 1, -0.0], [0, 0, 0, 0]]).repeat(2, 2),
    "NaN, inf": torch.tensor([[NAN, 1, INF, -2], [0, 0, -3, -NAN], [1, 2, INF, 3]]),
    "half": torch.randn(6, 8, generator=torch.Generator().manual_seed(2)).bfloat16(),
}


def mask_of_the_engine(
    technique: Technique, k: int, weight: Tensor, earlier: Tensor | None
) -> Tensor:
    """Prune a layer, that ``earlier`` may have pruned before, and return its mask."""
    layer = nn.Module()
    layer.register_parameter("weight", nn.Parameter(weight.clone()))
    if earlier is not None:
        prune.custom_from_mask(layer, "weight", earlier)
    kind, arguments = technique(k)
    torch.manual_seed(3)
    kind.apply(layer, "weight", **arguments)
    return layer.get_buffer("weight_mask")


@pytest.mark.parametrize("again", [False, True], ids=["first prune", "second prune"])
@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
@pytest.mark.parametrize("technique", TECHNIQUES.values(), ids=TECHNIQUES)
def test_every_mask(technique: Technique, weight: Tensor, again: bool) -> None:
    kind, arguments = technique(0)
    if arguments.get("n") == "nuc" and (weight.dtype == torch.bfloat16 or weight.isnan().any()):
        pytest.skip("torch has no singular values of NaN, nor in half precision")
    earlier = None
    if again:
        earlier = (torch.rand(weight.shape, generator=torch.Generator().manual_seed(4)) < 0.6) * 1
        earlier[:, 1] = 0  # a whole channel is gone
    torch.manual_seed(3)
    seen = weight if earlier is None else weight.masked_fill(earlier == 0, 0)
    order = prune.pruning_order(kind(**arguments), seen, earlier)
    units = int(order.max()) + 1
    for k in range(units + 1):
        mask = mask_of_the_engine(technique, k, weight, earlier)
        assert torch.equal(mask == 1, order >= k), f"k={k}\n{mask}\n{order}"
    assert not mask.any()
    assert torch.equal(
        order == -1, torch.zeros_like(order) == 1 if earlier is None else earlier == 0
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("values", ["few", "many", "special"])
def test_every_mask_of_a_large_tensor(dtype: torch.dtype, values: str) -> None:
    """Large tensors are ranked by counting; as conftest has it, so are small ones."""
    scores = torch.randn(100, generator=torch.Generator().manual_seed(5)).to(dtype)
    if values == "few":
        scores = scores.round()
    if values == "special":
        scores[::3] = torch.tensor([NAN, INF, -INF, 0.0, -0.0]).to(dtype).repeat(7)[:34]
        payload = scores[1:2].view({2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize])
        payload.copy_(torch.tensor([NAN], dtype=dtype).view(payload.dtype) + 1)  # another NaN
    order = prune.pruning_order(prune.L1Unstructured(0), scores)
    for k in range(101):
        mask = prune.L1Unstructured(k).compute_mask(scores, torch.ones_like(scores))
        assert torch.equal(mask == 1, order >= k), k
