"""Chapter 8, structured and N:M."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab.course.judging import (
    Mistake,
    NotAnswered,
    a,
    call,
    check,
    draw,
    must_be,
    number,
)

_GONE = [0, 5]  # the input channels of conv2, trained with seed 3, of the smallest L1 norm


@check
def channels_gone(channels: Iterable[int]) -> str:
    """Exercise 1: the pruned input channels, read from a picture."""
    if isinstance(channels, (int, float)):
        raise Mistake("two channels are gone; write both into a list, such as [7, 8]")
    if isinstance(channels, (str, bytes)) or not isinstance(
        channels, (list, tuple, set, range, Tensor)
    ):
        raise Mistake(f"the answer should be a list of numbers, and yours is {a(channels)}")
    given = sorted(number(channel, "each channel") for channel in channels)
    if given == _GONE:
        return "The rows of the picture are the maps that conv2 reads: 0 and 5 are read no more."
    if given == [1, 2, 3, 4]:
        raise Mistake("these are the channels that are kept")
    if given == [1, 6]:
        raise Mistake("the first channel has the number 0, as the picture says")
    if len(given) == 16 or any(channel > 5 for channel in given):
        raise Mistake(
            "the columns of the picture are filters, dim 0; pruned were input channels, the rows"
        )
    if len(given) != 2:
        raise Mistake(f"two channels are gone, and your list has {len(given)}")
    raise Mistake("look for the rows of kernels that are hatched from end to end")


@check
def idle_weights(count: float) -> str:
    """Exercise 2: the weights of conv2 that read two silent filters of conv1."""
    must_be(
        count,
        800,
        {
            50: "these are the weights pruned in conv1; the question is about conv2",
            52: "these are what was pruned in conv1; the question is about conv2",
            400: "that is one of the two maps: 16 filters read it with 25 weights each",
            1600: "these are the weights that still have work; how many have none?",
            32: "that is how many kernels; each has 25 weights",
            300: "that is two of conv2's filters; all 16 read the two silent maps",
            0: "a silent filter's map is zero, and 16 filters of conv2 multiply it all the same",
            2400: "four of the six maps still say something",
        },
        otherwise="16 filters read each silent map with 5 × 5 weights, and two maps are silent",
    )
    return "A third of conv2 multiplies zeros, without a mask of its own."


@check
def silence(function: Callable[[nn.Module, int], Any]) -> str:
    """Exercise 3: outputs pruned together with their biases."""
    for layer, amount in list(_layers()):
        values = layer.weight.detach().clone(), layer.bias.detach().clone()
        order = values[0].flatten(1).norm(dim=1).argsort()
        call(function, layer, amount, nothing=True)
        _silenced(layer, amount, values, order)
    return "The weights of the weakest outputs are gone and their biases too: they say zero."


def _layers() -> list[tuple[Any, int]]:
    """Layers drawn anew, in which norms 1, 2 and inf choose different outputs; how many go."""
    count = draw.choice([9, 11, 12])  # of 10 may 5 go, and as many stay
    # More inputs than go: who takes dim=1 is told so, and not that the amount is too large.
    layers: list[Any] = [
        nn.Linear(draw.randint(6, 8), count),
        nn.Conv2d(6, count, 3),
        nn.Linear(count, count),
    ]
    drawn = []
    for layer in layers:
        amount = draw.randint(4, 5)
        with torch.no_grad():
            nn.init.normal_(layer.bias)
            rows = torch.full_like(layer.weight.flatten(1), 1e-3)
            rows[torch.arange(count), torch.randint(rows.shape[1], (count,))] = 1.0
            # Of the lengths 1, 2, 3 ..., the last to go and the first to stay are spread out.
            place = torch.randperm(count)
            rows[(place == amount - 1) | (place == amount)] = 1.0
            rows *= torch.where(torch.rand_like(rows) < 0.5, -1.0, 1.0)
            rows *= (place + 1.0).view(-1, 1) / rows.norm(dim=1, keepdim=True)
            layer.weight.copy_(rows.view_as(layer.weight))
        drawn.append((layer, amount))
    return drawn


def _silenced(layer: Any, amount: int, values: tuple[Tensor, Tensor], order: Tensor) -> None:
    mask, bias_mask = getattr(layer, "weight_mask", None), getattr(layer, "bias_mask", None)
    if mask is None:
        if torch.equal(layer.weight, values[0]):
            if bias_mask is not None:
                raise Mistake("the bias is pruned and the weight is not")
            raise NotAnswered("your function prunes nothing yet")
        raise Mistake("there is no weight_mask any more; prune, and do not remove")
    rows = mask.flatten(1)
    gone = (rows == 0).all(dim=1)
    wanted = torch.zeros(len(rows), dtype=torch.bool)
    wanted[order[:amount]] = True
    if ((rows == 0).any(dim=1) & ~gone).any():
        if (mask == 0).transpose(0, 1).flatten(1).all(dim=1).any():
            raise Mistake("inputs went; the outputs of a layer are dim=0")
        raise Mistake("outputs should go whole, and some have lost only a part; use ln_structured")
    if int(gone.sum()) != amount:
        if int(gone.sum()) == len(rows) - amount:
            raise Mistake(f"with amount={amount} it keeps {amount} outputs; that many should go")
        raise Mistake(f"with amount={amount} it prunes {int(gone.sum())} of {len(rows)} outputs")
    if not torch.equal(gone, wanted):
        raise Mistake("as many outputs go as should, but not those of the smallest L2 norm")
    if not torch.equal(layer.weight_orig.detach(), values[0]):
        raise Mistake("weight_orig has other values now; a mask is all that pruning needs")
    _bias_silenced(layer, bias_mask, gone, values[1])


def _bias_silenced(layer: Any, mask: Tensor | None, gone: Tensor, values: Tensor) -> None:
    if mask is None:
        changed = not torch.equal(layer.bias.detach(), values)
        raise Mistake(
            "the bias has zeros and no mask, so that training brings them back; use "
            "prune.custom_from_mask"
            if changed
            else "the weights went and the biases did not: these outputs say their bias"
        )
    if torch.equal(mask != 0, gone):
        raise Mistake("the mask of the bias is the wrong way round; 1 keeps an entry")
    if not torch.equal(mask == 0, gone):
        raise Mistake("the bias has lost other entries than the weight; take them from its mask")
    if not torch.equal(layer.bias_orig.detach(), values):
        raise Mistake("bias_orig has other values now; a mask is all that pruning needs")


@check
def mask_of_readers(function: Callable[[list[int]], Tensor]) -> str:
    """Exercise 4: the mask of fc1 for pruned filters of conv2, mended."""
    # The first has 25 rows of its number too: who masks rows in place of columns is told so.
    several = [draw.sample(range(1, 15), k) for k in (2, 5)]
    for gone in [[draw.randint(1, 4)], *several, [0, 15]]:
        mask = call(function, list(gone))
        reads = torch.arange(16).view(16, 1, 1).expand(16, 5, 5).flatten()
        wanted = (~torch.isin(reads, torch.tensor(gone))).float().expand(120, 400)
        _is_mask(mask, wanted, gone)
    return "Filter f is read by the columns 25 f to 25 f + 24, by all 120 outputs."


def _is_mask(mask: object, wanted: Tensor, gone: list[int]) -> None:
    if not isinstance(mask, Tensor):
        raise Mistake(f"the function should return a tensor, and it returns {a(mask)}")
    if tuple(mask.shape) != (120, 400):
        raise Mistake(f"the mask should have the shape (120, 400), and has {tuple(mask.shape)}")
    got = mask.detach().to(torch.float32)
    if torch.equal(got, wanted):
        return
    if not torch.isin(got, torch.tensor([0.0, 1.0])).all():
        raise Mistake("a mask has no other numbers than 0 and 1")
    if torch.equal(got, 1 - wanted):
        raise Mistake("it is the wrong way round: 0 where a pruned filter is read, 1 elsewhere")
    if not got.eq(got[0]).all():
        raise Mistake("all 120 outputs read a filter; 0 belongs in whole columns")
    columns = {int(column) for column in (got[0] == 0).nonzero()}
    needed = {int(column) for column in (wanted[0] == 0).nonzero()}
    told = f"for {gone if len(gone) < 3 else 'several filters'} "
    if columns == {c for c in range(400) if c % 16 in gone}:
        raise Mistake("every 16th column goes, as if the maps lay pixel by pixel; they do not")
    if len(gone) > 1 and columns < needed and len(columns) % 25 == 0 and columns:
        raise Mistake("it works for a single filter; of several only some are masked")
    if not columns:
        raise Mistake(told + "it masks no column")
    if columns < needed:
        raise Mistake(told + f"it masks {len(columns)} columns of {len(needed)}: a map has 25")
    if columns > needed:
        raise Mistake(told + "it masks columns that read a kept filter, too")
    raise Mistake(told + "it masks other columns than those that read them; map 1 begins at 25")
