"""SensitivityExplorer: which layer bears how much pruning, and what all of it costs together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple

import torch
import traitlets
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from prune_lab import prune
from prune_lab.prune.amounts import count
from prune_lab.widgets.applies import Applies, Call
from prune_lab.widgets.frontend import script
from prune_lab.widgets.naming import access, callers_name
from prune_lab.widgets.panel import Panel
from prune_lab.widgets.parameters import Place, places_of, state_of
from prune_lab.widgets.techniques import TECHNIQUES, literal, rank
from prune_lab.widgets.trial import Trial

OFFERED = ("l1_unstructured", "random_unstructured", "ln_structured")
SETTINGS = {"n": 2, "dim": 0}  # of those techniques that take them
LARGEST_SEED = 2**32 - 1
STEPS = 20  # of the amount, on every curve
FIRST = range(0, STEPS + 1, STEPS // 4)  # the shape of every curve, before its details
SETTLED = 0.1  # seconds without a new amount before the accuracy is measured
COLOURS = ["#1f7ad1", "#c8690a", "#2f8f4e", "#b04fc2", "#c23b3b", "#0f8f94"]  # as in curve.js
IN_LEGEND = 12  # curves; more could not be told apart

Found = Callable[[], None]


class Weight(NamedTuple):
    """One prunable weight as it is without the panel's own Apply.

    Attributes:
        values: a copy, 0 where the mask is.
        mask: a copy, None where nothing is pruned.
    """

    values: Tensor
    mask: Tensor | None


class Known(NamedTuple):
    """What is known of one technique (with its seed): kept when another one is chosen.

    Attributes:
        technique: its name.
        seed: 0 where it does not matter.
        orders: by parameter name, when each entry goes; made when it is needed first.
        measured: by parameter name, the accuracy by the count of units that are gone.
    """

    technique: str
    seed: int
    orders: dict[str, Tensor]
    measured: dict[str, dict[int, float]]


class SensitivityExplorer(Panel):
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
        technique: ``"l1_unstructured"``, ``"random_unstructured"`` or ``"ln_structured"`` (with
            n=2 and dim=0: whole filters or rows), each layer by itself.
        seed: for the random technique; the layers draw with ``seed``, ``seed + 1``, ..., so that
            layers of the same shape do not lose the same entries.
        curves: by parameter name, what is measured so far: ``(amount, accuracy)`` by amount.
        accuracy: of the model with all amounts together, 0 to 1; None until it is measured.
        baseline: the accuracy with all amounts at 0; None until it is measured.
        stopped: whether the curves are held.

    Args:
        model: any module with a weight to prune.
        data: ends in images and labels: ``load_digits()``, whose test part comes last, or a pair
            of tensors. The model's answer is the ``argmax`` over dimension 1.
        label: how the code calls the model; found among the caller's variables if left out.

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
    technique = traitlets.Unicode("l1_unstructured", help="a function in prune_lab.prune")
    seed = traitlets.Int(1, help="for the random technique")
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
        help="of each weight: name, module and parameter as code, entries and channels as runs of "
        "[how many units, entries in each], in the order in which they go",
    ).tag(sync=True)
    total = traitlets.Int(help="parameters of the model, biases and all").tag(sync=True)
    pruned = traitlets.Int(help="how many of them were pruned before, not from here").tag(sync=True)
    techniques = traitlets.List(traitlets.Dict(), help="those that the menu offers").tag(sync=True)
    undoable = traitlets.Bool(help="whether an Apply can be taken back").tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        data: Sequence[Tensor],
        *,
        technique: str = "l1_unstructured",
        seed: int = 1,
        label: str | None = None,
    ) -> None:
        self._model, self._data = model, data
        _weights(model)  # says so where there are none
        self._label = label or callers_name(model) or type(model).__name__.lower()
        self._applies = Applies(model)
        self._known: dict[tuple[str, int], Known] = {}
        self._answered: dict[str, float] | None = None  # the amounts that `accuracy` belongs to
        # Before the panel begins to follow the cells: it must not, if anything here is refused.
        self.techniques = [
            {"value": name, "label": TECHNIQUES[name].label, "random": TECHNIQUES[name].random,
             "units": TECHNIQUES[name].units, "options": _options_in_code(name)}
            for name in OFFERED
        ]  # fmt: skip
        self.technique, self.seed = technique, seed
        self._look()
        super().__init__()
        self.observe(self._moved, "amounts")
        self.observe(self._chosen, ["technique", "seed"])
        self._measure()

    # What the reader asks

    @property
    def code(self) -> str:
        """The calls that prune as the sliders stand, one for each layer that loses something."""
        lines = []
        counts = self._counts()
        for i, layer in enumerate(self.layers):
            if counts[layer["name"]]:
                seed = f"torch.manual_seed({self.seed + i})\n" if self._is_random else ""
                lines.append(
                    f"{seed}prune.{self.technique}({layer['module']}, name={layer['parameter']}, "
                    f"amount={self.amounts[layer['name']]!r}{_options_in_code(self.technique)})"
                )
        everywhere = dict(self._model.named_parameters(remove_duplicate=False))
        if lines and len(everywhere) > len(set(everywhere.values())):  # some are tied
            lines.append(f"prune.prune_twins({self._label})")
        return "\n".join(lines)

    @property
    def kept(self) -> int:
        """How many of the model's parameters are left, biases counted too."""
        kind = TECHNIQUES[self.technique].units
        counts = self._counts()
        gone = sum(_entries(layer[kind], counts[layer["name"]]) for layer in self.layers)
        return self.total - self.pruned - gone

    def apply(self) -> None:
        """Make the calls that the panel shows: all of them or, where one fails, none."""
        self.refresh()
        places, counts = places_of(self._model), self._counts()
        calls: dict[str, Call] = {
            name: partial(self._prune, places[name], i, amount)
            for i, (name, amount) in enumerate(self.amounts.items())
            if counts[name]
        }
        if not calls and not self._applies:
            self._say("Nothing to apply: every slider is at 0.")
            return
        self._applies.apply(calls, alone=True)
        self._note_own_work()
        layers = f"{len(calls)} layer{'' if len(calls) == 1 else 's'}"
        self._say(f"Applied to {layers}: {self.kept:,} of {self.total:,} parameters are left.")

    def undo(self) -> None:
        """Take the last ``apply()`` back: the model is as it was before it."""
        self._go_back(self._applies.undo)

    def reset(self) -> None:
        """Take every ``apply()`` back, and put all sliders to 0."""
        self._go_back(self._applies.reset)
        self.amounts = {}

    def stop(self) -> None:
        """Hold the curves; what is measured stays, and the accuracy still follows the sliders."""
        self.stopped = True
        self._measure()

    def go_on(self) -> None:
        """Go on with the curves where they were held."""
        self.stopped = False
        self._measure()

    def refresh(self) -> None:
        """Look at the model again; after each executed cell this happens by itself."""
        if state_of(self._model) != self._seen:
            self._background.cancel()
            self._look()
            self._measure()

    # The model

    def _look(self) -> None:
        """Take the weights as they are without our own Apply; whatever was measured is void."""
        places = _weights(self._model)
        self._seen = state_of(self._model)
        self._trial = Trial(self._model, self._data)
        weights = {}
        for name, place in places.items():
            mask = self._applies.base_mask(name)
            values = place.values.clone()
            weights[name] = Weight(values if mask is None else values.where(mask != 0, 0), mask)
        self._weights = weights
        self._known.clear()
        self._answered = None
        with self.hold_sync():
            self.layers = [self._layer(name, place) for name, place in places.items()]
            parameters = [p for p in self._model.parameters() if not is_lazy(p)]
            self.total = sum(parameter.numel() for parameter in parameters)
            self.pruned = sum(
                int((mask == 0).sum())
                for name in places_of(self._model)
                if (mask := self._applies.base_mask(name)) is not None
            )
            self.amounts = {name: self.amounts.get(name, 0.0) for name in places}
            self.undoable = bool(self._applies)
            self.baseline = self.accuracy = None
            self._show(self._now)

    def _layer(self, name: str, place: Place) -> dict[str, Any]:
        values, mask = self._weights[name]
        path = name.rpartition(".")[0]
        if mask is None:
            entries, channels = [[values.numel(), 1]], [[len(values), values[0].numel()]]
        else:
            # A channel may have lost entries before: the channels are no longer equally large.
            ranking = rank(TECHNIQUES["ln_structured"], {name: values}, {name: mask}, SETTINGS, 0)
            order = ranking.orders[name]
            sizes = torch.bincount(order[order >= 0].flatten(), minlength=ranking.units).tolist()
            entries = [[int((mask != 0).sum()), 1]]
            channels = [[len(list(run)), size] for size, run in groupby(sizes)]
        return {
            "name": name,
            "module": f"{self._label}{access(path)}",
            "parameter": literal(place.name),
            "entries": entries,
            "channels": channels,
        }

    def _prune(self, place: Place, number: int, amount: float) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed + number)
            call = getattr(prune, self.technique)
            call(*place, amount=amount, **_options(self.technique))

    def _go_back(self, way: Callable[[], str]) -> None:
        self.refresh()
        said = way()
        self._note_own_work()
        self._say(said)

    def _note_own_work(self) -> None:
        """Our own Apply changes the model, but not what the curves are drawn from."""
        self._seen = state_of(self._model)
        self.undoable = bool(self._applies)

    # The technique

    @property
    def _is_random(self) -> bool:
        return TECHNIQUES[self.technique].random

    @property
    def _now(self) -> Known:
        """What is known of the chosen technique."""
        key = (self.technique, self.seed if self._is_random else 0)
        if key not in self._known:
            self._known[key] = Known(*key, {}, {name: {} for name in self._weights})
        return self._known[key]

    def _units(self, technique: str) -> dict[str, int]:
        """How many entries, or channels, of each weight can go."""
        kind = TECHNIQUES[technique].units
        return {layer["name"]: sum(units for units, _ in layer[kind]) for layer in self.layers}

    def _counts(self) -> dict[str, int]:
        """How many of them go, as the sliders stand."""
        units = self._units(self.technique)
        return {name: count(amount, units[name]) for name, amount in self.amounts.items()}

    # The accuracy

    def _measure(self) -> None:
        """Measure the accuracy as the sliders stand, then what is missing of the curves."""
        if self.comm is None:  # closed
            return
        self._background.start(self._steps(), lambda take: take(), self._failed)
        if self._hidden:
            self._background.pause()

    def _steps(self) -> Iterator[Found]:
        """What is to be measured, from what is now; each step runs beside the kernel."""
        known, trial, weights = self._now, self._trial, self._weights
        amounts, counts = self.amounts, self._counts()
        whole = {name: weight.values for name, weight in weights.items()}
        numbers = {name: number for number, name in enumerate(weights)}
        wanted = self.accuracy is None
        missing = [] if self.stopped else self._missing(known)
        if not wanted and not missing:
            return iter(())

        def order(name: str) -> Tensor:
            if name not in known.orders:
                known.orders[name] = _order(known, weights[name], numbers[name])
            return known.orders[name]

        if self._is_random:  # never beside the kernel, whose cells draw from the same generator
            for name in weights:
                order(name)

        def without(counts: dict[str, int]) -> float:
            masked = {
                name: whole[name].where(order(name) >= k, 0) for name, k in counts.items() if k
            }
            return trial.accuracy({**whole, **masked})

        def steps() -> Iterator[Found]:
            time.sleep(SETTLED)
            yield lambda: None  # a newer amount ends it here
            if self.baseline is None:
                yield partial(setattr, self, "baseline", without({}))
            if wanted:
                yield partial(self._take, known, amounts, without(counts))
            yield partial(self._show, known)  # the baseline is the beginning of every curve
            for name, k in missing:
                yield partial(self._take_point, known, name, k, without({name: k}))

        return steps()

    def _missing(self, known: Known) -> list[tuple[str, int]]:
        """The points that the curves still need: layer and count, in the order to measure them."""
        wanted = {
            (name, count(step / STEPS, units)): None  # a dict, for its order
            for step in sorted(range(STEPS + 1), key=lambda s: (s not in FIRST, s))
            for name, units in self._units(known.technique).items()
        }
        return [(name, k) for name, k in wanted if k and k not in known.measured[name]]

    def _take(self, known: Known, amounts: dict[str, float], accuracy: float) -> None:
        with self.hold_sync():
            self.accuracy, self._answered = accuracy, amounts
            self._show(known)

    def _take_point(self, known: Known, name: str, k: int, accuracy: float) -> None:
        known.measured[name][k] = accuracy
        self._show(known)

    def _failed(self, error: Exception) -> None:
        self.stopped = True
        with self._in_the_panel():
            raise error

    def _show(self, known: Known) -> None:
        """Put up the curves as far as they are known, and say what they and the accuracy are of."""
        curves = {}
        for name, units in self._units(known.technique).items():
            by_count = dict(known.measured[name])
            if self.baseline is not None:
                by_count[0] = self.baseline
            at = {step / STEPS: count(step / STEPS, units) for step in range(STEPS + 1)}
            curves[name] = [[amount, by_count[k]] for amount, k in at.items() if k in by_count]
        with self.hold_sync():
            self.curves = curves
            self.basis = {
                "technique": known.technique,
                "seed": known.seed,
                "amounts": self._answered,
            }

    # What is set

    def _choose(self, choices: dict[str, Any]) -> None:
        """Take the reader's choices; of the amounts come those that they moved."""
        if moved := choices.get("amounts"):
            choices["amounts"] = {**self.amounts, **moved}
        super()._choose(choices)

    def _moved(self, change: object) -> None:
        with self._in_the_panel():
            self.accuracy = self._answered = None
            self._measure()

    def _chosen(self, change: object) -> None:
        with self._in_the_panel(), self.hold_sync():
            self._background.cancel()
            self.accuracy = self._answered = None
            self._show(self._now)
            self._measure()

    @traitlets.validate("amounts")
    def _valid_amounts(self, proposal: traitlets.Bunch) -> dict[str, float]:
        names = [layer["name"] for layer in self.layers]
        for name, amount in proposal.value.items():
            if name not in names:
                raise ValueError(f"no weight {name!r} to prune; there are {', '.join(names)}")
            if not 0 <= amount <= 1:
                raise ValueError(f"amount={amount} of {name} should be a fraction in [0, 1]")
        return {name: float(proposal.value.get(name, 0.0)) for name in names}

    @traitlets.validate("technique")
    def _valid_technique(self, proposal: traitlets.Bunch) -> str:
        if proposal.value not in OFFERED:
            raise ValueError(f"technique={proposal.value!r} should be one of {', '.join(OFFERED)}")
        return str(proposal.value)

    @traitlets.validate("seed")
    def _valid_seed(self, proposal: traitlets.Bunch) -> int:
        if not 0 <= proposal.value <= LARGEST_SEED:
            raise ValueError(f"seed={proposal.value} should lie between 0 and {LARGEST_SEED}")
        return int(proposal.value)

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


def _weights(model: nn.Module) -> dict[str, Place]:
    """The weights that sliders prune, by name.

    Raises:
        TypeError: ``model`` is not an ``nn.Module``.
        ValueError: it has none.
    """
    weights = {
        name: place
        for name, place in places_of(model).items()
        if place.values.dim() > 1 and place.values.is_floating_point()
    }
    if not weights:
        raise ValueError(
            f"{type(model).__name__} has no weight with two or more dimensions to prune"
        )
    return weights


def _order(known: Known, weight: Weight, number: int) -> Tensor:
    """When each entry of a weight goes; each layer draws with a seed of its own."""
    technique, options = TECHNIQUES[known.technique], _options(known.technique)
    values, masks = {"": weight.values}, {"": weight.mask}
    return rank(technique, values, masks, options, known.seed + number).orders[""]


def _options(technique: str) -> dict[str, int]:
    return {option: SETTINGS[option] for option in TECHNIQUES[technique].options}


def _options_in_code(technique: str) -> str:
    return "".join(f", {option}={value}" for option, value in _options(technique).items())


def _entries(runs: Sequence[Sequence[int]], k: int) -> int:
    """How many entries the first ``k`` units have."""
    gone = 0
    for units, each in runs:
        gone += min(k, units) * each
        k = max(0, k - units)
    return gone
