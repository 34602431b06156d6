"""Keeping pruned entries where they are while an optimizer works."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor, nn

from .places import own_masks


def hold_pruned(optimizer: torch.optim.Optimizer, module: nn.Module) -> Hold:
    """Keep pruned entries where they are, whatever the optimizer does to them.

    Momentum, weight decay and Adam's averages move entries whose gradient is zero. Under a mask
    nobody sees that, until somebody takes the mask away; after ``remove`` the zeros themselves
    begin to move. From now on each step of ``optimizer`` leaves alone the entries that a mask

    * prunes at that moment, also one that is put on later, or
    * pruned until ``remove`` made it permanent: those stay at zero.

    A value that happens to be zero is not held. So call this before ``remove``: afterwards
    nobody knows any more which zeros were pruned. Call it again for a copy of the optimizer,
    which torch makes without hooks.

    Args:
        optimizer: holds parameters of ``module``.
        module: pruned, or still to be pruned.

    Returns:
        a handle; its ``remove()`` ends the holding. O(n) extra time per step.

    Raises:
        TypeError: not an optimizer and a module, in this order; or an optimizer that is only
            wrapped round another.
        ValueError: the optimizer holds none of the module's parameters.

    >>> from prune_lab import prune
    >>> layer = prune.l1_unstructured(nn.Linear(4, 1), "weight", amount=2)
    >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    >>> handle = hold_pruned(optimizer, layer)
    >>> _ = prune.remove(layer, "weight")
    >>> layer(torch.ones(1, 4)).sum().backward()
    >>> optimizer.step()
    >>> int((layer.weight == 0).sum())
    2
    """
    if not isinstance(optimizer, torch.optim.Optimizer) or not isinstance(module, nn.Module):
        raise TypeError(
            "hold_pruned(optimizer, module) takes a torch.optim.Optimizer and a torch.nn.Module, "
            f"in this order, not {type(optimizer).__name__} and {type(module).__name__}"
        )
    if not _held_by(optimizer) & set(module.parameters()):
        raise ValueError(
            f"this {type(optimizer).__name__} holds no parameter of this {type(module).__name__}: "
            "it would hold nothing. Was it made for another model, or for a copy?"
        )
    if not hasattr(optimizer, "_optimizer_step_pre_hooks"):  # its own __init__ left torch's out
        raise TypeError(
            f"this {type(optimizer).__name__} runs no step hooks of its own: "
            "pass the optimizer that it wraps"
        )
    return Hold(optimizer, module)


class Hold:
    """The two hooks round an optimizer's step that :func:`hold_pruned` installs."""

    def __init__(self, optimizer: torch.optim.Optimizer, module: nn.Module) -> None:
        self._module = module
        self._masked = _gone(module)  # what masks pruned when we last looked
        self._removed: dict[nn.Parameter, Tensor] = {}  # what they pruned when they were removed
        self._values: list[tuple[nn.Parameter, Tensor, Tensor]] = []  # during a step
        self._handles = (
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
        )
        _HOLDS.add(self)

    def concerns(self, parameter: nn.Parameter) -> bool:
        """Tell whether ``parameter`` is one of the module's."""
        return any(parameter is p for p in self._module.parameters())

    def note_removed(self, parameter: nn.Parameter, gone: Tensor) -> None:
        """Go on holding the entries that ``remove`` has made zero for good."""
        self._masked.pop(parameter, None)
        before = self._removed.get(parameter)
        self._removed[parameter] = gone if before is None else gone | before

    def note_undone(self, parameter: nn.Parameter) -> None:
        """Let go of the entries that ``undo`` gives back."""
        self._masked.pop(parameter, None)

    def _before_step(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        masked, stepped = _gone(self._module), _held_by(optimizer)
        for parameter in self._masked.keys() - masked.keys():
            self.note_removed(parameter, self._masked[parameter])  # by torch's own remove
        self._masked = masked
        held = dict(self._removed)
        for p, gone in masked.items():
            held[p] = gone | held[p] if p in held else gone
        self._values = [(p, gone, p.detach()[gone]) for p, gone in held.items() if p in stepped]

    @torch.no_grad()
    def _after_step(self, *_: Any) -> None:
        for parameter, gone, values in self._values:
            parameter[gone] = values
        self._values = []

    def remove(self) -> None:
        """End the holding."""
        for handle in self._handles:
            handle.remove()
        _HOLDS.discard(self)


_HOLDS: weakref.WeakSet[Hold] = weakref.WeakSet()


def note_removed(parameter: nn.Parameter, mask: Tensor) -> None:
    """Tell every hold that ``mask`` has been made permanent."""
    for hold in list(_HOLDS) if _HOLDS else ():
        if hold.concerns(parameter):
            hold.note_removed(parameter, mask == 0)


def note_undone(parameter: nn.Parameter) -> None:
    """Tell every hold that the only prune of ``parameter`` has been undone."""
    for hold in list(_HOLDS):
        hold.note_undone(parameter)


def _gone(module: nn.Module) -> dict[nn.Parameter, Tensor]:
    return {parameter: mask == 0 for parameter, mask in own_masks(module).items()}


def _held_by(optimizer: torch.optim.Optimizer) -> set[nn.Parameter]:
    return {parameter for group in optimizer.param_groups for parameter in group["params"]}
