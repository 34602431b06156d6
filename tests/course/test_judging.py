"""The frame of the checks: time, output, settings, and the verdict that graders read."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from prune_lab.course import judging, time_limit
from prune_lab.course.judging import Mistake, NotAnswered, Verdict, WrongAnswer, check
from prune_lab.course.time_limit import TimeUp, within


@check
def judged(answer: Callable[[], Any]) -> str:
    """Call the answer."""
    return str(judging.call(answer))


def says(answer: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> str:
    verdict = judged(answer)
    assert capsys.readouterr().out == verdict.line + "\n"
    return verdict.line


def loop() -> None:
    while True:
        pass


def stubborn_loop() -> None:
    while True:
        try:  # noqa: SIM105
            sum(range(1000))
        except BaseException:
            pass


class Stubborn:
    """Loops in each other that swallow every exception, and count how often."""

    def __init__(self) -> None:
        self.swallowed = 0

    def two(self) -> None:
        while True:
            try:
                while True:
                    try:
                        sum(range(1000))
                    except BaseException:
                        self.swallowed += 1
            except BaseException:
                self.swallowed += 1

    def four(self) -> None:
        while True:
            try:  # noqa: SIM105
                self.two_silent()
            except:  # noqa: E722
                pass

    def two_silent(self) -> None:
        while True:
            try:
                while True:
                    try:
                        with contextlib.suppress(BaseException):
                            while True:
                                sum(range(1000))
                        self.swallowed += 1
                    except BaseException:
                        pass
            finally:
                continue  # noqa: B012


def sleep() -> None:
    time.sleep(3600)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "SECONDS", 0.3)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("endless", [loop, stubborn_loop, sleep])
def test_what_never_ends_is_ended(
    endless: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    line = "Not quite: your answer had not come to an end after 0.3 seconds; "
    assert says(endless, capsys) == line + "is there a loop that never ends?"


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("loops", [Stubborn.two, Stubborn.four])
def test_loops_in_loops_that_swallow_everything_are_ended_at_once(
    loops: Callable[[Stubborn], None], capsys: pytest.CaptureFixture[str]
) -> None:
    stubborn, before = Stubborn(), sys.gettrace()
    assert "never ends" in says(lambda: loops(stubborn), capsys)
    assert stubborn.swallowed < 20  # each costs a twentieth of a second at most
    assert sys.gettrace() is before
    sum(range(1000))  # a shot that comes late would hit here
    assert within(60, lambda: "done") == "done"


@pytest.mark.usefixtures("short")
def test_another_thread_ends_loops_as_on_windows() -> None:
    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.append(judged(loop)), daemon=True)
    thread.start()
    thread.join(60)
    assert [v.state for v in verdicts] == ["wrong"] and "never ends" in verdicts[0].line


@pytest.mark.usefixtures("short")
def test_windows_has_no_alarm_and_the_main_thread_is_watched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(signal, "setitimer")
    assert "never ends" in says(loop, capsys)
    assert says(lambda: "done", capsys) == "Right. done."


@pytest.mark.parametrize("limit", [time_limit._by_alarm, time_limit._by_watcher])
def test_work_that_ends_at_the_limit_is_either_done_or_out_of_time(limit: Any) -> None:
    seen = set()
    for step in range(60):
        until = time.perf_counter() + 0.02

        def work(until: float = until) -> str:
            while time.perf_counter() < until:
                pass
            return "done"

        try:
            seen.add(limit(0.019 + step * 4e-5, work))
        except TimeUp:
            seen.add("late")
        sum(range(1000))  # a shot that comes late would hit here
    assert seen <= {"done", "late"}
    time.sleep(3 * time_limit._AGAIN)


# In a process of its own, which can be ended: a call that is traced never came back.
TRACED = """
import runpy, sys
limits = runpy.run_path(sys.argv[1], run_name="prune_lab.course.time_limit")

def stubborn():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

limit = limits[sys.argv[2]]
limit(5, lambda: None)
if sys.argv[2] == "_by_alarm":
    try:
        limit(0.1, stubborn)
    except limits["TimeUp"]:
        pass
sys.settrace(lambda *_: None)
(lambda: print("traced"))()
"""


@pytest.mark.parametrize("limit", ["_by_alarm", "_by_watcher"])
def test_calls_can_be_traced_afterwards(limit: str) -> None:
    """As debuggers do, and whoever counts which lines were run."""
    command = [sys.executable, "-c", TRACED, time_limit.__file__, limit]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "traced\n", done.stderr


def test_the_time_begins_when_the_watcher_runs_and_no_watcher_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine a thread may take longer to start than the work may take."""
    start, before = threading.Thread.start, set(threading.enumerate())

    def slowly(thread: threading.Thread) -> None:
        start(thread)
        for _ in range(150):
            time.sleep(0.01)

    monkeypatch.setattr(threading.Thread, "start", slowly)
    assert time_limit._by_watcher(1, lambda: "done") == "done"
    assert not set(threading.enumerate()) - before


def test_an_alarm_that_was_set_before_still_rings() -> None:
    rang = []
    before = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        assert within(5, lambda: "done") == "done"
        until = time.monotonic() + 60
        while not rang and time.monotonic() < until:
            time.sleep(0.01)
        assert rang
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_limit_within_a_limit() -> None:
    with pytest.raises(TimeUp):
        within(60, lambda: within(0.1, loop))
    assert within(60, lambda: within(30, lambda: 3)) == 3


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def exit_python() -> None:
    sys.exit(1)


def deep() -> None:
    deep()


def fail(error: BaseException) -> Callable[[], None]:
    def answer() -> None:
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (exit_python, "Not quite: your function calls exit, which would end Python itself;"),
        (deep, "Not quite: your function calls itself without end."),
        (fail(Unspeakable()), "Not quite: your function raised Unspeakable."),
        (fail(GeneratorExit()), "Not quite: your answer raised GeneratorExit."),
        (fail(ValueError("two\nlines\x1b[2J?")), "Not quite: your function raised ValueError: two"),
        (fail(NotImplementedError()), "Not answered yet: your function is not written yet."),
        (lambda: "well. ", "Right. well."),
    ],
)
def test_whatever_an_answer_does_one_line_is_said(
    answer: Callable[[], Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = says(answer, capsys)
    assert line.startswith(said) and line.isprintable()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Mistake("is this it?"), "Not quite: is this it?"),
        (Mistake("not so"), "Not quite: not so."),
        (NotAnswered("come on!"), "Not answered yet: come on!"),
        (Mistake("long " * 100), "Not quite: " + "long " * 47 + "lo..."),
    ],
)
def test_a_sentence_has_one_end(
    found: Exception, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    @check
    def finds(answer: object) -> str:
        """Raise."""
        raise found

    assert finds(1).line == said
    assert capsys.readouterr().out == said + "\n"


def test_what_an_answer_prints_is_not_heard(capsys: pytest.CaptureFixture[str]) -> None:
    def noisy() -> str:
        print("Right. I say so.")
        print("and so do I", file=sys.stderr)
        return "truth"

    assert says(noisy, capsys) == "Right. truth."
    assert capsys.readouterr().err == ""


def test_stop_stops(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        judged(fail(KeyboardInterrupt()))


def test_settings_are_as_they_were() -> None:
    def careless() -> str:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.manual_seed(0)
        return "done"

    state = torch.get_rng_state()
    assert judged(careless)
    assert torch.get_default_dtype() is torch.float32 and torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)


def test_the_lowest_of_mixed_numbers_are_never_the_largest_magnitudes() -> None:
    torch.manual_seed(0)
    for _ in range(300):
        drawn = judging.mixed(3, 4).flatten()
        lowest, largest = drawn.argsort(), drawn.abs().argsort(descending=True)
        assert (drawn < 0).any()
        for count in range(1, 12):
            assert set(lowest[:count].tolist()) != set(largest[:count].tolist())


def test_cases_are_drawn_anew_however_the_seed_is_set() -> None:
    drawn = []

    @check
    def draws(answer: object) -> str:
        """Draw."""
        drawn.append((float(torch.rand(())), judging.draw.random()))
        torch.manual_seed(0)
        return "drawn"

    for _ in range(3):
        torch.manual_seed(0)
        draws(1)
    assert len({a for a, _ in drawn}) == len({b for _, b in drawn}) == 3


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """An IPython of this test alone: panels made in one wait until somebody sees them."""
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_a_verdict_as_a_cells_last_value_leaves_no_second_output(shell: InteractiveShell) -> None:
    shell.user_ns["judged"] = judged
    with capture_output() as captured:
        shell.run_cell("judged(lambda: 'so')")
    assert captured.stdout.removesuffix("Out[0]: ") == "Right. so.\n"  # a terminal's prompt
    assert captured.outputs == []


def test_a_grader_hears_of_a_wrong_answer_by_an_exception(
    capsys: pytest.CaptureFixture[str],
) -> None:
    judged(lambda: "so").must_be_right()
    for answer in (fail(ValueError("it is not so")), lambda: None, ...):
        verdict = judged(answer)
        with pytest.raises(WrongAnswer) as caught:
            verdict.must_be_right()
        assert str(caught.value) == verdict.line
        assert caught.value._render_traceback_() == [verdict.line]
