"""Pruning without losing accuracy: recipes that prune and train, at once or in turn."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from prune_lab import prune, training
from prune_lab.data import Digits
from prune_lab.experiments.importance import Importance, Place, Scores, magnitude, weights_of
from prune_lab.experiments.schedules import Schedule, cubic
from prune_lab.training import History

_EVERY = 8  # steps between two prunings


def prune_to(places: list[Place], sparsity: float, scores: Scores | None = None) -> None:
    """Prune globally until this fraction of all entries is gone, whatever is pruned already.

    The entries of the lowest scores go first; without scores, those of the smallest magnitudes.
    What is pruned stays so: for a sparsity that is reached already nothing happens, except that
    each place has a mask afterwards.

    Raises ValueError for a sparsity that is not from 0 to 1.

    >>> layer = nn.Linear(10, 10)
    >>> for sparsity in (0.3, 0.5, 0.5):
    ...     prune_to([(layer, "weight")], sparsity)
    >>> int(layer.weight_mask.sum())
    50
    """
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must be from 0 to 1, but got {sparsity}")
    entries = sum(getattr(module, name).numel() for module, name in places)
    masks = [getattr(module, f"{name}_mask", None) for module, name in places]
    gone = sum(int((mask == 0).sum()) for mask in masks if mask is not None)
    more = max(round(sparsity * entries) - gone, 0)
    if more or None in masks:
        prune.global_unstructured(
            places, prune.L1Unstructured, importance_scores=scores, amount=more
        )


def retrain(
    model: nn.Module,
    digits: Digits,
    sparsity: float,
    epochs: int = 12,
    seed: int = 0,
    learning_rate: float = 3e-3,
    importance: Importance = magnitude,
    weights: Mapping[str, Tensor] | None = None,
) -> History:
    """Prune the model's weights globally, at once, then train what is left.

    With a tenth of the first training's learning rate this is fine-tuning; with all of it, its
    learning rate is rewound. With `weights`, a state dict of the same model from early in its
    training, those are rewound as well: what was pruned is chosen by the weights of the end.

    Arguments and errors as in `prune_lab.training.fit` and `prune_to`.

    Source: A. Renda, J. Frankle, M. Carbin: Comparing rewinding and fine-tuning in neural network
    pruning, ICLR 2020.

    >>> from prune_lab.data import load_digits
    >>> from prune_lab.lenet import LeNet
    >>> model = LeNet()
    >>> _ = retrain(model, load_digits(), sparsity=0.9, epochs=1)
    >>> sum(int((module.weight == 0).sum()) for module, name in weights_of(model))
    55323
    """
    places = weights_of(model)
    prune_to(places, sparsity, importance(model, digits))
    if weights is not None:
        prune.rewind(model, weights)
    return training.fit(model, digits, epochs=epochs, seed=seed, learning_rate=learning_rate)


def gradual(
    model: nn.Module,
    digits: Digits,
    sparsity: float,
    epochs: int = 50,
    seed: int = 0,
    schedule: Schedule = cubic,
    begin: float = 0.1,
    end: float = 0.7,
    learning_rate: float = 3e-3,
    importance: Importance = magnitude,
) -> History:
    """Prune the model's weights globally while it is trained, and return the training's course.

    Every eighth step it is pruned a little, from `begin` to `end` of the training (0 to 1); the
    rest is there to learn what is left. At the end exactly this fraction of the weights of all
    convolutions and linear layers is pruned, with masks. Arguments and errors as in
    `prune_lab.training.fit` and `prune_to`.

    >>> from prune_lab.data import load_digits
    >>> from prune_lab.lenet import LeNet
    >>> model = LeNet()
    >>> _ = gradual(model, load_digits(), sparsity=0.9, epochs=1)
    >>> sum(int((module.weight_mask == 0).sum()) for module, name in weights_of(model))
    55323
    """
    if not (0 <= sparsity <= 1 and 0 <= begin < end <= 1):
        raise ValueError(
            f"0 <= sparsity <= 1, 0 <= begin < end <= 1, but got {sparsity, begin, end}"
        )
    places = weights_of(model)
    prune_to(places, 0.0)
    step, done = 0, 0.0

    def before_step(progress: float) -> None:
        nonlocal step, done
        step += 1
        if step % _EVERY == 0 and begin <= progress and done < 1:
            done = min((progress - begin) / (end - begin), 1.0)
            prune_to(places, sparsity * schedule(done), importance(model, digits))

    history = training.fit(
        model,
        digits,
        epochs=epochs,
        seed=seed,
        learning_rate=learning_rate,
        before_step=before_step,
    )
    prune_to(places, sparsity, importance(model, digits))
    return history
