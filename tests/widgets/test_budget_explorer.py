"""BudgetExplorer from Python's side: what it takes, what it refuses, how it shows itself."""

from __future__ import annotations

import math

import pytest
import traitlets

from prune_lab.device.candidates import Candidate, recorded
from prune_lab.widgets import BudgetExplorer
from tests.widgets.browser_side import asked, shown

DENSE = Candidate("dense", "a", 9000, milliseconds=0.4, validation=0.99, test=0.98)
CUT = Candidate("cut", "b", 2000, milliseconds=0.1, validation=0.97, test=0.99)
CODED = Candidate("$coded", "c", 1000, milliseconds=0.4, validation=0.97, test=0.96)
BETTER = Candidate("better", "b", 8000, milliseconds=0.3, validation=0.995, test=0.97)


@pytest.fixture
def explorer():
    made = BudgetExplorer([DENSE, CUT, CODED])
    yield made
    made.close()


def test_without_limits_every_candidate_meets_the_budget(explorer) -> None:
    assert (explorer.most_bytes, explorer.most_milliseconds) == (9000, 0.4)
    assert explorer.most_points == pytest.approx(2)
    assert explorer.best == DENSE


@pytest.mark.parametrize(
    ("limits", "taken"),
    [
        ({"most_bytes": 8999}, CODED),  # as accurate as the other, and smaller
        ({"most_bytes": 8999, "most_milliseconds": 0.39}, CUT),
        ({"most_bytes": 999}, None),
        ({"most_bytes": 8999, "most_points": 1.99}, None),
        ({"most_points": 0}, DENSE),
        ({"most_milliseconds": 0.1}, CUT),
    ],
)
def test_the_most_accurate_of_those_that_meet_the_budget_is_taken(explorer, limits, taken) -> None:
    for name, limit in limits.items():
        setattr(explorer, name, limit)
    assert explorer.best == taken


def test_it_is_chosen_on_validation_digits_and_one_that_reads_more_has_lost_nothing() -> None:
    explorer = BudgetExplorer([DENSE, BETTER], most_points=0)
    assert explorer.best == BETTER  # whose test digits would speak against it
    assert [one["lost"] for one in explorer.candidates] == [0, 0]
    explorer.close()


def test_the_hand_moves_the_limits_and_bad_ones_are_refused(explorer) -> None:
    shown(explorer)
    asked(explorer, {"most_bytes": 1500.0, "most_milliseconds": 0.4})
    assert explorer.best == CODED
    asked(explorer, {"most_bytes": 5000.0, "most_points": -1.0})
    assert explorer.most_bytes == 1500  # all of a question's choices, or none
    assert explorer.failed and "most_points=-1 should be above 0" in explorer.message
    for name, value in (("most_bytes", 0), ("most_milliseconds", -1), ("most_points", math.nan)):
        with pytest.raises(traitlets.TraitError, match=f"{name}=.* should be above 0"):
            setattr(explorer, name, value)
    assert explorer.best == CODED


def test_what_are_no_candidates_is_refused() -> None:
    with pytest.raises(ValueError, match="two or more to choose from, not 1"):
        BudgetExplorer([DENSE])
    for wrong in ({"bytes": 0}, {"milliseconds": math.inf}):
        with pytest.raises(ValueError, match="cut: bytes and milliseconds should be numbers"):
            BudgetExplorer([DENSE, Candidate(**{**vars(CUT), **wrong})])
    with pytest.raises(ValueError, match="accuracies should be from 0 to 1"):
        BudgetExplorer([DENSE, Candidate(**{**vars(CUT), "test": 98.0})])


def test_it_says_in_words_and_in_a_picture_what_is_taken(explorer) -> None:
    explorer.most_bytes = 1000
    assert repr(explorer) == (
        "BudgetExplorer(most_bytes=1000, most_milliseconds=0.4, most_points=2, best='$coded')"
    )
    explorer.most_points = 1
    assert repr(explorer).endswith("best=None)")
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")
    explorer.most_points = 2
    ring = explorer._figure().axes[0].collections[-1]
    assert ring.get_offsets().tolist() == [[1000, pytest.approx(2)]]


def test_the_record_is_what_it_shows_if_nothing_is_given() -> None:
    explorer = BudgetExplorer()
    assert [one["name"] for one in explorer.candidates] == [one.name for one in recorded()]
    assert len({one.name for one in recorded()}) == len(recorded()) > 5
    explorer.close()
