"""Slow work beside the kernel: step by step in a thread, and quickly stopped."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch

from prune_lab.widgets.dialogue import one_at_a_time

T = TypeVar("T")

_over = threading.Condition(one_at_a_time)  # for those who wait until a piece of work is
_at_work: dict[threading.Thread, Callable[[], None]] = {}  # and how each is stopped


@atexit.register
def _end_all() -> None:
    """Python aborts where it ends in the middle of a thread's sum."""
    for thread, stop in list(_at_work.items()):
        stop()
        thread.join()


class Background:
    """Runs one piece of work at a time; a new one takes the place of the old.

    >>> found = []
    >>> work = Background()
    >>> work.start((n * n for n in range(4)), found.append)
    >>> work.wait()
    >>> found
    [0, 1, 4, 9]
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(
        self,
        steps: Iterable[T],
        report: Callable[[T], object],
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Go through ``steps`` in a thread and hand each result to ``report``, also in that thread.

        The steps go beside all else; what is reported takes its turn with what panels do.

        Args:
            steps: usually a generator. It must not touch what the reader's cells change: copy
                the model before.
            report: is never called after :meth:`cancel`, or after the next :meth:`start`.
            failed: gets the exception that ``steps`` or ``report`` raised; None drops it.
        """
        self.cancel()
        stop = self._stop = threading.Event()

        def run() -> None:
            torch.set_num_threads(1)  # this thread's share: the reader's cells keep the others
            try:
                for result in steps:
                    with one_at_a_time:
                        if stop.is_set():
                            return
                        report(result)
            except Exception as error:
                with one_at_a_time:
                    if failed is not None and not stop.is_set():
                        failed(error)
            finally:
                with _over:
                    del _at_work[threading.current_thread()]
                    _over.notify_all()

        self._thread = threading.Thread(target=run, name="prune-lab", daemon=True)
        _at_work[self._thread] = self.cancel
        self._thread.start()

    def cancel(self) -> None:
        """Stop after the present step; nothing more is reported."""
        with one_at_a_time:
            self._stop.set()

    @property
    def running(self) -> bool:
        """Whether there is work that is neither finished nor cancelled."""
        return self._thread in _at_work and not self._stop.is_set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the work is done, at most so long; what is reported meanwhile is let in."""
        with _over:
            own = (
                self._thread is threading.current_thread()
            )  # it reports, and would wait for itself
            _over.wait_for(lambda: own or self._thread not in _at_work, seconds)
