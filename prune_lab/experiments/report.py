"""What a study found: its records as a table and as a figure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes

from prune_lab.experiments.records import Record, StudyError
from prune_lab.plots import Picture

_COLOURS = ["#2166ac", "#b2182b", "#8b96a3", "#67a9cf", "#ef8a62", "#4d4d4d", "#1b7837", "#762a83"]
_MARKERS = "osD^vP*X"


class Curves(Picture):
    """Lines through the means over seeds, and each seed as a dot."""


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
    order = list(dict.fromkeys(line for line, _x in found))
    return along, sorted(found.values(), key=lambda point: (order.index(point.line), point.x))


def table(records: Iterable[Record], results: Sequence[str] = ()) -> str:
    """Write for each setting how many seeds there are, and of each result mean, lowest, highest.

    Of the results those that are named, or all that are numbers.
    """
    along, found = points(records)
    names = list(results) or _names(found)
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


def draw(records: Iterable[Record], results: Sequence[str] = ()) -> Curves:
    """Draw each result over x: a line through the means, and each seed as a dot.

    Of the results those that are named, or all that are numbers. Returns a matplotlib figure that
    pyplot does not know: leave it as the last line of a cell, or use its ``savefig``.
    """
    along, found = points(records)
    names = list(results) or _names(found)
    if not names:
        raise StudyError("there is no number among the results to draw")
    lines = list(dict.fromkeys(point.line for point in found))
    figure = Curves(figsize=(8.4, 0.4 + 0.22 * len(lines) + 2.8 * len(names)))
    figure.set_layout_engine("constrained")
    figure.summary = f"{', '.join(names)} by {along or 'setting'}: {len(lines)} lines"
    axes = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    for ax, name in zip(axes, names, strict=True):
        for number, line in enumerate(lines):
            here = [point for point in found if point.line == line and name in point.results]
            _draw_line(ax, here, name, number)
        ax.set_ylabel(_plain(name))
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel(_plain(along))
    if any(lines):
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower left", frameon=False, ncols=2)
    return figure


def reached(records: Iterable[Record], result: str, level: float) -> dict[str, float | None]:
    """Return for each line how far along x its mean result stays at or above a level.

    Between two settings the means are joined by straight lines, as in the figure. A line that
    begins below the level has None; one that never falls below it, its last x.
    """
    _along, found = points(records)
    far: dict[str, float | None] = {}
    for line in dict.fromkeys(point.line for point in found):
        here = [point for point in found if point.line == line]
        means = [statistics.fmean(point.results[result]) for point in here]
        far[line] = None
        for number, (point, mean) in enumerate(zip(here, means, strict=True)):
            if mean < level:
                if number:
                    before, higher = here[number - 1].x, means[number - 1]
                    far[line] = before + (point.x - before) * (higher - level) / (higher - mean)
                break
            far[line] = point.x
    return far


def _draw_line(ax: Axes, here: list[Point], name: str, number: int) -> None:
    colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
    means = [statistics.fmean(point.results[name]) for point in here]
    label = _plain(here[0].line) if here else ""
    ax.plot([p.x for p in here], means, color=colour, marker=marker, markersize=5, label=label)
    for point in here:
        values = point.results[name]
        ax.plot([point.x] * len(values), values, ".", color=colour, alpha=0.4)


def _names(found: list[Point]) -> list[str]:
    return list(dict.fromkeys(name for point in found for name in point.results))


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
