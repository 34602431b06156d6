"""Parameters that several modules hold, such as an embedding and the output layer tied to it.

A prune changes the module that it names and no other, as in torch. Whoever wants a tied parameter
to be pruned everywhere says so.
"""

from __future__ import annotations

import copy
import dataclasses
import warnings
import weakref
from collections.abc import Iterator

import torch
from torch import nn

from . import methods, places
from .record import Record

_Group = dict[str, places.Found]  # the places of one parameter, by paths such as "out.weight"


def prune_twins(model: nn.Module) -> list[str]:
    """Prune tied parameters in all their places in ``model``, now and from now on.

    Pruning the embedding leaves the output layer that shares its Parameter as it was: that one
    goes on with the unpruned values. After this call every place in ``model`` that holds a
    pruned Parameter has its mask and its hook, and later prunes, ``undo`` and ``remove`` of one
    place act on all of them, as long as they hold the same Parameter. Call it again after tying
    more of them, or after loading the model from a file. A copy of the model has ties of its own.

    Args:
        model: any module.

    Returns:
        the names of the places that were not pruned before, such as ``"out.weight"``.

    Raises:
        TypeError: not a module.
        ValueError: two places of one parameter are pruned by different masks; nothing has
            been changed.

    Warns:
        UserWarning: a ParameterList, ParameterDict or scripted module holds a pruned Parameter:
            it has no forward pass that would put a mask on, and keeps the unpruned values.

    >>> from prune_lab import prune
    >>> model = nn.ModuleDict({"emb": nn.Embedding(5, 3), "out": nn.Linear(3, 5)})
    >>> model["out"].weight = model["emb"].weight
    >>> _ = prune.l1_unstructured(model["emb"], "weight", amount=6)
    >>> prune_twins(model)
    ['out.weight']
    >>> int((model["out"].weight == 0).sum())
    6
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model should be a torch.nn.Module, not {type(model).__name__}")
    groups = list(_tied_and_pruned(model))
    clean = {path: twin for group in groups for path, twin in group.items() if twin.hook is None}
    for twin in clean.values():
        places.to_prune(twin.module, twin.name)
    with places.unchanged_on_error(twin.module for group in groups for twin in group.values()):
        for group in groups:
            _tie(list(group.values()))
    return list(clean)


def _tied_and_pruned(model: nn.Module) -> Iterator[_Group]:
    """Yield the places of each parameter that has several and is pruned in one of them."""
    found: dict[nn.Parameter, _Group] = {}
    for path, module in model.named_modules():
        for key, parameter in module._parameters.items():
            if parameter is not None:
                name = key.removesuffix("_orig")
                name = name if name in places.pruned_names(module) else key
                group = found.setdefault(parameter, {})
                group[f"{path}.{name}" if path else name] = places.find(module, name)
    for group in found.values():
        masks = [places.mask_of(t.module, t.name) for t in group.values() if t.hook is not None]
        if not masks or len(group) == 1:
            continue
        if any(not torch.equal(mask, masks[0]) for mask in masks):
            raise ValueError(
                f"{' and '.join(group)} are one Parameter, but pruned "
                "by different masks: undo or remove the prunes of all but one of them first"
            )
        group = {path: twin for path, twin in group.items() if _runs_hooks(path, twin.module)}
        if len(group) > 1 and any(twin.hook is not None for twin in group.values()):
            yield group


def _runs_hooks(path: str, module: nn.Module) -> bool:
    """Tell whether a hook in a place would ever run, and warn if not."""
    if not isinstance(module, places.WITHOUT_HOOKS):
        return True
    warnings.warn(
        f"'{path}' shares a pruned Parameter, but a {type(module).__name__} has no "
        "forward pass in which a mask could be put on: it keeps the unpruned values",
        stacklevel=4,
    )
    return False


def _tie(group: list[places.Found]) -> None:
    """Give all places the mask and the methods of the first pruned one, and one tie."""
    pruned = next(twin for twin in group if twin.hook is not None)
    known = methods.record_of(pruned.hook)
    tie = [(weakref.ref(twin.module), twin.name) for twin in group]
    for twin in group:
        if twin.hook is None:
            hook, mask = pruned.hook, places.mask_of(pruned.module, pruned.name).clone()
            record = Record(order=methods.unpruned_order(twin.module), before=known.before)
        else:
            hook, mask = twin.hook, places.mask_of(twin.module, twin.name)
            record = methods.record_of(hook)
        copied = _copied(hook, twin.name)
        copied.record = dataclasses.replace(record, tie=tie)
        methods.install(copied, twin.module, twin.name, mask, instead_of=twin.key)


def _copied(hook: methods.BasePruningMethod, name: str) -> methods.BasePruningMethod:
    """Return a hook of ours with the same methods, for the tensor ``name``."""
    copies = [copy.copy(method) for method in methods.methods_of(hook)]
    for method in copies:
        method._tensor_name = name
    single = len(copies) == 1 and isinstance(copies[0], methods.BasePruningMethod)
    return copies[0] if single else methods.PruningContainer(*copies)
