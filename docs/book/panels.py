"""A stored notebook as the book shows it: panels as data for the page's script, pictures told."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from nbformat import NotebookNode

from prune_lab.course.saving import PICTURE, STATE, VIEW
from prune_lab.widgets.frontend import STATIC, expression, script
from prune_lab.widgets.static_page import saved

# The scripts of panels, by the names of their files.
NAMES = sorted(
    path.stem
    for path in STATIC.glob("*.js")
    if "\nexport default " in path.read_text(encoding="utf-8")
)

PLACE = """<div class="prune-lab-stored" data-panel="{name}">
<img src="data:image/png;base64,{picture}" alt="{alt}">
<script type="application/json">{content}</script>
</div>"""

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./[^)]+\)")  # what does not come with the book
_WORD = re.compile(r"(?<!^)(?=[A-Z])")
_NO_GUESS = "You made no guess."


def assets() -> dict[str, str]:
    """Return each panel's script, by the name of its file.

    >>> assets()["digit_pad.js"].splitlines()[0]
    'pruneLabPanels["digit_pad"] = (() => {'
    """
    return {
        f"{name}.js": f"pruneLabPanels[{json.dumps(name)}] = {expression(f'{name}.js')};\n"
        for name in NAMES
    }


def prepare(notebook: NotebookNode) -> None:
    """Make a stored notebook ready for the book, in place.

    A panel's output becomes the place where the page's script shows it, with its picture until
    then. Scripts come from this package alone, never from the notebook: it may be anybody's. Every
    other picture gets its words, from the cell's ``alt`` or from what a `plots.Picture` says.

    Raises:
        ValueError: a panel of another version of the package, or a picture without words.
    """
    panels = notebook.metadata.pop("widgets", {}).get(STATE, {}).get("state", {})
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            cell.source = _OUTSIDE.sub(r"\1", cell.source)
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            view = data.pop(VIEW, None)
            if PICTURE not in data:
                continue
            panel = panels.get(view["model_id"]) if view else None
            name = _name(panel) if panel else ""
            if name in NAMES:
                output["data"] = {"text/html": _place(name, panel, output)}
                continue
            words = _words(cell, output)
            if not words:
                raise ValueError(f"cell {number} shows a picture that nothing tells in words (alt)")
            cell.metadata["mystnb"] = {"image": {"alt": words}}


def _name(panel: NotebookNode) -> str:
    """MaskExplorer's script is mask_explorer.js."""
    return _WORD.sub("_", str(panel.state.get("_anywidget_id")).rpartition(".")[2]).lower()


def _place(name: str, panel: NotebookNode, output: NotebookNode) -> str:
    if panel.state["_esm"] != script(f"{name}.js"):
        raise ValueError(f"{name} is stored as another version has it; run: make notebooks")
    content = saved(panel)
    state: dict[str, Any] = content["state"]
    if "sentence" in state:  # Python's, which knew of no guess; in the page there may be one
        state["sentence"] = state["sentence"].removeprefix(_NO_GUESS).strip()
    return PLACE.format(
        name=name,
        picture=output.data[PICTURE].replace("\n", ""),
        alt=html.escape(output.metadata[PICTURE]["alt"]),
        # In JSON "<" occurs in strings alone. Escaped, none of them can end the script.
        content=json.dumps(content).replace("<", "\\u003c"),
    )


def _words(cell: NotebookNode, output: NotebookNode) -> str:
    """What a picture shows, in words; "" where nobody says it."""
    if told := output.get("metadata", {}).get(PICTURE, {}).get("alt") or cell.metadata.get("alt"):
        return str(told)
    shown = str(output.data.get("text/plain", ""))
    return "" if shown.startswith("<") else shown
