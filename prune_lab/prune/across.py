"""Pruning several parameters as one: what is smallest anywhere goes first."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .amounts import Amount, _validate_pruning_amount_init, count
from .methods import BasePruningMethod, put_on, survivors, target
from .ranking import keep_largest
from .record import Place
from .techniques import CustomFromMask, L1Unstructured, LnStructured


def global_unstructured(
    parameters: Iterable[Place],
    pruning_method: type[BasePruningMethod],
    importance_scores: Mapping[Place, Tensor] | None = None,
    **kwargs: Any,
) -> None:
    """Prune the entries of several parameters as if they were one tensor.

    Follows torch's ``global_unstructured``. A parameter that is listed twice, or held by two of
    the modules, counts once and is pruned in all the places that are listed. Nothing is pruned if
    anything fails.

    Args:
        parameters: pairs of a module and a parameter's name; any iterable.
        pruning_method: a class whose ``PRUNING_TYPE`` is ``"unstructured"``, such as
            :class:`L1Unstructured`.
        importance_scores: for some of the pairs, a tensor of the parameter's shape.
        kwargs: for ``pruning_method``; ``amount`` is a share of all entries still there, or
            their number. O(n) time.

    Raises:
        TypeError: not an iterable of pairs, or the method is not unstructured.
        ValueError: nothing to prune, or more than there is.

    >>> net = nn.Sequential(nn.Linear(10, 4), nn.Linear(4, 1))
    >>> places = [(net[0], "weight"), (net[1], "weight")]
    >>> global_unstructured(places, L1Unstructured, amount=10)
    >>> sum(int((m.weight == 0).sum()) for m in net)
    10
    """
    chosen = _chosen("global_unstructured()", parameters, importance_scores)
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for '
            f"the `pruning_method`. Found method {pruning_method} of type {method.PRUNING_TYPE}"
        )
    left = [one.left_for(method) for one in chosen]
    scores = [one.score[part] for one, part in zip(chosen, left, strict=True)]
    if type(method) is L1Unstructured:  # a subclass may mask in a way of its own
        kept = keep_largest(scores, count(method.amount, sum(s.numel() for s in scores)))
    else:  # any other technique wants to see one tensor
        together = torch.cat([score.reshape(-1) for score in scores])
        vector = method.compute_mask(together, default_mask=torch.ones_like(together))
        pieces = vector.split([score.numel() for score in scores])
        # Cloned, or each layer's mask would keep the whole network's alive.
        kept = [piece.view_as(s).clone() for piece, s in zip(pieces, scores, strict=True)]
    _prune(chosen, left, kept)


def global_structured(
    parameters: Iterable[Place],
    amount: Amount,
    n: float | str = 2,
    dim: int = 0,
    importance_scores: Mapping[Place, Tensor] | None = None,
) -> None:
    """Prune whole channels, the least important of all the parameters first.

    Channels of different layers differ in size, and with it in norm. So that a layer of small
    channels is not pruned just for that, a channel's score is the root mean of its entries'
    magnitudes to the ``n``-th power: the L_n norm divided by (entries per channel)^(1/n).

    Args:
        parameters: pairs of a module and a parameter's name.
        amount: fraction in [0, 1] or count of all channels still there.
        n: order of the norm, a positive number or inf.
        dim: dimension of the channels in every parameter; 0 is the layers' outputs.
        importance_scores: for some of the pairs, a tensor of the parameter's shape, whose norms
            are taken in place of the values'.

    Raises:
        TypeError, ValueError, IndexError: as for :func:`ln_structured`.

    >>> net = nn.Sequential(nn.Linear(10, 4), nn.Linear(4, 6))
    >>> global_structured([(net[0], "weight"), (net[1], "weight")], amount=3)
    >>> sum(int((m.weight.abs().sum(1) == 0).sum()) for m in net)
    3
    """
    chosen = _chosen("global_structured()", parameters, importance_scores)
    _validate_pruning_amount_init(amount)
    if isinstance(n, str) or not n > 0:
        raise ValueError(f"n={n} should be a positive number or inf")
    technique = LnStructured(0, n, dim)
    left, norms = [one.left_for(technique) for one in chosen], []
    for one, part in zip(chosen, left, strict=True):
        norm = technique.importance(one.score[part])
        norms.append(norm / (one.score.numel() / technique.units(one.score)) ** (1 / n))
    channels = keep_largest(norms, count(amount, sum(norm.numel() for norm in norms)))
    parts = zip(chosen, left, channels, strict=True)
    _prune(chosen, left, [technique.spread(kept, one.score[part]) for one, part, kept in parts])


@dataclass
class _Chosen:
    """One of the parameters to prune together."""

    places: list[Place]  # where it is held
    orig: Tensor
    mask: Tensor | None  # so far
    score: Tensor  # its values under the mask, or what the caller gave

    def left_for(self, technique: BasePruningMethod) -> Any:
        """Return the index of what ``technique`` still has to look at."""
        return ... if self.mask is None else survivors(technique, self.mask)


def _chosen(
    caller: str, parameters: Iterable[Place], importance_scores: Mapping[Place, Tensor] | None
) -> list[_Chosen]:
    """Return the parameters to prune together, each once, also if it is held in several places."""
    if not isinstance(parameters, Iterable):
        raise TypeError(f"{caller}: parameters is not an Iterable")
    if importance_scores is not None and not isinstance(importance_scores, Mapping):
        raise TypeError(f"{caller}: importance_scores must be of type dict")
    found: dict[Tensor, _Chosen] = {}
    for place in parameters:
        module, name = _checked_pair(caller, place)
        _, orig, mask, score = target(module, name, (importance_scores or {}).get(place))
        if orig in found:
            _refuse_other_mask(mask, found[orig].mask, place)
            found[orig].places.append((module, name))
        else:
            found[orig] = _Chosen([(module, name)], orig.detach(), mask, score.detach())
    if not found:
        raise ValueError(f"{caller}: parameters is empty; there is nothing to prune")
    # Rank them in one dtype that holds all their values.
    common = functools.reduce(torch.promote_types, (one.score.dtype for one in found.values()))
    for one in found.values():
        one.score = one.score.to(common)
    return list(found.values())


def _prune(chosen: list[_Chosen], left: list[Any], kept: list[Tensor]) -> None:
    """Prune all, or none, by the masks ``kept`` of what was ``left``."""
    prunes = []
    for one, part, new in zip(chosen, left, kept, strict=True):
        mask = new.to(one.orig.dtype).contiguous()  # a channel's value may be stored once
        if one.mask is not None:
            mask = one.mask.to(one.orig.dtype, copy=True)
            mask[part] *= new.to(one.orig.dtype)
        # The module's buffer holds the mask.
        prunes.append((CustomFromMask(None), one.places, mask))
    put_on(*prunes)


def _checked_pair(caller: str, place: object) -> Place:
    match place:
        case (nn.Module() as module, str() as name):
            return module, name
    raise TypeError(
        f"{caller}: parameters must be pairs (module, name), such as (model.conv1, 'weight'); "
        f"found {type(place).__name__}"
    )


def _refuse_other_mask(mask: Tensor | None, other: Tensor | None, place: Place) -> None:
    """Refuse two places of one parameter that are not pruned alike: which would count?"""
    alike = mask is other if mask is None or other is None else torch.equal(mask, other)
    if not alike:
        raise ValueError(
            f"'{place[1]}' of {type(place[0]).__name__} is tied to another of the parameters, but "
            "the two are not pruned alike: call prune.prune_twins(model) first, or undo one of them"
        )
