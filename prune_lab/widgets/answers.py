"""What two networks read: a model as it is now, and a copy of it that is pruned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from prune_lab.prune.amounts import count
from prune_lab.training import one_thread
from prune_lab.widgets.in_browser import Carried
from prune_lab.widgets.parameters import Parameters
from prune_lab.widgets.ranking import Positions, Ranking
from prune_lab.widgets.technique import Settings, Technique
from prune_lab.widgets.trial import Trial, paper_and_ink

PORTION = 500  # images looked through at once


class Networks:
    """A model and its pruned copy, as the model is now.

    They read ink from 0 to 1: 0 is the lowest value in the data's images, 1 the highest.

    Attributes:
        images: (N, 1, H, W) of the data.
        labels: (N,) of the data.
        classes: how many the model tells apart.
        total: how many weights there are.
        before: how many of them are pruned in the model already.

    Args:
        parameters: of the model.
        data: ends in images and labels.

    Raises:
        TypeError: data that does not end in two tensors.
        ValueError: images, labels and the model's answer do not fit together.
    """

    def __init__(self, parameters: Parameters, data: Sequence[Tensor]) -> None:
        weights = {name: parameters[name] for name in parameters.checked_weights()}
        self._trial = Trial(parameters.model, data)
        self.images, self.labels = self._trial.images, self._trial.labels
        self.classes = _classes(self._trial)
        self._low, self._high = paper_and_ink(self.images)
        self._parameters = parameters
        self._values = {name: place.values.clone() for name, place in weights.items()}
        self._masks = {
            name: None if place.mask is None else place.mask.clone()
            for name, place in weights.items()
        }
        self.total = sum(tensor.numel() for tensor in self._values.values())
        gone = (mask for mask in self._masks.values() if mask is not None)
        self.before = sum(int((mask == 0).sum()) for mask in gone)
        self._ranked: tuple[object, list[Ranking]] = (None, [])

    def pruned(
        self, technique: Technique, settings: Settings, amount: float
    ) -> tuple[dict[str, Tensor], int]:
        """Return the weights, zeros where ``amount`` of them is pruned, and how many are kept."""
        kept: dict[str, Tensor] = {}
        for ranking in self._rankings(technique, settings):
            kept.update(ranking.masks(count(amount, ranking.units)))
        values = {name: tensor.where(kept[name], 0) for name, tensor in self._values.items()}
        return values, sum(int(mask.sum()) for mask in kept.values())

    def carried(self, technique: Technique, settings: Settings) -> Carried | None:
        """Return what a browser is to have, so that it reads as these networks do."""
        rankings = self._rankings(technique, settings)
        every = [ranking for ranking in rankings if isinstance(ranking, Positions)]
        if len(every) < len(rankings):
            return None
        return Carried(self._trial, self.pruned(technique, settings, 0.0)[0], every)

    def _rankings(self, technique: Technique, settings: Settings) -> list[Ranking]:
        chosen = (technique.value, settings.seed)
        if self._ranked[0] != chosen:
            self._ranked = (chosen, self._rank(technique, settings))
        return self._ranked[1]

    def _rank(self, technique: Technique, settings: Settings) -> list[Ranking]:
        together = (tuple(technique.looks_at(name, self._parameters)) for name in self._values)
        return [
            technique.rank({name: self._values[name] for name in group}, self._masks, settings)
            for group in dict.fromkeys(together)
        ]

    def ink(self, images: Tensor) -> Tensor:
        """Return images of the data as ink."""
        return ((images.float() - self._low) / (self._high - self._low)).clamp(0, 1)

    def read(self, values: Mapping[str, Tensor], ink: Tensor) -> list[float]:
        """Return the probability of each class for (1, 1, H, W) ink, with ``values`` as weights.

        Raises:
            ValueError: the answer is not finite.
        """
        probabilities = self._logits(values, ink).softmax(1)
        if not bool(probabilities.isfinite().all()):
            raise ValueError(
                "the network's answer is not a number: it holds NaN or infinite values"
            )
        return [float(p) for p in probabilities[0]]

    def search(self, values: Mapping[str, Tensor], after: int) -> Iterator[tuple[int, int | None]]:
        """Look for an image that the model reads right and ``values`` make it read wrong.

        Args:
            values: the weights of the pruned copy.
            after: begin behind this image.

        Yields:
            how many were looked through so far, and the find, or None.
        """
        total = len(self.labels)
        order = (torch.arange(total) + after + 1) % total
        looked = 0
        for portion in order.split(PORTION):
            ink = self.ink(self.images[portion])  # as the pad would hold it
            labels = self.labels[portion].cpu()
            with one_thread():
                right = self._logits({}, ink).argmax(1) == labels
                wrong = self._logits(values, ink).argmax(1) != labels
            looked += len(portion)
            broken = portion[right & wrong]
            yield looked, int(broken[0]) if len(broken) else None
            if len(broken):
                return

    def _logits(self, values: Mapping[str, Tensor], ink: Tensor) -> Tensor:
        """(N, 1, H, W) ink to (N, classes) logits, on the CPU."""
        images = self._low + ink * (self._high - self._low)
        return self._trial.logits(values, images).float().cpu()


def _classes(trial: Trial) -> int:
    """Return how many classes the model tells apart.

    Raises:
        ValueError: data or answer do not have the shapes they should have.
    """
    images, labels = trial.images, trial.labels
    if images.ndim != 4 or images.shape[1] != 1 or not images.numel():
        raise ValueError(f"images should be of shape (N, 1, H, W), not {tuple(images.shape)}")
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"labels should be whole numbers, one for each of the {len(images):,} images; "
            f"theirs are {tuple(labels.shape)}, {labels.dtype}"
        )
    shape = "×".join(map(str, images.shape[1:]))
    try:
        answer = trial.logits({}, images[:1])
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"the model cannot read an image of {shape}: {reason}") from error
    if not isinstance(answer, Tensor) or answer.ndim != 2 or answer.shape[1] < 2:
        got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise ValueError(
            f"the model should answer N images with logits of shape (N, classes); to one image "
            f"it answers {got}"
        )
    classes = answer.shape[1]
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise ValueError(
            f"labels should lie between 0 and {classes - 1}, the model's {classes} classes; "
            f"theirs reach from {int(labels.min())} to {int(labels.max())}"
        )
    return int(classes)
