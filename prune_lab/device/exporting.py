"""A network and its pictures as a script in a browser reads them: numbers to the last bit."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prune_lab.data import Ink
from prune_lab.device.operations import Convolution, Linear, Network, Operation

_FULL = (16, 255, 1024, 65535)  # steps from paper to the darkest ink, of data sets that we know


def listing(network: Network, names: Mapping[int, str] | None = None) -> dict[str, Any]:
    """Return the network as what JSON can hold; ``static/network.js`` reads it.

    ``{"shape": [1, 32, 32], "mean": ..., "deviation": ..., "operations": [...]}``. An operation has
    its ``"kind"`` (the name of its class), its ``"inputs"``, its settings as pairs, and its tensors
    or None: ``{"shape": [...], "float32": base64 of the numbers, low byte first}``. They are the
    very numbers, on a grid or not; `prune_lab.device.packing.pack` needs a grid, and less room.

    Args:
        network: a traced model.
        names: of the parameter that each operation's weight is, by the operation's number from 0
            (`weight_names`): ``"name"`` beside the weight's shape.

    >>> weight = torch.tensor([[1.0, 0.0]])
    >>> listing(Network([Linear((0,), weight, None)], shape=(2,)), {0: "fc.weight"})["operations"]
    [{'kind': 'Linear', 'inputs': [0], 'weight': {'shape': [1, 2], 'float32': 'AACAPwAAAAA=', \
'name': 'fc.weight'}, 'bias': None}]
    """
    operations = []
    for number, operation in enumerate(network.operations):
        written = _written(operation)
        if names and number in names:
            written["weight"]["name"] = names[number]
        operations.append(written)
    return {
        "shape": list(network.shapes[0]),
        "mean": network.mean,
        "deviation": network.deviation,
        "operations": operations,
    }


def _written(operation: Operation) -> dict[str, Any]:
    written: dict[str, Any] = {"kind": type(operation).__name__, "inputs": list(operation.inputs)}
    for name in operation.settings:
        written[name] = list(getattr(operation, name))
    for name in operation.learnt:
        tensor = getattr(operation, name)
        written[name] = None if tensor is None else _numbers(tensor)
    return written


def _numbers(tensor: Tensor) -> dict[str, Any]:
    values = tensor.detach().cpu().numpy().astype("<f4")
    return {"shape": list(tensor.shape), "float32": base64.b64encode(values.tobytes()).decode()}


def weight_names(model: nn.Module, network: Network, images: Tensor) -> dict[int, str]:
    """Return the model's name for each weight of a network that was traced from it.

    Layers run in one order in both: the nth convolution or linear layer that the model calls is the
    nth of the network. Its weight has the same zeros, also where a batch norm was folded into it.

    Args:
        model: what was traced; it is left as it was.
        images: a batch for it (N, ...).

    Returns:
        ``"conv1.weight"`` and so on, by the operation's number from 0.

    Raises ValueError if the model computes a layer without a module, such as with ``F.linear``.

    >>> from prune_lab.device.tracing import trace
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> images = torch.zeros(2, 1, 2, 2)
    >>> weight_names(model, trace(model, images), images)
    {1: '1.weight'}
    """
    called: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_call, name=name: called.append(f"{name}.weight"))
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]
    training = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            model.eval()(images.to(next(model.parameters())))
    finally:
        for hook in hooks:
            hook.remove()
        for module, was in training.items():
            module.training = was
    layers = [
        (number, operation.weight)
        for number, operation in enumerate(network.operations)
        if isinstance(operation, Convolution | Linear)
    ]
    shapes = [model.get_submodule(name.removesuffix(".weight")).weight.shape for name in called]
    if [weight.shape for _number, weight in layers] != shapes:
        raise ValueError("the model computes a layer that is no module, so its weight has no name")
    return {number: name for (number, _weight), name in zip(layers, called, strict=True)}


def pixels(images: Tensor, ink: Ink) -> tuple[int, np.ndarray]:
    """Return the pictures' ink as whole numbers: how many are the darkest ink, and the numbers.

    A browser gets the same picture again, ``(number / full - mean) / deviation``, to within 1e-6.

    Args:
        images: (N, 1, H, W), normalised as `ink` says.
        ink: `prune_lab.data.Digits.ink`.

    Returns:
        16, 255, 1,024 or 65,535, the first with which every pixel is a whole number; and these,
        uint8 or uint16 of shape (N, H * W).

    Raises ValueError for pictures that are finer than that, or that go beyond paper and ink.

    >>> full, numbers = pixels(torch.tensor([[[[0.0, 1.0, 0.5]]]]), Ink(0.0, 1.0))
    >>> full, numbers
    (16, array([[ 0, 16,  8]], dtype=uint8))
    """
    share = images.detach().cpu().double().flatten(1) * ink.deviation + ink.mean
    for full in _FULL:
        wholes = (share * full).round()
        if float((wholes / full - share).abs().max()) < 1e-6:
            break
    else:
        raise ValueError("the pictures are finer than 65,535 steps from paper to ink")
    if float(wholes.min()) < 0 or float(wholes.max()) > full:
        raise ValueError("the pictures have pixels that are lighter than paper or darker than ink")
    return full, wholes.numpy().astype(np.uint8 if full < 256 else np.uint16)
