"""One answer to a check, and what it should hear; a file of these for each chapter in answers/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from prune_lab.course.judging import Verdict


class Case(NamedTuple):
    """An answer, the state of the verdict, and words that its line must hold."""

    check: Callable[..., Verdict]
    answers: tuple[Any, ...]
    state: str
    says: str


def right(check: Callable[..., Verdict], *answers: Any) -> Case:
    return Case(check, answers, "right", "Right. ")


def wrong(check: Callable[..., Verdict], *answers: Any, says: str) -> Case:
    """An answer that a learner would give, and words of the sentence that names the mistake."""
    return Case(check, answers, "wrong", says)


def unanswered(check: Callable[..., Verdict], *answers: Any, says: str = "") -> Case:
    return Case(check, answers, "unanswered", says)
