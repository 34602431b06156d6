"""Libraries that not everybody has: the extras of pyproject.toml."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_EXTRAS = {"torch_pruning": ("torch-pruning", "shrink")}  # all others are in `device`


def extra(name: str) -> Any:
    """Import a library, or raise ImportError with a sentence that says what to install.

    >>> extra("segno").__name__
    'segno'
    """
    try:
        return import_module(name)
    except ImportError:
        called, which = _EXTRAS.get(name, (name, "device"))
        raise ImportError(f"{called} is missing: pip install 'prune-lab[{which}]'") from None
