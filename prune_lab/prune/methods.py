"""The forward pre-hook that prunes, and the container of several of them.

Pruning a parameter ``weight`` leaves three tensors in its module:

========================  =====================================================
``weight_orig``           the Parameter itself, under a new name: it still trains
``weight_mask``           a buffer of its shape: 1 keeps an entry, 0 prunes it
``weight``                a plain attribute, ``weight_orig`` under the mask
========================  =====================================================

The pruning method stays in the module as a forward pre-hook: before every call of the module it
computes ``weight`` anew, so that what the optimizer did to ``weight_orig`` is seen.
"""

from __future__ import annotations

import copy
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import _are_functorch_transforms_active as transforms_active
from torch.nn.utils import prune as torch_prune

from . import history, tied
from .masking import is_done, masked, overwritten
from .reparametrization import check_prunable, find_hook, install, mask_of, release, show

_OF_THIS_PROCESS = ("_module", history.RECORD, tied.RECORD)


class BasePruningMethod(ABC):
    """Base of every pruning technique: say which entries stay, the rest is done here.

    Subclass it, set :attr:`PRUNING_TYPE`, and write :meth:`compute_mask`. A subclass written for
    :class:`torch.nn.utils.prune.BasePruningMethod` works unchanged.

    Attributes:
        PRUNING_TYPE: ``"unstructured"``, ``"structured"`` (then ``self.dim`` names the dimension
            of the channels) or ``"global"``: which part of an already pruned tensor
            :meth:`compute_mask` gets to see (:class:`PruningContainer`).

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
    # The hook's module, for copying (see __deepcopy__). Weak, or the two would keep each other.
    _module: weakref.ref[nn.Module] | None = None

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """Return the mask for ``t``.

        Args:
            t: importance scores, the parameter's own values unless the caller gave others.
            default_mask: same shape; the mask so far (ones where nothing was pruned yet).

        Returns:
            tensor of the same shape; 1 keeps, 0 prunes.
        """

    def _first_mask(self, scores: Tensor, orig: Tensor) -> Tensor:
        """Return the mask of a parameter that was never pruned before."""
        ones = torch.ones_like(orig, memory_format=torch.contiguous_format)
        return self.compute_mask(scores, default_mask=ones)

    def __call__(self, module: nn.Module, inputs: object) -> None:
        """Compute the masked tensor anew; torch calls this before every forward pass."""
        if is_done(self):
            return
        name = self._tensor_name
        if torch.compiler.is_compiling():
            # A compiler guards what it reads: it would compile again whenever `weight` differs.
            setattr(module, name, self.apply_mask(module))
            return
        own_way = type(self).apply_mask is not BasePruningMethod.apply_mask
        if not own_way and overwritten(module, name):
            return
        before = module.__dict__.get(name)
        show(module, name, self.apply_mask(module))
        if self._module is None:  # the hook comes from a file
            self._module = weakref.ref(module)
        orig = module._parameters.get(name + "_orig")
        if transforms_active() or not isinstance(orig, nn.Parameter):
            _put_back_after_forward(module, name, before)

    def apply_mask(self, module: nn.Module) -> Tensor:
        """Return the original tensor under the mask, same shape and dtype as the original."""
        name = self._tensor_name
        return masked(getattr(module, name + "_orig"), getattr(module, name + "_mask"))

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

        Everything that can fail happens before the module is touched: after an error, module,
        parameters, buffers and hooks are as they were. A parameter that other modules hold too
        (tied weights) is pruned there as well.

        Args:
            module: holds the parameter.
            name: the parameter's name in ``module``, such as ``"weight"``.
            args: for the technique's constructor; so are ``kwargs``.
            importance_scores: shape of the parameter; ranked in place of its values.

        Returns:
            the hook: the method itself, or the container if the parameter was pruned before.

        Raises:
            AttributeError: no such parameter.
            TypeError: ``name`` is a buffer or None.
            ValueError: not yet initialised, parametrized, or the technique refuses.
            AssertionError: the shape of ``importance_scores`` differs.
        """
        method = cls(*args, **kwargs)
        method._tensor_name = name
        return put_on(method, module, name, _mask_for(method, module, name, importance_scores))

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
        if type(self).apply_mask is BasePruningMethod.apply_mask:
            orig, mask = getattr(module, name + "_orig"), getattr(module, name + "_mask")
            if mask.shape == orig.shape:  # or masking fails, and nothing may have changed
                module.__dict__.pop(name, None)  # its memory serves the new one
            weight = masked(orig, mask)
        else:
            weight = self.apply_mask(module)
        release(module, name).data = weight.detach()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is known in this process alone: weak references, the undo record."""
        return {k: v for k, v in self.__dict__.items() if k not in _OF_THIS_PROCESS}

    def __deepcopy__(self, memo: dict[int, Any]) -> BasePruningMethod:
        """Copy the hook, and make its module's copy possible.

        ``weight`` is a result of a computation, which torch refuses to copy. A module copies its
        hooks before its attributes, so the hook lays a copy ready for it.
        """
        module = self._module() if self._module is not None else None
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        state = {k: v for k, v in self.__dict__.items() if k not in ("_module", tied.RECORD)}
        copied.__dict__.update(copy.deepcopy(state, memo))
        if module is not None and id(module) in memo:
            weight = module.__dict__.get(self._tensor_name)
            if isinstance(weight, Tensor):
                memo[id(weight)] = weight.detach().clone()
            copied._module = weakref.ref(memo[id(module)])
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
    container = isinstance(hook, (PruningContainer, torch_prune.PruningContainer))
    return tuple(hook) if container else (hook,)  # type: ignore[arg-type]


def _mask_for(
    method: BasePruningMethod, module: nn.Module, name: str, importance_scores: Tensor | None
) -> Tensor:
    """Compute, without touching ``module``, the mask that ``method`` leads to."""
    _, hook = find_hook(module, name)
    orig = check_prunable(module, name, pruned=hook is not None)
    if importance_scores is not None and importance_scores.shape != orig.shape:
        raise AssertionError(
            "importance_scores should have the same shape as parameter "
            f"{name} of {module}, got {importance_scores.shape} vs {orig.shape}"
        )
    if hook is None:
        mask = method._first_mask(orig if importance_scores is None else importance_scores, orig)
    else:
        so_far = mask_of(module, name).clone(memory_format=torch.contiguous_format)
        if importance_scores is None:
            # Not the attribute `weight`: it may be older than the last optimizer step.
            importance_scores = masked(orig, so_far).detach()
        container = PruningContainer(*methods_of(hook), method)
        mask = container.compute_mask(importance_scores, default_mask=so_far)
    _check_mask(mask, orig, method)
    return mask


def put_on(
    method: BasePruningMethod, module: nn.Module, name: str, mask: Tensor
) -> BasePruningMethod:
    """Prune ``name`` of ``module``, and its tied twins, by a mask that ``method`` has computed.

    Args:
        method: becomes the hook, or joins the container that is there.
        mask: shape of the parameter, what earlier prunes took included.

    Returns:
        the hook.

    Raises:
        TypeError, ValueError: a twin cannot be pruned; nothing has been changed.
    """
    key, hook = find_hook(module, name)
    twins = tied.twins(module, name, hook)
    hooks = [find_hook(*twin) for twin in twins]
    for twin, (_, twin_hook) in zip(twins, hooks, strict=True):
        check_prunable(*twin, pruned=twin_hook is not None)
    mask = mask.detach()
    orig = module._parameters[name if hook is None else name + "_orig"]
    assert orig is not None
    weight = masked(orig, mask)

    for twin, (twin_key, twin_hook) in zip(twins, hooks, strict=True):
        others = [(module, name), *(other for other in twins if other != twin)]
        install(_joined(copy.copy(method), *twin, twin_hook, others), *twin, twin_key, mask, weight)
    installed = _joined(method, module, name, hook, twins)
    install(installed, module, name, key, mask, weight)
    return installed


def _joined(
    method: BasePruningMethod,
    module: nn.Module,
    name: str,
    hook: BasePruningMethod | None,
    twins: list[tuple[nn.Module, str]],
) -> BasePruningMethod:
    """Return the hook to install: ``method``, or a container of it and what was there."""
    method._tensor_name = name
    if hook is None:
        joined = method
    else:
        joined = PruningContainer(*methods_of(hook), method)
        history.remember(joined, mask_of(module, name), getattr(module, name + "_orig"))
    tied.remember(joined, twins)
    return joined


def _check_mask(mask: object, orig: Tensor, method: BasePruningMethod) -> None:
    who = f"compute_mask of {type(method).__name__}"
    if not isinstance(mask, Tensor):
        raise TypeError(f"{who} must return a tensor, not {type(mask).__name__}")
    if mask.shape != orig.shape:
        raise ValueError(
            f"{who} must return a mask of shape {tuple(orig.shape)}, got {tuple(mask.shape)}"
        )


def _put_back_after_forward(module: nn.Module, name: str, weight: object) -> None:
    """Undo, after this forward pass, what it showed as ``weight``.

    Inside functional_call or a function transform (torch.func.grad, vmap) that is a tensor of the
    transform's, which must not stay behind in the module.
    """

    def put_back(*_: object) -> None:
        handle.remove()
        setattr(module, name, weight)

    handle = module.register_forward_hook(put_back, always_call=True)
