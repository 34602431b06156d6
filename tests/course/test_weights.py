"""The trained networks: what they were, safely read, and what training gives."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from prune_lab.course import trained_lenet, weights
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.training import evaluate, fit


@pytest.mark.parametrize("seed", weights.SEEDS)
def test_a_network_reads_as_many_digits_as_its_record_says(seed: int) -> None:
    digits, model = load_digits(), trained_lenet(seed)
    assert all(p.dtype is torch.float32 and p.requires_grad for p in model.parameters())
    validation = evaluate(model, digits.validation_images, digits.validation_labels)
    test = evaluate(model, digits.test_images, digits.test_labels)
    record = weights.TRAINED[seed]
    assert (validation * 240, test * 360) == pytest.approx(
        (record.validation_right, record.test_right), abs=1e-6
    )
    assert weights.path(seed).stat().st_size < 260_000


def test_the_record_is_what_training_gives() -> None:
    """Rounding differs between processors; the network that training gives is as good."""
    digits = load_digits()
    torch.manual_seed(3)
    model = LeNet()
    fit(model, digits, seed=3)
    right = evaluate(model, digits.test_images, digits.test_labels) * 360
    assert abs(right - weights.TRAINED[3].test_right) <= 3
    ours, theirs = (
        torch.cat([p.flatten() for p in m.parameters()]) for m in (model, trained_lenet(3))
    )
    assert torch.corrcoef(torch.stack([ours, theirs]))[0, 1] > 0.9


def test_each_call_gives_a_network_of_its_own() -> None:
    first, second = trained_lenet(), trained_lenet()
    with torch.no_grad():
        first.conv1.weight.zero_()
    assert second.conv1.weight.abs().sum() > 0
    assert trained_lenet().conv1.weight.abs().sum() > 0


def test_torchs_random_numbers_are_left_alone() -> None:
    state = torch.get_rng_state()
    trained_lenet()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("seed", [5, -1, 1.0, True, "0", None])
def test_another_seed_is_refused(seed: object) -> None:
    with pytest.raises(ValueError, match=r"seeds 0 to 4, but got seed="):
        trained_lenet(seed)  # type: ignore[arg-type]


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "lenet-0.pt"
    shutil.copy(weights.path(0), file)
    damaged = bytearray(file.read_bytes())
    damaged[100_000] ^= 1
    file.write_bytes(damaged)
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"^lenet-0.pt is damaged"):
        trained_lenet()
