"""The table of real use, both columns: ours passes every row, torch those that say so."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from tests.engine.faults import FAULTS, Fault


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_ours(fault: Fault) -> None:
    fault.check(prune)


def _marked(fault: Fault) -> object:
    if fault.on_torch is None:
        return fault
    how = (fault.on_torch, pytest.fail.Exception)
    return pytest.param(fault, marks=pytest.mark.xfail(strict=True, raises=how))


@pytest.mark.parametrize("fault", [_marked(f) for f in FAULTS], ids=[str(f) for f in FAULTS])
@pytest.mark.filterwarnings("ignore")
def test_torch(fault: Fault) -> None:
    fault.check(torch_prune)
