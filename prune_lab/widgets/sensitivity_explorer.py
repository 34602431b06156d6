"""SensitivityExplorer: which layer bears how much pruning, and what all of it costs together."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import traitlets
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from prune_lab import prune
from prune_lab.prune.amounts import count
from prune_lab.widgets.applies import Applying
from prune_lab.widgets.choosing import Choosing
from prune_lab.widgets.dialogue import Layout
from prune_lab.widgets.frontend import script
from prune_lab.widgets.measuring import Measuring, Question
from prune_lab.widgets.naming import literal
from prune_lab.widgets.parameters import Parameters
from prune_lab.widgets.techniques import Call, Calls, Ranking, Technique
from prune_lab.widgets.trial import Trial, images_and_labels

STEPS = 20  # of the amount, on every curve
FIRST = range(0, STEPS + 1, STEPS // 4)  # the shape of every curve, before its details
COLOURS = ["#1f7ad1", "#c8690a", "#2f8f4e", "#b04fc2", "#c23b3b", "#0f8f94"]  # as in curve.js
IN_LEGEND = 12  # curves; more could not be told apart


class Weight(NamedTuple):
    """One prunable weight as it is without the panel's own Apply.

    Attributes:
        values: a copy, 0 where the mask is.
        mask: a copy, None where nothing is pruned.
    """

    values: Tensor
    mask: Tensor | None


class SensitivityExplorer(Choosing, Measuring, Applying):
    """See how much pruning each layer bears, and choose an amount for every one.

    There is a slider for every weight with two or more dimensions (biases are left out), and one
    that moves them all. A curve shows the accuracy when only that layer is pruned. Curves and
    accuracy are measured beside the kernel; ``stop()`` and ``go_on()`` hold the curves and take
    them up again. The size is what is left of the parameters: a mask makes nothing smaller by
    itself.

    Moving a slider previews: the model is left alone. ``apply()`` makes the calls that the panel
    shows, on the model as it was before any earlier ``apply()``; ``undo()`` takes the last one
    back, ``reset()`` all of them. After every executed cell the panel looks at the model again, and
    what a cell has changed is measured anew. The attributes below may be observed, and the first
    three be set.

    Attributes:
        amounts: by parameter name, the fraction that goes, 0 to 1, of what is not pruned yet.
            Names left out when it is set are 0.
        technique: name of a function in ``prune_lab.prune`` that prunes each layer by itself by a
            fraction (structured ones with n=2 and dim=0: whole filters or rows), or of the class
            that was given.
        seed: for the random techniques; the layers draw with ``seed``, ``seed + 1``, ..., so that
            layers of the same shape do not lose the same entries.
        curves: by parameter name, what is measured so far: ``(amount, accuracy)`` by amount.
        accuracy: of the model with all amounts together, 0 to 1; None until it is measured.
        baseline: the accuracy with all amounts at 0; None until it is measured.
        stopped: whether the curves are held.

    Args:
        model: any module with a weight to prune.
        data: ends in images and labels: ``load_digits()``, whose test part comes last, or a pair
            of tensors. The model's answer is the ``argmax`` over dimension 1.
        technique: one of those names, or a subclass of ``BasePruningMethod`` of your own, whose
            constructor takes an ``amount``.
        label: how the code calls the model; found among the caller's variables if left out.
        layout: of the panel, as every ipywidget takes it.

    Raises:
        TypeError: ``model`` is not an ``nn.Module``, or ``data`` does not end in two tensors.
        ValueError: there is no weight to prune, or a setting that does not fit.

    >>> from prune_lab.data import load_digits
    >>> from prune_lab.lenet import LeNet
    >>> model = LeNet()
    >>> explorer = SensitivityExplorer(model, load_digits())
    >>> explorer.amounts = {"conv1.weight": 0.3, "fc1.weight": 0.9}
    >>> explorer
    SensitivityExplorer(technique='l1_unstructured', layers=5, kept=18461/61706)
    >>> print(explorer.code)
    prune.l1_unstructured(model.conv1, name="weight", amount=0.3)
    prune.l1_unstructured(model.fc1, name="weight", amount=0.9)
    >>> explorer.close()
    """

    _esm = script("sensitivity_explorer.js")
    _controls = ("amounts", "technique", "seed")
    _buttons = ("apply", "undo", "reset", "stop", "go_on")

    amounts = traitlets.Dict(
        value_trait=traitlets.Float(), key_trait=traitlets.Unicode(), help="what goes, by name"
    )
    curves = traitlets.Dict(help="(amount, accuracy) pairs by name").tag(sync=True)
    accuracy = traitlets.Float(None, allow_none=True, help="with all amounts together").tag(
        sync=True
    )
    baseline = traitlets.Float(None, allow_none=True, help="with all amounts at 0").tag(sync=True)
    stopped = traitlets.Bool(help="whether the curves are held").tag(sync=True)
    basis = traitlets.Dict(
        help="the technique, seed and amounts that curves and accuracy belong to: the browser may "
        "be ahead of them"
    ).tag(sync=True)
    layers = traitlets.List(
        traitlets.Dict(),
        help="of each weight: name, module and parameter as code; entries, channels and other units "
        "as runs of [how many units, entries in each], in the order in which they go; call, the "
        "code around the amount; then, the code after all calls",
    ).tag(sync=True)
    total = traitlets.Int(help="parameters of the model, biases and all").tag(sync=True)
    pruned = traitlets.Int(help="how many of them were pruned before, not from here").tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        data: Sequence[Tensor],
        *,
        technique: str | type[prune.BasePruningMethod] = "l1_unstructured",
        seed: int = 1,
        label: str | None = None,
        layout: Layout = None,
    ) -> None:
        self._parameters = Parameters(model, label)
        self._parameters.checked_weights()
        images_and_labels(data)
        self._data = data
        super().__init__(layout)
        self.technique, self.seed = self._take_technique(technique), seed
        self._look()
        self.observe(self._amounts_moved, "amounts")
        self.observe(self._technique_chosen, ["technique", "seed"])

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

    def apply(self) -> None:
        """Make the calls that the panel shows: all of them or, where one fails, none."""
        self.refresh()
        counts, technique = self._counts(), self._chosen
        calls: dict[str, Call] = {
            name: technique.call(self._parameters[name], self._settings(i), amount)
            for i, (name, amount) in enumerate(self.amounts.items())
            if counts[name]
        }
        if not calls and not self._applies:
            self._say("Nothing to apply: every slider is at 0.")
            return
        self._applies.apply(Calls(calls), alone=True)
        self._take_own_work()
        layers = f"{len(calls)} layer{'' if len(calls) == 1 else 's'}"
        self._say(f"Applied to {layers}: {self.kept:,} of {self.total:,} parameters are left.")

    def reset(self) -> None:
        """Take every ``apply()`` back, and put all sliders to 0."""
        super().reset()
        self.amounts = {}

    def stop(self) -> None:
        """Hold the curves; what is measured stays, and the accuracy still follows the sliders."""
        self.stopped = True
        super().stop()

    def go_on(self) -> None:
        """Go on with the curves where they were held."""
        self.stopped = False
        super().go_on()

    def refresh(self) -> None:
        """Look at the model again; after each executed cell this happens by itself."""
        if self._parameters.changed():
            self._look()

    # The model

    def _look(self) -> None:
        """Take the weights as they are without our own Apply; whatever was measured is void."""
        self._background.cancel()
        parameters = self._parameters
        parameters.look()
        self._trial: Trial | None = None
        self._weights: dict[str, Weight] = {}
        names = parameters.checked_weights()
        for name, mask in self._applies.base_masks(names).items():
            values = parameters[name].values.clone()
            self._weights[name] = Weight(
                values if mask is None else values.where(mask != 0, 0), mask
            )
        self._rankings: dict[Hashable, Ranking] = {}
        self._measured.clear()
        masks = self._applies.base_masks(parameters.places).values()
        with self.hold_sync():
            self.techniques = self._menu()
            self._write_layers()
            whole = [p for p in parameters.model.parameters() if not is_lazy(p)]
            self.total = sum(parameter.numel() for parameter in whole)
            self.pruned = sum(int((mask == 0).sum()) for mask in masks if mask is not None)
            self.amounts = {name: self.amounts.get(name, 0.0) for name in names}
            self.undoable = bool(self._applies)
        self._measure()

    def _take_own_work(self) -> None:
        """Our own Apply changes the model, but not what the curves are drawn from."""
        self._parameters.look()
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

    # The accuracy

    def _trial_of(self) -> Trial:
        if self._trial is None:
            self._trial = Trial(self._parameters.model, self._data)
        return self._trial

    def _questions(self) -> tuple[Sequence[Question], Sequence[Question]]:
        whole = {name: weight.values for name, weight in self._weights.items()}
        rankings = {name: self._ranking(name) for name in whole}

        def question(counts: Mapping[str, int]) -> Question:
            def values() -> Mapping[str, Tensor]:
                gone = {name: rankings[name]().masks(k)[name] for name, k in counts.items() if k}
                return {**whole, **{n: whole[n].where(mask, 0) for n, mask in gone.items()}}

            return Question(self._key(counts), values)

        units = self._units()
        steps = sorted(range(STEPS + 1), key=lambda step: (step not in FIRST, step))
        points = ((name, count(step / STEPS, units[name])) for step in steps for name in whole)
        return (
            [question({}), question(self._counts())],
            [question({name: k}) for name, k in points],
        )

    def _key(self, counts: Mapping[str, int]) -> Hashable:
        """What the accuracy at so many units of each weight is remembered by."""
        gone = tuple(pair for pair in counts.items() if pair[1])
        return (self._drawn(), gone) if gone else ()

    def _show_measured(self) -> None:
        """Put up the curves as far as they are known, and say what they and the accuracy are of."""
        curves = {}
        for name, units in self._units().items():
            at = {step / STEPS: self._key({name: count(step / STEPS, units)}) for step in range(STEPS + 1)}
            curves[name] = [
                [amount, self._measured[key]] for amount, key in at.items() if key in self._measured
            ]
        accuracy = self._measured.get(self._key(self._counts()))
        technique, seed = self._drawn()
        with self.hold_sync():
            self.curves, self.accuracy, self.baseline = curves, accuracy, self._measured.get(())
            self.basis = {
                "technique": technique,
                "seed": seed,
                "amounts": None if accuracy is None else self.amounts,
            }

    def _say_unmeasured(self, error: Exception) -> None:
        self.stopped = self._halted = True
        self._say_error(error)

    # What is set

    def _choose(self, choices: dict[str, Any]) -> None:
        """Take the reader's choices; of the amounts come those that they moved."""
        if moved := choices.get("amounts"):
            choices["amounts"] = {**self.amounts, **moved}
        super()._choose(choices)

    def _amounts_moved(self, change: object) -> None:
        with self._in_the_panel():
            self._measure()

    def _technique_chosen(self, change: object) -> None:
        with self._in_the_panel(), self.hold_sync():
            self._background.cancel()
            self._write_layers()
            self._measure()

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

    # How it shows itself without a browser

    def __repr__(self) -> str:
        return (
            f"SensitivityExplorer(technique={self.technique!r}, layers={len(self.layers)}, "
            f"kept={self.kept}/{self.total})"
        )

    def _figure(self) -> Figure:
        figure = Figure(figsize=(8.4, 4.2), layout="constrained")
        ax = figure.subplots()
        for i, (name, points) in enumerate(self.curves.items()):
            amounts, accuracies = [*zip(*points, strict=True)] or [(), ()]
            # A name that begins with "_" would be left out of the legend; so are the many.
            label = f" {name}" if i < IN_LEGEND else "_"
            ax.plot(amounts, accuracies, label=label, color=COLOURS[i % len(COLOURS)], linewidth=2)
        ax.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="pruned, in this layer alone", ylabel="accuracy")
        ax.xaxis.set_major_formatter(PercentFormatter(1))
        ax.yaxis.set_major_formatter(PercentFormatter(1))
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", alpha=0.3)
        legend = figure.legend(loc="outside right upper", frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)  # "$" in a user's name must not start a formula
        return figure


def _entries(runs: Sequence[Sequence[int]], k: int) -> int:
    """How many entries the first ``k`` units have."""
    gone = 0
    for units, each in runs:
        gone += min(k, units) * each
        k = max(0, k - units)
    return gone
