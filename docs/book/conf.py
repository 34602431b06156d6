"""Sphinx's settings for the book; build.py calls it."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import furo

project = html_title = "PruneLab"
language = "en"
extensions = ["myst_nb"]
nb_execution_mode = "off"  # the notebooks are stored with their outputs
nb_ipywidgets_js = {}  # the panels are shown by our own script, not by one from elsewhere
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

html_theme = "furo"
templates_path = ["templates"]
html_css_files = ["book.css"]
html_js_files = [("book.js", {"defer": "defer"})]
html_theme_options = {"top_of_page_buttons": ["view"]}
html_copy_source = False
html_use_index = False
html_show_copyright = False
html_show_search_summary = False  # a page that was opened from a disk may not read another

# The theme has one script of its own in each page. That one may run, those of files beside the
# page may, and no other: not what a notebook's output brings along.
_BASE = Path(furo.__file__).parent / "theme/furo/base.html"
_SCRIPTS = re.findall(r"<script>(.*?)</script>", _BASE.read_text(encoding="utf-8"), re.DOTALL)
_HASHES = [
    f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    for text in _SCRIPTS
]
html_context = {
    "policy": "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' {' '.join(_HASHES)}",
            "worker-src blob:",
            "style-src 'self' 'unsafe-inline'",  # a style that loads nothing harms nobody
            "img-src 'self' data:",
            "form-action 'self'",  # the search
            "base-uri 'none'",
        ]
    )
}
