"""Make the pictures in this folder again, from the real widgets in a real JupyterLab.

Run ``pytest docs/pictures.py`` in the repository's virtual environment; it needs a Chromium, as
the browser tests do, and takes about two minutes.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from docs.book.build import build
from tests.browser.notebook import Notebook, until, write
from tests.browser.test_book import around
from tests.browser.test_reader_page import draw, picture

HERE = Path(__file__).parent
# The browser and the JupyterLab of the browser tests; several files are named conftest.
_TESTS = importlib.util.spec_from_file_location("lab", HERE.parent / "tests/browser/conftest.py")
lab = importlib.util.module_from_spec(_TESTS)
_TESTS.loader.exec_module(lab)
browser, chromium_path, jupyter_lab = lab.browser, lab.chromium_path, lab.jupyter_lab

TRAINED = """
import torch
from prune_lab import prune
from prune_lab.data import load_digits
from prune_lab.experiments.records import stored
from prune_lab.lenet import LeNet
from prune_lab.training import fit
from prune_lab.widgets import BudgetExplorer, DigitPad, MaskExplorer
from prune_lab.widgets import ModuleInspector, SensitivityExplorer, TicketExplorer

torch.manual_seed(0)
model, digits = LeNet(), load_digits()
_ = fit(model, digits)
"""


def _point_at_a_weight(notebook: Notebook) -> None:
    until(lambda: notebook.panel.get_by_role("progressbar").is_visible(), False)
    canvas = notebook.panel.locator("canvas").first.bounding_box()
    notebook.page.mouse.move(canvas["x"] + 220, canvas["y"] + 75)


def _prune_in_a_later_cell(notebook: Notebook) -> None:
    notebook.ask("1", 'prune.random_unstructured(model.conv1, "weight", amount=0.3)')


def _break_a_digit(notebook: Notebook) -> None:
    notebook.panel.get_by_role("button", name="One that pruning breaks").click()
    until(lambda: notebook.ask("widget.label is not None and widget.dense != widget.pruned"), True)


def _measured(notebook: Notebook) -> None:
    notebook.ask("1", "widget._background.wait()")


PICTURES: dict[str, tuple[str, str, Callable[[Notebook], None]]] = {
    "mask-explorer": (
        "MaskExplorer(model, data=digits, amount=45)",
        "Mask explorer",
        _point_at_a_weight,
    ),
    "module-inspector": (
        'ModuleInspector(model, module="conv1")',
        "Module inspector",
        _prune_in_a_later_cell,
    ),
    "budget-explorer": (
        "BudgetExplorer(most_bytes=50_000)",
        "Budget explorer",
        lambda notebook: None,
    ),
    "ticket-explorer": (
        "explorer = TicketExplorer({record.seed: record.result for record in stored('tickets')})\n"
        "explorer.round, explorer.look = 5, 4\nexplorer",
        "Ticket explorer",
        lambda notebook: None,
    ),
    "digit-pad": ("DigitPad(model, digits, amount=0.9)", "Digit pad", _break_a_digit),
    "sensitivity-explorer": (
        "explorer = SensitivityExplorer(model, digits)\n"
        'explorer.amounts = {"conv1.weight": 0.3, "conv2.weight": 0.5, "fc1.weight": 0.8,'
        ' "fc2.weight": 0.9, "fc3.weight": 0.6}\nexplorer',
        "Sensitivity explorer",
        _measured,
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_picture(browser, jupyter_lab, name):
    """One widget on a trained LeNet, twice as sharp as usual."""
    cell, panel, act = PICTURES[name]
    notebook_name = write(jupyter_lab.folder, f"{name}.ipynb", TRAINED, cell)
    page = browser.new_page(viewport={"width": 1330, "height": 1200}, device_scale_factor=2)
    page.set_default_timeout(120_000)
    notebook = Notebook(page, jupyter_lab.address(notebook_name), panel)
    act(notebook)
    notebook.settle()
    notebook.panel.screenshot(path=HERE / f"{name}.png")


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The book, as `make book` builds it."""
    folder = tmp_path_factory.mktemp("book") / "book"
    assert build(folder) == 0
    return folder


def test_picture_of_the_book(browser, book):
    """Chapter 3, where its first explorer is."""
    page = browser.new_page(viewport={"width": 1120, "height": 760}, color_scheme="dark")
    page.goto((book / "03-prune-a-module.html").as_uri())
    place = page.locator("[data-panel=mask_explorer]").first
    place.scroll_into_view_if_needed()
    place.get_by_role("group").first.wait_for()
    place.evaluate("place => place.scrollIntoView({ behavior: 'instant' })")
    page.mouse.wheel(0, -60)
    page.screenshot(path=HERE / "book.png")


def test_picture_of_the_reader(browser, book):
    """Chapter 12's code, scanned from a screenshot, reads a stroke of the mouse."""
    page = browser.new_page(viewport={"width": 920, "height": 660}, device_scale_factor=2)
    page.goto((book / "12-onto-a-device.html").as_uri())
    code = page.get_by_role("img", name="QRCode(version")
    screen = page.screenshot(clip=around(code))
    page.goto((book / "reader.html").as_uri())
    page.locator("input[type=file]").set_input_files(picture(screen))
    page.get_by_text("A network of").wait_for()
    three = [(0.3, 0.2), (0.55, 0.12), (0.68, 0.28), (0.5, 0.45)]
    draw(page, [*three, (0.7, 0.65), (0.55, 0.85), (0.28, 0.78)])
    page.get_by_text("It reads").wait_for()
    page.screenshot(path=HERE / "reader.png")
