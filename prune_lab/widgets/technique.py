"""What a technique is to the panels: what it offers, how it ranks, the call and its code.

A panel ranks once, and has the mask for every amount: see ``ranking.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from prune_lab import prune
from prune_lab.prune.amounts import count
from prune_lab.prune.masking import masked
from prune_lab.prune.methods import put_on
from prune_lab.widgets.kept import Kept
from prune_lab.widgets.magnitudes import Magnitudes
from prune_lab.widgets.naming import literal
from prune_lab.widgets.parameters import Parameters, Place
from prune_lab.widgets.ranking import Positions, Ranking, are_many, scaled

STEPS = 100  # of the amount, where a technique that does not rank is asked for its masks

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


class Code(NamedTuple):
    """A call as code: what stands before the amount, and what after it."""

    before: str
    after: str


class Calls(NamedTuple):
    """The engine's calls for some parameters.

    Attributes:
        each: by parameter name, what prunes that one alone; None: setting the mask that is its
            share of the call for all.
        together: one call that prunes them all, in place of the single ones; None: there is none.
        left: by parameter name, the mask that it will have, where that is known before.
    """

    each: Mapping[str, Call | None]
    together: Call | None = None
    left: Mapping[str, Kept] = {}


Prune = tuple[Any, list[Place], Tensor]  # as `put_on` takes it


class Order(NamedTuple):
    """A technique, and all that it needs to prune some parameters.

    Attributes:
        rank: returns the ranking of these parameters, in the order of ``names``.
    """

    technique: Technique
    parameters: Parameters
    names: Sequence[str]
    settings: Settings
    amount: int | float
    rank: Callable[[], Ranking]


def take_long(orders: Sequence[Order]) -> bool:
    """Tell whether there are many entries, and the two halves of the calls can be parted."""
    parted = (order.technique.hook(0, order.settings) is not None for order in orders)
    return are_many(_entries(orders)) and all(parted)


def _entries(orders: Sequence[Order]) -> int:
    return sum(order.parameters[n].values.numel() for order in orders for n in order.names)


def found(
    orders: Sequence[Order], before: Mapping[str, Tensor | None]
) -> Generator[float, None, Calls]:
    """Do the slow part of what was ordered, the masks, piece by piece; the call puts them on.

    It is the two halves of the engine's own call, in ``prune_lab.prune.methods``: it, too, knows
    the mask before it touches a module. So between the two halves cells may run.

    Args:
        orders: of parameters, each once; techniques that have a hook.
        before: by parameter name, what is pruned already; None: nothing.
    """
    prunes: list[Prune] = []
    each: dict[str, Call | None] = {}
    left: dict[str, Kept] = {}
    entries, done = _entries(orders), 0
    for technique, parameters, names, settings, amount, rank in orders:
        values = {name: parameters[name].values for name in names}
        size, ranking = sum(tensor.numel() for tensor in values.values()), rank()
        finding = ranking.find(technique.count(amount, ranking.units))
        masks = yield from scaled(finding, done / entries, (done + size / 2) / entries)
        done += size // 2
        for name, tensor in values.items():
            hook = technique.hook(technique.number(amount, ranking.units), settings)
            mask = _laid_over(before[name], masks.pop(name), tensor)
            prunes.append((hook, [parameters[name]], mask))
            left[name] = Kept(mask)
            done += tensor.numel() // 2
            yield done / entries
        each |= technique.calls(parameters, names, settings, amount, ranking).each
    return Calls(each, lambda: put_on(*prunes), left)


def _laid_over(before: Tensor | None, kept: Tensor, values: Tensor) -> Tensor:
    """The mask of an entry that goes is 0, and of the others what it was."""
    mask = kept.to(values.dtype)
    return mask.contiguous() if before is None else mask.mul_(before)


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

    def method(self, amount: int | float = 0, **options: Any) -> Any:
        """Return a method of the engine's, or the reader's, that ranks or masks."""
        raise NotImplementedError

    def hook(self, number: int | float, settings: Settings) -> Any:
        """Return the method that its call would leave behind; None: that call alone can prune."""
        return self.method(number, **settings.options)

    def rank(
        self,
        values: Mapping[str, Tensor],
        masks: Mapping[str, Tensor | None],
        settings: Settings = Settings(),
    ) -> Ranking:
        """Rank the entries of one parameter, or of several together if the technique is global.

        The caller's random state is left alone. So are the values, but a ranking of many entries
        reads them again when it is asked: it holds as long as they stay as they are.

        Args:
            values: by parameter name, unpruned; more than one only for a global technique.
            masks: by parameter name, what is pruned already; None: nothing.
            settings: what else was chosen.

        Raises:
            ValueError: the technique does not fit the tensor, or its masks are not nested.

        >>> from prune_lab.widgets.techniques import TECHNIQUES
        >>> values = {"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([2.0])}
        >>> found = TECHNIQUES["global_unstructured"].rank(values, {})
        >>> found.orders["a"].tolist(), found.orders["b"].tolist(), found.units
        ([2, 0], [1], 3)
        """
        # A pruned entry has no say, neither in a channel's norm nor in the group's order. What a
        # mask scales is ranked as it is then, by the engine too.
        scores = {
            name: tensor if (mask := masks.get(name)) is None else masked(tensor, mask)
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
        method, before = self.method(**settings.options), masks.get(name)
        if are_many(score.numel()) and score.is_floating_point() and _by_magnitude(method):
            return Magnitudes({name: _importance(method, score, before)}, masks)
        order = prune.pruning_order(method, score, default_mask=before)
        return Positions({name: order}, int(order.max()) + 1 if order.numel() else 0)

    def runs(
        self, values: Tensor, mask: Tensor | None, settings: Settings
    ) -> list[tuple[int, int]]:
        """Return how many entries go with each unit, as runs: how many units, entries in each.

        Args:
            values: of one parameter, unpruned.
            mask: what is pruned already; None: nothing.
            settings: what else was chosen.
        """
        return self.rank({"": values}, {"": mask}, settings).runs()

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


def _by_magnitude(method: Any) -> bool:
    """Tell whether single entries go, those of the smallest importance first."""
    return getattr(type(method), "order", None) is prune.L1Unstructured.order


def _importance(method: Any, score: Tensor, before: Tensor | None) -> Tensor:
    """The importance of each entry; one that is gone has none, and draws no random number."""
    if before is None:
        return method.importance(score)
    left = before == 1
    result = torch.zeros_like(score)
    result[left] = method.importance(score[left]).to(score.dtype)
    return result
