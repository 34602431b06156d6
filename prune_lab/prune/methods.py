"""The forward pre-hook that prunes, and the container of several of them.

Pruning a parameter ``weight`` leaves three tensors in its module:

========================  =====================================================
``weight_orig``           the Parameter itself, under a new name: it still trains
``weight_mask``           a buffer of its shape: 1 keeps an entry, 0 prunes it
``weight``                a plain attribute, ``weight_orig`` under the mask
========================  =====================================================

The pruning method stays in the module as a forward pre-hook: before every call of the module it
computes ``weight`` anew, so that what the optimizer did to ``weight_orig`` is seen. It is a new
tensor each time: whoever has kept the last one finds its numbers unchanged.
"""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from types import NoneType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._C import _are_functorch_transforms_active as transforms_active
from torch.nn.utils import prune as torch_prune

from . import places
from .caching import kept
from .large import empty_like
from .masking import masked
from .record import EarlierMask, Place, Record


class BasePruningMethod(ABC):
    """Base of every pruning technique: say which entries stay, the rest is done here.

    Subclass it, set :attr:`PRUNING_TYPE`, and write :meth:`compute_mask`. A subclass written for
    :class:`torch.nn.utils.prune.BasePruningMethod` works unchanged.

    Attributes:
        PRUNING_TYPE: ``"unstructured"``, ``"structured"`` (then ``self.dim`` names the dimension
            of the channels) or ``"global"``: which part of an already pruned tensor
            :meth:`compute_mask` gets to see (:class:`PruningContainer`).
        record: what the hook knows beside its technique; None until it is put on.

    >>> from prune_lab import prune
    >>> class EverySecond(prune.BasePruningMethod):
    ...     PRUNING_TYPE = "unstructured"
    ...     def compute_mask(self, t, default_mask):
    ...         mask = default_mask.clone()
    ...         mask.view(-1)[::2] = 0
    ...         return mask
    >>> layer = nn.Linear(4, 1)
    >>> hook = EverySecond.apply(layer, "weight")
    >>> layer.weight_mask
    tensor([[0., 1., 0., 1.]])
    """

    PRUNING_TYPE: str
    _tensor_name: str
    record: Record | None = None

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Return the mask for ``t``.

        Args:
            t: importance scores, the parameter's own values unless the caller gave others.
            default_mask: same shape; the mask so far (ones where nothing was pruned yet).

        Returns:
            tensor of the same shape; 1 keeps, 0 prunes.
        """

    def __call__(self, module: nn.Module, inputs: object) -> None:
        """Compute the masked tensor anew; torch calls this before every forward pass.

        Raises:
            ValueError: something else has been set in its place.
        """
        name, record = self._tensor_name, self.record
        if torch.compiler.is_compiling():
            # A compiler guards what it reads, and would compile again whenever that differs.
            places.show_compiled(module, name, self.apply_mask(module))
            return
        places.refuse_assigned(module, self)
        if record is None:
            record = self.record = Record()
        if module not in record.modules:  # it is a copy
            record.modules.add(module)
        before = module.__dict__.get(name)
        if _own_way(self) is None:
            weight = kept(places.original(module, name), places.mask_of(module, name))
        else:
            weight = self.apply_mask(module)
        places.show(module, name, weight)
        orig = module._parameters.get(name + "_orig")
        if transforms_active() or not isinstance(orig, (nn.Parameter, NoneType)):
            _put_back_after_forward(module, name, before)

    def apply_mask(self, module: nn.Module) -> Tensor:
        """Return the original tensor under the mask, same shape and dtype as the original."""
        name = self._tensor_name
        return masked(places.original(module, name), places.mask_of(module, name))

    @classmethod
    def apply(
        cls,
        module: nn.Module,
        name: str,
        *args: Any,
        importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> BasePruningMethod:
        """Prune ``module``'s parameter ``name``, from scratch or on top of earlier prunes.

        All or nothing: after an error, module, parameters, buffers and hooks are as they were.
        Other modules that hold the same parameter are left alone, unless ``prune_twins`` has
        tied them to this one.

        Args:
            module: holds the parameter.
            name: the parameter's name in ``module``, such as ``"weight"``.
            args: for the technique's constructor; so are ``kwargs``.
            importance_scores: shape of the parameter; ranked in place of its values.

        Returns:
            the hook: the method itself, or the container if the parameter was pruned before.

        Raises:
            AttributeError: no such parameter.
            TypeError: ``name`` is a buffer or None, or not a name.
            ValueError: not yet initialised, parametrized, part of a pruned parameter, or the
                technique refuses.
            AssertionError: the shape of ``importance_scores`` differs.
        """
        method = cls(*args, **kwargs)
        mask = mask_for(method, module, name, importance_scores)
        return put_on((method, [(module, name)], mask))[0]

    def prune(
        self,
        t: Tensor,
        default_mask: Tensor | None = None,
        importance_scores: Tensor | None = None,
    ) -> Tensor:
        """Return ``t`` pruned, without any module.

        Args:
            t: any shape.
            default_mask: same shape, the mask so far; ones if None.
            importance_scores: same shape, ranked in place of ``t``.

        Returns:
            new tensor like ``t``.

        Raises:
            AssertionError: the shape of ``importance_scores`` differs.

        >>> from prune_lab import prune
        >>> prune.L1Unstructured(amount=1).prune(torch.tensor([1.0, -3.0]))
        tensor([ 0., -3.])
        """
        if importance_scores is None:
            importance_scores = t
        elif importance_scores.shape != t.shape:
            raise AssertionError(
                "importance_scores should have the same shape as tensor t, "
                f"got {importance_scores.shape} vs {t.shape}"
            )
        if default_mask is None:
            default_mask = torch.ones_like(t)
        return masked(t, self.compute_mask(importance_scores, default_mask=default_mask))

    def remove(self, module: nn.Module) -> None:
        """Make the pruning permanent: ``name`` is a Parameter again, its pruned entries 0.

        The Parameter object, its gradient and its place in an optimizer stay. Nothing is undone.
        """
        name = self._tensor_name
        orig = places.own_parameter(module, name)
        places.refuse_assigned(module, self)
        weight = self.apply_mask(module).detach()
        if weight.is_inference():  # it could never train
            with torch.inference_mode(mode=False):
                weight = weight.clone()
        orig.data = weight
        places.release(module, name)

    def __deepcopy__(self, memo: dict[int, Any]) -> BasePruningMethod:
        """Copy the hook, and make its module's copy possible.

        ``weight`` is a result of a computation, which torch refuses to copy. A module copies its
        hooks before its attributes, so the hook lays a copy ready for it.
        """
        for module in record_of(self).modules:
            for weight in places.weights(module, self._tensor_name):
                memo[id(weight)] = weight.detach().clone()
        copied = memo[id(self)] = type(self).__new__(type(self))
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied


class PruningContainer(BasePruningMethod):
    """Several prunes of one tensor: the latest works on what the earlier ones left.

    Args:
        args: pruning methods acting on one tensor.

    Raises:
        TypeError: an argument is not a pruning method.
        ValueError: it acts on another tensor.
    """

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if args and args[0] is not None:
            self._tensor_name = getattr(args[0], "_tensor_name", "")
        for method in args:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """Append ``method``; its mask is computed on what the earlier ones left."""
        if method is not None:
            if not isinstance(method, torch_prune.BasePruningMethod):
                raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
            if method._tensor_name != self._tensor_name:
                raise ValueError(
                    "Can only add pruning methods acting on "
                    f"the parameter named '{self._tensor_name}' to PruningContainer {self}."
                    f" Found '{method._tensor_name}'"
                )
        self._pruning_methods += (method,)  # type: ignore[operator]

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: int) -> BasePruningMethod:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Combine ``default_mask`` with the latest method's mask of the survivors.

        Amounts given as fractions are therefore fractions of what is left: half, twice, is
        three quarters.

        Args:
            t: importance scores.
            default_mask: same shape, the mask so far.

        Returns:
            new mask of the same shape, dtype of ``t``.
        """
        method = self._pruning_methods[-1]
        left = survivors(method, default_mask)
        mask = default_mask.to(dtype=t.dtype, copy=True)
        partial = method.compute_mask(t[left], default_mask=default_mask[left])
        mask[left] = partial.to(dtype=mask.dtype)
        return mask

    def apply_mask(self, module: nn.Module) -> Tensor:
        """Return the masked tensor, in the latest method's own way if one has its own."""
        method = _own_way(self)
        return super().apply_mask(module) if method is None else method.apply_mask(module)


# torch's is_pruned, remove and PruningContainer know pruning hooks by their base class.
torch_prune.BasePruningMethod.register(BasePruningMethod)  # type: ignore[type-abstract]


def survivors(method: BasePruningMethod, mask: Tensor) -> Tensor | tuple[Any, ...]:
    """Return the index of the part of a tensor that ``method`` still has to look at.

    Args:
        method: its ``PRUNING_TYPE`` decides: entries, channels along ``dim``, or everything.
        mask: the mask so far.

    Raises:
        AttributeError, IndexError: a structured method without a valid ``dim``.
        ValueError: unknown ``PRUNING_TYPE``.
    """
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    everything: list[Any] = [slice(None)] * mask.dim()
    if method.PRUNING_TYPE == "structured":
        if not hasattr(method, "dim"):
            raise AttributeError(
                "Pruning methods of PRUNING_TYPE "
                '"structured" need to have the attribute `dim` defined.'
            )
        dim = method.dim if method.dim >= 0 else mask.dim() + method.dim
        if dim < 0:
            raise IndexError(f"Index is out of bounds for tensor with dimensions {mask.dim()}")
        # A channel of zeros would always be the smallest, so only the others compete.
        everything[dim] = mask.sum(dim=[d for d in range(mask.dim()) if d != dim]) != 0
    elif method.PRUNING_TYPE != "global":
        raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    return tuple(everything)


def methods_of(hook: BasePruningMethod) -> tuple[BasePruningMethod, ...]:
    """Return the single methods behind a hook, ours or torch's."""
    return getattr(hook, "_pruning_methods", (hook,))


_PLAIN = (
    BasePruningMethod.apply_mask,
    PruningContainer.apply_mask,
    torch_prune.BasePruningMethod.apply_mask,
)


def _own_way(hook: BasePruningMethod) -> BasePruningMethod | None:
    """Return the latest method of a hook that has written its own ``apply_mask``, if any."""
    for method in (hook, *reversed(methods_of(hook))):
        if type(method).apply_mask not in _PLAIN:
            return method
    return None


class Target(NamedTuple):
    """A parameter that is to be pruned, as it is before."""

    hook: Any  # None if it is not pruned yet
    orig: Tensor
    mask: Tensor | None  # so far
    scores: Tensor  # importance scores: its values under the mask, or the caller's


def target(module: nn.Module, name: str, scores: object = None) -> Target:
    """Look at a parameter without touching it, and refuse what cannot be pruned.

    Raises:
        AttributeError, TypeError, ValueError, KeyError: ``places.to_prune``.
        TypeError: ``scores`` is not a tensor.
        AssertionError: its shape differs.
    """
    hook = places.find(module, name).hook
    orig = places.to_prune(module, name) if hook is None else places.original(module, name)
    mask = None if hook is None else places.mask_of(module, name)
    if scores is None:
        # Not the attribute `weight`: it may be older than the last step.
        return Target(hook, orig, mask, orig if mask is None else masked(orig, mask).detach())
    if not isinstance(scores, Tensor):
        raise TypeError(f"importance_scores should be a tensor, not {type(scores).__name__}")
    if scores.shape != orig.shape:
        raise AssertionError(
            "importance_scores should have the same shape as parameter "
            f"{name} of {module}, got {scores.shape} vs {orig.shape}"
        )
    return Target(hook, orig, mask, scores.to(orig.device))


def mask_for(
    method: BasePruningMethod, module: nn.Module, name: str, scores: Tensor | None = None
) -> Tensor:
    """Compute, without touching ``module``, the mask that ``method`` leads to."""
    method._tensor_name = name
    hook, orig, so_far, scores = target(module, name, scores)
    if so_far is None:
        mask = method.compute_mask(scores, default_mask=empty_like(orig).fill_(1))
        if isinstance(mask, Tensor):  # of which the technique may keep the one that it returns
            mask = empty_like(mask).copy_(mask)
    else:
        so_far = so_far.clone(memory_format=torch.contiguous_format)
        container = PruningContainer(*methods_of(hook), method)
        mask = container.compute_mask(scores, default_mask=so_far)
    who = f"compute_mask of {type(method).__name__}"
    if not isinstance(mask, Tensor):
        raise TypeError(f"{who} must return a tensor, not {type(mask).__name__}")
    if (mask.shape, mask.device) != (orig.shape, orig.device):
        raise ValueError(
            f"{who} must return a mask of shape {tuple(orig.shape)} on {orig.device}, "
            f"got {tuple(mask.shape)} on {mask.device}"
        )
    return mask


def put_on(*prunes: tuple[BasePruningMethod, Sequence[Place], Tensor]) -> list[BasePruningMethod]:
    """Prune parameters by masks that have been computed: all of them or, on error, none.

    Args:
        prunes: for each parameter the method, which becomes the hook or joins the container that
            is there; the places that hold it, whom those that are tied to them follow; and the
            mask, of its shape, what earlier prunes took included.

    Returns:
        the hooks, place by place.

    Raises:
        Exception: whatever the technique's own ``apply_mask`` or the module raises.
    """
    everywhere = [
        (method, dict.fromkeys(tied for place in where for tied in tied_places(*place)), mask)
        for method, where, mask in prunes
    ]
    hooks: list[BasePruningMethod] = []
    with places.unchanged_on_error(module for _, where, _ in everywhere for module, *_ in where):
        for method, where, mask in everywhere:
            for i, (module, name, key, old) in enumerate(where):
                # Each has a hook and a mask of its own.
                hook, its_mask = (copy.copy(method), mask.clone()) if i else (method, mask)
                hook._tensor_name = name
                if old is None:
                    hook.record = Record(unpruned_order(module))
                else:
                    hook = PruningContainer(*methods_of(old), hook)
                    before = EarlierMask(places.mask_of(module, name), after=its_mask)
                    hook.record = dataclasses.replace(record_of(old), before=before)
                install(hook, module, name, its_mask.detach(), instead_of=key)
                hooks.append(hook)
    return hooks


def install(
    hook: BasePruningMethod, module: nn.Module, name: str, mask: Tensor, instead_of: int | None
) -> None:
    """Put hook, mask and masked weight into the module.

    Args:
        hook: ours, with its record, or torch's.
        module, name: where.
        mask: shape of the parameter.
        instead_of: key of the hook whose place this one takes; None if ``name`` is not pruned.
    """
    if instead_of is None:
        places.put_mask(module, name, mask)
        module.register_forward_pre_hook(hook)
    else:
        places.refuse_assigned(module, module._forward_pre_hooks[instead_of])
        setattr(module, name + "_mask", mask)
        module._forward_pre_hooks[instead_of] = hook
    record_of(hook).modules.add(module)
    places.show(module, name, hook.apply_mask(module))


def record_of(hook: object) -> Record:
    """Return what a hook knows; one of torch's knows nothing."""
    return getattr(hook, "record", None) or Record()


def unpruned_order(module: nn.Module) -> tuple[str, ...]:
    """Return the names of the parameters in the order they had before any was pruned."""
    orders = (record_of(hook).order for hook in module._forward_pre_hooks.values())
    return next(filter(None, orders), tuple(module._parameters))


def tied_places(module: nn.Module, name: str) -> list[places.Found]:
    """Return the places that a change here changes: this one, first, and those tied to it.

    A tie holds as long as both still have the same Parameter.

    Raises:
        ValueError: it was tied before it went through a file, which keeps no tie.
    """
    here = places.find(module, name)
    record = getattr(here.hook, "record", None)
    if record is None or record.tie is None:
        return [here]
    living = [(place, there) for ref, there in record.tie if (place := ref()) is not None]
    if (module, name) not in living:
        raise ValueError(
            f"'{name}' of {type(module).__name__} was pruned together with other places of the "
            "same parameter, which a file does not keep: call prune.prune_twins(model) first"
        )
    living.sort(key=lambda place: place != (module, name))
    tied = [places.find(*place) for place in living]
    orig = module._parameters.get(name + "_orig")
    return [
        place
        for place in tied
        if place.hook is not None and place.module._parameters.get(place.name + "_orig") is orig
    ]


def _put_back_after_forward(module: nn.Module, name: str, weight: object) -> None:
    """Show after this forward pass what was shown before it.

    Inside functional_call or a function transform (torch.func.grad, vmap) the pass shows a tensor
    of the transform's, which must not stay behind in the module.
    """

    def put_back(*_: object) -> None:
        handle.remove()
        if isinstance(weight, Tensor):
            places.show(module, name, weight)
        else:
            places.hide(module, name)

    handle = module.register_forward_hook(put_back, always_call=True)
