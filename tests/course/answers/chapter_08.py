from __future__ import annotations

from typing import Any

import torch
import torch.nn.utils.prune as torch_prune
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.course.checks import chapter_08 as checks
from tests.course.cases import right, unanswered, wrong


def silenced(layer: Any, amount: int, engine: Any = prune, n: float = 2, dim: int = 0) -> None:
    engine.ln_structured(layer, "weight", amount=amount, n=n, dim=dim)
    kept = layer.weight_mask.flatten(1).any(dim=1)
    engine.custom_from_mask(layer, "bias", mask=kept)


def by_hand(layer: Any, amount: int) -> None:
    norms = layer.weight.detach().flatten(1).norm(dim=1)
    weight_mask, bias_mask = torch.ones_like(layer.weight), torch.ones_like(layer.bias)
    weight_mask[norms.argsort()[:amount]] = 0
    bias_mask[norms.argsort()[:amount]] = 0
    prune.custom_from_mask(layer, "weight", weight_mask)
    prune.custom_from_mask(layer, "bias", bias_mask)


def weight_alone(layer: Any, amount: int) -> None:
    prune.ln_structured(layer, "weight", amount=amount, n=2, dim=0)


def bias_alone(layer: Any, amount: int) -> None:
    prune.l1_unstructured(layer, "bias", amount=amount)


def smallest_biases(layer: Any, amount: int) -> None:
    prune.ln_structured(layer, "weight", amount=amount, n=2, dim=0)
    prune.l1_unstructured(layer, "bias", amount=amount)


def wrong_way_round(layer: Any, amount: int) -> None:
    prune.ln_structured(layer, "weight", amount=amount, n=2, dim=0)
    prune.custom_from_mask(layer, "bias", layer.weight_mask.flatten(1).sum(1) == 0)


def bias_zeroed(layer: Any, amount: int) -> None:
    prune.ln_structured(layer, "weight", amount=amount, n=2, dim=0)
    layer.bias.data[~layer.weight_mask.flatten(1).any(1)] = 0


def removed(layer: Any, amount: int) -> None:
    silenced(layer, amount)
    prune.remove(layer, "weight")
    prune.remove(layer, "bias")


def single_weights(layer: Any, amount: int) -> None:
    prune.l1_unstructured(layer, "weight", amount=amount * layer.weight[0].numel())


def at_random(layer: Any, amount: int) -> None:
    prune.random_structured(layer, "weight", amount=amount, dim=0)
    prune.custom_from_mask(layer, "bias", layer.weight_mask.flatten(1).any(1))


def the_strongest(layer: Any, amount: int) -> None:
    mask = torch.ones_like(layer.weight)
    mask[layer.weight.detach().flatten(1).norm(dim=1).argsort(descending=True)[:amount]] = 0
    prune.custom_from_mask(layer, "weight", mask)
    prune.custom_from_mask(layer, "bias", mask.flatten(1)[:, 0])


def keeps_amount(layer: Any, amount: int) -> None:
    silenced(layer, len(layer.weight) - amount)


def for_linear_only(layer: Any, amount: int) -> None:
    prune.ln_structured(layer, "weight", amount=amount, n=2, dim=0)
    prune.custom_from_mask(layer, "bias", layer.weight_mask.any(dim=1))


def always_three(layer: Any, amount: int) -> None:
    silenced(layer, 2)


def values_changed(layer: Any, amount: int) -> None:
    silenced(layer, amount)
    layer.weight_orig.data.mul_(layer.weight_mask)


def bias_changed(layer: Any, amount: int) -> None:
    silenced(layer, amount)
    layer.bias_orig.data.mul_(layer.bias_mask)


def of_columns(filters: list[int], first: int = 0, width: int = 25) -> Tensor:
    mask = torch.ones(120, 400)
    for f in filters:
        mask[:, 25 * f + first : 25 * f + first + width] = 0
    return mask


def pixel_by_pixel(filters: list[int]) -> Tensor:
    mask = torch.ones(120, 400)
    for f in filters:
        mask[:, f::16] = 0
    return mask


def anew_each_time(filters: list[int]) -> Tensor:
    for f in filters:
        mask = torch.ones(120, 400)
        mask[:, 25 * f : 25 * f + 25] = 0
    return mask


def of_rows(filters: list[int]) -> Tensor:
    mask = torch.ones(120, 400)
    for f in filters:
        mask[25 * f : 25 * f + 25] = 0
    return mask


def one_row(filters: list[int]) -> Tensor:
    return of_columns(filters)[0]


def in_words(filters: list[int]) -> Any:
    return of_columns(filters).tolist()


def by_module(filters: list[int]) -> Tensor:
    conv2 = nn.Conv2d(6, 16, 5)
    kept = torch.ones(16, dtype=torch.bool)
    kept[filters] = False
    assert len(conv2.weight) == 16
    return kept.repeat_interleave(25).expand(120, 400)


CASES = [
    right(checks.channels_gone, [0, 5]),
    right(checks.channels_gone, (5, 0)),
    right(checks.channels_gone, {0, 5}),
    right(checks.channels_gone, torch.tensor([0, 5])),
    wrong(checks.channels_gone, [1, 2, 3, 4], says="that are kept"),
    wrong(checks.channels_gone, [1, 6], says="the first channel has the number 0"),
    wrong(checks.channels_gone, list(range(16)), says="columns of the picture are filters"),
    wrong(checks.channels_gone, [7, 11], says="columns of the picture are filters"),
    wrong(checks.channels_gone, [0], says="your list has 1"),
    wrong(checks.channels_gone, [0, 1, 5], says="your list has 3"),
    wrong(checks.channels_gone, [2, 3], says="hatched from end to end"),
    wrong(checks.channels_gone, 2, says="write both into a list"),
    wrong(checks.channels_gone, "0 and 5", says="should be a list of numbers"),
    wrong(checks.channels_gone, ["0", "5"], says="without quotes"),
    right(checks.idle_weights, 800),
    right(checks.idle_weights, 2 * 16 * 25.0),
    wrong(checks.idle_weights, 50, says="the question is about conv2"),
    wrong(checks.idle_weights, 52, says="the question is about conv2"),
    wrong(checks.idle_weights, 400, says="one of the two maps"),
    wrong(checks.idle_weights, 1600, says="still have work"),
    wrong(checks.idle_weights, 32, says="each has 25 weights"),
    wrong(checks.idle_weights, 300, says="all 16 read the two silent maps"),
    wrong(checks.idle_weights, 0, says="multiply it all the same"),
    wrong(checks.idle_weights, 2400, says="four of the six maps"),
    wrong(checks.idle_weights, 7, says="two maps are silent"),
    right(checks.silence, silenced),
    right(checks.silence, lambda layer, amount: silenced(layer, amount, torch_prune)),
    right(checks.silence, by_hand),
    unanswered(checks.silence, lambda layer, amount: None, says="prunes nothing yet"),
    unanswered(checks.silence, lambda layer, amount: ..., says="still gives the ... back"),
    wrong(checks.silence, weight_alone, says="these outputs say their bias"),
    wrong(checks.silence, bias_alone, says="the bias is pruned and the weight is not"),
    wrong(checks.silence, smallest_biases, says="other entries than the weight"),
    wrong(checks.silence, wrong_way_round, says="the wrong way round"),
    wrong(checks.silence, bias_zeroed, says="training brings them back"),
    wrong(checks.silence, removed, says="do not remove"),
    wrong(checks.silence, single_weights, says="outputs should go whole"),
    wrong(checks.silence, at_random, says="not those of the smallest L2 norm"),
    wrong(checks.silence, the_strongest, says="not those of the smallest L2 norm"),
    wrong(checks.silence, keeps_amount, says="that many should go"),
    wrong(checks.silence, for_linear_only, says="your function raised"),
    wrong(checks.silence, always_three, says="it prunes 2 of"),
    wrong(checks.silence, values_changed, says="weight_orig has other values"),
    wrong(checks.silence, bias_changed, says="bias_orig has other values"),
    wrong(
        checks.silence,
        lambda layer, amount: prune.ln_structured(layer, "weight", amount=1, n=2, dim=1),
        says="inputs went",
    ),
    wrong(
        checks.silence,
        lambda layer, amount: silenced(layer, amount, dim=1),
        says="inputs went; the outputs of a layer are dim=0",
    ),
    *(
        wrong(
            checks.silence,
            lambda layer, amount, n=n: silenced(layer, amount, n=n),
            says="not those of the smallest L2 norm",
        )
        for n in (1, float("inf"), float("-inf"))
    ),
    wrong(checks.silence, lambda layer: None, says="your function raised TypeError"),
    wrong(checks.silence, 3, says="should be a function"),
    right(checks.mask_of_readers, of_columns),
    right(checks.mask_of_readers, by_module),
    wrong(checks.mask_of_readers, pixel_by_pixel, says="every 16th column"),
    wrong(checks.mask_of_readers, lambda f: 1 - of_columns(f), says="wrong way round"),
    wrong(checks.mask_of_readers, lambda f: of_columns(f, width=24), says="a map has 25"),
    wrong(checks.mask_of_readers, lambda f: of_columns(f, width=1), says="a map has 25"),
    wrong(checks.mask_of_readers, lambda f: of_columns(f, width=26), says="read a kept filter"),
    wrong(checks.mask_of_readers, lambda f: of_columns(f, first=-25), says="map 1 begins at 25"),
    wrong(checks.mask_of_readers, anew_each_time, says="works for a single filter"),
    wrong(checks.mask_of_readers, of_rows, says="0 belongs in whole columns"),
    wrong(checks.mask_of_readers, one_row, says="should have the shape (120, 400)"),
    wrong(checks.mask_of_readers, in_words, says="should return a tensor"),
    wrong(checks.mask_of_readers, lambda f: of_columns(f) * 0.5, says="other numbers than 0 and 1"),
    wrong(checks.mask_of_readers, lambda f: torch.ones(120, 400), says="masks no column"),
    wrong(checks.mask_of_readers, lambda f: of_columns([7]), says="other columns"),
    unanswered(checks.mask_of_readers, lambda f: None, says="returns nothing yet"),
]
