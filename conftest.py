"""nbval's kernels run as the builder's did; all other tests run as the user's Python does."""

import os

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Give the kernels the environment of the stored outputs."""
    if config.getoption("nbval"):
        from tutorial.build import STEADY

        os.environ.update(STEADY)
