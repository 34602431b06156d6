"""What a browser is given: names, numbers and pictures; and what it measures with them."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.data import Ink, load_digits
from prune_lab.device.exporting import (
    digits_parcel,
    network_parcel,
    orders_parcel,
    pixels,
    weight_names,
)
from prune_lab.device.tracing import trace
from prune_lab.training import evaluate
from tests.device.in_node import in_node
from tests.device.networks import residual

MEASURE = """
const network = await networkIn(bytes(given.network));
const made = measurer(network, await digitsIn(bytes(given.digits)));
return given.moves.map(({ orders, counts }) => {
  const places = Object.entries(orders).map(([name, order]) => [name, Int32Array.from(order)]);
  try {
    made.rank(Object.fromEntries(places));
    const { right, of, bytes } = made.measure(counts);
    return [right, of, bytes];
  } catch (error) { return error.message; }
});
"""


def text(parcel: bytes) -> str:
    return base64.b64encode(parcel).decode()


def measured(model: nn.Module, moves) -> list:
    digits = load_digits()
    network = trace(model, digits.test_images[:2], *digits.ink)
    names = weight_names(model, network, digits.test_images[:2])
    given = {
        "network": text(network_parcel(network, names)),
        "digits": text(digits_parcel(digits.test_images, digits.test_labels, digits.ink)),
        "moves": [{"orders": orders, "counts": counts} for orders, counts in moves],
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
    moves = [({}, {}), (orders, counts[0]), *(({}, move) for move in counts[1:])]
    found = measured(model, moves)
    wanted = []
    for _orders, move in moves:
        copy = trained_lenet()
        for name, count in move.items():
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
    first, second = measured(model, [({}, {}), ({"fc1.weight": kept}, {"fc1.weight": 1})])
    assert first == second


def test_an_order_of_nothing_is_refused_and_changes_nothing() -> None:
    strange = [
        ({"conv9.weight": [0]}, {}),
        ({}, {"conv9.weight": 1}),
        ({"fc3.weight": [0]}, {"fc3.weight": 1}),
    ]
    first, unknown, unnamed, small, after = measured(
        trained_lenet(), [({}, {}), *strange, ({}, {})]
    )
    assert unknown == unnamed == "the network has no conv9.weight"
    assert small == "the order of fc3.weight has another size"
    assert after == first


ORDERS = """
const network = await networkIn(bytes(given.network));
return (await ordersIn(bytes(given.orders), network)).map(({ units, orders }) =>
  [units, Object.fromEntries(Object.entries(orders).map(([name, order]) => [name, [...order]]))]);
"""


def test_orders_arrive_as_they_were_and_those_by_size_take_no_room() -> None:
    model, images = trained_lenet(), load_digits().test_images[:2]
    prune.random_unstructured(model.conv2, "weight", amount=0.5)
    network = trace(model, images)
    names = weight_names(model, network, images)
    weights = {name: network.operations[number].weight for number, name in names.items()}
    together = torch.cat([weight.abs().flatten() for weight in weights.values()])
    places = together.argsort(stable=True).argsort().split([w.numel() for w in weights.values()])
    by_size = (dict(zip(weights, places, strict=True)), together.numel())
    drawn = ({"fc1.weight": torch.randperm(48_000)}, 48_000)
    by_row = ({"fc1.weight": torch.arange(120).repeat_interleave(400)}, 120)
    gone = weights["conv2.weight"].flatten() == 0
    before = ({"conv2.weight": torch.where(gone, -1, gone.logical_not().cumsum(0) - 1)}, 1200)
    groups = [by_size, drawn, by_row, before]
    packed = orders_parcel(groups, weights)
    given = {"network": text(network_parcel(network, names)), "orders": text(packed)}
    wanted = [
        [units, {name: order.flatten().tolist() for name, order in group.items()}]
        for group, units in groups
    ]
    assert in_node(ORDERS, given) == wanted
    assert len(orders_parcel([by_size], weights)) < 500 < 90_000 < len(packed)


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


def test_pictures_arrive_as_they_were_in_few_bytes() -> None:
    digits = load_digits()
    noise = torch.rand(5, 1, 4, 6).mul(65535).round() / 65535
    for images, labels, ink, most in (
        (digits.test_images, digits.test_labels, digits.ink, 40_000),
        (noise, torch.tensor([0, 255, 3, 4, 5]), Ink(0.0, 1.0), 500),
    ):
        packed = digits_parcel(images, labels, ink)
        found = in_node(
            "const { full, pixels, labels } = await digitsIn(bytes(given));"
            "return [full, [...labels], [...pixels]];",
            text(packed),
        )
        full, numbers = pixels(images, ink)
        assert found == [full, labels.tolist(), numbers.flatten().tolist()]
        assert len(packed) < most
    with pytest.raises(ValueError, match="between 0 and 255"):
        digits_parcel(noise, torch.tensor([0, 256, 3, 4, 5]), Ink(0.0, 1.0))


@pytest.mark.parametrize(
    ("picture", "sentence"),
    [(torch.full((1, 1, 1, 1), 2.0), "darker than ink"),
     (torch.full((1, 1, 1, 1), -0.5), "lighter than paper"),
     (torch.full((1, 1, 1, 1), 0.5 / 65535), "finer than")],
)  # fmt: skip
def test_what_is_no_ink_is_refused(picture, sentence) -> None:
    with pytest.raises(ValueError, match=sentence):
        pixels(picture, Ink(0.0, 1.0))
