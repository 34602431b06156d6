"""The engine's techniques as the widgets offer them: a label, a ranking, a call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from prune_lab import prune


@dataclass(frozen=True)
class Technique:
    """One technique; its name is that of the function in ``prune_lab.prune``.

    Attributes:
        label: what the menu says.
        method: makes the method that ranks the entries, from ``dim`` and ``n``.
        options: the keywords that the function takes beside the amount.
        random: whether the seed matters.
    """

    label: str
    method: Callable[..., prune.BasePruningMethod]
    options: tuple[str, ...] = ()
    random: bool = False

    @property
    def structured(self) -> bool:
        """Whether whole channels go at once."""
        return "dim" in self.options


TECHNIQUES = {
    "l1_unstructured": Technique("L1 unstructured", lambda: prune.L1Unstructured(0)),
    "random_unstructured": Technique(
        "random unstructured", lambda: prune.RandomUnstructured(0), random=True
    ),
    "ln_structured": Technique(
        "Ln structured", lambda n, dim: prune.LnStructured(0, n=n, dim=dim), ("n", "dim")
    ),
    "random_structured": Technique(
        "random structured", lambda dim: prune.RandomStructured(0, dim=dim), ("dim",), random=True
    ),
}


def rank(
    technique: str, scores: Tensor, mask: Tensor | None, options: dict[str, Any], seed: int
) -> Tensor:
    """Return when each entry goes: an int64 tensor of the shape of ``scores``.

    Args:
        technique: a name in ``TECHNIQUES``.
        scores: the tensor to prune.
        mask: what was pruned before (these entries get -1), None: nothing.
        options: ``dim`` and ``n``, as far as the technique takes them.
        seed: what ``torch.manual_seed`` is given; the caller's random state is left alone.
    """
    method = TECHNIQUES[technique].method(**options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return prune.pruning_order(method, scores, default_mask=mask)


def literal(value: float) -> str:
    """Write a number as Python code; ``inf`` has no literal of its own.

    >>> literal(2), literal(float("inf"))
    ('2', 'float("inf")')
    """
    return 'float("inf")' if value == float("inf") else repr(value)
