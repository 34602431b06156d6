"""Everything that pruning may change in a model, written down to be compared later."""

from __future__ import annotations

import gc
import io
import types
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Snapshot:
    """What a model holds now: tensors by identity and by value, names and hooks in their order."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._seen = _seen(model)
        self._values = [tensor.detach().clone() for tensor in _tensors(model)]

    def assert_unchanged(self) -> None:
        """Fail if the model differs in anything from what it was."""
        assert _seen(self._model) == self._seen
        for now, before in zip(_tensors(self._model), self._values, strict=True):
            assert identical(now.detach(), before)


def identical(a: Tensor, b: Tensor) -> bool:
    """Tell whether two tensors agree in dtype, shape and every value, NaN equal to NaN."""
    if a.is_meta or b.is_meta:  # they have no values
        return a.is_meta and b.is_meta and a.dtype == b.dtype and a.shape == b.shape
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and torch.equal(a.isnan(), b.isnan())
        and (torch.equal(a.nan_to_num(), b.nan_to_num()))
    )


def _seen(model: nn.Module) -> list[object]:
    return [
        (
            path,
            type(module),
            [(name, id(tensor)) for name, tensor in _attributes(module)],
            [(key, id(hook), _state(hook)) for key, hook in module._forward_pre_hooks.items()],
            list(module._forward_hooks),
            module.training,
        )
        for path, module in model.named_modules()
    ]


def _state(hook: object) -> list[tuple[str, object]]:
    state = getattr(hook, "__dict__", {})
    return [(k, id(v) if isinstance(v, Tensor) else repr(v)) for k, v in state.items()]


def _attributes(module: nn.Module) -> Iterator[tuple[str, Tensor | None]]:
    for holder in (module._parameters, module._buffers, module.__dict__):
        for name, value in holder.items():
            if value is None or isinstance(value, Tensor):
                yield name, value
            if isinstance(value, nn.Parameter) and value.grad is not None:
                yield name + ".grad", value.grad


def _tensors(model: nn.Module) -> list[Tensor]:
    return [
        tensor
        for module in model.modules()
        for _, tensor in sorted(_attributes(module), key=lambda named: named[0])
        if tensor is not None and not nn.parameter.is_lazy(tensor)
    ]


def reachable_bytes(module: nn.Module) -> int:
    """Return the memory of every tensor that the module keeps alive, each storage once.

    The walk follows what Python's garbage collector follows, so nothing can hide in a hook.
    """
    seen: set[int] = set()
    storages: dict[int, int] = {}
    waiting: list[object] = [module]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | types.ModuleType | types.FunctionType):
            continue
        seen.add(id(thing))
        if isinstance(thing, Tensor):
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        waiting.extend(gc.get_referents(thing))
    return sum(storages.values())


def saved_bytes(thing: object) -> int:
    """Return the size of what ``torch.save`` writes."""
    file = io.BytesIO()
    torch.save(thing, file)
    return file.tell()
