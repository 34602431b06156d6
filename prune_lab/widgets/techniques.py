"""The techniques, as all panels offer them: each is an object that does what depends on it.

A new one is a class here, under :func:`offered`: it is in the menu of every panel that can show
it. A panel ranks once, and has the mask for every amount: ``order >= count``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from prune_lab.prune.amounts import count
from prune_lab.widgets.naming import literal
from prune_lab.widgets.parameters import Parameters, Place

STEPS = 100  # of the amount, where a technique that does not rank is asked for its masks
LISTED = 500  # entries; a mask by hand that prunes more is not written out in the code

Call = Callable[[], object]


@dataclass(frozen=True)
class Settings:
    """What the reader has chosen beside a technique and its amount.

    Attributes:
        options: by keyword, what the technique takes beside the amount.
        seed: what ``torch.manual_seed`` is given.
        painted: bool, of the parameter's shape, True where the reader keeps an entry by hand;
            None where nothing is painted.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 1
    painted: Tensor | None = None


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


class Code(NamedTuple):
    """A call as code: what stands before the amount, and what after it."""

    before: str
    after: str


class Calls(NamedTuple):
    """The engine's calls for some parameters.

    Attributes:
        each: by parameter name, what prunes that one alone.
        together: one call that prunes them all, in place of the single ones; None: there is none.
    """

    each: dict[str, Call]
    together: Call | None = None


class Technique:
    """One way to prune: what it offers, what it ranks, the engine's call, and that call as code.

    Attributes:
        value: the name that ``technique=`` takes; for most the engine's function.
        label: what the menu says.
        options: by keyword, what it takes beside the amount, and with which value it begins.
        random: whether the seed matters.
        units: what goes at once, in the plural.
        ways: how the amount may be given: ``"fraction"``, ``"count"``, both, or neither.
        needs: how many dimensions the parameter must have at least.
        whole_model: whether all weights of the model are ranked together.
        by_size: whether exactly what is smaller than some threshold goes.
        by_hand: whether the mask is painted by the reader.
        asks: the words beside the slider; ``{m}`` stands for that option.
        keeps: whether the number in the code is how many stay.
    """

    value: str
    label: str
    options: Mapping[str, Any] = {}
    random = False
    units = "entries"
    ways: tuple[str, ...] = ("fraction", "count")
    needs = 0
    whole_model = False
    by_size = False
    by_hand = False
    asks = "amount"
    keeps = False

    # What it offers

    def offer(self) -> dict[str, Any]:
        """Return its entry in a menu, as the scripts read it."""
        return {
            "value": self.value,
            "label": self.label,
            "options": list(self.options),
            "random": self.random,
            "units": self.units,
            "needs": self.needs,
            "ways": list(self.ways),
            "by_size": self.by_size,
            "by_hand": self.by_hand,
            "asks": self.asks,
            "keeps": self.keeps,
        }

    def fits(self, name: str, parameters: Parameters) -> bool:
        """Tell whether it can prune this parameter."""
        return parameters[name].values.dim() >= self.needs

    def looks_at(self, name: str, parameters: Parameters) -> list[str]:
        """Return the parameters that are ranked together with this one, itself included."""
        return [name]

    def fitted(self, amount: int | float, units: int, before: int, anew: bool) -> int | float:
        """Return the amount that means here what ``amount`` meant before.

        Args:
            amount: as it was.
            units: how many units there are now.
            before: how many there were, 0 if there was no technique before.
            anew: whether parameter, technique or its units were chosen since.
        """
        if not self.ways or not isinstance(amount, int):
            return amount
        # A count of entries says nothing about channels: there, keep the share.
        amount = min(round(amount * units / before) if anew and before else amount, units)
        return amount if "count" in self.ways else amount / units if units else 0.0

    def checked(self, amount: int | float, units: int) -> int | float:
        """Return the amount as this technique takes it.

        Raises:
            TypeError: no number.
            ValueError: out of range, or given in a way that this technique does not know.
        """
        prune._validate_pruning_amount_init(amount)
        if not self.ways:
            return amount
        by_count = hasattr(amount, "__index__")
        if "count" not in self.ways:
            if by_count:
                raise ValueError(f"amount={amount} should be a float between 0 and 1")
            return round(float(amount) * STEPS) / STEPS  # where it was asked for its masks
        count(amount, units)
        return int(amount) if by_count else float(amount)

    def count(self, amount: int | float, units: int) -> int:
        """Return how many of so many units the amount takes."""
        return count(amount, units) if self.ways else units

    # What it ranks

    def method(self, **options: Any) -> Any:
        """Return a method of the engine's, or the reader's, that ranks or masks."""
        raise NotImplementedError

    def rank(
        self,
        values: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None],
        settings: Settings = Settings(),
    ) -> Ranking:
        """Rank the entries of one parameter, or of several together if the technique is global.

        The caller's random state is left alone.

        Args:
            values: by parameter name, unpruned; more than one only for a global technique.
            masks: by parameter name, what is pruned already; None: nothing.
            settings: what else was chosen.

        Raises:
            ValueError: the technique does not fit the tensor, or its masks are not nested.

        >>> values = {"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([2.0])}
        >>> found = TECHNIQUES["global_unstructured"].rank(values, {})
        >>> found.orders["a"].tolist(), found.orders["b"].tolist(), found.units
        ([2, 0], [1], 3)
        """
        # A pruned entry has no say: neither in a channel's norm nor in the group's order.
        scores = {
            name: tensor if (mask := masks.get(name)) is None else tensor.where(mask != 0, 0)
            for name, tensor in values.items()
        }
        with self.drawing(settings.seed, *scores.values()):
            return self._rank(scores, masks, settings)

    def _rank(
        self,
        scores: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None],
        settings: Settings,
    ) -> Ranking:
        ((name, score),) = scores.items()
        order = prune.pruning_order(
            self.method(**settings.options), score, default_mask=masks.get(name)
        )
        return Ranking({name: order}, int(order.max()) + 1 if order.numel() else 0)

    def runs(
        self, values: Tensor, mask: Tensor | None, settings: Settings
    ) -> list[tuple[int, int]]:
        """Return how many entries go with each unit, as runs: how many units, entries in each.

        Args:
            values: of one parameter, unpruned.
            mask: what is pruned already; None: nothing.
            settings: what else was chosen.
        """
        ranking = self.rank({"": values}, {"": mask}, settings)
        order = ranking.orders[""]
        sizes = torch.bincount(order[order >= 0].flatten(), minlength=ranking.units).tolist()
        return [(len(list(run)), size) for size, run in groupby(sizes)]

    @contextmanager
    def drawing(self, seed: int, *tensors: Tensor) -> Iterator[None]:
        """Draw inside as after ``torch.manual_seed(seed)``; after it, the state is as before."""
        if not self.random:
            # Not touched, not even for a moment: a cell may be drawing in another thread.
            yield
            return
        with torch.random.fork_rng([tensor.device for tensor in tensors if tensor.is_cuda]):
            torch.manual_seed(seed)
            yield

    # What it calls

    def calls(
        self,
        parameters: Parameters,
        names: Sequence[str],
        settings: Settings,
        amount: int | float,
        ranking: Ranking,
    ) -> Calls:
        """Return the engine's calls that prune ``names`` by ``amount``."""
        (name,) = names
        number = self.number(amount, ranking.units)
        return Calls({name: self.call(parameters[name], settings, number)})

    def call(self, place: Place, settings: Settings, number: int | float) -> Call:
        """Return the engine's call that prunes one parameter."""

        def call() -> None:
            with self.drawing(settings.seed, place.values):
                self._prune(place, settings, number)

        return call

    def options_in_code(self) -> str:
        """Return its options, as they begin, as they stand in its call."""
        return "".join(f", {key}={literal(value)}" for key, value in self.options.items())

    def number(self, amount: int | float, units: int) -> int | float:
        """Return the number that the call is given."""
        return units - self.count(amount, units) if self.keeps else amount

    def _prune(self, place: Place, settings: Settings, number: int | float) -> None:
        raise NotImplementedError

    def code(self, parameters: Parameters, names: Sequence[str], settings: Settings) -> Code:
        """Return the call as code, around the number."""
        (name,) = names
        module, last = parameters.in_code(name), literal(parameters[name].name)
        before, after = self._code(module, last, settings)
        seed = f"torch.manual_seed({settings.seed})\n" if self.random else ""
        return Code(f"{seed}{before}", after)

    def line(
        self,
        parameters: Parameters,
        names: Sequence[str],
        settings: Settings,
        amount: int | float,
        ranking: Ranking,
    ) -> str:
        """Return the call as code."""
        before, after = self.code(parameters, names, settings)
        number = literal(self.number(amount, ranking.units)) if self.ways else ""
        return f"{before}{number}{after}"

    def _code(self, module: str, name: str, settings: Settings) -> tuple[str, str]:
        raise NotImplementedError


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

    def method(self, **options: Any) -> Any:
        """Rank by magnitude."""
        return prune.L1Unstructured(0)


@offered
class RandomUnstructured(_Entries):
    """Any entries go."""

    value, label = "random_unstructured", "random unstructured"
    random = True

    def method(self, **options: Any) -> Any:
        """Draw a number for each entry."""
        return prune.RandomUnstructured(0)


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

    def method(self, **options: Any) -> Any:
        """Rank by norm."""
        return prune.LnStructured(0, **options)


@offered
class RandomStructured(_Channels):
    """Any channels go."""

    value, label = "random_structured", "random structured"
    options: Mapping[str, Any] = {"dim": 0}
    random = True

    def method(self, **options: Any) -> Any:
        """Draw a number for each channel."""
        return prune.RandomStructured(0, **options)


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

    def method(self, **options: Any) -> Any:
        """Rank within each group."""
        return prune.NM(options["m"], options["m"])

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
        return Ranking(orders, int(order.max()) + 1)

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
        masks = ranking.masks(self.count(amount, ranking.units))
        each: dict[str, Call] = {
            name: partial(prune.custom_from_mask, *parameters[name], mask)
            for name, mask in masks.items()
        }
        return Calls(
            each, lambda: prune.global_unstructured(places, prune.L1Unstructured, amount=amount)
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
        order = torch.ones(score.shape, dtype=torch.int64, device=score.device)
        if settings.painted is not None and settings.painted.shape == score.shape:
            order = settings.painted.to(order)
        before = masks.get(name)
        return Ranking({name: order if before is None else order.masked_fill(before == 0, -1)}, 1)

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
        pruned = (ranking.orders[name] == 0).flatten().nonzero().flatten().tolist()
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
        return Ranking({name: self._asked(score, masks.get(name), steps, settings.seed)}, steps)

    def method(self, **options: Any) -> Any:
        """Make the reader's method."""
        return self._make(**({"amount": options.get("amount", 0)} if self.ways else {}))

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
