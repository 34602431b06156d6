"""Apply, Undo and Reset: what a panel has pruned, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import traitlets
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.prune.methods import put_on
from prune_lab.widgets import lifetime
from prune_lab.widgets.background import Background
from prune_lab.widgets.dialogue import one_at_a_time
from prune_lab.widgets.kept import Kept
from prune_lab.widgets.panel import Panel
from prune_lab.widgets.parameters import Parameters, Seen, places_of
from prune_lab.widgets.ranking import scaled
from prune_lab.widgets.technique import Call, Calls, Order, found, take_long


@dataclass(frozen=True)
class Applied:
    """What one Apply did to one parameter.

    Attributes:
        before: the mask without it, None if there was none.
        after: the mask that it left.
        again: prunes that parameter in the same way once more; None: setting the mask does.
    """

    before: Tensor | None
    after: Kept
    again: Call | None


class Ordered(NamedTuple):
    """What one Apply is to do, as the controls stood when it was pressed.

    Attributes:
        orders: of parameters, each once.
        calls: returns the engine's calls that carry them out.
        sentence: what the panel says afterwards.
        alone: whether the other parameters lose what earlier Applies did to them.
    """

    orders: Sequence[Order]
    calls: Callable[[], Calls]
    sentence: str
    alone: bool = False

    def names(self) -> list[str]:
        """Return the names of the parameters."""
        return [name for order in self.orders for name in order.names]


class Applies:
    """Prunes the parameters of a model, each at most once on top of what the panel found.

    A second Apply on a parameter takes the place of the first: moving a slider must not compound.
    What code elsewhere has pruned since is never undone.

    >>> layer = nn.Linear(4, 5)
    >>> applies = Applies(layer)
    >>> for amount in (4, 6):
    ...     call = lambda: prune.l1_unstructured(layer, "weight", amount)
    ...     applies.apply(Calls({"weight": call}))
    >>> int((layer.weight_mask == 0).sum())
    6
    >>> applies.undo()
    'Undone: the model is as it was before.'
    >>> int((layer.weight_mask == 0).sum())
    4
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._now: dict[str, Applied] = {}  # by parameter
        self._earlier: list[dict[str, Applied]] = []  # the same, before each Apply

    def __bool__(self) -> bool:
        return bool(self._now)

    def base_mask(self, name: str) -> Tensor | None:
        """Return a copy of the mask of ``name`` as it is without any Apply; None: no mask."""
        return self.base_masks([name])[name]

    def base_masks(self, names: Iterable[str]) -> dict[str, Tensor | None]:
        """Return copies of the masks of ``names`` as they are without any Apply."""
        return self._base_masks(names, self._ours())

    def _base_masks(self, names: Iterable[str], ours: set[str]) -> dict[str, Tensor | None]:
        places = places_of(self._model)
        masks = {n: self._now[n].before if n in ours else places[n].mask for n in names}
        return {n: None if mask is None else mask.detach().clone() for n, mask in masks.items()}

    def masks(self) -> dict[str, Kept]:
        """Return what the Applies have left, by parameter name."""
        return {name: applied.after for name, applied in self._now.items()}

    def seen(self) -> dict[str, Seen]:
        """Return what these masks are in a model's state."""
        return {name: kept.seen for name, kept in self.masks().items()}

    def apply(self, wanted: Calls, alone: bool = False) -> None:
        """Prune some parameters, all of them or, where anything fails, none.

        Args:
            wanted: what prunes them.
            alone: whether the other parameters lose what earlier Applies did to them.
        """
        calls, together, left = wanted
        places, ours = places_of(self._model), self._ours()
        before = self._base_masks(calls, ours)
        taken = self._take_back(n for n in self._now if n in ours and (alone or n in calls))
        done: list[str] = []
        try:
            if together is not None:
                together()
                done.extend(calls)
            else:
                for name, call in calls.items():
                    assert call is not None
                    call()
                    done.append(name)
            prune.prune_twins(self._model)  # a tied parameter is shown once: prune all of it
        except BaseException:  # also who interrupts the kernel
            for name in done:
                prune.undo(*places[name])
            self._put_back(taken)
            raise
        self._earlier.append(self._now)
        self._now = {} if alone else dict(self._now)
        for name, call in calls.items():
            after = places[name].mask
            assert after is not None
            self._now[name] = Applied(before[name], left.get(name) or Kept(after), call)

    def undo(self) -> str:
        """Take the last Apply back, and say in a sentence what came of it."""
        return self._go_back_to(self._earlier.pop() if self._earlier else {})

    def reset(self) -> str:
        """Take every Apply back, and say in a sentence what came of it."""
        self._earlier.clear()
        return self._go_back_to({})

    def _go_back_to(self, target: dict[str, Applied]) -> str:
        places, ours = places_of(self._model), self._ours()
        lost = [n for n in self._now if n not in ours]
        changed = [n for n in self._now if n not in lost and target.get(n) is not self._now[n]]
        released = [
            n for n in target
            if n not in self._now and n in places and _equal(places[n].mask, target[n].before)
        ]  # fmt: skip
        self._take_back(changed)
        self._put_back({name: target[name] for name in [*changed, *released] if name in target})
        self._now = {
            name: applied
            for name, applied in target.items()
            if name in released or (name in self._now and name not in lost)
        }
        if lost:
            self._earlier.clear()
            return f"Not undone: {', '.join(lost)} was pruned or changed from elsewhere since."
        if changed or released:
            return "Undone: the model is as it was before."
        return "Nothing to undo: nothing was pruned from here."

    def _take_back(self, names: Iterable[str]) -> dict[str, Applied]:
        places = places_of(self._model)
        taken = {name: self._now[name] for name in names}
        for name in taken:
            prune.undo(*places[name])
        return taken

    def _put_back(self, taken: dict[str, Applied]) -> None:
        """Prune as before; where the weights have changed since, by the mask of then."""
        places = places_of(self._model)
        by_mask = []
        for name, applied in taken.items():
            place = places[name]
            if applied.again is not None:
                applied.again()
                if applied.after.is_of(place.mask):
                    continue
                prune.undo(*place)
            mask = applied.after.mask(place.values)
            by_mask.append((prune.CustomFromMask(None), [place], mask))
        put_on(*by_mask)
        prune.prune_twins(self._model)

    def _ours(self) -> set[str]:
        """The parameters that are as our own Apply left them; code elsewhere may prune them."""
        places = places_of(self._model)
        return {
            name
            for name, applied in self._now.items()
            if name in places and applied.after.is_of(places[name].mask)
        }


def _equal(mask: Tensor | None, other: Tensor | None) -> bool:
    if mask is None or other is None:
        return mask is other
    return torch.equal(mask, other.to(mask))


class Applying(Panel):
    """The part of a panel that prunes the model: one Apply at a time, and back again.

    Where there are many entries, the button has the masks found beside the kernel; to put them on
    is one short step between two cells, all or nothing. Whatever runs meanwhile sees the model as
    it was, and if it has changed the model, nothing is applied.

    A subclass sets ``_parameters`` before its constructor goes on to this one, and writes
    ``_ordered`` and ``_take_own_work``.
    """

    undoable = traitlets.Bool(help="whether an Apply can be taken back").tag(sync=True)
    applying = traitlets.Bool(help="whether masks are being found beside the kernel").tag(sync=True)
    applied = traitlets.Float(1.0, help="how much of them is found").tag(sync=True)

    _parameters: Parameters

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._applies = Applies(self._parameters.model)
        self._finder = Background()
        self._open: Ordered | None = None  # whose masks are being found
        self._search: object = None  # the last one for it
        super().__init__(*args, **kwargs)

    def _asked(self) -> Any:
        """What was chosen that another look at the model may change."""

    def _ordered(self, asked: Any) -> Ordered | None:
        """What Apply is to do as the controls stand; None: nothing, and the panel says why.

        Raises:
            ValueError: the amount does not fit what is left to prune.
        """
        raise NotImplementedError

    def apply(self) -> None:
        """Make the engine's calls that the panel shows: all of them or, where one fails, none.

        Raises:
            ValueError: the amount does not fit what is left to prune.
        """
        with one_at_a_time:
            self._close_order()
            asked = self._asked()
            self.refresh()
            if (ordered := self._ordered(asked)) is not None:
                self._carry_out(ordered, ordered.calls())

    def undo(self) -> None:
        """Take the last ``apply`` back: the model is as it was before it."""
        self._go_back(self._applies.undo)

    def reset(self) -> None:
        """Take every ``apply`` back: the model is as it was before the first."""
        self._go_back(self._applies.reset)

    def stop_applying(self) -> None:
        """Stop an Apply whose masks are being found: nothing was pruned yet."""
        if self._close_order():
            self._say("Stopped: nothing was applied.")

    def _go_back(self, way: Callable[[], str]) -> None:
        with one_at_a_time:
            self._close_order()
            if self._hidden:  # else it is up to date: it follows cells and buttons
                self.refresh()
            sentence = way()
            self._take_own_work()
            self._say(sentence)

    def _carry_out(self, ordered: Ordered, calls: Calls) -> None:
        self._applies.apply(calls, ordered.alone)
        self._take_own_work()
        self._say(ordered.sentence)

    def _take_own_work(self) -> None:
        """Take the model as the panel's own buttons have left it."""
        raise NotImplementedError

    # Beside the kernel

    def _press(self, button: str) -> None:
        if self.applying and button in ("apply", "undo", "reset"):
            return  # from another page, or pressed twice
        ordered = None
        if button == "apply" and lifetime.loop_of_cells() is not None:
            ordered = self._ordered(self._asked())
        if ordered is None or not take_long(ordered.orders):
            super()._press(button)
            return
        self._say("")
        with self.hold_sync():
            self.applying, self.applied = True, 0.0
        self._open = ordered
        self._find(ordered)

    def _find(self, ordered: Ordered) -> None:
        search = self._search = object()
        was = self._parameters.versions()

        def work() -> Iterator[float | Calls | None]:
            before = self._applies.base_masks(ordered.names())
            calls = yield from scaled(found(ordered.orders, before), 0, 0.9)
            same = yield from scaled(self._parameters.compare(), 0.9, 1)
            yield calls if same else None

        def report(result: float | Calls | None) -> None:
            if isinstance(result, float):
                self.applied = min(result, 0.99)  # 1 is: applied
                return
            loop = lifetime.loop_of_cells()
            loop.add_callback(lambda: self._put_on(search, ordered, result, was))

        def failed(error: Exception) -> None:
            self._close_order()
            self._say_error(error)

        self._finder.start(work(), report, failed)

    def _put_on(self, search: object, ordered: Ordered, calls: Calls | None, was: object) -> None:
        """Prune by the masks that were found, on the kernel's thread, while no cell runs there."""
        with one_at_a_time, self._in_the_panel():
            if self._search is not search:  # stopped, or begun anew
                return
            if calls is None or self._parameters.versions() != was:
                self.refresh()
                self._give_up()
                return
            self._close_order()
            self._carry_out(ordered, calls)
        lifetime.after_button(self)

    def _close_order(self) -> bool:
        """End the search for masks; whether there was one."""
        with one_at_a_time:
            was_open = self._open is not None
            self._open = self._search = None
            self._finder.cancel()
            if was_open:
                with self.hold_sync():
                    self.applying, self.applied = False, 1.0
            return was_open

    def _give_up(self) -> None:
        if self._close_order():
            self._say("Not applied: the model has changed meanwhile. Press Apply again.")

    def follow_cell(self) -> None:
        """Look at the model again after a cell; masks that are being found are found anew.

        The cell might have changed values and put them back.
        """
        super().follow_cell()
        if self._open is not None:
            self._find(self._open)

    def sleep(self) -> None:
        """Close the comm and stop the work; displayed anew, the panel wakes."""
        self._close_order()
        super().sleep()
