"""One function per technique, and those that look at and end a pruning.

Each prunes ``module`` in place and returns it. The names and signatures are torch's; what is
raised, and that a failed call changes nothing, stands at :meth:`BasePruningMethod.apply`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from torch import Tensor, nn

from . import holding, methods, places, techniques
from .amounts import Amount

M = TypeVar("M", bound=nn.Module)


def identity(module: M, name: str) -> M:
    """Set ``name`` up for pruning with a mask of ones (torch's ``identity``).

    >>> layer = identity(nn.Linear(2, 1), "bias")
    >>> layer.bias_mask
    tensor([1.])
    """
    techniques.Identity.apply(module, name)
    return module


def random_unstructured(module: M, name: str, amount: Amount) -> M:
    """Prune entries at random (torch's ``random_unstructured``; same seed, same mask).

    Args:
        module: holds the parameter.
        name: such as ``"weight"``.
        amount: fraction in [0, 1] or count of the entries still there. O(n) time.

    >>> layer = random_unstructured(nn.Linear(4, 5), "weight", amount=0.3)
    >>> int((layer.weight_mask == 0).sum())
    6
    """
    techniques.RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: M, name: str, amount: Amount, importance_scores: Tensor | None = None
) -> M:
    """Prune the entries of smallest absolute value (torch's ``l1_unstructured``).

    Args:
        module: holds the parameter.
        name: such as ``"weight"``.
        amount: fraction in [0, 1] or count of the entries still there. O(n) time.
        importance_scores: shape of the parameter, ranked in place of its values.

    >>> layer = l1_unstructured(nn.Linear(4, 5), "weight", amount=6)
    >>> int((layer.weight == 0).sum())
    6
    """
    techniques.L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: M, name: str, amount: Amount, dim: int) -> M:
    """Prune channels at random (torch's ``random_structured``; same seed, same mask).

    Args:
        module: holds the parameter, which has at least two dimensions.
        name: such as ``"weight"``.
        amount: fraction in [0, 1] or count of the channels still there.
        dim: dimension of the channels; 0 is a layer's outputs, 1 its inputs.

    >>> layer = random_structured(nn.Linear(4, 5), "weight", amount=2, dim=0)
    >>> int((layer.weight.abs().sum(1) == 0).sum())
    2
    """
    techniques.RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: M,
    name: str,
    amount: Amount,
    n: float | str,
    dim: int,
    importance_scores: Tensor | None = None,
) -> M:
    """Prune the channels of smallest L_n norm (torch's ``ln_structured``).

    Args:
        module: holds the parameter, which has at least two dimensions.
        name: such as ``"weight"``.
        amount: fraction in [0, 1] or count of the channels still there. O(n) time.
        n: a number, inf, -inf, "fro" or "nuc".
        dim: dimension of the channels; 0 is a layer's outputs, 1 its inputs.
        importance_scores: shape of the parameter, its norms are taken in place of the values'.

    >>> layer = ln_structured(nn.Conv2d(5, 3, 2), "weight", amount=0.3, n=float("-inf"), dim=1)
    >>> int((layer.weight.abs().sum((0, 2, 3)) == 0).sum())
    2
    """
    techniques.LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def n_m(module: M, name: str, n: int = 2, m: int = 4, importance_scores: Tensor | None = None) -> M:
    """Keep the ``n`` largest of every ``m`` neighbours along dim 1 (N:M; 2:4 by default).

    Args:
        module: holds the parameter, whose dim 1 is a multiple of ``m``.
        name: such as ``"weight"``.
        n: how many of each group stay.
        m: size of a group.
        importance_scores: shape of the parameter, ranked in place of its values.

    >>> layer = n_m(nn.Linear(8, 3), "weight")
    >>> layer.weight_mask.view(3, 2, 4).sum(-1).unique()
    tensor([2.])
    """
    techniques.NM.apply(module, name, n, m, importance_scores=importance_scores)
    return module


def custom_from_mask(module: M, name: str, mask: Tensor) -> M:
    """Prune by a mask of one's own (torch's ``custom_from_mask``).

    Args:
        module: holds the parameter.
        name: such as ``"bias"``.
        mask: shape of the parameter; 1 keeps, 0 prunes.

    >>> import torch
    >>> layer = custom_from_mask(nn.Linear(5, 3), "bias", torch.tensor([0, 1, 0]))
    >>> layer.bias_mask
    tensor([0., 1., 0.])
    """
    techniques.CustomFromMask.apply(module, name, mask)
    return module


def remove(module: M, name: str) -> M:
    """Make the pruning of ``name`` permanent: the zeros stay, hook and mask go (torch's name).

    Nothing is undone (:func:`undo` does that) and nothing gets smaller: the zeros are stored.
    Places that ``prune_twins`` has tied to this one follow.

    Raises:
        ValueError: ``name`` is not pruned.

    >>> layer = remove(l1_unstructured(nn.Linear(2, 2), "weight", amount=3), "weight")
    >>> int((layer.weight == 0).sum()), [name for name, _ in layer.named_parameters()]
    (3, ['bias', 'weight'])
    """
    where = _pruned_places(module, name, "removed")
    orig, mask = places.own_parameter(module, name), places.mask_of(module, name)
    with places.unchanged_on_error([place for place, *_ in where], [orig]):
        for place, _, key, hook in where:
            hook.remove(place)
            del place._forward_pre_hooks[key]
    holding.note_removed(orig, mask)
    return module


def undo(module: M, name: str) -> M:
    """Drop the last prune of ``name``: what it took comes back with the value it had.

    A first prune is undone whole: Parameter, name, hooks and the order of the parameters are as
    they were, so that an optimizer's state of before fits again. Of several prunes the last one
    can be undone, then, if only one is left, that one too.

    Raises:
        ValueError: ``name`` is not pruned, or the mask before the last prune is not known (it
            is remembered for one prune, and not in a file).

    >>> layer = nn.Linear(2, 2)
    >>> before = layer.weight
    >>> undo(l1_unstructured(layer, "weight", amount=3), "weight").weight is before
    True
    """
    where = _pruned_places(module, name, "undone")
    with places.unchanged_on_error(place for place, *_ in where):
        for place in where:
            _undo_at(*place)
    parameter = module._parameters.get(name)
    if parameter is not None:  # it was the only prune
        holding.note_undone(parameter)
    return module


def _pruned_places(module: nn.Module, name: str, ended: str) -> list[places.Found]:
    """Return the places that are pruned together with this one, which must be pruned."""
    where = methods.tied_places(module, name)
    if where[0].hook is None:
        raise ValueError(
            f"Parameter '{name}' of module {module} has to be pruned before pruning can be {ended}"
        )
    return where


def _undo_at(module: nn.Module, name: str, key: Any, hook: Any) -> None:
    places.refuse_assigned(module, hook)
    record, earlier = methods.record_of(hook), methods.methods_of(hook)[:-1]
    if not earlier:
        places.release(module, name)
        del module._forward_pre_hooks[key]
        places.back_in_order(module, name, record.order)
        return
    if record.before is None:
        raise ValueError(
            f"the mask of '{name}' before its last prune is not known any more: "
            "only one prune is remembered, and none in a file"
        )
    mask = record.before.restored(now=places.mask_of(module, name))
    kept = earlier[0] if len(earlier) == 1 else methods.PruningContainer(*earlier)
    if isinstance(kept, methods.BasePruningMethod):  # torch's hooks keep no record
        kept.record = dataclasses.replace(record, before=None)
    methods.install(kept, module, name, mask, instead_of=key)


def is_pruned(module: nn.Module) -> bool:
    """Tell whether ``module`` or a module in it is pruned (torch's ``is_pruned``).

    >>> is_pruned(nn.Linear(2, 2)), is_pruned(nn.Sequential(identity(nn.Linear(2, 2), "weight")))
    (False, True)
    """
    return any(places.hooks_of(submodule) for submodule in module.modules())
