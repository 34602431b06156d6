"""How the tests share a machine: one process per core, and one thread for the sums of each."""

import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def pytest_configure(config: pytest.Config) -> None:
    """Set what torch, BLAS and the kernels read from the environment when they start."""
    if hasattr(config, "workerinput"):  # one of pytest-xdist's workers, which has one core
        os.environ.update(dict.fromkeys(THREADS, "1"))
    if config.getoption("nbval"):  # the kernels run as the builder's did
        from tutorial.build import STEADY

        os.environ.update(STEADY)
        if not hasattr(config, "workerinput"):
            fork_kernels(config)


def fork_kernels(config: pytest.Config) -> None:
    """Have the notebooks' kernels, all of them until the run's end, begin with torch imported."""
    from tests.browser import kernels

    run = ExitStack()
    config.add_cleanup(run.close)
    folder = Path(run.enter_context(TemporaryDirectory()))
    os.environ["JUPYTER_PATH"] = str(folder / "data")
    run.enter_context(kernels.forked(folder / "data", folder / "kernels.socket"))
