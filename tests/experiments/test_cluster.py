"""A study on a Dask cluster: real worker processes over TCP, one of which is killed at work."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from prune_lab.cli import main
from prune_lab.experiments.records import read
from prune_lab.experiments.running import run

distributed = pytest.importorskip("distributed")

STUDY = 'trial = "MODULE:power"\nseeds = [0, 1, 2]\n[grid]\nbase = [2, 3]\n'


@pytest.fixture
def cluster(folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.getcwd(), str(folder)]))
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        worker_dashboard_address=None,
    ) as cluster:
        yield cluster


def test_a_worker_that_is_killed_costs_its_trial_alone(cluster, write, folder, calls) -> None:
    path, hold = write(STUDY), folder / "hold-1-2"
    hold.touch()

    def kill_the_one_that_is_held() -> None:
        while not (held := [call.process for call in calls() if call[:2] == (1, 2)]):
            time.sleep(0.02)
        os.kill(held[0], signal.SIGKILL)
        hold.unlink()

    killer = threading.Thread(target=kill_the_one_that_is_held, daemon=True)
    killer.start()
    with distributed.Client(cluster):
        done = run(path, backend="dask")
    killer.join()
    assert [call[:2] for call in calls()].count((1, 2)) >= 2
    assert os.getpid() not in {call.process for call in calls()}
    # Not Python's own lots: the worker's other thread draws, too, when it loses a connection.
    alone = [(r.settings, r.seed, r.result["power"], r.result["lot"]) for r in done.records]
    (folder / "study.jsonl").unlink()
    again = [(r.settings, r.seed, r.result["power"], r.result["lot"]) for r in run(path, 1).records]
    assert done.new == 6 and alone == again


def test_the_command_finds_a_cluster(cluster, write, folder, capsys) -> None:
    path = write(STUDY)
    assert main(["run", str(path), "--dask", cluster.scheduler_address]) == 0
    assert f"6 run now; {path.with_suffix('.jsonl')} has all 6 trials." in capsys.readouterr().out
    assert os.getpid() not in {record.result["pid"] for record in read(folder / "study.jsonl")}


def test_a_scheduler_that_is_not_there(write, folder, capsys) -> None:
    assert main(["run", str(write(STUDY)), "--dask", "tcp://127.0.0.1:9"]) == 1
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().out
    assert not (folder / "study.jsonl").exists()
