"""The amount of a technique, as a fraction and as a count, in Python and in the browser."""

from __future__ import annotations

from typing import Any

import traitlets

from prune_lab.widgets.choosing import Choosing
from prune_lab.widgets.ranking import Positions, Ranking


class Amount(traitlets.TraitType[Any, Any]):
    """An int or a float, and 1 (one unit) is not 1.0 (all of them)."""

    info_text = "a count (int) or a fraction (float)"

    def set(self, obj: traitlets.HasTraits, value: Any) -> None:
        """Store and announce; traitlets alone would be silent from 1 to 1.0, which are equal."""
        assert self.name is not None  # traitlets names every trait
        new = self._validate(obj, value)
        old = obj._trait_values.get(self.name, self.default_value)
        obj._trait_values[self.name] = new
        if type(old) is not type(new) or old != new:
            obj._notify_trait(self.name, old, new)


class Amounting(Choosing):
    """Has one amount, for what the chosen technique ranks.

    In the browser it is ``["fraction", share]`` or ``["count", number, of so many]``.
    """

    _linked = ("amount",)

    amount = Amount(0.3, help="float: a fraction; int: a count").tag(sync=True, echo_update=False)
    units = traitlets.Int(0, help="how many can go").tag(sync=True)
    ways = traitlets.List(traitlets.Unicode(), help="how the amount can be given").tag(sync=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._ranking: Ranking = Positions({}, 0)
        self._amount_of = 0  # how many units there are of which `amount` is a count
        super().__init__(*args, **kwargs)

    def _count(self) -> int:
        """How many units go."""
        return self._chosen.count(self.amount, self._ranking.units)

    def _take_ranking(self, ranking: Ranking, anew: bool) -> None:
        """Rank by this from now on, and keep the amount's meaning."""
        self._ranking = ranking
        before = self._amount_of
        self.units = ranking.units
        self.ways = list(self._chosen.ways)
        if self.ways:
            self._amount_of = self.units
            self.amount = self._chosen.fitted(self.amount, self.units, before, anew)

    def _amount_from(self, kind: str, number: float, of: int = 0) -> int | float:
        """The amount from the slider: a count is one ``of`` so many, and that may have changed."""
        if kind not in self.ways:  # the slider was moved while another technique was on its way
            share = number if kind == "fraction" else number / max(1, of)
            return share if kind == "count" else round(share * self.units)
        if kind == "fraction":
            return float(number)
        return int(number) if of == self.units else round(number / max(1, of) * self.units)

    def _choose(self, choices: dict[str, Any]) -> None:
        amount = choices.pop("amount", None)
        before = self.amount
        # First the amount: all else is sent at once, and so was chosen after it.
        if amount is not None and self.ways:
            self.amount = self._amount_from(*amount)
        try:
            super()._choose(choices)
        except Exception:
            self.amount = before
            raise

    def _stand(self) -> dict[str, Any]:
        by_count = isinstance(self.amount, int)
        amount = ["count", self.amount, self._amount_of] if by_count else ["fraction", self.amount]
        return {**super()._stand(), "amount": amount}

    @traitlets.validate("amount")
    def _valid_amount(self, proposal: traitlets.Bunch) -> int | float:
        with self._refusing():
            return self._chosen.checked(proposal.value, self._ranking.units)
