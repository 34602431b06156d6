"""``undo`` gives back exactly what was: names, order, hooks, dtype, device, optimizer state."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from prune_lab import prune
from tests.engine.snapshots import Snapshot, identical

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])


def _layer() -> Any:
    """Return a layer with parameters, buffers and hooks of its own on both sides of pruning's."""
    torch.manual_seed(0)
    layer: Any = nn.Linear(3, 2)
    layer.gain = nn.Parameter(torch.ones(2))
    layer.register_buffer("seen", torch.zeros(1))
    layer.register_forward_pre_hook(lambda module, inputs: None)
    return layer


@pytest.mark.parametrize("order", [("weight", "bias", "gain"), ("gain", "bias", "weight")])
@pytest.mark.parametrize("undone", [(0, 1, 2), (2, 1, 0), (1, 2, 0)], ids=str)
def test_order_of_parameters_buffers_and_hooks(
    order: tuple[str, ...], undone: tuple[int, ...]
) -> None:
    layer = _layer()
    clean = Snapshot(layer)
    for name in order:
        prune.l1_unstructured(layer, name, 1)
    for place in undone:
        prune.undo(layer, order[place])
    clean.assert_unchanged()


def test_a_second_prune_leaves_no_trace() -> None:
    layer = _layer()
    prune.l1_unstructured(layer, "bias", 1)
    prune.l1_unstructured(layer, "weight", 1)
    layer.register_forward_pre_hook(lambda module, inputs: None)
    layer.register_buffer("later", torch.zeros(1))
    names, hooks = list(layer.state_dict()), list(layer._forward_pre_hooks)
    mask, weight = layer.weight_mask, layer.weight.detach().clone()
    prune.random_unstructured(layer, "weight", 2)
    prune.undo(layer, "weight")
    assert list(layer.state_dict()) == names and list(layer._forward_pre_hooks) == hooks
    assert identical(layer.weight_mask, mask) and identical(layer.weight.detach(), weight)
    assert layer.weight_mask.is_contiguous() and layer.weight.requires_grad


MASKS = {
    "binary": torch.tensor([[1, 0, 1], [0, 1, 1]]),
    "scaling": torch.tensor([[0.5, 1, 1], [1, 0.25, 0]]),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize(
    "to", [{"dtype": torch.float64}, {"dtype": torch.bfloat16}, {"device": "meta"}], ids=str
)
def test_dtype_and_device_of_the_mask(mask: torch.Tensor, to: dict[str, Any]) -> None:
    """A module that has moved since keeps the mask where it is now."""
    layer = _layer()
    prune.custom_from_mask(layer, "weight", mask)
    before = layer.weight_mask.clone()
    prune.custom_from_mask(layer, "weight", torch.tensor([[1, 1, 0], [1, 1, 1]]))
    layer.to(**to)
    for _ in range(2):
        prune.undo(layer, "weight")
        if prune.is_pruned(layer):
            assert identical(layer.weight_mask, before.to(**to))
        tensor = layer.weight
        assert (tensor.dtype, tensor.device) == (layer.bias.dtype, layer.bias.device)
        assert layer(X.to(**to)).shape == (2, 2)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.Adam])
@pytest.mark.parametrize("names", [("weight",), ("bias", "weight"), ("weight", "bias")])
def test_an_optimizers_state_fits_again(
    kind: type[torch.optim.Optimizer], names: tuple[str, ...]
) -> None:
    """A state of before, loaded into an optimizer of after, trains as if nothing had been."""
    options = {"momentum": 0.9} if kind is torch.optim.SGD else {"weight_decay": 0.1}
    never = nn.Sequential(_layer(), nn.Tanh(), nn.Linear(2, 2))
    tried = copy.deepcopy(never)

    def train(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        for _ in range(3):
            optimizer.zero_grad()
            model(X).square().sum().backward()
            optimizer.step()

    optimizers = [kind(model.parameters(), lr=0.1, **options) for model in (never, tried)]
    for model, optimizer in zip((never, tried), optimizers, strict=True):
        train(model, optimizer)
    saved = copy.deepcopy(optimizers[1].state_dict())
    for name in names:
        prune.l1_unstructured(tried[0], name, 1)
    for name in names:
        prune.undo(tried[0], name)
    again = kind(tried.parameters(), lr=0.1, **options)
    again.load_state_dict(saved)
    train(never, optimizers[0])
    train(tried, again)
    for (name, a), (other, b) in zip(
        never.named_parameters(), tried.named_parameters(), strict=True
    ):
        assert name == other and identical(a.detach(), b.detach())
