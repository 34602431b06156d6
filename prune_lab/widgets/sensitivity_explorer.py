"""SensitivityExplorer: which layer bears how much pruning, and what all of it costs together."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import traitlets
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.prune.amounts import count
from prune_lab.widgets.dialogue import Layout
from prune_lab.widgets.frontend import script
from prune_lab.widgets.in_browser import Carried
from prune_lab.widgets.layers import Layers
from prune_lab.widgets.measuring import Measuring, Question
from prune_lab.widgets.parameters import Parameters
from prune_lab.widgets.ranking import Positions
from prune_lab.widgets.trial import Trial, images_and_labels

STEPS = 20  # of the amount, on every curve
FIRST = range(0, STEPS + 1, STEPS // 4)  # the shape of every curve, before its details
COLOURS = ["#1f7ad1", "#c8690a", "#2f8f4e", "#b04fc2", "#c23b3b", "#0f8f94"]  # as in curve.js
IN_LEGEND = 12  # curves; more could not be told apart


class SensitivityExplorer(Layers, Measuring):
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
    _buttons = ("apply", "stop_applying", "undo", "reset", "stop", "go_on")

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

    def stop(self) -> None:
        """Hold the curves; what is measured stays, and the accuracy still follows the sliders."""
        self.stopped = True
        super().stop()

    def go_on(self) -> None:
        """Go on with the curves where they were held."""
        self.stopped = False
        super().go_on()

    # The accuracy

    def _look(self) -> None:
        with self.hold_sync():  # no browser may ask the old network of the new layers
            super()._look()

    def _forget(self) -> None:
        self._trial: Trial | None = None
        self._looked_at = self._parameters.seen
        self._measured.clear()

    def _carried_key(self) -> Hashable:
        return self._looked_at, self._drawn()

    def _carried(self) -> Carried | None:
        rankings = [self._ranking(name)() for name in self._weights]
        every = [ranking for ranking in rankings if isinstance(ranking, Positions)]
        whole = {name: weight.values for name, weight in self._weights.items()}
        return Carried(self._trial_of(), whole, every) if len(every) == len(rankings) else None

    def _looked(self) -> None:
        self._measure()

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

            return Question(self._key_of(counts), values)

        units = self._units()
        steps = sorted(range(STEPS + 1), key=lambda step: (step not in FIRST, step))
        points = ((name, count(step / STEPS, units[name])) for step in steps for name in whole)
        return (
            [question({}), question(self._counts())],
            [question({name: k}) for name, k in points],
        )

    def _key_of(self, counts: Mapping[str, int]) -> Hashable:
        gone = tuple(pair for pair in counts.items() if pair[1])
        return (self._drawn(), gone) if gone else ()

    def _show_measured(self) -> None:
        """Put up the curves as far as they are known, and say what they and the accuracy are of."""
        curves = {}
        for name, units in self._units().items():
            at = {
                step / STEPS: self._key_of({name: count(step / STEPS, units)})
                for step in range(STEPS + 1)
            }
            curves[name] = [
                [amount, self._measured[key]] for amount, key in at.items() if key in self._measured
            ]
        accuracy = self._measured.get(self._key_of(self._counts()))
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
        if missing := sum(len(points) < 2 for points in self.curves.values()):
            ax.text(0.5, 0.5, _still_to_come(missing, len(self.curves)), ha="center", va="center")
        legend = figure.legend(loc="outside right upper", frameon=False)
        for text in legend.get_texts():
            text.set_parse_math(False)  # "$" in a user's name must not start a formula
        return figure


def _still_to_come(missing: int, curves: int) -> str:
    some = "The curves are" if missing == curves else f"{missing} of {curves} curves are"
    return f"{some} not measured yet in this picture:\nthe panel measures while it is on a screen."
