"""A digit reader of less than a kilobyte: cut, prune gradually, round, pack."""

from __future__ import annotations

from torch import nn
from torch.nn.utils import parametrize

from prune_lab import prune
from prune_lab.data import Digits
from prune_lab.device.grid import Rounded
from prune_lab.device.operations import Network
from prune_lab.device.shrinking import keep_channels, without_dead
from prune_lab.device.tracing import trace
from prune_lab.experiments.importance import lamp
from prune_lab.experiments.recipes import gradual
from prune_lab.lenet import LeNet
from prune_lab.training import fit

CHANNELS = (4, 10, 48, 32)
WEIGHTS = 900  # that are not zero
LEVELS = 4  # a weight is one of -4 to 4 steps
BIAS_LEVELS = 7


def digit_reader(
    dense: LeNet, digits: Digits, seed: int = 0, epochs: tuple[int, int] = (90, 60)
) -> Network:
    """Return a network that reads digits nearly as well as a trained LeNet, in 900 weights.

    Channels are cut by their norm to 4, 10, 48, 32; then weights are pruned, by LAMP's scores and
    the cubic schedule, while the network is trained; then the others are rounded to a grid of 4
    steps each way while it is trained on. All of it sees the training images alone. Some minutes.

    Args:
        dense: a trained LeNet; it is left as it was.
        digits: what it was trained on.
        seed: of the order of the training images.
        epochs: to prune in, and to round in.

    `prune_lab.device.packing.pack` turns the network into bytes.
    """
    model = keep_channels(dense, CHANNELS)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    weights = sum(layer.weight.numel() for layer in layers)
    gradual(model, digits, 1 - WEIGHTS / weights, epochs[0], seed, importance=lamp)
    for layer in layers:
        prune.remove(layer, "weight")
        for name, levels in (("weight", LEVELS), ("bias", BIAS_LEVELS)):
            rounded = Rounded(getattr(layer, name), levels)
            parametrize.register_parametrization(layer, name, rounded)
    fit(model, digits, epochs[1], seed, learning_rate=2e-3)
    for layer in layers:
        for name in ("weight", "bias"):
            parametrize.remove_parametrizations(layer, name)
    return without_dead(trace(model, digits.train_images[:2], *digits.ink))
