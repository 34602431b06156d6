"""How a reader's code calls a module, so that the line that a widget shows can be run."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn


def expression_for(module: nn.Module, namespace: Mapping[str, object]) -> str | None:
    """Return the expression that gives ``module`` in ``namespace``, None if there is none.

    A variable of its own comes first, then a module that contains it. Names that begin with an
    underscore are left out (Jupyter keeps its own there).

    >>> model = nn.Sequential(nn.Linear(2, 3))
    >>> model.add_module("head", nn.Linear(3, 1))
    >>> expression_for(model.head, {"model": model})
    'model.head'
    >>> expression_for(model[0], {"model": model})
    'model.get_submodule("0")'
    >>> expression_for(model[0], {"model": model, "first": model[0]})
    'first'
    """
    named = {
        name: value
        for name, value in namespace.items()
        if isinstance(value, nn.Module) and name.isidentifier() and not name.startswith("_")
    }
    for name, value in named.items():
        if value is module:
            return name
    for name, value in named.items():
        for path, child in value.named_modules():
            if child is module:
                return f"{name}{_access(path)}"
    return None


def _access(path: str) -> str:
    """Turn a dotted path into code; parts such as ``0`` are no attribute names in Python."""
    if all(part.isidentifier() for part in path.split(".")):
        return f".{path}"
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'.get_submodule("{quoted}")'
