"""The widgets' scripts and style sheet, as a front end can load them."""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
STYLE = STATIC / "prune-lab.css"

_IMPORT = re.compile(r'^import \{.*?\} from "\./(.+?)";\n', re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def script(name: str) -> str:
    """Return ``static/<name>`` as one ES module, the parts that it imports put before it.

    anywidget loads a widget's script as text, from no address, so the script cannot import a
    file beside it. Instead of a bundler: each part once, in the order of the imports.

    >>> print(script("amount.js").splitlines()[0])
    // How an amount becomes a count, in Python's own arithmetic: the picture must never show one
    >>> "import " in script("mask_explorer.js")
    False
    """
    parts: dict[str, str] = {}

    def add(part: str) -> None:
        if part not in parts:
            source = (STATIC / part).read_text(encoding="utf-8")
            for imported in _IMPORT.findall(source):
                add(imported)
            parts[part] = _EXPORT.sub("", _IMPORT.sub("", source))

    add(name)
    return "\n".join(parts.values())
