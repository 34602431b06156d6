"""Hook-based pruning: ``torch.nn.utils.prune``, name for name, with its known defects mended.

Swap ``import torch.nn.utils.prune as prune`` for ``from prune_lab import prune``: same functions,
same masks from the same seed, same checkpoints. A reading order for the curious:

1. ``masking``: a weight under its mask, in one function
2. ``methods``: the hook that masks a parameter before each forward pass, the heart of it all
3. ``places``: ``weight`` becomes ``weight_orig`` and ``weight_mask``, and back
4. ``ranking``, ``techniques``: which entries go first
5. ``functions``, ``across``, ``twins``, ``checkpoints``, ``holding``, ``sparsity``: what users call
6. ``record``, ``caching``, ``attention``: what undo and ties need to know, and two special cases

``large`` holds fast paths for large tensors; they change nothing but the time, and can be skipped.
"""

from .across import global_structured, global_unstructured
from .amounts import (
    _compute_nparams_toprune,
    _validate_pruning_amount,
    _validate_pruning_amount_init,
)
from .caching import cached
from .checkpoints import load_checkpoint, rewind
from .functions import (
    custom_from_mask,
    identity,
    is_pruned,
    l1_unstructured,
    ln_structured,
    n_m,
    random_structured,
    random_unstructured,
    remove,
    undo,
)
from .holding import hold_pruned
from .methods import BasePruningMethod, PruningContainer
from .sparsity import sparsity
from .techniques import (
    NM,
    CustomFromMask,
    Identity,
    L1Unstructured,
    LnStructured,
    RandomStructured,
    RandomUnstructured,
    _compute_norm,
    _validate_pruning_dim,
    _validate_structured_pruning,
    pruning_order,
)
from .twins import prune_twins

__all__ = [  # noqa: RUF022 (torch's private helpers, which code outside torch uses, come last)
    "NM",
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "cached",
    "custom_from_mask",
    "global_structured",
    "global_unstructured",
    "hold_pruned",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "load_checkpoint",
    "n_m",
    "prune_twins",
    "pruning_order",
    "random_structured",
    "random_unstructured",
    "remove",
    "rewind",
    "sparsity",
    "undo",
    "_compute_norm",
    "_compute_nparams_toprune",
    "_validate_pruning_amount",
    "_validate_pruning_amount_init",
    "_validate_pruning_dim",
    "_validate_structured_pruning",
]
