"""Parameters that several modules hold, such as an embedding and the output layer tied to it.

Pruning renames the parameter inside one module; its twin would go on with the unpruned values.
torch keeps no list of a parameter's modules, but Python's garbage collector knows every holder.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import torch.fx
from torch import nn

# What a tracer or exporter made of a module shares its parameters, but is a copy, not a twin.
_TRACED = (torch.fx.GraphModule, torch.jit.ScriptModule)


def twins(module: nn.Module, name: str) -> list[tuple[nn.Module, str]]:
    """Return every other module that holds the same Parameter, and its unpruned name there.

    Asking the collector takes milliseconds, so it is asked only if somebody besides the module
    holds the parameter (often that is just an optimizer).

    Args:
        module: holds it.
        name: its name there at the moment, ``"weight"`` or ``"weight_orig"``.

    >>> a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    >>> b.weight = a.weight
    >>> [(place is b, name) for place, name in twins(a, "weight")]
    [(True, 'weight')]
    """
    # Two references: the module's own, and the argument of getrefcount.
    if name not in module._parameters or sys.getrefcount(module._parameters[name]) == 2:
        return []
    parameter = module._parameters[name]
    return [
        (place, key.removesuffix("_orig"))
        for place in _modules_holding(parameter)
        if not isinstance(place, _TRACED)
        for key, value in place._parameters.items()
        if value is parameter and (place is not module or key != name)
    ]


def _modules_holding(parameter: nn.Parameter | None) -> list[nn.Module]:
    modules: dict[int, nn.Module] = {}
    for holder in gc.get_referrers(parameter):
        if isinstance(holder, dict) and any(value is parameter for value in holder.values()):
            for module in _modules_whose_parameters_are(holder):
                modules[id(module)] = module
    return list(modules.values())


def _modules_whose_parameters_are(holder: dict[str, object]) -> Iterator[nn.Module]:
    for owner in gc.get_referrers(holder):
        # Attributes are held by the object itself or by its __dict__, as Python sees fit.
        if isinstance(owner, dict) and owner.get("_parameters") is holder:
            yield from (m for m in gc.get_referrers(owner) if isinstance(m, nn.Module))
        elif isinstance(owner, nn.Module) and owner._parameters is holder:
            yield owner
