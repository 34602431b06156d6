"""A file of weights comes back to the last bit, or is refused; shared weights are few."""

from __future__ import annotations

import copy
import struct
import zlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.device.sharing import share, share_weights
from prune_lab.device.weights_file import compress, restore
from prune_lab.lenet import LeNet


def same(one: nn.Module, other: nn.Module) -> bool:
    """Whether all numbers are alike to the last bit, NaN too; -0.0 is 0.0."""
    pairs = [
        (tensor.where(tensor != 0, torch.zeros_like(tensor)), other.state_dict()[name])
        for name, tensor in one.state_dict().items()
    ]
    return all(
        a.dtype == b.dtype
        and a.contiguous().flatten().view(torch.uint8).tolist()
        == b.contiguous().flatten().view(torch.uint8).tolist()
        for a, b in pairs
    )


class Holder(nn.Module):
    """Tensors as buffers."""

    def __init__(self, *tensors: torch.Tensor) -> None:
        super().__init__()
        for number, tensor in enumerate(tensors):
            self.register_buffer(f"tensor{number}", tensor)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(0, 6), max_size=4),
    dtype=st.sampled_from(
        [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8]
    ),
    density=st.sampled_from([0.0, 0.2, 1.0]),
    values=st.sampled_from([1, 3, 10_000]),
    seed=st.integers(0, 10**6),
)
def test_any_tensor_comes_back_to_the_last_bit(shape, dtype, density, values, seed) -> None:
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randint(1, values + 1, shape, generator=generator) * 0.37 * 100
    numbers *= torch.rand(shape, generator=generator) < density
    tensor = (numbers % 256 if dtype == torch.uint8 else numbers).to(dtype)
    blank = Holder(torch.ones(shape, dtype=dtype))
    restore(compress(Holder(tensor)), blank)
    assert same(Holder(tensor), blank)


def test_strange_numbers_and_true_and_false_come_back() -> None:
    strange = torch.tensor([-0.0, 0.0, float("nan"), float("inf"), 1e-45, -1.5])
    given_ = Holder(strange, torch.tensor([True, False]), torch.tensor(7), strange.repeat(50))
    blank = Holder(*(torch.zeros_like(t) for t in given_.state_dict().values()))
    restore(compress(given_), blank)
    assert same(given_, blank)
    assert not blank.tensor0.signbit()[:2].any()


def test_a_model_whose_masks_were_removed_fits_a_fresh_one() -> None:
    """Pruning and its removal put the weight behind the bias."""
    model = trained_lenet()
    for layer in model.children():
        prune.remove(prune.l1_unstructured(layer, "weight", 0.95), "weight")
    assert list(model.state_dict()) != list(LeNet().state_dict())
    fresh = LeNet()
    restore(compress(model), fresh)
    assert same(model, fresh)


def test_buffers_are_kept_and_a_masked_model_fits_a_masked_one() -> None:
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6))
    model(torch.randn(9, 5))
    prune.random_unstructured(model[0], "weight", 0.5)
    other = copy.deepcopy(model)
    for tensor in other.state_dict().values():
        tensor.zero_()
    restore(compress(model), other)
    assert same(model, other) and int(other[1].num_batches_tracked) == 1


def test_zeros_and_few_values_cost_little_more_than_information_theory_says() -> None:
    generator = torch.Generator().manual_seed(0)
    tensor = torch.tensor([-1.0, 0.5, 1.0, 2.0])[
        torch.randint(0, 4, (200, 200), generator=generator)
    ]
    tensor *= torch.rand(200, 200, generator=generator) < 0.1  # and leaves -0.0 behind
    share_of = float((tensor != 0).float().mean())
    flags = (
        -share_of * torch.tensor(share_of).log2()
        - (1 - share_of) * torch.tensor(1 - share_of).log2()
    )
    bits = 40_000 * float(flags) + 2 * int(tensor.count_nonzero())
    assert 1 < len(compress(Holder(tensor))) / (bits / 8) < 1.06


# What is refused


def test_every_cut_and_every_altered_byte_is_refused_and_the_model_stays() -> None:
    model = nn.Linear(3, 2)
    payload = compress(nn.Linear(3, 2))
    before = copy.deepcopy(model)
    for end in range(len(payload)):
        with pytest.raises(ValueError, match=r"no file of weights|cut or altered"):
            restore(payload[:end], model)
    for place in range(len(payload)):
        altered = bytearray(payload)
        altered[place] ^= 65
        with pytest.raises(ValueError, match=r"no file of weights|cut or altered"):
            restore(bytes(altered), model)
    assert same(model, before)


def sealed(stream: bytes) -> bytes:
    return b"PLW\x01" + struct.pack(">I", zlib.crc32(stream)) + stream


def test_no_stream_does_more_than_refuse_in_a_sentence() -> None:
    generator = torch.Generator().manual_seed(0)
    stream = compress(share_weights(nn.Linear(6, 5), 2))[8:]
    model = nn.Linear(6, 5)
    refused = 0
    for number in range(150):
        changed = bytearray(stream)
        for _ in range(1 + number % 3):
            place = int(torch.randint(0, len(stream), (), generator=generator))
            changed[place] = int(torch.randint(0, 256, (), generator=generator))
        try:
            restore(sealed(bytes(changed)), model)
        except ValueError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 40
    with pytest.raises(ValueError, match="goes on after its end"):
        restore(sealed(stream + bytes(4) + b"\x01"), model)


@pytest.mark.parametrize(
    "other", [nn.Linear(4, 2), nn.Linear(3, 2, bias=False), nn.Conv1d(3, 2, 1)]
)
def test_a_file_of_another_model_is_refused(other: nn.Module) -> None:
    before = copy.deepcopy(other)
    with pytest.raises(ValueError, match=r"of another model|after its end"):
        restore(compress(nn.Linear(3, 2)), other)
    assert same(other, before)


def test_complex_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="complex64 cannot be written"):
        compress(Holder(torch.ones(2, dtype=torch.complex64)))


# Shared weights


def test_values_that_are_there_are_found() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([-2.0, -0.5, 0.75, 3.0])
    which = torch.randint(0, 4, (30, 40), generator=generator)
    noise = 0.01 * torch.randn(30, 40, generator=generator)
    there = torch.rand(30, 40, generator=generator) < 0.4
    found = share((centres[which] + noise) * there, values=4)
    assert torch.equal(found == 0, ~there)
    assert torch.allclose(found[there], centres[which][there], atol=0.01)
    assert len(found[there].unique()) == 4


def test_every_entry_has_the_value_that_is_nearest_to_it() -> None:
    weight = trained_lenet().fc2.weight.detach()
    found = share(weight, values=7)
    values = found.unique()
    assert len(values) == 7
    distances = (weight.flatten()[:, None] - values).abs()
    assert torch.allclose((weight - found).abs().flatten(), distances.amin(dim=1), atol=2e-3)
    assert torch.equal(values.to(torch.bfloat16).float(), values)


@pytest.mark.parametrize("entries", [[0.0, 0.0], [], [1.0], [-2.0, -2.0, 0.0]])
def test_a_tensor_with_no_more_values_stays(entries: list[float]) -> None:
    assert share(torch.tensor(entries), values=3).tolist() == entries


def test_the_model_is_left_as_it_was_and_masks_are_refused() -> None:
    model = trained_lenet()
    shared = share_weights(model, values=5)
    assert same(model, trained_lenet())
    assert all(len(parameter.unique()) <= 5 for parameter in shared.parameters())
    assert all(parameter.requires_grad for parameter in shared.parameters())
    prune.l1_unstructured(model.fc1, "weight", 0.5)
    with pytest.raises(ValueError, match=r"prune\.remove first"):
        share_weights(model, values=5)


@pytest.mark.parametrize("values", [0, -1, 2.0, True])
def test_other_numbers_of_values_are_refused(values: float) -> None:
    with pytest.raises(ValueError, match="whole number, 1 or more"):
        share(torch.ones(3), values)


def test_a_weight_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="infinite or NaN"):
        share(torch.tensor([1.0, float("nan")]), 2)
