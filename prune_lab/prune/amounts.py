"""How many units an amount stands for: a fraction of them, or a count."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TypeAlias

Amount: TypeAlias = int | float


def _validate_pruning_amount_init(amount: object) -> None:
    """Check what can be checked before the tensor is known (torch's name and errors).

    Raises:
        TypeError: ``amount`` is not a real number. A bool is refused too: ``True`` reads like
            "all of it" and would prune one entry.
        ValueError: a float outside [0, 1], NaN, or a negative count.
    """
    if isinstance(amount, bool) or not isinstance(amount, Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    valid = int(amount) >= 0 if isinstance(amount, Integral) else 0.0 <= float(amount) <= 1.0
    if not valid:
        raise ValueError(
            f"amount={amount} should either be a float in the range [0, 1] "
            "or a non-negative integer"
        )


def _validate_pruning_amount(amount: Amount, tensor_size: int) -> None:
    """Refuse a count larger than what there is to prune (torch's name and error).

    Raises:
        ValueError: ``amount`` is a count above ``tensor_size``.
    """
    if isinstance(amount, Integral) and amount > tensor_size:
        raise ValueError(
            f"amount={amount} should be smaller than the number of "
            f"parameters to prune={tensor_size}"
        )


def _compute_nparams_toprune(amount: Amount, tensor_size: int) -> int:
    """Turn an amount into a count: 45 stays 45, 0.3 of 150 is 45 (torch's name).

    Python's ``round`` takes halves to the even neighbour, so 0.5 of 5 is 2.
    """
    return int(amount) if isinstance(amount, Integral) else round(amount * tensor_size)


def count(amount: Amount, size: int) -> int:
    """Return how many of ``size`` units ``amount`` prunes, or say why it cannot.

    >>> count(0.3, 150), count(45, 150), count(1, 150), count(1.0, 150)
    (45, 45, 1, 150)
    """
    k = _compute_nparams_toprune(amount, size)
    _validate_pruning_amount(k, size)
    return k
