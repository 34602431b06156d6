"""A model's parameters under the names that they have unpruned."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from prune_lab import prune
from prune_lab.inspection import hash_of

State = tuple[tuple[str, ...], ...]


class Place(NamedTuple):
    """Where a parameter is: ``module.name``, whether it is pruned or not."""

    module: nn.Module
    name: str

    @property
    def values(self) -> Tensor:
        """The values before any mask, detached.

        Raises:
            AttributeError: the module has lost the parameter.
        """
        found = self.module._parameters.get(f"{self.name}_orig")
        if found is None:
            found = self.module._parameters.get(self.name)
        if found is None:
            kind = type(self.module).__name__
            raise AttributeError(f"{kind} has lost its parameter '{self.name}'")
        return found.detach()

    @property
    def mask(self) -> Tensor | None:
        """The mask as it is now (not a copy); None where nothing is pruned."""
        return self.module._buffers.get(f"{self.name}_mask")


def places_of(model: nn.Module) -> dict[str, Place]:
    """Return where each parameter is, by the name that ``model.named_parameters()`` gives unpruned.

    A parameter that several modules share is listed once. Left out are those without values to
    show: not initialised yet, on the meta device, empty, or complex.

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
            unseen = is_lazy(parameter) or parameter.is_meta or parameter.is_complex()
            if not unseen and parameter.numel():
                places[f"{path}.{name}" if path else name] = Place(module, name)
    return places


def state_of(model: nn.Module) -> State:
    """Return what stays equal as long as nobody changes the model: trains, loads, prunes it.

    Args:
        model: any module.

    Returns:
        for every parameter and buffer its name, shape and a hash of its values, and for every
        module its name and type.

    >>> layer = nn.Linear(2, 2)
    >>> before = state_of(layer)
    >>> _ = layer.weight.data.add_(1)
    >>> state_of(layer) == before
    False
    """
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return (
        *((name, type(module).__name__) for name, module in model.named_modules()),
        *((name, *_seen(tensor)) for name, tensor in tensors),
    )


def _seen(tensor: Tensor) -> tuple[str, str]:
    if is_lazy(tensor) or tensor.is_meta:
        return "", ""
    return str(tuple(tensor.shape)), hash_of(tensor.detach().cpu())


def clean(model: nn.Module) -> nn.Module:
    """Make every pruning in ``model`` permanent, and return it."""
    for place in places_of(model).values():
        if place.mask is not None:
            prune.remove(*place)
    return model


def _unpruned(module: nn.Module, key: str) -> str:
    name = key.removesuffix("_orig")
    return name if f"{name}_mask" in module._buffers else key
