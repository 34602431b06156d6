"""What a model costs: weights, multiplications, bytes, milliseconds; and what it gets right."""

from __future__ import annotations

import io
import statistics
import time
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from prune_lab.data import Digits
from prune_lab.plots import Chart, plot_shares
from prune_lab.training import at_rest, evaluate, one_thread

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

    @property
    def sparsity(self) -> float:
        """The fraction of the parameters that are zero, 0 to 1; 0 where there are none."""
        return 1 - self.kept / self.parameters if self.parameters else 0.0


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
    saved = _saved(state)
    return Size(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        kept=sum(
            int(_masked(name, parameter, state).count_nonzero())
            for name, parameter in model.named_parameters()
        ),
        macs=macs(model, images),
        memory=memory(model),
        plain=len(saved),
        zipped=len(zlib.compress(saved, level=9)),
        sparse=len(_saved(_thin(state))),
    )


def macs(model: nn.Module, images: Tensor) -> int:
    """Count the multiplications that the model does for one image, zeros included.

    Torch's own counter (``torch.utils.flop_counter``) counts a multiplication and its addition as
    two operations; matrix products and convolutions count, all else is left out.

    >>> macs(nn.Conv2d(1, 6, 5), torch.zeros(2, 1, 32, 32))  # 6 x 28 x 28 results of 25 each
    117600
    """
    with at_rest(model), FlopCounterMode(display=False) as counter:
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


# The seconds that the processor has spent on this thread. Other programs do not slow all things
# alike: a long run is interrupted more often than a short one, and beside six busy processes a
# network that takes 1.8 times as long seemed to take 1.7 to 5.6 times as long. Windows has such a
# clock in steps of 16 ms alone: there it is the one on the wall.
_CLOCK = time.thread_time if hasattr(time, "CLOCK_THREAD_CPUTIME_ID") else time.perf_counter


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

    The time is what the processor spends on this thread: on a machine that has nothing else to do,
    that is how long one waits. What other programs take meanwhile is not in it (on Windows it is),
    and neither is what a GPU or another thread does: for those use a clock of your own.

    In each round everything has its turn, in an order that changes, so that a processor that
    becomes warm slows all of them alike. Two rounds go before that are not counted.

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
                start = _CLOCK()
                runs[name]()
                if number >= 0:
                    times[name].append((_CLOCK() - start) * 1000)
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


@dataclass(frozen=True)
class Energy:
    """Joules for one image, and where the number comes from: measured, or estimated."""

    joules: float
    source: str

    def __repr__(self) -> str:
        return f"{self.joules * 1e6:.3g} µJ ({self.source})"


# M. Horowitz: Computing's energy problem (and what we can do about it), ISSCC 2014, figure 1.1.9,
# 45 nm, 0.9 V: picojoules for 32 bits of floating point, and of memory.
_MULTIPLY, _ADD, _CACHE_WORD, _DRAM_WORD = 3.7, 0.9, 5.0, 640.0
_ESTIMATE = "estimated, Horowitz 2014, 45 nm"
_RAPL = Path("/sys/class/powercap")


def estimated_energy(measured: Size) -> Energy:
    """Estimate what one image costs: its multiplications, and all that is held from DRAM once.

    Each multiplication and addition of 32 bits takes 4.6 pJ and a word from an 8 KiB cache 5 pJ;
    a word that comes from DRAM takes 640 pJ. Zeros and masks are fetched and multiplied like all
    else. Where the weights stay in a cache, it is less.

    Source: M. Horowitz: Computing's energy problem (and what we can do about it), ISSCC 2014.

    >>> from prune_lab.lenet import LeNet
    >>> estimated_energy(size(LeNet(), torch.zeros(1, 1, 32, 32)))
    43.5 µJ (estimated, Horowitz 2014, 45 nm)
    """
    each = _MULTIPLY + _ADD + _CACHE_WORD
    picojoules = measured.macs * each + measured.memory / 4 * _DRAM_WORD
    return Energy(picojoules * 1e-12, _ESTIMATE)


def measured_energy(run: Callable[[], object], images: int, seconds: float = 1.0) -> Energy | None:
    """Measure what one image costs on this machine's processor, all that runs on it included.

    Linux shows a processor's own counter of energy (RAPL) in ``/sys/class/powercap``, often to the
    administrator alone. Returns None where it cannot be read.

    Args:
        run: what is measured, such as ``lambda: model(batch)``; it is repeated.
        images: how many images one run reads.
        seconds: how long it is repeated.
    """
    before = _microjoules()
    if before is None:
        return None
    runs, end = 0, time.perf_counter() + seconds
    with one_thread(), torch.no_grad():
        while runs == 0 or time.perf_counter() < end:
            run()
            runs += 1
    after = _microjoules()
    if after is None or after < before:  # the counter began again
        return None
    return Energy((after - before) * 1e-6 / (runs * images), "measured, RAPL")


def _microjoules() -> int | None:
    """The counters of all processors; their parts, such as intel-rapl:0:1, are in them already."""
    try:
        packages = [path for path in _RAPL.glob("intel-rapl:*") if path.name.count(":") == 1]
        counters = [int((path / "energy_uj").read_text()) for path in packages]
    except (OSError, ValueError):
        return None
    return sum(counters) if counters else None


@dataclass(frozen=True)
class Row:
    """One model of a `Comparison`. Accuracies are 0 to 1, `images` how many the first is of."""

    name: str
    size: Size
    one: Latency
    batch: Latency
    energy: Energy
    images: int
    accuracy: float
    shifted: float


@dataclass(frozen=True)
class Comparison:
    """What several models cost and what they get right, as a table; `figure` draws it."""

    rows: tuple[Row, ...]

    def _cells(self) -> list[list[str]]:
        head = ["", "kept", "of", "MACs", "memory", "file", "zipped", "sparse", "1 image"]
        head += ["64 images", "energy", "right", "shifted"]
        return [head, *map(_row_cells, self.rows)]

    def __repr__(self) -> str:
        cells = self._cells()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                cell.ljust(width) if number == 0 else cell.rjust(width)
                for number, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]
        return "\n".join([*lines, self._note()])

    def _repr_html_(self) -> str:
        head, *rows = [
            "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in line)
            for line, tag in zip(self._cells(), ["th", *["td"] * len(self.rows)], strict=True)
        ]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{escape(self._note())}</p>"
        )

    def _note(self) -> str:
        return f"Energy: {self.rows[0].energy.source}. Sizes are bytes."

    def figure(self) -> Chart:
        """Draw each cost as a share of the first model's, and the shifted accuracy beside it."""
        first = self.rows[0]
        shares = {
            row.name: [
                row.size.kept / first.size.kept,
                row.size.macs / first.size.macs,
                row.size.memory / first.size.memory,
                row.size.zipped / first.size.zipped,
                row.batch.median / first.batch.median,
                row.shifted,
            ]
            for row in self.rows
        }
        labels = ["kept", "MACs", "memory", "zipped file", "time, 64", "shifted accuracy"]
        return plot_shares(shares, labels, f"each as a share of {first.name}; accuracy as it is")


def compare(models: Mapping[str, nn.Module], data: Digits, rounds: int = 30) -> Comparison:
    """Measure several models side by side: what they cost, and what they get right.

    Latencies are of one test image and of 64, on one thread, the models taking turns; energy is
    measured where the machine shows it, else estimated for all. The models are left as they were.

    Args:
        models: by the name that the table shows, on the CPU; the first is what others are held to.
        data: its test digits are read.
        rounds: how often each is timed.

    Raises ValueError for no models, TypeError for one that is no ``nn.Module``.
    """
    if not models:
        raise ValueError("compare needs at least one model")
    for name, model in models.items():
        if not isinstance(model, nn.Module):
            raise TypeError(f"{name} must be a torch.nn.Module, but got {type(model).__name__}")
    one, batch = data.test_images[:1], data.test_images[:64]
    with ExitStack() as stack:
        for model in models.values():
            stack.enter_context(at_rest(model))
        ones = latency({name: partial(model, one) for name, model in models.items()}, rounds)
        batches = latency({name: partial(model, batch) for name, model in models.items()}, rounds)
        sizes = {name: size(model, one) for name, model in models.items()}
        energies = [measured_energy(partial(model, batch), len(batch)) for model in models.values()]
    rows = []
    for (name, model), energy in zip(models.items(), energies, strict=True):
        estimate = None in energies or energy is None
        rows.append(
            Row(
                name,
                sizes[name],
                ones[name],
                batches[name],
                estimated_energy(sizes[name]) if estimate or energy is None else energy,
                len(data.test_labels),
                evaluate(model, data.test_images, data.test_labels),
                shifted_accuracy(model, data.test_images, data.test_labels),
            )
        )
    return Comparison(tuple(rows))


def _row_cells(row: Row) -> list[str]:
    measured = row.size
    numbers = [measured.kept, measured.parameters, measured.macs, measured.memory]
    numbers += [measured.plain, measured.zipped, measured.sparse]
    return [
        row.name,
        *(f"{number:,}" for number in numbers),
        f"{row.one.median:.3f} ms",
        f"{row.batch.median:.3f} ms",
        f"{row.energy.joules * 1e6:.3g} µJ",
        f"{round(row.accuracy * row.images)} of {row.images}",
        f"{row.shifted:.1%}",
    ]


def _masked(name: str, tensor: Tensor, state: Mapping[str, Tensor]) -> Tensor:
    """An entry of a state dict under its mask, if it has one."""
    mask = state.get(f"{name.removesuffix('_orig')}_mask") if name.endswith("_orig") else None
    return tensor.detach() if mask is None else tensor.detach() * mask


def _thin(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without its masks, what is mostly zero as sparse tensors."""
    thin = {}
    for name, tensor in state.items():
        if f"{name.removesuffix('_mask')}_orig" not in state:
            full = _masked(name, tensor, state)
            sparse = full.to_sparse()
            smaller = len(_saved({"": sparse})) < len(_saved({"": full.clone()}))
            thin[name.removesuffix("_orig")] = sparse if smaller else full
    return thin


def _saved(state: Mapping[str, Tensor]) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()
