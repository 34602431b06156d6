"""What a saved notebook shows where a panel's Python is gone: the picture stored in its output.

A panel lives as long as its kernel. JupyterLab saves no state of it, and in a notebook that is
opened again after a restart it would say "model not found", though a picture of the panel lies in
the same output. So Jupyter's server, which loads this module as an extension, saves a stand-in of
the panel's name: a widget of ipywidgets that shows this picture. Where the kernel still lives, the
front end takes the panel from it, and the stand-in is not used.
"""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any

# The folder by which Jupyter's servers learn of this extension. A wheel brings what is in it to
# where every server of the environment looks; `prune-lab lab` tells its own, also in a clone.
CONFIGURATION = Path(__file__).parent
VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
PICTURE = "image/png"
# Where our stand-ins are known by.
BEGIN = '<figure class="prune-lab-stored" style="margin: 0">'
WORDS = "The panel as it was when its cell ran. Run the cell again: then it is alive."


def tell_jupyter() -> None:
    """Have servers that are started from here on load the extension."""
    others = os.environ.get("JUPYTER_CONFIG_PATH", "")
    paths = [str(CONFIGURATION), *filter(None, others.split(os.pathsep))]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(paths)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    server.contents_manager.register_pre_save_hook(keep_pictures)


def keep_pictures(*, model: dict[str, Any], **_: Any) -> None:
    """Give each panel whose state is not in the notebook a stand-in there; Jupyter's pre-save hook.

    Args:
        model: what is about to be saved, as Jupyter's contents API has it; a notebook is changed
            in its metadata alone. Stand-ins that no output shows any more go.

    >>> data = {VIEW: {"model_id": "a1"}, PICTURE: "iVBORw0="}
    >>> output = {"data": data, "metadata": {PICTURE: {"alt": "MaskExplorer(...)"}}}
    >>> notebook = {"cells": [{"outputs": [output]}], "metadata": {}}
    >>> keep_pictures(model={"type": "notebook", "content": notebook})
    >>> list(notebook["metadata"]["widgets"][STATE]["state"])
    ['a1']
    """
    notebook = model.get("content")
    if model.get("type") != "notebook" or not notebook:
        return
    metadata = notebook["metadata"]
    stored = metadata.get("widgets", {}).get(STATE, {"version_major": 2, "version_minor": 0})
    before = stored.get("state", {})
    own = {name: widget for name, widget in before.items() if not _is_stand_in(widget)}
    state = {**_stand_ins(notebook), **own}
    if state != before:
        metadata.setdefault("widgets", {})[STATE] = {**stored, "state": state}


def _stand_ins(notebook: dict[str, Any]) -> dict[str, Any]:
    """A stand-in for each widget whose output has a picture, and words for it."""
    found = {}
    for output in (o for cell in notebook["cells"] for o in cell.get("outputs", [])):
        data = output.get("data", {})
        words = output.get("metadata", {}).get(PICTURE, {}).get("alt")
        if VIEW in data and PICTURE in data and words:
            found[data[VIEW]["model_id"]] = _stand_in(data[PICTURE], words)
    return found


def _stand_in(picture: str, words: str) -> dict[str, Any]:
    """Text as a front end's widget manager reads it; what is left out is as ipywidgets has it."""
    source = f"data:{PICTURE};base64,{html.escape(picture.strip())}"
    image = f'<img src="{source}" alt="{html.escape(words)}" style="max-width: 100%">'
    return {
        "model_name": "HTMLModel",
        "model_module": "@jupyter-widgets/controls",
        "model_module_version": "2.0.0",
        "state": {"value": f"{BEGIN}{image}<figcaption>{WORDS}</figcaption></figure>"},
    }


def _is_stand_in(widget: dict[str, Any]) -> bool:
    return str(widget.get("state", {}).get("value", "")).startswith(BEGIN)
