"""DigitPad from Python's side: what it shows is what the model and a really pruned copy answer."""

from __future__ import annotations

import copy
import io
import threading

import numpy as np
import pytest
import torch
import traitlets
from matplotlib import image
from torch import nn

from prune_lab import prune
from prune_lab.data import load_digits
from prune_lab.lenet import LeNet
from prune_lab.training import fit
from prune_lab.widgets import DigitPad, answers
from prune_lab.widgets.trial import Trial
from tests.widgets.browser_side import asked, hidden, shown

TECHNIQUES = ["global_unstructured", "l1_unstructured", "random_unstructured"]
LAYERS = ["conv1", "conv2", "fc1", "fc2", "fc3"]
DIGITS = load_digits()


@pytest.fixture(scope="module")
def fitted():
    torch.manual_seed(0)
    model = LeNet()
    fit(model, DIGITS, epochs=3)
    return model.state_dict()


@pytest.fixture
def model(fitted):
    model = LeNet()
    model.load_state_dict(fitted)
    return model


def really_pruned(model, technique, amount, seed=1):
    """A copy on which the engine's own functions were called."""
    model = copy.deepcopy(model)
    places = [(getattr(model, layer), "weight") for layer in LAYERS]
    if technique == "global_unstructured":
        prune.global_unstructured(places, prune.L1Unstructured, amount=amount)
    else:
        for module, name in places:
            torch.manual_seed(seed)
            getattr(prune, technique)(module, name, amount=amount)
    return model


def probabilities(model, images):
    with torch.no_grad():
        return model(images).softmax(1)


def broken_digits(model, technique, amount):
    """Which test digits the model reads right, and its really pruned copy wrong."""
    dense = probabilities(model, DIGITS.test_images).argmax(1)
    pruned = probabilities(really_pruned(model, technique, amount), DIGITS.test_images).argmax(1)
    return ((dense == DIGITS.test_labels) & (pruned != DIGITS.test_labels)).nonzero().view(-1)


def ink_of(number):
    """A test digit as the pad holds it."""
    images = DIGITS.test_images
    return (images[number, 0] - images.min()) / (images.max() - images.min())


def drawn(pad):
    return torch.from_numpy(np.frombuffer(pad.image, "<f4").reshape(pad.size).copy())


def test_starts_with_the_first_digit(model):
    pad = DigitPad(model, DIGITS, amount=0.0)
    assert repr(pad) == ("DigitPad(technique='global_unstructured', amount=0.0, dense=7, pruned=7)")
    assert (pad.label, pad.size, pad.classes) == (7, (32, 32), 10)
    assert torch.equal(drawn(pad), ink_of(0))
    assert pad.message == ""


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("amount", [0.0, 0.37, 0.9, 1.0])
def test_answers_are_those_of_the_model_and_of_a_really_pruned_copy(model, technique, amount):
    pad = DigitPad(model, DIGITS, technique=technique, amount=amount, seed=3)
    pad.real()
    digit = DIGITS.test_images[1:2]
    pruned = really_pruned(model, technique, amount, seed=3)
    assert pad.dense == pytest.approx(probabilities(model, digit)[0].tolist(), abs=1e-6)
    assert pad.pruned == pytest.approx(probabilities(pruned, digit)[0].tolist(), abs=1e-6)
    zeros = sum(int((getattr(pruned, layer).weight_mask == 0).sum()) for layer in LAYERS)
    assert pad.counts == (zeros, 0, 61470)


def test_settings_are_followed_and_observable(model):
    pad = DigitPad(model, DIGITS)
    heard = []
    pad.observe(lambda change: heard.append(change.new), "pruned")
    for trait, value in [("amount", 0.5), ("technique", "random_unstructured"), ("seed", 7)]:
        setattr(pad, trait, value)
        expected = really_pruned(model, pad.technique, pad.amount, pad.seed)
        expected = probabilities(expected, DIGITS.test_images[:1])[0].tolist()
        assert heard[-1] == pytest.approx(expected, abs=1e-6)
    assert len(heard) == 3


def test_real_digits_come_in_the_datas_order_and_start_again(model):
    pad = DigitPad(model, (DIGITS.test_images[:3], DIGITS.test_labels[:3]))
    labels = [pad.label]
    for _ in range(3):
        pad.real()
        labels.append(pad.label)
    assert labels == [7, 6, 3, 7] == [*DIGITS.test_labels[:3].tolist(), 7]


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_broken_digits_are_broken_and_none_is_left_out(model, technique):
    few = (DIGITS.test_images[:120], DIGITS.test_labels[:120])
    pad = DigitPad(model, few, technique=technique, amount=0.9)
    expected = broken_digits(model, technique, 0.9)
    expected = expected[expected < 120]
    assert len(expected) > 1
    for number in [*expected[expected > 0].tolist(), *expected[:1].tolist()]:
        pad.broken()
        assert torch.equal(drawn(pad), ink_of(number))
        assert pad.label == int(DIGITS.test_labels[number])
        right, wrong = (answer.index(max(answer)) for answer in (pad.dense, pad.pruned))
        assert right == pad.label != wrong
    assert pad.message == ""


def test_says_so_where_no_digit_breaks(model):
    pad = DigitPad(model, DIGITS, amount=0.0)
    pad.broken()
    assert pad.message.startswith("None of the 360 digits breaks at this amount")
    assert not pad.failed
    assert torch.equal(drawn(pad), ink_of(0))
    pad.amount = 0.9
    assert pad.message == ""


def test_a_long_search_goes_on_in_the_background(model, monkeypatch):
    monkeypatch.setattr(answers, "PORTION", 2)
    broken = broken_digits(model, "global_unstructured", 0.85)
    whole = torch.arange(len(DIGITS.test_labels))
    whole = whole[~torch.isin(whole, broken)][:20]
    order = torch.cat([whole, broken[:1], whole])
    pad = DigitPad(model, (DIGITS.test_images[order], DIGITS.test_labels[order]), amount=0.85)
    pad.broken()
    pad._background.wait()
    assert torch.equal(drawn(pad), ink_of(int(broken[0])))
    pad.amount = 0.0
    pad.broken()
    pad._background.wait()
    assert pad.message.startswith("None of the 41 digits")


@pytest.mark.parametrize(
    "change",
    [
        lambda pad: setattr(pad, "amount", 0.1),
        lambda pad: pad.clear(),
        lambda pad: pad.real(),
        lambda pad: pad.close(),
    ],
)
def test_what_the_reader_does_next_stops_the_search(model, monkeypatch, change):
    monkeypatch.setattr(answers, "PORTION", 1)
    pad = DigitPad(model, DIGITS, amount=0.0)
    goes_on = threading.Event()
    logits = Trial.logits

    def held(*arguments):
        if threading.current_thread() is not threading.main_thread():
            goes_on.wait()
        return logits(*arguments)

    monkeypatch.setattr(Trial, "logits", held)
    pad.broken()
    assert pad._background.running
    change(pad)
    assert not pad._background.running
    goes_on.set()
    pad._background.wait()
    assert not pad.message.startswith("None")


def test_the_model_is_only_read(model):
    model.train()
    prune.l1_unstructured(model.fc1, "weight", amount=0.5)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    hooks = [(list(m._forward_hooks), list(m._forward_pre_hooks)) for m in model.modules()]
    torch.manual_seed(5)
    random_state = torch.get_rng_state()
    pad = DigitPad(model, DIGITS, technique="random_unstructured")
    pad.broken()
    pad.real()
    pad.amount = 1.0
    pad.refresh()
    pad._repr_mimebundle_()
    now = model.state_dict()
    assert list(now) == list(before)
    assert all(torch.equal(now[name], before[name]) for name in now)
    assert hooks == [(list(m._forward_hooks), list(m._forward_pre_hooks)) for m in model.modules()]
    assert all(module.training for module in model.modules())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_follows_a_model_that_changed(model):
    pad = DigitPad(model, DIGITS, amount=0.5)
    first = pad.dense
    with torch.no_grad():
        model.fc3.bias[4] += 100
    assert pad.dense == first
    pad.refresh()
    assert pad.dense.index(max(pad.dense)) == pad.pruned.index(max(pad.pruned)) == 4


def test_a_model_that_is_pruned_already_is_pruned_further(model):
    pad = DigitPad(model, DIGITS, amount=0.5)
    prune.l1_unstructured(model.fc1, "weight", amount=0.9)
    model(DIGITS.test_images[:1])  # its weight is now a result, which autograd follows
    pad.refresh()
    expected = probabilities(model, DIGITS.test_images[:1])[0].tolist()
    assert pad.dense == pytest.approx(expected, abs=1e-6)
    left = 61470 - 43200
    assert pad.counts == (43200 + left // 2, 43200, 61470)
    further = really_pruned(model, "global_unstructured", 0.5)
    expected = probabilities(further, DIGITS.test_images[:1])[0].tolist()
    assert pad.pruned == pytest.approx(expected, abs=1e-6)


def test_an_unchanged_model_is_not_asked_again(model):
    pad = DigitPad(model, DIGITS)
    answer = pad.dense
    pad.refresh()
    assert pad.dense is answer


def test_a_drawing_has_no_label_and_an_empty_pad_no_answer(model):
    pad = DigitPad(model, DIGITS)
    drawing = ink_of(5).clone()
    drawing[:3] = 1
    pad.image = drawing.numpy().tobytes()
    assert pad.label is None
    images = DIGITS.test_images
    fit = torch.frombuffer(bytearray(pad.seen), dtype=torch.float32)
    assert (fit.view(32, 32) - drawing).abs().max() > 0.5  # it stood too high
    seen = images.min() + fit * (images.max() - images.min())
    expected = probabilities(model, seen.view(1, 1, 32, 32))[0].tolist()
    assert pad.dense == pytest.approx(expected, abs=1e-6)
    pad.real()
    assert pad.seen == pad.image  # the data's own are read as they are
    pad.clear()
    assert (pad.label, pad.dense, pad.pruned) == (None, [], [])
    assert repr(pad).endswith("dense=None, pruned=None)")
    assert not drawn(pad).any()


@pytest.mark.parametrize(("width", "edge"), [(3.0, 2.0), (6.0, 6.0), (4.0, 3.0)])
def test_the_pen_is_measured_on_the_data(width, edge):
    rows, columns = torch.meshgrid(torch.arange(40) + 0.5, torch.arange(32) + 0.5, indexing="ij")

    def ring(radius):
        far = (torch.hypot(rows - 21, columns - 16) - radius).abs()
        u = ((width / 2 + edge / 2 - far) / edge).clamp(0, 1)
        return u * u * (3 - 2 * u)

    images = torch.stack([ring(radius) for radius in (8, 9, 10)])[:, None]
    images = images * 7 - 3  # any range of values
    net = nn.Sequential(nn.Flatten(), nn.Linear(40 * 32, 10))
    pad = DigitPad(net, (images, torch.arange(3)))
    assert pad.pen == pytest.approx((width, edge), rel=0.25)
    outside = 9 + width / 2
    circumscribed = (16 - outside, 21 - outside, 16 + outside, 21 + outside)
    assert pad.frame == pytest.approx(circumscribed, abs=1)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"technique": "n_m"}, "'n_m' is not offered; choose one of l1_unstructured, random_"),
        ({"amount": 45}, "amount=45.0 should be a fraction of the weights, from 0.0 to 1.0"),
        ({"amount": float("nan")}, "amount=nan should be a fraction"),
        ({"seed": -1}, "seed=-1 should lie between 0 and"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_sentence(model, setting, sentence):
    with pytest.raises(ValueError, match=sentence):
        DigitPad(model, DIGITS, **setting)
    pad = DigitPad(model, DIGITS, amount=0.0)
    before = repr(pad)
    for trait, value in setting.items():
        with pytest.raises(ValueError, match=sentence):
            setattr(pad, trait, value)
    assert repr(pad) == before


@pytest.mark.parametrize("image", [b"", b"1234", np.full(1024, 2, "<f4").tobytes()])
def test_an_image_that_does_not_fit_is_refused(model, image):
    pad = DigitPad(model, DIGITS)
    with pytest.raises(ValueError, match="bytes of 32 × 32 float32 numbers from 0 to 1"):
        pad.image = image


IMAGES, LABELS = DIGITS.test_images[:4], DIGITS.test_labels[:4]


@pytest.mark.parametrize(
    ("network", "data", "error", "sentence"),
    [
        ("net", (IMAGES, LABELS), TypeError, "module should be a torch.nn.Module, not str"),
        (LeNet(), IMAGES, TypeError, "pair of tensors: images and labels"),
        (LeNet(), (IMAGES[0], LABELS), ValueError, r"of shape \(N, 1, H, W\), not \(1, 32, 32\)"),
        (LeNet(), (IMAGES[:0], LABELS[:0]), ValueError, r"of shape \(N, 1, H, W\)"),
        (LeNet(), (IMAGES, LABELS[:3]), ValueError, "one for each of the 4 images; .*3"),
        (LeNet(), (IMAGES, LABELS.float()), ValueError, "whole numbers"),
        (
            LeNet(),
            (IMAGES, LABELS + 9),
            ValueError,
            "between 0 and 9, the model's 10 classes; .*16",
        ),
        (LeNet(), (IMAGES[..., :28], LABELS), ValueError, "cannot read an image of 1×32×28: LeNet"),
        (LeNet(), (IMAGES * 0, LABELS), ValueError, "no ink: all their values are alike"),
        (LeNet().conv1, (IMAGES, LABELS), ValueError, r"it answers \(1, 6, 28, 28\)"),
        (nn.Flatten(), (IMAGES, LABELS), ValueError, "Flatten has no weight with two or more dim"),
    ],
)
def test_what_does_not_fit_together_is_said_in_one_sentence(network, data, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        DigitPad(network, data)
    assert "\n" not in str(caught.value)


class TestBrowser:
    """What the browser sends, as it arrives in Python."""

    def test_a_state_is_answered_once_under_its_number(self, model):
        pad = DigitPad(model, DIGITS)
        answers = []
        pad.observe(answers.append, "pruned")
        drawing = memoryview(ink_of(2).contiguous().numpy().tobytes())
        asked(pad, {"label": None, "amount": 0.2}, bytes={"image": drawing}, asker="x", number=4)
        assert pad.answer["heard"] == {"x": 4}
        assert len(answers) == 1
        expected = really_pruned(model, "global_unstructured", 0.2)
        ink = torch.frombuffer(bytearray(pad.seen), dtype=torch.float32).view(1, 1, 32, 32)
        low, high = DIGITS.test_images.min(), DIGITS.test_images.max()
        expected = probabilities(expected, low + ink * (high - low))[0].tolist()
        assert pad.pruned == pytest.approx(expected, abs=1e-6)
        assert pad.label is None
        asked(pad, {"amount": 0.2}, asker="x", number=5)
        assert (pad.answer["heard"], len(answers)) == ({"x": 5}, 1)

    def test_what_does_not_fit_is_said_in_the_panel(self, model):
        pad = DigitPad(model, DIGITS)
        asked(pad, {"technique": "<img src=x>"}, asker="x", number=1)
        assert pad.failed
        assert "'<img src=x>' is not offered" in pad.message
        assert pad.technique == "global_unstructured"
        asked(pad, {"amount": 0.3}, asker="x", number=2)
        assert (pad.failed, pad.message, pad.answer["heard"]) == (False, "", {"x": 2})
        assert len(pad.pruned) == 10

    def test_buttons(self, model):
        pad = DigitPad(model, DIGITS, amount=0.9)
        asked(pad, press="real")
        assert torch.equal(drawn(pad), ink_of(1))
        asked(pad, press="broken")
        assert pad.dense.index(max(pad.dense)) == pad.label != pad.pruned.index(max(pad.pruned))

    def test_a_network_without_an_answer_leaves_no_old_one(self, model):
        pad = shown(DigitPad(model, DIGITS))
        with torch.no_grad():
            model.fc1.weight.fill_(float("nan"))
        pad.look_again()
        assert (pad.dense, pad.pruned) == ([], [])
        assert pad.failed
        assert "not a number" in pad.message
        for number in (1, 2):  # and says so each time
            asked(pad, {"amount": number / 10}, asker="x", number=number)
            assert (pad.answer["heard"], pad.failed, pad.dense) == ({"x": number}, True, [])
        with torch.no_grad():
            model.fc1.weight.fill_(0.0)
        pad.look_again()
        assert not pad.failed
        assert len(pad.dense) == 10

    def test_hidden_it_rests(self, model):
        pad = DigitPad(model, DIGITS)
        shown(pad)
        hidden(pad)
        before = pad.dense
        with torch.no_grad():
            model.fc3.bias[4] += 100
        pad.look_again()
        assert pad.dense == before
        shown(pad)
        assert pad.dense.index(max(pad.dense)) == 4


def test_other_networks_and_data():
    """Three classes, an oblong image, float64, a layer without bias, norm layers left alone."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.Dropout(),
        nn.Flatten(),
        nn.Linear(4 * 6 * 10, 3),
    ).double()
    images, labels = torch.rand(5, 1, 8, 12, dtype=torch.float64), torch.tensor([0, 1, 2, 0, 1])
    pad = DigitPad(net, (images, labels), technique="l1_unstructured", amount=0.5)
    assert (pad.classes, pad.size, pad.counts) == (3, (8, 12), (378, 0, 756))
    expected = probabilities(net.eval(), images[:1])[0].tolist()
    assert pad.dense == pytest.approx(expected, abs=1e-6)


def test_traits_are_typed(model):
    pad = DigitPad(model, DIGITS)
    for trait, value in [("technique", 3), ("amount", "much"), ("seed", 1.5), ("image", "ink")]:
        with pytest.raises(traitlets.TraitError):
            setattr(pad, trait, value)


def test_shows_a_picture_where_no_widgets_are(model):
    pad = DigitPad(model, DIGITS)
    bundle, _ = pad._repr_mimebundle_()
    assert bundle["text/plain"] == repr(pad)
    full = image.imread(io.BytesIO(bundle["image/png"]))
    assert full.shape[0] > 150
    pad.clear()
    bundle, _ = pad._repr_mimebundle_()
    assert not np.array_equal(full, image.imread(io.BytesIO(bundle["image/png"])))
