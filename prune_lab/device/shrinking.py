"""Fewer channels: LeNet with those of the largest norms, and a network without its dead ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from prune_lab.device.operations import Convolution, Linear, Network, Operation
from prune_lab.lenet import LeNet

_Layer = Convolution | Linear
_LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")


def keep_channels(model: LeNet, sizes: Sequence[int]) -> LeNet:
    """Return a LeNet of its own with fewer channels: of each layer those with the largest norms.

    A channel counts by the L2 norm of the weights that make it, times that of the weights that
    read it. The kept weights are copied; `model` is left as it was.

    Args:
        model: a LeNet, cut already or not, without masks (`prune.remove` makes them permanent).
        sizes: how many channels of ``conv1`` and ``conv2`` and outputs of ``fc1`` and ``fc2`` stay.

    Raises ValueError for sizes that the model does not have, or a model with masks.

    >>> small = keep_channels(LeNet(), (4, 10, 48, 32))
    >>> small.fc1
    Linear(in_features=250, out_features=48, bias=True)
    """
    layers: list[nn.Conv2d | nn.Linear] = [getattr(model, name) for name in _LAYERS]
    if any(type(layer._parameters.get("weight")) is not nn.Parameter for layer in layers):
        raise ValueError("the model is pruned: make its masks permanent with prune.remove first")
    widths = [len(layer.weight) for layer in layers[:-1]]
    if len(sizes) != 4 or not all(1 <= n <= width for n, width in zip(sizes, widths, strict=True)):
        most = ", ".join(map(str, widths))
        raise ValueError(f"sizes must be four numbers from 1 to {most}, but got {tuple(sizes)}")
    small = LeNet()
    read = torch.arange(layers[0].weight.shape[1])  # the columns that the layer goes on reading
    for number, layer in enumerate(layers):
        weight = layer.weight.detach()
        kept, each = torch.arange(len(weight)), 1
        if number < 4:
            after = layers[number + 1].weight.detach()
            each = after.shape[1] // len(weight)  # fc1 reads 25 numbers of each channel of conv2
            readers = after.unflatten(1, (len(weight), each)).transpose(0, 1)
            score = weight.flatten(1).norm(dim=1) * readers.flatten(1).norm(dim=1)
            kept = score.topk(sizes[number]).indices.sort().values
        assert layer.bias is not None  # LeNet's have one
        _fill(getattr(small, _LAYERS[number]), weight[kept][:, read], layer.bias.detach()[kept])
        read = (kept[:, None] * each + torch.arange(each)).flatten()
    return small


def _fill(layer: nn.Conv2d | nn.Linear, weight: Tensor, bias: Tensor) -> None:
    """Give a layer another weight and bias, and say so in its sizes."""
    layer.weight, layer.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
    if isinstance(layer, nn.Conv2d):
        layer.out_channels, layer.in_channels = weight.shape[:2]
    else:
        layer.out_features, layer.in_features = weight.shape


def without_dead(network: Network) -> Network:
    """Return the network without the channels on which no answer depends.

    A channel of a convolution (an output of a linear layer) is **dead** if all weights that read it
    are zero, or if it is zero for every image: its own weights are, and so is what the activation
    makes of its bias. Removing one can leave another dead, so this is done until none is left; one
    channel of a layer always stays. Channels that an addition, a convolution in groups or the
    output reads are kept. The answers stay the same, up to the rounding of shorter sums.

    >>> first = Linear((0,), torch.tensor([[1.0], [0.0], [2.0]]), torch.tensor([0.0, -1.0, 0.0]))
    >>> second = Linear((2,), torch.tensor([[3.0, 4.0, 0.0]]), None)
    >>> from prune_lab.device.operations import ReLU
    >>> small = without_dead(Network([first, ReLU((1,)), second], shape=(1,)))
    >>> small.operations[0].weight, small.operations[2].weight
    (tensor([[1.]]), tensor([[3.]]))
    """
    number = 0
    while number < len(network.operations):
        smaller = _narrowed(network, number)
        number = number + 1 if smaller is None else 0
        network = smaller or network
    return network


def _narrowed(network: Network, number: int) -> Network | None:
    """The network without the dead channels of this operation; None if it has none."""
    operation = network.operations[number]
    if not isinstance(operation, _Layer) or _grouped(operation):
        return None
    try:
        readers = list(_readers(network, number + 1, _constants(operation, network, number + 1)))
    except _ReadWholeError:
        return None
    channels = len(operation.weight)
    read, nonzero = torch.zeros(channels, dtype=torch.bool), _rows(operation.weight, channels)
    for reader, constants in readers:
        columns = reader.weight.transpose(0, 1)
        nonzero |= _rows(constants[0], channels)
        read |= _rows(columns, channels)
    kept = (read & nonzero).nonzero().flatten()
    if len(kept) == 0:
        kept = torch.zeros(1, dtype=torch.int64)
    if len(kept) == channels:
        return None
    operations = list(network.operations)
    bias = None if operation.bias is None else operation.bias[kept]
    operations[number] = replace(operation, weight=operation.weight[kept], bias=bias)
    for reader, _value in readers:
        columns = reader.weight.unflatten(1, (channels, -1))[:, kept].flatten(1, 2)
        operations[network.operations.index(reader)] = replace(reader, weight=columns)
    return Network(operations, network.shapes[0], network.mean, network.deviation)


class _ReadWholeError(Exception):
    """Something reads a value that needs all its channels."""


def _constants(operation: _Layer, network: Network, place: int) -> Tensor:
    """What the operation gives, (1, channels, ...), if its weights are all zero: its bias."""
    channels, *rest = network.shapes[place]
    bias = torch.zeros(channels) if operation.bias is None else operation.bias
    return bias.reshape(1, channels, *[1] * len(rest)).expand(1, channels, *rest)


def _readers(network: Network, place: int, value: Tensor) -> Iterator[tuple[_Layer, Tensor]]:
    """The layers that read a value, through pooling and activations, with what they then read."""
    if place == len(network.operations):
        raise _ReadWholeError
    for number, operation in enumerate(network.operations):
        if place not in operation.inputs:
            continue
        if operation.by_channel:
            yield from _readers(network, number + 1, operation.run(value))
        elif isinstance(operation, _Layer) and not _grouped(operation):
            yield operation, value
        else:
            raise _ReadWholeError


def _grouped(operation: Operation) -> bool:
    return isinstance(operation, Convolution) and operation.groups != (1, 1)


def _rows(tensor: Tensor, rows: int) -> Tensor:
    """Which of the rows hold something that is not zero."""
    return tensor.reshape(rows, -1).ne(0).any(1)
