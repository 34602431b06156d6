"""The panels that ask, and that lay the truth over the guess."""

from __future__ import annotations

from typing import Any, ClassVar

import traitlets
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from prune_lab import plots
from prune_lab.course.guesses.asked import Asked
from prune_lab.course.guesses.questions import Choice, Curve, Number
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
    _size: ClassVar[tuple[float, float]] = (6.4, 1.7)  # inches

    guess = traitlets.Any(None, allow_none=True, help="as JSON has it")
    truth = traitlets.Any(None, allow_none=True, help="as JSON has it").tag(sync=True)
    question = traitlets.Dict(help="what is asked").tag(sync=True)
    sentence = traitlets.Unicode(help="where guess and truth part").tag(sync=True)
    gap = traitlets.Any(None, help="of curves: where they part most").tag(sync=True)

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        asked.panel = type(self)
        super().__init__()
        self.question = asked.question.sent()
        self.truth = asked.truth
        self._look()
        asked.panels.add(self)
        self.observe(lambda change: asked.keep(change.new), "guess")

    def refresh(self) -> None:
        """Show what is kept now; another panel may show the same question."""
        self._look()

    def _look(self) -> None:
        asked = self._asked
        found = asked.question.find(asked.guess, self.truth)
        with self.hold_sync():
            self.guess, self.sentence, self.gap = asked.guess, found.sentence, found.gap
        if asked.problem:
            self._say(asked.problem, failed=True)

    @traitlets.validate("guess")
    def _check_guess(self, proposal: traitlets.Bunch) -> Any:
        return self._asked.question.read_guess(proposal.value)

    def __repr__(self) -> str:
        truth = "" if self.truth is None else f", truth={self._short(self.truth)}"
        guess = None if self.guess is None else self._short(self.guess)
        return f"{type(self).__name__}({self._asked.name!r}, guess={guess}{truth})"

    def _short(self, value: Any) -> str:
        """A guess or a truth in few words."""
        return repr(value)

    def _words(self) -> str:
        """The panel in words, for those who do not see it."""
        found = self._asked.question.find(self.guess, self.truth)
        known = f" The truth: {found.truth}." if found.truth else ""
        return f"{self._asked.question.text} Your guess: {found.guess}.{known} {self.sentence}"

    def _figure(self) -> Figure:
        figure = Figure(figsize=self._size, layout="constrained")
        ax = figure.subplots()
        ax.set_title(self._asked.question.text, fontsize=11, loc="left", wrap=True)
        ax.spines[["top", "right"]].set_visible(False)
        self._draw(ax)
        if said := self.sentence or ("" if self.guess is not None else "No guess yet."):
            figure.supxlabel(said, fontsize=10, x=0.01, ha="left")
        return figure

    def _draw(self, ax: Axes) -> None:
        raise NotImplementedError

    def _repr_mimebundle_(
        self, **kwargs: dict[Any, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]] | None:
        shown = super()._repr_mimebundle_(**kwargs)
        if shown is None:
            return None
        bundle, metadata = shown
        return bundle, {**metadata, "image/png": {"alt": self._words().strip()}}


class GuessNumber(GuessPanel):
    """A number on a line."""

    _esm = script("guess_number.js")

    def _short(self, value: Any) -> str:
        question = self._asked.question
        assert isinstance(question, Number)
        return question.said(value)

    def _draw(self, ax: Axes) -> None:
        question = self._asked.question
        assert isinstance(question, Number)
        ax.set_xlim(question.low, question.high)
        ax.set_ylim(-1, 1)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        ax.set_xlabel(question.unit)
        marks = [("your guess", self.guess, YOURS, "v", 0.3), ("the truth", self.truth, TRUTH, "^", -0.3)]
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

    def _draw(self, ax: Axes) -> None:
        question = self._asked.question
        assert isinstance(question, Choice)
        ax.axis("off")
        count = len(question.options)
        ax.figure.set_size_inches(6.4, 0.9 + 0.28 * count)
        ax.set_ylim(count - 0.5, -0.5)
        ax.set_xlim(0, 1)
        for row, option in enumerate(question.options):
            notes = ["your guess"] * (option == self.guess) + ["the truth"] * (option == self.truth)
            colour = TRUTH if option == self.truth else YOURS if option == self.guess else "black"
            mark = "●" if option == self.guess else "○"
            said = f"{option} — {', '.join(notes)}" if notes else option
            ax.text(0.01, row, mark, color=YOURS, va="center")
            ax.text(0.05, row, said, color=colour, va="center")


class GuessCurve(GuessPanel):
    """A curve to draw."""

    _esm = script("guess_curve.js")
    _size = (6.4, 3.6)

    def _short(self, value: Any) -> str:
        return f"{sum(at is not None for at in value)} points"

    def _draw(self, ax: Axes) -> None:
        question = self._asked.question
        assert isinstance(question, Curve)
        ax.set_xlim(question.x.low, question.x.high)
        ax.set_ylim(question.y.low, question.y.high)
        ax.set_xlabel(question.x.label)
        ax.set_ylabel(question.y.label)
        if self.guess is not None:
            heights = [float("nan") if at is None else at for at in self.guess]
            ax.plot(question.places, heights, "--", color=YOURS, linewidth=2, label="your guess")
        if self.truth is not None:
            xs, ys = zip(*self.truth, strict=True)
            ax.plot(xs, ys, "o-", color=TRUTH, linewidth=2, markersize=4, label="the truth")
        if self.guess is not None or self.truth is not None:
            ax.legend(frameon=False)
