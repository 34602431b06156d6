"""MaskExplorer's speed in a real browser, against the same task written with `interact`.

    make bench

Everything is measured in one run, in one JupyterLab page in headless Chromium. The clock starts
at the `timeStamp` of the trusted key or pointer event, which the browser took when the event
reached it. It stops in the first task after a frame in which the new state was on the page: a
callback asked for with `requestAnimationFrame` posts itself a message, and the message is handled
when that frame's scripts, layout and painting are over. What the compositor and the screen add
comes after that, and is the same for both sides. For `interact` the new state is another `<img>`,
loaded; for MaskExplorer it is another line of code, which is written in the same function call
that draws the canvas. Each event waits for the one before, and a pause between them lets
the browser come to rest: what counts is how long one step of a hand takes to be seen. For these
numbers the browser makes its frames without a beat. On a screen of 60 Hz every number, of either
side, grows by the wait for the next beat: up to 16.7 ms, half of that on average.

The drag has a browser with that beat. It moves the mouse for two seconds, sixty times a second,
each time to another value of the slider. A move counts when the page gets it (`input` events);
what is drawn counts when another state is there at the end of a frame.

Large models have a section of their own, see ``large.py``.

Results go to ``results/``: widgets.json, and from it a table, widgets.md.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, sync_playwright

from tests.benchmarks import large
from tests.browser import chromium
from tests.browser.jupyter_lab import JupyterLab, running
from tests.browser.notebook import SECONDS, Notebook, write

RESULTS = Path(__file__).parent / "results"
LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")
WITHOUT_BEAT = ["--disable-frame-rate-limit", "--disable-gpu-vsync"]
STEPS = 100  # of the slider, from 0 to 1
PAUSE = 33  # milliseconds between them, as a held key repeats
OPENINGS = 7
FIRST_OPENINGS = 3
DRAGS = 3

IMPORTS = """
import time
import matplotlib.pyplot as plt
import torch
from ipywidgets import interact
from torch import nn
from prune_lab.lenet import LeNet
from prune_lab.widgets import MaskExplorer
torch.manual_seed(0)
model = LeNet()
"""

# The mask of conv1 as one picture, its six kernels side by side: the least that shows it.
INTERACT = """
weight = model.conv1.weight.detach().flatten()

@interact(amount=(0.0, 1.0, 0.01))
def show(amount=0.0):
    mask = torch.ones(150)
    mask[weight.abs().argsort()[: round(amount * 150)]] = 0
    plt.figure()
    plt.imshow((weight * mask).view(6, 5, 5).transpose(0, 1).reshape(5, 30), cmap="RdBu_r")
    plt.show()
"""

EXPLORER = "MaskExplorer(model, amount=0.0)"
BIG = "Linear(1000, 1000)"
LARGE = f"MaskExplorer(nn.{BIG}, amount=0.0)"

CELLS = (IMPORTS, INTERACT, EXPLORER, LARGE)

# In a fresh process: the first opening, with all that Python and matplotlib do but once.
FIRST = f"""{IMPORTS}
begin = time.perf_counter()
{EXPLORER}._repr_mimebundle_()
print(1000 * (time.perf_counter() - begin))
"""

# `shown` answers with the state on the page, null while there is none.
CLOCK = """
window.clock = {
  /** Measure the events of this kind, from now on. */
  watch(kind, shown) {
    clock.stop?.();
    clock.times = [];
    const start = (event) => {
      if (!event.isTrusted) return;
      const before = shown();
      const look = () => clock.afterFrame(() => {
        const now = shown();
        if (now === null || now === before) look();
        else clock.times.push(performance.now() - event.timeStamp);
      });
      look();
    };
    addEventListener(kind, start, true);
    clock.stop = () => removeEventListener(kind, start, true);
  },

  afterFrame(react) {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = react;
    requestAnimationFrame(() => port2.postMessage(null));
  },

  /** Count a slider's moves and the states at the ends of frames, until `stop` answers. */
  count(slider, shown) {
    const seen = { moves: 0, drawn: 0 };
    let [last, on] = [shown(), true];
    const move = (event) => { seen.moves += event.isTrusted; };
    slider.addEventListener("input", move);
    const look = () => clock.afterFrame(() => {
      const now = shown();
      seen.drawn += now !== last;
      last = now;
      if (on) look();
    });
    look();
    clock.stop = () => {
      on = false;
      slider.removeEventListener("input", move);
      return seen;
    };
  },
};
"""
CODE = "() => panel.querySelector('.prune-lab code')?.textContent || null"
IMAGE = """() => {
  const image = [...panel.querySelectorAll("img")].at(-1);
  return image?.complete && image.naturalWidth ? image.src : null;
}"""


class Lab:
    """The open notebook, with the clock in its page."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.notebook = Notebook(page, address, "Mask explorer for")
        self.explorer = page.locator(".prune-lab").nth(0)
        self.large = page.locator(".prune-lab").nth(1)
        self.interact = page.locator(".widget-interact")
        page.evaluate(CLOCK)

    def show(self, layer: str) -> None:
        """Choose a layer in the explorer, and wait for it."""
        self.explorer.locator("select").first.select_option(f"{layer}.weight")
        self.explorer.locator(".prune-lab-title", has_text=layer).first.wait_for()

    def steps(self, panel: Locator, shown: str) -> list[float]:
        """Milliseconds from each arrow key to the frame with what it changes."""
        panel.scroll_into_view_if_needed()
        panel.get_by_role("slider").focus()
        self.page.keyboard.press("Home")
        self.page.wait_for_timeout(500)
        panel.evaluate(f"panel => clock.watch('keydown', {shown})")
        for done in range(STEPS):
            self.page.keyboard.press("ArrowRight")
            self.page.wait_for_function("done => clock.times.length > done", arg=done)
            self.page.wait_for_timeout(PAUSE)
        return [float(ms) for ms in self.page.evaluate("() => (clock.stop(), clock.times)")]

    def drag(self, panel: Locator) -> dict[str, Any]:
        """Two seconds of dragging to and fro: moves, how many were drawn, what is there then."""
        panel.scroll_into_view_if_needed()
        slider = panel.get_by_role("slider")
        box = slider.bounding_box()
        assert box is not None
        left, width, y = box["x"] + 9, box["width"] - 18, box["y"] + box["height"] / 2
        mouse = self.page.mouse
        mouse.move(left + float(slider.input_value()) * width, y)
        mouse.down()
        panel.evaluate(f"(panel, slider) => clock.count(slider, {CODE})", slider.element_handle())
        begin = time.perf_counter()
        for move in range(120):
            time.sleep(max(0, begin + move / 60 - time.perf_counter()))
            mouse.move(left + abs((3 * move) % 160 - 80) / 80 * width, y)
        self.notebook.settle()
        seen: dict[str, Any] = self.page.evaluate("() => clock.stop()")
        mouse.up()
        after = self._state(panel)
        # The same state drawn afresh must look the same, and be the one at which the slider is.
        slider.focus()
        for key in ("ArrowRight", "ArrowLeft"):
            self.page.keyboard.press(key)
            self.notebook.settle()
        amount = f"amount={float(slider.input_value())!r}"
        return seen | {"last_shown": after == self._state(panel) and amount in after[1]}

    def _state(self, panel: Locator) -> tuple[str, str]:
        """Every pixel and every word that depends on the amount."""
        pixels = "panel => [...panel.querySelectorAll('canvas')].map((c) => c.toDataURL()).join()"
        return panel.evaluate(pixels), panel.locator("code").inner_text()

    def opening(self, code: str = EXPLORER, shown: str = CODE) -> float:
        """Milliseconds from the key that runs a cell to the painted panel in its output."""
        self.page.evaluate("() => document.activeElement.blur()")  # a slider would keep its keys
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").last
        cell.locator(".jp-InputPrompt").click()
        for key in ("Escape", "b", "Enter"):
            self.page.keyboard.press(key)
        self.page.keyboard.insert_text(code)
        # To the top: JupyterLab draws no output that is out of sight.
        cell.evaluate("cell => cell.scrollIntoView()")
        self.page.keyboard.down("Control")
        cell.evaluate(f"panel => clock.watch('keydown', {shown})")
        self.page.keyboard.press("Enter")
        self.page.keyboard.up("Control")
        self.page.wait_for_function("() => clock.times.length > 0")
        self.page.keyboard.press("Escape")
        return float(self.page.evaluate("() => (clock.stop(), clock.times[0])"))


def first_opening() -> float:
    """Milliseconds that the kernel takes for its first explorer: constructor and MIME bundle."""
    command = [sys.executable, "-c", FIRST]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@contextmanager
def open_lab(jupyter: JupyterLab, *arguments: str, cells: Sequence[str] = CELLS) -> Iterator[Lab]:
    """A notebook in a browser of its own, started with these arguments too."""
    path = chromium.find()
    if path is None:
        sys.exit(chromium.HOW_TO_GET_ONE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=[*chromium.ARGUMENTS, *arguments]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(60 * SECONDS)
        name = write(jupyter.folder, "widgets.ipynb", *cells)
        yield Lab(page, jupyter.address(name))
        browser.close()


def measure() -> dict[str, Any]:
    """Return all raw numbers, in milliseconds."""
    found: dict[str, Any] = {"first_opening": [first_opening() for _ in range(FIRST_OPENINGS)]}
    with tempfile.TemporaryDirectory() as root, running(Path(root)) as jupyter:
        with open_lab(jupyter, *WITHOUT_BEAT) as lab:
            found["interact"] = lab.steps(lab.interact, IMAGE)
            for layer in LAYERS:
                lab.show(layer)
                found[layer] = lab.steps(lab.explorer, CODE)
            found["linear"] = lab.steps(lab.large, CODE)
            found["opening"] = [lab.opening() for _ in range(OPENINGS)]
            browser = lab.page.context.browser
            assert browser is not None
            found["browser"] = browser.version
        with open_lab(jupyter) as lab:
            found["drags"] = [lab.drag(lab.explorer) for _ in range(DRAGS)]
            found["drags_linear"] = [lab.drag(lab.large) for _ in range(DRAGS)]
        found["large"] = {name: large_model(jupyter, name) for name in large.MODELS}
    return found


def large_model(jupyter: JupyterLab, name: str) -> dict[str, Any]:
    """What a panel on a large model takes, in the kernel and in the browser."""
    found: dict[str, Any] = {"kernel": large.in_the_kernel(name)}
    with open_lab(jupyter, *WITHOUT_BEAT, cells=large.CELLS) as lab:
        before = large.held(lab.page)
        begin = lab.opening(f"MaskExplorer({large.MODELS[name].code}, amount=0.0)", large.PICTURE)
        panel = lab.page.locator(".prune-lab").nth(1)
        found |= {"opening": begin, "steps": lab.steps(panel, CODE)}
        found["browser_bytes"] = large.held(lab.page) - before
    return found


def p95(numbers: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(numbers, n=20, method="inclusive")[-1]


def rows(found: dict[str, Any]) -> list[tuple[str, str, str, bool | None]]:
    """What was measured, the number, its goal, and whether that is reached (None: no goal)."""
    usual = statistics.median(found["interact"])
    made: list[tuple[str, str, str, bool | None]] = [
        ("`interact`, a new figure of conv1's mask: median", f"{usual:.1f} ms", "", None)
    ]
    for layer in LAYERS:
        median, late = statistics.median(found[layer]), p95(found[layer])
        ratio = f"{median:.1f} ms, {median / usual:.2f} of `interact`"
        made.append((f"{layer}: median", ratio, "≤ 0.10", median <= usual / 10))
        made.append((f"{layer}: 95th percentile", f"{late:.1f} ms", "≤ 16.7 ms", late <= 16.7))
    late = p95(found["linear"])
    made.append((f"{BIG}: median", f"{statistics.median(found['linear']):.1f} ms", "", None))
    made.append((f"{BIG}: 95th percentile", f"{late:.1f} ms", "≤ 33 ms", late <= 33))
    for key, what in (("drags", "conv1"), ("drags_linear", BIG)):
        drags = found[key]
        drawn, moves, last = (
            sum(drag[part] for drag in drags) for part in ("drawn", "moves", "last_shown")
        )
        share = f"{drawn} of {moves}"
        made.append((f"dragging {what}: moves drawn", share, "≥ 90 %", drawn >= 0.9 * moves))
        shown = f"{last} of {len(drags)} times"
        made.append(
            (f"dragging {what}: the last state is shown", shown, "always", last == len(drags))
        )
    for key, what in (
        ("first_opening", "the first explorer on LeNet, in the kernel"),
        ("opening", "later ones, from the key to the painted panel"),
    ):
        median = statistics.median(found[key])
        made.append((f"{what}: median", f"{median:.0f} ms", "≤ 300 ms", median <= 300))
    return [*made, *large.rows(found["large"], p95)]


def table(found: dict[str, Any]) -> str:
    """Return the rows as a Markdown table, the machine above it."""
    machine = found["machine"]
    lines = [
        f"Measured with `make bench` on {machine['cores']} {machine['processor']} cores, Python "
        f"{machine['python']}, Chromium {found['browser']}, headless: from the input event to the "
        f"end of the frame that shows what it changes, {STEPS} arrow keys per row. Frames come "
        "without a beat: a screen of 60 Hz adds the wait for its next one, up to 16.7 ms, to both "
        "sides. The drags are made with that beat.",
        "",
        "| | measured | goal | |",
        "|---|---|---|---|",
    ]
    for title, number, goal, reached in rows(found):
        verdict = {True: "reached", False: "missed", None: ""}[reached]
        lines.append(f"| {title} | {number} | {goal} | {verdict} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, and write the results."""
    found = measure()
    found["machine"] = {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "python": platform.python_version(),
    }
    RESULTS.mkdir(exist_ok=True)
    rounded = json.loads(json.dumps(found), parse_float=lambda ms: round(float(ms), 1))
    (RESULTS / "widgets.json").write_text(json.dumps(rounded) + "\n")
    (RESULTS / "widgets.md").write_text(table(found))
    print(table(found))


if __name__ == "__main__":
    main()
