"""Pruning while training: exactly as much as was asked for, and what is gone stays gone."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

from prune_lab.data import Digits, load_digits
from prune_lab.experiments.importance import (
    at_random,
    lamp,
    magnitude,
    rows,
    taylor,
    weights_of,
)
from prune_lab.experiments.recipes import gradual, prune_to, retrain
from prune_lab.experiments.schedules import constant, cubic, exponential, one_shot
from prune_lab.lenet import LeNet
from prune_lab.training import fit


def masks(model: nn.Module) -> torch.Tensor:
    return torch.cat([module.weight_mask.flatten() for module, _name in weights_of(model)])


def few() -> Digits:
    return Digits(*(part[:320] for part in load_digits()))


@pytest.mark.parametrize("importance", [magnitude, lamp, taylor, rows, at_random])
def test_prune_to_hits_exactly_the_sparsity_and_masks_only_grow(importance) -> None:
    torch.manual_seed(0)
    model = LeNet()
    entries, before = 61_470, torch.zeros(61_470)
    for sparsity in (0.0, 0.1, 0.123, 0.5, 0.3, 0.98, 1.0):
        reached = max(sparsity, 0.5) if sparsity == 0.3 else sparsity
        prune_to(weights_of(model), sparsity, importance(model, few()))
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
    layer = nn.Linear(4, 5)
    layer.weight.data = weight
    assert torch.allclose(lamp(layer, few())[layer, "weight"], torch.tensor(wanted).reshape(5, 4))
    assert lamp(layer, few())[layer, "weight"].max() == 1
    layer.weight.data.zero_()
    assert not lamp(layer, few())[layer, "weight"].any()


def test_magnitude_is_what_no_scores_are() -> None:
    torch.manual_seed(0)
    one, other = LeNet(), LeNet()
    other.load_state_dict(one.state_dict())
    prune_to(weights_of(one), 0.7)
    prune_to(weights_of(other), 0.7, magnitude(other, few()))
    assert torch.equal(masks(one), masks(other))


def test_rows_are_scored_by_their_norm_as_a_share_of_the_layers_largest() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(3, 4))
    scores = rows(model, few())
    for layer in (model[0], model[2]):
        norms = [sum(w * w for w in row.flatten().tolist()) ** 0.5 for row in layer.weight]
        for row, norm in zip(scores[layer, "weight"], norms, strict=True):
            assert torch.allclose(row, torch.tensor(norm / max(norms)).expand_as(row))
        layer.weight.data.zero_()
    assert not any(score.any() for score in rows(model, few()).values())


def test_taylor_is_weight_times_gradient_under_the_mask() -> None:
    """By hand: |w · dL/dw| with autograd's gradient of the effective weight, batch by batch."""
    torch.manual_seed(0)
    model, digits = LeNet(), few()
    prune_to(weights_of(model), 0.5)
    scores = taylor(model, digits)
    wanted = torch.zeros_like(model.conv2.weight_orig)
    for batch in range(8):
        chosen = slice(32 * batch, 32 * batch + 32)
        model.zero_grad()
        loss = nn.functional.cross_entropy(
            model(digits.train_images[chosen]), digits.train_labels[chosen]
        )
        loss.backward()
        wanted += (model.conv2.weight_orig * model.conv2.weight_orig.grad).abs().detach()
    assert torch.allclose(scores[model.conv2, "weight"], wanted, rtol=1e-4, atol=1e-8)
    assert (wanted > 0).any() and not wanted[model.conv2.weight_mask == 0].any()


def test_taylor_leaves_gradients_as_they_were() -> None:
    model = LeNet()
    taylor(model, few())
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.no_grad():
        assert taylor(model, few())[model.fc3, "weight"].any()


def test_lots_are_torchs() -> None:
    model = LeNet()
    torch.manual_seed(3)
    one = at_random(model, few())[model.fc3, "weight"]
    torch.manual_seed(3)
    assert torch.equal(one, at_random(model, few())[model.fc3, "weight"])
    assert 0.4 < one.mean() < 0.6


def test_schedules_begin_and_end_where_they_should() -> None:
    for schedule in (constant, cubic, exponential):
        assert (schedule(0), schedule(1)) == (0, pytest.approx(1))
    assert one_shot(0) == one_shot(1) == 1
    steps = [cubic(step / 10) for step in range(11)]
    gains = [b - a for a, b in pairwise(steps)]
    assert gains == sorted(gains, reverse=True)
    left = [1 - 0.99 * exponential(step / 10) for step in range(11)]
    assert [b / a for a, b in pairwise(left)] == pytest.approx([0.01**0.1] * 10)


@pytest.mark.parametrize("schedule", [constant, cubic, exponential, one_shot])
def test_gradual_ends_at_the_sparsity_and_masks_only_grow(monkeypatch, schedule) -> None:
    from prune_lab.experiments import recipes

    torch.manual_seed(0)
    model, gone, seen = LeNet(), torch.zeros(61_470, dtype=torch.bool), []
    real = recipes.prune_to

    def watched(places, sparsity, scores=None):
        real(places, sparsity, scores)
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


def test_retraining_prunes_once_by_what_was_given_and_trains_what_is_left() -> None:
    torch.manual_seed(0)
    model = LeNet()
    wanted = magnitude(model, few())[model.fc1, "weight"]
    before = model.fc1.weight.detach().clone()
    retrain(model, few(), 0.9, epochs=1)
    assert int((masks(model) == 0).sum()) == round(0.9 * 61_470)
    kept = model.fc1.weight_mask.bool()
    assert wanted[kept].min() >= wanted[~kept].max()
    assert not torch.equal(model.fc1.weight_orig[kept], before[kept])
    assert torch.equal(model.fc1.weight_orig[~kept], before[~kept])


def test_rewound_weights_are_the_early_ones_under_the_late_mask(monkeypatch) -> None:
    from prune_lab import training

    torch.manual_seed(0)
    model, early = LeNet(), LeNet().state_dict()
    late = model.fc1.weight.detach().clone()
    seen = {}
    monkeypatch.setattr(training, "fit", lambda model, *a, **k: seen.update(model.state_dict()))
    retrain(model, few(), 0.5, weights=early)
    assert torch.equal(seen["fc1.weight_orig"], early["fc1.weight"])
    assert torch.equal(seen["fc1.bias"], early["fc1.bias"])
    kept = seen["fc1.weight_mask"].bool()
    assert late.abs()[kept].min() >= late.abs()[~kept].max()
    assert torch.equal(model.fc1.weight == 0, ~kept)


def test_fit_moves_the_model_and_the_digits_to_a_device() -> None:
    """The device "meta" is always there, and has no numbers: it cannot say what the loss is."""
    model = LeNet()
    fit(model, few(), epochs=1, device="cpu")
    with pytest.raises(RuntimeError, match="meta"):
        fit(model, few(), epochs=1, device="meta")
    assert model.fc1.weight.device.type == "meta"


def test_gradual_ends_at_the_sparsity_when_the_training_ends_before_its_last_pruning() -> None:
    model = LeNet()
    gradual(model, few(), 0.9, epochs=1, begin=0.5, end=1.0)
    assert int((masks(model) == 0).sum()) == round(0.9 * 61_470)
