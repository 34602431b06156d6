"""Pruning without losing accuracy: recipes that prune and train in turn."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.data import Digits
from prune_lab.experiments.schedules import Schedule, cubic
from prune_lab.training import History, fit

Places = list[tuple[nn.Module, str]]

_EVERY = 8  # steps between two prunings


def weights_of(model: nn.Module) -> Places:
    """Return the places of the weights of all 2-d convolutions and linear layers, in order.

    >>> from prune_lab.lenet import LeNet
    >>> len(weights_of(LeNet()))
    5
    """
    return [
        (module, "weight")
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]


Importance = Callable[[Tensor], Tensor]
"""From a weight, masked, to a score for each of its entries: the lowest go first."""


def magnitude(weight: Tensor) -> Tensor:
    """Return the absolute values.

    >>> magnitude(torch.tensor([-2.0, 1.0]))
    tensor([2., 1.])
    """
    return weight.abs()


def lamp(weight: Tensor) -> Tensor:
    """Return each square's share in itself and all that are larger: layers are compared fairly.

    The last entry of a layer scores 1, so that no layer is ever emptied.

    Source: J. Lee, S. Park, S. Mo, S. Ahn, J. Shin: Layer-adaptive sparsity for the
    magnitude-based pruning, ICLR 2021.

    >>> lamp(torch.tensor([1.0, -2.0, 0.0]))
    tensor([0.2000, 1.0000, 0.0000])
    """
    squares, order = weight.flatten().square().sort(descending=True)
    shares = torch.empty_like(squares)
    shares[order] = squares / squares.cumsum(0).clamp_min(torch.finfo(squares.dtype).tiny)
    return shares.reshape(weight.shape)


def prune_to(places: Places, sparsity: float, importance: Importance = magnitude) -> None:
    """Prune globally until this fraction of all entries is gone, whatever is pruned already.

    What is pruned stays so: for a sparsity that is reached already nothing happens, except that
    each place has a mask afterwards.

    Raises ValueError for a sparsity that is not from 0 to 1.

    >>> layer = nn.Linear(10, 10)
    >>> for sparsity in (0.3, 0.5, 0.5):
    ...     prune_to([(layer, "weight")], sparsity)
    >>> int(layer.weight_mask.sum())
    50
    """
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must be from 0 to 1, but got {sparsity}")
    entries = sum(getattr(module, name).numel() for module, name in places)
    masks = [getattr(module, f"{name}_mask", None) for module, name in places]
    gone = sum(int((mask == 0).sum()) for mask in masks if mask is not None)
    more = max(round(sparsity * entries) - gone, 0)
    if more or None in masks:
        scores = {place: importance(getattr(*place).detach()) for place in places}
        prune.global_unstructured(
            places, prune.L1Unstructured, importance_scores=scores, amount=more
        )


def gradual(
    model: nn.Module,
    digits: Digits,
    sparsity: float,
    epochs: int = 50,
    seed: int = 0,
    schedule: Schedule = cubic,
    begin: float = 0.1,
    end: float = 0.7,
    learning_rate: float = 3e-3,
    importance: Importance = magnitude,
) -> History:
    """Prune the model's weights globally while it is trained, and return the training's course.

    Every eighth step it is pruned a little, from `begin` to `end` of the training (0 to 1); the
    rest is there to learn what is left. At the end exactly this fraction of the weights of all
    convolutions and linear layers is pruned, with masks. Arguments and errors as in
    `prune_lab.training.fit` and `prune_to`.

    >>> from prune_lab.data import load_digits
    >>> from prune_lab.lenet import LeNet
    >>> model = LeNet()
    >>> _ = gradual(model, load_digits(), sparsity=0.9, epochs=1)
    >>> sum(int((module.weight_mask == 0).sum()) for module, name in weights_of(model))
    55323
    """
    if not (0 <= sparsity <= 1 and 0 <= begin < end <= 1):
        raise ValueError(
            f"0 <= sparsity <= 1, 0 <= begin < end <= 1, but got {sparsity, begin, end}"
        )
    places = weights_of(model)
    prune_to(places, 0.0, importance)
    step = 0

    def before_step(progress: float) -> None:
        nonlocal step
        step += 1
        if step % _EVERY == 0 and progress >= begin:
            done = min((progress - begin) / (end - begin), 1.0)
            prune_to(places, sparsity * schedule(done), importance)

    history = fit(model, digits, epochs, seed, learning_rate, before_step)
    prune_to(places, sparsity, importance)
    return history
