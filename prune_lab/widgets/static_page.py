"""A widget as one HTML file that needs neither kernel nor network."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ipywidgets.embed import dependency_state

from prune_lab.widgets.frontend import script
from prune_lab.widgets.panel import Panel

# The policy lets the page run what it brings along, and load nothing.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline' blob:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>:root {{ color-scheme: light dark; }} body {{ margin: 16px; }}</style>
</head>
<body>
<script type="module">
{script}
open({content});
</script>
</body>
</html>
"""


def save_page(widget: Panel, path: str | os.PathLike[str]) -> Path:
    """Write a page that shows ``widget`` as it is now: for a course's website, or a colleague.

    What the browser works out itself goes on working: sliders, pictures, hover, code, and where the
    panel carries its network the accuracy and its curves. What needs Python (another layer, Apply)
    says that there is none. The page loads nothing, also from no CDN, which ``ipywidgets.embed``
    and nbconvert need. Without a network the curve that the page should show is to be measured
    before, with ``widget.measure()``.

    Args:
        widget: one of this package's widgets.
        path: the file, overwritten if there is one.

    Returns:
        The path.

    Raises:
        TypeError: ``widget`` is no widget of this package.
        OSError: the file cannot be written.

    >>> import tempfile
    >>> from torch import nn
    >>> from prune_lab.widgets import MaskExplorer
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = save_page(MaskExplorer(nn.Linear(4, 5)), f"{folder}/linear.html")
    ...     print(page.name, page.read_text(encoding="utf-8").splitlines()[0])
    linear.html <!DOCTYPE html>
    """
    if not isinstance(widget, Panel):
        raise TypeError(f"widget should be one of PruneLab's, not {type(widget).__name__}")
    kept = dependency_state([widget], drop_defaults=False)[widget.model_id]
    content = {"script": kept["state"]["_esm"], "style": kept["state"]["_css"], **saved(kept)}
    path = Path(path)
    path.write_text(
        PAGE.format(
            title=html.escape(repr(widget)),
            script=script("page.js"),
            # In JSON "<" occurs in strings alone. Escaped, none of them can end the script.
            content=json.dumps(content).replace("<", "\\u003c"),
        ),
        encoding="utf-8",
    )
    return path


def saved(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a page's script needs of a widget besides the widget's own script.

    Args:
        kept: what ipywidgets stores of one widget, in a notebook too: its state and its buffers.

    Returns:
        Its classes, its state, and its binary traits in base64; `json` can write it.

    >>> from ipywidgets.embed import dependency_state
    >>> from torch import nn
    >>> from prune_lab.widgets import MaskExplorer
    >>> explorer = MaskExplorer(nn.Linear(4, 5))
    >>> kept = dependency_state([explorer], drop_defaults=False)[explorer.model_id]
    >>> list(saved(kept)), "order" in saved(kept)["bytes"]
    (['classes', 'state', 'bytes'], True)
    """
    state = kept["state"]
    return {
        "classes": state["_dom_classes"],
        "state": {name: value for name, value in state.items() if not name.startswith("_")},
        "bytes": {
            name: buffer["data"] for buffer in kept.get("buffers", []) for name in buffer["path"]
        },
    }
