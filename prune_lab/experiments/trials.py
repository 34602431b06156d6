"""The trials of chapter 10: a trained LeNet is pruned and trained on, by one recipe."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab.data import Digits, load_digits, load_mnist
from prune_lab.experiments.importance import (
    Importance,
    at_random,
    lamp,
    magnitude,
    rows,
    taylor,
    weights_of,
)
from prune_lab.experiments.recipes import gradual, retrain
from prune_lab.experiments.schedules import constant, cubic, exponential
from prune_lab.lenet import LeNet
from prune_lab.measure import shifted_accuracy
from prune_lab.training import evaluate, fit

EARLY = 0.1  # of the first training is done when the weights are kept to which one may rewind

State = Mapping[str, Tensor]

DATA: dict[str, Callable[[], Digits]] = {
    "digits": functools.cache(load_digits),
    "mnist": functools.cache(load_mnist),
}
IMPORTANCES: dict[str, Importance] = {
    "magnitude": magnitude,
    "lamp": lamp,
    "taylor": taylor,
    "rows": rows,
    "random": at_random,
}


def _tuned(
    model: nn.Module, digits: Digits, early: State, learning_rate: float, **given: Any
) -> None:
    retrain(model, digits, learning_rate=learning_rate / 10, **given)


def _rate(model: nn.Module, digits: Digits, early: State, **given: Any) -> None:
    retrain(model, digits, **given)


def _weights(model: nn.Module, digits: Digits, early: State, **given: Any) -> None:
    retrain(model, digits, weights=early, **given)


def _gradual(
    model: nn.Module, digits: Digits, early: State, schedule: Callable[[float], float], **given: Any
) -> None:
    gradual(model, digits, schedule=schedule, **given)


RECIPES: dict[str, Callable[..., None]] = {
    "fine-tune": _tuned,
    "rewind rate": _rate,
    "rewind weights": _weights,
    "gradual, constant": partial(_gradual, schedule=constant),
    "gradual, exponential": partial(_gradual, schedule=exponential),
    "gradual, cubic": partial(_gradual, schedule=cubic),
}


def trial(
    seed: int,
    recipe: str,
    sparsity: float,
    importance: str = "magnitude",
    epochs: int = 12,
    learning_rate: float = 3e-3,
    data: str = "digits",
    device: str = "cpu",
) -> dict[str, Any]:
    """Train a LeNet as the course does, then prune it and train on by one recipe.

    Args:
        seed: of the first weights, the order of the images and the shifts.
        recipe: one of `RECIPES`. All begin with the same trained network and have the same epochs.
        sparsity: the fraction of the weights that goes, 0 to below 1.
        importance: one of `IMPORTANCES`.
        epochs: of the training while or after it is pruned.
        learning_rate: of that training, at its highest; fine-tuning takes a tenth.
        data: one of `DATA`.
        device: torch's name of what it is trained on.

    Returns ``validation``, ``test`` and ``shifted`` (test images moved, see
    `prune_lab.measure.shifted_accuracy`): accuracies, 0 to 1; ``right``: test images that are
    read; ``kept``: weights that are left; ``lost``: the share that each layer has lost.
    """
    digits = DATA[data]()
    trained, early = _trained(seed, data, device)
    model = LeNet().to(device)
    model.load_state_dict(trained)
    RECIPES[recipe](
        model,
        digits,
        early,
        sparsity=sparsity,
        importance=IMPORTANCES[importance],
        epochs=epochs,
        seed=seed,
        learning_rate=learning_rate,
    )
    test = evaluate(model, digits.test_images, digits.test_labels)
    masks = [module.get_buffer(f"{name}_mask") for module, name in weights_of(model)]
    return {
        "validation": evaluate(model, digits.validation_images, digits.validation_labels),
        "test": test,
        "right": round(test * len(digits.test_labels)),
        "shifted": shifted_accuracy(model, digits.test_images, digits.test_labels),
        "kept": sum(int(mask.sum()) for mask in masks),
        "lost": [round(1 - float(mask.mean()), 4) for mask in masks],
    }


def check_trial(**settings: Any) -> None:
    """Raise ValueError for a setting that `trial` cannot use."""
    for name, known in (("recipe", RECIPES), ("importance", IMPORTANCES), ("data", DATA)):
        if settings[name] not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, but got {settings[name]}")
    if not 0 <= settings["sparsity"] < 1:
        raise ValueError(f"sparsity must be from 0 to below 1, but got {settings['sparsity']}")
    if settings["epochs"] < 1:
        raise ValueError(f"epochs must be 1 or more, but got {settings['epochs']}")
    if not 0 < settings["learning_rate"] < 1:
        raise ValueError(
            f"learning_rate must be above 0 and below 1, but got {settings['learning_rate']}"
        )
    try:
        torch.empty(0, device=settings["device"])
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise ValueError(f"device {settings['device']} is not there: {error}") from None


@functools.lru_cache(maxsize=8)  # the trials of one worker share the networks of its seeds
def _trained(seed: int, data: str, device: str) -> tuple[State, State]:
    """The state of a network trained as the course's are, and what it was early in the training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LeNet().to(device)
    early: dict[str, Tensor] = {}

    def before_step(progress: float) -> None:
        if progress >= EARLY and not early:
            early.update({name: tensor.clone() for name, tensor in model.state_dict().items()})

    fit(model, DATA[data](), seed=seed, before_step=before_step)
    return model.state_dict(), early
