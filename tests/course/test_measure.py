"""Measures: counts that can be checked by hand, times that are compared fairly."""

from __future__ import annotations

import copy
import io
import sys
import time
import zlib
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import prune as torch_prune

from prune_lab import measure, prune
from prune_lab.course import trained_lenet
from prune_lab.data import Digits, load_digits
from prune_lab.lenet import LeNet
from prune_lab.measure import (
    Energy,
    compare,
    estimated_energy,
    latency,
    macs,
    measured_energy,
    memory,
    shifted_accuracy,
    size,
)
from prune_lab.training import evaluate

IMAGES = torch.zeros(3, 1, 32, 32)
# 5*5*1 * 6*28*28 + 5*5*6 * 16*10*10 + 400*120 + 120*84 + 84*10, counted by hand
LENET_MACS = 117_600 + 240_000 + 48_000 + 10_080 + 840


def pruned(amount: float = 0.9) -> LeNet:
    model = trained_lenet()
    for layer in model.children():
        prune.l1_unstructured(layer, "weight", amount)
    return model


def removed(model: LeNet) -> LeNet:
    for layer in model.children():
        prune.remove(layer, "weight")
    return model


def test_a_dense_lenet_by_hand() -> None:
    model = trained_lenet()
    measured = size(model, IMAGES)
    assert measured.parameters == measured.kept == 61_706
    assert measured.macs == LENET_MACS
    assert measured.memory == 4 * 61_706
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    assert measured.plain == len(file.getvalue())
    assert measured.zipped == len(zlib.compress(file.getvalue(), 9))


def test_a_mask_costs_memory_and_saves_no_multiplication() -> None:
    dense, measured = size(trained_lenet(), IMAGES), size(pruned(), IMAGES)
    weights = 61_706 - 236
    assert measured.parameters == 61_706
    assert measured.kept == pytest.approx(236 + 0.1 * weights, abs=3)
    assert measured.macs == LENET_MACS
    assert measured.memory == 4 * (61_706 + 2 * weights)  # weight_orig, the mask, the plain weight
    assert measured.plain > dense.plain + 4 * weights
    assert measured.sparse < dense.sparse
    assert measured.sparse == size(removed(pruned()), IMAGES).sparse


def test_a_removed_mask_leaves_a_dense_file_that_zips_well() -> None:
    model = removed(pruned())
    dense, measured = size(trained_lenet(), IMAGES), size(model, IMAGES)
    assert measured.memory == dense.memory and measured.plain == dense.plain
    assert measured.zipped < 0.25 * dense.zipped
    assert measured.kept == size(pruned(), IMAGES).kept
    assert measured.macs == LENET_MACS


def test_sparsity_is_the_share_of_zeros() -> None:
    assert size(trained_lenet(), IMAGES).sparsity == 0
    measured = size(pruned(0.9), IMAGES)
    assert measured.sparsity == pytest.approx(0.9 * (61_706 - 236) / 61_706, abs=1e-4)
    assert size(nn.ReLU(), IMAGES).sparsity == 0


def test_sparse_is_never_larger_than_plain_for_a_dense_model() -> None:
    measured = size(trained_lenet(), IMAGES)
    assert 4 * 61_706 < measured.sparse <= measured.plain


def test_cut_channels_save_multiplications() -> None:
    from prune_lab.device.shrinking import keep_channels

    model = keep_channels(trained_lenet(), (3, 8, 60, 42))
    assert macs(model, IMAGES) == (25 * 3 * 784 + 25 * 3 * 8 * 100 + 200 * 60 + 60 * 42 + 42 * 10)


def test_the_number_of_images_does_not_count() -> None:
    model = LeNet()
    assert macs(model, IMAGES) == macs(model, IMAGES[:1]) == LENET_MACS


def test_shared_tensors_count_once() -> None:
    model = nn.Sequential(nn.Linear(8, 8, bias=False), nn.Linear(8, 8, bias=False))
    assert memory(model) == 2 * 4 * 64
    model[1].weight = model[0].weight
    assert memory(model) == 4 * 64
    model[0].row = model[0].weight.detach()[0]  # a view
    assert memory(model) == 4 * 64
    model[0].row = torch.zeros(5)
    assert memory(model) == 4 * 64 + 20


@pytest.mark.parametrize("engine", [prune, torch_prune])
def test_the_model_is_left_as_it_was_whoever_pruned_it(engine) -> None:
    model = LeNet().train()
    model.fc1.eval()
    engine.l1_unstructured(model.fc2, "weight", 0.5)
    before = copy.deepcopy(model.state_dict())
    measured = size(model, IMAGES)
    assert measured.kept == pytest.approx(61_706 - 5_040, abs=1)
    assert model.training and not model.fc1.training
    assert torch_prune.is_pruned(model.fc2)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_latency_lets_everything_take_turns_in_changing_order() -> None:
    called: list[str] = []
    names = ["a", "b", "c"]
    times = latency({name: lambda name=name: called.append(name) for name in names}, rounds=7)
    rounds = [called[at : at + 3] for at in range(0, len(called), 3)]
    assert len(rounds) == 9  # two of them not counted
    assert all(sorted(order) == names for order in rounds)
    assert len({tuple(order) for order in rounds}) == 3
    assert all(found.lower <= found.median <= found.upper for found in times.values())
    threads = []
    latency({"": lambda: threads.append((torch.get_num_threads(), torch.is_grad_enabled()))}, 1)
    assert set(threads) == {(1, False)}


@pytest.mark.skipif(sys.platform == "win32", reason="its clock of a thread ticks 64 times a second")
def test_latency_leaves_out_what_others_do_meanwhile() -> None:
    times = latency({"": lambda: time.sleep(0.1)}, rounds=3)
    assert times[""].upper < 50


def test_latency_is_the_median_of_what_the_clock_said(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(measure, "_CLOCK", lambda: clock[0])
    durations = iter([9.0, 9.0, 0.001, 0.005, 0.002, 0.003, 0.004])  # two rounds before
    times = latency({"": lambda: clock.__setitem__(0, clock[0] + next(durations))}, rounds=5)
    assert (times[""].lower, times[""].median, times[""].upper) == pytest.approx((2, 3, 4))
    assert repr(times[""]) == "3.000 ms (2.000 to 4.000)"
    with pytest.raises(ValueError, match="rounds must be 1 or more"):
        latency({}, 0)


def test_shifted_accuracy_is_the_mean_of_nine() -> None:
    digits, model = load_digits(), trained_lenet()
    images, labels = digits.test_images, digits.test_labels
    nine = [
        evaluate(model, torch.roll(torch.roll(images, down, 2), right, 3), labels)
        for down in (-3, 0, 3)
        for right in (-3, 0, 3)
    ]
    assert shifted_accuracy(model, images, labels) == pytest.approx(sum(nine) / 9)


def test_energy_is_estimated_from_the_published_figures() -> None:
    measured = size(pruned(), IMAGES)
    found = estimated_energy(measured)
    words = 61_706 + 2 * (61_706 - 236)  # weights, masks, and the product of both
    assert found.joules == pytest.approx(1e-12 * (LENET_MACS * 9.6 + words * 640))
    zeros = estimated_energy(size(removed(pruned()), IMAGES))
    assert zeros == estimated_energy(size(trained_lenet(), IMAGES))
    assert "Horowitz 2014" in repr(found)


def rapl(folder: Path, *microjoules: int) -> None:
    for number, value in enumerate(microjoules):
        for name in (f"intel-rapl:{number}", f"intel-rapl:{number}:0"):
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "energy_uj").write_text(f"{value}\n")


def test_energy_is_measured_where_the_machine_shows_it(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(measure, "_RAPL", tmp_path)
    assert measured_energy(lambda: None, images=1, seconds=0) is None
    rapl(tmp_path, 1000, 500)
    found = measured_energy(lambda: rapl(tmp_path, 4000, 900), images=10, seconds=0)
    assert found == Energy(3400 * 1e-6 / 10, "measured, RAPL")
    assert measured_energy(lambda: rapl(tmp_path, 1, 1), images=10, seconds=0) is None  # wrapped
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("")
    assert measured_energy(lambda: None, images=1, seconds=0) is None


def few() -> Digits:
    return Digits(*(part[:80] for part in load_digits()))


def test_compare_shows_every_measure_in_words_and_as_html(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(measure, "_RAPL", tmp_path)
    models = {"dense": trained_lenet(), "<b>90 %</b>": pruned()}
    found = compare(models, few(), rounds=2)
    first, second = found.rows
    assert first.accuracy == evaluate(models["dense"], few().test_images, few().test_labels)
    assert second.size == size(models["<b>90 %</b>"], IMAGES)
    words = repr(found)
    assert "61,706" in words and f"{round(first.accuracy * 80)} of 80" in words
    assert "estimated, Horowitz 2014" in words and len(words.splitlines()) == 4
    html = found._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;90 %&lt;/b&gt;" in html
    assert html.count("<tr>") == 3 and html.count("<td>") == 2 * html.count("<th>")


def test_compare_draws_shares_of_the_first(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(measure, "_RAPL", tmp_path)
    found = compare({"dense": trained_lenet(), "90 %": pruned()}, few(), rounds=1)
    figure = found.figure()
    assert repr(figure) == "Chart(each as a share of dense; accuracy as it is: dense, 90 %)"
    dense, sparse = (
        [bar.get_width() for bar in container] for container in figure.axes[0].containers
    )
    assert dense[:5] == [1] * 5 and dense[5] == found.rows[0].shifted
    assert sparse[0] == pytest.approx(0.1, abs=0.01) and sparse[1] == 1 and sparse[2] > 2.9
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_compare_refuses_what_is_no_model() -> None:
    with pytest.raises(ValueError, match="at least one model"):
        compare({}, few())
    with pytest.raises(TypeError, match=r"^mine must be a torch\.nn\.Module, but got str"):
        compare({"mine": "model"}, few())
