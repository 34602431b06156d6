"""How much is pruned, and keeping it so while an optimizer works."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .reparametrization import mask_of, pruned_names


def sparsity(module: nn.Module) -> float:
    """Return the fraction of the parameters' entries, in ``module`` and below, that are zero.

    A pruned entry counts as zero whatever value waits under its mask; after ``remove`` the zeros
    themselves are counted. A parameter that two modules share counts once.

    Returns:
        between 0 and 1; 0.0 for a module without parameters.

    >>> from prune_lab import prune
    >>> layer = prune.l1_unstructured(nn.Linear(4, 5), "weight", amount=5)
    >>> sparsity(layer)  # 5 of 20 weights and 5 biases
    0.2
    """
    masks = _masks(module)
    zeros = total = 0
    for parameter in module.parameters():
        total += parameter.numel()
        gone = parameter.detach() == 0
        if parameter in masks:
            gone |= masks[parameter] == 0
        zeros += int(gone.sum())
    return zeros / total if total else 0.0


def hold_pruned(optimizer: torch.optim.Optimizer, module: nn.Module) -> _Hold:
    """Keep pruned entries where they are, whatever the optimizer does to them.

    Momentum, weight decay and Adam's averages move entries whose gradient is zero. Under a mask
    nobody sees that, until somebody takes the mask away; after ``remove`` the zeros themselves
    begin to move. From now on each step of ``optimizer`` leaves alone

    * the entries that a mask prunes at that moment (also by a mask put on later), and
    * the entries of unmasked parameters that are zero now.

    Args:
        optimizer: holds parameters of ``module``.
        module: pruned, or with the zeros that ``remove`` left.

    Returns:
        a handle; its ``remove()`` ends the holding. O(n) extra time per step.

    >>> from prune_lab import prune
    >>> layer = prune.remove(prune.l1_unstructured(nn.Linear(4, 1), "weight", amount=2), "weight")
    >>> optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    >>> handle = hold_pruned(optimizer, layer)
    >>> layer(torch.ones(1, 4)).sum().backward()
    >>> optimizer.step()
    >>> int((layer.weight == 0).sum())
    2
    """
    return _Hold(optimizer, module)


class _Hold:
    """The two hooks round an optimizer's step that :func:`hold_pruned` installs."""

    def __init__(self, optimizer: torch.optim.Optimizer, module: nn.Module) -> None:
        self._module = module
        masks = _masks(module)
        zeros = {p: p.detach() == 0 for p in module.parameters() if p not in masks}
        self._zeros = {p: zero for p, zero in zeros.items() if zero.any()}
        self._values: dict[nn.Parameter, tuple[Tensor, Tensor]] = {}
        self._handles = (
            optimizer.register_step_pre_hook(self._before_step),
            optimizer.register_step_post_hook(self._after_step),
        )

    def _before_step(self, *_: Any) -> None:
        pruned = {p: mask == 0 for p, mask in _masks(self._module).items()}
        self._values = {
            p: (gone, p.detach()[gone]) for p, gone in {**self._zeros, **pruned}.items()
        }

    @torch.no_grad()
    def _after_step(self, *_: Any) -> None:
        for parameter, (gone, values) in self._values.items():
            parameter[gone] = values
        self._values = {}

    def remove(self) -> None:
        """End the holding."""
        for handle in self._handles:
            handle.remove()


def _masks(module: nn.Module) -> dict[nn.Parameter, Tensor]:
    """Return the mask of every pruned parameter in ``module`` and below."""
    masks = {}
    for submodule in module.modules():
        for name in pruned_names(submodule):
            orig = submodule._parameters[name + "_orig"]
            assert orig is not None
            masks[orig] = mask_of(submodule, name)
    return masks
