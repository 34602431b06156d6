"""The checks behind the exercises: right answers pass, and wrong ones hear what went wrong."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torch.nn.utils.prune as torch_prune
from torch import Tensor, nn

from prune_lab import checks, prune
from prune_lab.lenet import LeNet
from tutorial import build

Verdict = Callable[..., str]


@pytest.fixture
def verdict(capsys: pytest.CaptureFixture[str]) -> Verdict:
    """Ask a check and return the one line it prints."""

    def ask(check: Callable[..., None], *answers: Any) -> str:
        assert check(*answers) is None
        said = capsys.readouterr().out
        assert said.count("\n") == 1
        return said.rstrip("\n")

    return ask


# The frame


def public_checks() -> dict[str, Callable[..., None]]:
    return {
        name: check
        for name, check in vars(checks).items()
        if not name.startswith("_")
        and inspect.isfunction(check)
        and check.__module__ == checks.__name__
    }


def test_the_chapters_and_the_checks_name_the_same_exercises() -> None:
    text = "".join(source.read_text() for source in build.sources())
    assert set(re.findall(r"^checks\.(\w+)\(", text, re.M)) == set(public_checks())


@pytest.mark.parametrize("name", public_checks())
def test_an_ellipsis_is_not_an_answer(name: str, verdict: Verdict) -> None:
    check = public_checks()[name]
    answers = [...] * len(inspect.signature(check).parameters)
    assert verdict(check, *answers).startswith("Not answered yet")


@pytest.mark.parametrize("name", public_checks())
@pytest.mark.parametrize("nonsense", [None, "forty", True, [], float("nan"), torch.ones(2)])
def test_nonsense_is_wrong_and_never_a_traceback(
    name: str, nonsense: object, verdict: Verdict
) -> None:
    check = public_checks()[name]
    answers = [nonsense] * len(inspect.signature(check).parameters)
    assert verdict(check, *answers).startswith("Not quite")


def test_a_check_leaves_the_random_numbers_alone(verdict: Verdict) -> None:
    state = torch.get_rng_state()
    verdict(checks.my_lenet, LeNet)
    verdict(checks.sparsity, mask_sparsity)
    assert torch.equal(torch.get_rng_state(), state)


# Exercises that ask for a number


@pytest.mark.parametrize(
    ("check", "right"),
    [
        (checks.conv2_parameters, sum(p.numel() for p in nn.Conv2d(6, 16, 5).parameters())),
        (checks.lenet_bytes, sum(p.nbytes for p in LeNet().parameters())),
        (checks.fraction_gone, 0.9 * LeNet().fc1.weight.numel() / 61_706),
        (checks.twenty_and_twenty, 150 - round(0.8 * 0.8 * 150)),
        (checks.pruned_fc1_bytes, 4 * (2 * 400 * 120 + 120)),
    ],
)
def test_the_right_number(check: Callable[..., None], right: float, verdict: Verdict) -> None:
    assert verdict(check, right).startswith("Right.")
    assert verdict(check, torch.tensor(right)).startswith("Right.")
    assert verdict(check, right + 1).startswith("Not quite")


@pytest.mark.parametrize(
    ("check", "wrong", "mistake"),
    [
        (checks.conv2_parameters, 2400, "weights alone"),
        (checks.conv2_parameters, 16 * 25 + 16, "all 6 input maps"),
        (checks.conv2_parameters, 156, "that is conv1"),
        (checks.lenet_bytes, 61_706, "4 bytes"),
        (checks.lenet_bytes, 61_706 * 32, "bits"),
        (checks.fraction_gone, 70.0, "percentage"),
        (checks.fraction_gone, 0.9, "all of LeNet"),
        (checks.fraction_gone, 48_000 / 61_706, "nine tenths"),
        (checks.twenty_and_twenty, 60, "120 weights that are left"),
        (checks.twenty_and_twenty, 96, "kept"),
        (checks.pruned_fc1_bytes, 192_480, "mask"),
        (checks.pruned_fc1_bytes, 19_680, "four bytes too"),
        (checks.pruned_fc1_bytes, 384_000, "bias"),
    ],
)
def test_a_wrong_number_hears_its_mistake(
    check: Callable[..., None], wrong: float, mistake: str, verdict: Verdict
) -> None:
    said = verdict(check, wrong)
    assert said.startswith("Not quite: ")
    assert mistake in said


# Chapter 1


class Written(nn.Module):
    """LeNet as a learner writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


class WithoutLayers(Written):
    def __init__(self) -> None:
        super().__init__()
        del self.fc1
        self.fc1 = ...


class WithoutForward(Written):
    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(F.relu(self.conv1(x)), 2)


class SmallLayer(Written):
    def __init__(self) -> None:
        super().__init__()
        self.fc2 = nn.Linear(120, 64)


class LinearForConv(Written):
    def __init__(self) -> None:
        super().__init__()
        self.conv2 = nn.Linear(6, 16)


class LastReLU(Written):
    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


class Softmax(Written):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(1)


class ForgotReLU(Written):
    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv1(x), 2)
        x = F.max_pool2d(self.conv2(x), 2).flatten(1)
        return self.fc3(self.fc2(self.fc1(x)))


class ForgotFlatten(Written):
    def forward(self, x: Tensor) -> Tensor:
        return self.fc1(F.max_pool2d(self.conv2(F.max_pool2d(self.conv1(x), 2)), 2))


class ForgotReturn(Written):
    def forward(self, x: Tensor) -> None:  # type: ignore[override]
        super().forward(x)


def test_a_written_lenet_is_right(verdict: Verdict) -> None:
    assert verdict(checks.my_lenet, Written).startswith("Right.")


@pytest.mark.parametrize(
    ("model_class", "said"),
    [
        (WithoutLayers, "Not answered yet: self.fc1"),
        (WithoutForward, "Not answered yet: forward stops after conv1"),
        (SmallLayer, "Not quite: self.fc2 should be Linear(in_features=120, out_features=84"),
        (LinearForConv, "Not quite: self.conv2 should be a Conv2d"),
        (LastReLU, "Not quite: there is a ReLU after fc3"),
        (Softmax, "Not quite: there is a softmax after fc3"),
        (ForgotReLU, "Not quite: the shapes are right and the scores are not"),
        (ForgotFlatten, "Not quite: your answer raised RuntimeError"),
        (ForgotReturn, "Not quite: forward should return"),
    ],
)
def test_another_network_hears_the_difference(
    model_class: type[nn.Module], said: str, verdict: Verdict
) -> None:
    assert verdict(checks.my_lenet, model_class).startswith(said)


# Chapter 2


def test_batch_norm_numbers(verdict: Verdict) -> None:
    norm = nn.BatchNorm2d(6)
    parameters = sum(p.numel() for p in norm.parameters())
    buffers = sum(b.numel() for b in norm.buffers())
    check = checks.batch_norm_numbers
    assert verdict(check, parameters, buffers).startswith("Right.")
    assert "count the numbers" in verdict(check, 2, buffers)
    assert "num_batches_tracked" in verdict(check, parameters, 12)
    assert "three buffers" in verdict(check, parameters, 3)


def conv(name: str = "weight_mask", mask: Tensor | None = None) -> nn.Conv2d:
    layer = nn.Conv2d(1, 6, 5)
    layer.register_buffer(name, torch.ones(6, 1, 5, 5) if mask is None else mask)
    return layer


def test_mask_buffer(verdict: Verdict) -> None:
    check = checks.mask_buffer
    assert verdict(check, conv()).startswith("Right.")
    assert verdict(check, nn.Conv2d(1, 6, 5)).startswith("Not answered yet")
    assert "yours is mask" in verdict(check, conv("mask"))
    assert "ones alone" in verdict(check, conv(mask=torch.zeros(6, 1, 5, 5)))
    assert "(6, 1, 5, 5), and yours has (150,)" in verdict(check, conv(mask=torch.ones(150)))
    attribute, parameter = nn.Conv2d(1, 6, 5), nn.Conv2d(1, 6, 5)
    attribute.weight_mask = torch.ones(6, 1, 5, 5)  # type: ignore[assignment]
    parameter.weight_mask = nn.Parameter(torch.ones(6, 1, 5, 5))
    assert "plain attribute" in verdict(check, attribute)
    assert "is a parameter" in verdict(check, parameter)


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (lambda inputs: tuple(inputs[0].shape), "Right."),
        (lambda inputs: inputs[0].shape, "Not quite: the note is a torch.Size"),
        (lambda inputs: inputs[0], "Not quite: the hook notes the batch itself"),
        (lambda inputs: len(inputs), "Not quite: for a batch of shape (3, 1, 9, 9)"),
        (lambda inputs: inputs.shape, "Not quite: your answer raised AttributeError"),
    ],
)
def test_shape_notes(note: Callable[[Any], Any], said: str, verdict: Verdict) -> None:
    notes: list[Any] = [(4, 1, 32, 32)]

    def hook(module: nn.Module, inputs: Any) -> None:
        notes.append(note(inputs))

    assert verdict(checks.shape_notes, hook, notes).startswith(said)
    assert notes == [(4, 1, 32, 32)]


def test_a_hook_that_notes_nothing_is_not_an_answer(verdict: Verdict) -> None:
    said = verdict(checks.shape_notes, lambda module, inputs: None, [])
    assert said.startswith("Not answered yet")


# Chapter 3


@pytest.mark.parametrize("engine", [prune, torch_prune])
def test_pruned_fc1_with_either_engine(engine: Any, verdict: Verdict) -> None:
    model = LeNet()
    assert verdict(checks.pruned_fc1, model).startswith("Not answered yet")
    engine.l1_unstructured(model.fc1, "weight", amount=0.4)
    assert verdict(checks.pruned_fc1, model).startswith("Right.")
    engine.l1_unstructured(model.fc1, "weight", amount=0.4)
    assert "run the cell again" in verdict(checks.pruned_fc1, model)


@pytest.mark.parametrize(
    ("technique", "layer", "name", "amount", "mistake"),
    [
        ("l1_unstructured", "fc1", "weight", 40, "40 is a count"),
        ("l1_unstructured", "fc1", "weight", 0.6, "what goes, not what stays"),
        ("random_unstructured", "fc1", "weight", 0.4, "not the smallest"),
        ("l1_unstructured", "fc1", "bias", 0.4, "you pruned fc1.bias"),
        ("l1_unstructured", "fc2", "weight", 0.4, "you pruned fc2.weight"),
    ],
)
def test_another_pruned_fc1_hears_the_difference(
    technique: str, layer: str, name: str, amount: float, mistake: str, verdict: Verdict
) -> None:
    model = LeNet()
    getattr(prune, technique)(model.get_submodule(layer), name, amount=amount)
    assert mistake in verdict(checks.pruned_fc1, model)


def mask_sparsity(module: nn.Module, name: str) -> float:
    mask = module.get_buffer(f"{name}_mask")
    return 1 - float(mask.mean())


def test_sparsity(verdict: Verdict) -> None:
    def zeros(module: nn.Module, name: str) -> float:
        return float((getattr(module, name) == 0).float().mean())

    def whole_module(module: nn.Module, name: str) -> float:
        masks = torch.cat([mask.flatten() for mask in module.buffers()])
        return 1 - float(masks.mean())

    check = checks.sparsity
    assert verdict(check, mask_sparsity).startswith("Right.")
    assert verdict(check, lambda module, name: None).startswith("Not answered yet")
    assert "happens to be zero" in verdict(check, zeros)
    assert "whole module" in verdict(check, whole_module)
    assert "density" in verdict(check, lambda m, n: 1 - mask_sparsity(m, n))
    assert "percentage" in verdict(check, lambda m, n: 100 * mask_sparsity(m, n))
    assert "not for 'bias'" in verdict(check, lambda m, n: mask_sparsity(m, "weight"))
