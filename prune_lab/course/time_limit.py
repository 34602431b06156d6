"""A time limit on code that somebody else wrote, inside this process.

On Linux and macOS, in the main thread (where a notebook's cells run), the alarm clock of the
operating system interrupts: it ends loops and sleeps alike, and loops within loops that swallow
every exception. On Windows, which has no such clock, and in any other thread, a second thread
raises the exception inside the first. Python then stops between two of its own instructions: an
endless loop ends, while a single call into C that does not return (`time.sleep` for an hour) is
waited for, and a loop that swallows every exception goes on.
"""

from __future__ import annotations

import ctypes
import functools
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
        if interrupted and (interrupted is here or interrupted.f_code is end.__code__):
            return  # in the lines below there is nothing left to interrupt
        rings += 1
        if rings > 1:  # `while True: try: ... except: ...`
            _raise_in_every_handler(interrupted)
        raise TimeUp

    def end() -> None:
        while True:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0)
                _watch_no_lines(tracer)
                _raise_no_more()
                signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, *timer)
                return
            except TimeUp:  # it was to be raised soon
                continue

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        try:
            return work()
        finally:
            end()
    except TimeUp:  # perhaps on the way to end()
        end()
        raise


def _raise_in_every_handler(frame: FrameType | None) -> None:
    """Raise TimeUp once more on each line that the learner's code runs from now on.

    The next one is the `except`'s own, which cannot swallow what is raised inside itself. Where
    loops that swallow everything lie in each other, it is then the outer one's turn.
    """
    theirs = []
    while frame and not frame.f_globals.get("__name__", "").startswith(_OURS):
        theirs.append(frame)
        frame = frame.f_back
    _watch_lines(theirs)


def _watch_lines_by_monitoring(frames: list[FrameType]) -> None:
    if _monitoring.get_tool(_TOOL) is None:
        _monitoring.use_tool_id(_TOOL, __name__)
        _monitoring.register_callback(_TOOL, _monitoring.events.LINE, _raise_now)
    for frame in frames:
        _monitoring.set_local_events(_TOOL, frame.f_code, _monitoring.events.LINE)
        _watched.append(frame.f_code)


def _raise_now(*_: object) -> None:
    raise TimeUp


def _watch_lines_by_tracing(frames: list[FrameType]) -> None:
    # Of C alone, without a line of Python: there TimeUp would be raised at once, inside the trace
    # function, and Python stops tracing when that happens.
    trace = functools.partial(_traced, threading.get_ident(), TimeUp)
    for frame in frames:
        frame.f_trace = trace
    sys.settrace(lambda *_: None)  # switches tracing on, for those frames alone


def _watch_no_lines(tracer: Any) -> None:
    sys.settrace(tracer)
    while _watched:
        _monitoring.set_local_events(_TOOL, _watched[-1], 0)
        _watched.pop()


_OURS = ("prune_lab.", "IPython.")  # a judge or a shell, which may be putting something back
# Python has it from 3.12 on, where it goes on after an exception, and the trace function does not.
_monitoring: Any = getattr(sys, "monitoring", None)
_TOOL = 4  # of its numbers one that no usual tool takes
_watched: list[Any] = []
_watch_lines = _watch_lines_by_monitoring if _monitoring else _watch_lines_by_tracing

# Called as a trace function it gets three arguments more, which C leaves alone, and gives None.
_traced = ctypes.pythonapi["PyThreadState_SetAsyncExc"]
_traced.argtypes = [ctypes.c_ulong, *[ctypes.py_object] * 4]
_traced.restype = None


def _raise_soon(error: type[BaseException], thread: int | None = None) -> None:
    """Let a thread, else this one, raise `error` at its next jump back or call.

    In between Python does not look whether there is something to raise.
    """
    ident = ctypes.c_ulong(threading.get_ident() if thread is None else thread)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(error))


class _Nothing(BaseException):
    """Comes in place of what this thread was to raise soon."""


def _raise_no_more() -> None:
    """Take back what this thread was to raise soon.

    It is not enough to have nothing raised in its place: then Python 3.11 looks for it at every
    call from now on, and for ever where a debugger traces the call.
    """
    try:
        _raise_soon(_Nothing)
        while True:
            pass
    except _Nothing:
        pass


def _by_watcher(seconds: float, work: Callable[[], Result]) -> Result:
    worker = threading.get_ident()
    # Bare locks: taking or giving one back is a single call into C, which TimeUp cannot cut in two.
    begun, over = threading.Lock(), threading.Lock()
    begun.acquire()
    over.acquire()

    def watch() -> None:
        begun.acquire()
        waiting = seconds
        while not over.acquire(timeout=waiting):
            _raise_soon(TimeUp, worker)
            waiting = _AGAIN

    watcher = threading.Thread(target=watch, daemon=True)

    def end() -> None:
        while True:
            try:
                if over.locked():
                    over.release()
                watcher.join()
                _raise_no_more()
                return
            except TimeUp:
                continue

    watcher.start()  # which takes long on a busy machine: the time begins below
    try:
        try:
            begun.release()
            return work()
        finally:
            end()
    except TimeUp:  # perhaps on the way to end()
        end()
        raise
