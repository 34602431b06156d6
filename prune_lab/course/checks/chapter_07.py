"""Chapter 7, the whole network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from prune_lab import prune
from prune_lab.course.judging import Mistake, NotAnswered, a, call, check, draw, must_be

_LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")
Amounts = Mapping[type[nn.Module], float]


# Exercise 1


@check
def bars(loses_the_largest_share: str, has_most_left: str, has_fewest_left: str) -> str:
    """Exercise 1: what the two bar charts say of the layers after 90 % have gone as one."""
    _must_be_layer(
        loses_the_largest_share,
        "fc1",
        {
            "fc2": "fc2 comes second; look for the tallest bar on the left",
            "conv1": "conv1 has the shortest bar on the left: it loses the smallest share",
            "fc3": "three bars on the left are taller; look for the tallest",
            "conv2": "two bars on the left are taller; look for the tallest",
        },
        what="loses_the_largest_share",
    )
    _must_be_layer(
        has_most_left,
        "fc1",
        {
            "conv1": "conv1 keeps the largest share, of 150 weights; the right chart counts",
            "fc2": "fc2 comes second on the right",
            "fc3": "fc3 keeps a third of its weights, but it has only 840",
            "conv2": "conv2 keeps a larger share than fc1, but the right chart counts weights",
        },
        what="has_most_left",
    )
    _must_be_layer(
        has_fewest_left,
        "conv1",
        {
            "fc1": "fc1 loses the largest share, but 7 % of 48,000 weights are many",
            "fc3": "fc3 comes second; there is a shorter bar on the right",
            "fc2": "fc2 has more left than three others",
            "conv2": "two bars on the right are shorter",
        },
        what="has_fewest_left",
    )
    return "fc1 loses the largest share, and still has more weights than the others together."


def _must_be_layer(answer: object, right: str, mistakes: Mapping[str, str], *, what: str) -> None:
    if isinstance(answer, nn.Module):
        raise Mistake(f'{what} should be a name in quotes, such as "conv2", and not the layer')
    if not isinstance(answer, str):
        raise Mistake(f'{what} should be a name in quotes, such as "conv2", not {a(answer)}')
    name = answer.strip().lower().removeprefix("model.").removesuffix(".weight")
    if name not in _LAYERS:
        raise Mistake(f"{what} should be one of {', '.join(_LAYERS)}")
    if name != right:
        raise Mistake(mistakes[name])


# Exercise 2


@check
def prune_by_kind(function: Callable[[nn.Module, Amounts], object]) -> str:
    """Exercise 2: a function that prunes each layer by the amount that its kind has."""
    # Apart from one another, also pruned twice, or what stays in place of what goes.
    conv, linear = draw.choice([(0.15, 0.55), (0.15, 0.7), (0.3, 0.65), (0.35, 0.75)])
    cases: list[tuple[nn.Module, Amounts]] = [
        (_row(), {nn.Conv2d: conv, nn.Linear: linear}),
        (_nested(), {nn.Linear: conv, nn.Conv2d: linear}),
        (_nested(), {nn.Conv1d: linear}),
        (nn.Linear(draw.randint(9, 14), 6), {nn.Conv2d: conv, nn.Linear: linear}),
    ]
    for number, (model, amounts) in enumerate(cases):
        _judge_kinds(function, model, amounts, first=number == 0)
    return "Each layer by the amount of its kind, wherever it lies, and no other."


def _row() -> nn.Module:
    """A small network in a row, as in the chapter."""
    maps = draw.randint(4, 6)
    return nn.Sequential(
        nn.Conv2d(1, maps, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(maps * 9, 7),
        nn.Linear(7, 5),
    )


def _nested() -> nn.Module:
    """Layers inside layers, and of kinds that nobody names."""
    maps = draw.randint(4, 6)
    block = nn.Sequential(nn.Conv2d(2, maps, 3), nn.BatchNorm2d(maps), nn.Conv2d(maps, 3, 3))
    tail = nn.Sequential(nn.Conv1d(3, 5, 4), nn.Sequential(nn.Linear(8, 9), nn.LayerNorm(9)))
    return nn.ModuleDict({"block": block, "tail": tail, "last": nn.Linear(9, 4)})


def _judge_kinds(
    function: Callable[[nn.Module, Amounts], object],
    model: nn.Module,
    amounts: Amounts,
    *,
    first: bool,
) -> None:
    wanted = copy.deepcopy(model)
    for module in wanted.modules():
        for kind, amount in amounts.items():
            if isinstance(module, kind):
                prune.l1_unstructured(module, "weight", amount=amount)
    before = copy.deepcopy(model)
    given = dict(amounts)
    got = call(function, model, given, name="prune_by_kind", nothing=True)
    if given != amounts:
        raise Mistake("the function changes `amounts`; whoever gave it may need it again")

    pruned = {n.removesuffix("_mask") for n, _ in model.named_buffers() if n.endswith("_mask")}
    if not pruned and isinstance(got, nn.Module) and got is not model:
        raise Mistake("prune the model that was given, and not a copy of it")
    if not pruned:
        _nothing_pruned(model, before, amounts, first=first)
    _judge_places(model, wanted, pruned)
    _judge_counts(model, wanted, amounts)
    for path, module in wanted.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not torch.equal(parameter, model.get_submodule(path).get_parameter(name)):
                raise Mistake(
                    f"{_full(path, name).removesuffix('_orig')} has other values afterwards; "
                    "prune, and change nothing else"
                )


def _nothing_pruned(model: nn.Module, before: nn.Module, amounts: Amounts, *, first: bool) -> None:
    zeros = any(bool((p == 0).any()) for n, p in model.named_parameters() if "norm" not in n)
    had = any(bool((p == 0).any()) for n, p in before.named_parameters() if "norm" not in n)
    if zeros and not had:
        raise Mistake("there are zeros and no masks; call prune.l1_unstructured, and leave it so")
    if first:
        raise NotAnswered("prune_by_kind leaves everything as it was")
    if isinstance(model, nn.Linear):
        raise Mistake("nothing is pruned when the model is a single layer; model.modules() has it")
    kinds = " and ".join(kind.__name__ for kind in amounts)
    raise Mistake(f"nothing is pruned in a model whose {kinds} layers lie inside other modules")


def _judge_places(model: nn.Module, wanted: nn.Module, pruned: set[str]) -> None:
    """Judge which parameters are pruned."""
    asked = {n.removesuffix("_mask") for n, _ in wanted.named_buffers() if n.endswith("_mask")}
    for name in sorted(pruned - asked):
        path, _, parameter = name.rpartition(".")
        kind = type(model.get_submodule(path)).__name__
        if parameter != "weight":
            raise Mistake(f"{name} is pruned too; only the weight should be")
        raise Mistake(f"{name} is pruned, but it belongs to a {kind}, and `amounts` has none")
    if missing := sorted(asked - pruned, key=lambda name: name.count(".")):
        inside = missing[0].count(".") > 1
        raise Mistake(
            f"{missing[0]} should be pruned, and is not"
            + ("; layers can lie inside other modules" if inside else "")
        )


def _judge_counts(model: nn.Module, wanted: nn.Module, amounts: Amounts) -> None:
    """Judge how many weights went from each layer, and which."""
    masks = {
        path: (model.get_submodule(path).get_buffer("weight_mask"), module)
        for path, module in wanted.named_modules()
        if "weight_mask" in dict(module.named_buffers(recurse=False))
    }
    got = {path: int((mask == 0).sum()) for path, (mask, _) in masks.items()}
    right = {path: int((m.get_buffer("weight_mask") == 0).sum()) for path, (_, m) in masks.items()}
    for path, (mask, module) in masks.items():
        if got[path] == right[path]:
            continue
        if abs(sum(got.values()) - sum(right.values())) < len(masks):  # each is rounded by itself
            raise Mistake(
                "in all as many are pruned as should be, but not in each layer; each loses its "
                "own amount, and not a share of one heap"
            )
        raise Mistake(_why_count(path, got[path], right[path], mask.numel(), module, amounts))
    for path, (mask, module) in masks.items():
        if not torch.equal(mask.bool(), module.get_buffer("weight_mask").bool()):
            raise Mistake(
                f"{_full(path, 'weight')} loses as many weights as it should, but not the "
                "smallest absolute values"
            )


def _why_count(
    path: str, got: int, right: int, size: int, module: nn.Module, amounts: Amounts
) -> str:
    """Say what may have led to another number of pruned weights."""
    kind = type(module).__name__
    amount = next(amount for of, amount in amounts.items() if isinstance(module, of))
    head = f"{right} of {size} weights of a {kind} should go at {amount:.0%}, and {got} did"
    likely = {size - right: "`amounts` says what goes, not what stays"}
    for of, other in amounts.items():
        if not isinstance(module, of):
            likely[round(other * size)] = f"that is the amount for {of.__name__}"
    likely[right + round(amount * (size - right))] = "is it pruned twice?"
    for fixed in (0.2, 0.4):
        likely[round(fixed * size)] = f"that is {fixed:.0%}; take the amount from `amounts`"
    why = f": {likely[got]}" if got in likely else ""
    return head + why


def _full(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# Exercise 3


@check
def one_heap(from_small: Any, from_large: Any) -> str:
    """Exercise 3: 50 % of 100 small and 300 large weights, pruned as one."""
    must_be(
        from_small,
        100,
        {
            50: "that is half of `small`; as one, the smallest of the whole heap go first",
            0: "L1 takes the smallest first",
            200: "200 go in all, and `small` has only 100 weights",
            25: "that is a quarter; all weights of `small` come before those of `large`",
            1.0: "how many weights are these?",
            0.5: "how many weights are these?",
        },
        what="from_small",
        otherwise="200 of the 400 go; every weight of `small` comes before every one of `large`",
    )
    must_be(
        from_large,
        100,
        {
            150: "that is half of `large`; but the heap loses 200 in all, and `small` gives 100",
            0: "50 % of 400 are 200, and `small` has only 100 of them",
            200: "200 go in all, and 100 of them are from `small`",
            50: "200 go in all; what is left when `small` has given its 100?",
            300: "then everything would be gone; 200 of the 400 go",
            1 / 3: "that is the fraction of `large`; how many weights is it?",
            0.5: "how many weights are these?",
        },
        what="from_large",
        otherwise="200 of the 400 go; how many are left to take when `small` is gone?",
    )
    return "The whole of small, and a third of large: 200 of 400."
