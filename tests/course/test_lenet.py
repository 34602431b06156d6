"""LeNet: the shapes that its docstring promises, and one sentence for any other image."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from prune_lab.lenet import LeNet


def test_every_step_has_the_shape_that_the_docstring_gives() -> None:
    model, shapes = LeNet(), {}

    def note(name: str) -> None:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            shapes[name] = tuple(output.shape)

        model.get_submodule(name).register_forward_hook(hook)

    for name in ("conv1", "conv2", "fc1", "fc2", "fc3"):
        note(name)
    model(torch.zeros(7, 1, 32, 32))
    assert shapes == {
        "conv1": (7, 6, 28, 28),
        "conv2": (7, 16, 10, 10),
        "fc1": (7, 120),
        "fc2": (7, 84),
        "fc3": (7, 10),
    }


def test_the_parameters_are_those_of_the_paper_in_todays_form() -> None:
    # window × input maps × filters, and one bias each; LeCun's C3 joins fewer maps: 1,516
    by_hand = [6 * 25 + 6, 16 * 6 * 25 + 16, 120 * 400 + 120, 84 * 120 + 84, 10 * 84 + 10]
    layers = LeNet().children()
    assert [sum(p.numel() for p in layer.parameters()) for layer in layers] == by_hand


def test_the_way_through_the_layers_is_that_of_the_docstring() -> None:
    torch.manual_seed(0)
    model = LeNet()
    by_hand = nn.Sequential(
        *(model.conv1, nn.ReLU(), nn.MaxPool2d(2), model.conv2, nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), model.fc1, nn.ReLU(), model.fc2, nn.ReLU(), model.fc3),
    )
    images = torch.randn(5, 1, 32, 32)
    assert torch.allclose(model(images), by_hand(images))


def test_logits_are_neither_clipped_nor_normalised() -> None:
    torch.manual_seed(0)
    logits = LeNet()(torch.randn(20, 1, 32, 32))
    assert logits.min() < 0
    assert not torch.allclose(logits.exp().sum(1), torch.ones(20))


@pytest.mark.parametrize(
    "shape", [(1, 1, 28, 28), (1, 3, 32, 32), (1, 32, 32), (32, 32), (1, 1024)]
)
def test_other_shapes_are_refused_in_one_sentence(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^LeNet reads images of shape \(N, 1, 32, 32\)") as error:
        LeNet()(torch.zeros(shape))
    assert str(shape) in str(error.value)


def test_no_image_at_all_is_an_empty_batch() -> None:
    assert LeNet()(torch.zeros(0, 1, 32, 32)).shape == (0, 10)
