"""A time limit on code that somebody else wrote, inside this process.

On Linux and macOS, in the main thread (where a notebook's cells run), the alarm clock of the
operating system interrupts: it ends loops and sleeps alike. On Windows, which has no such clock,
and in any other thread, a second thread raises the exception inside the first. Python then stops
between two of its own instructions: an endless loop ends, while a single call into C that does not
return (`time.sleep` for an hour) is waited for, and a loop that swallows every exception goes on.
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

Result = TypeVar("Result")

_AGAIN = 0.05  # seconds until the next attempt, when a bare `except:` swallowed the last one


class TimeUp(BaseException):
    """The time is over. No Exception, so that an answer's `except Exception` lets it through."""


def within(seconds: float, work: Callable[[], Result]) -> Result:
    """Return `work()`, or raise TimeUp when it takes longer than so many seconds of wall time.

    >>> within(5, lambda: "in time")
    'in time'
    >>> try:
    ...     within(0.05, lambda: [... for _ in iter(int, 1)])
    ... except TimeUp:
    ...     print("that loop never ends")
    that loop never ends
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and hasattr(signal, "setitimer"):
        return _by_alarm(seconds, work)
    return _by_watcher(seconds, work)


def _by_alarm(seconds: float, work: Callable[[], Result]) -> Result:
    here, tracer, rings = sys._getframe(), sys.gettrace(), 0

    def ring(number: int, interrupted: FrameType | None) -> None:
        nonlocal rings
        if interrupted is here:
            return  # in the lines below there is nothing left to interrupt
        rings += 1
        if rings > 1:  # `while True: try: ... except: ...`
            _raise_in_the_handler(interrupted)
        raise TimeUp

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        return work()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(tracer)
        signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _raise_in_the_handler(frame: FrameType | None) -> None:
    """Raise TimeUp once more on the next line that the learner's code runs: the `except`'s own."""

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            raise TimeUp
        return trace

    # The lines of a judge, which may be putting something back, are none of this.
    while frame and not frame.f_globals.get("__name__", "").startswith("prune_lab."):
        frame.f_trace = trace
        frame = frame.f_back
    sys.settrace(lambda *_: None)  # switches tracing on, for those frames alone


def _by_watcher(seconds: float, work: Callable[[], Result]) -> Result:
    worker = ctypes.c_ulong(threading.get_ident())
    over = threading.Event()

    def watch() -> None:
        waiting = seconds
        while not over.wait(waiting):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(worker, ctypes.py_object(TimeUp))
            waiting = _AGAIN

    watcher = threading.Thread(target=watch, daemon=True)

    def end() -> None:
        while True:
            try:
                over.set()
                watcher.join()
                ctypes.pythonapi.PyThreadState_SetAsyncExc(worker, None)  # sent, not yet raised
                return
            except TimeUp:
                continue

    watcher.start()
    try:
        try:
            return work()
        finally:
            end()
    except TimeUp:  # perhaps on the way to end()
        end()
        raise
