"""Run what is missing of a study: on all cores, or on a cluster by joblib's own back ends."""

from __future__ import annotations

import json
import os
import platform
import random
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm.auto import tqdm

import prune_lab
from prune_lab.experiments.records import Record, StudyError, appending
from prune_lab.experiments.study import Trial, function_of, load
from prune_lab.training import one_thread


class Finished(NamedTuple):
    """A study that is done: its records, in the order of its trials, and how many are new."""

    records: list[Record]
    new: int


def run(path: Path | str, jobs: int = -1, backend: str = "loky") -> Finished:
    """Run the trials of a study that have no record yet, and return the records of all.

    Each record is on the disk, in ``STUDY.jsonl`` beside ``STUDY.toml``, as soon as its trial is
    done. So a run may be stopped, or killed, at any moment, and the next one does what is missing:
    a trial that was under way is lost, and no other. Each trial has one thread, so that `jobs` of
    them keep as many cores busy.

    Args:
        path: the study, see `prune_lab.experiments.study`.
        jobs: how many trials at a time; -1 is one for each core. A cluster has its own number.
        backend: one of joblib's that gives each result as soon as it is there. For ``"dask"`` make
            a ``distributed.Client`` first; the study's module must be importable by the workers.

    Raises StudyError for a study that is wrong, before anything starts; while another run writes
    the same records; and at the end when a trial failed: those that did not are recorded.
    """
    if jobs == 0 or jobs < -1:
        raise StudyError(f"jobs must be 1 or more, or -1 for all cores, but got {jobs}")
    study = load(path)
    folder = study.path.resolve().parent
    with _workers(jobs, backend) as workers, appending(study.records) as (known, add):
        found = {record.key: record for record in known}
        missing = [trial for trial in study.trials if trial.key not in found]
        failures = []
        for outcome in _outcomes(missing, folder, workers):
            if isinstance(outcome, Record):
                add(outcome)
                found[outcome.key] = outcome
            else:
                failures.append(outcome)
    if failures:
        raise StudyError(_what_failed(failures, len(missing)))
    return Finished([found[trial.key] for trial in study.trials], len(missing))


class _Failure(NamedTuple):
    trial: Trial
    sentence: str
    traceback: str


@contextmanager
def _workers(jobs: int, backend: str) -> Iterator[joblib.Parallel]:
    # Loky alone can tell its workers, before they load torch, to keep to one thread.
    options = {"inner_max_num_threads": 1} if backend == "loky" else {}
    try:
        config = joblib.parallel_config(backend, n_jobs=jobs, **options)
    except ValueError as error:
        raise StudyError(f"joblib has no back end {backend!r} here: {error}") from None
    with config:
        try:
            # One trial at a time: several in a batch would be lost together.
            workers = joblib.Parallel(return_as="generator_unordered", batch_size=1)
        except ValueError:
            raise StudyError(
                f"joblib's back end {backend!r} gives its results at the end alone, "
                "where a record must be written as soon as its trial is done"
            ) from None
        yield workers


def _outcomes(
    trials: list[Trial], folder: Path, workers: joblib.Parallel
) -> Iterator[Record | _Failure]:
    """Run trials and give what comes of each as soon as it is there, in any order."""
    if not trials:
        return
    results = workers(joblib.delayed(attempt)(trial, folder) for trial in trials)
    try:
        # leave=False: a finished bar holds a time, which no two runs share.
        yield from tqdm(results, total=len(trials), unit="trial", leave=False)
    except TerminatedWorkerError:
        raise StudyError(
            "a worker process was killed, perhaps because memory ran out; "
            "what was done is recorded: run it again, perhaps with fewer jobs"
        ) from None


def attempt(trial: Trial, folder: Path) -> Record | _Failure:
    """Run one trial, here, on one thread, its random numbers begun anew by its seed."""
    try:
        function = function_of(trial.name, folder)
        with one_thread(), _seeded(trial.seed), _without_bars():
            began = time.perf_counter()
            result = function(seed=trial.seed, **trial.settings)
            seconds = time.perf_counter() - began
        if not isinstance(result, dict):
            raise TypeError(
                f"a trial returns JSON values by name, and not a {type(result).__name__}"
            )
        result = json.loads(json.dumps(result, allow_nan=False))
    except Exception as error:  # a trial may raise anything; the others go on
        return _Failure(trial, f"{type(error).__name__}: {error}", traceback.format_exc())
    return Record(trial.name, trial.settings, trial.seed, result, round(seconds, 3), versions())


def versions() -> dict[str, str]:
    """Return the versions that a record holds.

    >>> sorted(versions())
    ['numpy', 'prune_lab', 'python', 'torch']
    """
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "prune_lab": prune_lab.__version__,
    }


def _what_failed(failures: list[_Failure], tried: int) -> str:
    first = failures[0]
    return (
        f"{len(failures)} of {tried} trials failed, the others are recorded; the first, with "
        f"seed {first.trial.seed} and {first.trial.settings}: {first.sentence}\n{first.traceback}"
    ).rstrip()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Begin all random numbers anew, and give them back as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def _without_bars() -> Iterator[None]:
    """No progress bar of a trial's own: several would write over one another."""
    before: Any = os.environ.get("TQDM_DISABLE")
    os.environ["TQDM_DISABLE"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["TQDM_DISABLE"]
        else:
            os.environ["TQDM_DISABLE"] = before
