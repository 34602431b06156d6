"""The digits: whole, split fairly and always alike, and honest about a missing network."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn import datasets

from prune_lab.data import load_digits, load_mnist


def test_digits_have_the_shapes_and_types_that_lenet_and_cross_entropy_want() -> None:
    digits = load_digits()
    assert digits.train_images.shape == (1197, 1, 32, 32)
    assert digits.validation_images.shape == (240, 1, 32, 32)
    assert digits.test_images.shape == (360, 1, 32, 32)
    assert {images.dtype for images in digits[::2]} == {torch.float32}
    assert {labels.dtype for labels in digits[1::2]} == {torch.int64}


def test_the_test_part_comes_last_where_the_panels_look_for_it() -> None:
    digits = load_digits()
    images, labels = digits[-2:]
    assert images is digits.test_images and labels is digits.test_labels


def test_every_digit_has_the_same_share_in_each_part() -> None:
    shares = [torch.bincount(labels, minlength=10) / len(labels) for labels in load_digits()[1::2]]
    for share in shares:
        assert (share - shares[0]).abs().max() < 1 / 240


def test_training_images_are_normalised_and_the_others_go_through_the_same() -> None:
    digits = load_digits()
    assert digits.train_images.mean().item() == pytest.approx(0, abs=1e-5)
    assert digits.train_images.std().item() == pytest.approx(1, abs=1e-5)
    # Background is 0 in the source: it must be one and the same value in all parts.
    assert digits.train_images.min() == digits.test_images.min()
    assert digits.train_images.min() == digits.validation_images.min()
    assert digits.test_images.mean().item() != pytest.approx(0, abs=1e-5)


def test_ink_is_the_source_s_pixels_from_0_to_1() -> None:
    """Enlarging fourfold makes 64ths of the 16 levels of grey that the source has."""
    digits = load_digits()
    mean, deviation = digits.ink
    for images in digits[::2]:
        ink = images * deviation + mean
        assert ink.min() == pytest.approx(0, abs=1e-6) and ink.max() == pytest.approx(1, abs=1e-6)
        assert (ink * 16 * 64 - (ink * 16 * 64).round()).abs().max() < 1e-3


def test_no_image_is_lost_and_each_keeps_its_label() -> None:
    """Bilinear enlargement fourfold keeps block means of a linear map: match by average colour."""
    digits = load_digits()
    pixels, labels = datasets.load_digits(return_X_y=True)
    images, found_labels = torch.cat(digits[::2]), torch.cat(digits[1::2])
    small = torch.nn.functional.interpolate(
        torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8),
        size=(32, 32),
        mode="bilinear",
    )

    def standard(batch: torch.Tensor) -> torch.Tensor:
        flat = batch.flatten(1)
        return (flat - flat.mean(1, keepdim=True)) / flat.std(1, keepdim=True)

    likeness = standard(images) @ standard(small).T
    twin = likeness.argmax(1)
    assert sorted(twin.tolist()) == list(range(1797))
    assert torch.equal(found_labels, torch.tensor(labels)[twin])


def test_the_split_is_always_the_same() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    first = load_digits()
    torch.manual_seed(2)
    np.random.seed(2)
    assert all(torch.equal(a, b) for a, b in zip(first, load_digits(), strict=True))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No name can be looked up, and nothing was downloaded before."""

    def fail(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))


@pytest.mark.filterwarnings("ignore:A network error occurred")
@pytest.mark.usefixtures("no_network")
def test_without_a_network_one_sentence_says_what_to_do() -> None:
    with pytest.raises(ConnectionError, match=r"^MNIST could not be downloaded .* load_digits\(\)"):
        load_mnist()


def mnist_like() -> SimpleNamespace:
    """What fetch_openml returns, with MNIST's shape and label counts and other pictures."""
    generator = np.random.default_rng(0)
    test = np.repeat(np.arange(10), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    labels = np.concatenate([generator.integers(0, 10, 60_000), generator.permutation(test)])
    pixels = np.zeros((70_000, 784), dtype=np.uint8)
    pixels[:, 0] = 255  # the corner of every image
    pixels[60_000:, 1] = 255
    return SimpleNamespace(data=pixels, target=labels.astype(str))


def download(monkeypatch: pytest.MonkeyPatch, found: SimpleNamespace) -> None:
    monkeypatch.setattr(datasets, "fetch_openml", lambda *_args, **_kwargs: found)


def test_mnist_gets_its_border_and_the_official_split(monkeypatch: pytest.MonkeyPatch) -> None:
    found = mnist_like()
    download(monkeypatch, found)
    digits = load_mnist()
    assert digits.train_images.shape == (55_000, 1, 32, 32)
    assert digits.validation_images.shape == (5_000, 1, 32, 32)
    assert digits.test_images.shape == (10_000, 1, 32, 32)
    assert digits.train_images.dtype == torch.float32
    labels = torch.tensor(found.target.astype(int))
    assert torch.equal(digits.validation_labels, labels[55_000:60_000])
    assert torch.equal(digits.test_labels, labels[60_000:])
    background = digits.train_images.min()
    lit = (digits.test_images[0, 0] > background).nonzero().tolist()
    assert lit == [[2, 2], [2, 3]]  # two pixels of border on every side
    assert (digits.train_images[0, 0] > background).nonzero().tolist() == [[2, 2]]
    assert digits.train_images.std().item() == pytest.approx(1, abs=1e-3)


def test_a_download_of_another_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = mnist_like()
    download(monkeypatch, SimpleNamespace(data=found.data[:-1], target=found.target[:-1]))
    with pytest.raises(ValueError, match=r"^the download is not MNIST: expected 70,000 images"):
        load_mnist()


def test_a_download_in_another_order_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = mnist_like()
    download(monkeypatch, SimpleNamespace(data=found.data, target=np.sort(found.target)))
    with pytest.raises(ValueError, match=r"^the download is not MNIST: among the last 10,000"):
        load_mnist()
