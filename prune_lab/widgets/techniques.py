"""The techniques, as all panels offer them: each is an object that does what depends on it.

A new one is a class here, under :func:`offered`: it is in the menu of every panel that can show
it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from prune_lab.prune.amounts import count
from prune_lab.widgets.magnitudes import Magnitudes
from prune_lab.widgets.naming import literal
from prune_lab.widgets.parameters import Parameters, Place
from prune_lab.widgets.ranking import Grouped, Positions, Ranking, are_many
from prune_lab.widgets.technique import STEPS, Calls, Code, Settings, Technique

LISTED = 500  # entries; a mask by hand that prunes more is not written out in the code

TECHNIQUES: dict[str, Technique] = {}
T = TypeVar("T", bound=type[Technique])


def offered(technique: T) -> T:
    """Put a technique into the menus of all panels that can show it."""
    TECHNIQUES[technique.value] = technique()
    return technique


class ByFunction(Technique):
    """A technique that is called through a function of the engine's: ``value`` is its name."""

    keyword = "amount"

    def _prune(self, place: Place, settings: Settings, number: int | float) -> None:
        getattr(prune, self.value)(*place, **{self.keyword: number}, **settings.options)

    def _code(self, module: str, name: str, settings: Settings) -> tuple[str, str]:
        options = "".join(f", {key}={literal(value)}" for key, value in settings.options.items())
        return f"prune.{self.value}({module}, name={name}, {self.keyword}=", f"{options})"


class _Entries(ByFunction):
    """Entries go one by one."""

    def runs(
        self, values: Tensor, mask: Tensor | None, settings: Settings
    ) -> list[tuple[int, int]]:
        """Count the entries that are left: nothing needs to be ranked."""
        return [(values.numel() if mask is None else int((mask != 0).sum()), 1)]


@offered
class L1Unstructured(_Entries):
    """The smallest magnitudes go."""

    value, label = "l1_unstructured", "L1 unstructured"
    by_size = True

    def method(self, amount: int | float = 0, **options: Any) -> Any:
        """Rank by magnitude."""
        return prune.L1Unstructured(amount)


@offered
class RandomUnstructured(_Entries):
    """Any entries go."""

    value, label = "random_unstructured", "random unstructured"
    random = True

    def method(self, amount: int | float = 0, **options: Any) -> Any:
        """Draw a number for each entry."""
        return prune.RandomUnstructured(amount)


class _Channels(ByFunction):
    """Whole channels go."""

    units = "channels"
    needs = 2

    def runs(
        self, values: Tensor, mask: Tensor | None, settings: Settings
    ) -> list[tuple[int, int]]:
        """Return the channels' sizes; they differ where entries are gone already."""
        if mask is not None:
            return super().runs(values, mask, settings)
        channels = values.shape[settings.options["dim"]]
        return [(channels, values.numel() // channels)]


@offered
class LnStructured(_Channels):
    """The channels of the smallest norm go."""

    value, label = "ln_structured", "Ln structured"
    options: Mapping[str, Any] = {"n": 2, "dim": 0}

    def method(self, amount: int | float = 0, **options: Any) -> Any:
        """Rank by norm."""
        return prune.LnStructured(amount, **options)


@offered
class RandomStructured(_Channels):
    """Any channels go."""

    value, label = "random_structured", "random structured"
    options: Mapping[str, Any] = {"dim": 0}
    random = True

    def method(self, amount: int | float = 0, **options: Any) -> Any:
        """Draw a number for each channel."""
        return prune.RandomStructured(amount, **options)


@offered
class NM(ByFunction):
    """So many of every ``m`` neighbours go, the smallest; the code says how many stay."""

    value, label = "n_m", "N:M semi-structured"
    options: Mapping[str, Any] = {"m": 4}
    units = "of each group"
    ways = ("count",)
    needs = 2
    asks = "of each {m} go"
    keeps = True
    keyword = "n"

    def fits(self, name: str, parameters: Parameters) -> bool:
        """Tell whether there are groups."""
        return bool(group_sizes(parameters[name].values))

    def method(self, amount: int | float = 0, **options: Any) -> Any:
        """Rank within each group."""
        return prune.NM(int(amount), options["m"])

    def _rank(
        self,
        scores: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None],
        settings: Settings,
    ) -> Ranking:
        ((name, score),) = scores.items()
        if not are_many(score.numel()):
            return super()._rank(scores, masks, settings)
        method = self.method(**settings.options)
        order = functools.partial(prune.pruning_order, method)
        return Grouped(name, score, masks.get(name), order, method.units(score))

    def fitted(self, amount: int | float, units: int, before: int, anew: bool) -> int | float:
        """Begin with the pattern that N:M is known for, 2:4."""
        if anew or not isinstance(amount, int):
            return units // 2
        return min(amount, units)

    def checked(self, amount: int | float, units: int) -> int | float:
        """Take a count alone."""
        prune._validate_pruning_amount_init(amount)
        if not hasattr(amount, "__index__"):
            raise ValueError(f"amount={amount} should be an int: how many of each group go")
        return count(amount, units)


@offered
class GlobalUnstructured(Technique):
    """The smallest magnitudes of all weights go."""

    value, label = "global_unstructured", "L1, global over the model"
    units = "entries of all weights"
    whole_model = True
    by_size = True

    def fits(self, name: str, parameters: Parameters) -> bool:
        """Tell whether there are several weights, and this is one of them."""
        weights = parameters.weights
        return name in weights and len(weights) > 1

    def looks_at(self, name: str, parameters: Parameters) -> list[str]:
        """Rank all weights."""
        return parameters.weights

    def _rank(
        self,
        scores: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None],
        settings: Settings,
    ) -> Ranking:
        if are_many(sum(score.numel() for score in scores.values())):
            # In one dtype that holds all their values, as the engine ranks them.
            common = functools.reduce(torch.promote_types, (s.dtype for s in scores.values()))
            return Magnitudes({name: score.to(common) for name, score in scores.items()}, masks)
        present = [
            torch.ones_like(score) if (mask := masks.get(name)) is None else mask
            for name, score in scores.items()
        ]
        order = prune.pruning_order(
            prune.L1Unstructured(0),
            torch.cat([score.reshape(-1) for score in scores.values()]),
            default_mask=torch.cat([mask.reshape(-1) for mask in present]),
        )
        parts = order.split([score.numel() for score in scores.values()])
        orders = {
            name: part.view(score.shape)
            for (name, score), part in zip(scores.items(), parts, strict=True)
        }
        return Positions(orders, int(order.max()) + 1)

    def hook(self, number: int | float, settings: Settings) -> Any:
        """Return the method of one of the masks that were found together."""
        return prune.CustomFromMask(None)

    def calls(
        self,
        parameters: Parameters,
        names: Sequence[str],
        settings: Settings,
        amount: int | float,
        ranking: Ranking,
    ) -> Calls:
        """Return one call for all; for one of them alone its share of the mask is set."""
        places = [parameters[name] for name in names]
        return Calls(
            dict.fromkeys(names),
            lambda: prune.global_unstructured(places, prune.L1Unstructured, amount=amount),
        )

    def code(self, parameters: Parameters, names: Sequence[str], settings: Settings) -> Code:
        """Return a line that lists the weights, and the call."""
        before = "prune.global_unstructured(weights, prune.L1Unstructured, amount="
        listed = parameters.list_in_code(names)
        return Code(f"{listed}\n{before}", ")")


@offered
class ByHand(Technique):
    """What the reader has painted goes: ``order`` is 0 where pruned, 1 where kept."""

    value, label = "custom_from_mask", "by hand"
    ways = ()
    by_hand = True

    def _rank(
        self,
        scores: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None],
        settings: Settings,
    ) -> Ranking:
        ((name, score),) = scores.items()
        order = torch.ones(score.shape, dtype=torch.int8, device=score.device)
        if settings.painted is not None and settings.painted.shape == score.shape:
            order = settings.painted.to(order)
        before = masks.get(name)
        return Positions({name: order if before is None else order.masked_fill(before == 0, -1)}, 1)

    def hook(self, number: int | float, settings: Settings) -> Any:
        """Return the method that sets a mask."""
        return prune.CustomFromMask(None)

    def calls(
        self,
        parameters: Parameters,
        names: Sequence[str],
        settings: Settings,
        amount: int | float,
        ranking: Ranking,
    ) -> Calls:
        """Set the mask."""
        (name,) = names
        place = parameters[name]
        mask = ranking.masks(1)[name].to(place.values)
        return Calls({name: lambda: prune.custom_from_mask(*place, mask)})

    def code(self, parameters: Parameters, names: Sequence[str], settings: Settings) -> Code:
        """Return the code around the list of pruned entries."""
        (name,) = names
        shape = ", ".join(map(str, parameters[name].values.shape))
        call = self._call_in_code(parameters, name)
        return Code(f"mask = torch.ones({shape})\nmask.view(-1)[", f"] = 0\n{call}mask)")

    def code_without_list(self, parameters: Parameters, name: str) -> str:
        """Return the code for a mask with too many pruned entries to list them."""
        return (
            "# explorer = MaskExplorer(...): its mask has too many entries to list them here\n"
            f"{self._call_in_code(parameters, name)}explorer.mask)"
        )

    def line(
        self,
        parameters: Parameters,
        names: Sequence[str],
        settings: Settings,
        amount: int | float,
        ranking: Ranking,
    ) -> str:
        """List the pruned entries, unless there are too many."""
        (name,) = names
        if ranking.by_steps:  # as the browser, which does not know single entries of so many
            return self.code_without_list(parameters, name)
        gone = ~ranking.masks(1)[name] & ranking.masks(0)[name]
        pruned = gone.flatten().nonzero().flatten().tolist()
        if len(pruned) > LISTED:
            return self.code_without_list(parameters, name)
        before, after = self.code(parameters, names, settings)
        return f"{before}{pruned}{after}"

    def _call_in_code(self, parameters: Parameters, name: str) -> str:
        module, last = parameters.in_code(name), literal(parameters[name].name)
        return f"prune.custom_from_mask({module}, name={last}, mask="


class Own(Technique):
    """A reader's own subclass of ``BasePruningMethod``, the engine's or torch's.

    It may take an ``amount`` or nothing at all.

    Raises:
        TypeError: no such subclass, or its constructor needs something else.

    >>> class EverySecond(prune.BasePruningMethod):
    ...     PRUNING_TYPE = "unstructured"
    ...     def compute_mask(self, t, default_mask):
    ...         mask = default_mask.clone()
    ...         mask.view(-1)[::2] = 0
    ...         return mask
    >>> Own(EverySecond).rank({"w": torch.ones(4)}, {}).orders["w"].tolist()
    [0, 1, 0, 1]
    """

    random = True

    def __init__(self, method: type[prune.BasePruningMethod]) -> None:
        if not (isinstance(method, type) and issubclass(method, torch_prune.BasePruningMethod)):
            raise TypeError(f"technique should be a name or a BasePruningMethod, not {method!r}")
        self._make: Any = method  # its constructor is the reader's own
        takes = inspect.signature(self._make).parameters
        needed = {
            parameter.name
            for parameter in takes.values()
            if parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        }
        if needed - {"amount"}:
            raise TypeError(
                f"{method.__name__} needs {', '.join(n for n in takes if n in needed)}; "
                "a slider can give an amount"
            )
        self.value = self.label = method.__name__
        self._ranks = _ranks(method)
        if "amount" not in takes:
            self.ways = ()
        elif not self._ranks:
            self.ways, self.units = ("fraction",), "steps"

    def _rank(
        self,
        scores: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None],
        settings: Settings,
    ) -> Ranking:
        if self._ranks:
            return super()._rank(scores, masks, settings)
        ((name, score),) = scores.items()
        steps = STEPS if self.ways else 1
        return Positions({name: self._asked(score, masks.get(name), steps, settings.seed)}, steps)

    def method(self, amount: int | float = 0, **options: Any) -> Any:
        """Make the reader's method."""
        return self._make(**({"amount": amount} if self.ways else {}))

    def hook(self, number: int | float, settings: Settings) -> Any:
        """Return None: what else the reader's class does when it is applied is not known."""
        return None

    def _asked(self, scores: Tensor, mask: Tensor | None, steps: int, seed: int) -> Tensor:
        """Find when each entry goes by asking a method that does not rank for its masks.

        Raises:
            ValueError: an entry that was pruned comes back for a larger amount.
        """
        before = torch.ones_like(scores) if mask is None else mask
        order = torch.where(before == 0, -1, steps)
        for step in range(steps):
            method = self.method(amount=(step + 1) / steps)
            method._tensor_name = "weight"
            asked = method if mask is None else prune.PruningContainer(method)
            torch.manual_seed(seed)
            kept = asked.compute_mask(scores, default_mask=before.clone()) != 0
            if bool((kept & (order < step)).any()):
                raise ValueError(
                    f"{self.value} keeps at amount={(step + 1) / steps} what it prunes at a "
                    "smaller amount; a slider can only show masks that are nested"
                )
            order[~kept & (order == steps)] = step
        return order

    def _prune(self, place: Place, settings: Settings, number: int | float) -> None:
        self._make.apply(*place, **({"amount": number} if self.ways else {}))

    def _code(self, module: str, name: str, settings: Settings) -> tuple[str, str]:
        return f"{self.value}.apply({module}, {name}{', amount=' if self.ways else ''}", ")"


def _ranks(method: Any) -> bool:
    """Tell whether the method's ``order`` says all: a subclass may mask in a way of its own."""
    return hasattr(method, "order") and method.compute_mask.__module__.startswith(prune.__name__)


def group_sizes(values: Tensor) -> list[int]:
    """Return the sizes of N:M's groups that divide the input dimension."""
    sizes = (2, 4, 8, 16)
    return [size for size in sizes if values.dim() > 1 and values.shape[1] % size == 0]
