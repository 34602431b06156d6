"""A share of the differential fuzz on every run; tests/engine/fuzz.py runs as much as wanted."""

from __future__ import annotations

import pytest

from tests.engine.fuzz import seeds_that_fail

CASES, AT_ONCE = 1_000, 50  # in pieces, so that pytest's workers share them


@pytest.mark.parametrize("first", range(0, CASES, AT_ONCE))
def test_ours_does_what_torch_does_without_a_defect(first: int) -> None:
    failures = [
        f"{story}\nagain: python tests/engine/fuzz.py --cases 1 --seed {seed}"
        for seed, story in seeds_that_fail(AT_ONCE, seed=first)
    ]
    assert not failures, "\n\n".join(failures)
