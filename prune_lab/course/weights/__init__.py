"""LeNet, trained with five seeds: the same weights for every learner, and claims over seeds.

`python -m prune_lab.course.weights` (or `make weights`) trains them again and says what to write
into the table below. Another processor rounds differently and gives other weights as good.
"""

from __future__ import annotations

import functools
import hashlib
import io
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from prune_lab.lenet import LeNet

FOLDER = Path(__file__).parent


class Trained(NamedTuple):
    """One file of weights: its checksum, and how many digits the network reads right."""

    sha256: str
    validation_right: int  # of 240
    test_right: int  # of 360


TRAINED = (
    Trained("48206afc4248a324a11ec5d183965492387a3523cd469e5e44766a0dc5bc93d7", 237, 355),
    Trained("d8f962994ec75ce8947490ae5283b441a4d08dc0080026e015c3b717b705a095", 237, 355),
    Trained("2f37d4ede3999b8081e38707bce6f1589efc36483c388454487fdfd912ddd6ec", 237, 356),
    Trained("9563901b9cd1227074baf3d99036d60fdd176dd8395031c46f7e75ed87ca419e", 238, 355),
    Trained("ed4dfd1f01087f099e6b0042d534c0b7e49d5339a0d9d0fbabccdf43e88b3fcb", 235, 356),
)

SEEDS = range(len(TRAINED))


def path(seed: int) -> Path:
    """Where the weights of this training seed are."""
    return FOLDER / f"lenet-{seed}.pt"


def trained_lenet(seed: int = 0) -> LeNet:
    """Return a new LeNet with the weights that training with this seed gave, 0 to 4.

    The seed drew the first weights and decided the order of the training images:
    ``torch.manual_seed(seed); model = LeNet(); fit(model, load_digits(), seed=seed)``. The weights
    are float32 and require gradients, as after `fit`.

    The file is compared with its checksum and read with ``weights_only=True``. Raises ValueError
    for another seed, or if the file is not what it was.

    >>> from prune_lab.data import load_digits
    >>> from prune_lab.training import evaluate
    >>> digits = load_digits()
    >>> accuracy = evaluate(trained_lenet(), digits.test_images, digits.test_labels)
    >>> accuracy == TRAINED[0].test_right / 360
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or seed not in SEEDS:
        raise ValueError(f"there are trained weights for the seeds 0 to 4, but got seed={seed!r}")
    stored = path(seed).read_bytes()
    if hashlib.sha256(stored).hexdigest() != TRAINED[seed].sha256:
        raise ValueError(f"{path(seed).name} is damaged: install prune-lab again")
    with torch.random.fork_rng(devices=[]):  # LeNet() draws weights, only to be overwritten
        model = LeNet()
    model.load_state_dict(_read(stored))  # which copies
    return model


@functools.lru_cache(len(TRAINED))
def _read(stored: bytes) -> dict[str, Tensor]:
    """Read the weights; the chapters, which ask for all five again and again, wait for it once."""
    found: dict[str, Tensor] = torch.load(io.BytesIO(stored), weights_only=True)
    return found
