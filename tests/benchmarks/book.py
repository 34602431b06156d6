"""How long a reader of the book waits whose device is four times slower than this one.

``python -m tests.benchmarks.book [runs]`` builds the book and opens chapter 1 from the disk, in
headless Chromium whose own throttling makes all in the page take four times as long. For each run
it prints when the words were there and when the slider of the first panel had moved; then the
medians, each beside its limit, and how busy the machine was. The hand is faster than a reader's: it
moves the slider as soon as there is one. These are times by the clock, so they say something on a
quiet machine alone; tests/browser/test_book.py counts the work instead, which is always the same.
"""

from __future__ import annotations

import os
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, sync_playwright

from docs.book.build import build
from tests.browser import chromium

SLOWER = 4
LIMITS = {"readable": 1.0, "first panel moved": 2.0}  # seconds
CHAPTER = "01-create-a-model.html"

# In the page, before it: go to the first panel, move its slider, and note when that was seen.
HAND = """
const frame = () => new Promise((go) => requestAnimationFrame(() => setTimeout(go)));
const found = async (look) => {
    for (;;) {
        const part = look();
        if (part) return part;
        await frame();
    }
};
const opened = new Promise((go) => addEventListener("DOMContentLoaded", go));
window.waited = opened.then(async () => {
    const painted = () => performance.getEntriesByName("first-contentful-paint")[0];
    const { startTime } = await found(painted);
    const place = document.querySelector(".prune-lab-stored");
    place.scrollIntoView({ block: "center" });
    const slider = await found(() => place.querySelector("[type=range]"));
    const before = slider.getAttribute("aria-valuetext");
    slider.stepUp();
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await found(() => slider.getAttribute("aria-valuetext") !== before);
    await frame();
    return [startTime, performance.now()];
});
"""


def waited(browser: Browser, address: str) -> list[float]:
    """Seconds until the chapter could be read, and until its slider had moved."""
    page = browser.new_context(offline=True).new_page()
    client = page.context.new_cdp_session(page)
    client.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.add_init_script(HAND)
    page.goto(address)
    found = page.evaluate("window.waited")
    page.context.close()
    return [milliseconds / 1000 for milliseconds in found]


def main() -> None:
    """Measure as often as is said, five times if nothing is, and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    rows = []
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        assert build(Path(folder) / "book") == 0
        browser = playwright.chromium.launch(
            executable_path=chromium.find(), args=chromium.ARGUMENTS
        )
        address = (Path(folder) / "book" / CHAPTER).as_uri()
        waited(browser, address)  # the first one also starts what the browser needs
        for number in range(runs):
            rows.append(waited(browser, address))
            print(f"run {number + 1}:", *(f"{seconds:.2f} s" for seconds in rows[-1]))
        browser.close()
    for (what, limit), column in zip(LIMITS.items(), zip(*rows, strict=True), strict=True):
        seconds = statistics.median(column)
        reached = "reached" if seconds <= limit else "missed"
        print(f"{what}: {seconds:.2f} s, limit {limit:.0f} s: {reached}")
    print(f"CPU times {SLOWER}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
