"""MaskExplorer: drag a slider and see which entries of a parameter go."""

from __future__ import annotations

from collections.abc import Sequence

import traitlets
from matplotlib.figure import Figure
from torch import Tensor, nn

from prune_lab import plots, prune
from prune_lab.widgets.accuracy import AccuracyCurve
from prune_lab.widgets.applies import Ordered
from prune_lab.widgets.dialogue import Layout
from prune_lab.widgets.frontend import script
from prune_lab.widgets.parameters import Parameters
from prune_lab.widgets.preview import Preview
from prune_lab.widgets.ranking import are_many
from prune_lab.widgets.technique import Order

CORNER = 64  # entries along each dimension: what the figure of a large parameter shows


class MaskExplorer(Preview, AccuracyCurve):
    """See which entries of a parameter go, before and after they do.

    Moving a control previews: the module is left alone. ``Apply`` makes the one call that the
    panel shows, on the parameter as it was before any earlier ``Apply``; ``Undo`` takes the last
    one back, ``Reset`` all of them. Clicking an entry prunes or restores it by hand. The
    attributes below may be set and observed.

    Attributes:
        name: the parameter on show, as ``named_parameters()`` of the unpruned module calls it.
        technique: name of a function in ``prune_lab.prune``, or of the class that was given.
        amount: float in [0, 1]: fraction of the entries (structured: channels; global: entries
            of all weights) that are not pruned yet; int: count of them; for N:M how many of each
            group go. Of a slider that moves, Python hears when it rests.
        seed: for the random techniques; 1, because a model made after ``manual_seed(0)`` got its
            weights from the very numbers that seed 0 would draw: its largest would go.
        dim: whose channels a structured technique prunes.
        n: the norm of ``ln_structured``: 1, 2 or ``float("inf")``.
        m: the size of the groups of N:M.
        view: ``"masked"`` (weights under the mask), ``"weights"`` or ``"mask"``.
        curve: (share of what can go, accuracy) as far as measured; needs ``data``.

    Args:
        module: a layer, or a whole model of any kind.
        name: of its parameter, such as ``"weight"``, or in a model ``"conv1.weight"``; the first
            weight if left out.
        technique: one of those names, or a subclass of ``BasePruningMethod`` of your own, whose
            constructor takes an ``amount`` or nothing.
        data: ends in images and labels (``load_digits()``, or a pair of tensors); the accuracy
            is measured on them, beside the kernel. Without it no accuracy is shown.
        label: how the code calls the module; found among the caller's variables if left out.
        layout: of the panel, as every ipywidget takes it.

    Raises:
        TypeError: ``module`` is not an ``nn.Module``, or ``technique`` no technique.
        AttributeError: it has no parameter of that name.
        ValueError, IndexError: a setting that does not fit the parameter.

    >>> conv1 = nn.Conv2d(1, 6, 5)
    >>> explorer = MaskExplorer(conv1, amount=45)
    >>> explorer
    MaskExplorer(layer='conv1', technique='l1_unstructured', amount=45, kept=105/150)
    >>> explorer.amount = 0.5
    >>> int(explorer.mask.sum())
    75
    """

    _esm = script("mask_explorer.js")
    _controls = ("name", "technique", "amount", "seed", "dim", "n", "m", "view")
    _buttons = (
        *("apply", "stop_applying", "undo", "reset"),
        *("stop", "go_on", "stop_drawing", "go_on_drawing"),
    )

    view = traitlets.Enum(["masked", "weights", "mask"], "masked", help="what the cells show")

    def __init__(
        self,
        module: nn.Module,
        name: str | None = None,
        *,
        technique: str | type[prune.BasePruningMethod] = "l1_unstructured",
        amount: int | float = 0.3,
        seed: int = 1,
        dim: int = 0,
        n: float = 2,
        m: int = 4,
        data: Sequence[Tensor] | None = None,
        label: str | None = None,
        layout: Layout = None,
    ) -> None:
        self._parameters = Parameters(module, label)
        self._parameters.check(name)
        super().__init__(layout, data=data)
        with self.hold_sync(), self._together():
            self.measures = data is not None
            self.name = name or [*self._parameters.weights, *self._parameters.places][0]
            self.seed, self.dim, self.n, self.m = seed, dim, n, m
            self.technique = self._take_technique(technique)
            self._look()
            self.amount = amount
        self._measure()

    def _asked(self) -> int | float:
        return self.amount

    def _ordered(self, asked: int | float) -> Ordered:
        # Code elsewhere may have pruned meanwhile, and left less than the count that was chosen.
        if self.ways:
            prune._validate_pruning_amount(asked, self.units)
        technique, ranking, settings, amount = (
            self._chosen, self._ranking, self._settings(), self.amount
        )  # fmt: skip
        names, what = ranking.names, self._parameters[self.name].name
        return Ordered(
            [Order(technique, self._parameters, names, settings, amount, lambda: ranking)],
            lambda: technique.calls(self._parameters, names, settings, amount, ranking),
            f"Applied: {self.layer}.{what} is now {what}_orig × {what}_mask."
            if len(names) == 1
            else f"Applied to {len(names)} parameters of the model.",
        )

    def measure(self) -> None:
        """Work out what is missing, picture and curve, and wait: where no front end shows it."""
        super().measure()
        self._work_out_unseen()

    def _values_to_rank(self, names: Sequence[str]) -> dict[str, Tensor]:
        values = super()._values_to_rank(names)
        if self._data is None:
            return values
        # A cell may change the model while it is measured: then the masks must not change with it.
        return {name: tensor.clone() for name, tensor in values.items()}

    def _look(self, anew: bool = False) -> None:
        with self.hold_sync():  # no browser may ask the old network of a new picture
            super()._look(anew)

    def _looked(self) -> None:
        self._measure()

    @traitlets.observe("amount")
    def _amount_chosen(self, change: object) -> None:
        if not self._quiet:
            with self._in_the_panel():
                self._measure()

    def _caption(self) -> str:
        at, now = self.accuracy
        if not self.curve or self.curve[0][0] != 0 or at != self._count():
            return self.name  # the accuracy is not measured, or there are no data
        return f"{self.name} · accuracy {100 * self.curve[0][1]:.1f} % → {100 * now:.1f} %"

    # How it shows itself without a browser

    def __repr__(self) -> str:
        total = self._parameters[self.name].values.numel()
        kept = total - self._ranking.gone(self.name, self._count())
        return (
            f"MaskExplorer(layer={self.layer!r}, technique={self.technique!r}, "
            f"amount={self.amount!r}, kept={kept}/{total})"
        )

    def _figure(self) -> Figure:
        place = self._parameters[self.name]
        kind = type(place.module)  # whose dimensions have names
        preview = kind.__new__(kind)
        nn.Module.__init__(preview)
        values, mask, name = place.values, self._ranking.masks(self._count())[self.name], place.name
        if are_many(values.numel()):  # a part is all that can be seen
            part = tuple(slice(0, min(CORNER, size)) for size in values.shape)
            values, mask = values[part], mask[part]
            name += f"[{', '.join(f':{each.stop}' for each in part)}]"
        values = values.float().cpu()
        preview.register_parameter(name, nn.Parameter(values))
        prune.custom_from_mask(preview, name, mask.float().cpu())
        return plots.plot_mask(preview, name)
