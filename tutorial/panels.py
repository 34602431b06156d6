"""The panels that a notebook is stored with: alive in a front end before any cell has run."""

from __future__ import annotations

import json
import re
from typing import Any

from nbformat import NotebookNode

from prune_lab.course.saving import STATE, VIEW

_NAME = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")  # as ipywidgets draws them


def keep_panels(notebook: NotebookNode) -> None:
    """Keep of all widgets' state what the outputs show, under names that every build gives alike.

    ipywidgets draws its names by chance, and has one for whatever was made on the way.
    """
    outputs = [o.data for cell in notebook.cells for o in cell.get("outputs", []) if "data" in o]
    views = [data for data in outputs if VIEW in data]
    stored = notebook.metadata.pop("widgets", {STATE: {"state": {}}})[STATE]
    names: dict[str, str] = {}

    def name(part: Any) -> None:
        """Name the widgets of which `part` speaks, and those of which they speak."""
        for found in _NAME.findall(json.dumps(part)):
            if found in stored["state"] and found not in names:
                names[found] = f"panel-{len(names)}"
                name(stored["state"][found])

    def renamed(part: Any) -> Any:
        return json.loads(_NAME.sub(lambda found: names.get(found[0], found[0]), json.dumps(part)))

    for data in views:
        name(data[VIEW])
        data[VIEW] = renamed(data[VIEW])
    if names:
        shown = renamed({old: stored["state"][old] for old in names})
        for widget in shown.values():
            widget["state"].pop("_serial", None)  # which depends on how long work took
        notebook.metadata["widgets"] = {STATE: {**stored, "state": shown}}
