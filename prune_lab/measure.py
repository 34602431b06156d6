"""What a model costs: weights, multiplications, bytes, milliseconds; and what it gets right."""

from __future__ import annotations

import copy
import io
import statistics
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from prune_lab import prune
from prune_lab.training import evaluate, one_thread

SHIFTS = [(down, right) for down in (-3, 0, 3) for right in (-3, 0, 3)]  # pixels


@dataclass(frozen=True)
class Size:
    """How large a model is.

    Attributes:
        parameters: the entries of all parameters, pruned or not; a shared one counts once.
        kept: those that are not zero, under their mask or by themselves.
        macs: multiplications (each with an addition) for one image, zeros included.
        memory: bytes of all tensors the modules hold: parameters, buffers such as masks, and the
            masked ``weight``, which is neither.
        plain: bytes of the state dict, saved by ``torch.save``.
        zipped: the same, compressed by zlib.
        sparse: bytes of the parameters, saved with only their entries that are not zero
            (``Tensor.to_sparse``), where that is less.
    """

    parameters: int
    kept: int
    macs: int
    memory: int
    plain: int
    zipped: int
    sparse: int


def size(model: nn.Module, images: Tensor) -> Size:
    """Measure how large a model is; the model is left as it was.

    Args:
        model: any, on the CPU; masks count.
        images: what it reads, (N, ...): the multiplications are counted on them, for one of them.

    >>> from prune_lab.lenet import LeNet
    >>> measured = size(LeNet(), torch.zeros(1, 1, 32, 32))
    >>> measured.parameters, measured.macs
    (61706, 416520)
    """
    state = model.state_dict()
    removed = _without_masks(model)
    parameters = list(removed.parameters())
    return Size(
        parameters=sum(parameter.numel() for parameter in parameters),
        kept=sum(int(parameter.count_nonzero()) for parameter in parameters),
        macs=macs(model, images),
        memory=memory(model),
        plain=len(_saved(state)),
        zipped=len(zlib.compress(_saved(state), level=9)),
        sparse=len(_saved({name: _thin(value) for name, value in removed.state_dict().items()})),
    )


def macs(model: nn.Module, images: Tensor) -> int:
    """Count the multiplications that the model does for one image, zeros included.

    Torch's own counter (``torch.utils.flop_counter``) counts a multiplication and its addition as
    two operations; matrix products and convolutions count, all else is left out.
    """
    with _at_rest(model), FlopCounterMode(display=False) as counter:
        model(images)
    return int(counter.get_total_flops()) // 2 // len(images)


def memory(model: nn.Module) -> int:
    """Count the bytes of all tensors that the model's modules hold.

    That is more than ``state_dict()`` says: a pruned module also holds the masked ``weight``.
    Tensors that share their memory count once.
    """
    storages = {}
    for module in model.modules():
        held = [*module._parameters.values(), *module._buffers.values(), *vars(module).values()]
        for tensor in held:
            if isinstance(tensor, Tensor):
                storage = tensor.untyped_storage()
                storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


@dataclass(frozen=True)
class Latency:
    """Milliseconds for one batch: the median, and the quartiles below and above it."""

    median: float
    lower: float
    upper: float

    def __repr__(self) -> str:
        return f"{self.median:.3f} ms ({self.lower:.3f} to {self.upper:.3f})"


def latency(runs: Mapping[str, Callable[[], object]], rounds: int = 50) -> dict[str, Latency]:
    """Time several things that are to be compared, on one thread.

    In each round everything has its turn, in an order that changes, so that a machine that becomes
    busy or warm slows all of them alike. Two rounds go before that are not counted.

    >>> images, model = torch.zeros(1, 1, 32, 32), nn.Conv2d(1, 1, 3)
    >>> times = latency({"one": lambda: model(images), "two": lambda: model(images)}, rounds=3)
    >>> sorted(times)
    ['one', 'two']
    """
    if rounds < 1:
        raise ValueError(f"rounds must be 1 or more, but got {rounds}")
    times: dict[str, list[float]] = {name: [] for name in runs}
    order = list(runs)
    with one_thread(), torch.no_grad():
        for number in range(-2, rounds):
            order.append(order.pop(0))
            for name in order:
                start = time.perf_counter()
                runs[name]()
                if number >= 0:
                    times[name].append((time.perf_counter() - start) * 1000)
    return {name: _latency(values) for name, values in times.items()}


def _latency(values: list[float]) -> Latency:
    if len(values) == 1:
        return Latency(values[0], values[0], values[0])
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return Latency(median, lower, upper)


def shifted_accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the mean accuracy over the images moved by -3, 0, 3 pixels each way, 0 to 1.

    Nine times as many images make a finer measure than `evaluate`, and one that falls earlier when
    a model is pruned: what leaves on one side enters on the other, as in training.
    """
    return statistics.fmean(
        evaluate(model, images.roll(shift, dims=(2, 3)), labels) for shift in SHIFTS
    )


def _without_masks(model: nn.Module) -> nn.Module:
    model = copy.deepcopy(model)
    for module in model.modules():
        for name in [
            key.removesuffix("_orig") for key in module._parameters if key.endswith("_orig")
        ]:
            if prune.is_pruned(module) and f"{name}_mask" in module._buffers:
                prune.remove(module, name)
    return model


def _saved(state: Mapping[str, object]) -> bytes:
    file = io.BytesIO()
    torch.save(dict(state), file)
    return file.getvalue()


def _thin(tensor: Tensor) -> Tensor:
    sparse = tensor.to_sparse()
    smaller = len(_saved({"": sparse})) < len(_saved({"": tensor}))
    return sparse if smaller else tensor.clone()


@contextmanager
def _at_rest(model: nn.Module) -> Iterator[None]:
    was = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in was.items():
            module.training = mode
