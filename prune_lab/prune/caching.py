"""Not masking twice inside :func:`cached` what has not changed in between."""

from __future__ import annotations

import functools
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.optim.optimizer import register_optimizer_step_post_hook

from .masking import is_watched, masked


class _Kept(NamedTuple):
    """A masked weight, and what it was made of as it then was."""

    weight: Tensor
    made_of: tuple[Tensor, ...]  # held, so that nothing else can take their memory
    seen: tuple[object, ...]


class _Block:
    """What one :func:`cached` block keeps; it belongs to the thread that opened it."""

    def __init__(self) -> None:
        self.kept: dict[object, _Kept] = {}
        self.thread = threading.get_ident()
        self.is_open = True


_open_blocks: weakref.WeakSet[_Block] = weakref.WeakSet()


@functools.cache
def _forget_at_every_step() -> None:
    """See to it once: a fused optimizer changes weights, but not their version."""
    register_optimizer_step_post_hook(_forget)


def _forget(*_: object) -> None:
    for block in list(_open_blocks):
        block.kept.clear()


# A context variable is seen by this thread alone, and in asyncio by this task.
_block: ContextVar[_Block | None] = ContextVar("prune_lab_cached", default=None)


def _block_here() -> _Block | None:
    """Return the open block that this thread is in, if any; a copied context brings others'."""
    block = _block.get()
    is_ours = block is not None and block.is_open and block.thread == threading.get_ident()
    return block if is_ours else None


@contextmanager
def cached() -> Iterator[None]:
    """Mask every weight at most once while the block runs (as ``parametrize.cached``).

    Use it where weights do not change between forward passes: evaluation, or a cell that is
    called once per time step. Inside, a forward pass costs what the dense one costs. A weight or
    mask that changes inside the block is masked anew, and so is one that takes its place
    (``functional_call``); other threads are not affected. A technique with its own
    ``apply_mask`` is asked at every call.

    Changes are recognised as autograd recognises them, by a tensor's version; an optimizer's step
    always is. Values written through ``.data`` have no version: inside the block write under
    ``torch.no_grad()``.

    Passes with gradients share the masked weight too. Call ``backward`` for each of them, or
    once for their sum; ``retain_graph`` is not needed for that:

    >>> from prune_lab import prune
    >>> layer = prune.l1_unstructured(nn.Linear(4, 2), "weight", amount=3)
    >>> with prune.cached():
    ...     losses = [layer(x).sum() for x in torch.ones(3, 4)]
    >>> for loss in losses:
    ...     loss.backward()
    >>> torch.equal(layer.weight_orig.grad, 3 * layer.weight_mask)
    True

    Follows :func:`torch.nn.utils.parametrize.cached`.
    """
    if _block_here() is not None:
        yield  # the outer block's
        return
    _forget_at_every_step()
    block = _Block()
    _open_blocks.add(block)
    _block.set(block)
    try:
        yield
    finally:
        # Not a reset: a generator may be closed in another context than it was started in.
        block.is_open = False
        block.kept.clear()
        if _block.get() is block:
            _block.set(None)


def kept(orig: Tensor, mask: Tensor) -> Tensor:
    """Return ``masked(orig, mask)``; inside :func:`cached` the same tensor until either changes."""
    block = _block_here()
    if block is None or not _can_be_recognised(orig, mask):
        return masked(orig, mask)
    gradients = torch.is_grad_enabled() and orig.requires_grad
    key = (id(orig), id(mask), gradients, torch.is_inference_mode_enabled())
    found = block.kept.get(key)
    if found is None or found.seen != _seen(orig, mask, found.weight):
        weight = _Shared.apply(orig, mask) if gradients else masked(orig, mask)  # type: ignore[no-untyped-call]
        made_of = (orig, orig.detach(), mask, mask.detach())
        found = block.kept[key] = _Kept(weight, made_of, _seen(orig, mask, weight))
    return found.weight


def _can_be_recognised(orig: Tensor, mask: Tensor) -> bool:
    """Tell whether a later look shows if these are the same: a module's own, with versions."""
    return (
        not is_watched()  # a tracer would take what is kept for a constant
        and type(orig) is nn.Parameter
        and not (orig.is_inference() or mask.is_inference() or mask.requires_grad)
        and forward_ad.unpack_dual(orig).tangent is None
        # Checkpointing runs the pass a second time, and expects the same steps.
        and torch._C._autograd._top_saved_tensors_default_hooks(True) is None
    )


def _seen(*tensors: Tensor) -> tuple[object, ...]:
    return tuple(
        (None if t.is_inference() else t._version, t.data_ptr(), t.dtype, t.shape) for t in tensors
    )


class _Shared(torch.autograd.Function):
    """Masking as one step that any number of backward passes can go through.

    Autograd drops what a step has saved after the first backward pass; this one needs the mask
    alone, which the module holds anyway.
    """

    @staticmethod
    def forward(ctx: Any, orig: Tensor, mask: Tensor) -> Tensor:
        ctx.mask, ctx.version = mask, mask._version
        return masked(orig, mask)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        if ctx.mask._version != ctx.version:
            raise RuntimeError(
                "a mask has been modified in place between the forward pass and backward"
            )
        return grad * ctx.mask.to(grad.dtype), None
