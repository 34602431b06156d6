from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.utils.prune as torch_prune
from torch import nn

from prune_lab import prune
from prune_lab.course.checks import chapter_07 as checks
from prune_lab.lenet import LeNet
from tests.course.cases import right, unanswered, wrong

# Exercise 2


def by_kind(model: nn.Module, amounts: dict[Any, float], engine: Any = prune) -> None:
    for module in model.modules():
        for kind, amount in amounts.items():
            if isinstance(module, kind):
                engine.l1_unstructured(module, name="weight", amount=amount)


def by_type(model: nn.Module, amounts: dict[Any, float]) -> nn.Module:
    for _, module in model.named_modules():
        if type(module) in amounts:
            prune.l1_unstructured(module, "weight", amounts[type(module)])
    return model


def as_in_the_text(model: nn.Module, amounts: dict[Any, float]) -> None:
    for _, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            prune.l1_unstructured(module, name="weight", amount=0.2)
        elif isinstance(module, nn.Linear):
            prune.l1_unstructured(module, name="weight", amount=0.4)


def two_kinds(model: nn.Module, amounts: dict[Any, float]) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            prune.l1_unstructured(module, name="weight", amount=amounts[nn.Conv2d])
        elif isinstance(module, nn.Linear):
            prune.l1_unstructured(module, name="weight", amount=amounts[nn.Linear])


def children_only(model: nn.Module, amounts: dict[Any, float]) -> None:
    for module in model.children():
        for kind, amount in amounts.items():
            if isinstance(module, kind):
                prune.l1_unstructured(module, name="weight", amount=amount)


def without_the_model_itself(model: nn.Module, amounts: dict[Any, float]) -> None:
    for module in list(model.modules())[1:]:
        for kind, amount in amounts.items():
            if isinstance(module, kind):
                prune.l1_unstructured(module, name="weight", amount=amount)


def biases_too(model: nn.Module, amounts: dict[Any, float]) -> None:
    for module in model.modules():
        for kind, amount in amounts.items():
            if isinstance(module, kind):
                prune.l1_unstructured(module, name="weight", amount=amount)
                prune.l1_unstructured(module, name="bias", amount=amount)


def everything_with_a_weight(model: nn.Module, amounts: dict[Any, float]) -> None:
    for module in model.modules():
        if hasattr(module, "weight"):
            amount = amounts.get(type(module), min(amounts.values()))
            prune.l1_unstructured(module, name="weight", amount=amount)


def what_stays(model: nn.Module, amounts: dict[Any, float]) -> None:
    by_kind(model, {kind: 1 - amount for kind, amount in amounts.items()})


def swapped(model: nn.Module, amounts: dict[Any, float]) -> None:
    by_kind(model, dict(zip(amounts, reversed(amounts.values()), strict=True)))


def twice(model: nn.Module, amounts: dict[Any, float]) -> None:
    by_kind(model, amounts)
    by_kind(model, amounts)


def at_random(model: nn.Module, amounts: dict[Any, float]) -> None:
    for module in model.modules():
        for kind, amount in amounts.items():
            if isinstance(module, kind):
                prune.random_unstructured(module, name="weight", amount=amount)


def one_heap_for_each_kind(model: nn.Module, amounts: dict[Any, float]) -> None:
    for kind, amount in amounts.items():
        places = [(module, "weight") for module in model.modules() if isinstance(module, kind)]
        if places:
            prune.global_unstructured(places, prune.L1Unstructured, amount=amount)


def then_removed(model: nn.Module, amounts: dict[Any, float]) -> None:
    by_kind(model, amounts)
    for module in model.modules():
        if prune.is_pruned(module) and not list(module.children()):
            prune.remove(module, "weight")


def the_model(model: nn.Module, amounts: dict[Any, float]) -> None:
    for amount in amounts.values():
        prune.l1_unstructured(model, name="weight", amount=amount)


def that_pops(model: nn.Module, amounts: dict[Any, float]) -> None:
    by_kind(model, amounts)
    amounts.clear()


def with_other_values(model: nn.Module, amounts: dict[Any, float]) -> None:
    by_kind(model, amounts)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.data.zero_()


def a_copy(model: nn.Module, amounts: dict[Any, float]) -> nn.Module:
    copied = copy.deepcopy(model)
    by_kind(copied, amounts)
    return copied


def endless(model: nn.Module, amounts: dict[Any, float]) -> None:
    while True:
        pass


CASES = [
    right(checks.bars, "fc1", "fc1", "conv1"),
    right(checks.bars, "fc1.weight", " FC1", "model.conv1"),
    unanswered(checks.bars, "fc1", "fc1", ..., says="replace the ..."),
    wrong(checks.bars, "fc2", "fc1", "conv1", says="comes second"),
    wrong(checks.bars, "conv1", "fc1", "conv1", says="the smallest share"),
    wrong(checks.bars, "fc3", "fc1", "conv1", says="three bars"),
    wrong(checks.bars, "conv2", "fc1", "conv1", says="two bars on the left"),
    wrong(checks.bars, "fc1", "conv1", "fc1", says="the right chart counts"),
    wrong(checks.bars, "fc1", "fc2", "conv1", says="second on the right"),
    wrong(checks.bars, "fc1", "fc3", "conv1", says="only 840"),
    wrong(checks.bars, "fc1", "conv2", "conv1", says="counts weights"),
    wrong(checks.bars, "fc1", "fc1", "fc1", says="7 % of 48,000"),
    wrong(checks.bars, "fc1", "fc1", "fc3", says="comes second"),
    wrong(checks.bars, "fc1", "fc1", "fc2", says="more left than"),
    wrong(checks.bars, "fc1", "fc1", "conv2", says="two bars"),
    wrong(checks.bars, "fc 1", "fc1", "conv1", says="should be one of conv1"),
    wrong(checks.bars, 93, "fc1", "conv1", says="a name in quotes"),
    wrong(checks.bars, "fc1", LeNet().fc1, "conv1", says="and not the layer"),
    right(checks.prune_by_kind, by_kind),
    right(checks.prune_by_kind, lambda model, amounts: by_kind(model, amounts, torch_prune)),
    right(checks.prune_by_kind, by_type),
    unanswered(checks.prune_by_kind, lambda model, amounts: None, says="everything as it was"),
    unanswered(checks.prune_by_kind, lambda model, amounts: ..., says="the ... back"),
    wrong(checks.prune_by_kind, as_in_the_text, says="take the amount from `amounts`"),
    wrong(checks.prune_by_kind, two_kinds, says="raised KeyError"),
    wrong(checks.prune_by_kind, children_only, says="is not; layers can lie inside other modules"),
    wrong(checks.prune_by_kind, without_the_model_itself, says="the model is a single layer"),
    wrong(checks.prune_by_kind, biases_too, says="only the weight should be"),
    wrong(checks.prune_by_kind, everything_with_a_weight, says="and `amounts` has none"),
    wrong(checks.prune_by_kind, what_stays, says="not what stays"),
    wrong(checks.prune_by_kind, swapped, says="that is the amount for"),
    wrong(checks.prune_by_kind, twice, says="is it pruned twice?"),
    wrong(checks.prune_by_kind, at_random, says="not the smallest"),
    wrong(checks.prune_by_kind, one_heap_for_each_kind, says="a share of one heap"),
    wrong(checks.prune_by_kind, a_copy, says="not a copy"),
    wrong(checks.prune_by_kind, then_removed, says="zeros and no masks"),
    wrong(checks.prune_by_kind, the_model, says="raised AttributeError"),
    wrong(checks.prune_by_kind, that_pops, says="changes `amounts`"),
    wrong(checks.prune_by_kind, with_other_values, says="has other values afterwards"),
    wrong(checks.prune_by_kind, lambda model: None, says="raised TypeError"),
    wrong(checks.prune_by_kind, torch.ones(2), says="should be a function"),
    wrong(checks.prune_by_kind, endless, says="is there a loop that never ends?"),
    right(checks.one_heap, 100, 100),
    right(checks.one_heap, 100.0, 0.5 * 400 - 100),
    unanswered(checks.one_heap, ..., 100, says="replace the ..."),
    wrong(checks.one_heap, 50, 150, says="half of `small`"),
    wrong(checks.one_heap, 0, 200, says="smallest first"),
    wrong(checks.one_heap, 200, 0, says="only 100 weights"),
    wrong(checks.one_heap, 25, 75, says="a quarter"),
    wrong(checks.one_heap, 1.0, 0.333, says="how many weights"),
    wrong(checks.one_heap, 60, 140, says="every weight of `small`"),
    wrong(checks.one_heap, 100, 150, says="half of `large`"),
    wrong(checks.one_heap, 100, 0, says="only 100 of them"),
    wrong(checks.one_heap, 100, 200, says="100 of them are from"),
    wrong(checks.one_heap, 100, 50, says="has given its 100"),
    wrong(checks.one_heap, 100, 300, says="everything would be gone"),
    wrong(checks.one_heap, 100, 0.333, says="the fraction of `large`"),
    wrong(checks.one_heap, 100, 120, says="when `small` is gone"),
]
