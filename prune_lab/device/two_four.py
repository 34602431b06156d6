"""2:4, two zeros in every four: multiplied twice as fast by the GPUs that know the pattern."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

_NEWEST_WITHOUT = (7, 5)  # compute capability: 8.0 is Ampere


def to_two_four(model: nn.Module) -> nn.Module:
    """Return a copy in half precision, on the GPU, that skips the zeros of its 2:4 weights.

    Each linear layer whose weight has at most two entries other than zero in every four neighbours
    (`prune_lab.prune.n_m`, then `prune_lab.prune.remove`) gets a weight of
    `torch.sparse.to_sparse_semi_structured`; all others stay dense. The model is left as it was.

    Source: A. Mishra et al.: Accelerating sparse deep neural networks, arXiv 2104.08378, 2021.

    Raises RuntimeError where there is no NVIDIA GPU that knows 2:4, ValueError if no layer has the
    pattern, or torch cannot take one's shape (it wants multiples of 32 and 64).

    >>> if not torch.cuda.is_available():
    ...     to_two_four(nn.Linear(64, 64))
    Traceback (most recent call last):
    RuntimeError: 2:4 saves time on NVIDIA GPUs from Ampere on alone, and torch sees no GPU here
    """
    _must_know_two_four()
    model = copy.deepcopy(model).eval().half().cuda()
    layers = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and is_two_four(module.weight)
    }
    if not layers:
        raise ValueError("no linear layer has 2:4 zeros: call prune.n_m, then prune.remove")
    for name, layer in layers.items():
        try:
            sparse = torch.sparse.to_sparse_semi_structured(layer.weight.detach())
        except (RuntimeError, ValueError, NotImplementedError) as error:
            sentence = str(error).strip().partition("\n")[0]
            raise ValueError(f"torch cannot make {name or 'the layer'} 2:4: {sentence}") from None
        layer.weight = nn.Parameter(sparse, requires_grad=False)
    return model


def is_two_four(weight: Tensor) -> bool:
    """Whether every four neighbours along the last dimension have two zeros or more.

    >>> is_two_four(torch.tensor([[0.0, 1.0, 2.0, 0.0]]))
    True
    >>> is_two_four(torch.tensor([[0.0, 1.0, 2.0, 3.0]]))
    False
    """
    if weight.dim() == 0 or weight.shape[-1] % 4 or weight.numel() == 0:
        return False
    return bool((weight.detach().unflatten(-1, (-1, 4)) != 0).sum(-1).le(2).all())


def _must_know_two_four() -> None:
    why = "torch sees no GPU here"
    if torch.cuda.is_available() and torch.version.hip is None:
        if torch.cuda.get_device_capability() > _NEWEST_WITHOUT:
            return
        why = f"this one is a {torch.cuda.get_device_name()}"
    raise RuntimeError(f"2:4 saves time on NVIDIA GPUs from Ampere on alone, and {why}")
