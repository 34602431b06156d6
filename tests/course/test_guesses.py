"""Guesses: kept whatever happens, and what is said of a guess and the truth is so."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from prune_lab.course.guesses import GuessError, Guesses, keeping
from prune_lab.course.guesses.panels import GuessPanel
from prune_lab.course.guesses.questions import COLUMNS, Axis, Curve, Number
from prune_lab.widgets import lifetime
from tests.widgets.browser_side import asked, shown
from tutorial import build

LAYERS = ["conv1", "conv2", "fc1"]
X, Y = ("fraction pruned", 0, 1), ("accuracy in %", 0, 100)
FALLING = [float(100 - 2 * column) for column in range(COLUMNS)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's folder to work in; the folder in it where guesses are kept."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PRUNE_LAB_GUESSES", raising=False)
    return tmp_path / "guesses"


def ask_all(guesses: Guesses) -> list[GuessPanel]:
    return [
        guesses.number("twice", "How many of 150?", low=0, high=150, unit="weights"),
        guesses.choice("layer", "Which layer?", options=LAYERS),
        guesses.curve("accuracy", "How does it fall?", x=X, y=Y),
    ]


def reveal_all(guesses: Guesses) -> list[GuessPanel]:
    return [
        guesses.reveal("twice", 112),
        guesses.reveal("layer", "fc1"),
        guesses.reveal("accuracy", ([0.0, 0.5, 1.0], [98.0, 90.0, 10.0])),
    ]


def guess_all(panels: list[GuessPanel]) -> None:
    for panel, guess in zip(panels, (75, "conv1", FALLING), strict=True):
        asked(panel, {"guess": guess})


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


# Asking and revealing


def test_without_a_guess_the_truth_is_shown_and_nothing_is_written(folder: Path) -> None:
    guesses = Guesses("05")
    states = [repr(panel) for panel in ask_all(guesses)]
    assert states == [
        "GuessNumber('twice', guess=None)",
        "GuessChoice('layer', guess=None)",
        "GuessCurve('accuracy', guess=None)",
    ]
    revealed = reveal_all(guesses)
    assert [repr(panel) for panel in revealed] == [
        "GuessNumber('twice', guess=None, truth=112)",
        "GuessChoice('layer', guess=None, truth='fc1')",
        "GuessCurve('accuracy', guess=None, truth=3 points)",
    ]
    assert all(panel.sentence.startswith("You made no guess.") for panel in revealed)
    assert not folder.exists()


def test_what_the_learner_did_is_laid_beside_the_truth() -> None:
    guesses = Guesses("05")
    guess_all(ask_all(guesses))
    assert [panel.sentence for panel in reveal_all(guesses)] == [
        "You guessed 75 weights, and it is 112: 37 more.",
        "You chose conv1, and it is fc1.",
        "They part most at fraction pruned 0.5: accuracy in % is 30 higher than you drew.",
    ]
    # 98 against 100, 90 against 60, 10 against 20
    assert guesses.reveal("accuracy", ([0, 0.5, 1], [98, 60, 10])).gap == (1, 10, 20)


def test_a_right_guess_is_said_to_be_right() -> None:
    guesses = Guesses("05")
    guess_all(ask_all(guesses))
    said = [
        guesses.reveal("twice", 75).sentence,
        guesses.reveal("layer", "conv1").sentence,
        guesses.reveal("accuracy", ([0, 0.5, 1], [100, 61, 20])).sentence,
    ]
    assert said[0] == "You guessed 75 weights, and so it is."
    assert said[1] == "You chose conv1, and so it is."
    assert said[2] == "Your curve and the truth part nowhere by more than 1."


def test_a_panel_that_asks_again_shows_the_guess_and_never_the_truth() -> None:
    guesses = Guesses("05")
    guess_all(ask_all(guesses))
    reveal_all(guesses)
    again = ask_all(guesses)
    assert [panel.truth for panel in again] == [None] * 3
    assert [panel.guess for panel in again] == [75, "conv1", FALLING]


def test_a_guess_that_comes_while_the_next_cell_runs_reaches_the_panel_that_reveals() -> None:
    guesses = Guesses("05")
    asking = ask_all(guesses)[0]
    revealed = guesses.reveal("twice", 112)
    arrives = threading.Thread(target=asked, args=(asking, {"guess": 100}))
    arrives.start()
    arrives.join()
    assert revealed.guess == 100 and revealed.sentence.endswith("it is 112: 12 more.")
    assert "100 weights · the truth: 112 weights" in repr(guesses)


def test_a_guess_that_comes_beside_the_end_of_a_cell_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    panel = shown(ask_all(Guesses("05"))[0])
    asked(panel, {"guess": 75})
    cell_ends = threading.Thread(target=lifetime.after_cell)
    read_guess = Number.read_guess

    def read(question: Number, guess: object) -> object:
        if not cell_ends.ident:
            cell_ends.start()
            cell_ends.join(0.5)  # where nothing holds it back, it is over soon
        return read_guess(question, guess)

    monkeypatch.setattr(Number, "read_guess", read)
    asked(panel, {"guess": 100})
    cell_ends.join()
    assert panel.guess == 100 and panel._asked.guess == 100


def test_a_guess_can_be_taken_back(folder: Path) -> None:
    guesses = Guesses("05")
    panel = ask_all(guesses)[0]
    asked(panel, {"guess": 100})
    assert len(files(folder)) == 1
    asked(panel, {"guess": None})
    assert panel.guess is None and files(folder) == []


@pytest.mark.parametrize(
    "guess", [151, -1, "75", True, [1], math.nan, math.inf, pytest.param(10**400, id="huge")]
)
def test_what_is_no_guess_is_refused_in_the_panel(guess: object) -> None:
    panel = ask_all(Guesses("05"))[0]
    asked(panel, {"guess": 75})
    asked(panel, {"guess": guess})
    assert panel.failed and panel.message.startswith("the guess")
    assert panel.guess == 75
    assert ask_all(Guesses("05"))[0].guess == 75


@pytest.mark.parametrize(
    "guess", [[0.0] * (COLUMNS - 1), [101.0] * COLUMNS, {"0": 1}, ["1"] * COLUMNS, 5]
)
def test_what_is_no_curve_is_refused_in_the_panel(guess: object) -> None:
    panel = ask_all(Guesses("05"))[2]
    asked(panel, {"guess": guess})
    assert panel.failed and panel.guess is None


@pytest.mark.parametrize(
    ("name", "truth", "says"),
    [
        ("once", 3, "'once' has not been asked; run the cell that asks it (asked so far: twice, "),
        ("twice", 170, "the truth, 170, lies outside the question's range, 0 to 150"),
        ("twice", math.nan, "the truth is no number on the question's scale"),
        ("twice", "112", "the truth should be a number, not str"),
        ("twice", None, "the truth should be a number, not NoneType"),
        ("twice", torch.ones(2), "the truth should be a number, not Tensor"),
        ("layer", "fc9", "the truth, 'fc9', is none of conv1, conv2, fc1"),
        ("layer", ["fc1"], "the truth, ['fc1'], is none of"),
        ("accuracy", 5, "the truth of a curve is a pair"),
        ("accuracy", ([0, 1], [1, 2, 3]), "the truth has 2 x and 3 y; each x needs its y"),
        ("accuracy", ([0, 2], [1, 2]), "an x of the truth, 2, lies outside"),
        ("accuracy", ([0, 1], [1, 200]), "a y of the truth, 200, lies outside"),
        ("accuracy", ([0, 0], [1, 2]), "the truth has an x twice"),
        ("accuracy", ([0], [1]), "the truth of a curve has at least two points"),
        ("accuracy", (1, [1]), "the x of the truth should be a sequence of numbers"),
        ("accuracy", ("01", [1, 2]), "the x of the truth should be a sequence of numbers"),
        ("accuracy", ([[0], [1]], [1, 2]), "an x of the truth should be a number, not list"),
    ],
)
def test_a_truth_that_does_not_fit_is_one_sentence_and_nothing_is_lost(
    name: str, truth: object, says: str
) -> None:
    guesses = Guesses("05")
    guess_all(ask_all(guesses))
    with pytest.raises(GuessError) as raised:
        guesses.reveal(name, truth)
    assert str(raised.value).startswith(says)
    [shown] = raised.value._render_traceback_()
    assert shown.startswith("GuessError: ") and "\n" not in shown
    assert [panel.guess for panel in ask_all(guesses)] == [75, "conv1", FALLING]
    assert "not revealed yet" in repr(guesses)


def test_a_name_stands_for_one_question(folder: Path) -> None:
    guesses = Guesses("05")
    guess_all(ask_all(guesses))
    with pytest.raises(GuessError, match="'twice' stands for another question already"):
        guesses.number("twice", "How many of 150?", low=0, high=151, unit="weights")
    with pytest.raises(GuessError, match=r"already \('Which layer\?'\); give this one another"):
        guesses.choice("layer", "Which layer?", options=[*LAYERS, "fc2"])
    assert [panel.guess for panel in ask_all(guesses)] == [75, "conv1", FALLING]
    # Later the question may have been written anew: it has no guess, and the old one stays.
    later = Guesses("05")
    assert later.number("twice", "How many?", low=0, high=150).guess is None
    asked(later.number("twice", "How many?", low=0, high=150), {"guess": 3})
    assert ask_all(Guesses("05"))[0].guess == 75
    assert len(files(folder)) == 4


@pytest.mark.parametrize(
    "ask",
    [
        lambda g: g.number("a", "?", low=1, high=1),
        lambda g: g.number("a", "?", low=2, high=1),
        lambda g: g.number("a", "?", low=0, high=math.inf),
        lambda g: g.number("a", " ", low=0, high=1),
        lambda g: g.number("../a", "?", low=0, high=1),
        lambda g: g.number("", "?", low=0, high=1),
        lambda g: g.number(3, "?", low=0, high=1),
        lambda g: g.choice("a", "?", options=["one"]),
        lambda g: g.choice("a", "?", options=["one", "one"]),
        lambda g: g.choice("a", "?", options=["one", 2]),
        lambda g: g.choice("a", "?", options="one"),
        lambda g: g.choice("a", "?", options=2),
        lambda g: g.curve("a", "?", x=("x", 0), y=Y),
        lambda g: g.curve("a", "?", x=("x", 0, 0), y=Y),
        lambda g: g.curve("a", "?", x=X, y=(1, 0, 1)),
        lambda g: Guesses("../05"),
        lambda g: Guesses(5),
    ],
)
def test_a_question_that_is_none_is_refused(ask: Any) -> None:
    guesses = Guesses("05")
    with pytest.raises(GuessError):
        ask(guesses)
    assert repr(guesses) == "Guesses of chapter 05: nothing has been asked yet"


# What is said


ranges = st.tuples(st.integers(-(10**6), 10**6), st.integers(1, 10**6)).map(
    lambda pair: (pair[0], pair[0] + pair[1])
)
inside = st.floats(0, 1)


def read(said: str) -> float:
    return float(said.replace(",", "").replace("−", "-"))


@given(ranges, inside, inside)
def test_a_number_is_said_to_be_more_or_less_by_the_gap(
    ends: tuple[int, int], a: float, b: float
) -> None:
    low, high = ends
    question = Number("?", low, high, "bytes")
    guess = question.read_guess(low + a * (high - low))
    truth = question.read_truth(low + b * (high - low))
    assert isinstance(guess, int) and low <= guess <= high
    said = question.find(guess, truth).sentence
    exact = (high - low) / 1000  # numbers are said to a thousandth of the range
    found = re.fullmatch(r"You guessed (\S+) bytes, and it is (\S+): (\S+) (more|less)\.", said)
    if found is None:
        assert said.endswith(", and so it is.") and abs(truth - guess) <= exact
        return
    assert read(found[1]) == pytest.approx(guess, abs=exact)
    assert read(found[2]) == pytest.approx(truth, abs=exact)
    assert read(found[3]) == pytest.approx(abs(truth - guess), abs=exact)
    assert found[4] == ("more" if truth > guess else "less")


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), inside)
def test_numbers_are_said_exactly_enough_and_without_a_tail(
    low: float, span: float, share: float
) -> None:
    assume(low + span > low)
    axis = Axis("", low, low + span)
    number = low + share * axis.span
    said = axis.said(number)
    assert read(said) == pytest.approx(number, abs=axis.span / 1000, rel=1e-9)
    assert not re.search(r"\.\d*0$|\.$|^-", said) and said != "−0"


heights = st.floats(0, 100)


@given(
    st.lists(st.none() | heights, min_size=COLUMNS, max_size=COLUMNS),
    st.dictionaries(inside, heights, min_size=2, max_size=12),
)
def test_curves_part_where_their_gap_is_largest(
    drawn: list[float | None], truth: dict[float, float]
) -> None:
    question = Curve("?", Axis(*X), Axis(*Y))
    guess = question.read_guess(drawn)
    points = question.read_truth((list(truth), list(truth.values())))
    assert points == sorted([x, y] for x, y in truth.items())
    if guess is None:
        assert set(drawn) == {None}
        return
    # numpy's interpolation: NaN wherever an end of the piece is not drawn
    columns = np.linspace(0, 1, COLUMNS)
    known = np.array([np.nan if at is None else at for at in guess])
    xs, ys = np.array(points).T
    near = np.abs(xs[:, None] - columns).min(1) < 1e-7  # on a column the neighbours do not count
    assume(not (near & ~np.isin(xs, columns)).any())
    at = np.where(
        np.isin(xs, columns),
        known[np.abs(xs[:, None] - columns).argmin(1)],
        np.interp(xs, columns, known),
    )
    gaps = np.abs(ys - at)
    found = question.find(guess, points)
    if np.isnan(gaps).all():
        assert (
            found.sentence == "Nothing was measured where you drew, so the two cannot be compared."
        )
        return
    largest = float(np.nanmax(gaps))
    if found.gap is None:
        assert largest <= 2 + 1e-6 and f"by more than {question.y.said(largest)}" in found.sentence
        return
    x, y, yours = found.gap
    assert truth[x] == y and abs(y - yours) == pytest.approx(largest, abs=1e-5)
    assert f"part most at fraction pruned {question.x.said(x)}:" in found.sentence
    way = "higher" if y > yours else "lower"
    assert found.sentence.endswith(f" is {question.y.said(abs(y - yours))} {way} than you drew.")


@pytest.mark.parametrize("kind", [list, tuple, np.array, torch.tensor])
def test_a_truth_may_be_of_any_kind_of_sequence(kind: Any) -> None:
    question = Curve("?", Axis(*X), Axis(*Y))
    assert question.read_truth((kind([0.0, 1.0, 0.5]), kind([9, 7, 8]))) == [
        [0.0, 9],
        [0.5, 8],
        [1.0, 7],
    ]


@pytest.mark.parametrize("truth", [112, 112.0, np.int64(112), torch.tensor(112), np.array([112.0])])
def test_a_true_number_may_be_of_any_kind_of_number(truth: object) -> None:
    read = Number("?", 0, 150).read_truth(truth)
    assert read == 112 and type(read) in (int, float)


def test_a_rounding_error_is_inside_the_range() -> None:
    assert Axis("", 0, 1).read(sum([0.1] * 10), "it") == pytest.approx(1)
    assert Axis("", 0, 100).read(100 + 1e-12, "it") == 100


# The table


def test_the_table_tells_guess_truth_and_gap_in_the_order_asked() -> None:
    guesses = Guesses("05")
    guess_all(ask_all(guesses))
    guesses.reveal("layer", "fc1")
    guesses.reveal("twice", 112)
    assert repr(guesses).splitlines() == [
        "Guesses of chapter 05",
        "  twice: How many of 150?",
        "    75 weights · the truth: 112 weights · 37 more",
        "  layer: Which layer?",
        "    conv1 · the truth: fc1 · another one",
        "  accuracy: How does it fall?",
        "    a curve · not revealed yet",
    ]
    cells = Cells(guesses._repr_html_()).text
    assert cells[:4] == ["question", "your guess", "the truth", "they part by"]
    assert cells[4:8] == ["How many of 150?", "75 weights", "112 weights", "37 more"]
    assert cells[12:] == ["How does it fall?", "a curve", "not revealed yet", ""]


class Cells(HTMLParser):
    """The texts of a table's cells, and which tags it is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.text.append("")

    def handle_data(self, data: str) -> None:
        self.text[-1] += data


def test_whatever_is_written_into_a_question_stays_text() -> None:
    hostile = '</td><script>alert("x")</script>&amp;'
    guesses = Guesses("05")
    guesses.number("a", hostile, low=0, high=1, unit=hostile)
    guesses.choice("b", hostile, options=[hostile, "other"])
    guesses.reveal("a", 1)
    asked(guesses.reveal("b", hostile), {"guess": "other"})
    cells = Cells(guesses._repr_html_())
    assert cells.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert cells.text.count(hostile) == 3 and f"1 {hostile}" in cells.text


# The panel without a browser


def test_a_viewer_without_widgets_gets_a_picture_and_words_for_it() -> None:
    guesses = Guesses("05")
    pictures = set()
    for make in (ask_all, reveal_all):
        for panel in make(guesses):
            for guess in (None, {"twice": 75, "layer": "fc1", "accuracy": FALLING}):
                panel.guess = guess and guess[panel._asked.name]
                shown = panel._repr_mimebundle_()
                assert shown is not None
                bundle, metadata = shown
                assert bundle["text/plain"] == repr(panel)
                assert bundle["image/png"].startswith(b"\x89PNG")
                words = metadata["image/png"]["alt"]
                assert words.startswith(panel._question.text) and panel.sentence in words
                pictures.add(bundle["image/png"])
    assert len(pictures) == 12  # each state looks different


# Kept


def test_guesses_outlive_the_kernel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guesses = Guesses("05")
    panels = ask_all(guesses)
    (folder.parent / "elsewhere").mkdir()
    monkeypatch.chdir(folder.parent / "elsewhere")  # as a cell may
    guess_all(panels)
    monkeypatch.chdir(folder.parent)
    assert [panel.guess for panel in ask_all(Guesses("05"))] == [75, "conv1", FALLING]
    assert [panel.guess for panel in ask_all(Guesses("06"))] == [None] * 3
    assert len(files(folder)) == 3
    for file in files(folder):
        assert json.loads(file.read_text())["question"].endswith("?")


def test_where_the_environment_says_so_nothing_is_read_or_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guess_all(ask_all(Guesses("05")))
    before = {file: file.read_text() for file in files(folder)}
    monkeypatch.setenv("PRUNE_LAB_GUESSES", "")
    panels = ask_all(Guesses("05"))
    assert [panel.guess for panel in panels] == [None] * 3
    asked(panels[0], {"guess": 1})
    asked(panels[1], {"guess": None})
    assert panels[0].guess == 1 and not panels[0].failed
    assert {file: file.read_text() for file in files(folder)} == before


HOSTILE = {
    "empty": b"",
    "torn": b'{"question": "How many of 150?", "gu',
    "no object": b"[1, 2]",
    "no guess": b"{}",
    "outside": b'{"guess": 151}',
    "not a number": b'{"guess": NaN}',
    "of another kind": b'{"guess": "fc1"}',
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 90_000,
    "huge number": b'{"guess": 1' + b"0" * 5_000 + b"}",
    "long": b'{"guess": 3, "x": "' + b"x" * 200_000 + b'"}',
    "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x02os.",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_file_that_is_no_guess_is_put_aside_and_said(folder: Path, content: bytes) -> None:
    asked(ask_all(Guesses("05"))[0], {"guess": 75})
    [file] = files(folder)
    for number in (1, 2):
        file.write_bytes(content)
        panel = ask_all(Guesses("05"))[0]
        aside = folder / f"{file.stem}-unreadable-{number}.json"
        assert panel.guess is None and panel.failed
        assert (
            panel.message
            == f"The file of your guess could not be read as one; it is kept as {aside.name}."
        )
        assert aside.read_bytes() == content and not file.exists()
        asked(panel, {"guess": 80})  # and the course goes on
        assert not panel.failed and ask_all(Guesses("05"))[0].guess == 80


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.symlink_to("gone")])
def test_what_is_not_a_file_is_put_aside_too(folder: Path, make: Any) -> None:
    asked(ask_all(Guesses("05"))[0], {"guess": 75})
    [file] = files(folder)
    file.unlink()
    make(file)
    panel = ask_all(Guesses("05"))[0]
    assert "it is kept as" in panel.message
    asked(panel, {"guess": 80})
    assert ask_all(Guesses("05"))[0].guess == 80 and len(files(folder)) == 2


def test_where_nothing_can_be_stored_the_guess_holds_and_the_panel_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_text("my own file")
    guesses = Guesses("05")
    panel = ask_all(guesses)[0]
    asked(panel, {"guess": 75})
    assert panel.failed and "cannot be stored" in panel.message and "\n" not in panel.message
    shown(panel).look_again()  # as after a cell
    assert panel.failed  # it is still so
    assert guesses.reveal("twice", 112).guess == 75
    assert folder.read_text() == "my own file"

    folder.unlink()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(keeping.os, "fsync", full)
        asked(panel, {"guess": 76})
    assert "No space left on device" in panel.message and files(folder) == []
    asked(panel, {"guess": 77})
    assert not panel.failed and ask_all(Guesses("05"))[0].guess == 77


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")


def in_another_process(work: Any) -> int:
    """Fork, do the work there, and end that process whatever happens; its id."""
    if (child := os.fork()) == 0:
        try:
            work()
        finally:
            os._exit(0)
    return child


@forks
@pytest.mark.parametrize("moment", ["half written", "before it is moved"])
def test_a_kernel_killed_while_it_writes_leaves_the_guess_of_before(
    folder: Path, moment: str
) -> None:
    asked(ask_all(Guesses("05"))[2], {"guess": FALLING})

    def killed() -> None:
        def die(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        def half(thing: object, file: Any) -> None:
            file.write(json.dumps(thing)[:40])
            file.flush()
            die()

        if moment == "half written":
            keeping.json.dump = half
        else:
            keeping.os.fsync = die
        asked(ask_all(Guesses("05"))[2], {"guess": FALLING[::-1]})

    _, status = os.waitpid(in_another_process(killed), 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    panel = ask_all(Guesses("05"))[2]
    assert panel.guess == FALLING and not panel.failed
    asked(panel, {"guess": FALLING[::-1]})
    assert ask_all(Guesses("05"))[2].guess == FALLING[::-1]


@forks
def test_killed_at_any_moment_the_file_is_whole(folder: Path) -> None:
    curves = [[float(height)] * COLUMNS for height in range(100)]
    asked(ask_all(Guesses("05"))[2], {"guess": curves[0]})
    [file] = files(folder)

    def write_on() -> None:
        panel = ask_all(Guesses("05"))[2]
        while True:
            for curve in curves:
                asked(panel, {"guess": curve})

    for delay in range(12):
        child = in_another_process(write_on)
        seen = file.stat().st_mtime_ns
        while file.stat().st_mtime_ns == seen:  # it is at it
            pass
        threading.Event().wait(delay / 1000)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert json.loads(file.read_text())["guess"] in curves


@forks
def test_two_notebooks_at_once_lose_nothing(folder: Path) -> None:
    names = [[f"{who}{number}" for number in range(25)] for who in "ab"]

    def guess(mine: list[str], value: int) -> None:
        guesses = Guesses("05")
        for name in mine:
            asked(guesses.number(name, "?", low=0, high=9), {"guess": value})
            asked(guesses.number("shared", "?", low=0, high=9), {"guess": value})

    children = [in_another_process(lambda m=m, v=v: guess(m, v)) for v, m in enumerate(names, 1)]
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    later = Guesses("05")
    for value, mine in enumerate(names, 1):
        assert {later.number(name, "?", low=0, high=9).guess for name in mine} == {value}
    assert later.number("shared", "?", low=0, high=9).guess in (1, 2)
    assert not [file for file in files(folder) if file.name.endswith(".part")]


# The course's own notebooks


def test_a_build_sees_no_guess_that_lies_beside_the_notebooks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guess_all(ask_all(Guesses("05")))
    monkeypatch.setattr(build, "NOTEBOOKS", folder.parent)
    code = "\n".join(
        [
            "from prune_lab.course.guesses import Guesses",
            'ask = dict(low=0, high=150, unit="weights")',
            'number = Guesses("05").number("twice", "How many of 150?", **ask)',
            "number.guess, number.set_trait('guess', 5), number.guess",
        ]
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    before = {file: file.read_bytes() for file in files(folder)}
    build.execute(notebook)
    assert notebook.cells[0].outputs[0].data["text/plain"] == "(None, None, 5)"
    assert {file: file.read_bytes() for file in files(folder)} == before


def test_a_learners_copy_and_a_release_leave_guesses_alone(folder: Path) -> None:
    from prune_lab.course.release import release
    from prune_lab.course.start import start

    guess_all(ask_all(Guesses("05")))
    before = {file: file.read_bytes() for file in files(folder)}
    start(folder.parent)
    written = release("plain", folder.parent / "out")
    assert {file: file.read_bytes() for file in files(folder)} == before
    assert all(path.suffix == ".ipynb" for path in written)
    assert not (folder.parent / "out" / "guesses").exists()
