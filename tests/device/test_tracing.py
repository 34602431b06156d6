"""A traced model computes what it computed; what a device does not have is refused by name."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.device.operations import OPERATIONS
from prune_lab.device.tracing import trace
from prune_lab.lenet import LeNet
from tests.device.networks import residual


def test_everything_on_the_list_computes_what_torch_computes() -> None:
    model = residual()
    network = trace(model, torch.zeros(2, 1, 32, 32))
    assert {type(operation) for operation in network.operations} == set(OPERATIONS)
    images = torch.randn(7, 1, 32, 32)
    with torch.no_grad():
        assert torch.allclose(network(images), model(images), atol=1e-5)
    assert network.shapes[-1] == (10,)


def test_a_norm_is_folded_with_its_eps_into_weight_and_bias() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3, eps=0.4),
        nn.Flatten(),
        nn.Linear(48, 5),
        nn.BatchNorm1d(5),
    ).eval()
    with torch.no_grad():
        for norm in (model[1], model[4]):
            for tensor in (norm.running_mean, norm.weight, norm.bias):
                tensor.normal_()
            norm.running_var.uniform_(0.1, 2)
        images = torch.randn(4, 1, 6, 6)
        assert torch.allclose(trace(model, images)(images), model(images), atol=1e-5)


def test_the_network_is_a_copy_and_the_model_is_left_as_it_was() -> None:
    model = LeNet()
    prune.l1_unstructured(model.fc1, "weight", amount=0.9)
    model.train()
    before = copy.deepcopy(model.state_dict())
    network = trace(model, torch.zeros(2, 1, 32, 32))
    assert model.training and prune.is_pruned(model.fc1)
    for operation in network.operations:
        for tensor in operation.tensors().values():
            tensor.zero_()
    after = model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_masks_become_zeros() -> None:
    model = trained_lenet()
    prune.l1_unstructured(model.fc1, "weight", amount=0.9)
    network = trace(model, torch.zeros(2, 1, 32, 32))
    zeros = [int((op.tensors()["weight"] == 0).sum()) for op in network.operations if op.learnt]
    assert zeros == [0, 0, 43_200, 0, 0]


def test_a_model_that_torch_cannot_copy_is_refused() -> None:
    model = LeNet()
    torch_prune.l1_unstructured(model.fc1, "weight", amount=0.9)
    with pytest.raises(ValueError, match=r"^torch cannot trace this model: Only Tensors"):
        trace(model, torch.zeros(2, 1, 32, 32))


class Twice(nn.Module):
    """Uses a value after it was changed in place, and a layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, images: Tensor) -> Tensor:
        x = self.layer(images.flatten(1))
        x.relu_()
        return self.layer(x) + x


def test_what_is_changed_in_place_is_read_changed() -> None:
    torch.manual_seed(0)
    model, images = Twice(), torch.randn(5, 1, 2, 3)
    with torch.no_grad():
        assert torch.allclose(trace(model, images)(images), model(images), atol=1e-6)


def test_what_is_traced_wrongly_is_refused() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(6, 6)

        def forward(self, images: Tensor) -> Tensor:
            x = self.layer(images.flatten(1))
            y = x.view(-1, 6)
            x.relu_()
            return y.tanh()

    torch.manual_seed(0)
    with pytest.raises(ValueError, match="what was traced computes"):
        trace(Late(), torch.randn(5, 1, 2, 3))


def test_a_norm_whose_convolution_has_another_reader_is_refused() -> None:
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)

        def forward(self, images: Tensor) -> Tensor:
            x = self.conv(images)
            return self.norm(x) + x

    with pytest.raises(ValueError, match="batch norm can only be folded"):
        trace(Split().eval(), torch.zeros(2, 1, 8, 8))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ELU()), "elu is not on the device's list"),
        (nn.Conv2d(1, 2, 3, dilation=2), "conv2d with dilation="),
        (nn.Conv2d(1, 2, 3, padding="same"), "conv2d with padding='same'"),
        (nn.MaxPool2d(2, ceil_mode=True), "max_pool2d with ceil_mode=True"),
        (nn.AvgPool2d(2, padding=1), "avg_pool2d with padding="),
        (nn.AdaptiveAvgPool2d(2), "adaptive_avg_pool2d with output_size="),
        (nn.Hardtanh(-1, 1), "hardtanh with the bounds"),
        (nn.GELU("tanh"), "gelu with approximate=tanh"),
        (nn.Sequential(nn.BatchNorm2d(1)), "batch norm can only be folded"),
        (nn.Linear(8, 2), "cannot read values of shape"),
        (nn.Identity(), "at least one operation"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_is_not_on_the_list_is_refused_by_name(model: nn.Module, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace("(", r"\(")):
        trace(model, torch.zeros(2, 1, 8, 8))


def test_what_depends_on_the_pixels_is_refused() -> None:
    class Branch(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.relu() if images.sum() > 0 else images.tanh()

    with pytest.raises(ValueError, match="torch cannot trace this model"):
        trace(Branch(), torch.zeros(2, 1, 8, 8))
