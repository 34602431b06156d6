from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab.course.checks import chapter_12 as checks
from prune_lab.device.candidates import recorded
from tests.course.cases import right, unanswered, wrong

# Exercise 2


def cut(first: nn.Linear, second: nn.Linear, keep: list[int]) -> tuple[nn.Linear, nn.Linear]:
    one = nn.Linear(first.in_features, len(keep), bias=first.bias is not None)
    other = nn.Linear(len(keep), second.out_features)
    with torch.no_grad():
        one.weight.copy_(first.weight[keep])
        if first.bias is not None:
            one.bias.copy_(first.bias[keep])
        other.weight.copy_(second.weight[:, keep])
        other.bias.copy_(second.bias)
    return one, other


def from_copies(first: nn.Linear, second: nn.Linear, keep: list[int]) -> list[nn.Linear]:
    one, other = copy.deepcopy(first), copy.deepcopy(second)
    one.weight = nn.Parameter(first.weight.detach()[keep])
    one.out_features = other.in_features = len(keep)
    if first.bias is not None:
        one.bias = nn.Parameter(first.bias.detach()[keep])
    other.weight = nn.Parameter(second.weight.detach()[:, keep])
    return [one, other]


def the_first_ones(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    return cut(first, second, list(range(len(keep))))


def what_is_not_kept(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    return cut(first, second, [row for row in range(first.out_features) if row not in keep])


def in_another_order(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    return cut(first, second, sorted(keep))


def second_as_it_was(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    return cut(first, second, keep)[0], copy.deepcopy(second)


def first_columns(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    return cut(first, second, keep)[0], cut(first, second, list(range(len(keep))))[1]


def wrong_bias(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    one, other = cut(first, second, keep)
    if first.bias is not None:
        one.bias.data = first.bias.detach()[: len(keep)].clone()
    return one, other


def without_bias(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    one, other = cut(first, second, keep)
    one.bias = None
    return one, other


def with_a_new_bias(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    one, other = cut(first, second, keep)
    if one.bias is None:
        one.bias = nn.Parameter(torch.zeros(len(keep)))
    return one, other


def second_without_bias(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    one, other = cut(first, second, keep)
    other.bias = None
    return one, other


def only_sizes(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    return (
        nn.Linear(first.in_features, len(keep), bias=first.bias is not None),
        nn.Linear(len(keep), second.out_features),
    )


def in_place(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    first.weight = nn.Parameter(first.weight.detach()[keep])
    if first.bias is not None:
        first.bias = nn.Parameter(first.bias.detach()[keep])
    second.weight = nn.Parameter(second.weight.detach()[:, keep])
    return first, second


def masked(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    one = copy.deepcopy(first)
    gone = [row for row in range(first.out_features) if row not in keep]
    with torch.no_grad():
        one.weight[gone] = 0
    return one, copy.deepcopy(second)


def old_sizes(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    one, other = from_copies(first, second, keep)
    one.out_features = first.out_features
    return one, other


def sorted_in_place(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    made = cut(first, second, keep)
    keep.clear()
    return made


def one_layer(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    return cut(first, second, keep)[0]


def a_sequence(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    return nn.Sequential(*cut(first, second, keep))


def weights_alone(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    return first.weight[keep], second.weight[:, keep]


def shared_bias(first: nn.Linear, second: nn.Linear, keep: list[int]) -> Any:
    one, other = cut(first, second, keep)
    other.bias = second.bias
    return one, other


# Exercise 3


def nearest(weight: Tensor, values: Tensor) -> Tensor:
    distances = (weight.flatten()[:, None] - values).abs()
    shared = values[distances.argmin(dim=1)].reshape(weight.shape)
    return torch.where(weight == 0, torch.zeros_like(shared), shared)


def by_loop(weight: Tensor, values: Tensor) -> Tensor:
    made = weight.clone()
    flat = made.view(-1)
    for place, entry in enumerate(weight.flatten().tolist()):
        if entry != 0:
            flat[place] = min(values.tolist(), key=lambda value: abs(value - entry))
    return made


def as_given(weight: Tensor, values: Tensor) -> Tensor:
    distances = (weight.flatten()[:, None] - values).abs()
    return values[distances.argmax(dim=1)]


def along_the_entries(weight: Tensor, values: Tensor) -> Tensor:
    distances = (weight.flatten()[:, None] - values).abs()
    return values[distances.argmin(dim=0)]


def still_a_row(weight: Tensor, values: Tensor) -> Tensor:
    distances = (weight.flatten()[:, None] - values).abs()
    return values[distances.argmin(dim=1)]


def zeros_replaced(weight: Tensor, values: Tensor) -> Tensor:
    distances = (weight.flatten()[:, None] - values).abs()
    return values[distances.argmin(dim=1)].reshape(weight.shape)


def farthest(weight: Tensor, values: Tensor) -> Tensor:
    distances = (weight.flatten()[:, None] - values).abs()
    shared = values[distances.argmax(dim=1)].reshape(weight.shape)
    return shared * (weight != 0)


def without_abs(weight: Tensor, values: Tensor) -> Tensor:
    distances = weight.flatten()[:, None] - values
    shared = values[distances.argmin(dim=1)].reshape(weight.shape)
    return shared * (weight != 0)


def places_not_values(weight: Tensor, values: Tensor) -> Tensor:
    distances = (weight.flatten()[:, None] - values).abs()
    return 10.0 * distances.argmin(dim=1).reshape(weight.shape) * (weight != 0)


def unchanged(weight: Tensor, values: Tensor) -> Tensor:
    return weight.clone()


def in_the_weight(weight: Tensor, values: Tensor) -> Tensor:
    weight.copy_(nearest(weight, values))
    return weight


def as_a_list(weight: Tensor, values: Tensor) -> Any:
    return nearest(weight, values).tolist()


def zeros_moved(weight: Tensor, values: Tensor) -> Tensor:
    return torch.where(weight == 0, torch.ones_like(weight) * 7, nearest(weight, values))


# Exercise 4


def taken(most: int) -> int:
    meeting = [one for one in recorded() if one.bytes <= most]
    return max(meeting, key=lambda one: one.validation).bytes


DENSE, *_, READER = recorded()
LARGE, SMALL = taken(50_000), taken(1_000)

CASES = [
    right(checks.sparse_bytes, 20_000),
    right(checks.sparse_bytes, 20_000.0),
    unanswered(checks.sparse_bytes, ...),
    wrong(checks.sparse_bytes, 4_000, says="the values alone"),
    wrong(checks.sparse_bytes, 40_000, says="the full tensor"),
    wrong(checks.sparse_bytes, 12_000, says="two places"),
    wrong(checks.sparse_bytes, 16_000, says="the places alone"),
    wrong(checks.sparse_bytes, 200_000, says="90 % of them are not stored"),
    wrong(checks.sparse_bytes, 180_000, says="90 % are the zeros"),
    wrong(checks.sparse_bytes, 20, says="for one weight"),
    wrong(checks.sparse_bytes, "20,000", says="without quotes"),
    wrong(checks.sparse_bytes, 5_000, says="two places of 8"),
    right(checks.cut, cut),
    right(checks.cut, from_copies),
    unanswered(checks.cut, lambda first, second, keep: ...),
    unanswered(checks.cut, lambda first, second, keep: None),
    wrong(checks.cut, the_first_ones, says="not those in `keep`"),
    wrong(checks.cut, what_is_not_kept, says="the others are left"),
    wrong(checks.cut, in_another_order, says="the order of `keep`"),
    wrong(checks.cut, second_as_it_was, says="still reads all inputs"),
    wrong(checks.cut, first_columns, says="second layer reads as many inputs"),
    wrong(checks.cut, wrong_bias, says="the bias does not fit its rows"),
    wrong(checks.cut, without_bias, says="has lost its bias"),
    wrong(checks.cut, with_a_new_bias, says="has no bias"),
    wrong(checks.cut, second_without_bias, says="its outputs all stay"),
    wrong(checks.cut, only_sizes, says="are they copied?"),
    wrong(checks.cut, in_place, says="that were given have changed"),
    wrong(checks.cut, masked, says="should have the shape"),
    wrong(checks.cut, old_sizes, says="says other sizes"),
    wrong(checks.cut, sorted_in_place, says="the list `keep` has changed"),
    wrong(checks.cut, one_layer, says="return two layers"),
    wrong(checks.cut, a_sequence, says="return two layers"),
    wrong(checks.cut, weights_alone, says="should be an nn.Linear"),
    wrong(checks.cut, shared_bias, says="share a tensor"),
    right(checks.nearest, nearest),
    right(checks.nearest, by_loop),
    unanswered(checks.nearest, lambda weight, values: ...),
    wrong(checks.nearest, as_given, says="the shape (4, 7), and it is (28,)"),
    wrong(checks.nearest, along_the_entries, says="out of bounds"),
    wrong(checks.nearest, still_a_row, says="should have the shape"),
    wrong(checks.nearest, zeros_replaced, says="must stay zero"),
    wrong(checks.nearest, farthest, says="not the nearest"),
    wrong(checks.nearest, without_abs, says="absolute differences"),
    wrong(checks.nearest, places_not_values, says="none of the values"),
    wrong(checks.nearest, unchanged, says="nothing is replaced"),
    wrong(checks.nearest, in_the_weight, says="what was given has changed"),
    wrong(checks.nearest, as_a_list, says="should return a tensor"),
    wrong(checks.nearest, zeros_moved, says="was zero is another number"),
    right(checks.budget, LARGE, SMALL),
    unanswered(checks.budget, LARGE, ...),
    wrong(checks.budget, SMALL, LARGE, says="more accurate"),
    wrong(checks.budget, LARGE, LARGE, says="more than 1,000 bytes"),
    wrong(checks.budget, DENSE.bytes, SMALL, says="more than 50,000 bytes"),
    wrong(checks.budget, 50_000, SMALL, says="that is the limit"),
    wrong(checks.budget, LARGE, 1_000, says="that is the limit"),
    wrong(checks.budget, LARGE / 1000, SMALL, says="how many bytes are these"),
    wrong(checks.budget, LARGE, round(100 * READER.test, 2), says="its accuracy"),
    wrong(checks.budget, LARGE, 123, says="read the sentence"),
    wrong(checks.budget, "LeNet", SMALL, says="without quotes"),
]
