"""MaskExplorer: drag a slider and see which entries of a parameter go."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor, nn

from prune_lab import plots, prune
from prune_lab.inspection import hash_of
from prune_lab.prune.amounts import count
from prune_lab.widgets.applies import Applies, Call
from prune_lab.widgets.frontend import script
from prune_lab.widgets.naming import access, callers_name
from prune_lab.widgets.panel import Panel
from prune_lab.widgets.parameters import Place, State, places_of, state_of
from prune_lab.widgets.techniques import (
    STEPS,
    TECHNIQUES,
    Ranking,
    Technique,
    literal,
    own,
    rank,
)
from prune_lab.widgets.trial import Trial

BY_HAND = "custom_from_mask"
LARGEST_SEED = 2**32 - 1
LISTED = 500  # entries; a mask by hand that prunes more is not written out in the code
NORMS = (1, 2, float("inf"))
CURVE = 20  # steps of the amount at which the accuracy is measured
SETTLED = 0.04  # seconds without a new amount before the accuracy is measured


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


class MaskExplorer(Panel):
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

    # What the reader chooses
    name = traitlets.Unicode(help="of the parameter on show")
    technique = traitlets.Unicode("l1_unstructured", help="how to prune")
    amount = Amount(0.3, help="float: a fraction; int: a count")
    seed = traitlets.Int(1, help="for the random techniques")
    dim = traitlets.Int(0, help="whose channels go")
    n = traitlets.Any(2, help="the norm that ranks channels").tag(
        to_json=lambda n, _: "inf" if n == float("inf") else str(n),
        from_json=lambda n, _: float(n),
    )
    m = traitlets.Int(4, help="the size of the groups of N:M")
    view = traitlets.Enum(["masked", "weights", "mask"], "masked", help="what the cells show")

    # What the browser draws
    parameters = traitlets.List(
        traitlets.Dict(), help="name, shape, total and gone of each; for a global technique steps"
    ).tag(sync=True)
    techniques = traitlets.List(traitlets.Dict(), help="the menu").tag(sync=True)
    values = traitlets.Bytes(help="float32, the parameter's values before the preview").tag(
        sync=True
    )
    order = traitlets.Bytes(
        help="int32, when each entry goes: 0 first, -1 gone before; pruned means order < count"
    ).tag(sync=True)
    shape = traitlets.List(traitlets.Int(min=0), help="of the parameter").tag(sync=True)
    units = traitlets.Int(0, help="how many can go").tag(sync=True)
    ways = traitlets.List(traitlets.Unicode(), help="how the amount can be given").tag(sync=True)
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
    undoable = traitlets.Bool(help="whether an Apply can be taken back").tag(sync=True)
    measures = traitlets.Bool(help="whether there is data to measure the accuracy on").tag(
        sync=True
    )
    curve = traitlets.List(
        traitlets.List(), help="[share of what can go, accuracy], as far as measured"
    ).tag(sync=True)
    accuracy = traitlets.List([-1, 0.0], help="[count, the accuracy at it]").tag(sync=True)
    progress = traitlets.Float(1.0, help="share of the curve that is measured").tag(sync=True)
    measuring = traitlets.Bool(help="whether the curve is being measured").tag(sync=True)

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
    ) -> None:
        self._module = module
        self._places = places_of(module)
        self._check_name(name)
        self._label = label or callers_name(module) or type(module).__name__.lower()
        self._technique: dict[str, Technique] = dict(TECHNIQUES)
        self._own = None if isinstance(technique, str) else technique
        if not isinstance(technique, str):
            self._technique[technique.__name__] = own(technique)
            technique = technique.__name__
        self._ranking = Ranking({}, 0)
        self._amount_of = 0  # how many units there are of which `amount` is a count
        self._applies = Applies(module)
        self._data = data
        self._trial = None if data is None else Trial(module, data)
        self._rest: State = ()  # of the model, when the trial was made
        self._curves: dict[tuple[State, State], list[list[float]]] = {}  # by `_basis`
        self._halted = False
        self._seen: State = ()
        self._quiet = True  # the traits are being set together; look once, at the end
        super().__init__()
        with self.hold_sync():
            self.measures = data is not None
            self.name = name or _first_weight(self._places)
            self.seed, self.dim, self.n, self.m, self.technique = seed, dim, n, m, technique
            self._look()
            self.amount = amount
        self._quiet = False
        self._measure()

    # What the reader asks

    @property
    def layer(self) -> str:
        """Last part of the layer's name, such as ``conv1``."""
        path, _, _ = self.name.rpartition(".")
        return (path or self._label).rsplit(".", 1)[-1]

    @property
    def mask(self) -> Tensor:
        """The mask that ``Apply`` would set: shape and dtype of the parameter, 1 kept, 0 pruned.

        Setting it is painting it: the technique becomes ``custom_from_mask``.
        """
        return self._ranking.masks(self._count())[self.name].to(self._place.values)

    @mask.setter
    def mask(self, mask: Tensor) -> None:
        values = self._place.values
        if mask.shape != values.shape:
            raise ValueError(
                f"mask should have the shape {tuple(values.shape)}, not {tuple(mask.shape)}"
            )
        base = self._applies.base_mask(self.name)
        order = (mask != 0).to("cpu", torch.int32)
        if base is not None:
            order[base.cpu() == 0] = -1
        with self.hold_sync(), self.hold_trait_notifications():
            self.order = order.contiguous().numpy().tobytes()
            self.technique = BY_HAND

    @property
    def code(self) -> str:
        """The call that makes this mask, as the panel shows it."""
        if self.technique == BY_HAND:
            before, after, instead = self.by_hand
            pruned = (self._ranking.orders[self.name] == 0).flatten().nonzero().flatten().tolist()
            return f"{before}{pruned}{after}" if len(pruned) <= LISTED else instead
        before, after = self.call
        number = self.units - self._count() if self.technique == "n_m" else self.amount
        return f"{before}{literal(number)}{after}" if self.ways else before

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
        if len(names) == 1:
            self._applies.apply({names[0]: self._call()})
        else:
            self._applies.apply(self._parts(), together=self._call())
        self._look()
        what = self._place.name
        self._say(
            f"Applied: {self.layer}.{what} is now {what}_orig × {what}_mask."
            if len(names) == 1
            else f"Applied to {len(names)} parameters of the model."
        )

    def undo(self) -> None:
        """Take the last ``apply`` back: the module is as it was before it."""
        self._go_back(self._applies.undo)

    def reset(self) -> None:
        """Take every ``apply`` back: the module is as it was before the first."""
        self._go_back(self._applies.reset)

    def _go_back(self, way: Callable[[], str]) -> None:
        sentence = way()
        self._look()
        self._say(sentence)

    def stop(self) -> None:
        """Stop measuring the curve; ``go_on`` takes it up again."""
        self._halted = True
        self._background.cancel()
        self.measuring = False
        self._measure()

    def go_on(self) -> None:
        """Go on measuring the curve."""
        self._halted = False
        self._measure()

    def refresh(self) -> None:
        """Look at the module again; after each executed cell this happens by itself."""
        if state_of(self._module) != self._seen:
            self._look()

    # The call

    def _call(self) -> Call:
        """The engine's call for the present settings."""
        name, options, amount, place = self.technique, self._options(), self.amount, self._place
        seed, ways, cls = self.seed, self.ways, self._own
        if name == BY_HAND:
            mask = self.mask
            return lambda: prune.custom_from_mask(*place, mask)
        if name == "n_m":
            left, m = self.units - self._count(), self.m
            return lambda: prune.n_m(*place, n=left, m=m)
        if name == "global_unstructured":
            places = [self._places[other] for other in self._ranking.orders]
            return lambda: prune.global_unstructured(places, prune.L1Unstructured, amount=amount)

        def call() -> None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                if name in TECHNIQUES:
                    getattr(prune, name)(*place, amount=amount, **options)
                elif cls is not None:
                    cls.apply(*place, **({"amount": amount} if ways else {}))

        return call

    def _parts(self) -> dict[str, Call]:
        """What a global call does to each parameter, for making one of them again alone."""
        return {
            name: partial(prune.custom_from_mask, *self._places[name], mask)
            for name, mask in self._ranking.masks(self._count()).items()
        }

    def _module_in_code(self) -> str:
        path, _, _ = self.name.rpartition(".")
        return f"{self._label}{access(path)}"

    def _lines(self) -> tuple[str, str]:
        """The code, before and after the amount."""
        technique = self._technique[self.technique]
        seed = f"torch.manual_seed({self.seed})\n" if technique.random else ""
        options = "".join(f", {key}={literal(value)}" for key, value in self._options().items())
        module, name = self._module_in_code(), literal(self._place.name)
        if self.technique == "global_unstructured":
            places = self._places_in_code()
            call = "prune.global_unstructured(weights, prune.L1Unstructured, amount="
            return f"{places}\n{call}", ")"
        if self.technique in TECHNIQUES:
            number = "n" if self.technique == "n_m" else "amount"
            return f"{seed}prune.{self.technique}({module}, name={name}, {number}=", f"{options})"
        amount = ", amount=" if self.ways else ""
        return f"{seed}{self.technique}.apply({module}, {name}{amount}", ")"

    def _places_in_code(self) -> str:
        """Python that lists the model's weights."""
        names = [name.rpartition(".") for name in self._ranking.orders]
        if len(names) <= 8 and {last for _, _, last in names} == {"weight"}:
            layers = ", ".join(f"{self._label}{access(path)}" for path, _, _ in names)
            return f'weights = [(layer, "weight") for layer in [{layers}]]'
        return (
            "weights = [\n"
            f'    (layer, name.removesuffix("_orig")) for layer in {self._label}.modules()\n'
            "    for name, value in layer.named_parameters(recurse=False) if value.dim() > 1\n"
            "]"
        )

    # The preview

    @property
    def _place(self) -> Place:
        place = self._places.get(self.name)
        if place is None:
            raise AttributeError(f"{self._label} has lost its parameter '{self.name}'")
        return place

    def _look(self, rescale: bool = False) -> None:
        """Rank the entries as they are before our own Apply, and show them."""
        self._places = places_of(self._module)
        self._seen = state_of(self._module)
        place = self._place
        values = place.values
        if self.technique == BY_HAND:
            ranking, technique = self._painted(values), None
        else:
            technique = self._technique[self.technique]
            if values.dim() < technique.needs:
                raise ValueError(self._not_offered(self.technique, values))
            names = self._weights() if technique.whole_model else [self.name]
            ranking = rank(
                technique,
                {name: self._places[name].values for name in names},
                {name: self._applies.base_mask(name) for name in names},
                self._options(),
                self.seed,
            )
        self._ranking = ranking
        order = ranking.orders[self.name].cpu()
        with self.hold_sync():
            self.shape = list(values.shape)
            self.values = values.to("cpu", torch.float32).contiguous().numpy().tobytes()
            self.order = order.to(torch.int32).contiguous().numpy().tobytes()
            self.units = ranking.units
            self.ways = [] if technique is None else list(technique.ways)
            self._fit_amount(rescale)
            self.groups = [
                g for g in (2, 4, 8, 16) if values.dim() > 1 and values.shape[1] % g == 0
            ]
            self.techniques = self._menu(values)
            self.parameters = self._rows()
            path, _, last = self.name.rpartition(".")
            self.title = f"{path or self.layer}.{last}"
            self.call = ("", "") if technique is None else self._lines()
            self.by_hand = self._lines_by_hand(values)
            self.undoable = bool(self._applies)
            self._reply()
        self._measure()

    def _painted(self, values: Tensor) -> Ranking:
        """The ranking of a mask by hand: 0 is pruned, 1 kept, -1 was gone before."""
        base = self._applies.base_mask(self.name)
        order = torch.from_numpy(np.frombuffer(self.order, "<i4").astype(np.int64))
        if order.numel() != values.numel() or int(order.max()) > 1:
            order = torch.ones(values.numel(), dtype=torch.int64)  # another layer: nothing yet
        order = order.view(values.shape).to(values.device)
        if base is not None:
            order = order.masked_fill(base == 0, -1)
        return Ranking({self.name: order}, 1)

    def _fit_amount(self, rescale: bool) -> None:
        """Keep the amount's meaning where the technique counts something else."""
        if not self.ways:
            return
        before, self._amount_of = self._amount_of, self.units
        if self.technique == "n_m" and (rescale or not isinstance(self.amount, int)):
            self.amount = self.units // 2  # the pattern that N:M is known for: 2:4
        elif isinstance(self.amount, int):
            # A count of entries says nothing about channels: there, keep the share.
            share = self.units / before if rescale and before else 1
            self.amount = min(round(self.amount * share), self.units)
            if "count" not in self.ways:
                self.amount = self.amount / self.units if self.units else 0.0

    def _weights(self) -> list[str]:
        """What a global technique ranks: every parameter with two or more dimensions."""
        return [name for name, place in self._places.items() if place.values.dim() > 1]

    def _menu(self, values: Tensor) -> list[dict[str, Any]]:
        menu = [
            {
                "value": name,
                "label": technique.label,
                "options": list(technique.options),
                "random": technique.random,
                "units": technique.units,
                "needs": technique.needs,
                "ways": list(technique.ways),
            }
            for name, technique in self._technique.items()
            if self._offered(name, values)
        ]
        hand = {"label": "by hand", "options": [], "random": False, "units": "entries", "needs": 0}
        return [*menu, {"value": BY_HAND, **hand, "ways": []}]

    def _offered(self, name: str, values: Tensor) -> bool:
        technique = self._technique[name]
        if technique.whole_model:
            weights = self._weights()
            return self.name in weights and len(weights) > 1
        if name == "n_m":
            return bool(_group_sizes(values))
        return values.dim() >= technique.needs

    def _rows(self) -> list[dict[str, Any]]:
        """The parameters, and how much of each is pruned."""
        rows = []
        for name, place in self._places.items():
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

    def _lines_by_hand(self, values: Tensor) -> tuple[str, str, str]:
        call = (
            f"prune.custom_from_mask({self._module_in_code()}, "
            f"name={literal(self._place.name)}, mask="
        )
        shape = ", ".join(map(str, values.shape))
        return (
            f"mask = torch.ones({shape})\nmask.view(-1)[",
            f"] = 0\n{call}mask)",
            f"# explorer = MaskExplorer(...): its mask has too many entries to list them here\n"
            f"{call}explorer.mask)",
        )

    def _count(self) -> int:
        if not self.ways:
            return self.units
        return count(self.amount, self.units)

    def _options(self) -> dict[str, Any]:
        """What the technique takes beside the amount."""
        if self.technique == BY_HAND:
            return {}
        return {option: getattr(self, option) for option in self._technique[self.technique].options}

    @traitlets.observe("name", "technique", "seed", "dim", "n", "m")
    def _chosen(self, change: traitlets.Bunch) -> None:
        if self._quiet:
            return
        with self._in_the_panel():
            sentence = self._fit_settings() if change.name == "name" else ""
            self._look(rescale=change.name in ("name", "technique", "dim", "m"))
            self._say(sentence)

    def _fit_settings(self) -> str:
        """Choose other settings where those of the last parameter do not fit this one."""
        values = self._place.values
        quiet, self._quiet = self._quiet, True
        try:
            if self.dim >= values.dim():
                self.dim = 0
            sizes = _group_sizes(values)
            if sizes and self.m not in sizes:
                self.m = sizes[-1]
            if self.technique == BY_HAND or self._offered(self.technique, values):
                return ""
            label = self._technique[self.technique].label
            self.technique = "l1_unstructured"
            return f"{label} does not fit {self.name} of shape {tuple(values.shape)}: L1 instead."
        finally:
            self._quiet = quiet

    # The amount and the mask, as the browser has them

    def _choose(self, choices: dict[str, Any]) -> None:
        """Take the reader's choices: ``painted`` holds a byte for each entry, 1 kept, 0 pruned."""
        amount, painted = (choices.pop(name, None) for name in ("amount", "painted"))
        before = self.amount
        # First the amount: all else is sent at once, and so was chosen after it.
        if amount is not None and self.ways:
            self.amount = self._amount_from(*amount)
        try:
            if painted is None:
                super()._choose(choices)
            else:  # the technique goes with it
                super()._choose({"name": choices["name"]})
                self._paint(painted)
        except Exception:
            self.amount = before
            raise

    def _paint(self, kept: bytes) -> None:
        values = self._place.values
        if len(kept) != values.numel():
            raise ValueError(f"{len(kept)} entries were painted of {values.numel()}")
        self.mask = torch.tensor(np.frombuffer(kept, "u1")).view(values.shape)

    def _amount_from(self, kind: str, number: float, of: int = 0) -> int | float:
        """The amount from the slider: a count is one ``of`` so many, and that may have changed."""
        if kind not in self.ways:  # the slider was moved while another technique was on its way
            share = number if kind == "fraction" else number / max(1, of)
            return share if kind == "count" else round(share * self.units)
        if kind == "fraction":
            return float(number)
        return int(number) if of == self.units else round(number / max(1, of) * self.units)

    def _stand(self) -> dict[str, Any]:
        by_count = isinstance(self.amount, int)
        amount = ["count", self.amount, self._amount_of] if by_count else ["fraction", self.amount]
        return {**super()._stand(), "amount": amount}

    @traitlets.observe("amount")
    def _amount_set(self, change: object) -> None:
        if not self._quiet:
            self._measure()

    @traitlets.observe("order")
    def _painted_on(self, change: traitlets.Bunch) -> None:
        """Take a mask by hand."""
        if not self._quiet and self.technique == BY_HAND and len(self.order) == len(self.values):
            with self._in_the_panel():
                self._ranking = self._painted(self._place.values)
                self._measure()

    # The accuracy

    def _measure(self) -> None:
        """Measure the accuracy at this amount, then what is missing of the curve."""
        if self._trial is None or self._quiet:
            return
        rest, ranked = self._basis()
        if rest != self._rest:
            self._rest, self._trial = rest, Trial(self._module, self._data or ())
        points = self._curves.setdefault((rest, ranked), [])
        shares = sorted({round(share, 4) for share in self._shares()})
        missing = [share for share in shares if share not in [point[0] for point in points]]
        with self.hold_sync():
            self.curve = [list(point) for point in points]
            self.accuracy = [-1, 0.0]
            self.progress = len(points) / len(shares) if shares else 1.0
            self.measuring = bool(missing) and not self._halted
        steps = self._steps(self._trial, self._count(), [] if self._halted else missing)

        def report(found: tuple[float | None, int, float] | None) -> None:
            if found is None:
                return
            share, at, accuracy = found
            if share is None:
                self.accuracy = [at, accuracy]
                return
            points.append([share, accuracy])
            points.sort()
            with self.hold_sync():
                self.curve = [list(point) for point in points]
                self.progress = len(points) / len(shares)
                self.measuring = len(points) < len(shares)

        self._background.start(
            steps,
            report,
            lambda error: self._say(f"The accuracy cannot be measured: {error}", failed=True),
        )

    def _basis(self) -> tuple[State, State]:
        """What the curve depends on: the other parameters, and the ranked ones with their order."""
        orders = self._ranking.orders
        other = (
            entry
            for entry in self._seen
            if entry[0].removesuffix("_orig").removesuffix("_mask") not in orders
        )
        ranked = (
            (name, hash_of(order.cpu()), hash_of(self._places[name].values.cpu()))
            for name, order in orders.items()
        )
        return tuple(other), tuple(ranked)

    def _shares(self) -> list[float]:
        """Where the curve is measured: shares of the units that can go."""
        if not self.ways:
            return [0.0, 1.0] if self.units else []
        if self.units <= CURVE:
            return [at / self.units for at in range(self.units + 1)] if self.units else []
        return [step / CURVE for step in range(CURVE + 1)]

    def _steps(
        self, trial: Trial, now: int, shares: Sequence[float]
    ) -> Iterator[tuple[float | None, int, float] | None]:
        """The accuracy at ``now`` units, then at each share of them; runs beside the kernel."""
        ranking = self._ranking
        values = {name: self._places[name].values.clone() for name in ranking.orders}

        def accuracy(at: int) -> float:
            masks = ranking.masks(at)
            return trial.accuracy({n: v.where(masks[n], 0) for n, v in values.items()})

        def steps() -> Iterator[tuple[float | None, int, float] | None]:
            time.sleep(SETTLED)
            yield None  # a newer amount ends it here
            if 0.0 in shares:
                yield 0.0, 0, accuracy(0)
            yield None, now, accuracy(now)
            for share in shares:
                if share:
                    at = count(share, ranking.units)
                    yield share, at, accuracy(at)

        return steps()

    # Checks

    def _check_name(self, name: str | None) -> None:
        if name in self._places or (name is None and self._places):
            return
        kind = type(self._module).__name__
        if not self._places:
            lazy = any(True for _ in self._module.parameters())
            raise (
                ValueError(f"{kind} has no values yet: run the module on an input first")
                if lazy
                else AttributeError(f"{kind} has no parameters to prune")
            )
        raise AttributeError(
            f"{kind} has no parameter {name!r}; it has {', '.join(map(repr, self._places))}"
        )

    def _not_offered(self, technique: str, values: Tensor) -> str:
        offered = [entry["value"] for entry in self._menu(values)]
        return (
            f"technique={technique!r} is not offered for a tensor of shape {tuple(values.shape)}; "
            f"choose one of {', '.join(offered)}"
        )

    @traitlets.validate("name")
    def _valid_name(self, proposal: traitlets.Bunch) -> str:
        self._places = places_of(self._module)
        self._check_name(proposal.value)
        return str(proposal.value)

    @traitlets.validate("technique")
    def _valid_technique(self, proposal: traitlets.Bunch) -> str:
        values = self._place.values
        known = proposal.value == BY_HAND or proposal.value in self._technique
        if not known or (proposal.value != BY_HAND and not self._offered(proposal.value, values)):
            raise ValueError(self._not_offered(proposal.value, values))
        return str(proposal.value)

    @traitlets.validate("amount")
    def _valid_amount(self, proposal: traitlets.Bunch) -> int | float:
        prune._validate_pruning_amount_init(proposal.value)
        by_count = hasattr(proposal.value, "__index__")
        if not self.ways:
            return proposal.value
        if self.ways == ["count"] and not by_count:
            raise ValueError(f"amount={proposal.value} should be an int: how many of each group go")
        if self.ways == ["fraction"]:
            if by_count:
                raise ValueError(f"amount={proposal.value} should be a float between 0 and 1")
            return round(float(proposal.value) * STEPS) / STEPS  # where it was asked for its masks
        count(proposal.value, self.units)
        return int(proposal.value) if by_count else float(proposal.value)

    @traitlets.validate("dim")
    def _valid_dim(self, proposal: traitlets.Bunch) -> int:
        shape = tuple(self._place.values.shape)
        dims = max(1, len(shape))
        if not -dims <= proposal.value < dims:
            raise IndexError(f"Invalid index {proposal.value} for tensor of size {shape}")
        return int(proposal.value) % dims

    @traitlets.validate("seed")
    def _valid_seed(self, proposal: traitlets.Bunch) -> int:
        if not 0 <= proposal.value <= LARGEST_SEED:
            raise ValueError(f"seed={proposal.value} should lie between 0 and {LARGEST_SEED}")
        return int(proposal.value)

    @traitlets.validate("n")
    def _valid_n(self, proposal: traitlets.Bunch) -> float:
        if proposal.value not in NORMS:
            raise ValueError(f'n={proposal.value!r} should be 1, 2 or float("inf")')
        return NORMS[NORMS.index(proposal.value)]

    @traitlets.validate("m")
    def _valid_m(self, proposal: traitlets.Bunch) -> int:
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
        kind = type(self._place.module)  # whose dimensions have names
        preview = kind.__new__(kind)
        nn.Module.__init__(preview)
        values = self._place.values.float().cpu()
        preview.register_parameter(self._place.name, nn.Parameter(values))
        prune.custom_from_mask(preview, self._place.name, self.mask.float().cpu())
        return plots.plot_mask(preview, self._place.name)


def _group_sizes(values: Tensor) -> list[int]:
    """The sizes of N:M's groups that divide the input dimension."""
    sizes = (2, 4, 8, 16)
    return [size for size in sizes if values.dim() > 1 and values.shape[1] % size == 0]


def _first_weight(places: dict[str, Place]) -> str:
    weights = [name for name, place in places.items() if place.values.dim() > 1]
    return (weights or list(places))[0]
