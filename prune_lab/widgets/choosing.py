"""The part of a panel in which a technique is chosen, and the seed that a random one draws with."""

from __future__ import annotations

from typing import Any

import traitlets

from prune_lab import prune
from prune_lab.widgets.panel import Panel
from prune_lab.widgets.technique import Settings, Technique
from prune_lab.widgets.techniques import TECHNIQUES, Own

LARGEST_SEED = 2**32 - 1


class Choosing(Panel):
    """Chooses among the techniques that the panel can show, and a class of the reader's own.

    A subclass says what it can show in ``_offers``.
    """

    technique = traitlets.Unicode("l1_unstructured", help="how to prune")
    seed = traitlets.Int(1, help="for the random techniques")
    techniques = traitlets.List(traitlets.Dict(), help="the menu").tag(sync=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._all = dict(TECHNIQUES)
        super().__init__(*args, **kwargs)

    def _offers(self, technique: Technique) -> bool:
        """Tell whether the panel can show a technique."""
        raise NotImplementedError

    def _take_technique(self, technique: str | type[prune.BasePruningMethod]) -> str:
        """Return a technique's name; a class of the reader's own is in the menu from now on.

        Raises:
            TypeError: neither a name nor such a class.
        """
        if isinstance(technique, str):
            return technique
        own = Own(technique)
        self._all[own.value] = own
        return own.value

    @property
    def _chosen(self) -> Technique:
        return self._all[self.technique]

    def _settings(self, number: int = 0, technique: Technique | None = None) -> Settings:
        """What was chosen beside technique and amount; the ``number``-th layer draws apart."""
        return Settings((technique or self._chosen).options, self.seed + number)

    def _menu(self) -> list[dict[str, Any]]:
        return [one.offer() for one in self._all.values() if self._offers(one)]

    def _not_offered(self, technique: str) -> str:
        offered = ", ".join(entry["value"] for entry in self._menu())
        return f"technique={technique!r} is not offered{self._where()}; choose one of {offered}"

    def _where(self) -> str:
        """Words that say for what a technique is not offered."""
        return ""

    @traitlets.validate("technique")
    def _valid_technique(self, proposal: traitlets.Bunch) -> str:
        with self._refusing():
            known = self._all.get(proposal.value)
            if known is None or not self._offers(known):
                raise ValueError(self._not_offered(proposal.value))
            return known.value

    @traitlets.validate("seed")
    def _valid_seed(self, proposal: traitlets.Bunch) -> int:
        with self._refusing():
            if not 0 <= proposal.value <= LARGEST_SEED:
                raise ValueError(f"seed={proposal.value} should lie between 0 and {LARGEST_SEED}")
            return int(proposal.value)
