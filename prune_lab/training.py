"""Train a model on digits, and measure how many it reads correctly."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm

from prune_lab.data import Digits

_BATCH_SIZE = 32
_LARGEST_SHIFT = 3  # pixels


@dataclass(frozen=True)
class History:
    """What `fit` saw in each epoch: the mean training loss, then the validation accuracy."""

    losses: tuple[float, ...]
    accuracies: tuple[float, ...]

    def __repr__(self) -> str:
        rows = [
            f"{epoch:5}  {loss:6.3f}  {accuracy:18.1%}"
            for epoch, (loss, accuracy) in enumerate(
                zip(self.losses, self.accuracies, strict=True), start=1
            )
        ]
        return "\n".join(["epoch    loss  validation accuracy", *rows])


def fit(
    model: nn.Module,
    digits: Digits,
    epochs: int = 12,
    seed: int = 0,
    learning_rate: float = 3e-3,
    before_step: Callable[[float], object] | None = None,
    device: torch.device | str | None = None,
) -> History:
    """Train `model` in place on the training digits and return the course of loss and accuracy.

    Adam on the cross-entropy, in batches of 32; the learning rate rises to `learning_rate` and
    falls to almost 0 again (``OneCycleLR``). Every batch is shifted by up to three pixels in each
    direction, or 1,197 images would be learned by heart. `seed` decides the order of the images
    and the shifts; torch's global random numbers are neither used nor changed.

    The same model, digits and seed give the same weights again on the same machine, however many
    threads torch may use. The course's baseline reads 99 % of the test digits:

    ``torch.manual_seed(0); model = LeNet(); fit(model, load_digits())``

    A pruned model can be trained as well. What is trained then is ``weight_orig``; a masked entry
    has gradient 0, so that Adam leaves it where it is. To prune *while* it is trained, give
    `before_step`: it is called before each step with how much of the training is done, from 0 to
    below 1. Prune everything once before, with amount 0: a mask may grow during training, but the
    parameter that Adam holds must stay the same.

    With a `device`, such as ``"cuda"``, the model is moved there first, and stays there; without,
    it is trained where it is. The numbers that are drawn are the same on every device.

    A progress bar shows while it runs (set the environment variable ``TQDM_DISABLE=1`` for none).
    Interrupt it and the model keeps what it has learned so far.

    Raises TypeError for a model or digits of another kind, ValueError for epochs below 1, a
    learning rate that is not positive, or a model without anything to train.

    >>> from prune_lab.data import load_digits
    >>> from prune_lab.lenet import LeNet
    >>> _ = torch.manual_seed(0)
    >>> model, digits = LeNet(), load_digits()
    >>> history = fit(model, digits, epochs=1)
    >>> len(history.losses), history.accuracies[-1] == evaluate(
    ...     model, digits.validation_images, digits.validation_labels
    ... )
    (1, True)
    """
    _must_be_model(model)
    if not isinstance(digits, Digits):
        raise TypeError(
            "digits must be what load_digits() or load_mnist() returns, "
            f"but got {type(digits).__name__}"
        )
    if isinstance(epochs, bool) or not isinstance(epochs, int):
        raise TypeError(f"epochs must be a whole number, but got {epochs!r}")
    if epochs < 1:
        raise ValueError(f"epochs must be 1 or more, but got {epochs}")
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be above 0, but got {learning_rate}")
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("the model has no parameter that requires a gradient: nothing to train")

    if device is not None:
        model.to(device)
    device = parameters[0].device
    images, labels = digits.train_images.to(device), digits.train_labels.to(device)
    validation = digits.validation_images, digits.validation_labels
    batches = -(-len(images) // _BATCH_SIZE)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(parameters)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=learning_rate, total_steps=epochs * batches
    )
    losses, accuracies = [], []
    with _mode(model, training=True), one_thread(), _progress(epochs * batches) as bar:
        for epoch in range(1, epochs + 1):
            total = 0.0
            order = torch.randperm(len(images), generator=generator)
            for chosen in torch.split(order, _BATCH_SIZE):
                if before_step is not None:
                    before_step(schedule.last_epoch / (epochs * batches))
                batch = _shifted(images[chosen], generator)
                loss = F.cross_entropy(model(batch), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += loss.item() * len(chosen)
                bar.update()
            losses.append(total / len(images))
            accuracies.append(evaluate(model, *validation))
            bar.set_description(f"epoch {epoch}: accuracy {accuracies[-1]:.1%}")
    return History(tuple(losses), tuple(accuracies))


def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the accuracy of `model`: the fraction of `images` it labels correctly, 0 to 1.

    `images` are float of shape (N, 1, 32, 32), `labels` int64 of shape (N,). The model is left as
    it was: it is put into evaluation mode for this call alone, and no gradients are recorded.

    Raises TypeError for a model of another kind, ValueError when there is not one label for each
    image, or no image at all.

    >>> from prune_lab.data import load_digits
    >>> digits = load_digits()
    >>> always_seven = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10))
    >>> for parameter in always_seven.parameters():
    ...     _ = nn.init.zeros_(parameter)
    >>> always_seven[1].bias.data[7] = 1
    >>> evaluate(always_seven, digits.test_images, digits.test_labels)
    0.1
    """
    _must_be_model(model)
    if len(images) != len(labels) or len(images) == 0:
        raise ValueError(
            "evaluate needs one label for each image and at least one of both, "
            f"but got {len(images)} images and {len(labels)} labels"
        )
    device = next((p.device for p in model.parameters()), images.device)
    correct = 0
    with at_rest(model):
        # In portions, because MNIST's 10,000 test images at once would need 200 MB inside LeNet.
        for portion in torch.split(torch.arange(len(images)), 1000):
            guesses = model(images[portion].to(device)).argmax(dim=1)
            correct += int((guesses == labels[portion].to(device)).sum())
    return correct / len(images)


def _must_be_model(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a torch.nn.Module, but got {type(model).__name__}")


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift all images of a batch the same way; what leaves on one side enters on the other."""
    shift = torch.randint(-_LARGEST_SHIFT, _LARGEST_SHIFT + 1, (2,), generator=generator)
    return images.roll(shift.tolist(), dims=(2, 3))


@contextmanager
def _mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Switch to training or evaluation mode, and give each submodule its own mode back."""
    before = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, mode in before.items():
            module.training = mode


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Use the model as it is: in evaluation mode, and no gradients are recorded.

    >>> model = nn.Dropout()
    >>> with at_rest(model):
    ...     model.training, torch.is_grad_enabled()
    (False, False)
    >>> model.training
    True
    """
    with _mode(model, training=False), torch.no_grad():
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch on one core: an image, or a batch of 32, is too little work for two to share.

    Threads that wait for each other cost more than they bring, on a busy machine seven times as
    much, and the sums would be rounded differently with every number of them.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _progress(steps: int) -> tqdm[None]:
    # tqdm's bar for notebooks is the one that does not heed TQDM_DISABLE by itself.
    disable = os.environ.get("TQDM_DISABLE", "0") not in ("", "0")
    # leave=False: a finished bar holds the time it took, which no two runs share.
    return tqdm(total=steps, leave=False, disable=disable)
