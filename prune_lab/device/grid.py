"""Weights on a grid: whole numbers times one step, so that few different values are left."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from prune_lab.device.coder import LARGEST


def on_grid(tensor: Tensor) -> tuple[float, list[int]]:
    """Return the step and the whole numbers of which the tensor's entries are made.

    The step is the largest there is, of those that fit into a bfloat16: an odd number below 256
    times a power of two. Each float32 is a whole number of 2**-149ths, so that this is exact.

    Raises ValueError if a whole number is larger than 65,534: then the tensor is on no grid that
    anybody made.

    >>> on_grid(torch.tensor([[0.0, -0.5], [1.5, 0.25]]))
    (0.25, [0, -2, 6, 1])
    """
    if not torch.isfinite(tensor).all():
        raise ValueError("a weight is infinite or NaN")
    entries = [float(entry).as_integer_ratio() for entry in tensor.flatten().tolist()]
    denominator = math.lcm(*{below for _above, below in entries})
    wholes = [above * (denominator // below) for above, below in entries]
    divisor = math.gcd(*wholes)
    if divisor == 0:
        return 0.0, wholes
    odd = divisor // (divisor & -divisor)
    largest = next(part for part in range(255, 0, -2) if odd % part == 0)
    divisor = divisor // odd * largest
    step, wholes = divisor / denominator, [whole // divisor for whole in wholes]
    if max(map(abs, wholes)) > LARGEST or float(torch.tensor(step, dtype=torch.bfloat16)) != step:
        raise ValueError("the weights are on no grid: to_grid puts them on one")
    return step, wholes


def to_grid(tensor: Tensor, levels: int) -> Tensor:
    """Return the tensor rounded to a grid with so many steps from 0 to its end, zeros kept.

    The step is the one, of those that fit into a bfloat16, for which the sum of the squared
    distances of the entries that are not zero is least; what lies beyond the end is moved to it.

    >>> to_grid(torch.tensor([0.0, 0.9, -2.1, 3.0]), levels=3)
    tensor([ 0.,  1., -2.,  3.])
    """
    if levels < 1:
        raise ValueError(f"levels must be 1 or more, but got {levels}")
    largest = float(tensor.abs().max())
    if largest == 0:
        return tensor.clone()
    ends = torch.linspace(0.3, 1, 71) * largest / levels
    steps = ends.to(torch.bfloat16).float().unique()
    kept = tensor[tensor != 0]
    rounded = (kept / steps[:, None]).round().clamp(-levels, levels) * steps[:, None]
    step = steps[((rounded - kept) ** 2).sum(1).argmin()]
    return (tensor / step).round().clamp(-levels, levels) * step


class Rounded(nn.Module):
    """A parametrization that puts a weight on a grid while it is trained.

    What the layer computes with is rounded; what the optimizer moves is not. The gradient passes
    the rounding as if it were not there (straight-through; Bengio, Leonard, Courville, 2013). An
    entry that is zero at the beginning stays zero.
    """

    def __init__(self, weight: Tensor, levels: int) -> None:
        super().__init__()
        self.levels = levels
        rounded = to_grid(weight.detach(), levels)
        step, _wholes = on_grid(rounded)
        self.step = step or 1.0
        self.kept: Tensor
        self.register_buffer("kept", (weight.detach() != 0).to(weight.dtype))

    def forward(self, weight: Tensor) -> Tensor:
        """Round, and pass the gradient through."""
        rounded = (weight / self.step).round().clamp(-self.levels, self.levels) * self.step
        return (weight + (rounded - weight).detach()) * self.kept
