"""Where a module keeps a pruned parameter, and how it gets there and back.

Unpruned, the module has the Parameter ``weight``. Pruned, it has the same Parameter under the
name ``weight_orig``, the buffer ``weight_mask``, the plain attribute ``weight`` and the hook.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod as PruningHook  # ours are registered with it

from . import attention
from .record import Record

_MISSING: Any = object()


def find_hook(module: nn.Module, name: str) -> tuple[Any, Any]:
    """Return the key and the pruning hook (ours or torch's) of ``name``, or two Nones.

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
    return found


def pruned_names(module: nn.Module) -> list[str]:
    """Return the names of the pruned parameters that ``module`` itself holds."""
    return [
        hook._tensor_name
        for hook in module._forward_pre_hooks.values()
        if isinstance(hook, PruningHook)
    ]


def to_prune(module: nn.Module, name: str, pruned: bool) -> Tensor:
    """Return the values that a mask would be put on.

    Args:
        module, name: where.
        pruned: whether ``name`` is pruned already.

    Raises:
        AttributeError: the module has no such parameter.
        TypeError: it is a buffer, None, or a computed tensor.
        ValueError: it is not initialised yet, parametrized, or not what can be meant.
        KeyError: the name of the mask is taken.
    """
    if pruned:
        return original(module, name)
    parameter = module._parameters.get(name)
    if parameter is None or (
        name.endswith("_orig") and name.removesuffix("_orig") in pruned_names(module)
    ):
        raise _why_not(module, name)
    kind = type(module).__name__
    if isinstance(parameter, UninitializedParameter):
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
    module.__dict__.pop(name, None)
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


def show(module: nn.Module, name: str, weight: Tensor, record: Record) -> None:
    """Make ``weight``, a masked one, what ``module`` computes with under ``name``."""
    if isinstance(module, attention.PrunedOutProjection):  # it computes its own at every read
        return
    shown = record.shown
    if shown is None:
        setattr(module, name, weight)
        return
    # No lock: another thread may look, or Ctrl-C come, between any two of these.
    shown.add(weight)
    shown.expect(module, module.__dict__.get(name), weight)
    setattr(module, name, weight)
    shown.expect(module, weight)


def refuse_assigned(module: nn.Module, name: str, record: Record) -> None:
    """Refuse what somebody has set in the place of a masked weight: it would be overwritten.

    Raises:
        ValueError: and says what to do instead.
    """
    assigned, shown = module._parameters.get(name), record.shown
    if assigned is None:
        assigned = module.__dict__.get(name, _MISSING)
        if assigned is _MISSING or shown is None or shown.is_in(module, assigned):
            return
        if module.__dict__.get(name, _MISSING) is not assigned:  # another thread has just shown its
            refuse_assigned(module, name, record)
            return
    kind, what = type(module).__name__, type(assigned).__name__
    raise ValueError(
        f"'{name}' of {kind} is pruned, and a {what} has been set in its place, which the next "
        f"forward pass would overwrite. Take it away (del module.{name}), then either change the "
        f"values under the mask (module.{name}_orig) or call prune.remove(module, '{name}') "
        "before you set it"
    )


class unchanged_on_error(contextlib.AbstractContextManager[None]):
    """Give modules their parameters, buffers, hooks and attributes back if the block raises.

    The block may put other values in the place of a tensor's, but not write into them.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        self._before = [(m, type(m), [(t, dict(t)) for t in _tables(m)]) for m in modules]
        self._tensors = [
            (tensor, type(tensor), tensor.data)
            for module, *_ in self._before
            for tensor in (*module._parameters.values(), *module._buffers.values())
            if tensor is not None
        ]

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            return
        for tensor, type_of_tensor, values in self._tensors:  # remove and lazy layers change both
            tensor.data, tensor.__class__ = values, type_of_tensor
        for module, type_of_module, tables in self._before:
            module.__class__ = type_of_module
            for table, content in tables:
                table.clear()
                table.update(content)
            for name, value in [*module._parameters.items(), *module.__dict__.items()]:
                if isinstance(value, Tensor):
                    setattr(module, name, value)  # an LSTM keeps a list of its weights besides


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
