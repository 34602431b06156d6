from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.utils.prune as torch_prune
from torch import nn

from prune_lab import prune
from prune_lab.course.checks import chapter_05 as checks
from tests.course.cases import right, unanswered, wrong


def gone(module: nn.Module, name: str) -> int:
    return int((getattr(module, name + "_mask") == 0).sum()) if pruned(module, name) else 0


def pruned(module: nn.Module, name: str) -> bool:
    return hasattr(module, name + "_mask")


def missing(module: nn.Module, name: str, target: float) -> int:
    wanted: int = round(target * getattr(module, name).numel())
    return wanted - gone(module, name)


def prune_to(module: nn.Module, name: str, target: float) -> None:
    if (more := missing(module, name, target)) > 0:
        prune.l1_unstructured(module, name, amount=more)


def by_torch(module: nn.Module, name: str, target: float) -> None:
    if (more := missing(module, name, target)) > 0:
        torch_prune.l1_unstructured(module, name, amount=more)


def by_a_fraction(module: nn.Module, name: str, target: float) -> None:
    already = gone(module, name) / getattr(module, name).numel()
    if already < target:
        prune.l1_unstructured(module, name, amount=(target - already) / (1 - already))


def that_prunes_nothing_more_at_times(module: nn.Module, name: str, target: float) -> None:
    prune.l1_unstructured(module, name, amount=max(0, missing(module, name, target)))


def of_the_rest(module: nn.Module, name: str, target: float) -> None:
    prune.l1_unstructured(module, name, amount=target)


def as_a_count_on_top(module: nn.Module, name: str, target: float) -> None:
    prune.l1_unstructured(module, name, amount=round(target * getattr(module, name).numel()))


def without_looking(module: nn.Module, name: str, target: float) -> None:
    prune.l1_unstructured(module, name, amount=missing(module, name, target))


def only_fresh(module: nn.Module, name: str, target: float) -> None:
    if not pruned(module, name):
        prune.l1_unstructured(module, name, amount=target)


def only_a_mask(module: nn.Module, name: str, target: float) -> None:
    count = int((getattr(module, name + "_mask") == 0).sum())
    prune.l1_unstructured(module, name, amount=round(target * 100) - count)


def that_asks_the_module(module: nn.Module, name: str, target: float) -> None:
    count = int((getattr(module, name + "_mask") == 0).sum()) if prune.is_pruned(module) else 0
    more = round(target * getattr(module, name).numel()) - count
    prune.l1_unstructured(module, name, amount=max(0, more))


def with_a_tensor(module: nn.Module, name: str, target: float) -> None:
    if pruned(module, name):
        count: Any = (getattr(module, name + "_mask") == 0).sum()
        prune.l1_unstructured(module, name, amount=target * getattr(module, name).numel() - count)
    else:
        prune.l1_unstructured(module, name, amount=target)


def counting_zeros(module: nn.Module, name: str, target: float) -> None:
    zeros = int((getattr(module, name) == 0).sum())
    more = round(target * getattr(module, name).numel()) - zeros
    if more > 0:
        prune.l1_unstructured(module, name, amount=more)


def at_random(module: nn.Module, name: str, target: float) -> None:
    if (more := missing(module, name, target)) > 0:
        prune.random_unstructured(module, name, amount=more)


def that_starts_anew(module: nn.Module, name: str, target: float) -> None:
    if pruned(module, name):
        prune.remove(module, name)
    prune.l1_unstructured(module, name, amount=target)


def that_undoes(module: nn.Module, name: str, target: float) -> None:
    for hook in list(module._forward_pre_hooks.values()):
        if getattr(hook, "_tensor_name", None) == name:
            mask = torch.ones_like(module.get_buffer(f"{name}_mask"))
            module.register_buffer(f"{name}_mask", mask)
    prune.l1_unstructured(module, name, amount=target)


def the_weight_alone(module: nn.Module, name: str, target: float) -> None:
    prune_to(module, "weight", target)


def both(module: nn.Module, name: str, target: float) -> None:
    prune_to(module, "weight", target)
    prune_to(module, "bias", target)


def that_keeps_the_target(module: nn.Module, name: str, target: float) -> None:
    prune_to(module, name, 1 - target)


def by_hand(module: nn.Module, name: str, target: float) -> None:
    values = getattr(module, name).data
    order = values.abs().flatten().argsort()
    values.view(-1)[order[: round(target * values.numel())]] = 0


def that_zeroes_the_originals(module: nn.Module, name: str, target: float) -> None:
    prune_to(module, name, target)
    if pruned(module, name):
        module.get_parameter(f"{name}_orig").data *= module.get_buffer(f"{name}_mask")


def nothing(*arguments: Any) -> None:
    return None


# Exercise 3


def with_share(
    share: Callable[[float, int], Any], engine: Any = prune, technique: str = "l1_unstructured"
) -> Callable[..., None]:
    def in_rounds(module: nn.Module, name: str, target: float, rounds: int) -> None:
        for _ in range(rounds):
            getattr(engine, technique)(module, name, amount=share(target, rounds))

    return in_rounds


def root(target: float, rounds: int) -> float:
    return 1 - (1 - target) ** (1 / rounds)


def at_once(module: nn.Module, name: str, target: float, rounds: int) -> None:
    prune.l1_unstructured(module, name, amount=target)


def by_counts(module: nn.Module, name: str, target: float, rounds: int) -> None:
    for _ in range(rounds):
        size = getattr(module, name).numel()
        prune.l1_unstructured(module, name, amount=round(target * size / rounds))


def by_what_is_missing(module: nn.Module, name: str, target: float, rounds: int) -> None:
    for number in range(rounds):
        already = target * number / rounds
        prune.l1_unstructured(module, name, amount=target / rounds / (1 - already))


def one_too_many(module: nn.Module, name: str, target: float, rounds: int) -> None:
    for _ in range(rounds + 1):
        prune.l1_unstructured(module, name, amount=root(target, rounds + 1))


def that_removes(module: nn.Module, name: str, target: float, rounds: int) -> None:
    with_share(root)(module, name, target, rounds)
    prune.remove(module, name)


CASES = [
    right(checks.three_prunes, 840 - 420 // 2 + 10),
    wrong(checks.three_prunes, 840, says="half of the 420"),
    wrong(checks.three_prunes, 850, says="more than 840 cannot go"),
    wrong(checks.three_prunes, 630, says="ten more"),
    wrong(checks.three_prunes, 200, says="kept"),
    wrong(checks.three_prunes, 430, says="half of the 420"),
    wrong(checks.three_prunes, 651, says="10 is a count here"),
    wrong(checks.three_prunes, 525, says="do not share entries"),
    wrong(checks.three_prunes, 640 / 840, says="that is the fraction"),
    wrong(checks.three_prunes, 77, says="write down how many are left"),
    right(checks.prune_to, prune_to),
    right(checks.prune_to, by_torch),
    right(checks.prune_to, by_a_fraction),
    right(checks.prune_to, that_prunes_nothing_more_at_times),
    unanswered(checks.prune_to, nothing, says="prunes nothing yet"),
    wrong(checks.prune_to, of_the_rest, says="a fraction of all, not of the rest"),
    wrong(checks.prune_to, as_a_count_on_top, says="subtract those that are gone already"),
    wrong(checks.prune_to, without_looking, says="prunes a negative amount"),
    wrong(checks.prune_to, only_fresh, says="is pruned further"),
    wrong(checks.prune_to, only_a_mask, says="was this very parameter pruned"),
    wrong(checks.prune_to, that_asks_the_module, says="was this very parameter pruned"),
    wrong(checks.prune_to, with_a_tensor, says="int() makes it one"),
    wrong(checks.prune_to, counting_zeros, says="a kept value of zero is not pruned"),
    wrong(checks.prune_to, at_random, says="not the smallest"),
    wrong(checks.prune_to, that_starts_anew, says="are others now"),
    wrong(checks.prune_to, that_undoes, says="came back"),
    wrong(checks.prune_to, the_weight_alone, says="does it use `name`?"),
    wrong(checks.prune_to, both, says="it prunes 'bias' as well"),
    wrong(checks.prune_to, that_keeps_the_target, says="what goes, not what stays"),
    wrong(checks.prune_to, by_hand, says="there is no mask"),
    wrong(checks.prune_to, that_zeroes_the_originals, says="are others now"),
    wrong(checks.prune_to, 0.5, says="prune_to should be a function"),
    wrong(checks.prune_to, lambda module: None, says="raised TypeError"),
    right(checks.in_rounds, with_share(root)),
    right(checks.in_rounds, with_share(root, torch_prune)),
    wrong(checks.in_rounds, with_share(lambda t, r: t / r), says="taken of what is left"),
    wrong(checks.in_rounds, with_share(lambda t, r: t), says="the whole target in each round"),
    wrong(checks.in_rounds, with_share(lambda t, r: t ** (1 / r)), says="look at what stays"),
    wrong(checks.in_rounds, with_share(lambda t, r: 1 - t ** (1 / r)), says="not target"),
    wrong(checks.in_rounds, with_share(lambda t, r: (1 - t) ** (1 / r)), says="that share stays"),
    wrong(checks.in_rounds, with_share(lambda t, r: (1 - t) / r), says="not added up"),
    wrong(checks.in_rounds, with_share(lambda t, r: 1 - (1 - t) ** r), says="take the root"),
    wrong(checks.in_rounds, with_share(lambda t, r: 0.07), says="each round should take"),
    wrong(
        checks.in_rounds, with_share(root, technique="random_unstructured"), says="not the small"
    ),
    wrong(checks.in_rounds, at_once, says="it prunes once"),
    wrong(checks.in_rounds, by_counts, says="it prunes by counts"),
    wrong(checks.in_rounds, by_what_is_missing, says="different fractions"),
    wrong(checks.in_rounds, one_too_many, says="it prunes"),
    wrong(checks.in_rounds, that_removes, says="without a mask"),
    wrong(checks.in_rounds, nothing, says="without a mask"),
]
