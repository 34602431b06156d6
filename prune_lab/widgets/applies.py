"""Apply, Undo and Reset: what a panel has pruned, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import traitlets
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.widgets.panel import Panel
from prune_lab.widgets.parameters import Parameters, Place, places_of
from prune_lab.widgets.technique import Call, Calls


@dataclass(frozen=True)
class Applied:
    """What one Apply did to one parameter.

    Attributes:
        before: the mask without it, None if there was none.
        after: the mask that it left, as bools if it is of ones and zeros.
        again: prunes that parameter in the same way once more; None: setting the mask does.
    """

    before: Tensor | None
    after: Tensor
    again: Call | None


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
        places = places_of(self._model)
        masks = {
            name: self._now[name].before if self._is_ours(name, places[name]) else places[name].mask
            for name in names
        }
        return {n: None if mask is None else mask.detach().clone() for n, mask in masks.items()}

    def apply(self, wanted: Calls, alone: bool = False) -> None:
        """Prune some parameters, all of them or, where anything fails, none.

        Args:
            wanted: what prunes them.
            alone: whether the other parameters lose what earlier Applies did to them.
        """
        calls, together = wanted
        places = places_of(self._model)
        before = self.base_masks(calls)
        replaced = [name for name in (self._now if alone else calls) if name in places]
        taken = self._take_back(name for name in replaced if self._is_ours(name, places[name]))
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
        except Exception:
            for name in done:
                prune.undo(*places[name])
            self._put_back(taken)
            raise
        self._earlier.append(self._now)
        self._now = {} if alone else dict(self._now)
        for name, call in calls.items():
            after = places[name].mask
            assert after is not None
            self._now[name] = Applied(before[name], _copied(after), call)

    def undo(self) -> str:
        """Take the last Apply back, and say in a sentence what came of it."""
        return self._go_back_to(self._earlier.pop() if self._earlier else {})

    def reset(self) -> str:
        """Take every Apply back, and say in a sentence what came of it."""
        self._earlier.clear()
        return self._go_back_to({})

    def _go_back_to(self, target: dict[str, Applied]) -> str:
        places = places_of(self._model)
        lost = [n for n in self._now if n not in places or not self._is_ours(n, places[n])]
        changed = [n for n in self._now if n not in lost and target.get(n) is not self._now[n]]
        released = [
            n for n in target
            if n not in self._now and n in places and _same(places[n].mask, target[n].before)
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
        for name, applied in taken.items():
            place = places[name]
            if applied.again is not None:
                applied.again()
                if _same(place.mask, applied.after):
                    continue
                prune.undo(*place)
            prune.custom_from_mask(*place, applied.after != 0)
        prune.prune_twins(self._model)

    def _is_ours(self, name: str, place: Place) -> bool:
        """Whether the parameter is as our own Apply left it; code elsewhere may have pruned it."""
        applied = self._now.get(name)
        return applied is not None and _same(place.mask, applied.after)


def _copied(mask: Tensor) -> Tensor:
    """A copy that takes a quarter of the memory, unless there is more in it than ones and zeros."""
    small = mask != 0
    return small if torch.equal(small.to(mask), mask) else mask.clone()


def _same(mask: Tensor | None, other: Tensor | None) -> bool:
    if mask is None or other is None:
        return mask is other
    return torch.equal(mask, other.to(mask))


class Applying(Panel):
    """The part of a panel that prunes the model: one Apply at a time, and back again.

    A subclass sets ``_parameters`` before its constructor goes on to this one, and writes
    ``_take_own_work``.
    """

    undoable = traitlets.Bool(help="whether an Apply can be taken back").tag(sync=True)

    _parameters: Parameters

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._applies = Applies(self._parameters.model)
        super().__init__(*args, **kwargs)

    def undo(self) -> None:
        """Take the last ``apply`` back: the model is as it was before it."""
        self._go_back(self._applies.undo)

    def reset(self) -> None:
        """Take every ``apply`` back: the model is as it was before the first."""
        self._go_back(self._applies.reset)

    def _go_back(self, way: Callable[[], str]) -> None:
        self.refresh()
        sentence = way()
        self._take_own_work()
        self._say(sentence)

    def _take_own_work(self) -> None:
        """Take the model as the panel's own buttons have left it."""
        raise NotImplementedError
