"""Techniques as the widgets offer them: ranking draws nothing that the reader would miss."""

from __future__ import annotations

import pytest
import torch

from prune_lab import prune
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.widgets import DigitPad, MaskExplorer, SensitivityExplorer, choosing, techniques
from prune_lab.widgets.technique import Settings
from prune_lab.widgets.techniques import TECHNIQUES, Own


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


def test_a_new_technique_is_one_class_and_in_every_panel_that_can_show_it(monkeypatch):
    monkeypatch.setattr(techniques, "TECHNIQUES", dict(TECHNIQUES))
    monkeypatch.setattr(choosing, "TECHNIQUES", techniques.TECHNIQUES)

    @techniques.offered
    class Largest(techniques.ByFunction):
        value, label = "largest", "the largest go"

        def method(self, amount=0, **options):
            return Reversed(amount)

    class Reversed(prune.L1Unstructured):
        def importance(self, t):
            return 1 / t

    monkeypatch.setattr(prune, "largest", Reversed.apply, raising=False)
    torch.manual_seed(0)
    model, digits = LeNet(), load_digits()
    expected = Reversed(0.3).compute_mask(model.conv1.weight, torch.ones(6, 1, 5, 5))

    explorer = MaskExplorer(model, technique="largest")
    assert torch.equal(explorer.mask, expected)
    assert explorer.code == 'prune.largest(model.conv1, name="weight", amount=0.3)'
    explorer.apply()
    assert torch.equal(model.conv1.weight_mask, expected)
    explorer.undo()

    sensitivity = SensitivityExplorer(model, digits, technique="largest")
    sensitivity.amounts = {"conv1.weight": 0.3}
    assert sensitivity.code == explorer.code
    sensitivity.apply()
    assert torch.equal(model.conv1.weight_mask, expected)
    sensitivity.undo()

    pad = DigitPad(model, digits, technique="largest", amount=0.3)
    assert pad.counts == (18_441, 0, 61_470)
    for panel in (explorer, sensitivity, pad):
        assert "largest" in [entry["value"] for entry in panel.techniques]


def test_ones_own_class_is_in_every_panel():
    class Corner(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def __init__(self, amount):
            self.amount = amount

        def compute_mask(self, t, default_mask):
            mask = default_mask.clone()
            mask.view(-1)[: round(self.amount * t.numel())] = 0
            return mask

    torch.manual_seed(0)
    model, digits = LeNet(), load_digits()
    sensitivity = SensitivityExplorer(model, digits, technique=Corner)
    sensitivity.amounts = {"conv1.weight": 0.5}
    assert sensitivity.kept == 61_706 - 75
    assert sensitivity.code.splitlines()[-1] == 'Corner.apply(model.conv1, "weight", amount=0.5)'
    sensitivity.apply()
    mask = model.conv1.weight_mask.flatten()
    assert not mask[:75].any() and mask[75:].all()
    sensitivity.reset()
    pad = DigitPad(model, digits, technique=Corner, amount=0.5)
    assert pad.counts[0] == 61_470 / 2


@pytest.mark.parametrize("own", [False, True])
def test_runs_say_how_many_entries_go_at_each_count(own):
    torch.manual_seed(0)
    values = torch.randn(6, 4)
    mask = (torch.rand(6, 4) > 0.3).float()
    for technique in [*TECHNIQUES.values(), *([Own(prune.RandomUnstructured)] if own else [])]:
        if not technique.ways:
            continue
        settings = Settings(technique.options)
        for before in (None, mask):
            ranking = technique.rank({"": values}, {"": before}, settings)
            sizes = [n for n, each in technique.runs(values, before, settings) for _ in range(n)]
            each = [each for n, each in technique.runs(values, before, settings) for _ in range(n)]
            assert len(sizes) == ranking.units
            for k in range(ranking.units + 1):
                there = int((ranking.orders[""] >= 0).sum())
                assert there - int(ranking.masks(k)[""].sum()) == sum(each[:k])
