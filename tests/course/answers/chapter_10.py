from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from prune_lab.course.checks import chapter_10 as checks
from prune_lab.data import Digits
from prune_lab.experiments.importance import magnitude, taylor, weights_of
from tests.course.cases import right, unanswered, wrong

# Exercise 2


def cubic(step: int, first: int, last: int, final: float) -> float:
    done = min(max((step - first) / (last - first), 0), 1)
    return final * (1 - (1 - done) ** 3)


def with_ifs(step: int, first: int, last: int, final: float) -> Any:
    if step < first:
        return 0
    if step > last:
        return final
    return torch.tensor(final - final * (1 - (step - first) / (last - first)) ** 3).double()


def constant(step: int, first: int, last: int, final: float) -> float:
    return final * min(max((step - first) / (last - first), 0), 1)


def unbounded(step: int, first: int, last: int, final: float) -> float:
    return final * (1 - (1 - (step - first) / (last - first)) ** 3)


def falls_back(step: int, first: int, last: int, final: float) -> float:
    return cubic(step, first, last, final) if first <= step <= last else 0.0


def slow_first(step: int, first: int, last: int, final: float) -> float:
    return final * min(max((step - first) / (last - first), 0), 1) ** 3


def still_to_go(step: int, first: int, last: int, final: float) -> float:
    return final - cubic(step, first, last, final) if step >= first else 0.0


def square(step: int, first: int, last: int, final: float) -> float:
    done = min(max((step - first) / (last - first), 0), 1)
    return final * (1 - (1 - done) ** 2)


def left(step: int, first: int, last: int, final: float) -> float:
    return 1 - cubic(step, first, last, final) if step >= first else 0.0


def to_one(step: int, first: int, last: int, final: float) -> float:
    return cubic(step, first, last, 1.0)


def from_zero(step: int, first: int, last: int, final: float) -> float:
    return final * (1 - (1 - min(step / last, 1)) ** 3) if step >= first else 0.0


def in_per_cent(step: int, first: int, last: int, final: float) -> float:
    return 100 * cubic(step, first, last, final)


def printed(step: int, first: int, last: int, final: float) -> None:
    print(cubic(step, first, last, final))


def misspelt(step: int, first: int, last: int, final: float) -> float:
    return finale * (step - first)  # type: ignore[name-defined]  # noqa: F821


def without_final(step: int, first: int, last: int) -> float:
    return cubic(step, first, last, 0.98)


def one_half(step: int, first: int, last: int, final: float) -> float:
    return 0.5 if first < step < last else cubic(step, first, last, final)


# Exercise 3


def batches(images: Any, labels: Any) -> Any:
    return zip(images.split(32), labels.split(32), strict=True)


def squared(model: nn.Module, digits: Digits, *, part: int = 0) -> dict[Any, Any]:
    places = weights_of(model)
    scores = {place: torch.zeros_like(place[0].weight) for place in places}
    for images, labels in batches(*digits[part : part + 2]):
        model.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        for layer, name in places:
            scores[layer, name] += (layer.weight * layer.weight.grad).detach() ** 2
    model.zero_grad()
    return scores


def as_a_mean(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    count = len(digits.train_labels) / 32
    return {place: score / count for place, score in squared(model, digits).items()}


def with_autograd(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    layers = [layer for layer in model.modules() if hasattr(layer, "weight")]
    scores: dict[Any, Any] = {(layer, "weight"): 0 for layer in layers}
    for images, labels in batches(digits.train_images, digits.train_labels):
        loss = F.cross_entropy(model(images), labels, reduction="sum")
        gradients = torch.autograd.grad(loss, [layer.weight for layer in layers])
        for layer, gradient in zip(layers, gradients, strict=True):
            scores[layer, "weight"] = scores[layer, "weight"] + (layer.weight * gradient) ** 2
    return scores


def gradients_left(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    scores = squared(model, digits)
    F.cross_entropy(model(digits.train_images), digits.train_labels).backward()
    return scores


def added_first(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    sums = dict.fromkeys(weights_of(model), 0)
    for images, labels in batches(digits.train_images, digits.train_labels):
        model.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        for layer, name in sums:
            sums[layer, name] = sums[layer, name] + (layer.weight * layer.weight.grad).detach()
    model.zero_grad()
    return {place: value**2 for place, value in sums.items()}


def not_cleared(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    scores = {place: torch.zeros_like(place[0].weight) for place in weights_of(model)}
    for images, labels in batches(digits.train_images, digits.train_labels):
        F.cross_entropy(model(images), labels).backward()  # gradients pile up
        for layer, name in scores:
            scores[layer, name] += (layer.weight * layer.weight.grad).detach() ** 2
    model.zero_grad()
    return scores


def signed(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    sums = dict.fromkeys(weights_of(model), 0)
    for images, labels in batches(digits.train_images, digits.train_labels):
        model.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        for layer, name in sums:
            sums[layer, name] = sums[layer, name] + (layer.weight * layer.weight.grad).detach()
    model.zero_grad()
    return dict(sums)


def absolute(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    scores = {place: torch.zeros_like(place[0].weight) for place in weights_of(model)}
    for images, labels in batches(digits.train_images, digits.train_labels):
        model.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        for layer, name in scores:
            scores[layer, name] += (layer.weight * layer.weight.grad).detach().abs()
    model.zero_grad()
    return scores


def gradient_alone(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    scores = {place: torch.zeros_like(place[0].weight) for place in weights_of(model)}
    for images, labels in batches(digits.train_images, digits.train_labels):
        model.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        for layer, name in scores:
            scores[layer, name] += layer.weight.grad**2
    model.zero_grad()
    return scores


def weight_alone(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    return {place: score**2 for place, score in magnitude(model, digits).items()}


def of_the_test_digits(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    return squared(model, digits, part=4)


def of_the_validation_digits(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    return squared(model, digits, part=2)


def first_batch(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    return squared(model, Digits(digits[0][:32], digits[1][:32], *digits[2:]))


def last_batch(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    return squared(model, Digits(digits[0][-32:], digits[1][-32:], *digits[2:]))


def by_name(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    return {str(number): score for number, score in enumerate(squared(model, digits).values())}


def linear_only(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    found = squared(model, digits)
    return {place: score for place, score in found.items() if isinstance(place[0], nn.Linear)}


def one_number_a_layer(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    return {place: score.sum() for place, score in squared(model, digits).items()}


def in_a_list(model: nn.Module, digits: Digits) -> list[Any]:
    return list(squared(model, digits).values())


def with_biases(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    found = squared(model, digits)
    return {**found, **{(layer, "bias"): layer.bias for layer, _name in found}}


def prunes_too(model: nn.Module, digits: Digits) -> dict[Any, Any]:
    scores = squared(model, digits)
    for layer, name in scores:
        layer.weight.data[scores[layer, name] == scores[layer, name].min()] = 0
    return scores


CASES = [
    right(checks.chosen, "B", 97.8),
    right(checks.chosen, " b", 97.8),
    unanswered(checks.chosen, "B", ..., says="replace the ..."),
    wrong(checks.chosen, "A", 97.5, says="how it reads new digits"),
    wrong(checks.chosen, "C", 98.3, says="those that choose can no longer tell"),
    wrong(checks.chosen, "B", 98.8, says="have chosen the recipe"),
    wrong(checks.chosen, "B", 98.3, says="that is what C would have"),
    wrong(checks.chosen, "B", 97.5, says="that is what A has"),
    wrong(checks.chosen, "B", 0.978, says="in per cent"),
    wrong(checks.chosen, "B", 99.4, says="that it was trained with"),
    wrong(checks.chosen, "B", 98.4, says="C has on the validation digits"),
    wrong(checks.chosen, "B", 99.0, says="take the row of your recipe"),
    wrong(checks.chosen, "B", "97.8", says="without quotes"),
    wrong(checks.chosen, 2, 97.8, says="in quotes"),
    right(checks.sparsity_at, cubic),
    right(checks.sparsity_at, with_ifs),
    unanswered(checks.sparsity_at, printed, says="returns nothing yet"),
    unanswered(checks.sparsity_at, lambda step, first, last, final: ..., says="still gives"),
    wrong(checks.sparsity_at, constant, says="the same amount in each step"),
    wrong(checks.sparsity_at, unbounded, says="before the first step"),
    wrong(checks.sparsity_at, falls_back, says="should stay at `final`"),
    wrong(checks.sparsity_at, slow_first, says="slow at first"),
    wrong(checks.sparsity_at, still_to_go, says="still to be pruned"),
    wrong(checks.sparsity_at, square, says="the exponent is 3"),
    wrong(checks.sparsity_at, left, says="what is left"),
    wrong(checks.sparsity_at, to_one, says="multiply by `final`"),
    wrong(checks.sparsity_at, from_zero, says="begins to count at `first`"),
    wrong(checks.sparsity_at, in_per_cent, says="not in per cent"),
    wrong(checks.sparsity_at, misspelt, says="NameError"),
    wrong(checks.sparsity_at, without_final, says="TypeError"),
    wrong(checks.sparsity_at, one_half, says="should be"),
    wrong(checks.sparsity_at, 0.5, says="should be a function"),
    right(checks.squared_taylor, squared),
    right(checks.squared_taylor, as_a_mean),
    right(checks.squared_taylor, with_autograd),
    unanswered(checks.squared_taylor, lambda model, digits: None, says="returns nothing yet"),
    wrong(checks.squared_taylor, gradients_left, says="gradients are left"),
    wrong(checks.squared_taylor, added_first, says="added up first and squared then"),
    wrong(checks.squared_taylor, not_cleared, says="the scores are others"),
    wrong(checks.squared_taylor, signed, says="with its sign"),
    wrong(checks.squared_taylor, absolute, says="here it is the square"),
    wrong(checks.squared_taylor, taylor, says="here it is the square"),
    wrong(checks.squared_taylor, gradient_alone, says="the gradient alone"),
    wrong(checks.squared_taylor, weight_alone, says="the weight alone"),
    wrong(checks.squared_taylor, of_the_test_digits, says="the test images"),
    wrong(checks.squared_taylor, of_the_validation_digits, says="the validation images"),
    wrong(checks.squared_taylor, first_batch, says="only the first batch"),
    wrong(checks.squared_taylor, last_batch, says="only the last batch"),
    wrong(checks.squared_taylor, by_name, says="the keys are pairs"),
    wrong(checks.squared_taylor, linear_only, says="a Conv2d of the model has no scores"),
    wrong(checks.squared_taylor, one_number_a_layer, says="the shape of its weight"),
    wrong(checks.squared_taylor, in_a_list, says="should return a dict"),
    wrong(checks.squared_taylor, with_biases, says="biases are left alone"),
    wrong(checks.squared_taylor, prunes_too, says="the weights are changed"),
    right(checks.half_way, 85.75),
    right(checks.half_way, 98 * (1 - 0.5**3)),
    unanswered(checks.half_way, ..., says="replace the ..."),
    wrong(checks.half_way, 49, says="half of 98 %"),
    wrong(checks.half_way, 87.5, says="the way ends at 98 %"),
    wrong(checks.half_way, 98, says="the end of it"),
    wrong(checks.half_way, 0.8575, says="in per cent"),
    wrong(checks.half_way, 14.25, says="what is left"),
    wrong(checks.half_way, 12.25, says="still to be pruned"),
    wrong(checks.half_way, 73.5, says="the exponent is 3"),
    wrong(checks.half_way, 60, says="half of the time"),
    wrong(checks.half_way, "85.75", says="without quotes"),
]
