"""What is removed is removed, and no answer changes."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.data import load_digits
from prune_lab.device.shrinking import keep_channels, without_dead
from prune_lab.device.tracing import trace
from prune_lab.lenet import LeNet


def test_all_channels_kept_is_the_same_network() -> None:
    model = trained_lenet()
    same = keep_channels(model, (6, 16, 120, 84))
    images = load_digits().test_images[:20]
    assert torch.equal(same(images), model(images))
    assert same.conv1.weight is not model.conv1.weight


def test_the_channels_with_the_largest_norms_stay_and_their_readers_follow() -> None:
    model = LeNet()
    with torch.no_grad():
        for layer in model.children():
            layer.weight.fill_(0.01)
            layer.bias.copy_(torch.arange(float(len(layer.bias))))
        model.conv1.weight[[1, 4]] = 1.0
        model.conv2.weight[:, 3] = 1000.0  # a weak channel that is read strongly
        model.conv2.weight[7] = 5.0
        model.fc1.weight[:, 25 * 7 : 25 * 8] = 2.0
    small = keep_channels(model, (3, 1, 2, 2))
    assert small.conv1.bias.tolist() == [1, 3, 4]
    assert small.conv2.bias.tolist() == [7]
    assert small.conv2.weight.shape == (1, 3, 5, 5) and small.fc1.weight.shape == (2, 25)
    assert (small.fc1.weight == 2).all()
    assert (small.conv1.out_channels, small.conv2.in_channels, small.conv2.out_channels) == (
        3,
        3,
        1,
    )
    assert (small.fc1.in_features, small.fc3.in_features, small.fc3.out_features) == (25, 2, 10)
    assert small(torch.zeros(2, 1, 32, 32)).shape == (2, 10)


def test_a_cut_model_gives_what_the_whole_one_gives_when_the_others_are_zero() -> None:
    """The cut is the same as setting the removed channels' readers to zero."""
    model, small = trained_lenet(1), keep_channels(trained_lenet(1), (6, 9, 120, 84))
    weight = model.conv2.weight.detach()
    readers = model.fc1.weight.detach().reshape(120, 16, 25).transpose(0, 1).flatten(1)
    score = weight.flatten(1).norm(dim=1) * readers.norm(dim=1)
    with torch.no_grad():
        for channel in score.argsort()[:7]:
            model.fc1.weight[:, 25 * channel : 25 * (channel + 1)] = 0
    images = load_digits().test_images[:50]
    assert torch.allclose(small(images), model(images), atol=1e-4)


def test_sizes_that_the_model_does_not_have_and_masks_are_refused() -> None:
    for sizes in ((7, 16, 120, 84), (0, 1, 1, 1), (1, 2, 3)):
        with pytest.raises(ValueError, match="four numbers from 1 to 6, 16, 120, 84"):
            keep_channels(LeNet(), sizes)
    model = LeNet()
    prune.random_unstructured(model.fc2, "weight", 0.5)
    with pytest.raises(ValueError, match=r"prune\.remove first"):
        keep_channels(model, (1, 1, 1, 1))


class Twice(nn.Module):
    """A convolution with two readers, and an addition."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.left, self.right = (
            nn.Conv2d(1, 6, 3),
            nn.Conv2d(6, 5, 3),
            nn.Conv2d(6, 5, 3),
        )
        self.hidden, self.last = nn.Linear(20, 8), nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images).tanh()
        x = nn.functional.max_pool2d(self.left(x).relu() + self.right(x), 2)
        return self.last(self.hidden(x.flatten(1)).relu())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), amount=st.floats(0.5, 0.97))
def test_no_answer_changes_whatever_is_pruned(seed: int, amount: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = Twice()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= torch.rand(parameter.shape, generator=generator) > amount
    images = torch.randn(6, 1, 8, 8, generator=generator)
    network = TRACES.network(model, images)
    small = without_dead(network)
    assert torch.allclose(small(images), network(images), atol=1e-5)
    assert small.work <= network.work
    left, right = (op for op in small.operations[2:5] if "weight" in op.tensors())
    assert len(left.weight) == len(right.weight) == 5  # what is added stays whole
    again = without_dead(small)
    assert again.shapes == small.shapes


class TRACES:
    """torch.export takes a second: traced once, the weights filled in for each example."""

    made = None

    @classmethod
    def network(cls, model: nn.Module, images: Tensor):
        from dataclasses import replace

        from prune_lab.device.operations import Network

        if cls.made is None:
            cls.made = trace(Twice(), images)
        layers = iter(model.children())
        operations = []
        for operation in cls.made.operations:
            if operation.learnt:
                layer = next(layers)
                operation = replace(
                    operation, weight=layer.weight.detach(), bias=layer.bias.detach()
                )
            operations.append(operation)
        return Network(operations, (1, 8, 8))


def test_dead_channels_go_until_none_is_left() -> None:
    model = trained_lenet()
    with torch.no_grad():
        model.fc3.weight[:, :80] = 0  # nobody reads 80 outputs of fc2
        model.fc2.weight[:, 10:] = 0  # nor 110 of fc1
        model.conv1.weight[2] = 0  # always zero behind the activation
        model.conv1.bias[2] = -0.5
        model.conv1.weight[3] = 0  # always 0.5: it stays
        model.conv1.bias[3] = 0.5
    network = trace(model, torch.zeros(2, 1, 32, 32))
    small = without_dead(network)
    sizes = [len(op.weight) for op in small.operations if op.learnt]
    assert sizes == [5, 16, 10, 4, 10]
    images = load_digits().test_images
    assert torch.allclose(small(images), network(images), atol=1e-4)
    assert torch.equal(small(images).argmax(1), network(images).argmax(1))


def test_one_channel_stays_where_all_are_dead() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
    with torch.no_grad():
        model[3].weight.zero_()
    network = trace(model, torch.zeros(2, 1, 2, 2))
    small = without_dead(network)
    assert small.operations[1].tensors()["weight"].shape == (1, 4)
    assert torch.equal(small(torch.ones(3, 1, 2, 2)), network(torch.ones(3, 1, 2, 2)))
