"""Chapter 5, prune again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.course.judging import Mistake, NotAnswered, call, check, draw, must_be

Function = Callable[..., Any]


def _mask(module: nn.Module, name: str) -> Tensor:
    """The mask of a parameter, ones where it was never pruned."""
    if f"{name}_mask" in module._buffers:
        return module.get_buffer(f"{name}_mask").clone()
    return torch.ones_like(module.get_parameter(name))


def _gone(mask: Tensor) -> int:
    return int((mask == 0).sum())


@check
def three_prunes(count: float) -> str:
    """Exercise 1: 50 % and 50 % of 840 entries, and then ten more."""
    must_be(
        count,
        640,
        {
            840: "the second half is half of the 420 that are left",
            850: "the second half is half of the 420 that are left, and more than 840 cannot go",
            630: "these are the first two; amount=10 prunes ten more",
            430: "the second prune takes half of the 420 that are left",
            200: "that is how many are kept; the question is how many are pruned",
            210: "that is what the second prune takes; add up all three",
            651: "10 is a count here; 10 % of the 210 that are left would be 0.1",
            525: "L1 and random do not share entries: random takes its half of what L1 has left",
            0.762: "that is the fraction; how many of the 840 is it?",
            76: "that is the percentage; how many of the 840 is it?",
            10: "that is the last prune alone; what the first two took stays pruned",
        },
        otherwise="write down how many are left after each prune, and take the next from those",
    )
    return "420, then 210 of the 420 that are left, and 10 more."


@check
def prune_to(function: Function) -> str:
    """Exercise 2: a function that prunes to a fraction of all entries."""
    for module, name, target in list(_to_prune()):
        other = "bias" if name == "weight" else "weight"
        mask, beside = _mask(module, name), _mask(module, other)
        size = mask.numel()
        wanted, before = round(target * size), _gone(mask)
        told = f"of {size} entries {before} are pruned before and {wanted} should be in the end"
        values = _values(module)
        try:
            call(function, module, name, target, name="prune_to", nothing=True)
        except Mistake as mistake:
            raise _explained(str(mistake), f"of {size} entries {before} are gone already") from None
        if not torch.equal(_mask(module, other), beside):
            if torch.equal(_mask(module, name), mask) and before < wanted:
                raise Mistake(f"asked for '{name}', it prunes '{other}'; does it use `name`?")
            raise Mistake(f"asked for '{name}', it prunes '{other}' as well")
        _judge_pruned_to(module, name, mask, wanted, told)
        if any(not torch.equal(a, b) for a, b in zip(values, _values(module), strict=True)):
            raise Mistake("some values behind the mask are others now; prune, and change nothing")
    return "Never too few, never too many, and what was gone before counts."


def _explained(said: str, told: str) -> Mistake:
    """Say in the exercise's words what the engine refused."""
    if "amount=-" in said:
        return Mistake(
            f"{told}, more than the target asks for: nothing should happen, and prune_to prunes a "
            "negative amount"
        )
    if "Invalid type for amount" in said:
        return Mistake("the amount is no Python number, perhaps a tensor; int() makes it one")
    if "_mask'" in said and "no attribute" in said:
        return Mistake(f"{said}; was this very parameter pruned before, or another one, or none?")
    return Mistake(said)


def _values(module: nn.Module) -> list[Tensor]:
    """The original values, by parameter, pruned or not."""
    named = {name.removesuffix("_orig"): p for name, p in module.named_parameters()}
    return [named[name].detach().clone() for name in ("weight", "bias") if name in named]


def _to_prune() -> Iterator[tuple[nn.Module, str, float]]:
    """Modules drawn anew: never pruned, pruned before, pruned too much; with a kept zero."""
    for earlier, target in [((), 0.4), ((0.3,), 0.6), ((0.3, 0.2), 0.7), ((0.8,), 0.5)]:
        for name in ["weight", "bias"]:
            rows = 10 * draw.randint(2, 4)
            module = nn.Linear(draw.randint(3, 6), rows)
            nn.init.normal_(module.bias)
            module.register_forward_pre_hook(_somebody_elses)
            if earlier != (0.3,):  # the other parameter has a mask of its own
                prune.random_unstructured(module, "bias" if name == "weight" else "weight", 0.2)
            for amount in earlier:
                prune.random_unstructured(module, name, amount=amount)
            if earlier:
                orig = module.get_parameter(f"{name}_orig")
                kept = (module.get_buffer(f"{name}_mask") == 1).flatten().nonzero()
                with torch.no_grad():  # a value of zero that is not pruned
                    orig.view(-1)[kept[0]] = 0
                prune.custom_from_mask(module, name, torch.ones_like(orig))  # and it is seen
            yield module, name, target


def _somebody_elses(module: nn.Module, inputs: object) -> None:
    pass


def _judge_pruned_to(module: nn.Module, name: str, before: Tensor, wanted: int, told: str) -> None:
    if f"{name}_mask" not in module._buffers:
        if _gone(before):
            raise Mistake(f"'{name}' has lost its mask; prune on top, without remove or undo")
        if (module.get_parameter(name) == 0).any():
            raise Mistake("it sets values to zero, and there is no mask; let the engine prune")
        raise NotAnswered("prune_to prunes nothing yet")
    after = _mask(module, name)
    gone, already, size = _gone(after), _gone(before), before.numel()
    if (after[before == 0] != 0).any():
        raise Mistake("entries that were pruned before came back; what is pruned stays pruned")
    if already >= wanted:
        if gone != already:
            raise Mistake(
                f"of {size} entries {already} are gone already and the target is {wanted}: nothing "
                f"should happen, and now {gone} are gone"
            )
        return
    if gone == already + round(wanted / size * (size - already)) and gone != wanted:
        raise Mistake(f"{told}, and {gone} are: the target is a fraction of all, not of the rest")
    if gone == already + wanted and already:
        raise Mistake(f"{told}, and {gone} are: subtract those that are gone already")
    if gone == already and already:
        raise Mistake(f"{told}, and {gone} are: a layer that was pruned before is pruned further")
    if gone == size - wanted:
        raise Mistake(f"{told}, and {gone} are: the target says what goes, not what stays")
    if gone == wanted - 1 and already:
        raise Mistake(f"{told}, and {gone} are: a kept value of zero is not pruned; ask the mask")
    if gone != wanted:
        raise Mistake(f"{told}, and {gone} are")
    size_of = module.get_parameter(f"{name}_orig").detach().abs()
    new = (before == 1) & (after == 0)
    if size_of[new].max() > size_of[after == 1].min():
        raise Mistake("the number is right, but not the smallest of those that were left went")


@check
def in_rounds(function: Function) -> str:
    """Exercise 3: several rounds of one fraction, that end at the target."""
    cases = [(0.9, 3), (draw.choice([0.6, 0.7]), 2), (0.8, draw.randint(3, 5))]
    cases += [(draw.choice([0.25, 0.75]), 1)]
    modules = [nn.Linear(draw.randint(40, 60), 50) for _ in cases]
    for module, (target, rounds) in zip(modules, cases, strict=True):
        call(function, module, "weight", target, rounds, name="in_rounds", nothing=True)
        amounts = _amounts(module)
        told = f"for {target:.0%} in {rounds} round{'s' * (rounds != 1)}"
        if len(amounts) != rounds:
            times = "once" if len(amounts) == 1 else f"{len(amounts)} times"
            raise Mistake(f"{told} it prunes {times}")
        if any(isinstance(amount, int) for amount in amounts):
            raise Mistake("it prunes by counts; each round should take the same fraction")
        if max(amounts) - min(amounts) > 1e-6:
            raise Mistake(f"{told} it takes different fractions; each round should take the same")
        _judge_share(amounts[0], target, rounds, told)
        after = _gone(_mask(module, "weight"))
        if abs(after - target * module.weight.numel()) > rounds:
            raise Mistake(f"{told} the fraction is right, and {after} entries are pruned; why?")
        mask, size = _mask(module, "weight"), module.get_parameter("weight_orig").detach().abs()
        if size[mask == 0].max() > size[mask == 1].min():
            raise Mistake("the right number goes, but not the smallest; keep l1_unstructured")
    return "What stays is multiplied in each round, and ends at 1 − target."


def _amounts(module: nn.Module) -> list[Any]:
    """The amounts of all prunes of a weight, in their order."""
    hooks: list[Any] = list(module._forward_pre_hooks.values())
    for hook in hooks:
        if getattr(hook, "_tensor_name", None) == "weight":
            methods = list(hook) if hasattr(hook, "__len__") else [hook]
            return [getattr(method, "amount", None) for method in methods]
    raise Mistake("in_rounds leaves module.weight without a mask; the rounds should prune it")


def _judge_share(share: object, target: float, rounds: int, told: str) -> None:
    right = 1 - (1 - target) ** (1 / rounds)
    if not isinstance(share, float):
        raise Mistake(f"{told} the fraction should be a float, and yours is {share!s:.20}")
    if math.isclose(share, right, rel_tol=1e-4):
        return
    ends_at = 1 - (1 - share) ** rounds
    likely = {
        target / rounds: "from the second round on, a fraction is taken of what is left",
        target: "that is the whole target in each round",
        target ** (1 / rounds): "what goes does not multiply; look at what stays",
        1 - target ** (1 / rounds): "1 − target should stay in the end, not target",
        (1 - target) ** (1 / rounds): "that share stays in each round; what goes is the rest of 1",
        (1 - target) / rounds: "what stays is multiplied from round to round, not added up",
        1 - (1 - target) / rounds: "what stays is multiplied from round to round, not added up",
        1 - (1 - target) ** rounds: "take the root, ** (1 / rounds), and not the power",
    }
    for wrong, mistake in likely.items():
        if math.isclose(share, wrong, rel_tol=1e-4):
            raise Mistake(f"{told} it ends at {ends_at:.0%}: {mistake}")
    raise Mistake(f"{told} each round should take {right:.1%}, and yours takes {share:.1%}")
