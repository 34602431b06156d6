"""Where a module keeps a pruned parameter, and how it gets there and back.

Unpruned, the module has the Parameter ``weight``. Pruned, it has the same Parameter under the
name ``weight_orig``, the buffer ``weight_mask``, the plain attribute ``weight`` and the hook; and
in ``_weight_shown`` a note of what the hook has last put there, to tell it from what others put.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod as PruningHook  # ours are registered with it
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from . import attention

_MISSING: Any = object()
WITHOUT_HOOKS = (nn.ParameterList, nn.ParameterDict, torch.jit.ScriptModule)


class Found(NamedTuple):
    """A place of a parameter, and the pruning hook there."""

    module: nn.Module
    name: str
    key: Any  # of the hook
    hook: Any  # ours or torch's; both are None if the parameter is not pruned there


def find(module: nn.Module, name: str) -> Found:
    """Look for the pruning hook of ``name``.

    Raises:
        TypeError: not a module and a name.
        AssertionError: two pruning hooks act on the same tensor.
    """
    if not isinstance(module, nn.Module) or not isinstance(name, str):
        raise TypeError(_not_a_place(module, name))
    found: tuple[Any, Any] = (None, None)
    for key, hook in module._forward_pre_hooks.items():
        if getattr(hook, "_tensor_name", None) == name and isinstance(hook, PruningHook):
            if found[1] is not None:
                raise AssertionError(
                    "Avoid adding multiple pruning hooks to the "
                    f"same tensor {name} of module {module}. Use a PruningContainer."
                )
            found = key, hook
    return Found(module, name, *found)


def hooks_of(module: nn.Module) -> list[Any]:
    """Return the pruning hooks, ours and torch's, of what ``module`` itself holds."""
    return [hook for hook in module._forward_pre_hooks.values() if isinstance(hook, PruningHook)]


def pruned_names(module: nn.Module) -> list[str]:
    """Return the names of the pruned parameters that ``module`` itself holds."""
    return [hook._tensor_name for hook in hooks_of(module)]


def to_prune(module: nn.Module, name: str) -> nn.Parameter:
    """Return the parameter ``name``, which is not pruned yet.

    Raises:
        AttributeError: the module has no such parameter.
        TypeError: it is a buffer, None, or a computed tensor.
        ValueError: it is not initialised yet, parametrized, or not what can be meant.
        KeyError: the name of the mask is taken.
    """
    if isinstance(module, WITHOUT_HOOKS):
        raise TypeError(
            f"a {type(module).__name__} has no forward pass in which a mask could be put on: prune "
            "the parameter of a module that is called, and before it is compiled to TorchScript"
        )
    parameter = module._parameters.get(name)
    if parameter is None or (
        name.endswith("_orig") and name.removesuffix("_orig") in pruned_names(module)
    ):
        raise _why_not(module, name)
    kind = type(module).__name__
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, (WeightNorm, SpectralNorm)) and name.startswith(hook.name + "_"):
            raise ValueError(
                f"'{hook.name}' of {kind} is computed from '{name}' before a mask would be put on: "
                f"use the {type(hook).__name__} of torch.nn.utils.parametrizations instead, and "
                f"prune the 'original' of its parametrizations.{hook.name}"
            )
    if is_lazy(parameter):
        raise ValueError(
            f"parameter '{name}' of {kind} is not initialised yet: "
            "run one batch through the module before you prune it"
        )
    if name + "_mask" in module._buffers:
        raise KeyError(f"attribute '{name}_mask' already exists in {kind}")
    return parameter


def original(module: nn.Module, name: str) -> Tensor:
    """Return the tensor under the mask of the pruned parameter ``name``."""
    orig: Tensor | None = module._parameters.get(name + "_orig")
    return getattr(module, name + "_orig") if orig is None else orig


def own_parameter(module: nn.Module, name: str) -> nn.Parameter:
    """Return the Parameter under the mask of ``name``.

    Raises:
        ValueError: it has been parametrized since.
    """
    orig = module._parameters.get(name + "_orig")
    if orig is not None:
        return orig
    if parametrize.is_parametrized(module, name + "_orig"):
        raise ValueError(
            f"'{name}_orig' of {type(module).__name__} is parametrized: call torch.nn.utils."
            f"parametrize.remove_parametrizations(module, '{name}_orig') first"
        )
    raise AttributeError(f"{type(module).__name__} has lost its parameter '{name}_orig'")


def mask_of(module: nn.Module, name: str) -> Tensor:
    """Return the mask of the pruned parameter ``name``."""
    mask: Tensor | None = module._buffers.get(name + "_mask")
    return getattr(module, name + "_mask") if mask is None else mask


def own_masks(module: nn.Module) -> dict[nn.Parameter, Tensor]:
    """Return the mask of every pruned parameter in ``module`` and below."""
    return {
        own_parameter(submodule, name): mask_of(submodule, name)
        for submodule in module.modules()
        for name in pruned_names(submodule)
    }


def put_mask(module: nn.Module, name: str, mask: Tensor) -> None:
    """Put a mask on a parameter; what :func:`show` shows is the caller's task."""
    module.register_parameter(name + "_orig", module._parameters[name])
    del module._parameters[name]
    module.register_buffer(name + "_mask", mask)
    attention.mask_when_read(module)


def release(module: nn.Module, name: str) -> None:
    """Give the parameter its name back, as the last one; drop mask and masked weight."""
    orig = own_parameter(module, name)
    del module._parameters[name + "_orig"]
    delattr(module, name + "_mask")
    hide(module, name)
    attention.call_again(module)
    setattr(module, name, orig)


def back_in_order(module: nn.Module, name: str, order: tuple[str, ...]) -> None:
    """Move a released parameter, which comes last, to where it was before.

    Args:
        module: holds it.
        name: its name.
        order: of the parameters before any was pruned; empty if torch's hook pruned it.
    """
    if name in order:
        before = order[: order.index(name)]
        for other in [n for n in module._parameters if n not in before and n != name]:
            module._parameters[other] = module._parameters.pop(other)


def show(module: nn.Module, name: str, weight: Tensor) -> None:
    """Make ``weight``, a masked one, what ``module`` computes with under ``name``.

    Beside it the module notes which one it was: whatever else is found under the name later,
    somebody has set there (:func:`refuse_assigned`).
    """
    if isinstance(module, attention.PrunedOutProjection):  # it computes its own at every read
        return
    shown = {_noted(name): (weight,), name: weight}
    # Both at once, and without a lock: another thread may look, or Ctrl-C come, at any time.
    module.__dict__.update(shown)
    if type(module).__setattr__ is not nn.Module.__setattr__:  # an LSTM lists its weights besides
        _being_set.add(id(weight))
        try:
            setattr(module, name, weight)
            module.__dict__.update(shown)
        finally:
            _being_set.discard(id(weight))


_being_set: set[int] = set()


def show_compiled(module: nn.Module, name: str, weight: Tensor) -> None:
    """Show it where a compiler watches, which follows no dictionaries and gives no identity."""
    setattr(module, name, weight)
    setattr(module, _noted(name), None)


def _noted(name: str) -> str:
    return f"_{name}_shown"


def refuse_assigned(module: nn.Module, hook: Any) -> None:
    """Refuse what somebody has set in the place of a masked weight: it would be overwritten.

    Args:
        module: is pruned.
        hook: shows the masked weight; torch's own notes nothing that could be compared.

    Raises:
        ValueError: and says what to do instead.
    """
    if getattr(hook, "record", None) is None:
        return
    name = hook._tensor_name
    now = module.__dict__.copy()  # of one moment: other threads show theirs
    shown, assigned = now.get(_noted(name)), now.get(name, _MISSING)
    if assigned is _MISSING:
        tables = (module._parameters, module._buffers, module._modules)
        assigned = next((table[name] for table in tables if name in table), _MISSING)
    elif shown is None or assigned is shown[0] or id(assigned) in _being_set:
        return
    if assigned is not _MISSING:
        kind, what = type(module).__name__, type(assigned).__name__
        raise ValueError(
            f"'{name}' of {kind} is pruned, and a {what} has been set in its place, which the next "
            f"forward pass would overwrite. Take it away (del module.{name}), then either change "
            f"the values under the mask (module.{name}_orig) or call "
            f"prune.remove(module, '{name}') before you set it"
        )


def weights(module: nn.Module, name: str) -> list[Tensor]:
    """Return the masked weight that is shown, and what has been set in its place."""
    now = module.__dict__
    return [w for w in (*(now.get(_noted(name)) or ()), now.get(name)) if isinstance(w, Tensor)]


def hide(module: nn.Module, name: str) -> None:
    """Take the masked weight away."""
    module.__dict__.pop(name, None)
    module.__dict__.pop(_noted(name), None)


class unchanged_on_error(contextlib.AbstractContextManager[None]):
    """Give modules their parameters, buffers, hooks and attributes back if the block raises.

    Args:
        modules: those that the block may change.
        tensors: those whose values the block may replace (``.data``), or their class. It may not
            write into the values.
    """

    def __init__(self, modules: Iterable[nn.Module], tensors: Iterable[Tensor] = ()) -> None:
        self._before = [(m, type(m), [(t, t.copy()) for t in _tables(m)]) for m in modules]
        self._tensors = [(tensor, type(tensor), tensor.data) for tensor in tensors]

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is None:
            return
        for tensor, type_of_tensor, values in self._tensors:  # remove and lazy layers change both
            tensor.data, tensor.__class__ = values, type_of_tensor
        for module, type_of_module, kept in self._before:
            object.__setattr__(module, "__class__", type_of_module)  # past a __setattr__ of its own
            for table, content in kept:
                table.clear()
                table.update(content)
        for module, *_ in self._before:
            if type(module).__setattr__ is not nn.Module.__setattr__:
                for name, value in [*module._parameters.items(), *module.__dict__.items()]:
                    if isinstance(value, Tensor):
                        with contextlib.suppress(Exception):
                            setattr(module, name, value)  # an LSTM lists its weights besides


def _tables(module: nn.Module) -> tuple[dict[Any, Any], ...]:
    return module.__dict__, module._parameters, module._buffers, module._forward_pre_hooks


def _not_a_place(module: object, name: object) -> str:
    if isinstance(name, nn.Module) and isinstance(module, str):
        return f"module and name are swapped: the module comes first, then its '{module}'"
    if not isinstance(module, nn.Module):
        return (
            f"module should be a torch.nn.Module, not {type(module).__name__}: "
            "prune 'weight' of the layer that holds it"
        )
    return f"name should be a string such as 'weight', not {type(name).__name__}"


def _why_not(module: nn.Module, name: str) -> Exception:
    """Return the error for a name that cannot be pruned, with the right one if it is clear."""
    kind = type(module).__name__
    names = ", ".join(f"'{n}'" for n, _ in module.named_parameters(recurse=False)) or "none"
    for pruned in pruned_names(module):
        if name in (pruned + "_orig", pruned + "_mask"):
            return ValueError(
                f"'{name}' of {kind} is a part of the pruned '{pruned}': "
                f"prune '{pruned}' again instead"
            )
    path, _, last = name.rpartition(".")
    with contextlib.suppress(AttributeError):
        if path and last in module.get_submodule(path)._parameters:
            return AttributeError(
                f"{kind} has no parameter '{name}' of its own: prune '{last}' of its submodule, "
                f"module.get_submodule('{path}')"
            )
    if parametrize.is_parametrized(module, name):
        return ValueError(
            f"'{name}' of {kind} is parametrized: prune 'original' (or 'original0', ...) of "
            f"its parametrizations.{name} instead, or call "
            "torch.nn.utils.parametrize.remove_parametrizations first"
        )
    if name in module._parameters:
        return TypeError(f"parameter '{name}' of {kind} is None: there is nothing to prune")
    for what, it_is in (
        ("a buffer", name in module._buffers),
        ("a module", name in module._modules),
        ("computed from other tensors (weight_norm?)", hasattr(module, name)),
    ):
        if it_is:
            return TypeError(f"'{name}' of {kind} is {what}; only parameters are pruned: {names}")
    return AttributeError(f"{kind} has no parameter '{name}'; its parameters: {names}")
