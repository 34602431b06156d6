"""Channels cut out of any model, and 2:4 where there is hardware for it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.device import two_four
from prune_lab.device.cutting import cut_channels
from prune_lab.device.two_four import is_two_four, to_two_four
from prune_lab.lenet import LeNet
from prune_lab.measure import macs
from tests.device.networks import residual

IMAGES = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def shapes(model: nn.Module) -> list[tuple[int, ...]]:
    return [tuple(parameter.shape) for parameter in model.parameters()]


def test_every_layer_but_the_last_loses_its_share() -> None:
    model = LeNet().train()
    model.fc1.eval()
    before = copy.deepcopy(model.state_dict())
    small = cut_channels(model, IMAGES, amount=0.5)
    widths = [small.conv1.out_channels, small.conv2.out_channels, small.fc1.out_features]
    assert [*widths, small.fc2.out_features, small.fc3.out_features] == [3, 8, 60, 42, 10]
    assert macs(small, IMAGES) < 0.4 * macs(model, IMAGES)
    assert small.training and not small.fc1.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_the_channels_that_stay_are_copies_of_the_strongest() -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        model[0].weight[[0, 2]] *= 100
        model[2].weight[:, [0, 2]] *= 100
    small = cut_channels(model, torch.randn(2, 6), amount=0.5)
    assert torch.equal(small[0].weight, model[0].weight[[0, 2]])
    assert torch.equal(small[2].weight, model[2].weight[:, [0, 2]])


def test_channels_that_are_added_go_together() -> None:
    small = cut_channels(residual(), IMAGES, amount=0.5)
    assert small.first.out_channels == small.second.out_channels == small.norm.num_features == 4
    assert small(IMAGES).shape == (2, 10)


def test_nothing_to_cut_is_a_copy_and_kept_layers_keep_their_outputs() -> None:
    model = LeNet()
    same = cut_channels(model, IMAGES, amount=0.0)
    assert same is not model and torch.equal(same(IMAGES), model(IMAGES))
    small = cut_channels(model, IMAGES, amount=0.5, keep=[model.conv2])
    assert small.conv2.out_channels == 16 and small.conv1.out_channels == 3


class Aside(nn.Module):
    """The layer that makes the answers is not the last that runs."""

    def __init__(self, from_body: bool = False) -> None:
        super().__init__()
        self.body, self.digit, self.size = nn.Linear(8, 8), nn.Linear(8, 4), nn.Linear(8, 4)
        self.from_body = from_body

    def forward(self, x: Tensor) -> Tensor:
        found = self.body(x).relu()
        answer = self.digit(found)
        self.size(found if self.from_body else x)  # and nobody reads it
        return answer


def test_an_answer_that_would_change_its_shape_is_refused() -> None:
    model = Aside()
    with pytest.raises(ValueError, match=r"the shape \(2, 2\), not \(2, 4\): name the layers"):
        cut_channels(model, torch.randn(2, 8), amount=0.5)
    small = cut_channels(model, torch.randn(2, 8), amount=0.5, keep=[model.digit])
    assert small.body.out_features == 4 and small(torch.randn(2, 8)).shape == (2, 4)


class Odd(nn.Module):
    """Answers with something else than a tensor that has a gradient."""

    def __init__(self, ending: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.first, self.last, self.ending = nn.Linear(8, 6), nn.Linear(6, 4), ending

    def forward(self, x: Tensor) -> object:
        return self.ending(self.last(self.first(x).relu()))


def test_an_answer_that_is_no_tensor_or_has_no_gradient_is_refused() -> None:
    for ending, says in (
        (lambda x: {"logits": x}, "answer with one tensor, not dict"),
        (lambda x: x.detach(), "that torch can differentiate"),
    ):
        with pytest.raises(ValueError, match=says):
            cut_channels(Odd(ending), torch.randn(2, 8), amount=0.5)


def test_frozen_parameters_are_cut_and_stay_frozen() -> None:
    model = LeNet().requires_grad_(False)
    model.fc2.requires_grad_(True)
    small = cut_channels(model, IMAGES, amount=0.5)
    assert small.conv1.out_channels == 3
    assert [p.requires_grad for p in small.parameters()] == [
        p.requires_grad for p in model.parameters()
    ]


def test_what_cannot_be_cut_is_refused_in_a_sentence() -> None:
    for amount in (1, 1.5, -0.1):
        with pytest.raises(ValueError, match="amount must be 0 or more and below 1"):
            cut_channels(LeNet(), IMAGES, amount)
    with pytest.raises(ValueError, match="a layer that the model does not have"):
        cut_channels(LeNet(), IMAGES, 0.5, keep=[nn.Linear(2, 2)])
    masked = LeNet()
    prune.l1_unstructured(masked.fc1, "weight", 0.5)
    with pytest.raises(ValueError, match=r"prune\.remove first"):
        cut_channels(masked, IMAGES, 0.5)
    with pytest.raises(ValueError, match="LeNet reads images of shape"):
        cut_channels(LeNet(), torch.zeros(1, 3, 32, 32), 0.5)
    with pytest.raises(ValueError, match=r"^Torch-Pruning cannot cut this model: [^\n]+$"):
        cut_channels(Aside(from_body=True), torch.randn(2, 8), 0.5)


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_pruning", None)
    with pytest.raises(
        ImportError, match=r"^torch-pruning is missing: pip install 'prune-lab\[shrink\]'$"
    ):
        cut_channels(LeNet(), IMAGES, 0.5)


# 2:4


def test_two_four_is_told_from_what_is_not() -> None:
    layer = nn.Linear(16, 8)
    assert not is_two_four(layer.weight)
    prune.remove(prune.n_m(layer, "weight", n=2, m=4), "weight")
    assert is_two_four(layer.weight)
    layer.weight.data[5, 4:8] = torch.tensor([1.0, 0.0, 1.0, 1.0])
    assert not is_two_four(layer.weight)
    assert not is_two_four(torch.zeros(3, 6)) and not is_two_four(torch.zeros(0, 4))


def test_hardware_that_does_not_know_it_is_named(monkeypatch) -> None:
    cuda = two_four.torch.cuda
    monkeypatch.setattr(cuda, "is_available", lambda: True)
    monkeypatch.setattr(cuda, "get_device_capability", lambda: (7, 5))
    monkeypatch.setattr(cuda, "get_device_name", lambda: "T4")
    with pytest.raises(RuntimeError, match=r"from Ampere on alone, and this one is a T4$"):
        to_two_four(nn.Linear(64, 64))


@pytest.mark.skipif(
    not torch.cuda.is_available() or torch.cuda.get_device_capability() < (8, 0),
    reason="needs an NVIDIA GPU that knows 2:4",
)
def test_a_two_four_layer_computes_what_it_computed() -> None:
    model = nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 64))
    with pytest.raises(ValueError, match="no linear layer has 2:4 zeros"):
        to_two_four(model)
    prune.remove(prune.n_m(model[0], "weight", n=2, m=4), "weight")
    fast, images = to_two_four(model), torch.randn(64, 128).half().cuda()
    wanted = copy.deepcopy(model).half().cuda()(images)
    assert torch.allclose(fast(images), wanted, atol=2e-2)
