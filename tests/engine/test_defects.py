"""The defect table, both columns: torch fails every row, ours passes every row."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from tests.engine.defects import DEFECTS, Defect

NAMES = [str(defect) for defect in DEFECTS]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("defect", DEFECTS, ids=NAMES)
def test_ours(defect: Defect) -> None:
    defect.check(prune)


def _known_to_fail(defect: Defect) -> object:
    reason = (
        f"torch.nn.utils.prune fails: {defect.title}. If this is reported as XPASS, torch "
        f"{torch.__version__} has mended it: make the row a feature that torch has too "
        "(features.py), and run `python -m docs.tables`"
    )
    # pytest.raises that sees no exception raises pytest's own Failed.
    how = (defect.on_torch, pytest.fail.Exception)
    return pytest.param(defect, marks=pytest.mark.xfail(strict=True, raises=how, reason=reason))


@pytest.mark.parametrize(
    "defect", [_known_to_fail(d) for d in DEFECTS], ids=[str(d) for d in DEFECTS]
)
def test_torch(defect: Defect) -> None:
    defect.check(torch_prune)


def test_every_number_of_the_table_has_rows() -> None:
    assert {defect.number for defect in DEFECTS} == set(range(1, 17))
    titles = [defect.title for defect in DEFECTS]
    assert all(titles) and len(set(titles)) == len(titles)
