"""The five trained networks pruned alike, and their accuracies as a row of a table.

A claim about pruning holds over five training seeds, or it is not made. Chapters use these two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from prune_lab.course.weights import SEEDS, trained_lenet
from prune_lab.lenet import LeNet
from prune_lab.training import evaluate


def on_five(prune_it: Callable[[LeNet], Any], images: Tensor, labels: Tensor) -> list[float]:
    """Return the accuracies, 0 to 1, of the five trained networks, each after `prune_it(network)`.

    The networks are fresh ones, in the order of their training seeds; what `prune_it` returns is
    not looked at. What it draws at random begins with the seed 100 + the training seed, so that no
    mask comes from the numbers that the weights were drawn with; afterwards the random numbers go
    on as if nothing had been drawn. `images` (N, 1, 32, 32) and `labels` (N,) are those of
    `load_digits`.

    >>> from prune_lab import prune
    >>> from prune_lab.data import load_digits
    >>> digits = load_digits()
    >>> half = lambda model: prune.l1_unstructured(model.fc1, "weight", amount=0.5)
    >>> print(row(on_five(half, digits.test_images, digits.test_labels)))
       98.6%   98.9%   98.9%   98.6%   98.6%
    """
    accuracies = []
    for seed in SEEDS:
        model = trained_lenet(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(100 + seed)
            prune_it(model)
        accuracies.append(evaluate(model, images, labels))
    return accuracies


def row(accuracies: Iterable[float]) -> str:
    """Write accuracies, 0 to 1, as one row of a table: per cent, eight characters for each.

    >>> row([0.5, 1.0])
    '   50.0%  100.0%'
    """
    return "".join(f"{accuracy:8.1%}" for accuracy in accuracies)
