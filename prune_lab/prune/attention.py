"""A weight that is read without its module being called.

``nn.MultiheadAttention`` never calls its ``out_proj``; it reads ``out_proj.weight`` and
``out_proj.bias`` and does the sum itself. A forward pre-hook on ``out_proj`` would never run: the
attention would go on with the masked weight of the day it was pruned. So a pruned ``out_proj``
becomes a :class:`PrunedOutProjection`, which puts the mask on at every read.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear
from torch.nn.utils import prune as torch_prune


def _masked_when_read(name: str) -> property:
    def read(module: nn.Module) -> Tensor | None:
        if name in module._parameters:
            return module._parameters[name]
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, torch_prune.BasePruningMethod) and hook._tensor_name == name:
                return hook.apply_mask(module)
        raise AttributeError(f"'{type(module).__name__}' object has no attribute '{name}'")

    return property(read)


class PrunedOutProjection(NonDynamicallyQuantizableLinear):
    """The output projection of an attention layer while it is pruned."""

    weight = _masked_when_read("weight")
    bias = _masked_when_read("bias")

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse a new weight, which nobody would read.

        Raises:
            ValueError: ``name`` is pruned.
        """
        if name in ("weight", "bias") and name + "_orig" in self._parameters:
            raise ValueError(
                f"'{name}' of an attention's out_proj is pruned: change the values under the mask "
                f"('{name}_orig'), or call prune.remove(out_proj, '{name}') before you set it"
            )
        super().__setattr__(name, value)


def mask_when_read(module: nn.Module) -> None:
    """Turn an attention's ``out_proj`` into its pruned kind; leave other modules alone.

    Raises:
        ValueError: it is parametrized, and has a class of its own for that.
    """
    if type(module) is NonDynamicallyQuantizableLinear:
        module.__class__ = PrunedOutProjection
    elif isinstance(module, NonDynamicallyQuantizableLinear) and not isinstance(
        module, PrunedOutProjection
    ):
        raise ValueError(
            "an attention reads its out_proj without calling it, and this one is parametrized: "
            "prune it before you parametrize it"
        )


def call_again(module: nn.Module) -> None:
    """Turn a pruned ``out_proj`` back, if no other of its parameters is pruned."""
    if type(module) is PrunedOutProjection:
        still_pruned = any(name.endswith("_orig") for name in module._parameters)
        if not still_pruned:
            module.__class__ = NonDynamicallyQuantizableLinear  # type: ignore[assignment]
