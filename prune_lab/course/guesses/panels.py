"""The panels that ask, and that lay the truth over the guess."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prune_lab import plots
from prune_lab.course.guesses.asked import Asked
from prune_lab.course.guesses.questions import Choice, Curve, GuessError, Number, Question
from prune_lab.widgets.dialogue import one_at_a_time
from prune_lab.widgets.frontend import script
from prune_lab.widgets.panel import Panel

YOURS, TRUTH = plots.RAMP[0], plots.RAMP[-1]


class GuessPanel(Panel):
    """A question, the learner's guess, and the truth where it is known.

    Attributes:
        guess: what the learner guesses, None for no guess.
        truth: what was revealed; None in a panel that asks.
        sentence: where they part.
    """

    _controls = ("guess",)
    _question: Question
    _height = 1.7  # of its picture, in inches

    guess = traitlets.Any(None, allow_none=True, help="as JSON has it")
    truth = traitlets.Any(None, allow_none=True, help="as JSON has it").tag(sync=True)
    question = traitlets.Dict(help="what is asked").tag(sync=True)
    sentence = traitlets.Unicode(help="where guess and truth part").tag(sync=True)
    gap = traitlets.Any(None, help="of curves: where they part most").tag(sync=True)

    def __init__(self, asked: Asked, truth: Any = None) -> None:
        self._asked, self._question = asked, asked.question
        super().__init__()
        self.question, self.truth = asked.question.sent(), truth
        with one_at_a_time:
            self.refresh()
            asked.panels.add(self)
            self.observe(lambda change: asked.keep(change.new), "guess")

    def refresh(self) -> None:
        """Show the guess that is kept now; it may have been made in another panel."""
        asked = self._asked
        found = asked.question.find(asked.guess, self.truth)
        with self.hold_sync():
            self.guess, self.sentence, self.gap = asked.guess, found.sentence, found.gap
        if asked.problem or self.failed:
            self._say(asked.problem, failed=bool(asked.problem))

    @traitlets.validate("guess")
    def _check_guess(self, proposal: traitlets.Bunch) -> Any:
        try:
            return self._question.read_guess(proposal.value)
        except GuessError as error:
            # Of no other error does traitlets know that the value must not become a change.
            raise traitlets.TraitError(str(error)) from error

    def __repr__(self) -> str:
        truth = "" if self.truth is None else f", truth={self._short(self.truth)}"
        guess = None if self.guess is None else self._short(self.guess)
        return f"{type(self).__name__}({self._asked.name!r}, guess={guess}{truth})"

    def _short(self, value: Any) -> str:
        """A guess or a truth in few words."""
        return repr(value)

    def _words(self) -> str:
        """The panel in words, for those who do not see it."""
        found = self._question.find(self.guess, self.truth)
        known = f" The truth: {found.truth}." if found.truth else ""
        return f"{self._question.text} Your guess: {found.guess}.{known} {self.sentence}".strip()

    def _figure(self) -> Figure:
        figure = Figure(figsize=(6.4, self._height), layout="constrained")
        ax = figure.subplots()
        ax.set_title(fill(self._question.text, 64), fontsize=11, loc="left")
        ax.spines[["top", "right"]].set_visible(False)
        self._draw(ax)
        if said := self.sentence or ("" if self.guess is not None else "No guess yet."):
            figure.supxlabel(fill(said, 80), fontsize=10, x=0.01, ha="left")
        return figure

    def _draw(self, ax: Axes) -> None:
        raise NotImplementedError


class GuessNumber(GuessPanel):
    """A number on a line."""

    _esm = script("guess_number.js")
    _question: Number

    def _short(self, value: Any) -> str:
        return self._question.said(value)

    def _draw(self, ax: Axes) -> None:
        question = self._question
        ax.set_xlim(question.low, question.high)
        ax.set_ylim(-1, 1)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(question.unit)
        marks = [("your guess", self.guess, YOURS, "v", 0.3)]
        marks += [("the truth", self.truth, TRUTH, "^", -0.3)]
        for label, at, colour, shape, height in marks:
            if at is not None:
                ax.plot([at], [0], shape, color=colour, markersize=9, clip_on=False)
                ax.annotate(
                    f"{label}: {question.with_unit(at)}",
                    (at, height),
                    color=colour,
                    ha="left" if at < (question.low + question.high) / 2 else "right",
                    va="bottom" if height > 0 else "top",
                    annotation_clip=False,
                )


class GuessChoice(GuessPanel):
    """One of a few options."""

    _esm = script("guess_choice.js")
    _question: Choice

    def __init__(self, asked: Asked, truth: Any = None) -> None:
        super().__init__(asked, truth)
        self._height = 0.9 + 0.28 * len(self._question.options)

    def _draw(self, ax: Axes) -> None:
        question = self._question
        ax.axis("off")
        count = len(question.options)
        ax.set_ylim(count - 0.5, -0.5)
        ax.set_xlim(0, 1)
        for row, option in enumerate(question.options):
            notes = ["your guess"] * (option == self.guess) + ["the truth"] * (option == self.truth)
            colour = TRUTH if option == self.truth else YOURS if option == self.guess else None
            mark, grey = ("●", YOURS) if option == self.guess else ("○", plots.PRUNED_HATCH)
            said = f"{option} — {', '.join(notes)}" if notes else option
            ax.text(0.01, row, mark, color=grey, va="center")
            ax.text(0.05, row, said, color=colour, va="center")


class GuessCurve(GuessPanel):
    """A curve to draw."""

    _esm = script("guess_curve.js")
    _question: Curve
    _height = 3.6

    def _short(self, value: Any) -> str:
        return f"{sum(at is not None for at in value)} points"

    def _draw(self, ax: Axes) -> None:
        question = self._question
        ax.set_xlim(question.x.low, question.x.high)
        ax.set_ylim(question.y.low, question.y.high)
        ax.set_xlabel(question.x.label)
        ax.set_ylabel(question.y.label)
        if self.guess is not None:
            heights = [float("nan") if at is None else at for at in self.guess]
            ax.plot(question.places, heights, color=YOURS, linewidth=3.5, label="your guess")
        if self.truth is not None:
            xs, ys = zip(*self.truth, strict=True)
            ax.plot(xs, ys, "o-", color=TRUTH, linewidth=2, markersize=4, label="the truth")
        if self.guess is not None or self.truth is not None:
            ax.legend(frameon=False)
