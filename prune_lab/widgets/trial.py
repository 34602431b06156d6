"""What would it cost? Values are tried on a copy of the model."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from prune_lab.training import evaluate
from prune_lab.widgets.parameters import clean


class Trial:
    """A copy of a model, as it is now, on which other values of some parameters are tried.

    Attributes:
        model: the copy, in evaluation mode, its pruning made permanent.
        images, labels: the last two parts of the data.

    Args:
        model: is copied, and left alone from then on.
        data: ends in images and labels: ``load_digits()``, whose test part comes last, or a pair
            of tensors.

    Raises:
        TypeError: ``data`` does not end in two tensors.

    >>> from prune_lab.data import load_digits
    >>> from prune_lab.lenet import LeNet
    >>> model = LeNet()
    >>> trial = Trial(model, load_digits())
    >>> trial.accuracy({"fc3.weight": torch.zeros(10, 84), "fc3.bias": torch.eye(10)[7]})
    0.1
    """

    def __init__(self, model: nn.Module, data: Sequence[Tensor]) -> None:
        self.images, self.labels = images_and_labels(data)
        with _Copying():
            self.model = clean(copy.deepcopy(model)).eval()
        self._in_use = threading.Lock()  # work that was stopped may still be in its last step

    def accuracy(self, values: Mapping[str, Tensor]) -> float:
        """Return the accuracy, 0 to 1, with these values in place of the model's own.

        Args:
            values: by unpruned parameter name, such as ``"conv1.weight"``; the shape of each.
        """
        with self.having(values) as model:
            return evaluate(model, self._as_read(self.images), self.labels)

    def logits(self, values: Mapping[str, Tensor], images: Tensor) -> Tensor:
        """Return what the model answers to ``images`` with these values in place of its own."""
        with self.having(values) as model, torch.no_grad():
            parameter = next(model.parameters())
            answer: Tensor = model(self._as_read(images).to(parameter.device))
            return answer

    def _as_read(self, images: Tensor) -> Tensor:
        """Return the images in the model's type: bfloat16 layers refuse float32."""
        kinds = {p.dtype for p in self.model.parameters() if p.is_floating_point()}
        return images.to(kinds.pop()) if len(kinds) == 1 and images.is_floating_point() else images

    @contextmanager
    def having(self, values: Mapping[str, Tensor]) -> Iterator[nn.Module]:
        """Give the model, with these values in place of its own meanwhile."""
        parameters = dict(self.model.named_parameters())
        with self._in_use:
            own = {name: parameters[name].data for name in values}
            try:
                for name, tensor in values.items():
                    parameters[name].data = tensor.to(own[name])
                yield self.model
            finally:
                for name, tensor in own.items():
                    parameters[name].data = tensor


class _Copying(TorchFunctionMode):
    """Has ``deepcopy`` copy the values of a tensor that was computed, which torch refuses.

    torch's own engine leaves such a weight behind when it prunes, until the next forward pass.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[0].detach().clone()
        return func(*args, **(kwargs or {}))


def paper_and_ink(images: Tensor) -> tuple[float, float]:
    """Return the values of paper, the lowest in the images, and of the darkest ink, the highest.

    Raises:
        ValueError: they are alike, or not numbers.
    """
    low, high = float(images.min()), float(images.max())
    if not low < high:
        raise ValueError("the images have no ink: all their values are alike, or NaN")
    return low, high


def images_and_labels(data: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return the last two parts of the data.

    Raises:
        TypeError: ``data`` does not end in two tensors.
    """
    pair = data[-2:] if isinstance(data, Sequence) else ()
    if len(pair) < 2 or not all(isinstance(part, Tensor) for part in pair):
        raise TypeError(
            "data should be what load_digits() returns, or a pair of tensors: images and labels"
        )
    images, labels = pair
    return images, labels
