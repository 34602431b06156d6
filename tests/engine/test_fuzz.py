"""A share of the differential fuzz on every run; tests/engine/fuzz.py runs as much as wanted."""

from tests.engine.fuzz import seeds_that_fail


def test_ours_does_what_torch_does_without_a_defect():
    failures = [
        f"{story}\nagain: python tests/engine/fuzz.py --cases 1 --seed {seed}"
        for seed, story in seeds_that_fail(1_000, seed=0)
    ]
    assert not failures, "\n\n".join(failures)
