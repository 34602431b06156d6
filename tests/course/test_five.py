"""What chapters print over the five networks."""

from __future__ import annotations

import torch

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.course.five import on_five, row
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.training import evaluate

digits = load_digits()
images, labels = digits.test_images[:90], digits.test_labels[:90]


def test_each_of_the_five_is_pruned_and_measured_once_in_order() -> None:
    seen: list[LeNet] = []

    def lose_outputs(model: LeNet) -> None:
        prune.l1_unstructured(model.fc3, "weight", amount=205 * len(seen))
        seen.append(model)

    got = on_five(lose_outputs, images, labels)
    assert got == [evaluate(model, images, labels) for model in seen]
    assert len(seen) == 5 and got[0] > 0.9 > got[4]
    for seed, model in enumerate(seen):
        assert torch.equal(model.fc1.weight, trained_lenet(seed).fc1.weight)


def test_random_masks_are_the_same_each_time_and_random_numbers_go_on() -> None:
    masks: list[torch.Tensor] = []

    def at_random(model: LeNet) -> None:
        masks.append(prune.random_unstructured(model.conv1, "weight", amount=0.5).weight_mask)

    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    assert on_five(at_random, images, labels) == on_five(at_random, images, labels)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(masks[:5], masks[5:], strict=True))
    assert not torch.equal(masks[0], masks[1])


def test_no_mask_is_drawn_with_the_numbers_that_the_weights_were() -> None:
    drawn: list[torch.Tensor] = []
    on_five(lambda model: drawn.append(torch.rand(3)), images, labels)
    for seed, numbers in enumerate(drawn):
        torch.manual_seed(seed)
        assert not torch.equal(numbers, torch.rand(3))


def test_a_row_has_eight_characters_for_each_accuracy() -> None:
    assert row(accuracy for accuracy in (0.0, 0.1234, 1.0)) == "    0.0%   12.3%  100.0%"
    assert row([]) == ""
