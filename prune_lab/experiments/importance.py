"""What a weight is worth: scores for all weights of a model, of which the lowest go first."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prune_lab.data import Digits

Place = tuple[nn.Module, str]
Scores = dict[Place, Tensor]

Importance = Callable[[nn.Module, Digits], Scores]
"""From a model, and digits of which it may see the training part, to a score for each weight."""

_LOOK = 256  # images that a gradient is taken of
_BATCH = 32


def weights_of(model: nn.Module) -> list[Place]:
    """Return the places of the weights of all 2-d convolutions and linear layers, in order.

    >>> from prune_lab.lenet import LeNet
    >>> len(weights_of(LeNet()))
    5
    """
    return [
        (module, "weight")
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]


def magnitude(model: nn.Module, digits: Digits) -> Scores:
    """Score a weight by its absolute value."""
    return {place: weight.abs() for place, weight in _weights(model).items()}


def lamp(model: nn.Module, digits: Digits) -> Scores:
    """Score a weight by its square's share in all squares of its layer that are not smaller.

    So layers are compared fairly. The last entry of a layer scores 1: no layer is ever emptied.

    Source: J. Lee, S. Park, S. Mo, S. Ahn, J. Shin: Layer-adaptive sparsity for the
    magnitude-based pruning, ICLR 2021.

    >>> from prune_lab.data import load_digits
    >>> layer = nn.Linear(3, 1)
    >>> layer.weight.data = torch.tensor([[1.0, -2.0, 0.0]])
    >>> lamp(layer, load_digits())[layer, "weight"]
    tensor([[0.2000, 1.0000, 0.0000]])
    """
    return {place: _lamp(weight) for place, weight in _weights(model).items()}


def rows(model: nn.Module, digits: Digits) -> Scores:
    """Score all weights of a filter, or of an output, alike: by the L2 norm of that row.

    So whole rows go, as in ``ln_structured`` with ``n=2``. A norm counts as a share of the largest
    in its layer, or the layer of the smallest weights would be emptied first.

    >>> from prune_lab.data import load_digits
    >>> layer = nn.Linear(2, 2)
    >>> layer.weight.data = torch.tensor([[3.0, 4.0], [0.0, -1.0]])
    >>> rows(layer, load_digits())[layer, "weight"]
    tensor([[1.0000, 1.0000],
            [0.2000, 0.2000]])
    """
    return {place: _rows(weight) for place, weight in _weights(model).items()}


def at_random(model: nn.Module, digits: Digits) -> Scores:
    """Score by lot: torch's random numbers."""
    return {place: torch.rand_like(weight) for place, weight in _weights(model).items()}


def taylor(model: nn.Module, digits: Digits) -> Scores:
    """Score a weight by how much the loss would change without it, to first order.

    That is the magnitude of weight × gradient, added up over 8 batches of 32 training images.
    Gradients that the parameters hold are neither used nor changed.

    Source: P. Molchanov, A. Mallya, S. Tyree, I. Frosio, J. Kautz: Importance estimation for
    neural network pruning, CVPR 2019, which adds up the squares.
    """
    places = weights_of(model)
    parameters = [_parameter(place) for place in places]
    scores = [torch.zeros_like(parameter) for parameter in parameters]
    device = parameters[0].device
    images, labels = digits.train_images[:_LOOK], digits.train_labels[:_LOOK]
    with torch.enable_grad():
        for batch, truth in zip(images.split(_BATCH), labels.split(_BATCH), strict=True):
            loss = F.cross_entropy(model(batch.to(device)), truth.to(device))
            gradients = torch.autograd.grad(loss, parameters)
            for score, parameter, gradient in zip(scores, parameters, gradients, strict=True):
                score += (parameter.detach() * gradient).abs()
    return dict(zip(places, scores, strict=True))


def _weights(model: nn.Module) -> Scores:
    """The weights of a model under their masks."""
    return {place: getattr(*place).detach() for place in weights_of(model)}


def _parameter(place: Place) -> nn.Parameter:
    module, name = place
    parameters = dict(module.named_parameters(recurse=False))
    return parameters.get(f"{name}_orig", parameters.get(name))  # type: ignore[return-value]


def _lamp(weight: Tensor) -> Tensor:
    squares, order = weight.flatten().square().sort(descending=True)
    shares = torch.empty_like(squares)
    shares[order] = squares / squares.cumsum(0).clamp_min(torch.finfo(squares.dtype).tiny)
    return shares.reshape(weight.shape)


def _rows(weight: Tensor) -> Tensor:
    norms = weight.flatten(1).norm(dim=1)
    shares = norms / norms.max().clamp_min(torch.finfo(norms.dtype).tiny)
    return shares.reshape(-1, *[1] * (weight.dim() - 1)).expand_as(weight)
