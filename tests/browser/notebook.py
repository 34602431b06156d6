"""A notebook open in JupyterLab, its cells run, and the widget's panel in it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

import nbformat
import torch
from playwright.sync_api import Dialog, Locator, Page, expect

from prune_lab.data import load_digits
from prune_lab.training import evaluate

SECONDS = 1000  # Playwright counts milliseconds
# How long a test waits for a state before it says that it never came: much longer than any state
# takes, also where eight other processes want the same core. No test waits for a time.
PATIENCE = 120 * SECONDS

# The panel's own Python object, which a chapter need not have put into a variable.
FIND = """
import copy, json, torch
from prune_lab import prune
from prune_lab.widgets.panel import Panel
widget = [out for out in Out.values() if isinstance(out, Panel)][-1]
"""

# For a model whose answers take as long as a test wants: while the folder `gate` is there.
GATED = """
import os, time

def wait(*_):
    while os.path.exists({gate!r}):
        time.sleep(0.02)

model.register_forward_hook(wait)
"""

# Of each text in the panel the contrast to what lies behind it, and the text where it is too low.
LOW_CONTRAST = """
panel => {
    const paint = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        paint.clearRect(0, 0, 1, 1);
        paint.fillStyle = colour;
        paint.fillRect(0, 0, 1, 1);
        return [...paint.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b]
        .map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        const colour = rgba(getComputedStyle(element).backgroundColor);
        return colour[3] === 255 ? colour : behind(element.parentElement);
    };
    const low = [];
    let seen = 0;
    for (const element of panel.querySelectorAll("*")) {
        const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        if (!own || !element.checkVisibility()) continue;
        seen += 1;
        const [a, b] = [light(rgba(getComputedStyle(element).color)), light(behind(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) low.push(`${contrast.toFixed(1)}: ${element.textContent}`);
    }
    return seen > 10 ? low : ["only " + seen + " texts"];
}
"""


def write(folder: Path, name: str, *cells: str) -> str:
    """Put a notebook of these cells into ``folder``, and return its name."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, folder / name)
    return name


# In a JupyterLab that is there already: as a double click on the file does.
OPEN = """
async (path) => {
    const { shell, commands } = window.jupyterapp;
    shell.expandLeft();
    const opened = await commands.execute("docmanager:open", { path });
    await opened.sessionContext.ready;
}
"""
# What code prints, in the kernel of the notebook that is open.
ASK = """
async (code) => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    const metadata = { cellId: "a test's own" };
    const asked = kernel.requestExecute({ code, store_history: false }, true, metadata);
    let said = "";
    asked.onIOPub = ({ header, content }) => {
        if (header.msg_type === "stream") said += content.text;
        if (header.msg_type === "error") said += content.traceback.join("\\n");
    };
    const { content } = await asked.done;
    if (content.status !== "ok") throw new Error(said);
    return said;
}
"""
CLOSE_ALL = """
() => {
    for (const opened of [...(window.jupyterapp?.shell.widgets("main") ?? [])]) opened.dispose();
}
"""


def open_notebook(page: Page, address: str) -> None:
    """Open the notebook at ``address``, in the JupyterLab that the page shows if it is there."""
    server, _, path = address.partition("/lab/")
    if page.url.startswith(f"{server}/lab/"):
        page.evaluate(OPEN, unquote(path.partition("/tree/")[2].partition("?")[0]))
    else:
        page.goto(address)


def load_again(page: Page) -> None:
    """Load the page again, with its notebook as the file has it."""

    def leave(dialog: Dialog) -> None:
        dialog.accept()

    # A notebook that only has heard which Python its kernel is counts as changed, and JupyterLab
    # asks whether to leave it; nobody's answer would be that it is to stay.
    page.on("dialog", leave)
    page.reload()
    page.remove_listener("dialog", leave)
    page.locator(".jp-Notebook .jp-Cell").first.wait_for()


def close_all(page: Page) -> None:
    """Close whatever the page's JupyterLab has open, unsaved, and leave nothing under the mouse."""
    page.emulate_media()
    page.mouse.move(0, 0)
    page.evaluate(CLOSE_ALL)


class Notebook:
    """An open notebook; `panel` is its first widget whose accessible name begins so."""

    def __init__(self, page: Page, address: str, panel: str) -> None:
        self.page = page
        open_notebook(page, address)
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        # Seen in the frame in which it comes: expect(...) would look again only every second.
        page.get_by_text("| Idle").wait_for()
        self.run_all()
        self.panel = page.get_by_role("group", name=panel).first
        self.panel.wait_for()
        page.keyboard.press("Escape")
        self.show()

    def run_all(self) -> None:
        """Run every cell, without waiting for it."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.locator('li[data-command="runmenu:run-all"]').click()

    def show(self) -> None:
        """Scroll to the panel; JupyterLab draws again what had left the screen."""
        self.panel.scroll_into_view_if_needed()
        self.settle()

    def start(self, code: str) -> None:
        """Run code in a new cell at the end, without waiting for it."""
        # A slider that has the focus keeps its keys, also when its own cell's prompt is clicked.
        self.page.evaluate("document.activeElement.blur()")
        last = self.page.locator(".jp-Notebook .jp-CodeCell").last
        last.locator(".jp-InputPrompt").click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("b")
        editor = last.locator(".cm-content")
        expect(editor).to_have_text("")
        self.page.keyboard.press("Enter")
        expect(editor).to_be_focused()
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Control+Enter")
        expect(last.locator(".jp-InputPrompt")).not_to_have_text("[ ]:")
        self.page.keyboard.press("Escape")

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Keep the kernel busy with a cell that ends when the block does, however slow that is.

        The status bar does not tell: a panel's message is answered beside the cell, and then it
        says "Idle". So the cell itself says that it has begun.
        """
        cell = self.page.locator(".jp-InputPrompt", has_text="[*]")
        with TemporaryDirectory() as gate:
            begun = Path(gate) / "begun"
            self.start(
                "import os, time\n"
                f"open({str(begun)!r}, 'w').close()\n"
                f"while os.path.exists({gate!r}): time.sleep(0.05)"
            )
            until(begun.exists, True)
            expect(cell).to_have_count(1)
            self.show()
            yield
            expect(cell).to_have_count(1)  # all the while
        expect(cell).to_have_count(0)

    def ask(self, expression: str, before: str = "") -> Any:
        """The value of a Python expression, through JSON; `widget` is the panel's object.

        The kernel is asked as a cell does it: what the panel has said before may still be under
        way beside it. No cell is made, written and drawn for it: that takes longer than most tests.
        """
        said = self.page.evaluate(ASK, f'{FIND}{before}\nprint("ANSWER", json.dumps({expression}))')
        return json.loads(said.partition("ANSWER")[2])

    def settle(self) -> None:
        """Wait until the browser has painted what was asked of it."""
        self.page.evaluate("() => new Promise(r => requestAnimationFrame(() => setTimeout(r)))")

    def narrow(self, width: int = 400) -> None:
        """Make the window as narrow as a phone."""
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Control+b")
        until(lambda: self.panel.bounding_box()["width"] < width, True)
        self.show()

    def low_contrast(self) -> list[str]:
        """The panel's texts that stand out too little from what is behind them (WCAG: 4.5)."""
        return self.panel.evaluate(LOW_CONTRAST)

    def sticking_out(self, parts: str = "canvas, button, select, input, code, table") -> list[str]:
        """The parts of the panel that reach over its right edge, as HTML."""
        return self.panel.evaluate(
            """(panel, parts) => {
                const right = panel.getBoundingClientRect().right + 0.5;
                return [...panel.querySelectorAll(parts)]
                    .filter((part) => part.checkVisibility() &&
                                      part.getBoundingClientRect().right > right)
                    .map((part) => part.outerHTML);
            }""",
            parts,
        )


def choose_theme(page: Page, name: str) -> None:
    """Switch JupyterLab's theme; the setting outlives the page, so switch back."""
    page.get_by_role("menuitem", name="Settings", exact=True).click()
    page.locator("li", has_text=re.compile("^Theme$")).hover()
    page.get_by_text(name, exact=True).click()


def until(answer: Callable[[], object], expected: object) -> None:
    """Wait until `answer()` is `expected`, and say the difference if it never is."""
    got = come(answer, lambda got: got == expected)
    assert got == expected, f"{got!r} never became {expected!r}"


def come(answer: Callable[[], Any], fits: Callable[[Any], object]) -> Any:
    """Wait until `answer()` fits, and return it; where it never does, the last one."""
    end = time.monotonic() + PATIENCE / SECONDS
    while not fits(got := answer()) and time.monotonic() < end:
        time.sleep(0.1)
    return got


MEASURED = re.compile(r"→ ([\d.]+) %\s*\((\d+) of (\d+)\) · \d+\sms · ([\d.]+)\skB in this browser")
# One look at the panel: between two a last answer may be told to Python and the next be asked for.
SAID = """
(panel) => new Promise((done) => requestAnimationFrame(() => setTimeout(() => {
    const late = panel.querySelector(".prune-lab-pending");
    done(late ? "" : panel.querySelector(".prune-lab-counts").textContent);
})))
"""


def measured_here(panel: Locator) -> tuple[int, float]:
    """Digits read right and kB, as this browser has measured them for what the panel shows now."""
    text = come(lambda: panel.evaluate(SAID), MEASURED.search)
    said = MEASURED.search(text)
    assert said, f"{text!r} never was measured here"
    share, right, of, size = said.groups()
    assert share == f"{100 * int(right) / int(of):.1f}"
    return int(right), float(size)


def right_of(model: torch.nn.Module) -> int:
    """How many of the 360 test digits torch reads right with it."""
    digits = load_digits()
    return round(evaluate(model, digits.test_images, digits.test_labels) * 360)
