"""Training: good enough, the same each time, right under a mask, and gone without a trace."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prune_lab import prune, training
from prune_lab.data import Digits, load_digits
from prune_lab.lenet import LeNet
from prune_lab.training import evaluate, fit


@pytest.fixture(scope="module")
def digits() -> Digits:
    return load_digits()


@pytest.fixture(scope="module")
def few(digits: Digits) -> Digits:
    """128 digits: four steps per epoch."""
    return Digits(*(part[:128] for part in digits))


def lenet(seed: int = 0) -> LeNet:
    torch.manual_seed(seed)
    return LeNet()


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


def test_the_baseline_reads_98_percent_of_digits_it_has_never_seen(digits: Digits) -> None:
    model = lenet()
    history = fit(model, digits)
    accuracy = evaluate(model, digits.test_images, digits.test_labels)
    assert accuracy >= 0.98
    validation = digits.validation_images, digits.validation_labels
    assert history.accuracies[-1] == evaluate(model, *validation)
    assert history.losses[-1] < 0.2 < history.losses[0]


def test_a_seed_gives_the_same_weights_whatever_the_threads_and_torchs_own_numbers(
    few: Digits,
) -> None:
    threads = torch.get_num_threads()
    models = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            model = lenet()
            torch.manual_seed(count)
            history = fit(model, few, epochs=2)
            assert torch.get_num_threads() == count
            models.append((model, history))
    finally:
        torch.set_num_threads(threads)
    (first, one), (second, two) = models
    assert same(first, second)
    assert one == two


def test_another_seed_gives_other_weights(few: Digits) -> None:
    first, second = lenet(), lenet()
    fit(first, few, epochs=1, seed=0)
    fit(second, few, epochs=1, seed=1)
    assert not same(first, second)


def test_torchs_random_numbers_are_left_alone(few: Digits) -> None:
    model = lenet()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    fit(model, few, epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_a_masked_entry_stays_where_it_is_and_the_kept_ones_learn(few: Digits) -> None:
    model = lenet()
    for layer in (model.conv1, model.fc1):
        prune.l1_unstructured(layer, "weight", amount=0.5)
    before = copy.deepcopy(model.state_dict())
    fit(model, few, epochs=2)
    for layer in ("conv1", "fc1"):
        old, new = before[f"{layer}.weight_orig"], model.get_parameter(f"{layer}.weight_orig")
        mask = model.get_buffer(f"{layer}.weight_mask")
        assert torch.equal(mask, before[f"{layer}.weight_mask"])
        assert torch.equal(new[mask == 0], old[mask == 0])
        assert not torch.equal(new[mask == 1], old[mask == 1])
        weight = model.get_submodule(layer).weight
        assert torch.equal(weight, new * mask), "weight is behind weight_orig"


def test_frozen_parameters_stay_frozen(few: Digits) -> None:
    model = lenet()
    model.conv1.requires_grad_(False)
    before = model.conv1.weight.clone()
    fit(model, few, epochs=1)
    assert torch.equal(model.conv1.weight, before)


def test_every_image_is_seen_once_in_an_epoch_and_batches_are_shifted_a_little(few: Digits) -> None:
    model, batches = lenet(), []
    model.register_forward_pre_hook(
        lambda module, inputs: batches.append(inputs[0]) if module.training else None
    )
    fit(model, few, epochs=1)
    near = range(-3, 4)
    seen, shifts = [], set()
    for batch in batches:
        for down, right in ((y, x) for y in near for x in near):
            back = batch.roll((-down, -right), dims=(2, 3))
            found = [
                number
                for image in back
                for number, original in enumerate(few.train_images)
                if torch.equal(image, original)
            ]
            if found:
                seen += found
                shifts.add((down, right))
    assert sorted(seen) == list(range(128))
    assert len(shifts) > 1


class Moody(nn.Module):
    """Notes the mode it is called in; one part was put into evaluation mode by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1024, 10)
        self.dropout = nn.Dropout(0.5).eval()
        self.seen: set[bool] = set()

    def forward(self, images: Tensor) -> Tensor:
        self.seen.add(self.training)
        scores: Tensor = self.linear(images.flatten(1))
        return scores


def test_modes_are_switched_for_the_call_alone(few: Digits) -> None:
    model = Moody()
    evaluate(model, few.test_images, few.test_labels)
    assert model.seen == {False}
    assert (model.training, model.dropout.training) == (True, False)
    fit(model, few, epochs=1)
    assert model.seen == {False, True}
    assert (model.training, model.dropout.training) == (True, False)


def test_an_interrupted_model_keeps_what_it_learned_and_can_go_on(few: Digits) -> None:
    model, untouched = lenet().eval(), lenet()
    calls = 0

    def interrupt(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    handle = model.register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        fit(model, few, epochs=1)
    handle.remove()
    assert not model.training
    assert not same(model, untouched)
    assert all(p.isfinite().all() for p in model.parameters())
    fit(model, few, epochs=1)


def test_accuracy_is_the_fraction_of_correct_answers() -> None:
    images = torch.eye(10).repeat(250, 1).reshape(2500, 1, 1, 10)
    labels = torch.arange(10).repeat(250)
    labels[:625] = (labels[:625] + 1) % 10  # three quarters remain
    assert evaluate(nn.Flatten(), images, labels) == 0.75


def test_evaluate_records_no_gradients(few: Digits) -> None:
    model = lenet()
    recorded = []
    model.register_forward_hook(lambda _m, _i, output: recorded.append(output.requires_grad))
    evaluate(model, few.test_images, few.test_labels)
    assert recorded == [False]


def test_history_prints_one_line_per_epoch() -> None:
    history = training.History(losses=(1.25, 0.5), accuracies=(0.5, 0.975))
    assert repr(history).splitlines() == [
        "epoch    loss  validation accuracy",
        "    1   1.250               50.0%",
        "    2   0.500               97.5%",
    ]


def test_the_bar_leaves_nothing_behind(
    few: Digits, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TQDM_DISABLE", "0")
    fit(lenet(), few, epochs=1)
    shown = capfd.readouterr()
    assert "0%" in shown.err
    assert shown.out == ""
    assert shown.err.rsplit("\r", 1)[-1].strip() == ""
    monkeypatch.setenv("TQDM_DISABLE", "1")
    fit(lenet(), few, epochs=1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("argument", "kind", "sentence"),
    [
        ({"model": "lenet"}, TypeError, "model must be a torch.nn.Module, but got str"),
        ({"model": nn.ReLU()}, ValueError, "the model has no parameter that requires a gradient"),
        (
            {"model": lenet().requires_grad_(False)},
            ValueError,
            "the model has no parameter that requires a gradient",
        ),
        ({"digits": (1, 2)}, TypeError, r"digits must be what load_digits\(\) or load_mnist\(\)"),
        ({"epochs": 0}, ValueError, "epochs must be 1 or more, but got 0"),
        ({"epochs": 1.5}, TypeError, "epochs must be a whole number, but got 1.5"),
        ({"epochs": True}, TypeError, "epochs must be a whole number, but got True"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be above 0, but got 0"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate must be above 0, but got nan"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(
    few: Digits, argument: dict[str, Any], kind: type[Exception], sentence: str
) -> None:
    model = lenet()
    with pytest.raises(kind, match=f"^{sentence}"):
        fit(**{"model": model, "digits": few, **argument})
    assert same(model, lenet())


@pytest.mark.parametrize(("images", "labels"), [(3, 2), (0, 0)])
def test_evaluate_wants_a_label_for_each_image(images: int, labels: int) -> None:
    with pytest.raises(ValueError, match="one label for each image"):
        evaluate(lenet(), torch.zeros(images, 1, 32, 32), torch.zeros(labels))


def test_evaluate_wants_a_module() -> None:
    with pytest.raises(TypeError, match=r"must be a torch\.nn\.Module"):
        evaluate(len, torch.zeros(1), torch.zeros(1))  # type: ignore[arg-type]
