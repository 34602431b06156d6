"""What a learner expects before a cell is run, kept, and the truth laid over it.

A chapter asks in a small panel, and the cell that answers reveals. A guess may be left out: the
truth is shown all the same. Guesses are kept in a folder `guesses` beside the notebooks, see
:mod:`prune_lab.course.guesses.keeping`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

from prune_lab.course.guesses.asked import Asked
from prune_lab.course.guesses.keeping import Keeping
from prune_lab.course.guesses.panels import GuessChoice, GuessCurve, GuessNumber, GuessPanel
from prune_lab.course.guesses.questions import Axis, Choice, Curve, GuessError, Number, Question

__all__ = ["GuessChoice", "GuessCurve", "GuessError", "GuessNumber", "Guesses"]

_NAME = re.compile(r"[a-z0-9_]{1,40}")  # part of a file's name, the same on every system


class Guesses:
    """The guesses of one chapter.

    Leave a question as the last line of a cell: it is the panel. ``reveal`` is the last line of
    the cell that answers, and the object itself a table of all that was asked.

    Args:
        chapter: the chapter's number, such as ``"05"``.

    Raises:
        GuessError: a chapter's or a question's name is not of small letters, digits and _.

    >>> import os
    >>> os.environ["PRUNE_LAB_GUESSES"] = ""  # for this example nothing is kept in a file
    >>> guesses = Guesses("05")
    >>> guesses.number("twice", "How many of 150?", low=0, high=150, unit="weights")
    GuessNumber('twice', guess=None)
    >>> guesses.reveal("twice", 112)
    GuessNumber('twice', guess=None, truth=112)
    >>> guesses
    Guesses of chapter 05
      twice: How many of 150?
        no guess · the truth: 112 weights
    """

    def __init__(self, chapter: str) -> None:
        self.chapter = _name(chapter)
        self._keeping = Keeping()
        self._asked: dict[str, Asked] = {}

    def number(
        self, name: str, question: str, *, low: float, high: float, unit: str = ""
    ) -> GuessNumber:
        """Ask for a number from `low` to `high`; a whole one, if both of these are of type int.

        Raises GuessError when the range is none, or `name` stands for another question already.
        """
        return GuessNumber(self._ask(name, Number(question, low, high, unit), GuessNumber))

    def choice(self, name: str, question: str, *, options: Sequence[str]) -> GuessChoice:
        """Ask which of `options` it will be.

        Raises GuessError when these are not two or more different texts, or `name` stands for
        another question already.
        """
        return GuessChoice(self._ask(name, Choice(question, _texts(options)), GuessChoice))

    def curve(
        self,
        name: str,
        question: str,
        *,
        x: tuple[str, float, float],
        y: tuple[str, float, float],
    ) -> GuessCurve:
        """Ask for a curve, to be drawn; `x` and `y` are each an axis: label, lowest, highest.

        Raises GuessError when an axis has no range, or `name` stands for another question already.
        """
        return GuessCurve(self._ask(name, Curve(question, _axis(x), _axis(y)), GuessCurve))

    def reveal(self, name: str, truth: object) -> GuessPanel:
        """Lay the truth over the guess; a panel that says in one sentence where they part.

        Args:
            name: of a question that was asked.
            truth: what it turned out to be: a number, one of the options, or of a curve the pair
                (x, y), two equally long sequences of numbers. Tensors and arrays are sequences.

        Raises:
            GuessError: nothing of this name was asked, or the truth does not fit the question.
        """
        if (asked := self._asked.get(name)) is None:
            known = ", ".join(self._asked) or "nothing yet"
            raise GuessError(
                f"{name!r} has not been asked; run the cell that asks it (asked so far: {known})"
            )
        asked.reveal(truth)
        return asked.panel(asked, asked.truth)

    def _ask(self, name: str, question: Question, panel: type[GuessPanel]) -> Asked:
        before = self._asked.get(_name(name))
        if before is None:
            file = self._keeping.file(self.chapter, name, question)
            self._asked[name] = before = Asked(name, question, file, panel)
        elif before.question != question:
            raise GuessError(
                f"{name!r} stands for another question already ({before.question.text!r}); "
                "give this one another name"
            )
        return before

    def __repr__(self) -> str:
        if not self._asked:
            return f"Guesses of chapter {self.chapter}: nothing has been asked yet"
        lines = [f"Guesses of chapter {self.chapter}"]
        for name, asked in self._asked.items():
            found = asked.finding
            known = f"the truth: {found.truth}" if found.truth else "not revealed yet"
            lines += [f"  {name}: {asked.question.text}"]
            lines += ["    " + " · ".join(filter(None, (found.guess, known, found.missed)))]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if not self._asked:
            return f"<p>{html.escape(repr(self))}.</p>"
        rows = []
        for asked in self._asked.values():
            found = asked.finding
            known = found.truth or "not revealed yet"
            cells = (asked.question.text, found.guess, known, found.missed)
            rows.append("".join(f"<td{_LEFT}>{html.escape(cell)}</td>" for cell in cells))
        head = "".join(
            f'<th scope="col"{_LEFT}>{title}</th>'
            for title in ("question", "your guess", "the truth", "they part by")
        )
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


_LEFT = ' style="text-align: start"'


def _texts(options: Sequence[str]) -> tuple[str, ...]:
    if isinstance(options, str) or not isinstance(options, Iterable):
        raise GuessError("options should be two or more different texts")
    return tuple(options)


def _axis(given: tuple[str, float, float]) -> Axis:
    if not isinstance(given, (tuple, list)) or len(given) != 3:
        raise GuessError(f"an axis is a label, the lowest and the highest number, not {given!r}")
    return Axis(*given)


def _name(name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GuessError(f"{name!r} should be a short name of small letters, digits and _")
    return name
