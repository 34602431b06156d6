"""Write the benchmark's table and picture from its numbers; nothing here is typed by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine import ROWS, SIZES
from matplotlib.figure import Figure

MB = 1e6


def write(results: Path) -> None:
    """Turn ``results/engine.json`` into ``engine.md`` and ``engine.png``."""
    data = json.loads((results / "engine.json").read_text())
    (results / "engine.md").write_text(table(data))
    picture(data).savefig(results / "engine.png", dpi=150)


def table(data: dict[str, Any]) -> str:
    """Return the rows as a Markdown table, the machine and the limit above it."""
    machine = data["machine"]
    lines = [
        f"Measured with `make bench` on {machine['cores']} {machine['processor']} cores, "
        f"{machine['memory_GiB']} GiB, Python {machine['python']}, torch {machine['torch']}. "
        f"This machine copies {machine['copy_GB_per_s']} GB/s: 25 M float32 weights, read and "
        f"written once, take {200 / machine['copy_GB_per_s']:.0f} ms at best.",
        "",
        "Warm is the median after one untimed round; cold is the first call of a fresh process.",
        "",
        "| work | torch | ours | warm: ours / torch | goal | | cold: ours / torch | goal | "
        "| peak memory, torch | ours |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row, (title, _, _, goal, _, goal_cold) in ROWS.items():
        torch_side, ours = data["rows"][row]["torch"], data["rows"][row]["ours"]
        lines.append(
            f"| {title} | {_time(torch_side['seconds'])} | {_time(ours['seconds'])} "
            f"| {_against(ours['seconds'] / torch_side['seconds'], goal)} "
            f"| {_against(ours['cold'] / torch_side['cold'], goal_cold)} "
            f"| {_memory(torch_side['peak_bytes'])} | {_memory(ours['peak_bytes'])} |"
        )
    masks = 4 * 100e6
    share = data["rows"]["global_100M"]["ours"]["peak_bytes"] / masks
    lines += [
        "",
        f"Global pruning's peak above the model is {share:.2f} times the size of the masks (goal: "
        f"2.3, {'reached' if share <= 2.3 else 'missed'}): the masks themselves are 1.0, the "
        "masked weights that torch's interface promises as `weight` are another 1.0, the rest "
        "is working memory.",
        "",
        "In a training step ours looks at every masked weight for a NaN, which a pruned inf leaves "
        "in a product, and makes -0.0 to 0.0; torch does not.",
        "",
    ]
    return "\n".join(lines)


def picture(data: dict[str, Any]) -> Figure:
    """Return two panels: seconds and peak memory of one L1 prune, against the layer's size."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 2)
    keys = (("seconds", 1.0, "seconds"), ("peak_bytes", MB, "peak memory above the model, MB"))
    for axes, (key, unit, label) in zip(panels, keys, strict=True):
        for side, colour, marker in (("torch", "#5b6470", "o"), ("ours", "#0b6bcb", "s")):
            sizes = [n for n in SIZES if key == "seconds" or n >= 1_000_000]
            values = [data["rows"][f"curve_{n}"][side][key] / unit for n in sizes]
            axes.loglog(sizes, values, color=colour, marker=marker, markersize=5)
            axes.annotate(
                side,
                (sizes[-1], values[-1]),
                xytext=(6, 0),
                textcoords="offset points",
                color=colour,
                va="center",
            )
        axes.set_xlabel("weights in the layer")
        axes.set_title(label, fontsize=10, loc="left")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.12)
    figure.suptitle("l1_unstructured (30 %), then remove", fontsize=11, x=0.01, ha="left")
    return figure


def _against(ratio: float, goal: float | None) -> str:
    """Return three cells: the ratio, the goal, and whether it was reached."""
    if goal is None:
        return f"{ratio:.3g} | – | –"
    return f"{ratio:.3g} | ≤ {goal:.3g} | {'reached' if ratio <= goal else 'missed'}"


def _time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def _memory(size: float) -> str:
    return f"{size / MB:.0f} MB" if size >= MB else "–"


if __name__ == "__main__":
    write(Path(__file__).parent / "results")
