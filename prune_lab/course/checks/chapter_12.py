"""Chapter 12, onto a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab.course.judging import Mistake, a, call, check, draw, must_be, untouched
from prune_lab.device.candidates import recorded

# Exercise 1


@check
def sparse_bytes(sparse_bytes: Any) -> str:
    """Exercise 1: what 1,000 of 10,000 float32 take, with a row and a column as int64 each."""
    must_be(
        sparse_bytes,
        20_000,
        {
            4_000: "these are the values alone; each has a row and a column too",
            40_000: "that is the full tensor; the zeros are not stored",
            12_000: "each weight has two places: its row and its column",
            16_000: "these are the places alone; the values take bytes too",
            200_000: "that would be for all 10,000; 90 % of them are not stored",
            180_000: "90 % are the zeros, and they are the ones that are not stored",
            20: "that is for one weight; how many are kept?",
            8_000: "these are the rows alone, or the columns",
            3_000: "three numbers for each weight; how many bytes does each take?",
            12: "that is for one weight, and with one place only",
            2_000: "is it 10 % of the weights? 10 % of 10,000 are 1,000",
        },
        otherwise="1,000 weights, and for each of them 4 bytes of value and two places of 8",
    )
    return "20,000 bytes, half of the full tensor, for a tenth of its weights."


# Exercise 2


@check
def cut(function: Callable[[nn.Linear, nn.Linear, list[int]], object]) -> str:
    """Exercise 2: two linear layers, of which some outputs of the first are cut out."""
    sizes = [(draw.randint(5, 8), draw.randint(9, 12), draw.randint(3, 4)) for _ in range(4)]
    for number, (reads, middle, gives) in enumerate(sizes):
        # The last stays and so does the first: neither `keep` nor the others are the first ones.
        keep = [0, middle - 1, *draw.sample(range(1, middle - 1), draw.randint(2, middle - 4))]
        while keep == sorted(keep):
            draw.shuffle(keep)
        layers = nn.Linear(reads, middle, bias=number != 2), nn.Linear(middle, gives)
        _judge_cut(function, *layers, sorted(keep) if number < 2 else keep)
    return "Two small layers, and what they compute is what the kept outputs gave."


def _judge_cut(
    function: Callable[[nn.Linear, nn.Linear, list[int]], object],
    first: nn.Linear,
    second: nn.Linear,
    keep: list[int],
) -> None:
    given = list(keep)
    with untouched(
        first, second, says="the two layers that were given have changed; make new ones"
    ):
        got = call(function, first, second, given, name="cut")
    if given != keep:
        raise Mistake("the list `keep` has changed; whoever gave it may need it again")
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise Mistake(f"cut should return two layers: return one, other; it returns {a(got)}")
    for layer, name in zip(got, ("first", "second"), strict=True):
        if not isinstance(layer, nn.Linear):
            raise Mistake(f"the {name} of the two should be an nn.Linear, and is {a(layer)}")
        if layer is first or layer is second:
            raise Mistake("make new layers, and leave those that were given")
    _judge_first(got[0], first, keep)
    _judge_second(got[1], second, keep)
    shared = {p.data_ptr() for layer in (first, second) for p in layer.parameters()}
    if any(p.data_ptr() in shared for layer in got for p in layer.parameters()):
        raise Mistake("the new layers share a tensor with the old ones; copy it")


def _judge_first(layer: nn.Linear, first: nn.Linear, keep: list[int]) -> None:
    weight = first.weight.detach()
    others = [row for row in range(len(weight)) if row not in keep]
    mistakes = {
        "as many outputs stay as should, but not those in `keep`": weight[: len(keep)],
        "the outputs in `keep` are gone, and the others are left": weight[others],
        "the outputs are not in the order of `keep`": weight[sorted(keep)],
    }
    _must_have(layer.weight, weight[keep], mistakes, "the first layer's weight")
    if (layer.out_features, layer.in_features) != tuple(layer.weight.shape):
        raise Mistake("the first layer says other sizes than its weight has")
    if first.bias is None:
        if layer.bias is not None:
            raise Mistake("the given first layer has no bias, so the new one should have none")
        return
    if layer.bias is None:
        raise Mistake("the first layer has lost its bias")
    says = {"the bias does not fit its rows: take first.bias[keep]": first.bias[: len(keep)]}
    _must_have(layer.bias, first.bias.detach()[keep], says, "the first layer's bias")


def _judge_second(layer: nn.Linear, second: nn.Linear, keep: list[int]) -> None:
    weight = second.weight.detach()
    mistakes = {
        "the second layer reads as many inputs as it should, but not those in `keep`": weight[
            :, : len(keep)
        ],
        "the second layer still reads all inputs: take its columns, second.weight[:, keep]": weight,
    }
    _must_have(layer.weight, weight[:, keep], mistakes, "the second layer's weight")
    if (layer.out_features, layer.in_features) != tuple(layer.weight.shape):
        raise Mistake("the second layer says other sizes than its weight has")
    if layer.bias is None:
        raise Mistake("the second layer has lost its bias; its outputs all stay")
    _must_have(layer.bias, second.bias.detach(), {}, "the second layer's bias")


def _must_have(got: Tensor, wanted: Tensor, mistakes: dict[str, Tensor], what: str) -> None:
    if got.shape == wanted.shape and torch.equal(got.detach(), wanted):
        return
    for says, mistake in mistakes.items():
        if got.shape == mistake.shape and torch.equal(got.detach(), mistake.detach()):
            raise Mistake(says)
    if got.shape != wanted.shape:
        shapes = f"{tuple(wanted.shape)}, and it is {tuple(got.shape)}"
        raise Mistake(f"{what} should have the shape {shapes}")
    raise Mistake(f"{what} has the right shape, but other numbers; are they copied?")


# Exercise 3


@check
def nearest(function: Callable[[Tensor, Tensor], object]) -> str:
    """Exercise 3: each entry becomes the nearest of a few values, and zeros stay."""
    for shape in ((4, 7), (3, 2, 5, 5), (9,)):
        weight = torch.randn(shape)
        weight[torch.rand(shape) < 0.4] = 0
        weight.view(-1)[:3] = torch.tensor([0.0, 0.9, -1.4])
        values = torch.tensor([-1.5, -0.4, 0.5, 1.0])[torch.randperm(4)]
        _judge_nearest(function, weight, values)
    return "Each weight is the nearest value, and what was pruned stays pruned."


def _judge_nearest(
    function: Callable[[Tensor, Tensor], object], weight: Tensor, values: Tensor
) -> None:
    with untouched(weight, values, says="what was given has changed; return a new tensor"):
        got = call(function, weight, values, name="nearest")
    if not isinstance(got, Tensor):
        raise Mistake(f"nearest should return a tensor, and yours returns {a(got)}")
    distances = (weight.flatten()[:, None] - values).abs()
    shared = values[distances.argmin(dim=1)].reshape(weight.shape)
    wanted = torch.where(weight == 0, 0.0, shared)
    if got.shape != weight.shape:
        shapes = f"{tuple(weight.shape)}, and it is {tuple(got.shape)}"
        raise Mistake(f"the result should have the shape {shapes}")
    if torch.equal(got, wanted):
        return
    if torch.equal(got, shared):
        raise Mistake("the zeros have become values: what was pruned must stay zero")
    if torch.equal(got, weight):
        raise Mistake("nothing is replaced")
    if not bool((got[weight == 0] == 0).all()):
        raise Mistake("an entry that was zero is another number now")
    if not bool(torch.isin(got[weight != 0], values).all()):
        raise Mistake("an entry is none of the values")
    raise Mistake("an entry is not the nearest of the values; compare absolute differences")


# Exercise 4


@check
def budget(with_50_000: Any, with_1_000: Any) -> str:
    """Exercise 4: the bytes of the models that the panel takes for two budgets."""
    for answer, most, what in (
        (with_50_000, 50_000, "with_50_000"),
        (with_1_000, 1_000, "with_1_000"),
    ):
        best = min(
            (one for one in recorded() if one.bytes <= most),
            key=lambda one: (-one.validation, one.bytes),
        )
        mistakes: dict[float, str] = {
            one.bytes: f"{one.name} meets the budget too, but another that does is more accurate"
            if one.bytes <= most
            else f"{one.name} has more than {most:,} bytes"
            for one in recorded()
            if one.bytes != best.bytes
        }
        mistakes |= {
            float(most): "that is the limit; how large is the file of the model that is taken?",
            best.bytes / 1000: "how many bytes are these?",
            round(100 * best.test, 2): "that is its accuracy; how many bytes has its file?",
            best.milliseconds: "that is its time; how many bytes has its file?",
        }
        must_be(
            answer,
            best.bytes,
            mistakes,
            what=what,
            otherwise=f"for {what}, move the file's slider to {most:,} and the other two to the "
            "right, and read the sentence below the picture",
        )
    return "Each budget has another answer, and none of them is the dense network."
