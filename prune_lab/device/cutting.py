"""Fewer channels in any model, by Torch-Pruning (extra ``shrink``)."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from prune_lab.device.extras import extra


def cut_channels(
    model: nn.Module, images: Tensor, amount: float, keep: Sequence[nn.Module] = ()
) -> nn.Module:
    """Return a smaller copy of the model: of each layer this fraction of the channels is cut out.

    Torch-Pruning follows the images through the model and finds which channels hang together, such
    as those that a residual connection adds. Of each such group the channels with the smallest
    norms go. The last layer that runs keeps its outputs, for they are the answers. Train the copy
    afterwards: what its other layers expect has changed.

    Source: G. Fang, X. Ma, M. Song, M. Bi Mi, X. Wang: DepGraph: towards any structural pruning,
    CVPR 2023.

    Args:
        model: any that torch can differentiate, on one device, without masks; left as it was.
        images: a batch that it reads.
        amount: 0 or more, below 1.
        keep: layers whose outputs stay, all of them.

    Raises ValueError for another amount, for a model with masks, for one that cannot be followed or
    answers with more than one tensor, and where the answers would have another shape. Raises
    ImportError if Torch-Pruning is not installed.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(8, 20), nn.ReLU(), nn.Linear(20, 3))
    >>> cut_channels(model, torch.zeros(1, 8), amount=0.5)[2]
    Linear(in_features=10, out_features=3, bias=True)
    """
    tp = extra("torch_pruning")
    if not 0 <= amount < 1:
        raise ValueError(f"amount must be 0 or more and below 1, but got {amount}")
    if any(name.endswith("_orig") for name, _ in model.named_parameters()):
        raise ValueError("the model is pruned: make its masks permanent with prune.remove first")
    places = {module: name for name, module in model.named_modules()}
    if any(module not in places for module in keep):
        raise ValueError("keep names a layer that the model does not have")
    small = copy.deepcopy(model)
    small.eval().requires_grad_(True)  # what hangs together is read off the gradients
    wanted, last = _ran(small, images)
    try:
        tp.pruner.BasePruner(
            small,
            images,
            importance=tp.importance.GroupMagnitudeImportance(p=2),
            pruning_ratio=amount,
            ignored_layers=[*last, *(small.get_submodule(places[module]) for module in keep)],
        ).step()
        found, _last = _ran(small, images)
    except Exception as error:  # whatever it stumbles over
        sentence = str(error).strip().partition("\n")[0]
        raise ValueError(f"Torch-Pruning cannot cut this model: {sentence}") from None
    _as_before(small, model)
    if found.shape != wanted.shape:
        raise ValueError(
            f"the answers would have the shape {tuple(found.shape)}, not {tuple(wanted.shape)}: "
            "name the layers that make them in keep"
        )
    return small


def _as_before(small: nn.Module, model: nn.Module) -> None:
    """Give the copy's modules the modes of the model's, and its parameters what they require."""
    for name, module in model.named_modules():
        small.get_submodule(name).training = module.training
    for name, parameter in model.named_parameters():
        small.get_parameter(name).requires_grad_(parameter.requires_grad)


def _ran(model: nn.Module, images: Tensor) -> tuple[Tensor, list[nn.Module]]:
    """What the model answers, and the layer with a weight that ran last."""
    last: list[nn.Module] = []

    def note(module: nn.Module, _read: object, _made: object) -> None:
        last[:] = [module]

    weights = {module: module._parameters.get("weight") for module in model.modules()}
    hooks = [
        module.register_forward_hook(note)
        for module, weight in weights.items()
        if weight is not None and weight.dim() > 1
    ]
    try:
        with torch.enable_grad():
            answer = model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(answer, Tensor):
        raise ValueError(f"the model must answer with one tensor, not {type(answer).__name__}")
    if not answer.requires_grad:
        raise ValueError("the model must be one that torch can differentiate")
    return answer.detach(), last
