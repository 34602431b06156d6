"""A weight that is read without its module being called.

``nn.MultiheadAttention`` never calls its ``out_proj``; it reads ``out_proj.weight`` and
``out_proj.bias`` and does the sum itself. A forward pre-hook on ``out_proj`` would never run: the
attention would go on with the masked weight of the day it was pruned. So a pruned ``out_proj``
becomes a :class:`PrunedOutProjection`, which puts the mask on at every read.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from .masking import masked


def _masked_when_read(name: str) -> property:
    def read(module: nn.Module) -> Tensor | None:
        if name in module._parameters:
            return module._parameters[name]
        orig = module._parameters.get(name + "_orig")
        if orig is None:
            raise AttributeError(f"'{type(module).__name__}' object has no attribute '{name}'")
        mask = module._buffers[name + "_mask"]
        assert mask is not None
        return masked(orig, mask)

    def write(module: nn.Module, value: Tensor) -> None:
        """Ignore what the hook computed: the next read computes it anew."""

    return property(read, write)


class PrunedOutProjection(NonDynamicallyQuantizableLinear):
    """The output projection of an attention layer while it is pruned."""

    weight = _masked_when_read("weight")
    bias = _masked_when_read("bias")


def mask_when_read(module: nn.Module) -> None:
    """Turn an attention's ``out_proj`` into its pruned kind; leave other modules alone."""
    if type(module) is NonDynamicallyQuantizableLinear:
        module.__class__ = PrunedOutProjection


def call_again(module: nn.Module) -> None:
    """Turn a pruned ``out_proj`` back, if no other of its parameters is pruned."""
    if type(module) is PrunedOutProjection:
        still_pruned = any(name.endswith("_orig") for name in module._parameters)
        if not still_pruned:
            module.__class__ = NonDynamicallyQuantizableLinear  # type: ignore[assignment]
