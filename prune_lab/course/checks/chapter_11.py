"""Chapter 11, lottery tickets."""

from __future__ import annotations

import copy
import statistics
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.course.judging import (
    Mistake,
    call,
    check,
    draw,
    must_be,
    must_be_module,
    untouched,
)
from prune_lab.experiments.records import stored

# Exercise 1


@check
def rewound(a: float, b: float, c: float) -> str:
    """Exercise 1: what a layer computes with after training, pruning the smallest, rewinding."""
    must_be(
        a,
        0,
        {
            0.50: "that is in weight_orig again, but the mask stays: what does it make of it?",
            0.02: "that is where training led; a is the smallest then, so it is pruned",
            -0.48: "rewinding puts the first weight back, it subtracts nothing",
        },
        what="a",
        otherwise="a is the smallest after training, so its mask is 0, and rewinding leaves masks",
    )
    must_be(
        b,
        -0.10,
        {
            -0.90: "that is where training led; rewinding gives the first weight back",
            0.10: "the first weight, with its sign",
            0: "b is the largest after training, so it is kept",
            0.80: "rewinding puts the first weight back, it subtracts nothing",
        },
        what="b",
        otherwise="b is kept, and rewinding gives kept weights the values that they began with",
    )
    must_be(
        c,
        0.03,
        {
            0.40: "that is where training led; rewinding gives the first weight back",
            0: "c was the smallest at first, but what goes is the smallest after training",
            0.37: "rewinding puts the first weight back, it subtracts nothing",
        },
        what="c",
        otherwise="c is kept, and rewinding gives kept weights the values that they began with",
    )
    return "The mask is the end's, the weights are the beginning's."


# Exercise 2


@check
def control(function: Callable[[nn.Module, nn.Module], nn.Module]) -> str:
    """Exercise 2: the ticket's first weights under masks that are shuffled in each layer."""
    for make in (_row, _nested):
        start = make()
        _judge_control(function, _ticket(start), start)
    return "The same weights, as many of them in each layer, at other places."


def _row() -> nn.Module:
    return nn.Sequential(nn.Linear(draw.randint(9, 12), 8), nn.ReLU(), nn.Linear(8, 7))


def _nested() -> nn.Module:
    """Layers inside layers; the last is not pruned."""
    maps = draw.randint(4, 6)
    block = nn.Sequential(nn.Conv2d(2, maps, 3), nn.BatchNorm2d(maps))
    return nn.ModuleDict({"block": block, "head": nn.Linear(11, 9), "last": nn.Linear(6, 6)})


def _ticket(start: nn.Module) -> nn.Module:
    """The network with masks, and weights that training has moved.

    So much goes that nobody keeps by luck as many weights as are to be pruned.
    """
    ticket = copy.deepcopy(start)
    for name, layer in ticket.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and name != "last":
            prune.random_unstructured(layer, "weight", amount=draw.uniform(0.65, 0.8))
            with torch.no_grad():
                layer.get_parameter("weight_orig").add_(torch.randn(layer.weight.shape))
    return ticket


def _masks(model: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.bool() for name, buffer in model.named_buffers() if name.endswith("_mask")}


def _judge_control(function: Any, ticket: nn.Module, start: nn.Module) -> None:
    wanted, first = _masks(ticket), dict(start.named_parameters())
    with (
        untouched(start, says="`start` is changed; work on copy.deepcopy(start)"),
        untouched(ticket, says="the ticket is changed; it is still needed"),
    ):
        got = must_be_module(call(function, ticket, start, name="control"), "what control returns")
    if got is start or got is ticket:
        raise Mistake("return a network of its own, and not the one that was given")
    masks = _masks(got)
    if not masks:
        raise Mistake("what it returns has no masks; prune.custom_from_mask puts one on")
    if missing := sorted(set(wanted) - set(masks)):
        raise Mistake(f"{missing[0]} is missing; every layer that the ticket prunes needs a mask")
    if more := sorted(set(masks) - set(wanted)):
        raise Mistake(f"{more[0]} is too much: the ticket prunes nothing there")
    _judge_masks(wanted, masks)
    for name, parameter in got.named_parameters():
        if torch.equal(parameter, first[name.removesuffix("_orig")]):
            continue
        trained = dict(ticket.named_parameters()).get(name)
        if trained is not None and torch.equal(parameter, trained):
            raise Mistake(
                f"{name} is the trained ticket's; the control begins with start's weights"
            )
        if name.endswith("_orig") and (parameter == 0).any():
            raise Mistake(f"{name} holds zeros; the weights are start's, and the mask makes zeros")
        raise Mistake(f"{name} is not what it is in `start`; only the masks should differ")


def _judge_masks(wanted: dict[str, Tensor], masks: dict[str, Tensor]) -> None:
    for name, mask in wanted.items():
        other = masks[name]
        if other.shape != mask.shape:
            raise Mistake(f"{name} has the shape {tuple(other.shape)}, and not {tuple(mask.shape)}")
        kept, right = int(other.sum()), int(mask.sum())
        if kept == mask.numel() - right != right:
            raise Mistake(f"{name} keeps what it should prune: 1 keeps, 0 prunes")
        if kept != right:
            raise Mistake(f"{name} keeps {kept} weights, and the ticket keeps {right} there")
        if torch.equal(other, mask):
            raise Mistake(f"{name} is the ticket's own; its entries should be shuffled")
        for dim, what in ((0, "rows"), (1, "columns")):
            if _same_lines(mask, other, dim):
                raise Mistake(f"{name} has whole {what} shuffled; shuffle the single entries")


def _same_lines(mask: Tensor, other: Tensor, dim: int) -> bool:
    """Whether one is the other with its rows (dim 0) or columns (dim 1) in another order."""
    lines, others = (
        sorted(line.flatten().tolist() for line in m.unbind(dim)) for m in (mask, other)
    )
    return lines == others


# Exercise 3

_VERDICTS = ("a difference", "no telling")


def _read(name: str) -> list[int]:
    """Test digits, of 360, that were read with 2.8 % of the weights after all steps, by seed."""
    return [round(360 * record.result["test"][name][8][-1]) for record in stored("tickets")]


@check
def judged(ahead: int, mean_lead: float, verdict: str) -> str:
    """Exercise 3: the ticket against a new start, in the table of five seeds."""
    ticket, anew = _read("ticket"), _read("new start")
    leads = [one - other for one, other in zip(ticket, anew, strict=True)]
    right = sum(lead > 0 for lead in leads)
    must_be(
        ahead,
        right,
        {
            sum(lead < 0 for lead in leads): "that counts where the new start reads more",
            sum(lead >= 0 for lead in leads): "where both read as many, the ticket is not ahead",
            0: "compare the two numbers under each seed",
        },
        what="ahead",
        otherwise="count the seeds under which the ticket's number is the larger one",
    )
    mean = sum(leads) / len(leads)
    must_be(
        mean_lead,
        mean,
        {
            sum(leads): "that is the sum of the leads; the mean is a fifth of it",
            -mean: "the sign: subtract the new start's number from the ticket's",
            mean / 3.6: "that is in points; how many digits are it?",
            mean / 360: "that is an accuracy; how many digits are it?",
            float(max(leads)): "that is the largest lead; take the mean of all five",
            sum(ticket) / 5: "that is the ticket's mean; how far is it ahead?",
        },
        what="mean_lead",
        otherwise="subtract seed by seed, add the five leads up, and divide by 5",
    )
    if not isinstance(verdict, str) or verdict not in _VERDICTS:
        raise Mistake(f'verdict should be "{_VERDICTS[0]}" or "{_VERDICTS[1]}"')
    error = statistics.stdev(leads) / len(leads) ** 0.5
    if verdict != _VERDICTS[abs(mean) <= 2.8 * error]:
        raise Mistake(
            f"the standard error of these leads is {error:.2f}; is {mean:g} more than 2.8 of it?"
        )
    return f"{mean:g} digits, and a standard error of {error:.2f}."
