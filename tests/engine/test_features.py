"""The feature table, both columns: ours has every row, torch those that say so."""

from __future__ import annotations

import pytest
import torch
from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from tests.engine.features import FEATURES, Feature


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("feature", FEATURES, ids=str)
def test_ours(feature: Feature) -> None:
    feature.check(prune)


def _marked(feature: Feature) -> object:
    if feature.in_torch:
        return feature
    reason = (
        f"torch.nn.utils.prune has no such call: {feature.title}. If this is reported as XPASS, "
        f"torch {torch.__version__} has: say so in features.py and run `python -m docs.tables`"
    )
    missing = pytest.mark.xfail(strict=True, raises=AttributeError, reason=reason)
    return pytest.param(feature, marks=missing)


@pytest.mark.parametrize("feature", [_marked(f) for f in FEATURES], ids=[str(f) for f in FEATURES])
def test_torch(feature: Feature) -> None:
    feature.check(torch_prune)
