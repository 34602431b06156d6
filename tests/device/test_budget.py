"""The record of smaller and faster models: the page shows it, and tells each goal as it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from prune_lab.data import load_digits
from prune_lab.device.candidates import recorded
from prune_lab.measure import macs
from tests.benchmarks import budget
from tests.benchmarks.device import PAGE, SEEDS


def test_every_plan_and_seed_is_recorded_and_the_page_shows_them() -> None:
    found = budget.record()
    names = [plan.name for plan in budget.PLANS]
    wanted = [(name, seed) for name in [*names, budget.QR] for seed in SEEDS]
    assert [(trial["name"], trial["seed"]) for trial in found["trials"]] == wanted
    assert set(found["times"]) == {*names, budget.QR, budget.MASKED}
    shown = PAGE.read_text().split(budget.BEGIN)[1].split(budget.END)[0]
    assert shown == budget.tables(found)


def goals(found: dict[str, Any]) -> list[str]:
    """The lines of the page that say of a model whether it has reached a goal."""
    lines = budget.tables(found).split("\n")
    return [line.strip() for line in lines if line.strip().endswith(("reached.", "missed."))]


def test_a_goal_that_is_missed_is_printed_as_missed() -> None:
    found = budget.record()
    for trial in found["trials"]:
        if trial["recipe"] != "dense":
            trial["test_right"] = 300
    for took in found["times"].values():
        took.update({"torch 64": 10.0, "onnx 1": 1.0})
    assert len(goals(found)) >= 4 and all(line.endswith("missed.") for line in goals(found))
    assert "1.00 times as fast" in goals(found)[-1]


def test_the_model_for_a_goal_is_chosen_on_validation_digits() -> None:
    found = budget.record()
    few = {t["name"] for t in found["trials"] if t["macs"] <= found["trials"][0]["macs"] / 5}
    assert len(few) > 2
    for name in few:
        for trial in found["trials"]:
            trial["validation_right"] = 200 if trial["name"] == name else 100
            trial["test_right"] = 100 if trial["name"] == name else 359
        first = goals(found)[0]
        assert first.startswith(f"* {name}: ") and first.endswith("missed.")


def test_models_that_are_equal_on_validation_digits_are_all_told() -> None:
    found = budget.record()
    for trial in found["trials"]:
        trial["validation_right"] = 100
    small = {t["name"] for t in found["trials"] if t["file"] <= found["trials"][0]["file"] / 100}
    told = [line for line in goals(found) if any(line.startswith(f"* {name}: ") for name in small)]
    assert len(told) >= len(small) > 1


@pytest.mark.parametrize("plan", budget.PLANS[1:], ids=lambda plan: plan.name)
def test_a_plan_gives_what_its_name_says(plan: budget.Plan) -> None:
    """With one epoch: the shapes, the zeros and the values, not the accuracy."""
    from dataclasses import replace

    digits = load_digits()
    few = digits._replace(
        train_images=digits.train_images[:64], train_labels=digits.train_labels[:64]
    )
    model = replace(plan, epochs=1).make(0, few)
    widths = [layer.weight.shape[0] for layer in model.children()]
    assert widths == [*plan.channels, 10]
    weights = torch.cat([layer.weight.detach().flatten() for layer in model.children()])
    gone = float((weights == 0).float().mean())
    assert gone == pytest.approx(plan.sparsity, abs=0.02)
    if plan.values:
        assert all(len(p[p != 0].unique()) <= plan.values for p in model.parameters())
    (recorded_macs,) = {t["macs"] for t in budget.record()["trials"] if t["name"] == plan.name}
    assert macs(model, digits.test_images[:1]) == recorded_macs


def test_a_candidates_bytes_are_the_largest_of_the_seeds_and_its_accuracy_their_mean() -> None:
    trials = budget.record()["trials"]
    for candidate in recorded():
        of = [trial for trial in trials if trial["name"] == candidate.name]
        assert candidate.bytes == max(trial["file"] for trial in of)
        assert candidate.test == pytest.approx(sum(trial["test_right"] for trial in of) / 5 / 360)
        right = sum(trial["validation_right"] for trial in of)
        assert candidate.validation == pytest.approx(right / 5 / 240)
