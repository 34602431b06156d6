"""Checkpoints of pruned and clean models into one another, and going back to earlier values."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from . import history
from .functions import custom_from_mask
from .masking import masked
from .reparametrization import find_hook, mask_of, pruned_names


def load_checkpoint(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Load a checkpoint whichever of the two, model or checkpoint, is pruned.

    ``load_state_dict`` accepts only the keys that the model has now. This call brings the two
    together first, parameter by parameter:

    * pruned in the checkpoint (``weight_orig`` and ``weight_mask``): the model is pruned by that
      mask, also if it was clean; a mask that the model has is replaced;
    * clean in the checkpoint (``weight``): the values are loaded; a mask that the model has stays.

    Args:
        model: the same architecture, pruned or clean, by this engine or by torch's.
        state_dict: of the same architecture, pruned or clean, by this engine or by torch's.

    Raises:
        RuntimeError: keys or shapes do not fit; the model is as it was.

    >>> pruned = nn.Linear(2, 1)
    >>> _ = custom_from_mask(pruned, "weight", torch.tensor([[1, 0]]))
    >>> clean = nn.Linear(2, 1)
    >>> load_checkpoint(clean, pruned.state_dict())
    >>> torch.equal(clean.weight, pruned.weight), clean.weight_mask
    (True, tensor([[1., 0.]]))
    """
    masks = {key.removesuffix("_mask"): state_dict[key] for key in _masks_in(state_dict)}
    _load(model, state_dict, masks)


def rewind(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Put earlier values back under the masks that the model has now.

    This is what a lottery ticket needs: prune the trained model, then rewind it to the values it
    was initialised with. Frankle & Carbin, *The Lottery Ticket Hypothesis*, 2019.

    Args:
        model: pruned or clean.
        state_dict: a copy of an earlier ``model.state_dict()``, made before or after pruning; its
            masks are ignored.

    Raises:
        RuntimeError: keys or shapes do not fit; the model is as it was.

    >>> import copy
    >>> layer = nn.Linear(2, 2)
    >>> start = copy.deepcopy(layer.state_dict())
    >>> _ = custom_from_mask(layer, "weight", torch.eye(2))
    >>> _ = layer.weight_orig.data.add_(1)
    >>> rewind(layer, start)
    >>> torch.equal(layer.weight, start["weight"] * torch.eye(2))
    True
    """
    _load(model, state_dict, masks={})


def _load(model: nn.Module, state_dict: Mapping[str, Tensor], masks: dict[str, Tensor]) -> None:
    values = {key: value for key, value in state_dict.items() if key not in _masks_in(state_dict)}
    values = {_clean(key, state_dict): value for key, value in values.items()}
    own = model.state_dict()
    targets = {_clean(key, own): key for key in own if key not in _masks_in(own)}
    _check_fit(model, targets, own, values, masks)
    for key, mask in masks.items():
        path, _, name = key.rpartition(".")
        module = model.get_submodule(path)
        if name in pruned_names(module):
            mask_of(module, name).copy_(mask)
            _, hook = find_hook(module, name)
            assert hook is not None
            history.forget(hook)
        else:
            custom_from_mask(module, name, mask.to(own[targets[key]].device))
    own = model.state_dict()
    with torch.no_grad():
        for key in own:
            if key not in _masks_in(own):
                own[key].copy_(values[_clean(key, own)])
    for module in model.modules():
        for name in pruned_names(module):
            setattr(module, name, masked(getattr(module, name + "_orig"), mask_of(module, name)))


def _check_fit(
    model: nn.Module,
    targets: Mapping[str, str],
    own: Mapping[str, Tensor],
    values: Mapping[str, Tensor],
    masks: Mapping[str, Tensor],
) -> None:
    """Refuse before anything is changed, in the manner of ``load_state_dict``."""
    wrong = [f"missing: {key}" for key in targets if key not in values]
    wrong += [f"unexpected: {key}" for key in values if key not in targets]
    wrong += [
        f"{key}: shape {tuple(tensor.shape)} in the checkpoint, "
        f"{tuple(own[targets[key]].shape)} in the model"
        for tensors in (values, masks)
        for key, tensor in tensors.items()
        if key in targets and tensor.shape != own[targets[key]].shape
    ]
    if wrong:
        raise RuntimeError(
            f"the checkpoint does not fit {type(model).__name__}: " + "; ".join(wrong)
        )


def _masks_in(state_dict: Mapping[str, Tensor]) -> set[str]:
    return {key[: -len("_orig")] + "_mask" for key in state_dict if key.endswith("_orig")} & set(
        state_dict
    )


def _clean(key: str, state_dict: Mapping[str, Tensor]) -> str:
    """Return the key that an unpruned model uses: ``weight`` for ``weight_orig``."""
    clean = key.removesuffix("_orig")
    return clean if clean + "_mask" in state_dict else key
