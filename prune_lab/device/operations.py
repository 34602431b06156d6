"""What a small program on a device must be able to do: a dozen operations, each an object.

An operation runs itself with torch, which is the measure for every other program that runs it, and
lists its settings and its learnt tensors in one order, so that a format need not know it by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

Pair = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Operation:
    """One step of a network.

    Attributes:
        inputs: which values it reads: 0 is the network's input, n the result of the nth operation.
    """

    inputs: tuple[int, ...]

    takes: ClassVar[int] = 1  # how many values
    settings: ClassVar[tuple[str, ...]] = ()  # its attributes that are pairs of whole numbers
    learnt: ClassVar[tuple[str, ...]] = ()  # its attributes that are tensors; the last may be None

    def run(self, *values: Tensor) -> Tensor:
        """Compute the result for a batch."""
        raise NotImplementedError

    def tensors(self) -> list[Tensor]:
        """Return what it has learnt, without what is None."""
        found = [getattr(self, name) for name in self.learnt]
        return [tensor for tensor in found if tensor is not None]


@dataclass(frozen=True, eq=False)
class Convolution(Operation):
    """Weight (out, in / groups, height, width), bias (out,); ``torch.nn.functional.conv2d``."""

    weight: Tensor
    bias: Tensor | None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: Pair = (1, 1)  # the same number twice

    settings = ("stride", "padding", "groups")
    learnt = ("weight", "bias")

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.conv2d(
            values[0], self.weight, self.bias, self.stride, self.padding, groups=self.groups[0]
        )


@dataclass(frozen=True, eq=False)
class Linear(Operation):
    """Weight (out, in), bias (out,); ``torch.nn.functional.linear``."""

    weight: Tensor
    bias: Tensor | None

    learnt = ("weight", "bias")

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.linear(values[0], self.weight, self.bias)


@dataclass(frozen=True, eq=False)
class MaxPool(Operation):
    """The largest value of each window."""

    size: Pair
    stride: Pair
    padding: Pair = (0, 0)

    settings = ("size", "stride", "padding")

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.max_pool2d(values[0], self.size, self.stride, self.padding)


@dataclass(frozen=True, eq=False)
class AveragePool(Operation):
    """The mean of each window, without a border."""

    size: Pair
    stride: Pair

    settings = ("size", "stride")

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.avg_pool2d(values[0], self.size, self.stride)


@dataclass(frozen=True, eq=False)
class GlobalAverage(Operation):
    """The mean of each channel: (N, C, H, W) to (N, C, 1, 1)."""

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].mean((2, 3), keepdim=True)


@dataclass(frozen=True, eq=False)
class Flatten(Operation):
    """One row for each image: (N, ...) to (N, M)."""

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].flatten(1)


@dataclass(frozen=True, eq=False)
class Add(Operation):
    """The sum of two values of one shape: a residual connection."""

    takes = 2

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0] + values[1]


@dataclass(frozen=True, eq=False)
class ReLU(Operation):
    """``max(x, 0)``."""

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].relu()


@dataclass(frozen=True, eq=False)
class Tanh(Operation):
    """The hyperbolic tangent."""

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].tanh()


@dataclass(frozen=True, eq=False)
class Sigmoid(Operation):
    """``1 / (1 + exp(-x))``."""

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].sigmoid()


@dataclass(frozen=True, eq=False)
class Hardtanh(Operation):
    """``min(max(x, low), high)``: with (0, 6) it is ReLU6."""

    bounds: Pair

    settings = ("bounds",)

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].clamp(*self.bounds)


@dataclass(frozen=True, eq=False)
class SiLU(Operation):
    """``x * sigmoid(x)``."""

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.silu(values[0])


@dataclass(frozen=True, eq=False)
class GELU(Operation):
    """``x * P(X <= x)`` for a standard normal X."""

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.gelu(values[0])


# The place in this list is the operation's number in a packed network: only ever add at the end.
OPERATIONS: Sequence[type[Operation]] = (
    Convolution,
    Linear,
    MaxPool,
    AveragePool,
    GlobalAverage,
    Flatten,
    Add,
    ReLU,
    Tanh,
    Sigmoid,
    Hardtanh,
    SiLU,
    GELU,
)


class Network(torch.nn.Module):
    """A network as a list of operations, in the order in which they run.

    Args:
        operations: each reads the input or results of earlier ones; the last one's is the output.
        shape: of one input, without the batch: (1, 32, 32).
        mean, deviation: what was subtracted from the pixels, 0 to 1, and what they were divided
            by, before the network read them; float32.

    Raises ValueError if an operation reads what is not there yet, or if the shapes do not fit.

    >>> relu = Network([ReLU((0,))], shape=(3,))
    >>> relu(torch.tensor([[-1.0, 0.0, 2.0]]))
    tensor([[0., 0., 2.]])
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        shape: tuple[int, ...],
        mean: float = 0.0,
        deviation: float = 1.0,
    ) -> None:
        super().__init__()
        self.operations = tuple(operations)
        self.shape = tuple(shape)
        self.mean = mean
        self.deviation = deviation
        for number, operation in enumerate(self.operations):
            if len(operation.inputs) != operation.takes or not all(
                0 <= place <= number for place in operation.inputs
            ):
                raise ValueError(
                    f"operation {number + 1}, {type(operation).__name__}, "
                    f"cannot read {operation.inputs}"
                )

    def forward(self, images: Tensor) -> Tensor:
        """Run the network on a batch (N, *shape)."""
        values = [images]
        for operation in self.operations:
            values.append(operation.run(*(values[place] for place in operation.inputs)))
        return values[-1]
