"""MaskExplorer: drag a slider and see which entries of a parameter go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor, nn

from prune_lab import plots, prune
from prune_lab.prune.amounts import count
from prune_lab.widgets.amount import Amounting
from prune_lab.widgets.applies import Applying
from prune_lab.widgets.curve import Curve
from prune_lab.widgets.dialogue import Layout
from prune_lab.widgets.frontend import script
from prune_lab.widgets.parameters import Parameters
from prune_lab.widgets.techniques import STEPS, ByHand, Settings, Technique, group_sizes

NORMS = (1, 2, float("inf"))


class _Drawn(traitlets.HasTraits):
    """What the browser draws of the parameter on show."""

    parameters = traitlets.List(
        traitlets.Dict(), help="name, shape, total and gone of each; for a global technique steps"
    ).tag(sync=True)
    values = traitlets.Bytes(help="float32, the parameter's values before the preview").tag(
        sync=True
    )
    order = traitlets.Bytes(
        help="int32, when each entry goes: 0 first, -1 gone before; pruned means order < count"
    ).tag(sync=True)
    shape = traitlets.List(traitlets.Int(min=0), help="of the parameter").tag(sync=True)
    groups = traitlets.List(traitlets.Int(), help="sizes that N:M could take").tag(sync=True)
    title = traitlets.Unicode(help="layer and parameter, such as 'conv1.weight'").tag(sync=True)
    call = traitlets.Tuple(
        traitlets.Unicode(),
        traitlets.Unicode(),
        default_value=("", ""),
        help="the code, before and after the amount",
    ).tag(sync=True)
    by_hand = traitlets.Tuple(
        traitlets.Unicode(),
        traitlets.Unicode(),
        traitlets.Unicode(),
        default_value=("", "", ""),
        help="the code for a mask by hand, around the list of entries, and without a list",
    ).tag(sync=True)
    ramp = traitlets.List(
        traitlets.Unicode(), plots.RAMP, help="colours '#rrggbb' from the lowest value up"
    ).tag(sync=True)


class MaskExplorer(Amounting, Curve, Applying, _Drawn):
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
    _buttons = ("apply", "undo", "reset", "stop", "go_on")

    # What the reader chooses, beside technique, seed and amount
    name = traitlets.Unicode(help="of the parameter on show")
    dim = traitlets.Int(0, help="whose channels go")
    n = traitlets.Any(2, help="the norm that ranks channels").tag(
        to_json=lambda n, _: "inf" if n == float("inf") else str(n),
        from_json=lambda n, _: float(n),
    )
    m = traitlets.Int(4, help="the size of the groups of N:M")
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
        self._painted: Tensor | None = None  # the reader's mask of the parameter on show
        super().__init__(layout, data=data)
        with self.hold_sync(), self._together():
            self.measures = data is not None
            self.name = name or [*self._parameters.weights, *self._parameters.places][0]
            self.seed, self.dim, self.n, self.m = seed, dim, n, m
            self.technique = self._take_technique(technique)
            self._look()
            self.amount = amount
        self._measure()

    # What the reader asks

    @property
    def layer(self) -> str:
        """Last part of the layer's name, such as ``conv1``."""
        path, _, _ = self.name.rpartition(".")
        return (path or self._parameters.label).rsplit(".", 1)[-1]

    @property
    def mask(self) -> Tensor:
        """The mask that ``Apply`` would set: shape and dtype of the parameter, 1 kept, 0 pruned.

        Setting it is painting it: the technique becomes ``custom_from_mask``.
        """
        values = self._parameters[self.name].values
        return self._ranking.masks(self._count())[self.name].to(values)

    @mask.setter
    def mask(self, mask: Tensor) -> None:
        shape = self._parameters[self.name].values.shape
        if mask.shape != shape:
            raise ValueError(f"mask should have the shape {tuple(shape)}, not {tuple(mask.shape)}")
        self._painted = mask != 0
        with self._together():
            self.technique = self._hand.value
        self._look()

    @property
    def code(self) -> str:
        """The call that makes this mask, as the panel shows it."""
        names = list(self._ranking.orders)
        line = self._chosen.line(
            self._parameters, names, self._settings(), self.amount, self._ranking
        )
        return self._with_twins(line, names)

    def apply(self) -> None:
        """Make the one call of the engine that the panel shows.

        Raises:
            ValueError: the amount does not fit what is left to prune.
        """
        amount = self.amount
        self._look()
        # Code elsewhere may have pruned meanwhile, and left less than the count that was chosen.
        if self.ways:
            prune._validate_pruning_amount(amount, self.units)
        names = list(self._ranking.orders)
        self._applies.apply(
            self._chosen.calls(
                self._parameters, names, self._settings(), self.amount, self._ranking
            )
        )
        self._take_own_work()
        what = self._parameters[self.name].name
        self._say(
            f"Applied: {self.layer}.{what} is now {what}_orig × {what}_mask."
            if len(names) == 1
            else f"Applied to {len(names)} parameters of the model."
        )

    def refresh(self) -> None:
        """Look at the module again; after each executed cell this happens by itself."""
        if self._parameters.changed():
            self._look()

    # The preview

    def _look(self, anew: bool = False) -> None:
        """Rank the entries as they are before our own Apply, and show them."""
        self._background.cancel()
        self._parameters.look()
        technique, settings = self._chosen, self._settings()
        place = self._parameters[self.name]
        if not technique.fits(self.name, self._parameters):
            raise ValueError(self._not_offered(technique.value))
        names = technique.looks_at(self.name, self._parameters)
        ranking = technique.rank(
            {name: self._parameters[name].values for name in names},
            self._applies.base_masks(names),
            settings,
        )
        values, order = place.values, ranking.orders[self.name]
        with self.hold_sync():
            self.shape = list(values.shape)
            self.values = values.to("cpu", torch.float32).contiguous().numpy().tobytes()
            self.order = order.to("cpu", torch.int32).contiguous().numpy().tobytes()
            with self._together():
                self._take_ranking(ranking, anew)
            self.groups = group_sizes(values)
            self.techniques = self._menu()
            self.parameters = self._rows()
            path, _, last = self.name.rpartition(".")
            self.title = f"{path or self.layer}.{last}"
            self._write_code(names, settings)
            self.undoable = bool(self._applies)
            self._reply()
        self._measure()

    def _take_own_work(self) -> None:
        self._look()

    def _write_code(self, names: Sequence[str], settings: Settings) -> None:
        here = [self.name]
        before, after = self._hand.code(self._parameters, here, settings)
        instead = self._hand.code_without_list(self._parameters, self.name)
        self.by_hand = (before, self._with_twins(after, here), self._with_twins(instead, here))
        before, after = self._chosen.code(self._parameters, names, settings)
        self.call = (before, self._with_twins(after, names))

    def _with_twins(self, code: str, names: Sequence[str]) -> str:
        """The code, and where one of the parameters is tied the line that prunes its twins."""
        twins = self._parameters.twins_in_code(names)
        return f"{code}\n{twins}" if twins else code

    def _rows(self) -> list[dict[str, Any]]:
        """The parameters, and how much of each is pruned."""
        rows = []
        for name, place in self._parameters.places.items():
            row: dict[str, Any] = {
                "name": name,
                "shape": list(place.values.shape),
                "total": place.values.numel(),
                "gone": 0 if place.mask is None else int((place.mask == 0).sum()),
            }
            order = self._ranking.orders.get(name)
            if order is not None and len(self._ranking.orders) > 1:
                counts = [count(step / STEPS, self.units) for step in range(STEPS + 1)]
                sorted_order = order.flatten().sort().values
                row["steps"] = torch.searchsorted(sorted_order, torch.tensor(counts)).tolist()
            rows.append(row)
        return rows

    # What is chosen

    @property
    def _hand(self) -> ByHand:
        """The technique whose mask is painted."""
        return next(one for one in self._all.values() if isinstance(one, ByHand))

    def _offers(self, technique: Technique) -> bool:
        return technique.fits(self.name, self._parameters)

    def _where(self) -> str:
        return f" for a tensor of shape {tuple(self._parameters[self.name].values.shape)}"

    def _settings(self, number: int = 0, technique: Technique | None = None) -> Settings:
        options = {option: getattr(self, option) for option in (technique or self._chosen).options}
        return Settings(options, self.seed, self._painted)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """Set several traits inside, and look once, later."""
        quiet, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = quiet

    _quiet = False

    @traitlets.observe("name", "technique", "seed", "dim", "n", "m")
    def _settings_chosen(self, change: traitlets.Bunch) -> None:
        if self._quiet:
            return
        with self._in_the_panel():
            self._painted = None  # what was painted was painted on another picture
            sentence = self._fit_settings() if change.name == "name" else ""
            self._look(anew=change.name in ("name", "technique", "dim", "m"))
            self._say(sentence)

    @traitlets.observe("amount")
    def _amount_chosen(self, change: object) -> None:
        if not self._quiet:
            with self._in_the_panel():
                self._measure()

    def _fit_settings(self) -> str:
        """Choose other settings where those of the last parameter do not fit this one."""
        values = self._parameters[self.name].values
        with self._together():
            if self.dim >= values.dim():
                self.dim = 0
            sizes = group_sizes(values)
            if sizes and self.m not in sizes:
                self.m = sizes[-1]
            if self._offers(self._chosen):
                return ""
            label = self._chosen.label
            self.technique = self._menu()[0]["value"]
            shape = tuple(values.shape)
            return f"{label} does not fit {self.name} of shape {shape}: {self._chosen.label} instead."

    def _choose(self, choices: dict[str, Any]) -> None:
        """Take the reader's choices: ``painted`` holds a byte for each entry, 1 kept, 0 pruned."""
        painted = choices.pop("painted", None)
        if painted is None:
            super()._choose(choices)
            return
        del choices["technique"]  # painting chooses it
        shape = self._parameters[choices["name"]].values.shape
        if len(painted) != shape.numel():
            raise ValueError(f"{len(painted)} entries were painted of {shape.numel()}")
        super()._choose(choices)
        self.mask = torch.tensor(np.frombuffer(painted, "u1")).view(shape)

    # Checks

    @traitlets.validate("name")
    def _valid_name(self, proposal: traitlets.Bunch) -> str:
        with self._refusing():
            self._parameters.check(proposal.value)
            return str(proposal.value)

    @traitlets.validate("dim")
    def _valid_dim(self, proposal: traitlets.Bunch) -> int:
        shape = tuple(self._parameters[self.name].values.shape)
        dims = max(1, len(shape))
        with self._refusing():
            if not -dims <= proposal.value < dims:
                raise IndexError(f"Invalid index {proposal.value} for tensor of size {shape}")
            return int(proposal.value) % dims

    @traitlets.validate("n")
    def _valid_n(self, proposal: traitlets.Bunch) -> float:
        with self._refusing():
            if proposal.value not in NORMS:
                raise ValueError(f'n={proposal.value!r} should be 1, 2 or float("inf")')
            return NORMS[NORMS.index(proposal.value)]

    @traitlets.validate("m")
    def _valid_m(self, proposal: traitlets.Bunch) -> int:
        with self._refusing():
            if proposal.value < 1:
                raise ValueError(f"m={proposal.value} should be a positive number")
            return int(proposal.value)

    # How it shows itself without a browser

    def __repr__(self) -> str:
        mask = self.mask
        return (
            f"MaskExplorer(layer={self.layer!r}, technique={self.technique!r}, "
            f"amount={self.amount!r}, kept={int(mask.sum())}/{mask.numel()})"
        )

    def _figure(self) -> Figure:
        place = self._parameters[self.name]
        kind = type(place.module)  # whose dimensions have names
        preview = kind.__new__(kind)
        nn.Module.__init__(preview)
        values = place.values.float().cpu()
        preview.register_parameter(place.name, nn.Parameter(values))
        prune.custom_from_mask(preview, place.name, self.mask.float().cpu())
        return plots.plot_mask(preview, place.name)
