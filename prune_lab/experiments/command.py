"""What `prune-lab run` and `prune-lab report` do."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prune_lab.experiments.records import StudyError, read


def run_file(study: Path, jobs: int, dask: str | None) -> int:
    """Run what is missing of a study, here or on a Dask cluster, and say what was done."""
    from prune_lab.experiments.running import run
    from prune_lab.experiments.study import load

    with _sentences():
        try:
            if dask is None:
                done = run(study, jobs)
            else:
                load(study)  # what is wrong is said before anything is connected
                with _cluster(dask):
                    done = run(study, jobs, backend="dask")
        except StudyError as error:
            print(error)
            return 1
    total = len(done.records)
    print(f"{done.new} run now; {study.with_suffix('.jsonl')} has all {total} trials.")
    return 0


def report_file(records: Path, figure: Path | None) -> int:
    """Print the table of a file of records and draw its figure."""
    from prune_lab.experiments.report import draw, table

    target = figure or records.with_suffix(".png")
    with _sentences():
        try:
            if target.suffix.lower() not in (".png", ".svg"):
                raise StudyError(f"a figure ends in .png or .svg, and not as {target.name}")
            found = read(records)
            print(table(found))
            draw(found).savefig(target)
        except (StudyError, OSError) as error:
            print(error)
            return 1
    print(target)
    return 0


@contextmanager
def _cluster(address: str) -> Iterator[None]:
    """A connection to a Dask scheduler, which joblib then finds."""
    try:
        from distributed import Client
    except ImportError:
        raise StudyError("Dask is not installed: pip install 'prune-lab[cluster]'") from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise StudyError(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        yield


@contextmanager
def _sentences() -> Iterator[None]:
    """Print a warning as the sentence it is, without the line of code that it comes from."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *rest, **more: print(message)
        yield
