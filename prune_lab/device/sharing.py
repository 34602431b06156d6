"""Shared weights: few different values in each tensor, found by k-means."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


def share(tensor: Tensor, values: int) -> Tensor:
    """Return the tensor with at most so many different values, zeros kept.

    The values are the centres that k-means finds for the entries that are not zero, evenly spread
    at first, and rounded to a bfloat16, so that a table of them takes two bytes each.

    Source: S. Han, H. Mao, W. Dally: Deep compression, ICLR 2016.

    Args:
        tensor: of any shape, float.
        values: 1 or more.

    Raises ValueError for values below 1, or an entry that is infinite or NaN.

    >>> share(torch.tensor([0.0, 0.9, 1.1, -2.1, -1.9]), values=2)
    tensor([ 0.,  1.,  1., -2., -2.])
    """
    from sklearn.cluster import KMeans  # here, because it takes longer than all else to import

    if isinstance(values, bool) or not isinstance(values, int) or values < 1:
        raise ValueError(f"values must be a whole number, 1 or more, but got {values!r}")
    if not torch.isfinite(tensor).all():
        raise ValueError("a weight is infinite or NaN")
    there = tensor != 0
    kept = tensor.detach()[there].double()
    if len(kept) == 0:
        return tensor.detach().clone()
    number = min(values, len(kept.unique()))
    start = torch.linspace(float(kept.min()), float(kept.max()), number).double()
    means = KMeans(number, init=start[:, None].numpy(), n_init=1, algorithm="lloyd")
    which = torch.from_numpy(means.fit_predict(kept[:, None].numpy())).long()
    centres = torch.from_numpy(means.cluster_centers_).flatten().to(torch.bfloat16)
    shared = torch.zeros_like(tensor.detach())
    shared[there] = centres[which].to(tensor.dtype)
    return shared


def share_weights(model: nn.Module, values: int) -> nn.Module:
    """Return a copy of the model whose tensors have at most so many different values each.

    Every parameter is shared on its own, biases too; buffers stay as they are. The model is left
    as it was.

    Args:
        model: any, without masks (`prune_lab.prune.remove` makes them permanent).
        values: for each parameter, zero not counted.

    Raises ValueError for a pruned model, or as `share` does.

    >>> model = share_weights(nn.Linear(20, 30), values=4)
    >>> len(model.weight.unique())
    4
    """
    if any(name.endswith("_orig") for name, _ in model.named_parameters()):
        raise ValueError("the model is pruned: make its masks permanent with prune.remove first")
    model = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(share(parameter, values))
    return model
