"""How much of a model is pruned."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .places import own_masks


def sparsity(module: nn.Module) -> float:
    """Return the fraction of the parameters' entries, in ``module`` and below, that are zero.

    A pruned entry counts as zero whatever value waits under its mask; after ``remove`` the zeros
    themselves are counted. A parameter that two modules share counts once.

    Returns:
        between 0 and 1; 0.0 for a module without parameters.

    Raises:
        TypeError: not a module.
        ValueError: values that cannot be counted: not initialised yet, on the meta device,
            parametrized under their mask, or packed by quantization.

    >>> from prune_lab import prune
    >>> layer = prune.l1_unstructured(nn.Linear(4, 5), "weight", amount=5)
    >>> sparsity(layer)  # 5 of 20 weights and 5 biases
    0.2
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"module should be a torch.nn.Module, not {type(module).__name__}")
    _refuse_packed(module)
    masks = own_masks(module)
    zeros = total = 0
    for name, parameter in module.named_parameters():
        _refuse_without_values(name, parameter)
        total += parameter.numel()
        gone = parameter.detach() == 0
        if parameter in masks:
            gone |= masks[parameter] == 0
        zeros += int(gone.sum())
    return zeros / total if total else 0.0


def _refuse_without_values(name: str, parameter: Tensor) -> None:
    if is_lazy(parameter):
        raise ValueError(f"'{name}' is not initialised yet: run one batch through the module first")
    if parameter.is_meta or isinstance(parameter, torch._subclasses.FakeTensor):
        raise ValueError(f"'{name}' has a shape but no values (meta): nothing to count")


def _refuse_packed(module: nn.Module) -> None:
    for path, submodule in module.named_modules():
        if any(isinstance(value, torch.ScriptObject) for value in submodule.__dict__.values()):
            raise ValueError(
                f"'{path or type(module).__name__}' keeps its weights packed (quantized): "
                "ask for the sparsity before quantization"
            )
