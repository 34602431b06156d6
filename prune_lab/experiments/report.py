"""What a study found: its records as a table and as a figure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from prune_lab.experiments.records import Record, StudyError

_COLOURS = ["#2166ac", "#b2182b", "#8b96a3", "#67a9cf", "#ef8a62", "#4d4d4d", "#1b7837", "#762a83"]
_MARKERS = "osD^vP*X"


class Point(NamedTuple):
    """One setting of a study: which line of the figure, where on it, and each seed's results."""

    line: str
    x: Any
    seeds: list[int]
    results: dict[str, list[float]]


def points(records: Iterable[Record]) -> tuple[str, list[Point]]:
    """Return the name of what goes along x, and a point for each setting, the seeds together.

    Along x goes the setting of numbers that has the most different values. Each combination of
    the others that differ is a line. Of the results those that are numbers count.

    Raises StudyError for no records at all, or for records of different trials.
    """
    records = list(records)
    if not records:
        raise StudyError("there are no records")
    if len({record.trial for record in records}) > 1:
        raise StudyError("these are records of different trials; draw each by itself")
    differ = _differing(records)
    along = max(
        (name for name in differ if all(_is_number(r.settings.get(name)) for r in records)),
        key=lambda name: len({record.settings[name] for record in records}),
        default="",
    )
    lines = [name for name in differ if name != along]
    found: dict[tuple[str, Any], Point] = {}
    for record in records:
        line = ", ".join(_said(name, record.settings.get(name)) for name in lines)
        x = record.settings.get(along, 0)
        point = found.setdefault((line, x), Point(line, x, [], {}))
        point.seeds.append(record.seed)
        for name, value in record.result.items():
            if _is_number(value):
                point.results.setdefault(name, []).append(value)
    order = {line: number for number, (line, _x) in enumerate(found)}
    return along, sorted(found.values(), key=lambda point: (order[point.line], point.x))


def table(records: Iterable[Record]) -> str:
    """Write for each setting how many seeds there are, and of each result mean, lowest, highest."""
    along, found = points(records)
    names = list(dict.fromkeys(name for point in found for name in point.results))
    rows = [["", along, "seeds", *names]]
    for point in found:
        cells = [point.line, f"{point.x:g}" if along else "", str(len(point.seeds))]
        rows.append([*cells, *(_summary(point.results.get(name, [])) for name in names)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def draw(records: Iterable[Record]) -> Figure:
    """Draw each result over x: a line through the means, and each seed as a dot."""
    along, found = points(records)
    names = list(dict.fromkeys(name for point in found for name in point.results))
    if not names:
        raise StudyError("there is no number among the results to draw")
    figure = Figure(figsize=(8.4, 0.8 + 2.8 * len(names)), layout="constrained")
    axes = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    lines = list(dict.fromkeys(point.line for point in found))
    for ax, name in zip(axes, names, strict=True):
        for number, line in enumerate(lines):
            here = [p for p in found if p.line == line and name in p.results]
            look = {
                "color": _COLOURS[number % len(_COLOURS)],
                "marker": _MARKERS[number % len(_MARKERS)],
            }
            means = [statistics.fmean(point.results[name]) for point in here]
            ax.plot([p.x for p in here], means, label=_plain(line), linewidth=1.6, **look)
            for point in here:
                values = point.results[name]
                ax.plot([point.x] * len(values), values, ".", color=look["color"], alpha=0.4)
        ax.set_ylabel(_plain(name))
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel(_plain(along))
    if any(lines):
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", frameon=False)
    return figure


def _differing(records: list[Record]) -> list[str]:
    """The settings that are not the same in all records, in their order."""
    names = dict.fromkeys(name for record in records for name in record.settings)
    return [n for n in names if len({repr(record.settings.get(n)) for record in records}) > 1]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _said(name: str, value: Any) -> str:
    return value if isinstance(value, str) else f"{name} {value}"


def _summary(values: list[float]) -> str:
    if not values:
        return "-"
    return f"{statistics.fmean(values):.4g} ({min(values):.4g} to {max(values):.4g})"


def _plain(text: str) -> str:
    """Text in which matplotlib finds no formula."""
    return text.replace("$", r"\$")
