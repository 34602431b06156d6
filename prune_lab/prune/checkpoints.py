"""Checkpoints of pruned and clean models into one another, and going back to earlier values."""

from __future__ import annotations

import contextlib
import copy
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from .functions import custom_from_mask
from .methods import record_of
from .places import hooks_of, mask_of, pruned_names, show, unchanged_on_error


def load_checkpoint(model: nn.Module, state_dict: Mapping[str, Any]) -> None:
    """Load a checkpoint whichever of the two, model or checkpoint, is pruned.

    ``load_state_dict`` accepts only the keys that the model has now. This call brings the two
    together first, parameter by parameter:

    * pruned in the checkpoint (``weight_orig`` and ``weight_mask``): the model is pruned by that
      mask, also if it was clean; a mask that the model has is replaced;
    * clean in the checkpoint (``weight``): the values are loaded; a mask that the model has stays.

    Then torch's ``load_state_dict`` loads into the model's own tensors. A model on the meta device
    has none yet; it gets copies of the checkpoint's.

    Args:
        model: the same architecture, pruned or clean, by this engine or by torch's.
        state_dict: of the same architecture, pruned or clean, by this engine or by torch's.

    Raises:
        TypeError: not a module and a state dict.
        RuntimeError: keys or shapes do not fit; the model is as it was.

    >>> pruned = nn.Linear(2, 1)
    >>> _ = custom_from_mask(pruned, "weight", torch.tensor([[1, 0]]))
    >>> clean = nn.Linear(2, 1)
    >>> load_checkpoint(clean, pruned.state_dict())
    >>> torch.equal(clean.weight, pruned.weight), clean.weight_mask
    (True, tensor([[1., 0.]]))
    """
    _load(model, state_dict, with_masks=True)


def rewind(model: nn.Module, state_dict: Mapping[str, Any]) -> None:
    """Put earlier values back under the masks that the model has now.

    This is what a lottery ticket needs: prune the trained model, then rewind it to the values it
    was initialised with. Frankle & Carbin, *The Lottery Ticket Hypothesis*, 2019.

    Args:
        model: pruned or clean.
        state_dict: a copy of an earlier ``model.state_dict()``, made before or after pruning; its
            masks are ignored.

    Raises:
        TypeError: not a module and a state dict.
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
    _load(model, state_dict, with_masks=False)


def _load(model: nn.Module, state_dict: Mapping[str, Any], with_masks: bool) -> None:
    """Bring model and checkpoint together, then let torch load: all or nothing."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model should be a torch.nn.Module, not {type(model).__name__}")
    if not isinstance(state_dict, Mapping):
        hint = ": pass its state_dict()" if isinstance(state_dict, nn.Module) else ""
        raise TypeError(f"state_dict should be a mapping, not {type(state_dict).__name__}{hint}")
    if not with_masks:
        _refuse_own_memory(model, state_dict)
    values = OrderedDict(state_dict)
    values._metadata = getattr(state_dict, "_metadata", {})  # type: ignore[attr-defined]
    tensors = [*model.parameters(), *model.buffers()]
    with unchanged_on_error(model.modules(), tensors), _own_values(model):
        for prefix, module in _with_prefix(model):
            for name in [key.removesuffix("_orig") for key in module._parameters]:
                _bring_together(values, prefix + name, module, name, with_masks)
        is_meta = {tensor.is_meta for tensor in (*model.parameters(), *model.buffers())}
        if len(is_meta) > 1:
            raise RuntimeError(
                f"a part of this {type(model).__name__} is on the meta device and has no values "
                "to load into: call model.to_empty(device=...) on it first"
            )
        if True in is_meta:  # torch would put the checkpoint's own tensors into the model
            own = {k: v.detach().clone() for k, v in values.items() if isinstance(v, Tensor)}
            values.update(own)
        model.load_state_dict(values, strict=True, assign=True in is_meta)
        hooks = [(module, hook) for module in model.modules() for hook in hooks_of(module)]
        weights = [hook.apply_mask(module) for module, hook in hooks]  # can fail; then nothing
    for (module, hook), weight in zip(hooks, weights, strict=True):
        show(module, hook._tensor_name, weight)
    for prefix, module in _with_prefix(model) if with_masks else []:
        for hook in hooks_of(module):
            if prefix + hook._tensor_name + "_mask" in state_dict:
                record_of(hook).before = None  # what undo knows is about another mask


def _refuse_own_memory(model: nn.Module, state_dict: Mapping[str, Any]) -> None:
    """Refuse to rewind to what has changed with the model: torch's state dict is no copy."""
    own = {p.data_ptr() for p in model.parameters() if not is_lazy(p) and p.numel()}
    if any(
        isinstance(t, Tensor) and t.numel() and t.data_ptr() in own for t in state_dict.values()
    ):
        raise ValueError(
            "this state_dict shares the model's memory and has changed with it: there is nothing "
            "to go back to. Keep copy.deepcopy(model.state_dict()) where you want to return to"
        )


def _with_prefix(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the modules with their state-dict prefix; one in two places has two."""
    found = model.named_modules(remove_duplicate=False)
    return [(path + "." if path else "", module) for path, module in found]


def _bring_together(
    values: dict[str, Any], key: str, module: nn.Module, name: str, with_masks: bool
) -> None:
    """Give one parameter the same names in checkpoint and model, and the mask that counts."""
    pruned_there = key + "_orig" in values and key + "_mask" in values
    pruned_here = name in pruned_names(module)
    if pruned_there and pruned_here and not with_masks:
        values[key + "_mask"] = mask_of(module, name).clone()
    elif pruned_there and name in module._parameters and with_masks:
        mask, own = values[key + "_mask"], getattr(module, name)
        if is_lazy(own):
            own.materialize(mask.shape)
        if mask.shape != own.shape:
            raise RuntimeError(
                f"size mismatch for {key}_mask: {tuple(mask.shape)} in the checkpoint, "
                f"{tuple(own.shape)} in the model"
            )
        custom_from_mask(module, name, mask.to(own.device))
    elif pruned_there and name in module._parameters:
        values[key] = values.pop(key + "_orig")
        del values[key + "_mask"]
    elif pruned_here and key in values:
        values[key + "_orig"] = values.pop(key)
        values[key + "_mask"] = mask_of(module, name).clone()


@contextlib.contextmanager
def _own_values(model: nn.Module) -> Iterator[None]:
    """Give the model's tensors the values back that they have now if the block raises."""
    tensors = [t for t in (*model.parameters(), *model.buffers()) if not is_lazy(t)]
    values = [tensor.detach().clone() for tensor in tensors]
    extra = [
        (module, copy.deepcopy(module.get_extra_state()))
        for module in model.modules()
        if type(module).get_extra_state is not nn.Module.get_extra_state
    ]
    try:
        yield
    except BaseException:
        with torch.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                with contextlib.suppress(RuntimeError):  # it cannot be written: it has not been
                    tensor.copy_(value)
        for module, state in extra:
            module.set_extra_state(state)
        raise
