"""A network and its pictures as a script in a browser reads them: numbers to the last bit."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from prune_lab.data import Ink
from prune_lab.device.operations import Convolution, Linear, Network

_FULL = (16, 255, 1024, 65535)  # steps from paper to the darkest ink, of data sets that we know


# As few bytes as a page must carry: a parcel is a line of JSON and bytes behind it, deflated.
# static/parcels.js opens them.


def _parcel(head: Any, parts: Sequence[bytes]) -> bytes:
    line = json.dumps(head, separators=(",", ":")).encode() + b"\n"
    return zlib.compress(line + b"".join(parts))


def _by_byte(numbers: np.ndarray, kind: str) -> bytes:
    """All first bytes, then all second bytes: what is alike lies together."""
    whole = np.ascontiguousarray(numbers.reshape(-1), kind)
    return whole.view(np.uint8).reshape(-1, whole.itemsize).T.tobytes()


def network_parcel(network: Network, names: Mapping[int, str] | None = None) -> bytes:
    """Return the network, deflated: its operations, and their very numbers, on a grid or not.

    The line is ``{"shape": [1, 32, 32], "mean": ..., "deviation": ..., "operations": [...]}``. An
    operation has its ``"kind"`` (the name of its class), its ``"inputs"``, its settings as pairs,
    and its tensors as ``{"shape": [...]}`` or None; the numbers follow in their order, float32.
    `prune_lab.device.packing.pack` needs a grid, and less room.

    Args:
        network: a traced model.
        names: of the parameter that each operation's weight is, by the operation's number from 0
            (`weight_names`): ``"name"`` beside the weight's shape.

    >>> len(network_parcel(Network([Linear((0,), torch.zeros(10, 84), None)], (84,)))) < 200
    True
    """
    operations, numbers = [], []
    for number, operation in enumerate(network.operations):
        written: dict[str, Any] = {
            "kind": type(operation).__name__,
            "inputs": list(operation.inputs),
            **{name: list(getattr(operation, name)) for name in operation.settings},
            **dict.fromkeys(operation.learnt),
        }
        for name, tensor in operation.tensors().items():
            written[name] = {"shape": list(tensor.shape)}
            numbers.append(_by_byte(tensor.detach().cpu().numpy(), "<f4"))
        if names and number in names:
            written["weight"]["name"] = names[number]
        operations.append(written)
    head = {
        "shape": list(network.shapes[0]),
        "mean": network.mean,
        "deviation": network.deviation,
        "operations": operations,
    }
    return _parcel(head, numbers)


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


def digits_parcel(images: Tensor, labels: Tensor, ink: Ink) -> bytes:
    """Return labelled pictures, deflated: the labels, and the pixels' second differences.

    A picture that was enlarged has few of these along its rows and columns that are not zero. For
    one that was enlarged four times each way, every fourth of them lie together.

    Args:
        images, ink: as of `pixels`.
        labels: (N,), whole numbers from 0 to 255.

    Raises ValueError for pictures that `pixels` refuses, or labels beyond 255.
    """
    full, numbers = pixels(images, ink)
    if int(labels.min()) < 0 or int(labels.max()) > 255:
        raise ValueError("the labels do not lie between 0 and 255")
    steps = numbers.astype(np.uint16).reshape(len(images), *images.shape[-2:])
    for axis in (1, 1, 2, 2):
        steps = np.diff(steps, axis=axis, prepend=np.uint16(0))  # modulo 65,536
    count, rows, columns = steps.shape
    by = 4 if rows % 4 == columns % 4 == 0 else 1
    steps = steps.reshape(count, rows // by, by, columns // by, by).transpose(0, 2, 4, 1, 3)
    head = {"full": full, "shape": [count, rows, columns], "by": by}
    return _parcel(head, [_by_byte(labels.cpu().numpy(), "u1"), _by_byte(steps, "<u2")])


def orders_parcel(
    groups: Sequence[tuple[Mapping[str, Tensor], int]], weights: Mapping[str, Tensor]
) -> bytes:
    """Return when each entry goes, deflated; for a browser that has the weights already.

    An order by size says nothing that the weights do not say: what differs from it is written.

    Args:
        groups: of parameters that are ranked together, by name, whole numbers of each one's shape:
            0 goes first, a negative one is gone; and how many places there are.
        weights: by parameter name, float32, the very numbers that the browser has.

    >>> weight = torch.randn(120, 400)
    >>> order = weight.abs().flatten().argsort(stable=True).argsort()
    >>> len(orders_parcel([({"fc1.weight": order}, 48_000)], {"fc1.weight": weight})) < 400
    True
    """
    heads, parts = [], []
    for group, units in groups:
        whole = np.concatenate([order.cpu().numpy().reshape(-1) for order in group.values()])
        sizes = np.concatenate([weights[name].cpu().numpy().reshape(-1) for name in group])
        by_size = np.empty(len(whole), np.int32)
        by_size[np.abs(sizes).argsort(kind="stable")] = np.arange(len(whole), dtype=np.int32)
        ways = [_by_byte(whole - known * by_size, "<i4") for known in (0, 1)]
        known = min((0, 1), key=lambda known: len(zlib.compress(ways[known])))
        lengths = {name: order.numel() for name, order in group.items()}
        heads.append({"units": units, "sizes": lengths, "by_size": known})
        parts.append(ways[known])
    return _parcel(heads, parts)
