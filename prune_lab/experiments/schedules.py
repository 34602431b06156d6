"""How fast to prune while training: from the share of the training that is done to a sparsity."""

from __future__ import annotations

from collections.abc import Callable

Schedule = Callable[[float], float]
"""From progress, 0 to 1, to the fraction of the way to the final sparsity, 0 to 1."""


def one_shot(progress: float) -> float:
    """Everything at the beginning, the rest of the time to recover.

    >>> one_shot(0.0)
    1.0
    """
    return 1.0


def constant(progress: float) -> float:
    """As many entries in every step.

    >>> constant(0.5)
    0.5
    """
    return progress


def cubic(progress: float) -> float:
    """Many entries early, while there are many to choose from, and few late.

    Source: M. Zhu, S. Gupta: To prune, or not to prune, arXiv 1710.01878, 2017.

    >>> cubic(0.5)
    0.875
    """
    return 1 - (1 - progress) ** 3


def exponential(progress: float) -> float:
    """In every step the same share of what is left, as if 99 % were to go.

    >>> round(exponential(0.5), 3)
    0.909
    """
    return (1 - 0.01**progress) / 0.99
