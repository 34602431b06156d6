"""How long it takes from `prune-lab lab` to a slider that has been moved, before any cell has run.

``python -m tests.benchmarks.start [runs]`` prints, for each run, when the server had printed its
address, when chapter 3 was on the screen, and when the counts under its first panel had followed a
key; then the medians, and how busy the machine was. Each run has a learner's copy, Jupyter's
folders and a browser's page of its own; the browser itself is open, as a learner's is.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, sync_playwright

from prune_lab.course.start import start
from tests.browser import chromium
from tests.course.served import address_printed_by, page_at

GOAL = 10.0  # seconds
STEPS = ("address printed", "chapter shown", "slider moved")
CHAPTER = "03-prune-a-module.ipynb"
OWN = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
}


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """The address that `prune-lab lab` prints in a learner's copy of the course."""
    start(folder / "course")
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {name: str(folder / place) for name, place in OWN.items()}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    command = [sys.executable, "-m", "prune_lab.cli", "lab"]
    with address_printed_by(command, folder / "course", environment) as address:
        yield address


def measured(browser: Browser, folder: Path) -> list[float]:
    """Seconds after the command at which each of the steps was done."""
    begin = time.perf_counter()
    passed = []
    with lab(folder) as address:
        page_at(address)
        passed.append(time.perf_counter() - begin)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(address.replace("01-create-a-model.ipynb", CHAPTER))
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        passed.append(time.perf_counter() - begin)
        page.mouse.move(640, 500)
        slider = page.locator(".prune-lab [type=range][aria-label=amount]").first
        while not slider.is_visible():  # JupyterLab makes a cell when it comes into sight
            page.mouse.wheel(0, 500)
            page.wait_for_timeout(50)
        slider.focus()
        page.keyboard.press("Home")
        page.get_by_text("150 kept · 0 pruned").wait_for()
        passed.append(time.perf_counter() - begin)
        page.close()
    return passed


def main(runs: int = 3) -> None:
    """Print each run and the medians."""
    print(f"{'':10}{''.join(f'{step:>18}' for step in STEPS)}")
    found = []
    with sync_playwright() as playwright:
        path = chromium.find()
        browser = playwright.chromium.launch(executable_path=path, args=chromium.ARGUMENTS)
        for run in range(1, runs + 1):
            with TemporaryDirectory() as folder:
                found.append(measured(browser, Path(folder)))
            print(f"run {run:<6}{''.join(f'{seconds:16.1f} s' for seconds in found[-1])}")
        browser.close()
    medians = [statistics.median(step) for step in zip(*found, strict=True)]
    print(f"{'median':10}{''.join(f'{seconds:16.1f} s' for seconds in medians)}")
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    verdict = "reached" if medians[-1] <= GOAL else "missed"
    print(f"goal {GOAL:.0f} s: {verdict}; load {load:.1f} on each of {os.cpu_count()} cores")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
