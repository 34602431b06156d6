"""Putting a mask over a tensor."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch._C import _are_functorch_transforms_active as transforms_active
from torch._C import _is_tracing as is_tracing
from torch.autograd import forward_ad
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from . import large

_ZERO = torch.zeros((), device="cpu")


def masked(orig: Tensor, mask: Tensor) -> Tensor:
    """Return ``orig`` where ``mask`` keeps it and 0.0 where it prunes.

    A product alone would turn a pruned inf into NaN and a pruned negative into -0.0. Gradients
    reach the kept entries of ``orig``, multiplied by the mask as in torch.

    Args:
        orig: any shape, floating or complex.
        mask: same shape; 1 keeps, 0 prunes (in between scales, as in torch).

    Returns:
        new tensor like ``orig``; a kept -0.0 may become 0.0. O(n) time.

    Raises:
        RuntimeError: the shapes differ.

    >>> masked(torch.tensor([-2.0, float("inf"), 3.0]), torch.tensor([0.0, 0.0, 1.0]))
    tensor([0., 0., 3.])
    """
    if not _values_can_be_read(orig, mask):
        return torch.where(mask == 0, 0, mask.to(orig.dtype) * orig)
    has_graph = torch.is_grad_enabled() and (orig.requires_grad or mask.requires_grad)
    if large.is_large(orig.numel(), has_graph) and _is_plain(orig, mask):
        masked_by = large.Masked.apply if has_graph else large.masked
        return masked_by(orig, mask)
    product = torch.addcmul(_ZERO, mask, orig)  # 0.0 + -0.0 is 0.0
    if product.shape != orig.shape:
        raise RuntimeError(f"a mask of shape {mask.shape} does not fit {orig.shape}")
    # NaN, such as 0 * inf, is not equal to itself. Of many entries the sum tells it sooner.
    known = large.is_large(product.numel()) and math.isfinite(product.detach().sum())
    if not known and not torch.equal(product, product):
        with torch.no_grad():  # the gradient stays the product's
            product.masked_fill_(mask == 0, 0)
    return product


def is_watched() -> bool:
    """Tell whether a compiler, a tracer or a transform looks on: then values do not count."""
    return (
        torch.compiler.is_compiling()
        or transforms_active()
        or is_tracing()
        or is_in_torch_dispatch_mode()
    )


def _values_can_be_read(orig: Tensor, mask: Tensor) -> bool:
    """Tell whether the code may depend on values: ordinary tensors on the CPU, nobody watching.

    On another device the program would have to wait for the values.
    """
    return (
        not is_watched()
        and type(orig) in _ORDINARY
        and type(mask) in _ORDINARY
        and orig.is_cpu
        and mask.is_cpu
        and orig.dtype == mask.dtype
        and orig.is_floating_point()
    )


_ORDINARY = (nn.Parameter, nn.Buffer, Tensor)


def _is_plain(orig: Tensor, mask: Tensor) -> bool:
    """Tell whether numbers alone make the product: no tangent, no learned mask, no shape to fit."""
    return (
        orig.shape == mask.shape
        and orig.is_contiguous()
        and mask.is_contiguous()
        and not mask.requires_grad
        and forward_ad.unpack_dual(orig).tangent is None
    )
