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

# `as` says that a name is for others to import. The private ones are torch's, which code uses.
from .across import global_structured as global_structured
from .across import global_unstructured as global_unstructured
from .amounts import _compute_nparams_toprune as _compute_nparams_toprune
from .amounts import _validate_pruning_amount as _validate_pruning_amount
from .amounts import _validate_pruning_amount_init as _validate_pruning_amount_init
from .caching import cached as cached
from .checkpoints import load_checkpoint as load_checkpoint
from .checkpoints import rewind as rewind
from .functions import custom_from_mask as custom_from_mask
from .functions import identity as identity
from .functions import is_pruned as is_pruned
from .functions import l1_unstructured as l1_unstructured
from .functions import ln_structured as ln_structured
from .functions import n_m as n_m
from .functions import random_structured as random_structured
from .functions import random_unstructured as random_unstructured
from .functions import remove as remove
from .functions import undo as undo
from .holding import hold_pruned as hold_pruned
from .methods import BasePruningMethod as BasePruningMethod
from .methods import PruningContainer as PruningContainer
from .sparsity import sparsity as sparsity
from .techniques import NM as NM
from .techniques import CustomFromMask as CustomFromMask
from .techniques import Identity as Identity
from .techniques import L1Unstructured as L1Unstructured
from .techniques import LnStructured as LnStructured
from .techniques import RandomStructured as RandomStructured
from .techniques import RandomUnstructured as RandomUnstructured
from .techniques import _compute_norm as _compute_norm
from .techniques import _validate_pruning_dim as _validate_pruning_dim
from .techniques import _validate_structured_pruning as _validate_structured_pruning
from .techniques import pruning_order as pruning_order
from .twins import prune_twins as prune_twins
