"""What the course needs beyond the package.

:mod:`prune_lab.course.checks` holds one file of checks for each chapter, made with
:mod:`prune_lab.course.judging`; :mod:`prune_lab.course.weights` the networks trained with five
seeds, of which `trained_lenet` gives one; :mod:`prune_lab.course.guesses` what learners expect
before they run a cell; :mod:`~prune_lab.course.signing` which notebooks Jupyter may trust;
:mod:`~prune_lab.course.saving` what it stores of a panel; :mod:`~prune_lab.course.start`,
:mod:`~prune_lab.course.release` and :mod:`~prune_lab.course.grade` are the commands of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prune_lab.course.weights import trained_lenet

__all__ = ["trained_lenet"]


def __getattr__(name: str) -> Any:
    """Import torch only when a network is wanted: the commands do without, or say it is broken."""
    if name == "trained_lenet":
        from prune_lab.course.weights import trained_lenet

        return trained_lenet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
