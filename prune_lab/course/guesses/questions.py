"""The three kinds of questions: what fits each, and what is said of a guess and the truth."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

COLUMNS = 41  # where a drawn curve has a height: at equal distances, both ends among them
_ENDLESS = 1e300  # beyond it sums of two numbers may be infinite
_NEAR = 0.02  # of the range: nobody draws more exactly

NO_GUESS = "You made no guess."


class GuessError(ValueError):
    """What does not fit, in one sentence; a notebook shows the sentence alone."""

    def _render_traceback_(self) -> list[str]:
        return [f"GuessError: {self}"]


class Finding(NamedTuple):
    """A guess and a truth in words; what is not known is empty."""

    guess: str
    truth: str = ""
    missed: str = ""
    sentence: str = ""
    gap: tuple[float, float, float] | None = None  # of curves: x, the truth there, the guess there


class Question(ABC):
    """What is asked. Equal questions are the same question."""

    text: str

    def sent(self) -> dict[str, Any]:
        """The question as the browser reads it."""
        return asdict(self)  # type: ignore[call-overload]

    @abstractmethod
    def read_guess(self, guess: Any) -> Any:
        """Return a guess that came from elsewhere, None for none; GuessError if it does not fit."""

    @abstractmethod
    def read_truth(self, truth: Any) -> Any:
        """Return the truth as JSON has it; GuessError if it does not fit."""

    @abstractmethod
    def find(self, guess: Any, truth: Any) -> Finding:
        """Say where a guess and a truth part; either may be None."""


@dataclass(frozen=True)
class Axis:
    """A range of numbers and what they count."""

    label: str
    low: float
    high: float

    def __post_init__(self) -> None:
        ends = (self.low, self.high)
        real = all(isinstance(end, (int, float)) and abs(end) < _ENDLESS for end in ends)
        if not isinstance(self.label, str) or not real or not self.low < self.high:
            raise GuessError(
                f"a range goes from a lower to a higher number, not {self.low!r} to {self.high!r}"
            )

    @property
    def span(self) -> float:
        """How far it reaches."""
        return self.high - self.low

    @property
    def decimals(self) -> int:
        """How many of a number are said: to a thousandth of the range."""
        return max(0, 3 - math.floor(math.log10(self.span)))

    def sent(self) -> dict[str, Any]:
        """The axis as the browser reads it."""
        return {**asdict(self), "decimals": self.decimals}

    def read(self, number: Any, what: str) -> float:
        """Return a number inside, which a rounding error may have put just outside."""
        if isinstance(number, (Tensor, np.ndarray, np.generic)) and math.prod(number.shape) == 1:
            number = number.item()
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise GuessError(f"{what} should be a number, not {type(number).__name__}")
        if not abs(number) < _ENDLESS:  # NaN is neither
            raise GuessError(f"{what} is no number on the question's scale")
        slack = 1e-6 * self.span
        if not self.low - slack <= number <= self.high + slack:
            raise GuessError(
                f"{what}, {self.said(number)}, lies outside the question's range, "
                f"{self.said(self.low)} to {self.said(self.high)}"
            )
        return min(max(number, self.low), self.high)

    def said(self, number: float) -> str:
        """A number without zeros at the end, and without its label."""
        text = f"{number:,.{self.decimals}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if text == "-0" else text.replace("-", "−")


@dataclass(frozen=True)
class Number(Question):
    """How much, or how many?"""

    text: str
    low: float
    high: float
    unit: str = ""

    def __post_init__(self) -> None:
        _checked_text(self.text)
        self._axis  # noqa: B018 (it checks the range)

    @property
    def _axis(self) -> Axis:
        return Axis(self.unit, self.low, self.high)

    @property
    def step(self) -> float:
        """The distance between two guesses: 1, or about a hundredth of the range."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return 1
        return 10.0 ** (math.floor(math.log10(self._axis.span)) - 2)

    def sent(self) -> dict[str, Any]:
        """The question, and how far apart and how exact its guesses are."""
        return {**super().sent(), "step": self.step, "decimals": self._axis.decimals}

    def read_guess(self, guess: Any) -> float | None:
        """Return a number of the range, a whole one where the range is of whole ones."""
        if guess is None:
            return None
        number = self._axis.read(guess, "the guess")
        return round(number) if self.step == 1 else number

    def read_truth(self, truth: Any) -> float:
        """Return a number of the range."""
        return self._axis.read(truth, "the truth")

    def find(self, guess: Any, truth: Any) -> Finding:
        """Say how much more or less it is."""
        said = self._axis.said
        yours = "no guess" if guess is None else self.with_unit(guess)
        if truth is None:
            return Finding(yours)
        is_so = self.with_unit(truth)
        if guess is None:
            return Finding(yours, is_so, "", f"{NO_GUESS} It is {is_so}.")
        gap = said(abs(truth - guess))
        if gap == "0":
            return Finding(yours, is_so, "nothing", f"You guessed {yours}, and so it is.")
        missed = f"{gap} {'more' if truth > guess else 'less'}"
        sentence = f"You guessed {yours}, and it is {said(truth)}: {missed}."
        return Finding(yours, is_so, missed, sentence)

    def said(self, number: float) -> str:
        """A number, without its unit."""
        return self._axis.said(number)

    def with_unit(self, number: float) -> str:
        """A number and its unit."""
        return f"{self.said(number)} {self.unit}".rstrip()


@dataclass(frozen=True)
class Choice(Question):
    """Which one?"""

    text: str
    options: tuple[str, ...]

    def __post_init__(self) -> None:
        _checked_text(self.text)
        texts = all(isinstance(option, str) and option.strip() for option in self.options)
        if not texts or len(set(self.options)) != len(self.options) or len(self.options) < 2:
            raise GuessError("options should be two or more different texts")

    def read_guess(self, guess: Any) -> str | None:
        """Return one of the options."""
        return None if guess is None else self._read(guess, "the guess")

    def read_truth(self, truth: Any) -> str:
        """Return one of the options."""
        return self._read(truth, "the truth")

    def _read(self, option: Any, what: str) -> str:
        if not isinstance(option, str) or option not in self.options:
            raise GuessError(f"{what}, {option!r}, is none of {', '.join(self.options)}")
        return option

    def find(self, guess: Any, truth: Any) -> Finding:
        """Say which one it is."""
        yours = "no guess" if guess is None else guess
        if truth is None:
            return Finding(yours)
        if guess is None:
            return Finding(yours, truth, "", f"{NO_GUESS} It is {truth}.")
        if guess == truth:
            return Finding(yours, truth, "nothing", f"You chose {truth}, and so it is.")
        return Finding(yours, truth, "another one", f"You chose {guess}, and it is {truth}.")


@dataclass(frozen=True)
class Curve(Question):
    """How does it go? A guess is a list of COLUMNS heights, None where nothing is drawn."""

    text: str
    x: Axis
    y: Axis

    def __post_init__(self) -> None:
        _checked_text(self.text)

    def sent(self) -> dict[str, Any]:
        """The question, and how many heights a drawn curve has."""
        return {"text": self.text, "x": self.x.sent(), "y": self.y.sent(), "columns": COLUMNS}

    @property
    def places(self) -> list[float]:
        """The x of each column."""
        return [self.x.low + self.x.span * i / (COLUMNS - 1) for i in range(COLUMNS)]

    def read_guess(self, guess: Any) -> list[float | None] | None:
        """Return the heights; a curve without any is none."""
        if guess is None:
            return None
        if not isinstance(guess, list) or len(guess) != COLUMNS:
            raise GuessError(f"a drawn curve is a list of {COLUMNS} heights")
        read = [None if at is None else self.y.read(at, "a height") for at in guess]
        return None if all(at is None for at in read) else read

    def read_truth(self, truth: Any) -> list[list[float]]:
        """Return [[x, y], ...] in the order of x."""
        if not isinstance(truth, (tuple, list)) or len(truth) != 2:
            raise GuessError("the truth of a curve is a pair: all its x, and all its y")
        xs, ys = (_listed(side, name) for side, name in zip(truth, "xy", strict=True))
        if len(xs) != len(ys):
            raise GuessError(f"the truth has {len(xs)} x and {len(ys)} y; each x needs its y")
        if len(xs) < 2:
            raise GuessError("the truth of a curve has at least two points")
        points = sorted(
            [self.x.read(x, "an x of the truth"), self.y.read(y, "a y of the truth")]
            for x, y in zip(xs, ys, strict=True)
        )
        if len({x for x, _ in points}) < len(points):
            raise GuessError("the truth has an x twice")
        return points

    def find(self, guess: Any, truth: Any) -> Finding:
        """Say at which measured x the two part most."""
        if truth is None:
            return Finding("no guess" if guess is None else "a curve")
        (x0, y0), (x1, y1) = truth[0], truth[-1]
        ends = [f"{self.y.said(y)} at {self.x.said(x)}" for x, y in ((x0, y0), (x1, y1))]
        measured = f"from {ends[0]} to {ends[1]}"
        if guess is None:
            return Finding("no guess", measured, "", NO_GUESS)
        gaps = [
            (abs(y - drawn), x, y, drawn)
            for x, y in truth
            if (drawn := self.height(guess, x)) is not None
        ]
        if not gaps:
            sentence = "Nothing was measured where you drew, so the two cannot be compared."
            return Finding("a curve", measured, "", sentence)
        gap, x, y, drawn = max(gaps, key=lambda found: found[0])
        at = f"{self.x.label} {self.x.said(x)}"
        said = self.y.said
        if gap <= _NEAR * self.y.span:
            sentence = f"Your curve and the truth part nowhere by more than {said(gap)}."
            return Finding("a curve", measured, f"at most {said(gap)}", sentence)
        way = "higher" if y > drawn else "lower"
        return Finding(
            f"{said(drawn)} at {at}",
            f"{said(y)} at {at}",
            f"{said(gap)} {way}",
            f"They part most at {at}: {self.y.label} is {said(gap)} {way} than you drew.",
            (x, y, drawn),
        )

    def height(self, guess: list[float | None], x: float) -> float | None:
        """How high the drawn curve is at `x`; None where nothing is drawn."""
        at = (x - self.x.low) / self.x.span * (COLUMNS - 1)
        left = min(math.floor(at + 1e-9), COLUMNS - 1)
        part = max(0.0, at - left)
        here = guess[left]
        if part < 1e-6 or here is None:
            return here if part < 1e-6 else None
        there = guess[left + 1]
        return None if there is None else here + (there - here) * part


def _listed(side: Any, name: str) -> Sequence[Any]:
    if isinstance(side, (Tensor, np.ndarray)):
        side = side.tolist()
    if isinstance(side, (str, bytes)) or not hasattr(side, "__iter__"):
        raise GuessError(f"the {name} of the truth should be a sequence of numbers")
    return list(side)


def _checked_text(text: object) -> None:
    if not isinstance(text, str) or not text.strip():
        raise GuessError("a question is a text")
