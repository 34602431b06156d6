"""Records as a table and a figure, with numbers that are worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from matplotlib.colors import to_hex

from prune_lab.experiments.records import Record, StudyError, stored
from prune_lab.experiments.report import draw, points, reached, table
from prune_lab.experiments.study import load

STUDIES = Path(__file__).parents[2] / "prune_lab/experiments/studies"


def record(recipe: str, amount: float, seed: int, right: float, **more: object) -> Record:
    settings = {"recipe": recipe, "amount": amount, "epochs": 3}
    return Record("a:b", settings, seed, {"right": right, "name": "x", **more}, 1.0, {})


RECORDS = [
    record("slow", 0.5, 1, 1.0),
    record("slow", 0.5, 0, 0.9),
    record("fast", 0.9, 0, 0.25),
    record("fast", 0.5, 0, 0.5),
    record("slow", 0.9, 0, 0.8),
    record("slow", 0.9, 1, 0.7),
]


def test_points_are_settings_with_their_seeds_together_in_order() -> None:
    along, found = points(RECORDS)
    assert along == "amount"
    assert [(p.line, p.x, p.seeds, p.results["right"]) for p in found] == [
        ("slow", 0.5, [1, 0], [1.0, 0.9]),
        ("slow", 0.9, [0, 1], [0.8, 0.7]),
        ("fast", 0.5, [0], [0.5]),
        ("fast", 0.9, [0], [0.25]),
    ]


def test_along_x_goes_the_number_with_the_most_values_and_other_numbers_say_their_name() -> None:
    records = [
        Record("a:b", {"epochs": epochs, "rate": rate, "flag": rate > 1}, 0, {"y": rate}, 1.0, {})
        for epochs in (1, 2)
        for rate in (1, 2, 3)
    ]
    along, found = points(records)
    assert along == "rate"
    assert {point.line for point in found} == {
        f"epochs {epochs}, flag {flag}" for epochs in (1, 2) for flag in (False, True)
    }


def test_the_table_tells_mean_lowest_and_highest() -> None:
    assert table(RECORDS).splitlines() == [
        "      amount  seeds                right",
        "slow     0.5      2      0.95 (0.9 to 1)",
        "slow     0.9      2    0.75 (0.7 to 0.8)",
        "fast     0.5      1     0.5 (0.5 to 0.5)",
        "fast     0.9      1  0.25 (0.25 to 0.25)",
    ]


def test_the_figure_has_a_line_through_the_means_and_a_dot_for_each_seed() -> None:
    figure = draw(RECORDS)
    assert repr(figure) == "Curves(right by amount: 2 lines)"
    (ax,) = figure.axes
    lines = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert [[pytest.approx(y) for y in line.get_ydata()] for line in lines] == [
        [0.95, 0.75],
        [0.5, 0.25],
    ]
    dots = [line for line in ax.lines if line.get_linestyle() == "None"]
    assert sorted(y for line in dots for y in line.get_ydata()) == [0.25, 0.5, 0.7, 0.8, 0.9, 1.0]
    assert len({to_hex(line.get_color()) for line in lines}) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["slow", "fast"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("amount", "right")


def test_only_the_results_that_are_named() -> None:
    records = [record("slow", amount, 0, 0.5, other=amount) for amount in (0.1, 0.2)]
    assert len(draw(records).axes) == 2
    assert len(draw(records, ["other"]).axes) == 1
    assert "right" not in table(records, ["other"])


def test_how_far_a_line_stays_above_a_level() -> None:
    # slow falls from 0.95 to 0.75 between 0.5 and 0.9: it is at 0.8 after three quarters.
    assert reached(RECORDS, "right", 0.8) == {"slow": pytest.approx(0.8), "fast": None}
    assert reached(RECORDS, "right", 0.2) == {"slow": 0.9, "fast": 0.9}
    assert reached(RECORDS, "right", 0.95)["slow"] == pytest.approx(0.5)


def test_nothing_to_show_is_said() -> None:
    with pytest.raises(StudyError, match="there are no records"):
        table([])
    with pytest.raises(StudyError, match="no number among the results"):
        draw([Record("a:b", {}, 0, {"name": "x", "yes": True}, 1.0, {})])


@pytest.mark.parametrize("toml", sorted(STUDIES.glob("*.toml")), ids=lambda path: path.stem)
def test_stored_records_are_those_of_their_study(toml) -> None:
    """All of the grid with five seeds, by one torch; what the chapter says is made from these."""
    records = stored(toml.stem)
    assert [record.key for record in records] == [trial.key for trial in load(toml).trials]
    assert len({str(record.versions) for record in records}) == 1
    assert all(sorted(point.seeds) == [0, 1, 2, 3, 4] for point in points(records)[1])
    assert all(
        record.result["kept"] == 61_470 - round(record.settings["sparsity"] * 61_470)
        and record.result["right"] == round(360 * record.result["test"])
        for record in records
        if "sparsity" in record.settings
    )


def test_records_that_are_not_stored_are_named() -> None:
    with pytest.raises(ValueError, match=r"no records of 'none'; there are those of dense, .*long"):
        stored("none")
