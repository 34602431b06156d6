"""What a browser is given: names, numbers and pictures; and what it measures with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.data import Ink, load_digits
from prune_lab.device.exporting import listing, pixels, weight_names
from prune_lab.device.tracing import trace
from prune_lab.training import evaluate
from tests.device.in_node import in_node
from tests.device.networks import residual

MEASURE = """
const { full, pixels, labels } = given.digits;
const digits = { full, pixels: Uint16Array.from(pixels), labels: Uint8Array.from(labels) };
const made = measurer(given.listing, digits);
const masks = (given) => Object.fromEntries(Object.entries(given).map(
  ([name, { order, count }]) => [name, { order: Int32Array.from(order), count }]));
return given.moves.map((move) => {
  try { const { right, of, bytes } = made.measure(masks(move)); return [right, of, bytes]; }
  catch (error) { return error.message; }
});
"""


def measured(model: nn.Module, moves, digits=None) -> list:
    digits = digits or load_digits()
    network = trace(model, digits.test_images[:2], *digits.ink)
    full, numbers = pixels(digits.test_images, digits.ink)
    given = {
        "listing": listing(network, weight_names(model, network, digits.test_images[:2])),
        "digits": {
            "full": full,
            "pixels": numbers.flatten().tolist(),
            "labels": digits.test_labels.tolist(),
        },
        "moves": moves,
    }
    return in_node(MEASURE, given)


def order(weight: torch.Tensor) -> list[int]:
    return weight.detach().abs().flatten().argsort(stable=True).argsort().tolist()


def test_the_accuracy_of_masked_weights_is_pythons() -> None:
    model, digits = trained_lenet(), load_digits()
    orders = {
        f"{name}.weight": order(getattr(model, name).weight) for name in ("conv2", "fc1", "fc3")
    }
    counts = [
        {"fc1.weight": 24_000, "conv2.weight": 1200},
        {"fc1.weight": 47_000, "conv2.weight": 0},
        {"fc3.weight": 840},
        {"fc1.weight": 0, "fc3.weight": 400},
    ]
    moves = [
        {name: {"order": orders[name], "count": n} for name, n in move.items()} for move in counts
    ]
    found = measured(model, [{}, *moves])
    wanted, now = [], {}
    for move in [{}, *counts]:
        now |= move
        copy = trained_lenet()
        for name, count in now.items():
            weight = copy.get_parameter(name)
            with torch.no_grad():
                weight *= (torch.tensor(orders[name]) >= count).reshape(weight.shape)
        right = round(evaluate(copy, digits.test_images, digits.test_labels) * 360)
        stored = sum(
            min(4 * p.numel(), 4 * int(p.count_nonzero()) + -(-p.numel() // 8))
            for p in copy.parameters()
        )
        wanted.append([right, 360, stored])
    assert found == wanted
    assert found[0][2] == 4 * 61_706
    assert len({right for right, _of, _bytes in found}) > 2


def test_what_was_pruned_before_stays_pruned() -> None:
    model = trained_lenet()
    prune.l1_unstructured(model.fc1, "weight", amount=0.5)
    before = order(model.fc1.weight_orig)
    gone = (model.fc1.weight_mask == 0).flatten()
    kept = [-1 if g else place for g, place in zip(gone.tolist(), before, strict=True)]
    first, second = measured(model, [{}, {"fc1.weight": {"order": kept, "count": 0}}])
    assert first == second


def test_a_mask_of_nothing_is_refused_and_changes_nothing() -> None:
    strange = [
        {"conv9.weight": {"order": [0], "count": 0}},
        {"fc3.weight": {"order": [0], "count": 0}},
    ]
    first, unknown, small, after = measured(trained_lenet(), [{}, *strange, {}])
    assert unknown == "the network has no conv9.weight"
    assert small == "the mask of fc3.weight has another size"
    assert after == first


def test_weights_have_the_models_names_through_batch_norm_and_groups() -> None:
    model = residual()
    training = [module.training for module in model.modules()]
    images = torch.randn(2, 1, 32, 32)
    network = trace(model, images)
    names = weight_names(model, network, images)
    assert list(names.values()) == [
        f"{name}.weight" for name in ("first", "second", "third", "last")
    ]
    for number, name in names.items():
        assert network.operations[number].weight.shape == model.get_parameter(name).shape
    assert [module.training for module in model.modules()] == training
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_that_is_no_module_has_no_name() -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 4))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return F.linear(images.flatten(1), self.weight)

    model, images = Bare(), torch.zeros(2, 1, 2, 2)
    with pytest.raises(ValueError, match="a layer that is no module"):
        weight_names(model, trace(model, images), images)


def test_pictures_come_back_to_within_a_millionth() -> None:
    digits = load_digits()
    full, numbers = pixels(digits.test_images, digits.ink)
    assert (full, numbers.dtype, numbers.shape) == (1024, np.uint16, (360, 1024))
    again = (
        torch.from_numpy(numbers.astype(np.float64)) / full - digits.ink.mean
    ) / digits.ink.deviation
    assert float((again - digits.test_images.flatten(1)).abs().max()) < 1e-5
    assert pixels(torch.rand(2, 1, 4, 4).mul(255).round() / 255, Ink(0.0, 1.0))[0] == 255


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [(torch.full((1, 1, 1, 1), 2.0), "darker than ink"),
     (torch.full((1, 1, 1, 1), -0.5), "lighter than paper"),
     (torch.full((1, 1, 1, 1), 0.5 / 65535), "finer than")],
)  # fmt: skip
def test_what_is_no_ink_is_refused(picture, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        pixels(picture, Ink(0.0, 1.0))
