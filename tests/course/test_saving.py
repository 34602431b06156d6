"""What a notebook is saved with where a panel's Python will be gone when it is opened again."""

from __future__ import annotations

import copy
import json
import os
import re
from typing import Any

import nbformat
import pytest
import torch
from torch import nn

from prune_lab.course import saving
from prune_lab.course.saving import PICTURE, STATE, VIEW, keep_pictures
from prune_lab.course.start import course_notebooks
from prune_lab.widgets import MaskExplorer

PNG = "iVBORw0KGgo="


def shown(name: str, words: str = "a panel", picture: str = PNG) -> dict[str, Any]:
    """A cell that shows a widget of this name, as Jupyter's contents API has it."""
    data = {VIEW: {"model_id": name}, PICTURE: picture, "text/plain": words}
    output = {"output_type": "display_data", "data": data, "metadata": {PICTURE: {"alt": words}}}
    cell = {"cell_type": "code", "execution_count": 1, "id": name, "metadata": {}, "source": ""}
    return {**cell, "outputs": [output]}


def saved(*cells: dict[str, Any], **widgets: Any) -> dict[str, Any]:
    """The notebook of these cells and stored widgets, as it is saved."""
    notebook: dict[str, Any] = {"cells": [*cells], "metadata": {}, "nbformat": 4}
    if widgets:
        notebook["metadata"]["widgets"] = {STATE: {"version_major": 2, "state": widgets}}
    keep_pictures(model={"type": "notebook", "content": notebook}, path="x.ipynb")
    return notebook


def state(notebook: dict[str, Any]) -> dict[str, Any]:
    """The widgets that the notebook is stored with."""
    return notebook["metadata"]["widgets"][STATE]["state"]


def test_a_panel_without_state_gets_its_picture_and_words() -> None:
    stored = state(saved({"cell_type": "markdown", "source": "x"}, shown("a"), shown("b")))
    assert set(stored) == {"a", "b"}
    assert stored["a"]["model_name"] == "HTMLModel"
    assert f'src="data:image/png;base64,{PNG}" alt="a panel"' in stored["a"]["state"]["value"]


def test_a_real_panels_words_are_in_its_output() -> None:
    torch.manual_seed(0)
    explorer = MaskExplorer(nn.Conv2d(1, 6, 5))
    bundle = explorer._repr_mimebundle_()
    assert bundle is not None
    assert bundle[1][PICTURE]["alt"] == bundle[0]["text/plain"] == repr(explorer)
    explorer.close()


def test_stored_state_stays_and_is_not_stood_in_for() -> None:
    """A chapter: one panel as it was built, one that the reader's run has made."""
    (chapter,) = (path for path in course_notebooks() if path.name.startswith("03"))
    notebook = json.loads(chapter.read_text(encoding="utf-8"))
    before = copy.deepcopy(state(notebook))
    notebook["cells"].append(shown("mine"))
    keep_pictures(model={"type": "notebook", "content": notebook}, path="x.ipynb")
    after = state(notebook)
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"mine"}
    nbformat.validate(nbformat.from_dict(notebook))


def test_a_stand_in_goes_with_its_output_and_other_widgets_stay() -> None:
    stood_in = state(saved(shown("gone"), shown("stays")))
    other = {"model_name": "IntSliderModel", "state": {"value": 3}}
    assert set(state(saved(shown("stays"), **stood_in, other=other))) == {"stays", "other"}
    notebook = saved(**stood_in)
    assert state(notebook) == {}


def test_to_save_again_changes_nothing() -> None:
    once = saved(shown("a"))
    again = copy.deepcopy(once)
    keep_pictures(model={"type": "notebook", "content": again}, path="x.ipynb")
    assert again == once


def test_what_the_front_end_has_stored_comes_first() -> None:
    live = {"model_name": "AnyModel", "state": {"amount": 0.3}}
    assert state(saved(shown("a"), a=live)) == {"a": live}


def test_widgets_without_a_picture_and_other_files_are_left_alone() -> None:
    slider = shown("slider")
    slider["outputs"][0]["metadata"] = {}  # a picture without words is not one of ours
    assert saved(slider, {"cell_type": "code", "source": "", "outputs": []})["metadata"] == {}
    for model in ({"type": "file", "content": "x"}, {"type": "notebook"}, {"type": "directory"}):
        before = copy.deepcopy(model)
        keep_pictures(model=model, path="x")
        assert model == before


def test_words_are_text_and_a_picture_is_only_a_picture() -> None:
    hostile = '"><script>alert(1)</script>'
    value = state(saved(shown("a", words=hostile, picture=hostile)))["a"]["state"]["value"]
    assert re.findall(r"<(\w+)", value) == ["figure", "img", "figcaption"]


def test_jupyter_hears_of_it_beside_what_it_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/mine")
    saving.tell_jupyter()
    from jupyter_server.extension.config import ExtensionConfigManager

    paths = os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert paths[1:] == ["/mine"]
    found = ExtensionConfigManager(read_config_path=[paths[0]]).get_jpserver_extensions()
    assert found == {saving.__name__: True}
