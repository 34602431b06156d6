"""The accuracy against the amount, for one ranking: a curve, and the point at the slider."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import traitlets
from torch import Tensor

from prune_lab.inspection import hash_of
from prune_lab.prune.amounts import count
from prune_lab.widgets.in_browser import Carried
from prune_lab.widgets.measuring import Measuring, Question
from prune_lab.widgets.parameters import Parameters, State
from prune_lab.widgets.ranking import Positions, Ranking
from prune_lab.widgets.trial import Trial, images_and_labels

POINTS = 20  # steps of the amount at which the accuracy is measured

Basis = tuple[State, Hashable]


class AccuracyCurve(Measuring):
    """Measures one ranking at several amounts, and at the one that is chosen.

    A subclass has ``_parameters``, ``_ranking`` and ``_count()``.

    Args:
        data: ends in images and labels; None: nothing is measured.
    """

    measures = traitlets.Bool(help="whether there is data to measure the accuracy on").tag(
        sync=True
    )
    curve = traitlets.List(
        traitlets.List(), help="[share of what can go, accuracy], as far as measured"
    ).tag(sync=True)
    accuracy = traitlets.List([-1, 0.0], help="[count, the accuracy at it]").tag(sync=True)
    progress = traitlets.Float(1.0, help="share of the curve that is measured").tag(sync=True)
    measuring = traitlets.Bool(help="whether the curve is being measured").tag(sync=True)

    _parameters: Parameters
    _ranking: Ranking

    def __init__(self, *args: Any, data: Sequence[Tensor] | None, **kwargs: Any) -> None:
        if data is not None:
            images_and_labels(data)
        self._data = data
        self._trial: tuple[State, Trial] | None = None  # and of which rest of the model it is
        self._of: tuple[Ranking, State, Basis] | None = None  # what the basis was found for
        self._copied: tuple[Basis, dict[str, Tensor]] | None = None
        super().__init__(*args, **kwargs)

    def _count(self) -> int:
        raise NotImplementedError

    def _trial_of(self) -> Trial | None:
        if self._data is None:
            return None
        rest, _ = self._basis()
        if self._trial is None or self._trial[0] != rest:
            self._trial = rest, Trial(self._parameters.model, self._data)
        return self._trial[1]

    def _questions(self) -> tuple[Sequence[Question], Sequence[Question]]:
        basis, ranking, values = self._basis(), self._ranking, self._values()

        def question(at: int) -> Question:
            return Question((basis, at), _masked(values, ranking, at))

        counts = [at for _, at in self._points()]
        first = [question(0), question(self._count())] if 0 in counts else [question(self._count())]
        return first, [question(at) for at in counts]

    def _key_of(self, counts: Mapping[str, int]) -> Hashable:
        return self._basis(), next(iter(counts.values()), 0)

    def _carried_key(self) -> Hashable:
        return self._data is not None and self._basis()

    def _carried(self) -> Carried | None:
        trial, ranking = self._trial_of(), self._ranking
        if trial is None or not isinstance(ranking, Positions):
            return None
        values = _masked(self._values(), ranking, 0)()
        return Carried(trial, values, [ranking] if len(ranking.names) > 1 else [])

    def _show_measured(self) -> None:
        if self._data is None:
            return
        basis, now, points = self._basis(), self._count(), self._points()
        curve = [
            [share, self._measured[basis, at]]
            for share, at in points
            if (basis, at) in self._measured
        ]
        known = self._measured.get((basis, now))
        with self.hold_sync():
            self.curve = curve
            self.accuracy = [-1, 0.0] if known is None else [now, known]
            self.progress = len(curve) / len(points) if points else 1.0
            self.measuring = len(curve) < len(points) and self._works and not self._halted

    def _points(self) -> list[tuple[float, int]]:
        """Where the curve is measured: shares of the units that can go, and their counts."""
        units = self._ranking.units
        steps = min(POINTS, units)
        shares = [step / steps for step in range(steps + 1)] if units else []
        return [(round(share, 4), count(share, units)) for share in shares]

    def _basis(self) -> Basis:
        """What the curve depends on: the other parameters, and the ranked ones with their order."""
        ranking, state = self._ranking, self._parameters.seen
        if self._of is None or self._of[0] is not ranking or self._of[1] is not state:
            other = (
                entry
                for entry in state
                if entry[0].removesuffix("_orig").removesuffix("_mask") not in ranking.names
            )
            values = tuple(hash_of(self._parameters[name].values.cpu()) for name in ranking.names)
            self._of = ranking, state, (tuple(other), (ranking.key(), values))
        return self._of[2]

    def _values(self) -> dict[str, Tensor]:
        """Copies of the ranked parameters: a cell may change them while they are measured."""
        basis = self._basis()
        if self._copied is None or self._copied[0] != basis:
            values = {name: self._parameters[name].values.clone() for name in self._ranking.names}
            self._copied = basis, values
        return self._copied[1]


def _masked(
    values: Mapping[str, Tensor], ranking: Ranking, at: int
) -> Callable[[], Mapping[str, Tensor]]:
    def masked() -> Mapping[str, Tensor]:
        masks = ranking.masks(at)
        return {name: tensor.where(masks[name], 0) for name, tensor in values.items()}

    return masked
