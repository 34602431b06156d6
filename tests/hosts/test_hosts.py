"""Panels in hosts other than JupyterLab: Notebook 7 and marimo, in headless Chromium.

`make hosts` installs both into .venv-hosts and runs this folder; `make test` does not, for they are
large and bring servers of their own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from prune_lab import prune
from prune_lab.course import trained_lenet
from tests.browser.conftest import browser, chromium_path  # noqa: F401
from tests.browser.notebook import PATIENCE, right_of, until, write

PANEL = """
import torch
from torch import nn
from prune_lab.widgets import MaskExplorer

torch.manual_seed(0)
layer = nn.Conv2d(1, 6, 5)
explorer = MaskExplorer(layer)
"""
MARIMO = f"""
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
{"".join("    " + line + chr(10) for line in PANEL.strip().splitlines())}
    panel = mo.ui.anywidget(explorer)
    panel
    return explorer, mo, panel


@app.cell
def _(explorer, mo, panel):
    mo.md(f"FOLLOWS {{panel.value['amount']}} {{explorer.amount}} {{int(explorer.mask.sum())}}")
    return
"""
MEASURING = """
import marimo

app = marimo.App()


@app.cell
def _():
    import marimo as mo
    from prune_lab.course import trained_lenet
    from prune_lab.data import load_digits
    from prune_lab.widgets import MaskExplorer
    explorer = MaskExplorer(trained_lenet(), "fc1.weight", amount=0.9, data=load_digits())
    mo.ui.anywidget(explorer)
    return
"""


@pytest.fixture
def page(browser):  # noqa: F811
    """A fresh page; what its host complains of in the console is the host's."""
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(PATIENCE)
    yield page
    page.close()


@contextmanager
def serving(folder: Path, *command: str) -> Iterator[str]:
    """A server of this machine alone, on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [part.format(port=port) for part in command]
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(folder), "HOME": str(folder)}
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=folder, env=environment, stdout=log, stderr=log
        )

    def is_up() -> bool:
        assert server.poll() is None, (folder / "server.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            return False
        return True

    try:
        until(is_up, True)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def use(page, after):
    """Slide, paint and apply; `after` looks at what Python has then."""
    panel = page.get_by_role("group", name="Mask explorer for").first
    panel.wait_for()
    counts, code = panel.locator(".prune-lab-counts"), panel.locator("code")
    assert panel.evaluate("panel => getComputedStyle(panel).borderTopWidth") == "1px"  # its style
    panel.get_by_role("slider").first.focus()
    page.keyboard.press("Home")
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    expect(counts).to_contain_text("120 kept · 30 pruned")
    expect(code).to_contain_text("amount=0.2")
    after("0.2", 120)
    cell = panel.locator(".prune-lab-heatmap").bounding_box()
    page.mouse.click(cell["x"] + 12, cell["y"] + 30)
    expect(code).to_contain_text("custom_from_mask")
    panel.get_by_role("button", name="Apply", exact=True).click()
    expect(panel.get_by_role("status")).to_contain_text("Applied: layer.weight is now")
    expect(panel.get_by_role("button", name="Undo")).to_be_enabled()


@contextmanager
def marimo(page, folder: Path, notebook: str) -> Iterator[None]:
    """The page on a notebook in `marimo run`."""
    pytest.importorskip("marimo")
    (folder / "notebook.py").write_text(notebook)
    command = "marimo run notebook.py --headless --no-token --host 127.0.0.1 --port {port}"
    with serving(folder, *command.split()) as address:
        page.goto(address)
        yield


def test_marimo(page, tmp_path):
    def follows(amount, kept):  # a cell that reads the panel's value runs again by itself
        page.get_by_text(f"FOLLOWS {amount} {amount} {kept}").wait_for()

    with marimo(page, tmp_path, MARIMO):
        use(page, follows)


# Whether a page lets a worker run that a panel would begin.
RUNS_WORKERS = """() => new Promise((done) => {
    const worker = new Worker(URL.createObjectURL(new Blob(["self.postMessage(true)"])));
    worker.onmessage = ({ data }) => done(data);
    worker.onerror = () => done(false);
})"""


def test_in_marimo_the_kernel_measures(page, tmp_path):
    """`marimo run` has its kernel in a thread, where nothing is traced: the page has no network."""
    with marimo(page, tmp_path, MEASURING):
        panel = page.get_by_role("group", name="Mask explorer for").first
        panel.wait_for()
        for amount in (0.9, 0.97):
            panel.get_by_role("slider").first.fill(str(amount))
            model = trained_lenet()
            prune.l1_unstructured(model.fc1, "weight", amount)
            counts = panel.locator(".prune-lab-counts")
            expect(counts).to_contain_text(f"accuracy 98.6 % → {100 * right_of(model) / 360:.1f} %")
            expect(counts).not_to_contain_text("in this browser")
            expect(counts).not_to_contain_text("no worker")
        assert page.evaluate(RUNS_WORKERS) is True


def test_notebook_7(page, tmp_path):
    pytest.importorskip("notebook")
    write(tmp_path, "notebook.ipynb", f"{PANEL}explorer", "print('FOLLOWS', explorer.amount)")
    command = "notebook --no-browser --allow-root --ip=127.0.0.1 --port={port}"
    options = ["--IdentityProvider.token=secret", "--ServerApp.root_dir=."]
    with serving(tmp_path, *command.split(), *options) as address:
        page.goto(f"{address}/notebooks/notebook.ipynb?token=secret")
        cell = page.locator(".jp-CodeCell").first

        def begun():
            """Run the cell; a run that is asked for before the kernel is there is lost."""
            cell.locator(".cm-content").click()
            page.keyboard.press("Control+Enter")
            return cell.locator(".jp-InputPrompt").first.inner_text() != "[ ]:"

        until(begun, True)
        page.get_by_role("group", name="Mask explorer for").first.wait_for()

        def look(amount, kept):
            page.locator(".jp-CodeCell .cm-content").last.click()
            page.keyboard.press("Control+Enter")
            page.get_by_text(f"FOLLOWS {amount}", exact=True).wait_for()
            page.keyboard.press("Escape")

        use(page, look)
