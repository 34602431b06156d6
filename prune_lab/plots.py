"""Heatmaps of a module's weights and of the mask over them; the course's colours live here."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from IPython import get_ipython
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib_inline.config import InlineBackend
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

# From the lowest to the highest value, 0 in the middle: ColorBrewer's RdBu, reversed. It is safe
# for the colour-blind, and its ends have the same lightness: neither sign looks more important.
RAMP = ["#2166ac", "#67a9cf", "#f7f7f7", "#ef8a62", "#b2182b"]
PRUNED_FACE = "#dde2e7"  # a pruned entry is never white: a kept weight near zero is
PRUNED_HATCH = "#8b96a3"
_SERIES = [PRUNED_HATCH, RAMP[0], RAMP[4], RAMP[1], RAMP[3]]  # grey: what others are held to

# Grey enough to be read on white and on a dark page's ground: 4.4 and 4.3 times as bright or dark.
_INK = "#787878"
_BOTH_THEMES: dict[str, Any] = {
    "savefig.transparent": True,
    "axes.facecolor": "none",
    "legend.facecolor": "none",
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}

COLORMAP = LinearSegmentedColormap.from_list("prune_lab", RAMP)

# Inches
_WIDTH, _HEIGHT = 8.4, 6.5  # what the cells may take together
_CELL = 0.4  # a cell's side, where there is room
_HATCHED = 0.06  # in a smaller cell no hatching can be seen
_STRIP = 0.75  # for the colour bar and the legend, under the cells

# Cells
_MOST = 400  # in a row or column; more could not be told apart
_GAP = 0.7  # between two kernels
_CAPTION = 1.0  # between two kernels with captions
_PER_ROW = 20  # of a 1-D tensor

_Labels = list[tuple[float, str]]  # where on the edge, and what is written there


def follow_theme() -> None:
    """Draw from now on figures that can be read on a light page and on a dark one.

    All of this process's, pyplot's too: without a ground of their own, in grey ink. It changes
    matplotlib's ``rcParams`` and, in a notebook, what its inline backend saves.

    >>> import matplotlib
    >>> with matplotlib.rc_context():
    ...     follow_theme()
    ...     matplotlib.rcParams["text.color"]
    '#787878'
    """
    style.use(_BOTH_THEMES)
    if (shell := get_ipython()) is not None:
        backend = InlineBackend.instance(parent=shell)
        # The figure itself keeps its ground: Jupyter puts a white one behind those that have none.
        backend.print_figure_kwargs = {**backend.print_figure_kwargs, "facecolor": "none"}


class Picture(Figure):
    """A matplotlib figure that says in words what it shows, and shows itself in any notebook.

    It is not known to pyplot: a cell that returns it shows it once, and nothing stays open.
    """

    summary = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.summary})"

    __str__ = __repr__

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


class Heatmap(Picture):
    """A tensor, each entry a cell."""


class Chart(Picture):
    """Bars."""


def plot_mask(module: nn.Module, name: str = "weight") -> Heatmap:
    """Draw which entries of `module`'s parameter `name` are pruned, and the values of the others.

    A pruned entry is grey and hatched, a kept one has its value's colour: blue is negative, red
    positive, white zero. A convolution is drawn as a grid of kernels, filter by filter and input
    channel by input channel; a matrix as it is, one row for each output; a vector row by row. Of
    a very large tensor only the first part is drawn, and the title says how much. In an unpruned
    module all entries are kept.

    Returns a matplotlib figure that pyplot does not know: leave it as the last line of a cell, or
    use its ``savefig``.

    Raises TypeError when `module` is no ``torch.nn.Module`` or the values are complex,
    AttributeError when it has no tensor `name`, ValueError when that tensor has no values.

    >>> from prune_lab import prune
    >>> from prune_lab.lenet import LeNet
    >>> conv1 = prune.random_unstructured(LeNet().conv1, "weight", amount=0.3)
    >>> plot_mask(conv1)
    Heatmap(weight · 6×1×5×5, 45 of 150 pruned)
    """
    return _heatmap(module, name, hide_pruned=True)


def plot_weights(module: nn.Module, name: str = "weight") -> Heatmap:
    """Draw all values of `module`'s parameter `name`, those of pruned entries too.

    Like `plot_mask`, but a pruned entry keeps the colour of the value that ``weight_orig`` still
    holds, and is hatched over it. (Where the cells are too small for hatching, it is grey.)

    >>> plot_weights(nn.Linear(3, 2))
    Heatmap(weight · 2×3)
    """
    return _heatmap(module, name, hide_pruned=False)


def plot_shares(shares: Mapping[str, Sequence[float]], labels: Sequence[str], title: str) -> Chart:
    """Draw groups of bars from 0 on, one for each label, in it one bar for each name.

    The value is written at each bar's end. Returns a matplotlib figure that pyplot does not know.

    >>> plot_shares({"dense": [1, 1], "pruned": [0.1, 0.98]}, ["kept", "accuracy"], "of dense")
    Chart(of dense: dense, pruned)
    """
    names = list(shares)
    group = 0.22 * len(names) + 0.2  # inches
    figure = Chart(figsize=(_WIDTH, 0.9 + 0.25 * len(names) + group * len(labels)))
    figure.set_layout_engine("constrained")
    figure.summary = f"{title}: {', '.join(names)}"
    ax = figure.add_subplot()
    ax.set_title(title, loc="left", fontsize=12)
    places = np.arange(len(labels)) * group
    for number, name in enumerate(names):
        colour = _SERIES[number % len(_SERIES)]
        bars = ax.barh(places + 0.22 * number, shares[name], 0.2, color=colour, label=name)
        ax.bar_label(bars, fmt="{:.3g}", padding=3, fontsize=9)
    ax.set_yticks(places + 0.11 * (len(names) - 1), labels)
    ax.invert_yaxis()
    ax.margins(x=0.08)
    ax.tick_params(length=0, labelsize=10)
    ax.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="outside lower left", frameon=False, fontsize=10, ncols=3)
    return figure


class _Cells(NamedTuple):
    """Where each entry of a tensor is drawn. One cell is 1 wide and 1 high."""

    entries: np.ndarray  # (rows, columns) position in the flattened tensor, -1 for a gap
    x: np.ndarray  # (columns + 1,) edges
    y: np.ndarray  # (rows + 1,)
    columns: _Labels = []  # noqa: RUF012 (a tuple's default, never appended to)
    rows: _Labels = []  # noqa: RUF012
    across: str = ""  # what the columns count
    down: str = ""
    captions: Sequence[tuple[float, float, str]] = ()  # x, y, what is written above
    note: str = ""  # what is not shown, or how


def _heatmap(module: nn.Module, name: str, *, hide_pruned: bool) -> Heatmap:
    values, pruned = _values_and_pruned(module, name)
    cells = _arranged(values.shape, _axis_names(module, values.ndim))
    summary = f"{name} · {'×'.join(map(str, values.shape)) or 'one number'}"
    if pruned.any():
        summary += f", {int(pruned.sum()):,} of {pruned.size:,} pruned"
    elif hide_pruned:
        summary += ", none pruned"

    figure, ax, cell = _framed(cells, "\n".join(filter(None, (summary, cells.note))))
    figure.summary = summary
    hatched = cell >= _HATCHED
    line = 0.8 if hatched else 0.0  # points, between any two cells
    there = cells.entries >= 0
    drawn = values.reshape(-1)[cells.entries]
    gone = pruned.reshape(-1)[cells.entries] & there
    nan = np.isnan(drawn) & there
    covered = gone if hide_pruned or not hatched else np.zeros_like(gone)
    finite = np.abs(values[np.isfinite(values)])
    limit = float(finite.max()) if finite.size and finite.max() > 0 else 1.0
    inset = line / 2 / 72 / cell
    x, y, shown = cells.x, cells.y, np.ma.masked_where(~there | covered | nan, drawn)
    if hatched:  # in smaller cells no gap can be seen either
        x, y, shown = _with_gaps(x, inset), _with_gaps(y, inset), _between_gaps(shown)
    ax.pcolormesh(x, y, shown, cmap=COLORMAP, norm=Normalize(-limit, limit))
    looks: list[tuple[str, np.ndarray, dict[str, Any]]] = [("NaN", nan, {"facecolor": "black"})]
    if not hatched:
        looks.append(("pruned", gone, {"facecolor": PRUNED_FACE}))
    elif hide_pruned:
        grey = {"facecolor": PRUNED_FACE, "edgecolor": PRUNED_HATCH, "hatch": "//////"}
        looks.append(("pruned", gone, grey))
    else:
        over = {"facecolor": "none", "edgecolor": (0, 0, 0, 0.6), "hatch": "////"}
        looks.append(("pruned, its value kept", gone, over))
    looks = [look for look in looks if look[1].any()]
    for _, where, look in looks:
        outline = _outline(where, cells, inset)
        # Not add_patch: that would look for the limits of an outline of thousands of corners.
        ax.add_artist(PathPatch(outline, linewidth=0, **look))
    _legend(figure, limit, [Patch(label=text, linewidth=0, **look) for text, _, look in looks])
    return figure


def _with_gaps(edges: np.ndarray, inset: float) -> np.ndarray:
    """The edges of cells that leave this much free on either side: what is behind shows there."""
    return np.stack([edges[:-1] + inset, edges[1:] - inset], axis=1).reshape(-1)


def _between_gaps(values: np.ma.MaskedArray) -> np.ma.MaskedArray:
    """The cells' values, and between any two of them one of a gap, which is masked."""
    down, across = values.shape
    spread = np.ma.array(np.zeros((2 * down - 1, 2 * across - 1)), mask=True)
    spread[::2, ::2] = values
    return spread


def _framed(cells: _Cells, title: str) -> tuple[Heatmap, Axes, float]:
    """A figure just large enough, its empty axes for the cells, and a cell's side in inches."""
    wide, high = float(cells.x[-1]), float(cells.y[-1])
    cell = min(_CELL, _WIDTH / wide, _HEIGHT / high)
    left = 0.15 + (0.35 if cells.rows else 0) + (0.3 if cells.down else 0)
    top = 0.45 + 0.2 * title.count("\n") + (0.45 if cells.columns else 0.2)
    longest = max(map(len, title.split("\n")))
    width = max(left + wide * cell + 0.15, 4.8, 0.3 + 0.1 * longest)
    height = top + high * cell + _STRIP
    figure = Heatmap(figsize=(width, height))
    ax = figure.add_axes((left / width, _STRIP / height, wide * cell / width, high * cell / height))
    ax.set_xlim(0, wide)
    ax.set_ylim(high, 0)  # row 0 on top, as a matrix is written
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.tick_params(length=0, labelsize=9)
    ax.spines[:].set_visible(False)
    ax.set_xticks(*_thinned(cells.columns, cell))
    ax.set_yticks(*_thinned(cells.rows, cell))
    ax.set_xlabel(cells.across)
    ax.set_ylabel(cells.down.replace(" ", "\n") if high * cell < 1.2 else cells.down)
    for x, y, text in cells.captions if _CAPTION * cell > 0.18 else ():
        ax.text(x, y - 0.06 / cell, text, fontsize=9)
    figure.text(0.15 / width, 1 - 0.12 / height, title, fontsize=12, va="top")
    return figure, ax, cell


def _thinned(labels: _Labels, cell: float) -> tuple[list[float], list[str]]:
    """Every label, or every 2nd, 5th, 10th ... where they would run into each other."""
    apart = (labels[1][0] - labels[0][0]) * cell if len(labels) > 1 else 1.0
    needed = 0.12 + 0.09 * len(labels[-1][1]) if labels else 0.0  # inches for the longest number
    step = next(s for s in (1, 2, 5, 10, 20, 50, 100) if s * apart >= needed)
    return [at for at, _ in labels[::step]], [text for _, text in labels[::step]]


def _legend(figure: Heatmap, limit: float, patches: list[Patch]) -> None:
    width, height = figure.get_size_inches()
    ax = figure.add_axes((0.45 / width, 0.4 / height, 1.8 / width, 0.13 / height))
    bar = figure.colorbar(
        ScalarMappable(Normalize(-limit, limit), COLORMAP),
        cax=ax,
        orientation="horizontal",
        ticks=[-limit, 0, limit],
    )
    bar.ax.set_xticklabels([f"−{limit:.2g}", "0", f"+{limit:.2g}"])
    bar.ax.tick_params(length=0, labelsize=9)
    bar.outline.set_visible(False)
    if patches:
        figure.legend(
            handles=patches,
            loc="center left",
            bbox_to_anchor=(2.5 / width, 0.46 / height),
            ncols=len(patches),
            fontsize=10,
            frameon=False,
            handlelength=1.5,
            handleheight=1.4,
        )


def _values_and_pruned(module: nn.Module, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The values as stored, and where the mask prunes them; both of the parameter's shape."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, but got {type(module).__name__}")
    mask = module._buffers.get(f"{name}_mask")
    original = module._parameters.get(f"{name}_orig")
    tensor = original if mask is not None and original is not None else getattr(module, name, None)
    if not isinstance(tensor, Tensor):
        names = [n.removesuffix("_orig") for n, p in module._parameters.items() if p is not None]
        has = f"it has {', '.join(sorted(names))}" if names else "plot one of its layers"
        raise AttributeError(f"{type(module).__name__} has no tensor {name!r}; {has}")
    if is_lazy(tensor) or tensor.is_meta or not tensor.numel():
        raise ValueError(f"{name!r} of {type(module).__name__} has no values to draw")
    if tensor.is_complex():
        raise TypeError(f"{name!r} is complex, and a heatmap shows real numbers alone")
    values = tensor.detach().cpu().to_dense().double().numpy()
    if tensor is not original or mask is None:
        return values, np.zeros(values.shape, dtype=bool)
    return values, (mask.detach().cpu() == 0).numpy()


def _axis_names(module: nn.Module, dimensions: int) -> tuple[str, str]:
    """What the first and the second dimension of the weight count."""
    if dimensions < 2:
        return "", "entry"
    kind = type(module).__name__
    if "ConvTranspose" in kind:
        return "input channel", "filter"
    if "Conv" in kind:
        return "filter", "input channel"
    if isinstance(module, nn.Linear):
        return "output", "input"
    return "dimension 0", "dimension 1"


def _arranged(shape: Sequence[int], names: tuple[str, str]) -> _Cells:
    index = np.arange(math.prod(shape)).reshape(shape)
    if len(shape) < 2:
        return _vector(index.reshape(-1))
    if len(shape) == 2:
        return _matrix(index, names)
    return _kernels(index, names)


def _vector(index: np.ndarray) -> _Cells:
    shown = index[: _PER_ROW * _PER_ROW]
    width = min(len(shown), _PER_ROW)
    rows = np.full((-(-len(shown) // width), width), -1)
    rows.reshape(-1)[: len(shown)] = shown
    return _Cells(
        rows,
        np.arange(width + 1.0),
        np.arange(len(rows) + 1.0),
        columns=_numbered(np.arange(width) + 0.5),
        rows=[(i + 0.5, str(i * width)) for i in range(len(rows))] if len(rows) > 1 else [],
        across="entry",
        note=_note((len(shown), len(index), "entry")),
    )


def _matrix(index: np.ndarray, names: tuple[str, str]) -> _Cells:
    down, across = names
    shown = index[:_MOST, :_MOST]
    high, wide = shown.shape
    return _Cells(
        shown,
        np.arange(wide + 1.0),
        np.arange(high + 1.0),
        columns=_numbered(np.arange(wide) + 0.5),
        rows=_numbered(np.arange(high) + 0.5),
        across=across,
        down=down,
        note=_note((high, len(index), down), (wide, index.shape[1], across)),
    )


def _kernels(index: np.ndarray, names: tuple[str, str]) -> _Cells:
    """(filters, channels, *kernel): each kernel a block, filters across and channels down."""
    filters, channels = index.shape[:2]
    # One row for Conv1d's kernels; the depths of Conv3d's stand side by side.
    kernel = (1, 1, *index.shape[2:])
    depth, high, wide = math.prod(kernel[:-2]), kernel[-2], kernel[-1]
    blocks = index.reshape(filters, channels, depth, high, wide)
    blocks = blocks.transpose(1, 0, 3, 2, 4).reshape(channels, filters, high, depth * wide)
    wide *= depth
    note = f"the {depth} depths of a kernel side by side" if depth > 1 else ""
    if channels == 1:
        return _wrapped_kernels(blocks[0], names[0], note)
    shown = blocks[: max(1, _MOST // high), : max(1, _MOST // wide)]
    entries, x, y = _side_by_side(shown, _GAP)
    cut = _note((shown.shape[1], filters, names[0]), (shown.shape[0], channels, names[1]))
    return _Cells(
        entries,
        x,
        y,
        columns=_numbered((x[: -1 : wide + 1] + x[wide :: wide + 1]) / 2),
        rows=_numbered((y[: -1 : high + 1] + y[high :: high + 1]) / 2),
        across=names[0],
        down=names[1],
        note="; ".join(filter(None, (cut, note))),
    )


def _wrapped_kernels(blocks: np.ndarray, name: str, note: str) -> _Cells:
    """(filters, high, wide): with one channel alone the filters fill a grid, row by row."""
    filters, high, wide = blocks.shape
    columns = min(filters, max(1, _MOST // wide), max(1, round(math.sqrt(1.8 * filters))))
    rows = min(-(-filters // columns), max(1, _MOST // high))
    grid = np.full((rows * columns, high, wide), -1)
    grid[:filters] = blocks[: rows * columns]
    entries, x, y = _side_by_side(grid.reshape(rows, columns, high, wide), _CAPTION)
    corners = [(x[c * (wide + 1)], y[r * (high + 1)]) for r in range(rows) for c in range(columns)]
    shown = min(filters, rows * columns)
    word = f"{name} " if wide * min(_CELL, _WIDTH / x[-1]) > 0.7 else ""
    return _Cells(
        entries,
        x,
        y,
        captions=[(*corner, f"{word}{i}") for i, corner in enumerate(corners[:shown])],
        note="; ".join(filter(None, (_note((shown, filters, name)), note))),
    )


def _side_by_side(blocks: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, columns, high, wide) as one table with a gap between blocks, and its edges."""
    rows, columns, high, wide = blocks.shape
    entries = np.full((rows, high + 1, columns, wide + 1), -1)
    entries[:, :high, :, :wide] = blocks.transpose(0, 2, 1, 3)
    entries = entries.reshape(rows * (high + 1), columns * (wide + 1))[:-1, :-1]
    return entries, _edges(columns, wide, gap), _edges(rows, high, gap)


def _edges(blocks: int, size: int, gap: float) -> np.ndarray:
    return (np.arange(blocks)[:, None] * (size + gap) + np.arange(size + 1)).reshape(-1)


def _numbered(middles: np.ndarray) -> _Labels:
    return [(float(middle), str(number)) for number, middle in enumerate(middles)]


def _note(*parts: tuple[int, int, str]) -> str:
    cut = [f"{what} 0 to {shown - 1:,} of {all_:,}" for shown, all_, what in parts if shown < all_]
    return f"too large to draw whole: {', '.join(cut)}" if cut else ""


def _outline(where: np.ndarray, cells: _Cells, inset: float) -> Path:
    """One path round all cells of `where`, `inset` inside of their edges."""
    row, column = np.nonzero(where)
    left, right = cells.x[column] + inset, cells.x[column + 1] - inset
    top, bottom = cells.y[row] + inset, cells.y[row + 1] - inset
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    vertices = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1).reshape(-1, 2)
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
    return Path(vertices, np.tile(codes, len(row)))
