"""Widgets leave the notebook: as a page of their own, and with Jupyter's own tools."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
import torch
from ipywidgets import IntSlider
from ipywidgets.embed import embed_data
from torch import nn

from prune_lab.widgets import MaskExplorer, save_page


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return nn.Conv2d(1, 6, 5)


@pytest.fixture
def explorer(layer):
    made = MaskExplorer(layer)
    yield made
    made.close()


def test_embed_data_has_all_that_the_front_end_needs(layer, explorer):
    # What nbconvert and ipywidgets.embed write; without drop_defaults=False _esm would be lost.
    kept = embed_data(views=[explorer], drop_defaults=False)
    state = kept["manager_state"]["state"][explorer.model_id]
    assert "export default" in state["state"]["_esm"]
    assert ".prune-lab" in state["state"]["_css"]
    binary = {buffer["path"][0]: buffer["data"] for buffer in state["buffers"]}
    values = np.frombuffer(base64.b64decode(binary["values"]), "<f4")
    assert values.tolist() == layer.weight.flatten().tolist()
    order = np.frombuffer(base64.b64decode(binary["order"]), "<i4")
    assert (order >= 45).tolist() == explorer.mask.flatten().bool().tolist()


def test_the_page_is_one_file_that_names_no_other(explorer, tmp_path):
    path = save_page(explorer, tmp_path / "conv1.html")
    assert list(tmp_path.iterdir()) == [path]
    page = path.read_text(encoding="utf-8")
    assert "src=" not in page and "<link" not in page and "@import" not in page
    assert "cdn" not in page.lower()


def test_a_widget_of_another_package_is_refused(tmp_path):
    with pytest.raises(TypeError, match="PruneLab's, not IntSlider"):
        save_page(IntSlider(), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_a_name_cannot_end_the_script(tmp_path):
    model = nn.Sequential()
    model.add_module("</script><img src=x onerror=alert(1)><!--", nn.Linear(3, 4))
    explorer = MaskExplorer(model, label="</title></script>")
    page = save_page(explorer, tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("</script") == 1 and page.count("</title") == 1
    assert "<img" not in page and "<!--" not in page
    content = page[page.index("\nopen(") + 6 : page.index(");\n</script>")]
    assert json.loads(content)["state"]["answer"]["controls"]["name"].startswith("</script><img")
    explorer.close()
