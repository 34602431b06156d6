from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.utils.prune as torch_prune
from torch import Tensor

from prune_lab import prune
from prune_lab.course.checks import chapter_09 as checks
from tests.course.cases import right, unanswered, wrong

ComputeMask = Callable[[Any, Tensor, Tensor], Any]


def technique(compute_mask: ComputeMask, kind: Any = "unstructured", engine: Any = prune) -> Any:
    """A class as a learner writes it; the argument takes the place of threshold or amount."""

    class Technique(engine.BasePruningMethod):
        PRUNING_TYPE = kind

        def __init__(self, amount: float, dim: int = 0) -> None:
            self.amount = self.threshold = amount
            self.dim = dim

    Technique.compute_mask = compute_mask
    Technique.__abstractmethods__ = frozenset()
    return Technique


# Exercise 1


def below(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    mask = default_mask.clone()
    mask[t.abs() < self.threshold] = 0
    return mask


def below_as_product(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return default_mask * (t.abs() >= self.threshold)


def below_as_bool(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return (t.abs() >= self.threshold) & (default_mask == 1)


def below_without_abs(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return default_mask * (t >= self.threshold)


def above(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return default_mask * (t.abs() < self.threshold)


def forgetful(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return (t.abs() >= self.threshold).float()


def in_place_mask(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    default_mask[t.abs() < self.threshold] = 0
    return default_mask


def in_place_t(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return default_mask * (t.data.abs_() >= self.threshold)


def pruned_values(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return t * (t.abs() >= self.threshold)


def always_half(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return default_mask * (t.abs() >= 0.5)


def returns_nothing(self: Any, t: Tensor, default_mask: Tensor) -> None:
    default_mask.clone()[t.abs() < self.threshold] = 0


def flat(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return (t.abs() >= self.threshold).float().flatten()


def as_list(self: Any, t: Tensor, default_mask: Tensor) -> Any:
    return below(self, t, default_mask).tolist()


def fails(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return default_mask * (t.abs() >= self.treshold)


def for_rows_only(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    mask = default_mask.clone()
    for i in range(len(t)):
        if t[i].abs() < self.threshold:
            mask[i] = 0
    return mask


def nothing(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return default_mask.clone()


class NotATechnique:
    PRUNING_TYPE = "unstructured"


# Exercise 2


def channels_of(self: Any, t: Tensor) -> Tensor:
    return t.movedim(self.dim, 0).flatten(1)


def going(self: Any, scores: Tensor, default_mask: Tensor) -> Tensor:
    mask = default_mask.clone()
    k = round(self.amount * len(scores))
    mask.movedim(self.dim, 0)[scores.argsort()[:k]] = 0
    return mask


def replaceable(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    channels = channels_of(self, t)
    return going(self, torch.cdist(channels, channels).sum(1), default_mask)


def by_loops(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    number = t.shape[self.dim]
    sums = []
    for i in range(number):
        one = t.select(self.dim, i)
        sums.append(sum((one - t.select(self.dim, j)).norm().item() for j in range(number)))
    mask = default_mask.clone()
    for i in sorted(range(number), key=sums.__getitem__)[: round(self.amount * number)]:
        mask.select(self.dim, i).zero_()
    return mask


def far_ones(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    channels = channels_of(self, t)
    return going(self, -torch.cdist(channels, channels).sum(1), default_mask)


def by_norm(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return going(self, channels_of(self, t).norm(dim=1), default_mask)


def by_magnitudes(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return going(self, channels_of(self, t).abs().sum(1), default_mask)


def to_the_mean(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    channels = channels_of(self, t)
    return going(self, (channels - channels.mean(0)).norm(dim=1), default_mask)


def to_the_nearest(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    channels = channels_of(self, t)
    table = torch.cdist(channels, channels) + 1e9 * torch.eye(len(channels))
    return going(self, table.amin(1), default_mask)


def without_dim(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    channels = t.flatten(1)
    sums = torch.cdist(channels, channels).sum(1)
    mask = default_mask.clone()
    mask[sums.argsort()[: round(self.amount * len(sums))]] = 0
    return mask


def rows_for_channels(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    rows = t.flatten(1)
    sums = torch.cdist(rows, rows).sum(1)
    mask = default_mask.clone()
    mask.movedim(self.dim, 0)[sums.argsort()[: round(self.amount * len(sums))]] = 0
    return mask


def one_per_channel(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    channels = channels_of(self, t)
    sums = torch.cdist(channels, channels).sum(1)
    return (sums > sums.quantile(self.amount)).float()


def always_one(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    channels = channels_of(self, t)
    sums = torch.cdist(channels, channels).sum(1)
    mask = default_mask.clone()
    mask.movedim(self.dim, 0)[sums.argsort()[:1]] = 0
    return mask


def keeps_so_many(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    channels = channels_of(self, t)
    sums = torch.cdist(channels, channels).sum(1)
    mask = default_mask.clone()
    k = len(sums) - round(self.amount * len(sums))
    mask.movedim(self.dim, 0)[sums.argsort()[:k]] = 0
    return mask


def from_ones(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return replaceable(self, t, torch.ones_like(default_mask))


def part_of_a_channel(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    channels = channels_of(self, t)
    sums = torch.cdist(channels, channels).sum(1)
    mask = default_mask.clone()
    gone = sums.argsort()[: round(self.amount * len(sums))]
    mask.movedim(self.dim, 0).flatten(1)  # a copy, where it matters
    mask.movedim(self.dim, 0)[gone, 0] = 0
    return mask


# Exercise 3


def smallest(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    mask = default_mask.clone()
    mask.view(-1)[t.abs().flatten().argsort()[: round(self.amount * t.numel())]] = 0
    return mask


def as_given(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    sizes = t.data.abs_().flatten()
    mask = torch.ones_like(default_mask)
    mask.view(-1)[sizes.argsort()[: round(self.amount * t.numel())]] = 0
    return mask


def still_ones(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return smallest(self, t, torch.ones_like(default_mask))


def still_in_place(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return smallest(self, t.data.abs_(), default_mask)


def in_place_on_layers(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    if isinstance(t, torch.nn.Parameter):
        t.data.abs_()
    return smallest(self, t, default_mask)


def no_abs(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    mask = default_mask.clone()
    mask.view(-1)[t.flatten().argsort()[: round(self.amount * t.numel())]] = 0
    return mask


def largest(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    mask = default_mask.clone()
    order = t.abs().flatten().argsort(descending=True)
    mask.view(-1)[order[: round(self.amount * t.numel())]] = 0
    return mask


def writes_into_default(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    default_mask.view(-1)[t.abs().flatten().argsort()[: round(self.amount * t.numel())]] = 0
    return default_mask


def all_of_it(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    return torch.zeros_like(default_mask)


def endless(self: Any, t: Tensor, default_mask: Tensor) -> Tensor:
    while True:
        pass


class CallsApply(prune.L1Unstructured):
    """The engine's own, under another name: a right answer too."""


CASES = [
    right(checks.below, technique(below)),
    right(checks.below, technique(below, engine=torch_prune)),
    right(checks.below, technique(below_as_product)),
    right(checks.below, technique(below_as_bool)),
    unanswered(
        checks.below, technique(returns_nothing, kind=...), says="PRUNING_TYPE is still the ..."
    ),
    unanswered(checks.below, technique(returns_nothing), says="compute_mask returns nothing yet"),
    unanswered(checks.below, technique(lambda *_: ...), says="still gives the ... back"),
    wrong(checks.below, technique(below_without_abs), says="take t.abs()"),
    wrong(checks.below, technique(above), says="prunes the rest"),
    wrong(checks.below, technique(forgetful), says="begin with default_mask.clone()"),
    wrong(checks.below, technique(in_place_mask), says="work on a clone"),
    wrong(checks.below, technique(in_place_t), says="only read it"),
    wrong(checks.below, technique(pruned_values), says="is it t itself?"),
    wrong(checks.below, technique(always_half), says="below threshold"),
    wrong(checks.below, technique(nothing), says="prunes nothing"),
    wrong(checks.below, technique(flat), says="one number for each entry"),
    wrong(checks.below, technique(as_list), says="should return a tensor"),
    wrong(checks.below, technique(fails), says="has no attribute 'treshold'"),
    wrong(checks.below, technique(for_rows_only), says="compute_mask raised"),
    wrong(checks.below, technique(below, kind="structured"), says="judged for itself"),
    wrong(checks.below, technique(below, kind="global"), says="global_unstructured refuses"),
    wrong(checks.below, technique(below, kind="Unstructured"), says="it should be 'unstructured'"),
    wrong(checks.below, technique(below)(0.5), says="without brackets"),
    wrong(checks.below, below, says="should be a class"),
    wrong(checks.below, NotATechnique, says="subclass of prune.BasePruningMethod"),
    right(checks.replaceable, technique(replaceable, "structured")),
    right(checks.replaceable, technique(replaceable, "structured", torch_prune)),
    right(checks.replaceable, technique(by_loops, "structured")),
    unanswered(
        checks.replaceable, technique(returns_nothing, ...), says="PRUNING_TYPE is still the ..."
    ),
    wrong(checks.replaceable, technique(far_ones, "structured"), says="far from the others"),
    wrong(checks.replaceable, technique(by_norm, "structured"), says="of the smallest norm"),
    wrong(checks.replaceable, technique(by_magnitudes, "structured"), says="sum of magnitudes"),
    wrong(checks.replaceable, technique(to_the_mean, "structured"), says="to the mean"),
    wrong(checks.replaceable, technique(to_the_nearest, "structured"), says="neighbour alone"),
    wrong(checks.replaceable, technique(without_dim, "structured"), says="does it use self.dim"),
    wrong(checks.replaceable, technique(rows_for_channels, "structured"), says="self.dim"),
    wrong(checks.replaceable, technique(one_per_channel, "structured"), says="for each entry"),
    wrong(checks.replaceable, technique(always_one, "structured"), says="round(amount"),
    wrong(checks.replaceable, technique(keeps_so_many, "structured"), says="as should stay"),
    wrong(checks.replaceable, technique(from_ones, "structured"), says="default_mask.clone()"),
    wrong(checks.replaceable, technique(part_of_a_channel, "structured"), says="a part"),
    wrong(checks.replaceable, technique(replaceable, "unstructured"), says="whole channels go"),
    wrong(checks.replaceable, technique(replaceable, "global"), says="whole channels go"),
    wrong(checks.replaceable, technique(endless, "structured"), says="a loop that never ends?"),
    right(checks.smallest_first, technique(smallest)),
    right(checks.smallest_first, technique(smallest, engine=torch_prune)),
    right(checks.smallest_first, CallsApply),
    wrong(checks.smallest_first, technique(as_given, "structured"), says="only read it"),
    wrong(checks.smallest_first, technique(as_given), says="only read it"),
    wrong(checks.smallest_first, technique(still_in_place), says="only read it"),
    wrong(checks.smallest_first, technique(in_place_on_layers), says="changed the weights"),
    wrong(checks.smallest_first, technique(still_ones), says="default_mask.clone()"),
    wrong(checks.smallest_first, technique(still_ones, "structured"), says="single entries go"),
    wrong(checks.smallest_first, technique(smallest, "structured"), says="single entries go"),
    wrong(checks.smallest_first, technique(smallest, "global"), says="single entries go"),
    wrong(checks.smallest_first, technique(no_abs), says="the signs count"),
    wrong(checks.smallest_first, technique(largest), says="the largest magnitudes go"),
    wrong(checks.smallest_first, technique(writes_into_default), says="work on a clone"),
    wrong(checks.smallest_first, technique(all_of_it), says="prunes everything"),
]
