"""A page that becomes a reader of digits when a network comes to it: as a QR code, or in a link."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from prune_lab.data import load_digits
from prune_lab.device.operations import Network
from prune_lab.device.packing import pack
from prune_lab.widgets.frontend import script, style
from prune_lab.widgets.strokes import strokes

_STATIC = Path(__file__).parent / "static"
_VENDOR = _STATIC / "vendor"

# The policy lets the page run this script and no other, and in a worker what the script gives it;
# nothing is loaded, nothing sent.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src '{script_hash}'; worker-src blob:; style-src '{style_hash}'; \
base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<title>Digit reader</title>
<style>{style}</style>
</head>
<body>
<h1>Digit reader</h1>
<p>A network comes to this page in a QR code or in a link, and reads what you draw. It runs on your
own device: nothing that you draw or show leaves the page.</p>
<noscript><p>The network is run by a script, and scripts are off.</p></noscript>
<!--
The decoder of QR codes is qr 0.7.0. {licence}-->
<script type="module">{script}</script>
</body>
</html>
"""


def save_reader(path: str | os.PathLike[str], network: Network | None = None) -> Path:
    """Write a page that reads digits with the network that comes to it.

    A code comes from the camera or a picture's file, and is decoded in the page; a `link` carries
    the network behind its ``#``, which a browser keeps to itself. The page is one file. It loads
    nothing and sends nothing, from a disk or a server, and its content policy forbids both.

    Args:
        path: the file, overwritten if there is one.
        network: one that the page has from the beginning; its weights on a grid (`pack`).

    Returns:
        The path.

    Raises:
        ValueError: `network` cannot be packed.
        OSError: the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = save_reader(f"{folder}/reader.html")
    ...     print(page.name, page.read_text(encoding="utf-8").splitlines()[0])
    reader.html <!DOCTYPE html>
    """
    content = {
        "script": script(_STATIC / "reading_worker.js"),
        "hand": _hand(),
        "payload": "" if network is None else _base64url(network),
    }
    # In JSON "<" occurs in strings alone. Escaped, none of them can end the script.
    given = json.dumps(content).replace("<", "\\u003c")
    parts = {
        "style": style() + (_STATIC / "reader.css").read_text(encoding="utf-8"),
        "script": f"{script(_STATIC / 'reader.js')}\nopen({given});\n",
    }
    hashes = {f"{name}_hash": _hash(text) for name, text in parts.items()}
    licence = (_VENDOR / "LICENSE").read_text(encoding="utf-8")
    path = Path(path)
    path.write_text(_PAGE.format(licence=licence, **parts, **hashes), encoding="utf-8")
    return path


def link(network: Network, page: str) -> str:
    """Return a link to a page that `save_reader` wrote, with the network in it.

    What stands behind the ``#`` no browser sends to a server.

    Args:
        network: its weights on a grid (`pack`).
        page: the page's address, such as ``https://example.org/reader.html``.

    Raises ValueError if `page` has a ``#`` already, or the network cannot be packed.

    >>> import torch
    >>> from prune_lab.device.operations import Linear
    >>> weight = torch.tensor([[0.5, 0.0, -1.5], [0.0, 0.0, 0.5]])
    >>> link(Network([Linear((0,), weight, None)], shape=(3,)), "reader.html")
    'reader.html#AQOk5xtl_____7iP__-_1qm2tV11'
    """
    if "#" in page:
        raise ValueError(f"the page's address has a # already: {page}")
    return f"{page}#{_base64url(network)}"


def _hash(text: str) -> str:
    """As a content policy names a script or a style sheet that it lets in."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _base64url(network: Network) -> str:
    return base64.urlsafe_b64encode(pack(network)).decode().rstrip("=")


def _hand() -> dict[str, Any]:
    """How the digits of the course are drawn: reader.js draws so."""
    digits = load_digits()
    mean, deviation = digits.ink
    images = digits.train_images
    pen, frame = strokes((images * deviation + mean).clamp(0, 1))
    return {"size": images.shape[-1], "pen": pen, "frame": frame}
