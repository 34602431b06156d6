"""Chapter 9, your own technique."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from prune_lab.course.judging import Mistake, NotAnswered, a, call, check, draw, mixed, untouched


@check
def below(technique: type) -> str:
    """Exercise 1: a technique that prunes what lies below a threshold."""
    _must_be_technique(technique, "Below")
    cases = [  # no threshold of one's own fits them all
        (torch.randn(shape), draw.uniform(low, low + 0.2))
        for shape, low in [((7, 9), 0.3), ((30,), 0.5), ((4, 2, 5), 0.7)]
    ]
    modules: list[Any] = [nn.Linear(draw.randint(6, 9), 8), nn.Conv2d(2, draw.randint(3, 5), 3)]
    scores = [torch.randn_like(module.weight) for module in modules]
    for t, threshold in cases:
        method = call(technique, threshold, name="Below(threshold)")
        likely = {
            "it keeps what lies below the threshold and prunes the rest": t.abs() >= threshold,
            "large negative entries go too: -9 is far from zero; take t.abs()": t < threshold,
            "it prunes what lies above the threshold alone when positive": t > threshold,
        }
        wanted = t.abs() < threshold
        _same(_gone(method, t), wanted, likely, "the entries whose magnitude is below threshold")
        _heeds_the_mask(method, t, wanted)
    _must_be_of_type(technique, "unstructured", "each entry is judged for itself")
    for module, score in zip(modules, scores, strict=True):
        for given in (None, score):
            layer = copy.deepcopy(module)
            t = module.weight.detach() if given is None else given
            threshold = float(t.abs().median())
            _apply(technique, layer, threshold, importance_scores=given)
            _same(layer.weight_mask == 0, t.abs() < threshold, {}, "what lies below the threshold")
            _same_values(layer, module)
    return "What lies below goes, what was gone stays gone, and t is only read."


@check
def replaceable(technique: type) -> str:
    """Exercise 2: a structured technique that prunes the channels nearest to all others."""
    _must_be_technique(technique, "Replaceable")
    some = draw.randint(9, 12)
    cases = [
        _channels((some, 6), 0),
        _channels((4, some), 1),
        _channels((some, 3, 2, 2), 0),
        _channels((4, some, 3, 3), 1),
    ]
    layer = nn.Linear(12, 10)
    layer.weight.data = _channels((10, 12), 0)[0]
    for t, dim, amount in cases:
        method = call(technique, amount, dim, name="Replaceable(amount, dim)")
        got = _gone(method, t)
        _whole_channels(got, t, dim)
        sums = _distances(t, dim)
        count = round(amount * len(sums))
        likely = {
            says: _lowest(scores, count, t, dim) for says, scores in _other_scores(t, dim).items()
        }
        likely["it prunes as many channels as should stay"] = _lowest(
            sums, len(sums) - count, t, dim
        )
        wanted = _lowest(sums, count, t, dim)
        number = int(got.movedim(dim, 0).flatten(1).all(dim=1).sum())
        if number != count and not any(torch.equal(got, mask) for mask in likely.values()):
            if number in {round(amount * size) for d, size in enumerate(t.shape) if d != dim}:
                raise Mistake(f"with dim={dim} it counts channels along another; use self.dim")
            raise Mistake(
                f"with amount={amount:.2f} it prunes {number} of {len(sums)} channels along "
                f"dim={dim}; round(amount * {len(sums)}) is {count}"
            )
        _same(got, wanted, likely, f"the channels of the smallest sums along dim={dim}")
        _heeds_the_mask(method, t, wanted)
    _must_be_of_type(technique, "structured", "whole channels go")
    _twice(technique, layer)
    return "The channels most like the others go, along either dim, and of those that are left."


def _twice(technique: Any, layer: nn.Linear) -> None:
    before = copy.deepcopy(layer)
    values, left = layer.weight.detach().clone(), torch.arange(10)
    for time in ("first", "second"):
        _apply(technique, layer, 0.5, 0)
        sums = _distances(values[left], 0)
        left = left[sums.argsort()[round(0.5 * len(left)) :].sort()[0]]
        wanted = torch.ones(10, 12, dtype=torch.bool)
        wanted[left] = False
        mask = layer.get_buffer("weight_mask")
        _same(mask == 0, wanted, {}, f"at the {time} prune, half of the channels still there")
    _same_values(layer, before)


def _channels(shape: tuple[int, ...], dim: int) -> tuple[Tensor, int, float]:
    """Channels along dim, and an amount, for which other scores choose other channels."""
    while True:
        t, amount = torch.randn(shape), draw.uniform(0.35, 0.6)
        moved = t.movedim(dim, 0)
        moved += 2.0  # a crowd away from zero ...
        moved[:2] *= 0.05  # ... and two short ones, far from all others
        moved.copy_(moved[torch.randperm(len(moved))])
        count = round(amount * len(moved))
        scores = [_distances(t, dim), *_other_scores(t, dim).values()]
        choices = {frozenset(one.argsort()[:count].tolist()) for one in scores}
        if len(choices) == len(scores) and 2 * count != len(moved):
            return t, dim, amount


def _other_scores(t: Tensor, dim: int) -> dict[str, Tensor]:
    """What a likely mistake ranks by, the lowest first."""
    channels = t.movedim(dim, 0).flatten(1)
    table = torch.cdist(channels, channels)
    return {
        "it prunes the channels far from the others; those with the smallest sums go": -table.sum(
            dim=1
        ),
        "it prunes the channels of the smallest norm; add up distances": channels.norm(dim=1),
        "it prunes by the sum of magnitudes; add up distances": channels.abs().sum(dim=1),
        "it squares the distances, or takes the one to the mean; add up the distances to all "
        "other channels": table.square().sum(dim=1),
        "it takes the nearest neighbour alone; add up all distances": (
            table.clone().fill_diagonal_(float("inf")).amin(dim=1)
        ),
    }


def _distances(t: Tensor, dim: int) -> Tensor:
    channels = t.movedim(dim, 0).flatten(1)
    return torch.cdist(channels, channels).sum(dim=1)


def _lowest(scores: Tensor, count: int, t: Tensor, dim: int) -> Tensor:
    """Where the `count` channels of the lowest scores are, bool, shape of t."""
    gone = torch.zeros(t.shape, dtype=torch.bool)
    gone.movedim(dim, 0)[scores.argsort()[:count]] = True
    return gone


def _whole_channels(gone: Tensor, t: Tensor, dim: int) -> None:
    rows = gone.movedim(dim, 0).flatten(1)
    if torch.equal(rows.any(dim=1), rows.all(dim=1)):
        return
    others = [d for d in range(t.dim()) if d != dim]
    for other in others:
        rows = gone.movedim(other, 0).flatten(1)
        if torch.equal(rows.any(dim=1), rows.all(dim=1)):
            raise Mistake(f"with dim={dim} channels along dim={other} go; does it use self.dim?")
    raise Mistake("a channel should go whole, and some have lost only a part")


@check
def smallest_first(technique: type) -> str:
    """Exercise 3: a technique with three faults, mended."""
    _must_be_technique(technique, "SmallestFirst")
    drawn = [mixed(draw.randint(20, 30)), mixed(draw.randint(5, 8), 7)]
    amounts = [draw.uniform(0.2, 0.4), draw.uniform(0.6, 0.8)]
    modules: list[Any] = [nn.Linear(draw.randint(6, 9), 8), nn.Conv2d(2, draw.randint(3, 5), 3)]
    for t, amount in zip(drawn, amounts, strict=True):
        method = call(technique, amount, name="SmallestFirst(amount)")
        got, count = _gone(method, t), round(amount * t.numel())
        likely = {
            "the signs count again: -9 is large; sort the magnitudes": _first(t, count),
            "the largest magnitudes go; the smallest should": _first(-t.abs(), count),
            "it prunes as many as should stay": _first(t.abs(), t.numel() - count),
        }
        _same(got, _first(t.abs(), count), likely, f"the {count} smallest of {t.numel()} entries")
    _must_be_of_type(technique, "unstructured", "single entries go")
    for t, amount in zip(drawn, amounts, strict=True):
        method = call(technique, amount, name="SmallestFirst(amount)")
        _heeds_the_mask(method, t, _first(t.abs(), round(amount * t.numel())))
    for module in modules:
        layer = copy.deepcopy(module)
        values, gone = module.weight.detach(), torch.zeros_like(module.weight, dtype=torch.bool)
        for time in ("first", "second"):
            _apply(technique, layer, 0.5)
            left = values.abs().masked_fill(gone, float("inf"))
            gone = gone | _first(left, round(0.5 * int((~gone).sum())))
            what = f"at the {time} prune, half of the entries still there"
            _same(layer.weight_mask == 0, gone, {}, what)
        _same_values(layer, module)
    return "It only reads t, works on what is left, and heeds default_mask."


def _first(scores: Tensor, count: int) -> Tensor:
    """Where the `count` lowest scores are, bool, their shape."""
    gone = torch.zeros(scores.shape, dtype=torch.bool)
    gone.view(-1)[scores.flatten().argsort()[:count]] = True
    return gone


# What all three ask


def _must_be_technique(answer: object, name: str) -> None:
    if isinstance(answer, torch_prune.BasePruningMethod):
        raise Mistake(f"give the class {name} itself, without brackets")
    if not isinstance(answer, type):
        raise Mistake(f"{name} should be a class, and yours is {a(answer)}")
    if not issubclass(answer, torch_prune.BasePruningMethod):
        raise Mistake(f"{name} should be a subclass of prune.BasePruningMethod")
    kind: object = getattr(answer, "PRUNING_TYPE", None)
    if kind is ...:
        raise NotAnswered("PRUNING_TYPE is still the ...")
    if kind is None:
        raise Mistake(f"{name} has no PRUNING_TYPE")
    if kind not in ("unstructured", "structured", "global"):
        raise Mistake(
            f"PRUNING_TYPE is {kind!r:.40}; it should be 'unstructured', 'structured' or 'global'"
        )


def _must_be_of_type(technique: Any, wanted: str, because: str) -> None:
    kind = technique.PRUNING_TYPE
    if kind != wanted:
        more = ", and global_unstructured refuses this one" if wanted == "unstructured" else ""
        raise Mistake(f"PRUNING_TYPE is '{kind}', but {because}: '{wanted}'{more}")


def _gone(method: Any, t: Tensor, default_mask: Tensor | None = None) -> Tensor:
    """Where the mask that a technique computes is 0, bool, shape of t."""
    mask_so_far = torch.ones_like(t) if default_mask is None else default_mask
    with (
        untouched(
            t, says="compute_mask changes t, which may be the parameter itself; only read it"
        ),
        untouched(mask_so_far, says="compute_mask changes default_mask; work on a clone of it"),
    ):
        mask = call(method.compute_mask, t, mask_so_far, name="compute_mask")
    if not isinstance(mask, Tensor):
        raise Mistake(f"compute_mask should return a tensor, and it returns {a(mask)}")
    if mask.shape != t.shape:
        raise Mistake(
            f"compute_mask should return one number for each entry, shape {tuple(t.shape)}, and "
            f"returns {tuple(mask.shape)}"
        )
    if not torch.isin(mask.detach().float(), torch.tensor([0.0, 1.0])).all():
        raise Mistake("a mask has no other numbers than 0 and 1; is it t itself?")
    return mask == 0


def _same(got: Tensor, wanted: Tensor, likely: dict[str, Tensor], what: str) -> None:
    if torch.equal(got, wanted):
        return
    for mistake, where in likely.items():
        if torch.equal(got, where):
            raise Mistake(mistake)
    if not got.any():
        raise Mistake("it prunes nothing")
    if got.all():
        raise Mistake("it prunes everything")
    if torch.equal(got, ~wanted):
        raise Mistake("it keeps what should go: 0 prunes, 1 keeps")
    raise Mistake(f"it should prune {what}; it prunes {int(got.sum())}, {int(wanted.sum())} should")


def _heeds_the_mask(method: Any, t: Tensor, wanted: Tensor) -> None:
    """Ask once more with a mask in which some kept entries are gone already."""
    so_far = torch.ones_like(t)
    kept = (~wanted).nonzero()
    so_far[tuple(kept[0])] = so_far[tuple(kept[-1])] = 0
    gone = _gone(method, t, so_far)
    if not gone[so_far == 0].all():
        raise Mistake(
            "what default_mask has pruned comes back; begin with default_mask.clone(), not with "
            "ones"
        )


def _apply(technique: Any, module: nn.Module, *arguments: Any, **named: Any) -> None:
    def apply() -> bool:
        technique.apply(module, "weight", *arguments, **named)
        return True

    call(apply, name=f"{technique.__name__}.apply, on a layer,")


def _same_values(pruned: nn.Module, before: nn.Module) -> None:
    if not torch.equal(pruned.get_parameter("weight_orig"), before.get_parameter("weight")):
        raise Mistake("pruning changed the weights themselves; t should only be read")
