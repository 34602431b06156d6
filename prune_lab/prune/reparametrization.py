"""Where a module keeps a pruned parameter, and how it gets there and back.

Unpruned, the module has the Parameter ``weight``. Pruned, it has the same Parameter under the
name ``weight_orig``, the buffer ``weight_mask``, the plain attribute ``weight`` and the hook.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize
from torch.nn.utils import prune as torch_prune

from . import attention

if TYPE_CHECKING:
    from .methods import BasePruningMethod


def find_hook(module: nn.Module, name: str) -> tuple[int | None, BasePruningMethod | None]:
    """Return the key and the pruning hook (ours or torch's) of ``name``, or two Nones.

    Raises:
        AssertionError: two pruning hooks act on the same tensor.
    """
    found = [
        (key, hook)
        for key, hook in module._forward_pre_hooks.items()
        if isinstance(hook, torch_prune.BasePruningMethod) and hook._tensor_name == name
    ]
    if len(found) > 1:
        raise AssertionError(
            "Avoid adding multiple pruning hooks to the "
            f"same tensor {name} of module {module}. Use a PruningContainer."
        )
    return found[0] if found else (None, None)  # type: ignore[return-value]


def check_prunable(module: nn.Module, name: str, pruned: bool) -> nn.Parameter:
    """Return the Parameter behind ``name``: itself, or ``name_orig`` if it is ``pruned``.

    Raises:
        AttributeError: the module has nothing of that name.
        TypeError: it is a buffer, None, or a computed tensor.
        ValueError: it is not initialised yet, or parametrized.
        KeyError: a name that pruning needs is taken.
    """
    parameter = module._parameters.get(name + "_orig" if pruned else name)
    if parameter is None:
        raise _why_not(module, name)
    kind = type(module).__name__
    if isinstance(parameter, UninitializedParameter):
        raise ValueError(
            f"parameter '{name}' of {kind} is not initialised yet: "
            "run one batch through the module before you prune it"
        )
    if not pruned:
        for taken in (name + "_orig", name + "_mask"):
            if taken in module._parameters or taken in module._buffers or taken in module.__dict__:
                raise KeyError(f"attribute '{taken}' already exists in {kind}")
    return parameter


def _why_not(module: nn.Module, name: str) -> Exception:
    kind = type(module).__name__
    names = ", ".join(f"'{n}'" for n, _ in module.named_parameters(recurse=False)) or "none"
    if parametrize.is_parametrized(module, name):
        return ValueError(
            f"'{name}' of {kind} is parametrized: prune 'original' (or 'original0', ...) of "
            f"its parametrizations.{name} instead, or call "
            "torch.nn.utils.parametrize.remove_parametrizations first"
        )
    if name in module._parameters:
        return TypeError(f"parameter '{name}' of {kind} is None: there is nothing to prune")
    if name in module._buffers:
        return TypeError(f"'{name}' of {kind} is a buffer; only parameters are pruned: {names}")
    if isinstance(getattr(module, name, None), Tensor):
        return TypeError(
            f"'{name}' of {kind} is computed from other tensors (weight_norm?); "
            f"prune one of its parameters: {names}"
        )
    return AttributeError(f"{kind} has no parameter '{name}'; its parameters: {names}")


def install(
    hook: BasePruningMethod,
    module: nn.Module,
    name: str,
    key: int | None,
    mask: Tensor,
    weight: Tensor,
) -> None:
    """Put hook, mask and masked weight into the module; the caller has checked that they fit.

    Args:
        key: the place among the forward pre-hooks of the hook that this one replaces, or None.
        mask, weight: shape of the parameter.
    """
    hook._tensor_name = name
    hook._module = weakref.ref(module)
    if key is None:
        module._parameters[name + "_orig"] = module._parameters.pop(name)
        module.register_forward_pre_hook(hook)
    else:
        module._forward_pre_hooks[key] = hook
    module._buffers[name + "_mask"] = mask
    attention.mask_when_read(module)
    show(module, name, weight)


def release(module: nn.Module, name: str) -> nn.Parameter:
    """Give the parameter its name back and drop mask and masked weight; the hook stays."""
    orig = module._parameters.pop(name + "_orig")
    assert orig is not None
    del module._buffers[name + "_mask"]
    module.__dict__.pop(name, None)
    attention.call_again(module)
    if _has_its_own_way(module):
        setattr(module, name, orig)
    else:
        module._parameters[name] = orig
    return orig


def show(module: nn.Module, name: str, tensor: Tensor) -> None:
    """Make ``tensor``, a masked weight, what ``module`` computes with under ``name``."""
    if _has_its_own_way(module):
        setattr(module, name, tensor)
    elif not hasattr(type(module), name):  # an out_proj computes it at every read
        module.__dict__[name] = tensor


def _has_its_own_way(module: nn.Module) -> bool:
    """Tell whether a module does more with an attribute than keep it, as an LSTM does."""
    return type(module).__setattr__ is not nn.Module.__setattr__


def mask_of(module: nn.Module, name: str) -> Tensor:
    """Return the mask of the pruned parameter ``name``."""
    mask = module._buffers[name + "_mask"]
    assert mask is not None
    return mask


def pruned_names(module: nn.Module) -> list[str]:
    """Return the names of the pruned parameters that ``module`` itself holds."""
    return [
        hook._tensor_name
        for hook in module._forward_pre_hooks.values()
        if isinstance(hook, torch_prune.BasePruningMethod)
    ]
