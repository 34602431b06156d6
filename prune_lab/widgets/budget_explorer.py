"""BudgetExplorer: so many bytes, milliseconds and points at most, and which model meets them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

import traitlets
from matplotlib.figure import Figure

from prune_lab.device.candidates import Candidate, recorded
from prune_lab.widgets.dialogue import Layout
from prune_lab.widgets.frontend import script
from prune_lab.widgets.panel import Panel
from prune_lab.widgets.sensitivity_explorer import COLOURS

_LIMITS = ("most_bytes", "most_milliseconds", "most_points")


class BudgetExplorer(Panel):
    """Say what a device has room for, and see which model to take.

    Each dot is a model: how large its file is, and how many points of accuracy it has lost to the
    first one. A model **meets** the budget if it keeps to all three limits; of those that do, the
    most accurate is taken, of equals the smallest. It is chosen on validation digits, and the panel
    then tells how many test digits it reads. All of that happens in the browser.

    The attributes below may be observed and set.

    Attributes:
        most_bytes: how large the file may be.
        most_milliseconds: how long one image may take.
        most_points: how many percentage points of accuracy may be lost, on validation digits.

    Args:
        candidates: two or more, the first is what others are held to; those that PruneLab has
            measured (`prune_lab.device.candidates.recorded`) if left out.
        most_bytes, most_milliseconds, most_points: no limit if left out.
        layout: of the panel, as every ipywidget takes it.

    Raises:
        ValueError: fewer than two candidates, or one with a number that is none.
        TraitError: a limit that is not above 0 (points: not 0 or more).

    >>> small = Candidate("small", "cut", 900, milliseconds=0.1, validation=0.97, test=0.98)
    >>> large = Candidate("large", "dense", 9000, milliseconds=0.4, validation=0.99, test=0.99)
    >>> explorer = BudgetExplorer([large, small])
    >>> explorer.best.name
    'large'
    >>> explorer.most_bytes = 1000
    >>> explorer
    BudgetExplorer(most_bytes=1000, most_milliseconds=0.4, most_points=2, best='small')
    >>> explorer.close()
    """

    _esm = script("budget_explorer.js")
    _controls = _LIMITS

    candidates = traitlets.List(
        traitlets.Dict(), help="of each: name, recipe, bytes, milliseconds, validation, test"
    ).tag(sync=True)
    most_bytes = traitlets.Float(help="of the file, at most")
    most_milliseconds = traitlets.Float(help="for one image, at most")
    most_points = traitlets.Float(help="of accuracy, lost to the first candidate, at most")

    def __init__(
        self,
        candidates: Sequence[Candidate] | None = None,
        *,
        most_bytes: float | None = None,
        most_milliseconds: float | None = None,
        most_points: float | None = None,
        layout: Layout = None,
    ) -> None:
        self._all = tuple(recorded() if candidates is None else candidates)
        _must_be_candidates(self._all)
        super().__init__(layout)
        self.candidates = [{**asdict(one), "lost": self._points(one)} for one in self._all]
        limits = (most_bytes, most_milliseconds, most_points)
        largest = [max(values) for values in zip(*map(self._costs, self._all), strict=True)]
        for name, limit, most in zip(_LIMITS, limits, largest, strict=True):
            setattr(self, name, most if limit is None else limit)

    @property
    def best(self) -> Candidate | None:
        """The most accurate candidate that meets the budget, None if there is none."""
        limits = [getattr(self, name) for name in _LIMITS]
        meeting = [
            one
            for one in self._all
            if all(cost <= limit for cost, limit in zip(self._costs(one), limits, strict=True))
        ]
        return min(meeting, key=lambda one: (-one.validation, one.bytes), default=None)

    def _costs(self, one: Candidate) -> tuple[float, float, float]:
        return one.bytes, one.milliseconds, self._points(one)

    def _points(self, one: Candidate) -> float:
        """Percentage points lost to the first; one that reads more has lost none."""
        return round(max(0.0, 100 * (self._all[0].validation - one.validation)), 9)

    def refresh(self) -> None:
        """Look again: there is no model behind the candidates that could have changed."""

    @traitlets.validate(*_LIMITS)
    def _valid_limit(self, proposal: traitlets.Bunch) -> float:
        with self._refusing():
            name, limit = proposal.trait.name, proposal.value
            if not (limit > 0 or (name == "most_points" and limit == 0)):
                raise traitlets.TraitError(f"{name}={limit:g} should be above 0")
            return float(limit)

    # How it shows itself without a browser

    def __repr__(self) -> str:
        limits = ", ".join(f"{name}={getattr(self, name):.6g}" for name in _LIMITS)
        return f"BudgetExplorer({limits}, best={None if self.best is None else self.best.name!r})"

    def _figure(self) -> Figure:
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        ax = figure.subplots()
        recipes = dict.fromkeys(one.recipe for one in self._all)
        for recipe, colour in zip(recipes, COLOURS * len(recipes), strict=False):
            of = [one for one in self._all if one.recipe == recipe]
            lost = [self._points(one) for one in of]
            ax.scatter([one.bytes for one in of], lost, color=colour, label=f" {recipe}")
        if self.best is not None:
            at = ([self.best.bytes], [self._points(self.best)])
            ax.scatter(*at, s=160, facecolor="none", edgecolor="grey", label=" the one to take")
        ax.axvline(self.most_bytes, color="grey", linestyle="--", linewidth=1)
        ax.axhline(self.most_points, color="grey", linestyle="--", linewidth=1)
        ax.set(xscale="log", xlabel="bytes of the file", ylabel="points lost (validation)")
        ax.invert_yaxis()
        ax.spines[["top", "right"]].set_visible(False)
        for text in figure.legend(loc="outside right upper", frameon=False).get_texts():
            text.set_parse_math(False)  # "$" in a name must not start a formula
        return figure


def _must_be_candidates(candidates: Sequence[Candidate]) -> None:
    if len(candidates) < 2:
        raise ValueError(f"candidates should be two or more to choose from, not {len(candidates)}")
    for one in candidates:
        if not (0 < one.bytes < math.inf and 0 < one.milliseconds < math.inf):
            raise ValueError(f"{one.name}: bytes and milliseconds should be numbers above 0")
        if not (0 <= one.validation <= 1 and 0 <= one.test <= 1):
            raise ValueError(f"{one.name}: accuracies should be from 0 to 1")
