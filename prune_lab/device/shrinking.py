"""Remove what no answer depends on, and cut LeNet to fewer channels: zeros that really go."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from prune_lab.device.operations import Convolution, Linear, Network, Operation
from prune_lab.lenet import LeNet


def keep_channels(model: LeNet, sizes: Sequence[int]) -> LeNet:
    """Return a LeNet of its own with fewer channels: of each layer those with the largest norms.

    A channel counts by the L2 norm of the weights that make it times that of the weights that read
    it. The kept weights are copied, float32; `model` is left as it was. It must be unpruned
    (`prune.remove` makes masks permanent).

    Args:
        model: a LeNet of any size.
        sizes: how many channels of ``conv1`` and ``conv2`` and outputs of ``fc1`` and ``fc2`` stay.

    Raises ValueError for sizes that the model does not have, or a pruned model.

    >>> small = keep_channels(LeNet(), (4, 10, 48, 32))
    >>> small.conv2, small.fc1
    (Conv2d(4, 10, kernel_size=(5, 5), stride=(1, 1)), Linear(in_features=250, out_features=48, bias=True))
    """
    layers = [model.conv1, model.conv2, model.fc1, model.fc2, model.fc3]
    if any("weight" not in layer._parameters for layer in layers):
        raise ValueError("the model is pruned: make its masks permanent with prune.remove first")
    widths = [layer.weight.shape[0] for layer in layers[:-1]]
    if len(sizes) != 4 or not all(1 <= n <= width for n, width in zip(sizes, widths, strict=True)):
        raise ValueError(f"sizes must be four numbers from 1 to {widths}, but got {tuple(sizes)}")
    small = LeNet()
    read = torch.arange(layers[0].weight.shape[1])  # which columns the layer goes on reading
    for (name, layer), after, size in zip(
        model.named_children(), [*layers[1:], None], [*sizes, 10], strict=True
    ):
        weight = layer.weight.detach()
        kept, each = torch.arange(len(weight)), 1
        if after is not None:
            # fc1 reads 25 columns of each channel of conv2: its picture of 5x5.
            each = after.weight.shape[1] // len(weight)
            outgoing = after.weight.detach().unflatten(1, (len(weight), each)).transpose(0, 1)
            score = weight.flatten(1).norm(dim=1) * outgoing.flatten(1).norm(dim=1)
            kept = score.topk(size).indices.sort().values
        setattr(small, name, _like(layer, weight[kept][:, read], layer.bias.detach()[kept]))
        read = (kept[:, None] * each + torch.arange(each)).flatten()
    return small


def _like(layer: nn.Module, weight: Tensor, bias: Tensor) -> nn.Module:
    """A new layer with this weight and bias."""
    outputs, inputs = weight.shape[:2]
    new: nn.Conv2d | nn.Linear = (
        nn.Conv2d(inputs, outputs, weight.shape[2:])  # type: ignore[arg-type]
        if isinstance(layer, nn.Conv2d)
        else nn.Linear(inputs, outputs)
    )
    new.weight, new.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
    return new
