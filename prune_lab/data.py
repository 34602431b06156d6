"""The digits that LeNet reads: 1,797 that are always there, or MNIST's 70,000."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


class Ink(NamedTuple):
    """How images were normalised: a pixel is ``(ink - mean) / deviation``, with ink from 0 to 1."""

    mean: float
    deviation: float


class Digits(NamedTuple):
    """Images and labels: to train with, to choose with (validation), and to test with.

    Images are float32 of shape (N, 1, 32, 32), labels are int64 of shape (N,) from 0 to 9. The
    pixels are normalised: the training images have mean 0 and standard deviation 1, and the others
    went through the same subtraction and division.

    Whatever is chosen, an amount or a layer, is chosen on the validation images. The test images
    tell the result, once: an accuracy on images that took part in a choice is too good.
    """

    train_images: Tensor
    train_labels: Tensor
    validation_images: Tensor
    validation_labels: Tensor
    test_images: Tensor
    test_labels: Tensor

    def __repr__(self) -> str:
        train, validation, test = (len(labels) for labels in self[1::2])
        return (
            f"Digits({train:,} to train, {validation:,} to choose, {test:,} to test, each 1×32×32)"
        )

    @property
    def ink(self) -> Ink:
        """How a pen's ink becomes a pixel: 0 is the training images' lowest value, 1 the highest.

        >>> mean, deviation = load_digits().ink
        >>> round(mean, 3), round(deviation, 3)
        (0.305, 0.323)
        """
        lowest, highest = float(self.train_images.min()), float(self.train_images.max())
        deviation = 1 / (highest - lowest)
        return Ink(-lowest * deviation, deviation)


def load_digits() -> Digits:
    """1,197 handwritten digits to train with, 240 to choose with and 360 to test with.

    Real digits that come with scikit-learn: the test part of Alpaydin and Kaynak, 1998, UCI
    repository, by 13 writers who had no part in UCI's training file. Which image is whose is not
    recorded, so that every writer may stand on both sides of the split: the test part tells how
    well new *images* are read, not new *hands*.

    scikit-learn stores them as 8x8 pixels from 0 to 16; here they are enlarged to 32x32 with
    bilinear interpolation (``torch.nn.functional.interpolate``), because LeNet reads that size.
    The split is always the same (``train_test_split`` with ``random_state=0``, twice) and
    stratified: every digit has the same share in each part.

    >>> digits = load_digits()
    >>> digits
    Digits(1,197 to train, 240 to choose, 360 to test, each 1×32×32)
    >>> digits.train_images.shape, digits.train_images.dtype
    (torch.Size([1197, 1, 32, 32]), torch.float32)
    """
    from sklearn import datasets  # here, because it takes longer than all else to import
    from sklearn.model_selection import train_test_split

    pixels, labels = datasets.load_digits(return_X_y=True)
    small = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 8, 8)
    images = F.interpolate(small, size=(32, 32), mode="bilinear", align_corners=False)
    everything = np.arange(len(labels))
    rest, test = train_test_split(everything, test_size=360, stratify=labels, random_state=0)
    train, validation = train_test_split(rest, test_size=240, stratify=labels[rest], random_state=0)
    return _normalised(images, torch.tensor(labels, dtype=torch.int64), train, validation, test)


def load_mnist() -> Digits:
    """MNIST: 55,000 digits to train with, 5,000 to choose with and 10,000 to test with.

    Downloaded on the first call: scikit-learn's ``fetch_openml`` gets the set "mnist_784",
    version 1, from openml.org, compares its MD5 sum with the published one and keeps it in
    ``~/scikit_learn_data`` for the next time; reading it takes some 20 seconds each time. What
    arrives is checked again here: 70,000 images of 784 pixels from 0 to 255, and in the last
    10,000 each digit as often as in LeCun's own test file. The 28x28 pixels get a border of two
    pixels of background, as LeCun et al. did to reach 32x32. The test part is the official one; the
    last 5,000 of the official training part are those to choose with.

    Raises ConnectionError where openml.org cannot be reached, and ValueError if what arrived is
    not MNIST.
    """
    from sklearn import datasets

    try:
        # One retry: without a network, more would only make the learner wait longer.
        found = datasets.fetch_openml(
            "mnist_784", version=1, as_frame=False, parser="liac-arff", n_retries=1, delay=0.1
        )
    except OSError as error:  # no route, no name, timeout, refused: all are OSErrors
        raise ConnectionError(
            "MNIST could not be downloaded from openml.org "
            f"({error}): connect to the internet, or use load_digits(), which needs none"
        ) from None
    pixels, labels = np.asarray(found.data), np.asarray(found.target, dtype=np.int64)
    _must_be_mnist(pixels, labels)
    images = torch.tensor(pixels, dtype=torch.float32).reshape(-1, 1, 28, 28)
    images = F.pad(images, (2, 2, 2, 2))
    train, validation, test = np.split(np.arange(70_000), [55_000, 60_000])
    return _normalised(images, torch.tensor(labels), train, validation, test)


# How often each digit, 0 to 9, occurs in t10k-labels-idx1-ubyte.
_MNIST_TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def _must_be_mnist(pixels: np.ndarray, labels: np.ndarray) -> None:
    if pixels.shape != (70_000, 784) or pixels.min() < 0 or pixels.max() > 255:
        raise ValueError(
            "the download is not MNIST: expected 70,000 images of 784 pixels from 0 to 255, "
            f"got shape {pixels.shape}"
        )
    counts = np.bincount(labels[60_000:], minlength=10).tolist()
    if counts != _MNIST_TEST_COUNTS:
        raise ValueError(
            "the download is not MNIST: among the last 10,000 labels the digits 0 to 9 should "
            f"occur {_MNIST_TEST_COUNTS} times, got {counts}"
        )


def _normalised(images: Tensor, labels: Tensor, train: np.ndarray, *others: np.ndarray) -> Digits:
    # Mean and deviation of the training images alone: nothing of the others may leak into them.
    mean, deviation = images[train].mean(), images[train].std()
    images = (images - mean) / deviation
    return Digits(*(part[chosen] for chosen in (train, *others) for part in (images, labels)))
