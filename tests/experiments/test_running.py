"""A study is run once, whatever happens in between: killed, failed, repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prune_lab.experiments.records import StudyError, read
from prune_lab.experiments.running import run

ROOT = Path(__file__).parents[2]
STUDY = 'trial = "MODULE:power"\nseeds = [0, 1, 2]\n[grid]\nbase = [2, 3]\n'


def results(records) -> list[tuple]:
    return [(r.settings["base"], r.seed, r.result["power"], r.result["draw"]) for r in records]


def test_a_study_is_run_and_run_again_does_nothing(write, folder, calls) -> None:
    path = write(STUDY)
    done = run(path, jobs=1)
    assert done.new == 6 and len(calls()) == 6
    assert [(r.settings["base"], r.seed, r.result["power"]) for r in done.records] == [
        (base, seed, base**2 + seed) for base in (2, 3) for seed in (0, 1, 2)
    ]
    record = done.records[0]
    assert record.settings == {"base": 2, "exponent": 2, "name": "plain", "flag": False}
    assert set(record.versions) == {"python", "torch", "numpy", "prune_lab"}
    before = (folder / "study.jsonl").read_bytes()
    again = run(path, jobs=1)
    assert again == (done.records, 0) and len(calls()) == 6
    assert (folder / "study.jsonl").read_bytes() == before


def test_a_larger_grid_runs_what_is_new(write, folder) -> None:
    run(write(STUDY), jobs=1)
    done = run(write(STUDY.replace("[2, 3]", "[3, 4]")), jobs=1)
    assert done.new == 3 and len(done.records) == 6
    assert {r.settings["base"] for r in done.records} == {3, 4}
    assert len(read(folder / "study.jsonl")) == 9


def test_a_trials_random_numbers_are_its_seeds_and_the_callers_go_on(write) -> None:
    import random

    path = write(STUDY)
    random.seed(5)
    wanted = [random.random() for _ in range(2)]
    random.seed(5)
    first = random.random()
    done = run(path, jobs=1)
    assert [first, random.random()] == wanted
    draws = {r.seed: r.result["draw"] for r in done.records}
    assert draws == {seed: random.Random(seed).random() for seed in range(3)}


def test_workers_give_what_one_process_gives(write, folder) -> None:
    (folder / "other").mkdir()
    alone = run(write(STUDY), jobs=1)
    (folder / "study.jsonl").unlink()
    many = run(write(STUDY), jobs=2)
    assert results(many.records) == results(alone.records)
    assert os.getpid() not in {record.result["pid"] for record in many.records}


def test_a_trial_that_fails_is_told_and_the_others_are_recorded(write, folder) -> None:
    text = 'trial = "MODULE:power"\nseeds = [0, 1]\n[grid]\nname = ["fails", "well"]\n'
    path = write(text + "[settings]\nbase = 2\n")
    with pytest.raises(StudyError) as raised:
        run(path, jobs=1)
    says = str(raised.value)
    assert says.startswith("2 of 4 trials failed, the others are recorded; the first, with seed 0")
    assert "RuntimeError: no luck" in says and "'name': 'fails'" in says
    assert [r.settings["name"] for r in read(folder / "study.jsonl")] == ["well", "well"]


def test_a_result_that_is_no_json_is_a_failure(write) -> None:
    with pytest.raises(StudyError, match="set is not JSON serializable"):
        run(write('trial = "MODULE:of_a_set"\nseeds = [0]'), jobs=1)


def test_a_wrong_study_starts_nothing(write, folder, calls) -> None:
    with pytest.raises(StudyError, match=r"line 4, grid\.base: base must be 0 or more"):
        run(write(STUDY.replace("[2, 3]", "[2, -3]")), jobs=1)
    for jobs in (0, -2):
        with pytest.raises(StudyError, match="jobs must be 1 or more"):
            run(write(STUDY), jobs=jobs)
    with pytest.raises(StudyError, match="joblib has no back end 'nonsense' here"):
        run(write(STUDY), backend="nonsense")
    with pytest.raises(StudyError, match="'multiprocessing' gives its results at the end alone"):
        run(write(STUDY), jobs=2, backend="multiprocessing")
    assert not calls() and not (folder / "study.jsonl").exists()


def test_a_worker_that_dies_is_told(write) -> None:
    with pytest.raises(StudyError, match="a worker process was killed"):
        run(write('trial = "MODULE:dies"\nseeds = [0, 1, 2]'), jobs=2)


@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_while_it_runs_it_is_taken_up_and_ends_as_if_it_had_not_been(
    write, folder, calls, jobs
) -> None:
    path, records, hold = write(STUDY), folder / "study.jsonl", folder / "hold-0-3"
    hold.touch()
    code = f"from prune_lab.experiments.running import run; run({str(path)!r}, {jobs})"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        # Held up in (3, seed 0), when the three of base 2 are recorded; a second worker goes on.
        wanted = 3 if jobs == 1 else 5
        while (0, 3) not in [call[:2] for call in calls()] or len(read(records)) < wanted:
            assert process.poll() is None
            time.sleep(0.02)
        with pytest.raises(StudyError, match="written by another run"):
            run(path, jobs=1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if jobs > 1:
            os.killpg(process.pid, signal.SIGKILL)  # its workers, which end by themselves later
    hold.unlink()

    there = {(record.settings["base"], record.seed) for record in read(records)}
    assert (3, 0) not in there and len(there) == wanted
    before = len(calls())
    done = run(path, jobs=1)
    assert done.new == len(calls()) - before == 6 - wanted
    records.unlink()
    assert results(done.records) == results(run(path, jobs=1).records)
