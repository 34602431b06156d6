"""A notebook open in JupyterLab, its cells run, and the widget's panel in it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Page, expect

SECONDS = 1000  # Playwright counts milliseconds

# The panel's own Python object, which a chapter need not have put into a variable.
FIND = """
import copy, json, torch
from prune_lab import prune
from prune_lab.widgets.panel import Panel
widget = [out for out in Out.values() if isinstance(out, Panel)][-1]
"""


def write(folder: Path, name: str, *cells: str) -> str:
    """Put a notebook of these cells into ``folder``, and return its name."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, folder / name)
    return name


class Notebook:
    """An open notebook; `panel` is its first widget whose accessible name begins so."""

    def __init__(self, page: Page, address: str, panel: str) -> None:
        self.page = page
        page.goto(address)
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        expect(page.get_by_text("| Idle")).to_be_visible(timeout=60 * SECONDS)
        self.run_all()
        self.panel = page.get_by_role("group", name=panel).first
        expect(self.panel).to_be_visible(timeout=120 * SECONDS)
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
        self.page.keyboard.press("Enter")
        self.page.keyboard.insert_text(code)
        self.page.keyboard.press("Control+Enter")
        self.page.keyboard.press("Escape")

    def ask(self, expression: str, before: str = "") -> Any:
        """The value of a Python expression, through JSON; `widget` is the panel's object."""
        self.start(f'{FIND}{before}\nprint("ANSWER", json.dumps({expression}))')
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").last
        answer = cell.locator(".jp-OutputArea-output")
        expect(answer).to_contain_text("ANSWER", timeout=120 * SECONDS)
        text = answer.inner_text()
        self.show()
        return json.loads(text.partition("ANSWER")[2])

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


def until(answer: Callable[[], object], expected: object, seconds: float = 20) -> None:
    """Wait until `answer()` is `expected`, and say the difference if it never is."""
    end = time.monotonic() + seconds
    while (got := answer()) != expected and time.monotonic() < end:
        time.sleep(0.1)
    assert got == expected
