"""How a reader's code calls a module, so that the line that a widget shows can be run."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path

from torch import nn

_WIDGETS = Path(__file__).parent


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
                return f"{name}{access(path)}"
    return None


def callers_name(module: nn.Module) -> str | None:
    """Return how the code that makes a widget calls ``module``, None if it has no name there."""
    frame = inspect.currentframe()
    while frame is not None and Path(frame.f_code.co_filename).parent == _WIDGETS:
        frame = frame.f_back
    return None if frame is None else expression_for(module, {**frame.f_globals, **frame.f_locals})


def access(path: str) -> str:
    """Turn a dotted path into code; parts such as ``0`` are no attribute names in Python."""
    if not path:
        return ""
    if all(part.isidentifier() for part in path.split(".")):
        return f".{path}"
    quoted = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'.get_submodule("{quoted}")'


def literal(value: object) -> str:
    """Write a value as Python code; ``inf`` has no literal of its own.

    >>> literal(2), literal(float("inf")), literal("weight")
    ('2', 'float("inf")', '"weight"')
    """
    if value == float("inf"):
        return 'float("inf")'
    return (
        '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))
        if isinstance(value, str)
        else repr(value)
    )
