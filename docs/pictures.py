"""Make the pictures in this folder again, from the real widgets in a real JupyterLab.

Run ``pytest docs/pictures.py`` in the repository's virtual environment; it needs a Chromium, as
the browser tests do, and takes about a minute.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nbformat
from playwright.sync_api import expect

HERE = Path(__file__).parent
# The browser and the JupyterLab of the browser tests; several files are named conftest.
_TESTS = importlib.util.spec_from_file_location("lab", HERE.parent / "tests/browser/conftest.py")
lab = importlib.util.module_from_spec(_TESTS)
_TESTS.loader.exec_module(lab)
browser, chromium_path, jupyter_lab = lab.browser, lab.chromium_path, lab.jupyter_lab

TRAINED = """
import torch
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.training import fit
from prune_lab.widgets import MaskExplorer

torch.manual_seed(0)
model = LeNet()
_ = fit(model, load_digits())
"""


def test_mask_explorer(browser, jupyter_lab):
    """The explorer on a trained LeNet's first layer, the pointer on one of its weights."""
    with _run(browser, jupyter_lab, TRAINED, "MaskExplorer(model.conv1, amount=45)") as page:
        panel = page.locator(".prune-lab")
        canvas = panel.locator("canvas").bounding_box()
        page.mouse.move(canvas["x"] + 280, canvas["y"] + 75)
        expect(panel.locator(".prune-lab-entry")).to_contain_text("to go")
        panel.screenshot(path=HERE / "mask-explorer.png")


def _run(browser, server, *cells):
    """Run a notebook of these cells; the answer is its page, twice as sharp as usual."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, server.folder / "picture.ipynb")
    page = browser.new_page(viewport={"width": 1240, "height": 1000}, device_scale_factor=2)
    page.goto(server.address("picture.ipynb"))
    expect(page.get_by_text("| Idle")).to_be_visible(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.locator('li[data-command="runmenu:run-all"]').click()
    expect(page.locator(".prune-lab code")).to_contain_text("amount=", timeout=120_000)
    page.locator(".prune-lab").scroll_into_view_if_needed()
    return page
