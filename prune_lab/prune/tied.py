"""Parameters that several modules hold, such as an embedding and the output layer tied to it.

Pruning renames the parameter inside one module; its twin would go on with the unpruned values.
torch keeps no list of a parameter's modules, but Python's garbage collector knows every holder.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch.fx
from torch import nn

if TYPE_CHECKING:
    from .methods import BasePruningMethod

# What a tracer or exporter made of a module shares its parameters, but is a copy, not a twin.
_TRACED = (torch.fx.GraphModule, torch.jit.ScriptModule)


RECORD = "_twins"  # the attribute of a hook that lists the twins found when it was put on


def twins(
    module: nn.Module, name: str, hook: BasePruningMethod | None
) -> list[tuple[nn.Module, str]]:
    """Return every other module that holds the same Parameter, and its unpruned name there.

    Asking the collector takes milliseconds, so it is asked once per parameter, and only if
    somebody besides the module holds it (often that is just an optimizer).

    Args:
        module: holds it.
        name: its unpruned name there.
        hook: its pruning hook, if it is pruned.

    >>> a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    >>> b.weight = a.weight
    >>> [(place is b, name) for place, name in twins(a, "weight", None)]
    [(True, 'weight')]
    """
    known = getattr(hook, RECORD, None)
    if known is not None:
        return [(place, there) for ref, there in known if (place := ref()) is not None]
    key = name if hook is None else name + "_orig"
    # Two references: the module's own, and the argument of getrefcount.
    if key not in module._parameters or sys.getrefcount(module._parameters[key]) == 2:
        return []
    parameter = module._parameters[key]
    return [
        (place, there.removesuffix("_orig"))
        for place in _modules_holding(parameter, module._parameters)
        if not isinstance(place, _TRACED)
        for there, value in place._parameters.items()
        if value is parameter and (place is not module or there != key)
    ]


def remember(hook: BasePruningMethod, others: list[tuple[nn.Module, str]]) -> None:
    """Note on ``hook`` where else its parameter is pruned."""
    hook.__dict__[RECORD] = [(weakref.ref(place), name) for place, name in others]


def _modules_holding(parameter: nn.Parameter | None, known: dict[str, Any]) -> list[nn.Module]:
    """Return the modules that hold ``parameter``, the owner of ``known`` last."""
    modules: dict[int, nn.Module] = {}
    holders = [
        holder
        for holder in gc.get_referrers(parameter)
        if isinstance(holder, dict) and any(value is parameter for value in holder.values())
    ]
    if any(holder is not known for holder in holders):
        for holder in holders:
            for module in _modules_whose_parameters_are(holder):
                modules[id(module)] = module
    elif sum(value is parameter for value in known.values()) > 1:
        modules = {id(m): m for m in _modules_whose_parameters_are(known)}
    return list(modules.values())


def _modules_whose_parameters_are(holder: dict[str, object]) -> Iterator[nn.Module]:
    for owner in gc.get_referrers(holder):
        # Attributes are held by the object itself or by its __dict__, as Python sees fit.
        if isinstance(owner, dict) and owner.get("_parameters") is holder:
            yield from (m for m in gc.get_referrers(owner) if isinstance(m, nn.Module))
        elif isinstance(owner, nn.Module) and owner._parameters is holder:
            yield owner
