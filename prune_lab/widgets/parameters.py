"""A model's parameters under the names that they have unpruned, as code, and their changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from prune_lab import prune
from prune_lab.inspection import hash_of
from prune_lab.widgets.naming import access, callers_name, literal

State = tuple[tuple[str, ...], ...]
Seen = tuple[str, str]  # a tensor's shape, and a hash of its values


class Place(NamedTuple):
    """Where a parameter is: ``module.name``, whether it is pruned or not."""

    module: nn.Module
    name: str

    @property
    def parameter(self) -> nn.Parameter:
        """The Parameter that holds the values before any mask.

        Raises:
            AttributeError: the module has lost the parameter.
        """
        found = self.module._parameters.get(f"{self.name}_orig")
        if found is None:
            found = self.module._parameters.get(self.name)
        if found is None:
            kind = type(self.module).__name__
            raise AttributeError(f"{kind} has lost its parameter '{self.name}'")
        return found

    @property
    def values(self) -> Tensor:
        """The values before any mask, detached.

        Raises:
            AttributeError: the module has lost the parameter.
        """
        return self.parameter.detach()

    @property
    def mask(self) -> Tensor | None:
        """The mask as it is now (not a copy); None where nothing is pruned."""
        return self.module._buffers.get(f"{self.name}_mask")


def places_of(model: nn.Module) -> dict[str, Place]:
    """Return where each parameter is, by the name that ``model.named_parameters()`` gives unpruned.

    A parameter that several modules share is listed once. Left out are those that cannot be shown
    or pruned: not initialised yet, on the meta device, empty, complex, or of 8-bit floats.

    Args:
        model: any module, pruned or not.

    Raises:
        TypeError: ``model`` is not an ``nn.Module``.

    >>> from prune_lab.lenet import LeNet
    >>> model = LeNet()
    >>> _ = prune.l1_unstructured(model.conv1, "weight", amount=0.3)
    >>> list(places_of(model))[:3]
    ['conv1.weight', 'conv1.bias', 'conv2.weight']
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"module should be a torch.nn.Module, not {type(model).__name__}")
    places: dict[str, Place] = {}
    seen = set()
    for path, module in model.named_modules():
        # Pruning moves a parameter to the end of its module's list: weights come first again.
        owned = [(_unpruned(module, key), value) for key, value in module._parameters.items()]
        for name, parameter in sorted(owned, key=lambda pair: "bias" in pair[0]):
            if parameter is None or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            if not _why_left_out(parameter) and parameter.numel():
                places[f"{path}.{name}" if path else name] = Place(module, name)
    return places


class Parameters:
    """The parameters of a panel's model: where they are, how code calls them, whether they changed.

    Attributes:
        model: any module.
        label: how the reader's code calls it.
        places: where each parameter is, as of the last :meth:`look`.
        seen: the model's state then.

    Args:
        model: any module.
        label: found among the caller's variables if left out.

    Raises:
        TypeError: ``model`` is not an ``nn.Module``.

    >>> layer = nn.Linear(2, 2)
    >>> parameters = Parameters(layer)
    >>> parameters.weights, parameters.in_code("weight"), parameters.changed()
    (['weight'], 'layer', False)
    >>> _ = layer.weight.data.add_(1)
    >>> parameters.changed()
    True
    """

    def __init__(self, model: nn.Module, label: str | None = None) -> None:
        self.model = model
        self.look()
        self.label = label or callers_name(model) or type(model).__name__.lower()

    def look(self) -> None:
        """Take the model as it is now."""
        self.places = places_of(self.model)
        self.seen = state_of(self.model)
        self._memory = self._addresses()

    def take_pruning(self, masks: Mapping[str, Seen]) -> None:
        """Take the model as a panel's own pruning has left it, without a look at all its values.

        Whoever else has changed values meanwhile is found out by the next :meth:`changed`.

        Args:
            masks: by parameter name, of those that the panel has put on.
        """
        values, self.places = self._seen_values, places_of(self.model)
        known = {f"{name}_mask": seen for name, seen in masks.items()}
        for name, place in self.places.items():
            if name in values:
                known[name if place.mask is None else f"{name}_orig"] = values[name]
        self.seen = state_of(self.model, known)

    def changed(self) -> bool:
        """Tell whether the model is another than at the last look.

        It also is if the same values are in other memory: a ranking reads them where they were.
        """
        return state_of(self.model) != self.seen or self._addresses() != self._memory

    def versions(self) -> list[tuple[int, int]]:
        """Return what tells at once of most changes: which tensors there are, and torch's counts.

        A write past torch, or by way of ``.data``, is not counted.
        """
        return [(id(tensor), tensor._version) for _, tensor in _tensors(self.model)]

    def compare(self) -> Generator[float, None, bool]:
        """Tell, tensor by tensor, whether the model is as at the last look."""
        known: dict[str, Seen] = {}
        tensors = _tensors(self.model)
        for done, (name, tensor) in enumerate(tensors):
            known[name] = seen_of(tensor)
            yield (done + 1) / len(tensors)
        return state_of(self.model, known) == self.seen and self._addresses() == self._memory

    def kept(self, names: Iterable[str]) -> bool:
        """Tell whether these parameters have the values that they had at the last look."""
        seen = self._seen_values
        return all(seen.get(name) == seen_of(self[name].parameter) for name in names)

    def _addresses(self) -> list[int]:
        return [place.values.data_ptr() for place in self.places.values()]

    @property
    def seen_tensors(self) -> dict[str, Seen]:
        """What was seen of the model's tensors, by name."""
        return {entry[0]: (entry[1], entry[2]) for entry in self.seen if len(entry) == 3}

    @property
    def _seen_values(self) -> dict[str, Seen]:
        """What was seen of the parameters, by the name that each has unpruned."""
        seen = self.seen_tensors
        both = {name: seen.get(f"{name}_orig", seen.get(name)) for name in self.places}
        return {name: one for name, one in both.items() if one is not None}

    def __getitem__(self, name: str) -> Place:
        place = self.places.get(name)
        if place is None:
            raise AttributeError(f"{self.label} has lost its parameter '{name}'")
        return place

    @property
    def weights(self) -> list[str]:
        """The names of those with two or more dimensions, which techniques for models prune."""
        return [
            name
            for name, place in self.places.items()
            if place.values.dim() > 1 and place.values.is_floating_point()
        ]

    def check(self, name: str | None) -> None:
        """Refuse a name that cannot be shown; None stands for any.

        Raises:
            AttributeError: there is none of that name, or none at all.
            ValueError: there is, but it cannot be shown or pruned.
        """
        self.places = places_of(self.model)
        if name in self.places or (name is None and self.places):
            return
        kind = type(self.model).__name__
        for other, parameter in self.model.named_parameters():
            reason = _why_left_out(parameter)
            if reason and (name == other or not self.places):
                raise ValueError(f"{other if name == other else kind} {reason}")
        if not self.places:
            raise AttributeError(f"{kind} has no parameters to prune")
        raise AttributeError(
            f"{kind} has no parameter {name!r}; it has {', '.join(map(repr, self.places))}"
        )

    def checked_weights(self) -> list[str]:
        """Return the weights.

        Raises:
            ValueError: there are none, or none that can be pruned.
        """
        if weights := self.weights:
            return weights
        kind = type(self.model).__name__
        for parameter in self.model.parameters():
            if reason := _why_left_out(parameter):
                raise ValueError(f"{kind} {reason}")
        raise ValueError(f"{kind} has no weight with two or more dimensions to prune")

    def in_code(self, name: str) -> str:
        """Return how code calls the module that holds a parameter."""
        return f"{self.label}{access(name.rpartition('.')[0])}"

    def list_in_code(self, names: Sequence[str]) -> str:
        """Return code that lists weights as the engine takes several of them."""
        lasts = {name.rpartition(".")[2] for name in names}
        if len(names) <= 8 and lasts == {"weight"}:
            layers = ", ".join(map(self.in_code, names))
            return f'weights = [(layer, "weight") for layer in [{layers}]]'
        every = [p for p in self.model.parameters() if _why_left_out(p) or p.dim() > 1]
        if len(every) > len(names):  # the loop below would find more than these
            pairs = (f"    ({self.in_code(n)}, {literal(n.rpartition('.')[2])}),\n" for n in names)
            return f"weights = [\n{''.join(pairs)}]"
        return (
            "weights = [\n"
            f'    (layer, name.removesuffix("_orig")) for layer in {self.label}.modules()\n'
            "    for name, value in layer.named_parameters(recurse=False) if value.dim() > 1\n"
            "]"
        )

    def twins_in_code(self, names: Iterable[str]) -> str:
        """Return the line that prunes tied parameters everywhere; "" where none is tied."""
        wanted = {id(self[name].parameter) for name in names}
        held = Counter(
            id(parameter)
            for module in self.model.modules()
            for parameter in module._parameters.values()
        )
        tied = any(held[parameter] > 1 for parameter in wanted)
        return f"prune.prune_twins({self.label})" if tied else ""


def state_of(model: nn.Module, known: Mapping[str, Seen] | None = None) -> State:
    """Return what stays equal as long as nobody changes the model: trains, loads, prunes it.

    Args:
        model: any module.
        known: what is known of some of its tensors, by name; they are not looked at.

    Returns:
        for every parameter and buffer its name, shape and a hash of its values, and for every
        module its name and type.

    >>> layer = nn.Linear(2, 2)
    >>> before = state_of(layer)
    >>> _ = layer.weight.data.add_(1)
    >>> state_of(layer) == before
    False
    """
    known = known or {}
    return (
        *((name, type(module).__name__) for name, module in model.named_modules()),
        *((name, *(known.get(name) or seen_of(tensor))) for name, tensor in _tensors(model)),
    )


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def seen_of(tensor: Tensor) -> Seen:
    """Return a tensor's shape and a hash of its values."""
    if is_lazy(tensor) or tensor.is_meta:
        return "", ""
    return str(tuple(tensor.shape)), hash_of(tensor.detach().cpu())


def clean(model: nn.Module) -> nn.Module:
    """Make every pruning in ``model`` permanent, and return it."""
    for place in places_of(model).values():
        if place.mask is not None:
            prune.remove(*place)
    return model


def _why_left_out(parameter: Tensor) -> str:
    """Say why a parameter can be neither shown nor pruned; "" where it can."""
    if is_lazy(parameter):
        return "has no values yet: run the module on an input first"
    if parameter.is_meta:
        return (
            "is on the meta device, where there are no values: give it some first, with "
            'to_empty(device="cpu") and load_state_dict'
        )
    if parameter.is_complex():
        return "is complex: a picture of its entries needs real numbers"
    if parameter.is_floating_point() and parameter.dtype.itemsize == 1:
        return (
            f"is of type {str(parameter.dtype).removeprefix('torch.')}, which torch can neither "
            "rank nor mask: prune first, then convert"
        )
    return ""


def _unpruned(module: nn.Module, key: str) -> str:
    name = key.removesuffix("_orig")
    return name if f"{name}_mask" in module._buffers else key
