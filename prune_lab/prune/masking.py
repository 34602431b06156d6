"""Putting a mask over a tensor, and not doing it twice inside :func:`cached`."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import _are_functorch_transforms_active as transforms_active
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from .memory import empty_like, pieces

_LARGE = 1 << 18  # entries; from here on, moving the data costs more than Python does


def masked(orig: Tensor, mask: Tensor) -> Tensor:
    """Return ``orig`` where ``mask`` keeps it and 0.0 where it prunes.

    A product alone would turn a pruned inf into NaN and a pruned negative into -0.0. Gradients
    reach the kept entries of ``orig`` and are zero at the pruned ones.

    Args:
        orig: any shape, floating or complex.
        mask: same shape; 1 keeps, 0 prunes (in between scales, as in torch).

    Returns:
        new tensor with the dtype of ``orig``; a kept -0.0 may become 0.0. O(n) time.

    >>> masked(torch.tensor([-2.0, float("inf"), 3.0]), torch.tensor([0.0, 0.0, 1.0]))
    tensor([0., 0., 3.])
    """
    if _values_can_be_read(orig, mask):
        if orig.numel() > _LARGE and orig.is_contiguous() and mask.is_contiguous():
            return _MaskedLarge.apply(orig, mask)  # type: ignore[no-untyped-call]
        product = torch.addcmul(_ZERO, mask, orig)  # 0.0 + -0.0 is 0.0
        if torch.equal(product, product):  # NaN, such as 0 * inf, is not equal to itself
            return product
    return (mask.to(orig.dtype) * orig).masked_fill_(mask == 0, 0)


def overwritten(module: nn.Module, name: str) -> bool:
    """Bring the module's masked ``name`` up to date in its own memory, if that is safe.

    Asking the system for a fresh 64 MB takes longer than filling it. Without gradients nothing
    remembers the masked weight of the last call but the module; it can be written over, and is
    then, like an unpruned parameter, one tensor whose values change.

    Returns:
        whether it was done; False changes nothing.
    """
    # Two references, the module's and the argument's: nobody else holds it.
    if torch.is_grad_enabled() or sys.getrefcount(module.__dict__.get(name)) != 2:
        return False
    weight = module.__dict__[name]
    orig, mask = module._parameters.get(name + "_orig"), module._buffers.get(name + "_mask")
    if not (isinstance(weight, Tensor) and isinstance(orig, Tensor) and isinstance(mask, Tensor)):
        return False
    if (
        weight.requires_grad  # autograd may still need the old values
        or weight.is_inference() != torch.is_inference_mode_enabled()
        or (weight.shape, weight.dtype, weight.device) != (orig.shape, orig.dtype, orig.device)
        or orig.numel() <= _LARGE
        or not (weight.is_contiguous() and orig.is_contiguous() and mask.is_contiguous())
        or not _values_can_be_read(orig, mask)
    ):
        return False
    _write(weight, orig, mask)
    return True


def _values_can_be_read(orig: Tensor, mask: Tensor) -> bool:
    """Tell whether the code may depend on values: ordinary tensors on the CPU, nobody watching.

    On another device the program would have to wait for the values; a compiler, a tracer or a
    function transform has none to show.
    """
    return (
        not torch.compiler.is_compiling()
        and type(orig) in _ORDINARY
        and orig.is_cpu
        and orig.dtype == mask.dtype
        and orig.is_floating_point()
        and not transforms_active()
        and not is_in_torch_dispatch_mode()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )


_ORDINARY = (nn.Parameter, Tensor)
_ZERO = torch.zeros(())


class _MaskedLarge(torch.autograd.Function):
    """The same product with one pass over memory, and only the mask kept for the gradient."""

    @staticmethod
    def forward(orig: Tensor, mask: Tensor) -> Tensor:
        return _write(empty_like(orig), orig, mask)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return masked(grad, mask), None


@torch.no_grad()
def _write(out: Tensor, orig: Tensor, mask: Tensor) -> Tensor:
    """Write the masked ``orig`` into ``out``; all are large and contiguous."""
    for parts in zip(*(pieces(t.view(-1)) for t in (out, orig, mask)), strict=True):
        out_part, orig_part, mask_part = parts
        torch.addcmul(_ZERO, orig_part, mask_part, out=out_part)
        if not math.isfinite(out_part.sum()):  # an inf or NaN somewhere; rarely true
            out_part.masked_fill_(mask_part == 0, 0)
    return out


# Hooks that have masked their weight since `cached` was entered, and whether with gradients.
_done: dict[object, bool] | None = None


@contextmanager
def cached() -> Iterator[None]:
    """Mask every weight at most once while the block runs (as ``parametrize.cached``).

    Use it where weights do not change between forward passes: evaluation, several passes before
    one backward. Inside, a forward pass costs what the dense one costs. A weight that changes
    inside the block is not seen before the block ends; pruning and ``remove`` are seen at once.

    Follows :func:`torch.nn.utils.parametrize.cached`.

    >>> from prune_lab import prune
    >>> layer = prune.l1_unstructured(nn.Linear(4, 2), "weight", amount=3)
    >>> with prune.cached(), torch.no_grad():
    ...     outputs = [layer(torch.ones(1, 4)) for _ in range(3)]
    """
    global _done
    outermost = _done is None
    if outermost:
        _done = {}
    try:
        yield
    finally:
        if outermost:
            _done = None


def is_done(hook: object) -> bool:
    """Tell whether ``hook`` has nothing to do inside :func:`cached`; note that it now has."""
    if _done is None:
        return False
    gradients = torch.is_grad_enabled()
    if _done.get(hook) == gradients:
        return True
    _done[hook] = gradients
    return False
