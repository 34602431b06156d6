"""The engine's techniques as the widgets offer them: a label, a ranking, the call that prunes.

A widget ranks once, and has the mask for every amount: ``order >= count``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import prune as torch_prune

from prune_lab import prune

STEPS = 100  # of the amount, where a technique that does not rank is asked for its masks


@dataclass(frozen=True)
class Technique:
    """One way to prune.

    Attributes:
        label: what the menu says.
        method: makes the method that ranks or masks, from the options.
        options: the keywords it takes beside the amount: ``n`` (a norm), ``dim``, ``m``.
        random: whether the seed matters.
        units: what goes at once, in the plural.
        ways: how the amount may be given: ``"fraction"``, ``"count"``, both, or neither.
        needs: how many dimensions the parameter must have at least.
        whole_model: whether all weights of the model are ranked together.
    """

    label: str
    method: Callable[..., prune.BasePruningMethod]
    options: tuple[str, ...] = ()
    random: bool = False
    units: str = "entries"
    ways: tuple[str, ...] = ("fraction", "count")
    needs: int = 0
    whole_model: bool = False


TECHNIQUES = {
    "l1_unstructured": Technique("L1 unstructured", lambda: prune.L1Unstructured(0)),
    "random_unstructured": Technique(
        "random unstructured", lambda: prune.RandomUnstructured(0), random=True
    ),
    "ln_structured": Technique(
        "Ln structured",
        lambda n, dim: prune.LnStructured(0, n=n, dim=dim),
        ("n", "dim"),
        units="channels",
        needs=2,
    ),
    "random_structured": Technique(
        "random structured",
        lambda dim: prune.RandomStructured(0, dim=dim),
        ("dim",),
        random=True,
        units="channels",
        needs=2,
    ),
    "n_m": Technique(
        "N:M semi-structured",
        lambda m: prune.NM(m, m),
        ("m",),
        units="of each group",
        ways=("count",),
        needs=2,
    ),
    "global_unstructured": Technique(
        "L1, global over the model",
        lambda: prune.L1Unstructured(0),
        units="entries of all weights",
        whole_model=True,
    ),
}


@dataclass(frozen=True)
class Ranking:
    """When each entry goes, for every parameter that the technique looks at.

    Attributes:
        orders: by parameter name, int64 of the parameter's shape: 0 goes first, -1 is gone.
        units: how many steps there are, so that at ``count == units`` all that can go is gone.
    """

    orders: dict[str, Tensor]
    units: int

    def masks(self, count: int) -> dict[str, Tensor]:
        """Return the masks with the first ``count`` units gone: bool, True where kept."""
        return {name: order >= count for name, order in self.orders.items()}


def rank(
    technique: Technique,
    values: Mapping[str, Tensor],
    masks: Mapping[str, Tensor | None],
    options: Mapping[str, Any],
    seed: int,
) -> Ranking:
    """Rank the entries of one parameter, or of several together if the technique is global.

    The caller's random state is left alone.

    Args:
        technique: how.
        values: by parameter name, unpruned; more than one only for a global technique.
        masks: by parameter name, what is pruned already; None: nothing.
        options: what the technique takes beside the amount.
        seed: what ``torch.manual_seed`` is given.

    Raises:
        ValueError: the technique does not fit the tensor, or its masks are not nested.

    >>> values = {"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([2.0])}
    >>> found = rank(TECHNIQUES["global_unstructured"], values, {}, {}, seed=0)
    >>> found.orders["a"].tolist(), found.orders["b"].tolist(), found.units
    ([2, 0], [1], 3)
    """
    # A pruned entry has no say: neither in a channel's norm nor in the group's order.
    scores = {
        name: tensor if (mask := masks.get(name)) is None else tensor.where(mask != 0, 0)
        for name, tensor in values.items()
    }
    method = technique.method(**options)
    # Where nothing is drawn, not even for a moment: a cell may be drawing in another thread.
    with torch.random.fork_rng(devices=[], enabled=technique.random):
        if technique.random:
            torch.manual_seed(seed)
        if technique.whole_model:
            return _ranked_together(method, scores, masks)
        ((name, score),) = scores.items()
        if _ranks(type(method)):
            order = prune.pruning_order(method, score, default_mask=masks.get(name))
            return Ranking({name: order}, int(order.max()) + 1 if order.numel() else 0)
        steps = STEPS if "fraction" in technique.ways else 1
        order = _asked(technique.method, score, masks.get(name), steps, seed)
        return Ranking({name: order}, steps)


def _ranks(method: Any) -> bool:
    """Tell whether the method's ``order`` says all: a subclass may mask in a way of its own."""
    return hasattr(method, "order") and method.compute_mask.__module__.startswith(prune.__name__)


def _ranked_together(
    method: prune.BasePruningMethod,
    scores: Mapping[str, Tensor],
    masks: Mapping[str, Tensor | None],
) -> Ranking:
    present = [
        torch.ones_like(score) if (mask := masks.get(name)) is None else mask
        for name, score in scores.items()
    ]
    order = prune.pruning_order(
        method,
        torch.cat([score.reshape(-1) for score in scores.values()]),
        default_mask=torch.cat([mask.reshape(-1) for mask in present]),
    )
    parts = order.split([score.numel() for score in scores.values()])
    orders = {
        name: part.view(score.shape)
        for (name, score), part in zip(scores.items(), parts, strict=True)
    }
    return Ranking(orders, int(order.max()) + 1)


def _asked(
    make: Callable[..., prune.BasePruningMethod],
    scores: Tensor,
    mask: Tensor | None,
    steps: int,
    seed: int,
) -> Tensor:
    """Find when each entry goes by asking a method that does not rank for its masks.

    Raises:
        ValueError: an entry that was pruned comes back for a larger amount.
    """
    before = torch.ones_like(scores) if mask is None else mask
    order = torch.where(before == 0, -1, steps)
    for step in range(steps):
        method = make() if steps == 1 else make((step + 1) / steps)
        method._tensor_name = "weight"
        asked = method if mask is None else prune.PruningContainer(method)
        torch.manual_seed(seed)
        kept = asked.compute_mask(scores, default_mask=before.clone()) != 0
        if bool((kept & (order < step)).any()):
            raise ValueError(
                f"{type(method).__name__} keeps at amount={(step + 1) / steps} what it prunes at a "
                "smaller amount; a slider can only show masks that are nested"
            )
        order[~kept & (order == steps)] = step
    return order


def own(method: type[prune.BasePruningMethod]) -> Technique:
    """Offer a reader's own subclass of ``BasePruningMethod``, the engine's or torch's.

    It may take an ``amount`` or nothing at all.

    Raises:
        TypeError: no such subclass, or its constructor needs something else.

    >>> class EverySecond(prune.BasePruningMethod):
    ...     PRUNING_TYPE = "unstructured"
    ...     def compute_mask(self, t, default_mask):
    ...         mask = default_mask.clone()
    ...         mask.view(-1)[::2] = 0
    ...         return mask
    >>> rank(own(EverySecond), {"w": torch.ones(4)}, {}, {}, seed=0).orders["w"].tolist()
    [0, 1, 0, 1]
    """
    if not (isinstance(method, type) and issubclass(method, torch_prune.BasePruningMethod)):
        raise TypeError(f"technique should be a name or a BasePruningMethod, not {method!r}")
    make: Any = method  # its constructor is the reader's own
    needed = [
        parameter.name
        for parameter in inspect.signature(make).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    takes_amount = "amount" in inspect.signature(make).parameters
    if set(needed) - {"amount"}:
        raise TypeError(f"{method.__name__} needs {', '.join(needed)}; a slider can give an amount")
    if not takes_amount:
        return Technique(method.__name__, method, random=True, ways=())
    ways = ("fraction", "count") if _ranks(method) else ("fraction",)
    return Technique(method.__name__, lambda amount=0: make(amount=amount), random=True, ways=ways)


def literal(value: object) -> str:
    """Write a value as Python code; ``inf`` has no literal of its own.

    >>> literal(2), literal(float("inf")), literal("weight")
    ('2', 'float("inf")', '"weight"')
    """
    if value == float("inf"):
        return 'float("inf")'
    return (
        '"{}"'.format(value.replace("\\", "\\\\").replace('"', '\\"'))
        if isinstance(value, str)
        else repr(value)
    )
