"""Layer by layer: every weight of a model with an amount of its own, under one technique."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

import traitlets
from torch import Tensor
from torch.nn.parameter import is_lazy

from prune_lab.prune.amounts import count
from prune_lab.widgets.applies import Applying, Ordered
from prune_lab.widgets.choosing import Choosing
from prune_lab.widgets.naming import literal
from prune_lab.widgets.ranking import Ranking
from prune_lab.widgets.technique import Calls, Order, Technique


class Weight(NamedTuple):
    """One prunable weight as it is without the panel's own Apply.

    Attributes:
        values: a copy, 0 where the mask is.
        mask: a copy, None where nothing is pruned.
    """

    values: Tensor
    mask: Tensor | None


class Layers(Choosing, Applying):
    """The part of a panel that prunes each weight by an amount of its own."""

    amounts = traitlets.Dict(
        value_trait=traitlets.Float(), key_trait=traitlets.Unicode(), help="what goes, by name"
    )
    layers = traitlets.List(
        traitlets.Dict(),
        help="of each weight: name, module and parameter as code; entries, channels and other "
        "units as runs of [how many units, entries in each], in the order in which they go; call, "
        "the code around the amount; then, the code after all calls",
    ).tag(sync=True)
    total = traitlets.Int(help="parameters of the model, biases and all").tag(sync=True)
    pruned = traitlets.Int(help="how many of them were pruned before, not from here").tag(sync=True)

    # What the reader asks

    @property
    def code(self) -> str:
        """The calls that prune as the sliders stand, one for each layer that loses something."""
        counts = self._counts()
        gone = [layer for layer in self.layers if counts[layer["name"]]]
        calls = [
            f"{before}{literal(self.amounts[layer['name']])}{after}"
            for layer in gone
            for before, after in [layer["call"]]
        ]
        return "\n".join([*calls, *dict.fromkeys(filter(None, (one["then"] for one in gone)))])

    @property
    def kept(self) -> int:
        """How many of the model's parameters are left, biases counted too."""
        counts = self._counts()
        gone = sum(_entries(self._runs(name), counts[name]) for name in self._weights)
        return self.total - self.pruned - gone

    def _ordered(self, asked: None) -> Ordered | None:
        counts, technique, parameters = self._counts(), self._chosen, self._parameters
        orders = [
            Order(technique, parameters, [name], self._settings(i), amount, self._ranking(name))
            for i, (name, amount) in enumerate(self.amounts.items())
            if counts[name]
        ]
        if not orders and not self._applies:
            self._say("Nothing to apply: every slider is at 0.")
            return None
        layers = f"{len(orders)} layer{'' if len(orders) == 1 else 's'}"
        return Ordered(
            orders,
            lambda: Calls(
                {
                    one.names[0]: technique.call(parameters[one.names[0]], one.settings, one.amount)
                    for one in orders
                }
            ),
            f"Applied to {layers}: {self.kept:,} of {self.total:,} parameters are left.",
            alone=True,
        )

    def reset(self) -> None:
        """Take every ``apply()`` back, and put all sliders to 0."""
        super().reset()
        self.amounts = {}

    def refresh(self) -> None:
        """Look at the model again; after each executed cell this happens by itself."""
        if self._parameters.changed():
            self._look()
            self._give_up()

    # The model

    def _look(self) -> None:
        """Take the weights as they are without our own Apply; whatever was measured is void."""
        self._background.cancel()
        parameters = self._parameters
        parameters.look()
        self._weights: dict[str, Weight] = {}
        names = parameters.checked_weights()
        for name, mask in self._applies.base_masks(names).items():
            values = parameters[name].values.clone()
            self._weights[name] = Weight(
                values if mask is None else values.where(mask != 0, 0), mask
            )
        self._rankings: dict[Hashable, Ranking] = {}
        self._forget()
        masks = self._applies.base_masks(parameters.places).values()
        with self.hold_sync():
            self.techniques = self._menu()
            self._write_layers()
            whole = [p for p in parameters.model.parameters() if not is_lazy(p)]
            self.total = sum(parameter.numel() for parameter in whole)
            self.pruned = sum(int((mask == 0).sum()) for mask in masks if mask is not None)
            self.amounts = {name: self.amounts.get(name, 0.0) for name in names}
            self.undoable = bool(self._applies)
        self._looked()

    def _forget(self) -> None:
        """Forget what was found out about the model as it was."""

    def _looked(self) -> None:
        """React to another model, or to other amounts."""

    def _take_own_work(self) -> None:
        """Our own Apply changes the model, but not what the curves are drawn from."""
        self._parameters.take_pruning(self._applies.seen())
        self.undoable = bool(self._applies)

    def _write_layers(self) -> None:
        self.layers = [self._layer(number, name) for number, name in enumerate(self._weights)]

    def _layer(self, number: int, name: str) -> dict[str, Any]:
        values, mask = self._weights[name]
        parameters = self._parameters
        runs: dict[str, list[tuple[int, int]]] = {}
        for one in (self._chosen, *filter(self._offers, self._all.values())):
            if one.units not in runs:
                runs[one.units] = one.runs(values, mask, self._settings(number, one))
        return {
            **runs,
            "name": name,
            "module": parameters.in_code(name),
            "parameter": literal(parameters[name].name),
            "call": self._chosen.code(parameters, [name], self._settings(number)),
            "then": parameters.twins_in_code([name]),
        }

    # The technique

    def _offers(self, technique: Technique) -> bool:
        return "fraction" in technique.ways and not technique.whole_model

    def _menu(self) -> list[dict[str, Any]]:
        return [
            {**entry, "options": self._all[entry["value"]].options_in_code()}
            for entry in super()._menu()
        ]

    def _runs(self, name: str) -> Sequence[Sequence[int]]:
        """How many units of a weight can go, and how many entries each has."""
        (runs,) = (layer[self._chosen.units] for layer in self.layers if layer["name"] == name)
        return runs

    def _units(self) -> dict[str, int]:
        """How many units of each weight can go."""
        kind = self._chosen.units
        return {layer["name"]: sum(units for units, _ in layer[kind]) for layer in self.layers}

    def _counts(self) -> dict[str, int]:
        """How many of them go, as the sliders stand."""
        units = self._units()
        return {name: count(amount, units[name]) for name, amount in self.amounts.items()}

    def _drawn(self) -> tuple[str, int]:
        """The technique, with the seed if that matters."""
        return self.technique, self.seed if self._chosen.random else 0

    def _ranking(self, name: str) -> Callable[[], Ranking]:
        """How to rank a weight as the controls stand: beside the kernel, and once."""
        known, key = self._rankings, (self._drawn(), name)
        technique, (values, mask) = self._chosen, self._weights[name]
        settings = self._settings(list(self._weights).index(name))

        def ranking() -> Ranking:
            if key not in known:
                known[key] = technique.rank({name: values}, {name: mask}, settings)
            return known[key]

        if technique.random:  # never beside the kernel, whose cells draw from the same generator
            ranking()
        return ranking

    # What is set

    def _choose(self, choices: dict[str, Any]) -> None:
        """Take the reader's choices; of the amounts come those that they moved."""
        if moved := choices.get("amounts"):
            choices["amounts"] = {**self.amounts, **moved}
        super()._choose(choices)

    @traitlets.observe("amounts")
    def _amounts_moved(self, change: object) -> None:
        if self.layers:
            with self._in_the_panel():
                self._looked()

    @traitlets.observe("technique", "seed")
    def _technique_chosen(self, change: object) -> None:
        if self.layers:
            with self._in_the_panel(), self.hold_sync():
                self._background.cancel()
                self._write_layers()
                self._looked()

    @traitlets.validate("amounts")
    def _valid_amounts(self, proposal: traitlets.Bunch) -> dict[str, float]:
        names = [layer["name"] for layer in self.layers]
        with self._refusing():
            for name, amount in proposal.value.items():
                if name not in names:
                    raise ValueError(f"no weight {name!r} to prune; there are {', '.join(names)}")
                if not 0 <= amount <= 1:
                    raise ValueError(f"amount={amount} of {name} should be a fraction in [0, 1]")
            return {name: float(proposal.value.get(name, 0.0)) for name in names}


def _entries(runs: Sequence[Sequence[int]], k: int) -> int:
    """How many entries the first ``k`` units have."""
    gone = 0
    for units, each in runs:
        gone += min(k, units) * each
        k = max(0, k - units)
    return gone
