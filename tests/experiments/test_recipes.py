"""Pruning while training: exactly as much as was asked for, and what is gone stays gone."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from prune_lab.data import Digits, load_digits
from prune_lab.experiments.recipes import gradual, lamp, magnitude, prune_to, weights_of
from prune_lab.experiments.schedules import constant, cubic, one_shot
from prune_lab.lenet import LeNet
from prune_lab.training import fit


def masks(model: nn.Module) -> torch.Tensor:
    return torch.cat([module.weight_mask.flatten() for module, _name in weights_of(model)])


def few() -> Digits:
    return Digits(*(part[:320] for part in load_digits()))


@pytest.mark.parametrize("importance", [magnitude, lamp])
def test_prune_to_hits_exactly_the_sparsity_and_masks_only_grow(importance) -> None:
    torch.manual_seed(0)
    model = LeNet()
    entries, before = 61_470, torch.zeros(61_470)
    for sparsity in (0.0, 0.1, 0.123, 0.5, 0.3, 0.98, 1.0):
        reached = max(sparsity, 0.5) if sparsity == 0.3 else sparsity
        prune_to(weights_of(model), sparsity, importance)
        gone = masks(model) == 0
        assert int(gone.sum()) == round(reached * entries)
        assert gone[before.bool()].all()
        before = gone.float()


def test_prune_to_takes_the_least_important() -> None:
    layer = nn.Linear(4, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[4.0, -1.0, 3.0, -2.0]]))
    prune_to([(layer, "weight")], 0.25)
    prune_to([(layer, "weight")], 0.5)
    assert layer.weight_mask.tolist() == [[1, 0, 1, 0]]
    for sparsity in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="sparsity must be from 0 to 1"):
            prune_to([(layer, "weight")], sparsity)


def test_lamp_is_the_papers_definition() -> None:
    """Lee et al. 2021, equation 4: W[u]^2 / sum of W[v]^2 over v >= u, in ascending order."""
    weight = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    flat = weight.flatten().tolist()
    order = sorted(range(20), key=lambda place: flat[place] ** 2)
    wanted = [0.0] * 20
    for u, place in enumerate(order):
        wanted[place] = flat[place] ** 2 / sum(flat[v] ** 2 for v in order[u:])
    assert torch.allclose(lamp(weight), torch.tensor(wanted).reshape(5, 4))
    assert lamp(weight).max() == 1
    assert not lamp(torch.zeros(3)).any()


def test_schedules_begin_and_end_where_they_should() -> None:
    assert (constant(0), constant(1)) == (cubic(0), cubic(1)) == (0, 1)
    assert one_shot(0) == one_shot(1) == 1
    steps = [cubic(step / 10) for step in range(11)]
    gains = [b - a for a, b in pairwise(steps)]
    assert gains == sorted(gains, reverse=True)


@pytest.mark.parametrize("schedule", [constant, cubic, one_shot])
def test_gradual_ends_at_the_sparsity_and_masks_only_grow(monkeypatch, schedule) -> None:
    from prune_lab.experiments import recipes

    torch.manual_seed(0)
    model, gone, seen = LeNet(), torch.zeros(61_470, dtype=torch.bool), []
    real = recipes.prune_to

    def watched(places, sparsity, importance=magnitude):
        real(places, sparsity, importance)
        now = masks(model) == 0
        assert now[gone].all()
        gone.copy_(now)
        seen.append(sparsity)

    monkeypatch.setattr(recipes, "prune_to", watched)
    history = gradual(model, few(), 0.9, epochs=8, schedule=schedule, begin=0.2, end=0.7)
    assert len(history.losses) == 8
    assert int((masks(model) == 0).sum()) == round(0.9 * 61_470)
    assert seen[0] == 0 and seen[-1] == 0.9 and seen == sorted(seen)
    assert len(set(seen)) > (2 if schedule is not one_shot else 1)


def test_gradual_refuses_what_makes_no_sense_before_it_prunes() -> None:
    model = LeNet()
    for wrong in ({"sparsity": 1.5}, {"sparsity": 0.5, "begin": 0.7, "end": 0.7}):
        with pytest.raises(ValueError, match="<= sparsity <= 1"):
            gradual(model, few(), **wrong)
    assert "weight" in model.fc1._parameters


def test_before_step_hears_how_much_is_done_before_each_step() -> None:
    heard: list[float] = []
    weights: list[torch.Tensor] = []
    model = LeNet()

    def before_step(progress: float) -> None:
        heard.append(progress)
        weights.append(model.fc3.weight.detach().clone())

    start = model.fc3.weight.detach().clone()
    fit(model, few(), epochs=2, before_step=before_step)
    assert heard == pytest.approx([step / 20 for step in range(20)])
    assert torch.equal(weights[0], start)
    assert not any(torch.equal(a, b) for a, b in pairwise(weights))


def test_before_step_that_does_nothing_changes_nothing() -> None:
    torch.manual_seed(0)
    one, other = LeNet(), LeNet()
    other.load_state_dict(one.state_dict())
    fit(one, few(), epochs=1)
    fit(other, few(), epochs=1, before_step=lambda progress: None)
    assert torch.equal(one.fc3.weight, other.fc3.weight)
