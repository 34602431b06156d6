"""The accuracy, measured beside the kernel: each once, in an order, with a way to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from prune_lab.widgets.in_browser import InBrowser
from prune_lab.widgets.trial import Trial

SETTLED = 0.05  # seconds without a new question before the first is answered


class Question(NamedTuple):
    """What the accuracy is wanted of.

    Attributes:
        key: what the answer is remembered by; equal keys have equal answers.
        values: returns, by parameter name, the values to try; called beside the kernel.
    """

    key: Hashable
    values: Callable[[], Mapping[str, Tensor]]


class Measuring(InBrowser):
    """The part of a panel that measures: what is asked first, then the rest, while it is shown.

    A browser that has answered is left to answer what the controls ask; it tells what it found.

    A subclass writes ``_trial_of``, ``_questions``, ``_key_of`` and ``_show_measured``.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._measured: dict[Hashable, float] = {}
        self._halted = False
        self._browser_measures = False
        self._works = False  # while the panel is on a screen, or is asked to
        super().__init__(*args, **kwargs)

    def stop(self) -> None:
        """Stop the long measurements; the sliders are still answered."""
        self._halted = True
        self._measure()

    def go_on(self) -> None:
        """Go on with the measurements where they were stopped."""
        self._halted = False
        self._measure()

    def measure(self) -> None:
        """Measure what is missing and wait for it: for use where no front end shows the panel."""
        with self._in_the_panel():
            self.refresh()
        self._measure(unseen=True)
        try:
            self._background.wait()
        finally:  # when it is interrupted
            if self._hidden:
                self._background.cancel()

    def _trial_of(self) -> Trial | None:
        """The copy on which values are tried; None: there is no data."""
        raise NotImplementedError

    def _questions(self) -> tuple[Sequence[Question], Sequence[Question]]:
        """What the controls ask as they stand, and what is wanted beside it."""
        raise NotImplementedError

    def _key_of(self, counts: Mapping[str, int]) -> Hashable:
        """What the answer is remembered by, with so many units of each parameter gone."""
        raise NotImplementedError

    def _show_measured(self) -> None:
        """Show what is known; called after each answer, too, and then beside the kernel."""
        raise NotImplementedError

    def _say_unmeasured(self, error: Exception) -> None:
        self._say(f"The accuracy cannot be measured: {error}", failed=True)

    def _go_to_work(self) -> None:
        self._measure()

    def _measure(self, unseen: bool = False) -> None:
        """Show what is known of the present questions, and measure the others beside the kernel."""
        self._background.cancel()
        self._works = not self._closed and (unseen or not self._hidden)
        self._show_measured()
        trial = self._trial_of() if self._works else None
        if trial is None:
            return
        if not self._hidden:
            self._carry()
        first, then = self._questions()
        if self._browser_measures and not unseen:
            first = ()
        wanted = {q.key: q for q in (*first, *(() if self._halted else then))}
        missing = [q for key, q in wanted.items() if key not in self._measured]
        if missing:
            self._background.start(_answers(trial, missing), self._take, self._say_unmeasured)

    def _count_views(self, change: int) -> None:
        super()._count_views(change)
        if self._hidden:
            self._browser_measures = False  # another one may not be able to

    def _handle_custom_msg(self, content: dict[str, Any], buffers: list[Any] | None = None) -> None:
        """Take what the browser has measured, too, or that it cannot."""
        super()._handle_custom_msg(content, buffers)
        asked = content.get("ask")
        if asked in ("measured", "unable"):
            with self._in_the_panel():
                (self._take_from_browser if asked == "measured" else self._take_over)(content)

    def _take_from_browser(self, found: dict[str, Any]) -> None:
        """Remember what was measured there, unless it is of another network."""
        trial = self._trial_of()
        if trial is None or found["edition"] != self.edition or found["of"] != len(trial.labels):
            return
        self._browser_measures = not self._hidden
        for counts, right in (({}, found["dense"]), (found["counts"], found["right"])):
            self._measured[self._key_of(counts)] = int(right) / len(trial.labels)
        self._show_measured()

    def _take_over(self, unable: dict[str, Any]) -> None:
        """Answer what the browser cannot."""
        if self._browser_measures:
            self._browser_measures = False
            self._measure()

    def _take(self, answer: tuple[Hashable, float] | None) -> None:
        if answer is not None:
            key, accuracy = answer
            self._measured[key] = accuracy
            self._show_measured()


def _answers(
    trial: Trial, questions: Sequence[Question]
) -> Iterator[tuple[Hashable, float] | None]:
    time.sleep(SETTLED)
    yield None  # a newer question ends it here
    for key, values in questions:
        yield key, trial.accuracy(values())
