"""What a small program on a device must be able to do: a dozen operations, each an object.

An operation runs itself with torch, which is the measure for every other program that runs it, and
lists its settings and its learnt tensors in one order, so that a format need not know it by name.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

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
    sizes: ClassVar[int | None] = None  # how many a value's shape has: 3 for (C, H, W)
    by_channel: ClassVar[bool] = False  # each channel of the result is made of that channel alone
    settings: ClassVar[tuple[str, ...]] = ()  # its attributes that are pairs of whole numbers
    learnt: ClassVar[tuple[str, ...]] = ()  # its attributes that are tensors; the last may be None

    def run(self, *values: Tensor) -> Tensor:
        """Compute the result for a batch."""
        raise NotImplementedError

    def tensors(self) -> dict[str, Tensor]:
        """Return what it has learnt by its name, without what is None."""
        found = {name: getattr(self, name) for name in self.learnt}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def check(self) -> None:
        """Raise ValueError for tensors whose shapes do not fit together."""
        shapes = {name: tensor.shape for name, tensor in self.tensors().items()}
        if "weight" in shapes and len(shapes["weight"]) != (self.sizes or 0) + 1:
            raise ValueError(f"a weight of shape {tuple(shapes['weight'])}")
        if "bias" in shapes and shapes["bias"] != shapes["weight"][:1]:
            raise ValueError(f"a bias of shape {tuple(shapes['bias'])}")

    def window(self) -> int:
        """How many numbers one number of the result is made of: multiplications, or comparisons."""
        return 1


@dataclass(frozen=True, eq=False)
class Convolution(Operation):
    """Weight (out, in / groups, height, width), bias (out,); ``torch.nn.functional.conv2d``."""

    weight: Tensor
    bias: Tensor | None
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: Pair = (1, 1)  # the same number twice

    sizes = 3
    settings = ("stride", "padding", "groups")
    learnt = ("weight", "bias")

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.conv2d(
            values[0], self.weight, self.bias, self.stride, self.padding, groups=self.groups[0]
        )

    def window(self) -> int:  # noqa: D102
        return self.weight[0].numel()


@dataclass(frozen=True, eq=False)
class Linear(Operation):
    """Weight (out, in), bias (out,); ``torch.nn.functional.linear``."""

    weight: Tensor
    bias: Tensor | None

    sizes = 1
    learnt = ("weight", "bias")

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.linear(values[0], self.weight, self.bias)

    def window(self) -> int:  # noqa: D102
        return self.weight.shape[1]


@dataclass(frozen=True, eq=False)
class MaxPool(Operation):
    """The largest value of each window."""

    size: Pair
    stride: Pair
    padding: Pair = (0, 0)

    sizes = 3
    by_channel = True
    settings = ("size", "stride", "padding")

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.max_pool2d(values[0], self.size, self.stride, self.padding)

    def window(self) -> int:  # noqa: D102
        return self.size[0] * self.size[1]


@dataclass(frozen=True, eq=False)
class AveragePool(Operation):
    """The mean of each window, without a border."""

    size: Pair
    stride: Pair

    sizes = 3
    by_channel = True
    settings = ("size", "stride")

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.avg_pool2d(values[0], self.size, self.stride)

    def window(self) -> int:  # noqa: D102
        return self.size[0] * self.size[1]


@dataclass(frozen=True, eq=False)
class GlobalAverage(Operation):
    """The mean of each channel: (N, C, H, W) to (N, C, 1, 1)."""

    sizes = 3
    by_channel = True

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].mean((2, 3), keepdim=True)


@dataclass(frozen=True, eq=False)
class Flatten(Operation):
    """One row for each image: (N, ...) to (N, M)."""

    by_channel = True

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

    by_channel = True

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].relu()


@dataclass(frozen=True, eq=False)
class Tanh(Operation):
    """The hyperbolic tangent."""

    by_channel = True

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].tanh()


@dataclass(frozen=True, eq=False)
class Sigmoid(Operation):
    """``1 / (1 + exp(-x))``."""

    by_channel = True

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].sigmoid()


@dataclass(frozen=True, eq=False)
class Hardtanh(Operation):
    """``min(max(x, low), high)``: with (0, 6) it is ReLU6."""

    bounds: Pair

    by_channel = True
    settings = ("bounds",)

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return values[0].clamp(*self.bounds)


@dataclass(frozen=True, eq=False)
class SiLU(Operation):
    """``x * sigmoid(x)``."""

    by_channel = True

    def run(self, *values: Tensor) -> Tensor:  # noqa: D102
        return F.silu(values[0])


@dataclass(frozen=True, eq=False)
class GELU(Operation):
    """``x * P(X <= x)`` for a standard normal X."""

    by_channel = True

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


# What one image may need at most: a network from elsewhere must not fill a machine.
MOST_OPERATIONS = 1000
MOST_WEIGHTS = 1 << 19
MOST_VALUES = 1 << 20  # all results together
MOST_WORK = 1 << 30  # multiplications, or comparisons


class Network(torch.nn.Module):
    """A network as a list of operations, in the order in which they run.

    Attributes:
        shapes: of the input and of each operation's result, without the batch.
        work: how many multiplications, or comparisons in pooling, one image takes.

    Args:
        operations: each reads the input or results of earlier ones; the last one's is the output.
        shape: of one input, without the batch: (1, 32, 32).
        mean, deviation: of the pixels that the network was trained on, as ink from 0 to 1
            (`prune_lab.data.Digits.ink`); it reads ``(ink - mean) / deviation``. Float32.

    Raises ValueError if an operation reads what is not there yet, if the shapes do not fit, or if
    one image takes more than a small device has: 1,000 operations, 524,288 weights, 1,048,576
    numbers in all results, 2**30 multiplications.

    >>> relu = Network([ReLU((0,))], shape=(3,))
    >>> relu(torch.tensor([[-1.0, 0.0, 2.0]]))
    tensor([[0., 0., 2.]])
    >>> Network([ReLU((1,))], shape=(3,))
    Traceback (most recent call last):
    ValueError: operation 1, ReLU, cannot read (1,)
    """

    def __init__(
        self,
        operations: Sequence[Operation],
        shape: tuple[int, ...],
        mean: float = 0.0,
        deviation: float = 1.0,
    ) -> None:
        super().__init__()
        mean, deviation = torch.tensor([mean, deviation], dtype=torch.float32).tolist()
        if not (math.isfinite(mean) and 0 < deviation < math.inf):
            raise ValueError(f"mean {mean} and deviation {deviation} normalise nothing")
        if not (1 <= len(shape) <= 3 and all(size >= 1 for size in shape)):
            raise ValueError(f"the shape of an image is one to three sizes, but got {shape}")
        if not operations:
            raise ValueError("a network has at least one operation")
        self.operations = tuple(operations)
        self.mean, self.deviation = mean, deviation
        weights = (t.numel() for operation in operations for t in operation.tensors().values())
        _must_be_at_most(len(self.operations), MOST_OPERATIONS, "operations")
        _must_be_at_most(sum(weights), MOST_WEIGHTS, "weights")
        self.work = 0
        self.shapes = [tuple(shape)]
        for operation in self.operations:
            self._append(operation)

    def _append(self, operation: Operation) -> None:
        """Find the shape of an operation's result, on torch's device that computes shapes alone."""
        number = len(self.shapes)
        name = f"operation {number}, {type(operation).__name__},"
        if len(operation.inputs) != operation.takes or not all(
            0 <= place < number for place in operation.inputs
        ):
            raise ValueError(f"{name} cannot read {operation.inputs}")
        read = {self.shapes[place] for place in operation.inputs}
        if len(read) > 1 or any(operation.sizes not in (None, len(shape)) for shape in read):
            raise ValueError(f"{name} cannot read values of shape {' and '.join(map(str, read))}")
        learnt: dict[str, Any] = {n: t.to("meta") for n, t in operation.tensors().items()}
        values = [torch.empty((1, *shape), device="meta") for shape in read] * operation.takes
        try:
            operation.check()
            result = replace(operation, **learnt).run(*values)
        except Exception as error:  # torch refuses settings in many classes of error
            sentence = str(error).strip().partition("\n")[0]
            raise ValueError(f"{name} cannot run: {sentence}") from None
        if not result.numel():
            raise ValueError(f"{name} gives nothing: a result of shape {tuple(result.shape[1:])}")
        self.shapes.append(tuple(result.shape[1:]))
        self.work += operation.window() * result.numel()
        _must_be_at_most(sum(map(math.prod, self.shapes)), MOST_VALUES, "numbers in all results")
        _must_be_at_most(self.work, MOST_WORK, "multiplications")

    def forward(self, images: Tensor) -> Tensor:
        """Run the network on a batch (N, *shape)."""
        values = [images]
        for operation in self.operations:
            values.append(operation.run(*(values[place] for place in operation.inputs)))
        return values[-1]


def _must_be_at_most(found: int, most: int, what: str) -> None:
    if found > most:
        raise ValueError(f"a network for a device has at most {most:,} {what}, this one {found:,}")
