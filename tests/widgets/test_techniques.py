"""Techniques as the widgets offer them: ranking draws nothing that the reader would miss."""

from __future__ import annotations

import pytest
import torch

from prune_lab import prune
from prune_lab.widgets.techniques import TECHNIQUES, Own, Settings


class Draws(prune.BasePruningMethod):
    """A reader's own technique, at random and without an amount."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        return default_mask * (torch.rand_like(t) > 0.5)


@pytest.mark.parametrize("technique", [TECHNIQUES["random_unstructured"], Own(Draws)])
def test_ranking_leaves_the_random_state_alone(technique):
    before = torch.get_rng_state()
    technique.rank({"w": torch.ones(8)}, {}, Settings(seed=5))
    assert torch.equal(torch.get_rng_state(), before)


def test_ranking_that_draws_nothing_never_touches_the_random_state(monkeypatch):
    """It may run beside a cell that draws: even a state that is put back would be noticed."""
    monkeypatch.setattr(torch, "manual_seed", None)
    monkeypatch.setattr(torch, "set_rng_state", None)
    for name, options in (("l1_unstructured", {}), ("ln_structured", {"n": 2, "dim": 0})):
        TECHNIQUES[name].rank({"w": torch.ones(4, 2)}, {}, Settings(options, seed=5))
