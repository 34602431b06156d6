"""Lottery tickets: train, prune, rewind, and hold what is left against three controls.

Source: J. Frankle, M. Carbin: The lottery ticket hypothesis: finding sparse, trainable neural
networks, ICLR 2019. They train with Adam at one rate, in batches of 60, on images as they are; so
does `learn`.
"""

from __future__ import annotations

import base64
import copy
import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.data import Digits, load_digits
from prune_lab.experiments.importance import weights_of
from prune_lab.experiments.recipes import prune_to
from prune_lab.lenet import LeNet, LeNet300100
from prune_lab.training import evaluate, one_thread

NETWORKS: dict[str, type[nn.Module]] = {"LeNet-300-100": LeNet300100, "LeNet": LeNet}
LOOKS = (0, 5, 10, 15, 20, 30, 40, 60, 90, 120, 160, 200, 240)
"""The steps after which `learn` looks how many digits are read."""

Masks = list[Tensor]
"""A mask for each weight, in the order of `weights_of`: 1 is kept, 0 is pruned."""


class Curve(NamedTuple):
    """How a network learned: the accuracies, 0 to 1, after so many steps."""

    steps: tuple[int, ...]
    validation: tuple[float, ...]
    test: tuple[float, ...]


def drawn(network: type[nn.Module], seed: int) -> nn.Module:
    """Return a network as torch draws it with this seed; torch's random numbers stay as they are.

    >>> one, same = drawn(LeNet, 3), drawn(LeNet, 3)
    >>> torch.equal(one.fc3.weight, same.fc3.weight)
    True
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network()


def learn(
    model: nn.Module,
    digits: Digits,
    seed: int = 0,
    looks: Sequence[int] = LOOKS,
    learning_rate: float = 1.2e-3,
    batch_size: int = 60,
) -> Curve:
    """Train `model` in place up to the last of the `looks`, and return how it learned.

    A step is a batch of training digits, and `looks` are numbers of steps, rising. `seed` decides
    the order of the digits alone, so that two networks can be given the same batches. A masked
    weight stays masked.

    >>> curve = learn(drawn(LeNet300100, 0), load_digits(), looks=(0, 20))
    >>> curve.test[0] < 0.3 < 0.7 < curve.test[1]
    True
    """
    images, labels = digits.train_images, digits.train_labels
    device = next(model.parameters()).device
    optimizer = torch.optim.Adam(model.parameters(), learning_rate)
    validation, test = [], []
    with one_thread():
        for step, batch in enumerate(_batches(len(images), batch_size, seed)):
            if step in looks:
                validation.append(evaluate(model, *digits[2:4]))
                test.append(evaluate(model, *digits[4:6]))
            if step == looks[-1]:
                break
            loss = F.cross_entropy(model(images[batch].to(device)), labels[batch].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return Curve(tuple(looks), tuple(validation), tuple(test))


def _batches(images: int, size: int, seed: int) -> Iterator[Tensor]:
    """Draw the images' numbers in batches, all of them before one comes again, without end."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.split(torch.randperm(images, generator=generator), size)


def masked(start: nn.Module, masks: Masks) -> nn.Module:
    """Return a copy of an unpruned network, with these masks over its weights.

    With the network as it was before it was trained, that is what rewinding gives: the first
    weights, and the masks that training has led to.

    >>> model = masked(LeNet(), [torch.ones_like(getattr(*place)) for place in weights_of(LeNet())])
    >>> int(model.conv1.weight_mask.sum())
    150
    """
    model = copy.deepcopy(start)
    for (module, name), mask in zip(weights_of(model), masks, strict=True):
        prune.custom_from_mask(module, name, mask)
    return model


def shuffled(masks: Masks, seed: int) -> Masks:
    """Return masks that keep as many weights in each layer, at other places.

    >>> shuffled([torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])], seed=0)[0].sum()
    tensor(2.)
    """
    generator = torch.Generator().manual_seed(seed)
    return [
        mask.flatten()[torch.randperm(mask.numel(), generator=generator)].reshape(mask.shape)
        for mask in masks
    ]


def trial(
    seed: int,
    network: str = "LeNet-300-100",
    rounds: int = 9,
    goes: float = 0.36,
    looks: Sequence[int] = LOOKS,
    learning_rate: float = 1.2e-3,
    batch_size: int = 60,
    device: str = "cpu",
) -> dict[str, Any]:
    """Find lottery tickets, and return how they and their controls learned.

    Each round trains, prunes the smallest weights of the whole network, a fraction `goes` of those
    that are left, and rewinds. `rounds` of them follow on the dense network, which is the first
    ticket, with nothing pruned. The controls have as many weights:

    - ``"new start"``: the ticket's masks over a network that was drawn anew;
    - ``"shuffled"``: the ticket's first weights, its masks shuffled within each layer.

    All are trained on the same batches. The answer holds JSON's values alone: ``kept``, the
    fractions of the weights that were left; ``steps``; ``validation`` and ``test``, by the names
    ``"ticket"``, ``"new start"`` and ``"shuffled"``: for each of ``kept`` the accuracies after
    these steps; ``shape`` and ``picture``, see `pictures`.

    >>> result = trial(0, rounds=1, looks=(0, 20))
    >>> result["kept"], len(result["test"]["ticket"])
    ([1.0, 0.64], 2)

    Raises ValueError for settings that make no sense.
    """
    check_trial(network, rounds, goes, looks, learning_rate, batch_size, device)
    digits = load_digits()
    start = drawn(NETWORKS[network], seed).to(device)
    other = drawn(NETWORKS[network], seed + _OTHERS).to(device)

    def train(model: nn.Module) -> Curve:
        return learn(model, digits, seed, looks, learning_rate, batch_size)

    kept, drawings = [], []
    curves: dict[str, list[Curve]] = {"ticket": [], "new start": [], "shuffled": []}
    for masks, curve in tickets(start, rounds, goes, train):
        kept.append(_share(masks))
        drawings.append(_drawing(masks[0]))
        curves["ticket"].append(curve)
        curves["new start"].append(train(masked(other, masks)))
        curves["shuffled"].append(train(masked(start, shuffled(masks, seed + _OTHERS))))
    return {
        "kept": kept,
        "steps": list(looks),
        "validation": {name: [_rounded(c.validation) for c in curves[name]] for name in curves},
        "test": {name: [_rounded(c.test) for c in curves[name]] for name in curves},
        "shape": list(drawings[0].shape),
        "picture": _packed(drawings),
    }


def check_trial(
    network: str,
    rounds: int,
    goes: float,
    looks: Sequence[int],
    learning_rate: float,
    batch_size: int,
    device: str,
) -> None:
    """Raise ValueError, with a sentence, for settings that no trial can be made with."""
    if network not in NETWORKS:
        raise ValueError(f"network must be one of {', '.join(NETWORKS)}, but got {network!r}")
    if not 0 < goes < 1:
        raise ValueError(f"goes must be between 0 and 1, but got {goes}")
    steps = [*looks]
    if not steps or steps[0] < 0 or steps != sorted(set(steps)) or steps[-1] < 1:
        raise ValueError(f"looks must be numbers of steps, rising, but got {steps}")
    for name, value, least in [("rounds", rounds, 0), ("batch_size", batch_size, 1)]:
        if value < least:
            raise ValueError(f"{name} must be {least} or more, but got {value}")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be above 0, but got {learning_rate}")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # no such device, or torch was built without
        raise ValueError(f"device {device!r} cannot be used: {error}") from None


def tickets(
    start: nn.Module, rounds: int, goes: float, train: Callable[[nn.Module], Curve]
) -> Iterator[tuple[Masks, Curve]]:
    """Find tickets in an unpruned network: the masks of each round, and how the ticket learned.

    `start` is left as it is. The first ticket is the dense network.

    >>> found = tickets(LeNet(), 2, 0.5, lambda model: Curve((), (), ()))
    >>> [sum(int(mask.sum()) for mask in masks) for masks, curve in found]
    [61470, 30735, 15368]
    """
    masks = [torch.ones_like(getattr(*place)) for place in weights_of(start)]
    for number in range(rounds + 1):
        ticket = masked(start, masks)
        yield masks, train(ticket)
        places = weights_of(ticket)
        prune_to(places, 1 - (1 - goes) ** (number + 1))
        masks = [module.get_buffer(f"{name}_mask").clone() for module, name in places]


_OTHERS = 1000  # added to a seed, for what must not be drawn from the same numbers


def _share(masks: Masks) -> float:
    kept = sum(int(mask.sum()) for mask in masks)
    return round(kept / sum(mask.numel() for mask in masks), 5)


def _rounded(accuracies: Sequence[float]) -> list[float]:
    return [round(accuracy, 4) for accuracy in accuracies]


def _drawing(mask: Tensor) -> Tensor:
    """The first layer's mask as a picture: for a linear layer, what is kept of each pixel."""
    if mask.dim() > 2:
        return mask
    side = math.isqrt(mask.shape[1])
    return mask.mean(dim=0).reshape(side, side)


def _packed(drawings: Sequence[Tensor]) -> str:
    # Rounded up: where anything is kept, 0 would be wrong.
    shares = (255 * torch.stack(list(drawings))).ceil().to(torch.uint8)
    return base64.b64encode(zlib.compress(shares.cpu().numpy().tobytes(), 9)).decode()


def pictures(result: Mapping[str, Any]) -> Tensor:
    """Return what is kept of the first layer, round by round: uint8, (rounds, *shape).

    255 is everything, 0 is nothing. A convolution's picture is its mask; a linear layer's has the
    images' shape: the share of the weights that are left behind each pixel, rounded up.

    >>> pictures(trial(0, rounds=1, looks=(0, 1))).shape
    torch.Size([2, 32, 32])
    """
    flat = zlib.decompress(base64.b64decode(result["picture"]))
    shares = torch.frombuffer(bytearray(flat), dtype=torch.uint8)
    return shares.reshape(len(result["kept"]), *result["shape"])


def alike(results: Mapping[int, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return one of the results, by seed, of which all have the same rounds, steps and layers.

    Raises TypeError for what `trial` has not returned, ValueError for none or where they differ.
    """
    if not isinstance(results, Mapping):
        raise TypeError("results should be a dict from seeds to what tickets.trial returned")
    if not results:
        raise ValueError("there is no result to show")
    first = next(iter(results.values()))
    for seed, result in results.items():
        if type(seed) is not int or not _is_whole(result):
            raise TypeError(f"{seed!r} should be a seed, and lead to what tickets.trial returned")
        for name in ("kept", "steps", "shape"):
            if result[name] != first[name]:
                raise ValueError(f"the result of seed {seed} has another {name!r} than the first")
    return first


def _is_whole(result: Any) -> bool:
    try:
        pictures(result)
        sizes = {np.shape(result["test"][name]) for name in ("ticket", "new start", "shuffled")}
        return sizes == {(len(result["kept"]), len(result["steps"]))}
    except (TypeError, KeyError, ValueError, RuntimeError, zlib.error):
        return False
