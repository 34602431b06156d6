"""A model as a list of operations: traced by torch, what is not on the list refused by name."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import Node
from torch.nn.utils.prune import BasePruningMethod  # ours is one, too

from prune_lab import prune
from prune_lab.device.operations import (
    GELU,
    Add,
    AveragePool,
    Convolution,
    Flatten,
    GlobalAverage,
    Hardtanh,
    Linear,
    MaxPool,
    Network,
    Operation,
    Pair,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)


def trace(model: nn.Module, images: Tensor, mean: float = 0.0, deviation: float = 1.0) -> Network:
    """Return a network that computes what `model` computes in evaluation mode.

    Torch's own tracer follows a batch through the model (``torch.export``). Masks become zeros,
    batch norms become part of the convolution or linear layer before them, dropout goes. The model
    is left as it was; the network's tensors are copies, float32.

    Args:
        model: of convolutions (2-d), linear layers, pooling, the usual activations, flatten, add.
        images: a batch (N, ...) with N of at least 2; the network takes any N afterwards.
        mean, deviation: how its images were normalised (`prune_lab.data.Digits.ink`).

    Raises:
        ValueError: something in the model is not on the list; it is named.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10), nn.Dropout())
    >>> network = trace(model, torch.zeros(2, 1, 32, 32))
    >>> [type(operation).__name__ for operation in network.operations]
    ['Flatten', 'Linear']
    """
    return Traced(model, images).network(model, mean, deviation)


class Traced:
    """What torch's tracer has seen in a model: its network is read again after it has learned.

    To trace takes long, and torch changes its own modules meanwhile: not beside other threads.

    Args:
        model, images: as of `trace`.

    Raises:
        ValueError: torch cannot trace the model.

    >>> model, images = nn.Sequential(nn.Flatten(), nn.Linear(4, 1)), torch.ones(2, 1, 2, 2)
    >>> traced = Traced(model, images)
    >>> _ = nn.init.ones_(model[1].weight), nn.init.zeros_(model[1].bias)
    >>> traced.network(model)(images).tolist()
    [[4.0], [4.0]]
    """

    def __init__(self, model: nn.Module, images: Tensor) -> None:
        self._images = images.float().cpu()
        batch = {0: torch.export.Dim("N")}
        try:
            model = _without_masks(model).eval().float().cpu()
            with torch.no_grad():
                self._program = torch.export.export(model, (self._images,), dynamic_shapes=(batch,))
        except Exception as error:  # torch names what it cannot follow in many classes of error
            sentence = str(error).strip().partition("\n")[0]
            raise ValueError(f"torch cannot trace this model: {sentence}") from None

    def network(self, model: nn.Module, mean: float = 0.0, deviation: float = 1.0) -> Network:
        """Return the network with the parameters and buffers that the model has now.

        Args:
            model: the traced one, or another of the same modules.
            mean, deviation: as of `trace`.

        Raises:
            ValueError: something in it is not on the list, or it computes something else.
        """
        images = self._images
        model = _without_masks(model).eval().float().cpu()
        network = _Reader(self._program, model.state_dict()).network(
            tuple(images.shape[1:]), mean, deviation
        )
        with torch.no_grad():
            wanted, found = model(images), network(images)
        if not torch.allclose(wanted, found, rtol=1e-3, atol=1e-4 * float(wanted.abs().max())):
            raise ValueError(f"what was traced computes {found[0]} where the model has {wanted[0]}")
        return network


def _without_masks(model: nn.Module) -> nn.Module:
    """A copy of the model in which every mask is made permanent."""
    model = copy.deepcopy(model)
    for module in model.modules():
        for hook in list(module._forward_pre_hooks.values()):
            if isinstance(hook, BasePruningMethod):
                prune.remove(module, hook._tensor_name)
    return model


def _pair(value: Any) -> Pair:
    first, *rest = [value] if isinstance(value, int) else value
    return int(first), int(rest[0] if rest else first)


class _Reader:
    """Reads torch's graph from top to bottom."""

    def __init__(self, program: torch.export.ExportedProgram, state: Mapping[str, Tensor]) -> None:
        self._program = program
        self._operations: list[Operation] = []
        self._places: dict[Node, int] = {}  # where each value is found
        signature = program.graph_signature
        tensors = {**program.state_dict, **program.constants, **state}
        names = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self._learnt = {node: tensors[name].detach().clone() for node, name in names.items()}

    def network(self, shape: tuple[int, ...], mean: float, deviation: float) -> Network:
        for node in self._program.graph.nodes:
            if node.op == "placeholder":
                if node.name not in self._learnt:
                    self._places[node] = 0
            elif "sym_size" in str(node.target):  # the size of the batch
                pass
            elif node.op == "output":
                last = node.args[0][0]
                if len(node.args[0]) != 1 or self._places.get(last) != len(self._operations):
                    raise ValueError("the model must return one tensor, the last it computes")
            else:
                self._read(node)
        return Network(self._operations, shape, mean, deviation)

    def _read(self, node: Any) -> None:
        call = str(node.target).removeprefix("aten.").partition(".")[0]
        reading = _READINGS.get(call)
        if reading is None:
            known = ", ".join(sorted(_READINGS))
            raise ValueError(f"{call} is not on the device's list: {known}")
        if call in ("view", "reshape"):
            self._must_be_flat(node)
        schema = node.target._schema.arguments
        given = dict(zip((argument.name for argument in schema), node.args, strict=False))
        given |= node.kwargs
        arguments = {
            "input" if argument.name == "self" else argument.name: self._value(
                given.get(argument.name, argument.default_value)
            )
            for argument in schema
        }
        try:
            made = reading(**arguments)
        except _NotListedError as error:
            raise ValueError(f"{call} with {error} is not on the device's list") from None
        if made is None:  # nothing happens: dropout
            self._places[node] = arguments["input"].place
        elif isinstance(made, _Norm):
            self._fold(node, arguments["input"], made)
        else:
            self._operations.append(made)
            self._places[node] = len(self._operations)

    def _must_be_flat(self, node: Any) -> None:
        shape = node.args[0].meta["val"].shape
        if tuple(node.meta["val"].shape[1:]) != (math.prod(shape[1:]),):
            raise ValueError("view is on the device's list only where it gives one row an image")

    def _value(self, argument: Any) -> Any:
        if not isinstance(argument, Node):
            return argument
        if argument.name in self._learnt:
            return self._learnt[argument.name]
        return _Value(self._places[argument], alone=len(argument.users) == 1)

    def _fold(self, node: Node, value: _Value, norm: _Norm) -> None:
        before = self._operations[value.place - 1] if value.place else None
        if not isinstance(before, Convolution | Linear) or not value.alone:
            raise ValueError(
                "a batch norm can only be folded into the convolution or linear layer before it"
            )
        weight, bias = before.weight, before.bias
        scale = norm.scale.reshape(-1, *[1] * (weight.dim() - 1))
        bias = norm.shift if bias is None else bias * norm.scale + norm.shift
        self._operations[value.place - 1] = replace(before, weight=weight * scale, bias=bias)
        self._places[node] = value.place


class _NotListedError(Exception):
    """An argument that no operation of the list has."""


class _Value:
    """A value that is computed: where it is found, and whether one reader alone needs it."""

    def __init__(self, place: int, alone: bool) -> None:
        self.place = place
        self.alone = alone


class _Norm:
    """A batch norm in evaluation mode: times `scale`, plus `shift`, for each channel."""

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        self.scale = scale
        self.shift = shift


def _only(**wanted: tuple[Any, Any]) -> None:
    """Refuse an argument that has another value than the only one that is on the list."""
    for name, (value, only) in wanted.items():
        if value != only and value != [only, only]:
            raise _NotListedError(f"{name}={value}")


# One function for each of torch's calls, with the names that torch gives to its arguments.


def _convolution(
    input: _Value, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    dilation: Any, groups: int,
) -> Operation:  # fmt: skip
    _only(dilation=(dilation, 1))
    if isinstance(padding, str):
        raise _NotListedError(f"padding={padding!r}")
    return Convolution((input.place,), weight, bias, _pair(stride), _pair(padding), _pair(groups))


def _linear(input: _Value, weight: Tensor, bias: Tensor | None) -> Operation:
    return Linear((input.place,), weight, bias)


def _batch_norm(
    input: _Value, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, eps: float, **_training: Any,
) -> _Norm:  # fmt: skip
    if running_mean is None or running_var is None:
        raise _NotListedError("the statistics of each batch")
    scale = (running_var + eps).rsqrt() * (1 if weight is None else weight)
    return _Norm(scale, (0 if bias is None else bias) - running_mean * scale)


def _max_pool(
    input: _Value, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Operation:
    _only(dilation=(dilation, 1), ceil_mode=(ceil_mode, False))
    size = _pair(kernel_size)
    return MaxPool((input.place,), size, _pair(stride) if stride else size, _pair(padding))


def _average_pool(
    input: _Value, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Operation:  # fmt: skip
    _only(padding=(padding, 0), ceil_mode=(ceil_mode, False))
    _only(divisor_override=(divisor_override, None))
    size = _pair(kernel_size)
    return AveragePool((input.place,), size, _pair(stride) if stride else size)


def _global_average(input: _Value, output_size: Any) -> Operation:
    _only(output_size=(output_size, 1))
    return GlobalAverage((input.place,))


def _flatten(input: _Value, start_dim: int, end_dim: int) -> Operation:
    _only(start_dim=(start_dim, 1), end_dim=(end_dim, -1))
    return Flatten((input.place,))


def _add(input: _Value, other: Any, alpha: Any, **_name: Any) -> Operation:
    _only(alpha=(alpha, 1))
    if not isinstance(other, _Value) or not isinstance(input, _Value):
        raise _NotListedError("a constant")
    return Add((input.place, other.place))


def _hardtanh(input: _Value, min_val: float = 0, max_val: float = 6) -> Operation:
    if min_val != int(min_val) or max_val != int(max_val) or min_val < 0:
        raise _NotListedError(f"the bounds {min_val} and {max_val}")
    return Hardtanh((input.place,), (int(min_val), int(max_val)))


def _gelu(input: _Value, approximate: str) -> Operation:
    _only(approximate=(approximate, "none"))
    return GELU((input.place,))


def _activation(kind: type[Operation]) -> Callable[..., Operation]:
    return lambda input: kind((input.place,))


_READINGS: dict[str, Callable[..., Operation | _Norm | None]] = {
    "conv2d": _convolution,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "max_pool2d": _max_pool,
    "avg_pool2d": _average_pool,
    "adaptive_avg_pool2d": _global_average,
    "flatten": _flatten,
    "view": lambda input, **_size: Flatten((input.place,)),
    "reshape": lambda input, **_size: Flatten((input.place,)),
    "add": _add,
    "add_": _add,
    "relu": _activation(ReLU),
    "relu_": _activation(ReLU),
    "tanh": _activation(Tanh),
    "sigmoid": _activation(Sigmoid),
    "silu": _activation(SiLU),
    "silu_": _activation(SiLU),
    "gelu": _gelu,
    "hardtanh": _hardtanh,
    "hardtanh_": _hardtanh,
    "relu6": _hardtanh,
    "dropout": lambda **_arguments: None,
}
