"""What the browser draws of one parameter: each of its entries or, of many, blocks at each step."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import traitlets
from torch import Tensor

from prune_lab.widgets import blocks
from prune_lab.widgets.amount import Amounting
from prune_lab.widgets.background import Background
from prune_lab.widgets.ranking import STEPS, Positions, Ranking, Steps, Work, are_many, scaled

COARSE = 100  # steps of the amount at which blocks are drawn, and the other layers' bars


class Drawn(NamedTuple):
    """A parameter under a ranking that is known by steps.

    Attributes:
        traits: what the browser needs, by trait.
        gone: by parameter name, how many entries are gone at ``COARSE`` steps.
        here: how many of the one on show are gone, by count, at ``STEPS`` steps.
    """

    traits: dict[str, Any]
    gone: dict[str, list[int]]
    here: dict[int, int]


class Drawing(Amounting):
    """The part of a panel that has one parameter drawn under its ranking.

    Where a ranking is known by steps, they are found beside the kernel while the panel is shown.
    """

    values = traitlets.Bytes(help="float32, the parameter's values before the preview").tag(
        sync=True
    )
    order = traitlets.Bytes(
        help="int32, when each entry goes: 0 first, -1 gone before; pruned means order < count"
    ).tag(sync=True)
    shape = traitlets.List(traitlets.Int(min=0), help="of the parameter").tag(sync=True)
    steps = traitlets.List(
        traitlets.Int(), help="the counts that are shown exactly; none: every count is"
    ).tag(sync=True)
    gone = traitlets.List(
        traitlets.Int(), help="[count, entries gone at it], where the amount is between two steps"
    ).tag(sync=True)
    sizes = traitlets.Bytes(
        help="float32, for each step the largest magnitude that is gone; NaN: none"
    ).tag(sync=True)
    grid = traitlets.Dict(
        help="rows, cols, block_rows, block_cols; counts, those of the steps that blocks are drawn "
        "at; limit, the largest magnitude; empty: each entry is drawn"
    ).tag(sync=True)
    kept = traitlets.Bytes(
        help="uint16, or uint32 where blocks are large: how many entries of each block are left at "
        "each of the blocks' counts, (counts, blocks)"
    ).tag(sync=True)
    strongest = traitlets.Bytes(help="float32, of each block the value farthest from 0").tag(
        sync=True
    )
    tally = traitlets.Bytes(
        help="uint32, how many values of each bin of the histogram are gone at each step, and in "
        "the last row all of them; (steps + 1, bins)"
    ).tag(sync=True)
    drawn = traitlets.Float(1.0, help="how much of the picture is worked out").tag(sync=True)
    drawing = traitlets.Bool(help="whether it is being worked out").tag(sync=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._artist = Background()
        self._to_draw: Callable[[], Iterator[float | Drawn]] | None = None
        self._here: Mapping[int, int] = {}
        self._gone_at: Mapping[str, list[int]] = {}  # of several, at equal steps of the amount
        self._on_show = ""
        super().__init__(*args, **kwargs)

    def stop_drawing(self) -> None:
        """Stop working out the picture."""
        self._artist.cancel()
        self.drawing = False

    def go_on_drawing(self) -> None:
        """Work out the picture, if it is not there yet and somebody sees the panel."""
        if not self._hidden:
            self._work_out()

    def _work_out(self) -> None:
        if self._to_draw is not None and not self._closed:
            self.drawing = True
            self._artist.start(self._to_draw(), self._take_drawn, self._say_undrawn)

    def _work_out_unseen(self) -> None:
        """Work out the picture and wait for it."""
        self._work_out()
        try:
            self._artist.wait()
        finally:  # when it is interrupted
            if self._hidden:
                self.stop_drawing()

    # The panel's life

    def sleep(self) -> None:
        """Close the comm and stop the work; displayed anew, the panel wakes."""
        self.stop_drawing()
        super().sleep()

    def _go_to_work(self) -> None:
        super()._go_to_work()
        self.go_on_drawing()

    def _count_views(self, change: int) -> None:
        super()._count_views(change)
        if self._hidden:
            self.stop_drawing()

    # What is drawn

    def _draw(self, name: str, values: Tensor, ranking: Ranking, holds: Callable[[], bool]) -> None:
        """Show a parameter under a ranking, at once or as soon as it is worked out.

        Args:
            name: of the parameter.
            values: before any mask.
            ranking: of this parameter, and perhaps of others together with it.
            holds: whether the values are still those that were ranked; called beside the kernel.
        """
        self._artist.cancel()
        self._to_draw, self._here, self._gone_at, self._on_show = None, {}, {}, name
        traits = dict.fromkeys(("values", "order", "sizes", "kept", "strongest", "tally"), b"")
        self.grid = {}
        self.shape, self.steps, self.gone = list(values.shape), [], []
        if not ranking.by_steps:
            assert isinstance(ranking, Positions)
            traits |= _entries(values, ranking.orders[name])
            if len(ranking.names) > 1:
                self._gone_at = _finished(ranking.in_steps(ranking.counts(COARSE), name)).gone
        else:
            self._to_draw = lambda: _drawn(name, values, ranking, holds)
        for trait, value in traits.items():
            self.set_trait(trait, value)
        self.drawn, self.drawing = float(self._to_draw is None), False
        self.go_on_drawing()

    def _take_drawn(self, result: float | Drawn) -> None:
        if not isinstance(result, Drawn):
            self.drawn = result
            return
        self._to_draw, self._here, self._gone_at = None, result.here, result.gone
        with self.hold_sync():
            for trait, value in result.traits.items():
                self.set_trait(trait, value)
            self.drawn, self.drawing = 1.0, False
            self._tell_gone()
            self._finished_drawing()

    def _finished_drawing(self) -> None:
        """React to a picture that was worked out beside the kernel."""

    def _say_undrawn(self, error: Exception) -> None:
        self.drawing = False
        self._say(f"The picture cannot be worked out: {error}", failed=True)

    @traitlets.observe("amount")
    def _tell_gone(self, change: object = None) -> None:
        """Say what the browser cannot know: how many entries are gone between two steps."""
        if self._here:
            at = self._count()
            known = at in self._here
            self.gone = [] if known else [at, self._ranking.gone(self._on_show, at)]


def _drawn(
    name: str, values: Tensor, ranking: Ranking, holds: Callable[[], bool]
) -> Iterator[float | Drawn]:
    """Work out a picture by steps: how much is done, and in the end all of it.

    Where a cell changes the values meanwhile there is no picture: when it ends all begins anew.
    """
    steps = yield from scaled(ranking.in_steps(ranking.counts(STEPS), name), 0, 0.7)
    if are_many(values.numel()):
        traits = yield from scaled(_blocks(values, steps, ranking.counts(COARSE)), 0.7, 0.95)
    else:
        # The largest count at which an entry is there: at every step it is right, and in between.
        from_step = torch.tensor([-1, *steps.counts])
        traits = _entries(values, from_step[steps.entries.to(torch.int64)])
    traits |= {"steps": steps.counts, "sizes": steps.sizes.astype("<f4").tobytes()}
    coarse = [steps.counts.index(count) for count in ranking.counts(COARSE)]
    gone = {one: [counts[i] for i in coarse] for one, counts in steps.gone.items()}
    if holds():
        yield Drawn(traits, gone, dict(zip(steps.counts, steps.gone[name], strict=True)))


def _entries(values: Tensor, order: Tensor) -> dict[str, Any]:
    return {"values": _bytes(values, torch.float32), "order": _bytes(order, torch.int32)}


def _blocks(
    values: Tensor, steps: Steps, wanted: list[int]
) -> Generator[float, None, dict[str, Any]]:
    grid, limit = blocks.grid_of(values.shape), blocks.limit_of(values)
    yield 0.1
    tally = np.zeros((len(steps.counts) + 1, blocks.BINS + 1), dtype=np.int64)
    for part in blocks.tally(values, steps, limit):
        tally += part
        yield 0.3
    kind = "<u2" if grid.block_rows * grid.block_cols < 1 << 16 else "<u4"
    kept = np.empty((len(wanted), grid.down, grid.across), dtype=kind)
    for i, band in enumerate(blocks.kept(steps, wanted, grid)):
        kept[:, i] = band
        yield 0.5 + 0.4 * i / grid.down
    strongest = blocks.strongest(values, grid)
    return {
        "grid": {**grid._asdict(), "counts": wanted, "limit": limit},
        "tally": tally.astype("<u4").tobytes(),
        "kept": kept.tobytes(),
        "strongest": strongest.astype("<f4").tobytes(),
    }


def _bytes(tensor: Tensor, dtype: torch.dtype) -> bytes:
    return tensor.to("cpu", dtype).contiguous().numpy().tobytes()


def _finished(work: Work) -> Steps:
    """Do all of the work at once."""
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value
