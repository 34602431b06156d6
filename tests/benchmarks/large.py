"""Panels on large models: when they come, how they follow the hand, and what memory they take.

The kernel's part is measured in a fresh process for each model, with the engine's own call beside
it; the browser's in a notebook of its own. Memory in the browser is what Chromium's processes hold
for themselves (psutil's ``uss``), above the same page with an explorer of ``Linear(8, 8)``. Memory
in the kernel is the peak above that of a process that has only imported everything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, NamedTuple

import psutil
from playwright.sync_api import Page

MB = 1e6


class Large(NamedTuple):
    """A model, and the seconds after which its panel is to be there."""

    code: str
    seconds: float


MODELS = {
    "Linear(4096, 4096)": Large("nn.Linear(4096, 4096)", 3),
    "Embedding(50257, 768)": Large("nn.Embedding(50257, 768)", 5),
    "an encoder of 24 layers": Large(
        "nn.TransformerEncoder(nn.TransformerEncoderLayer(512, 8, 3072, batch_first=True), 24)",
        5,
    ),
}
TOGETHER = "an encoder of 24 layers"  # whose weights are pruned as one

IMPORTS = """
import torch
from torch import nn
from prune_lab.widgets import MaskExplorer
torch.manual_seed(0)
"""

# The notebook after whose cells a large explorer is opened.
CELLS = (IMPORTS, "MaskExplorer(nn.Linear(8, 8))")

KERNEL = """
import json, resource, time
from prune_lab import prune
from prune_lab.widgets import lifetime

class Loop:
    waiting = []  # for the kernel's thread
    add_callback = waiting.append

def peak():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def timed(what, work):
    begin = time.perf_counter()
    result = work()
    found[what] = time.perf_counter() - begin
    return result

found, imported = {}, peak()
model = MODEL
explorer = timed("made", lambda: MaskExplorer(model))
timed("bundle", explorer._repr_mimebundle_)

def choose(technique):
    explorer.technique = technique

def drawn():
    explorer._artist.wait()
    assert explorer.drawn == 1, explorer.message

timed("shown", lambda: explorer._handle_custom_msg({"ask": "shown"}, []))
timed("drawn", drawn)
if TOGETHER:
    timed("chosen", lambda: choose("global_unstructured"))
    timed("ranked", drawn)
found["peak"] = peak() - imported
lifetime.loop_of_cells = Loop

def press(button):
    explorer._handle_custom_msg({
        "ask": "question", "from": "a page", "number": time.monotonic_ns(),
        "choices": {}, "bytes": [], "press": button,
    }, [])

timed("pressed", lambda: press("apply"))
timed("found", explorer._finder.wait)
timed("put_on", lambda: [do() for do in Loop.waiting])
assert explorer.undoable, explorer.message
timed("undone", lambda: press("undo"))
assert not explorer.undoable, explorer.message
found["peak_applied"] = peak() - imported
explorer.close()
places = [
    (part, name)
    for part in model.modules()
    for name, value in part.named_parameters(recurse=False)
    if value.dim() > 1
]
for _ in range(2):  # the second is warm
    timed("engine", lambda: prune.global_unstructured(places, prune.L1Unstructured, amount=0.3))
    timed("engine_undone", lambda: [prune.undo(*place) for place in places])
found["bytes"] = sum(value.nbytes for value in model.parameters())
print(json.dumps(found))
"""

PICTURE = """() => {
  const canvas = panel.querySelector(".prune-lab-heatmap");
  return canvas && !canvas.hidden && canvas.style.width ? "there" : null;
}"""


def in_the_kernel(name: str) -> dict[str, float]:
    """Seconds and bytes of each thing that a panel does with a model, and of the engine alone."""
    code = f"MODEL = {MODELS[name].code}\nTOGETHER = {name == TOGETHER}\n"
    command = [
        sys.executable,
        "-c",
        IMPORTS + KERNEL.replace("model = MODEL", code + "model = MODEL"),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def held(page: Page) -> int:
    """Bytes that the browser's processes hold for themselves."""
    browser = page.context.browser
    assert browser is not None
    session = browser.new_browser_cdp_session()
    page.context.new_cdp_session(page).send("HeapProfiler.collectGarbage")
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    return sum(psutil.Process(one["id"]).memory_full_info().uss for one in processes)


def rows(found: dict[str, Any], p95: Any) -> list[tuple[str, str, str, bool | None]]:
    """What was measured, the number, its goal, and whether that is reached (None: no goal)."""
    made: list[tuple[str, str, str, bool | None]] = []

    def at_most(what: str, number: float, goal: float, unit: str, digits: int = 1) -> None:
        made.append(
            (what, f"{number:.{digits}f} {unit}", f"≤ {goal:.{digits}f} {unit}", number <= goal)
        )

    for name, model in MODELS.items():
        one, kernel = found[name], found[name]["kernel"]
        at_most(f"{name}: from its cell to the picture", one["opening"] / 1000, model.seconds, "s")
        at_most(f"{name}: 95th percentile of a move", p95(one["steps"]), 33, "ms")
        at_most(f"{name}: memory in the browser", one["browser_bytes"] / MB, 150, "MB", 0)
        at_most(
            f"{name}: peak memory in the kernel, the model's own included",
            kernel["peak"] / kernel["bytes"], 3, "× the model",
        )  # fmt: skip
    kernel = found[TOGETHER]["kernel"]
    for what, seconds, engine in (
        ("the global technique, picture and all", kernel["chosen"] + kernel["ranked"], "engine"),
        ("Apply of it", kernel["pressed"] + kernel["found"] + kernel["put_on"], "engine"),
        ("Undo of it", kernel["undone"], "engine_undone"),
    ):
        at_most(f"{TOGETHER}: {what}", seconds, 2 * kernel[engine] + 2, "s")
    for when, held in (
        ("when it is chosen", kernel["chosen"]),
        ("by Apply, in which the masks are put on", max(kernel["pressed"], kernel["put_on"])),
        ("by Undo", kernel["undone"]),
    ):
        at_most(f"{TOGETHER}: the kernel is held {when}", held, 0.5, "s")
    share = f"{kernel['peak_applied'] / kernel['bytes']:.1f} × the model"
    made.append((f"{TOGETHER}: peak memory with Apply, which leaves 3 × there", share, "", None))
    return made
