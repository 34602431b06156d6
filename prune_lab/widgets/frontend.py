"""The widgets' scripts and style sheet, as a front end can load them."""

from __future__ import annotations

import re
from pathlib import Path

STATIC = Path(__file__).parent / "static"
STYLE = STATIC / "prune-lab.css"

_IMPORT = re.compile(r'^import \{(.*?)\} from "(\.\.?/.+?)";\n', re.MULTILINE | re.DOTALL)
_EXPORT = re.compile(r"^export ((?:async )?(?:function\*?|class|const) (\w+))", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_FOR_READERS = re.compile(r"^ */\*(?:(?!\*/).)*\*/\n|^ *//[^\n]*\n", re.MULTILINE | re.DOTALL)


def style() -> str:
    """Return the style sheet of all widgets, without its comments."""
    return _FOR_READERS.sub("", STYLE.read_text(encoding="utf-8"))


def script(name: str | Path) -> str:
    """Return ``static/<name>`` as one ES module, the parts that it imports put before it.

    anywidget loads a widget's script as text, from no address, so the script cannot import a
    file beside it. Instead of a bundler: each part once, in the order of the imports, and as a
    function of its own, so that two parts may use the same name for their own things. Comments that
    stand on lines of their own stay behind: a notebook is stored with the script of each panel.

    A path from the root names a script that is no widget's; each import is found beside its script.

    >>> "// Entries and the positions" in script("order.js")
    False
    >>> re.search("^import ", script("mask_explorer.js"), re.MULTILINE) is None
    True
    """
    parts: dict[Path, str] = {}

    def add(part: Path) -> str:
        """Add the parts that this one imports, and return it as it reads them."""
        source = _FOR_READERS.sub("", part.read_text(encoding="utf-8"))
        for _, address in _IMPORT.findall(source):
            imported = (part.parent / address).resolve()
            if imported not in parts:
                text = add(imported)
                names = ", ".join(name for _, name in _EXPORT.findall(text))
                body = _EXPORT.sub(r"\1", text)
                made = f"(() => {{\n{body}return {{ {names} }};\n}})()"
                parts[imported] = f"const {_constant(imported)} = {made};"
        return _IMPORT.sub(
            lambda found: f"const {{{found[1]}}} = {_constant(Path(found[2]))};\n", source
        )

    last = _EXPORT.sub(r"\1", add((STATIC / name).resolve()))
    return "\n".join([*parts.values(), last])


def expression(name: str | Path) -> str:
    """Return `script` as an expression, whose value is what the module exports by default.

    A page that was opened from a disk loads no modules. A script of the old kind it does.

    >>> expression("mask_explorer.js").splitlines()[:2]
    ['(() => {', '"use strict";']
    """
    body, found = _DEFAULT.subn("return ", script(name))
    if found != 1:
        raise ValueError(f"{name} has no default export, and so no value")
    return f'(() => {{\n"use strict";\n{body}}})()'


def _constant(part: Path) -> str:
    """What a part is called in the module; no two parts have one name."""
    return f"{part.stem.replace('-', '_')}_js"
