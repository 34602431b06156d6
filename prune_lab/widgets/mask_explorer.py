"""MaskExplorer: drag a slider and see which entries of a parameter go."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anywidget
import ipywidgets
import torch
import traitlets
from torch import Tensor, nn

from prune_lab import plots, prune
from prune_lab.prune.amounts import count
from prune_lab.widgets.frontend import STYLE, script
from prune_lab.widgets.naming import expression_for
from prune_lab.widgets.techniques import TECHNIQUES, literal, rank

LARGEST_SEED = 2**32 - 1
NORMS = (1, 2, float("inf"))


class MaskView(anywidget.AnyWidget):
    """The picture in the browser: heatmap, legend, counts, code. Python fills it, JS draws it.

    ``values`` and ``order`` are the bytes of a tensor of ``shape`` in torch's order. The sliders
    are linked to ``fraction`` and ``count`` in the browser, and JS keeps these two in step;
    Python never writes back what the browser moved, or a slow kernel would move it again.
    """

    _esm = script("mask_explorer.js")
    _css = STYLE

    values = traitlets.Bytes(help="float32, the parameter's values before the preview").tag(
        sync=True
    )
    order = traitlets.Bytes(
        help="int32, when each entry goes: 0 first, -1 gone before; pruned means order < count"
    ).tag(sync=True)
    shape = traitlets.List(traitlets.Int(min=0), help="of the parameter").tag(sync=True)
    name = traitlets.Unicode(help="of the parameter, such as 'weight'").tag(sync=True)
    title = traitlets.Unicode(help="layer and parameter, such as 'conv1.weight'").tag(sync=True)
    dim = traitlets.Int(None, allow_none=True, help="whose channels go; None: entries").tag(
        sync=True
    )
    unit = traitlets.Int(help="the amount is 0: a fraction, 1: a count", min=0, max=1).tag(
        sync=True
    )
    fraction = traitlets.Float(min=0.0, max=1.0, help="of the units that can go").tag(sync=True)
    count = traitlets.Int(min=0, help="of the units (entries or channels) that go").tag(sync=True)
    code = traitlets.Tuple(
        traitlets.Unicode(),
        traitlets.Unicode(),
        default_value=("", ""),
        help="the call, before and after the amount",
    ).tag(sync=True)
    ramp = traitlets.List(
        traitlets.Unicode(), help="colours '#rrggbb' from the lowest to the highest value"
    ).tag(sync=True)
    message = traitlets.Unicode(help="one sentence for the panel").tag(sync=True)
    failed = traitlets.Bool(help="whether the message says that something went wrong").tag(
        sync=True
    )


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


class MaskExplorer(ipywidgets.VBox):
    """See which entries of a parameter go, before and after they do.

    Moving a control previews: the module is left alone. ``Apply`` makes the one call that the
    panel shows, on the module as it was before any earlier ``Apply``; ``Reset`` undoes it.
    The attributes below may be set and observed.

    Attributes:
        technique: name of a function in ``prune_lab.prune``; structured ones need two or more
            dimensions.
        amount: float in [0, 1]: fraction of the entries (structured: channels) that are not
            pruned yet; int: count of them.
        seed: for the random techniques; 1, because a model made after ``manual_seed(0)`` got its
            weights from the very numbers that seed 0 would draw: its largest would go.
        dim: whose channels a structured technique prunes.
        n: the norm of ``ln_structured``: 1, 2 or ``float("inf")``.

    Args:
        module: any module that owns the parameter.
        name: of the parameter.
        label: how the code calls the module; found among the caller's variables if left out.

    Raises:
        TypeError: ``module`` is not an ``nn.Module``.
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

    technique = traitlets.Unicode("l1_unstructured", help="a function in prune_lab.prune")
    amount = Amount(0.3, help="float: a fraction; int: a count")
    seed = traitlets.Int(1, help="for the random techniques")
    dim = traitlets.Int(0, help="whose channels go")
    n = traitlets.Any(2, help="the norm that ranks channels")

    def __init__(
        self,
        module: nn.Module,
        name: str = "weight",
        *,
        technique: str = "l1_unstructured",
        amount: int | float = 0.3,
        seed: int = 1,
        dim: int = 0,
        n: float = 2,
        label: str | None = None,
    ) -> None:
        self._module, self._name = module, name
        self._applied: Tensor | None = None  # the mask that our own Apply left on the module
        self._before: Tensor | None = None  # the mask that was there before it
        self._order: Tensor | None = None
        self._told = False  # the amount comes from the controls, so they need not be told
        _check_parameter(module, name)
        self._label = label or _callers_name(module) or type(module).__name__.lower()

        self.view = MaskView(name=name, title=f"{self.layer}.{name}", ramp=plots.RAMP)
        self._build_controls()
        super().__init__(children=self._rows())
        self.add_class("prune-lab")
        self.seed, self.dim, self.n, self.technique = seed, dim, n, technique
        self._preview()
        self.amount = amount
        self._tell_controls()
        self.observe(self._preview_again, ["technique", "seed", "dim", "n"])

    # What the reader asks

    @property
    def layer(self) -> str:
        """Last part of the module's name, such as ``conv1``."""
        return self._label.rsplit(".", 1)[-1]

    @property
    def mask(self) -> Tensor:
        """The mask that ``Apply`` would set: shape and dtype of the parameter, 1 kept, 0 pruned."""
        assert self._order is not None
        return (self._order >= self._count()).to(self._tensor())

    @property
    def code(self) -> str:
        """The call that makes this mask."""
        return self._code(literal(self.amount))

    def apply(self) -> None:
        """Make the one call of the engine that ``code`` shows.

        Raises:
            ValueError: the amount does not fit what is left to prune.
        """
        amount = self.amount
        self._take_back()
        self._preview()
        # Code elsewhere may have pruned meanwhile, and left less than the count that was chosen.
        prune._validate_pruning_amount(amount, self._units())
        before = self._present_mask()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            call = getattr(prune, self.technique)
            call(self._module, self._name, amount=self.amount, **self._options())
        self._before = before
        self._applied = self._present_mask()
        self._reset.disabled = False
        self._say(
            f"Applied with amount={literal(self.amount)}: "
            f"{self._name} is now {self._name}_orig × {self._name}_mask."
        )

    def reset(self) -> None:
        """Undo ``apply``: the module is as it was before."""
        undone = self._take_back()
        self._preview()
        self._say(
            f"Undone: {self.layer}.{self._name} is as it was before Apply."
            if undone
            else f"Nothing to undo: {self.layer}.{self._name} was not pruned from here."
        )

    # The module

    def _tensor(self) -> Tensor:
        """The unpruned values."""
        parameters = self._module._parameters
        found = parameters.get(f"{self._name}_orig", parameters.get(self._name))
        if found is None:
            raise AttributeError(f"{self._label} has lost its parameter '{self._name}'")
        return found.detach()

    def _present_mask(self) -> Tensor | None:
        mask = self._module._buffers.get(f"{self._name}_mask")
        return None if mask is None else mask.detach().clone()

    def _still_applied(self) -> bool:
        """Whether the module is as our own Apply left it; code elsewhere may have pruned it."""
        mask = self._present_mask()
        return (
            self._applied is not None
            and mask is not None
            and torch.equal(mask.cpu(), self._applied.cpu())
        )

    def _take_back(self) -> bool:
        """Undo our own Apply, if it is the last thing that was done; say whether it was."""
        undone = self._still_applied()
        if undone:
            prune.undo(self._module, self._name)
        self._applied = self._before = None
        self._reset.disabled = True
        return undone

    # The preview

    def _preview(self, rescale: bool = False) -> None:
        """Rank the entries of the module as it is before our own Apply, and show them."""
        values = self._tensor()
        mask = self._before if self._still_applied() else self._present_mask()
        # The norm of a channel is that of its entries that are still there.
        scores = values if mask is None else values.where(mask != 0, 0)
        order = rank(self.technique, scores, mask, self._options(), self.seed).cpu()
        units_before, self._order = self._units(), order
        if isinstance(self.amount, int):
            # A count of entries says nothing about channels: there, keep the share.
            share = self._units() / units_before if rescale and units_before else 1
            self.amount = min(round(self.amount * share), self._units())
        technique = TECHNIQUES[self.technique]
        with self.view.hold_sync():
            self.view.shape = list(values.shape)
            self.view.values = values.to("cpu", torch.float32).contiguous().numpy().tobytes()
            self.view.order = order.to(torch.int32).contiguous().numpy().tobytes()
            self.view.dim = self.dim if technique.structured else None
            before, after = self._code("\0").split("\0")
            self.view.code = (before, after)
        self._tell_controls()

    def _preview_again(self, change: traitlets.Bunch) -> None:
        with self._in_the_panel():
            self._preview(rescale=change.name in ("technique", "dim"))
            self._say("")

    def _units(self) -> int:
        """How many entries, or channels, can still go."""
        return 0 if self._order is None or not self._order.numel() else int(self._order.max()) + 1

    def _count(self) -> int:
        return count(self.amount, self._units())

    def _options(self) -> dict[str, Any]:
        """What the technique takes beside the amount."""
        return {option: getattr(self, option) for option in TECHNIQUES[self.technique].options}

    def _code(self, amount: str) -> str:
        technique = TECHNIQUES[self.technique]
        seed = f"torch.manual_seed({self.seed})\n" if technique.random else ""
        options = "".join(f", {key}={literal(value)}" for key, value in self._options().items())
        call = f'prune.{self.technique}({self._label}, name="{self._name}"'
        return f"{seed}{call}, amount={amount}{options})"

    # The controls

    def _build_controls(self) -> None:
        shape = self._tensor().shape
        offered = [name for name, t in TECHNIQUES.items() if len(shape) > 1 or not t.structured]
        self._technique = ipywidgets.Dropdown(
            options=[(TECHNIQUES[name].label, name) for name in offered], description="technique"
        )
        self._dim = ipywidgets.Dropdown(
            options=[(f"{d} ({size} channels)", d) for d, size in enumerate(shape)] or [("0", 0)],
            description="dim",
        )
        self._n = ipywidgets.Dropdown(
            options=[("1", 1), ("2", 2), ("∞", float("inf"))], value=2, description="norm n"
        )
        self._seed = ipywidgets.BoundedIntText(min=0, max=LARGEST_SEED, description="seed")
        self._unit = ipywidgets.ToggleButtons(
            options=["fraction", "count"],
            description="amount",
            tooltips=["as a float: the fraction that goes", "as an int: how many go"],
        )
        self._fraction = ipywidgets.FloatSlider(
            min=0, max=1, step=0.01, readout_format=".4", layout={"width": "100%"}
        )
        self._number = ipywidgets.IntSlider(min=0, readout_format="d", layout={"width": "100%"})
        self._apply = ipywidgets.Button(description="Apply", button_style="primary")
        self._reset = ipywidgets.Button(description="Reset", disabled=True)

        for control, trait in (
            (self._technique, "technique"),
            (self._dim, "dim"),
            (self._n, "n"),
            (self._seed, "seed"),
        ):
            control.layout.width = "auto"
            traitlets.link((self, trait), (control, "value"))
        # In the browser, so that the picture follows while the kernel is busy, or gone.
        for source, target in (
            ((self._unit, "index"), (self.view, "unit")),
            ((self._fraction, "value"), (self.view, "fraction")),
            ((self._number, "value"), (self.view, "count")),
        ):
            ipywidgets.jslink(source, target)
        for control, trait in (
            (self._unit, "index"),
            (self._fraction, "value"),
            (self._number, "value"),
        ):
            control.observe(self._hear_controls, trait)
        self._apply.on_click(lambda _: self._do(self.apply))
        self._reset.on_click(lambda _: self._do(self.reset))

    def _rows(self) -> list[ipywidgets.Widget]:
        sliders = ipywidgets.Stack([self._fraction, self._number], selected_index=0)
        ipywidgets.jslink((self._unit, "index"), (sliders, "selected_index"))
        sliders.add_class("prune-lab-slider")
        settings = ipywidgets.HBox([self._technique, self._n, self._dim, self._seed])
        amount = ipywidgets.HBox([self._unit, sliders])
        buttons = ipywidgets.HBox([self._apply, self._reset])
        settings.add_class("prune-lab-controls")
        amount.add_class("prune-lab-controls")
        buttons.add_class("prune-lab-buttons")
        return [settings, amount, self.view, buttons]

    def _hear_controls(self, change: object) -> None:
        """Take the amount from the slider that the reader moved, and tell no control about it."""
        if self._told:
            return
        self._told = True
        with self._in_the_panel():
            by_count = self._unit.index == 1
            self.amount = self._number.value if by_count else float(self._fraction.value)
        self._told = False

    @traitlets.observe("amount")
    def _amount_set(self, change: object) -> None:
        if self._order is not None and not self._told:
            self._tell_controls()

    def _tell_controls(self) -> None:
        """Show the amount on both sliders."""
        told, self._told = self._told, True
        try:
            units, count = self._units(), self._count()
            fraction = count / units if isinstance(self.amount, int) and units else self.amount
            self._number.max = max(units, count)
            self._number.value = count
            self._fraction.value = min(1.0, float(fraction))
            self._unit.index = 1 if isinstance(self.amount, int) else 0
            technique = TECHNIQUES[self.technique]
            for control, needed in (
                (self._seed, technique.random),
                (self._dim, technique.structured),
                (self._n, "n" in technique.options),
            ):
                control.layout.display = "" if needed else "none"
        finally:
            self._told = told

    def _do(self, action: Callable[[], None]) -> None:
        """Do what a button asks."""
        with self._in_the_panel():
            action()

    @contextmanager
    def _in_the_panel(self) -> Iterator[None]:
        """Whatever goes wrong inside is said in the panel, in one sentence, without traceback."""
        try:
            yield
        except Exception as error:
            sentence = str(error).partition("\n")[0] or type(error).__name__
            self._say(sentence, failed=True)

    def _say(self, sentence: str, failed: bool = False) -> None:
        with self.view.hold_sync():
            self.view.message, self.view.failed = sentence, failed

    # Checks

    @traitlets.validate("technique")
    def _check_technique(self, proposal: traitlets.Bunch) -> str:
        offered = [value for _, value in self._technique.options]
        if proposal.value not in offered:
            shape = tuple(self._tensor().shape)
            raise ValueError(
                f"technique={proposal.value!r} is not offered for a tensor of shape {shape}; "
                f"choose one of {', '.join(offered)}"
            )
        return str(proposal.value)

    @traitlets.validate("amount")
    def _check_amount(self, proposal: traitlets.Bunch) -> int | float:
        prune._validate_pruning_amount_init(proposal.value)
        count(proposal.value, self._units())
        by_count = isinstance(proposal.value, int) or hasattr(proposal.value, "__index__")
        return int(proposal.value) if by_count else float(proposal.value)

    @traitlets.validate("dim")
    def _check_dim(self, proposal: traitlets.Bunch) -> int:
        shape = tuple(self._tensor().shape)
        dims = max(1, len(shape))
        if not -dims <= proposal.value < dims:
            raise IndexError(f"Invalid index {proposal.value} for tensor of size {shape}")
        return int(proposal.value) % dims

    @traitlets.validate("seed")
    def _check_seed(self, proposal: traitlets.Bunch) -> int:
        if not 0 <= proposal.value <= LARGEST_SEED:
            raise ValueError(f"seed={proposal.value} should lie between 0 and {LARGEST_SEED}")
        return int(proposal.value)

    @traitlets.validate("n")
    def _check_n(self, proposal: traitlets.Bunch) -> float:
        if proposal.value not in NORMS:
            raise ValueError(f'n={proposal.value!r} should be 1, 2 or float("inf")')
        return NORMS[NORMS.index(proposal.value)]

    # How it shows itself without a browser

    def __repr__(self) -> str:
        mask = self.mask
        return (
            f"MaskExplorer(layer={self.layer!r}, technique={self.technique!r}, "
            f"amount={self.amount!r}, kept={int(mask.sum())}/{mask.numel()})"
        )

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**kwargs)
        bundle["text/plain"] = repr(self)
        bundle["image/png"] = self._png()
        return bundle

    def _png(self) -> bytes:
        """The preview as a picture, for viewers without widgets."""
        kind = type(self._module)  # whose dimensions have names
        preview = kind.__new__(kind)
        nn.Module.__init__(preview)
        preview.register_parameter(self._name, nn.Parameter(self._tensor().float().cpu()))
        prune.custom_from_mask(preview, self._name, self.mask.float().cpu())
        file = io.BytesIO()
        plots.plot_mask(preview, self._name).savefig(file, format="png", dpi=72)
        return file.getvalue()


def _check_parameter(module: object, name: str) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(f"module should be a torch.nn.Module, not {type(module).__name__}")
    owned = {
        parameter.removesuffix("_orig")
        for parameter, value in module._parameters.items()
        if value is not None
    }
    if name not in owned:
        has = (
            f"it has {', '.join(map(repr, sorted(owned)))}"
            if owned
            else ("it has none of its own: pass one of its layers")
        )
        raise AttributeError(f"{type(module).__name__} has no parameter {name!r}; {has}")
    parameter = module._parameters.get(f"{name}_orig", module._parameters.get(name))
    if isinstance(parameter, nn.parameter.UninitializedParameter):
        raise ValueError(f"{name} has no values yet: run the module on an input first")
    if parameter is not None and not parameter.numel():
        raise ValueError(f"{name} of shape {tuple(parameter.shape)} has no entries to prune")


def _callers_name(module: nn.Module) -> str | None:
    """How the code that made the widget calls the module."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return None if frame is None else expression_for(module, {**frame.f_globals, **frame.f_locals})
