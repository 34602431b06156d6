"""DigitPad: draw a digit, and see what a network and its pruned copy read in it."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor, nn

from prune_lab import plots, prune
from prune_lab.prune.amounts import count
from prune_lab.training import one_thread
from prune_lab.widgets.choosing import Choosing
from prune_lab.widgets.dialogue import Layout
from prune_lab.widgets.frontend import script
from prune_lab.widgets.parameters import Parameters
from prune_lab.widgets.strokes import fitted, strokes
from prune_lab.widgets.techniques import Ranking, Technique
from prune_lab.widgets.trial import Trial

PORTION = 500  # images looked through at once; what takes longer goes on in the background


class DigitPad(Choosing):
    """Draw a digit; the network and a pruned copy of it answer side by side.

    Pruned are the weights of all layers, not the biases, and only in a copy: the model is read
    and nothing else. The panel looks at it again after every executed cell; in plain Python call
    ``refresh()``. If the model is pruned already, its copy is pruned further.

    The pad draws with ink from 0 to 1. For the network 0 becomes the lowest value in the data's
    images and 1 the highest, so bright strokes on a dark ground, as in MNIST, are its ink. The
    pen is as thick and as soft as the strokes in the data, and the dashed frame as large as the
    data's digits: a network that never saw a small digit cannot read one.

    Attributes:
        technique: name of a function in ``prune_lab.prune`` that prunes by a fraction: over the
            whole model, or in each layer (structured ones with n=2 and dim=0); or of the class
            that was given.
        amount: float from 0 to 1, the fraction of the weights that goes.
        seed: for the random techniques: what ``torch.manual_seed`` is given for each layer.
        image: the ink, H x W float32 as bytes, row by row.
        label: the class of the digit that was loaded; None once it is drawn over, or by hand.
        dense: the network's probability for each class (softmax of its logits); empty for an
            empty pad.
        pruned: the pruned network's, likewise.
        counts: how many weights are pruned, how many of these were so in the model already, and
            how many there are.

    Args:
        model: any classifier of 1 x H x W images that answers with logits, (N, classes).
        data: ends in images (N, 1, H, W) and labels (N,), such as ``load_digits()``.
        technique: one of those names, or a subclass of ``BasePruningMethod`` of your own, whose
            constructor takes an ``amount``.
        layout: of the panel, as every ipywidget takes it.

    Raises:
        TypeError: no module, or data that does not end in two tensors.
        ValueError: images, labels and the model's answer do not fit together, or a setting is
            out of its range.

    >>> from prune_lab.data import load_digits
    >>> from prune_lab.lenet import LeNet
    >>> _ = torch.manual_seed(0)
    >>> pad = DigitPad(LeNet(), load_digits(), amount=0.0)
    >>> pad.counts, pad.dense == pad.pruned
    ((0, 0, 61470), True)
    >>> pad.clear()
    >>> pad
    DigitPad(technique='global_unstructured', amount=0.0, dense=None, pruned=None)
    """

    _esm = script("digit_pad.js")
    _controls = ("technique", "amount", "seed", "image", "label")
    _buttons = ("real", "broken")
    _linked = ("amount",)

    technique = traitlets.Unicode("global_unstructured", help="how weights are chosen")
    amount = traitlets.Float(0.9, help="fraction of the weights, 0 to 1").tag(
        sync=True, echo_update=False
    )
    image = traitlets.Bytes(help="float32 ink from 0 to 1, row by row").tag(sync=True)
    label = traitlets.Int(None, allow_none=True, help="class of the loaded digit")
    seen = traitlets.Bytes(
        help="float32, what the networks read: the image, or drawn ink fitted"
    ).tag(sync=True)
    dense = traitlets.List(traitlets.Float(), help="the model's probabilities").tag(sync=True)
    pruned = traitlets.List(traitlets.Float(), help="the pruned copy's probabilities").tag(
        sync=True
    )
    counts = traitlets.Tuple(
        traitlets.Int(),
        traitlets.Int(),
        traitlets.Int(),
        default_value=(0, 0, 0),
        help="weights pruned, of these in the model already, weights in all",
    ).tag(sync=True)

    # What the browser needs beside these
    size = traitlets.Tuple(
        traitlets.Int(), traitlets.Int(), default_value=(1, 1), help="of the image: height, width"
    ).tag(sync=True)
    classes = traitlets.Int(help="how many").tag(sync=True)
    pen = traitlets.Tuple(
        traitlets.Float(),
        traitlets.Float(),
        default_value=(1.0, 1.0),
        help="pixels: a stroke's width at half its ink, and how wide its soft edge is",
    ).tag(sync=True)
    frame = traitlets.Tuple(
        *[traitlets.Float()] * 4,
        default_value=(0.0, 0.0, 1.0, 1.0),
        help="pixels: left, top, right and bottom of the data's typical digit",
    ).tag(sync=True)

    def __init__(
        self,
        model: nn.Module,
        data: Sequence[Tensor],
        *,
        technique: str | type[prune.BasePruningMethod] = "global_unstructured",
        amount: float = 0.9,
        seed: int = 1,
        layout: Layout = None,
    ) -> None:
        self._parameters, self._data = Parameters(model), data
        # JupyterLab may hand over what the browser sends in a thread of its own, beside the cells.
        self._answering = threading.RLock()
        self._asked: object = None  # what the networks were asked last
        self._at = -1  # the digit that was loaded last
        self._real = b""  # its ink, which the networks read as it is
        self._look()
        images, labels = self._trial.images, self._trial.labels
        classes = _classes(self._trial)
        self._low, self._high = float(images.min()), float(images.max())
        if not self._low < self._high:
            raise ValueError("the images have no ink: all their values are alike, or NaN")
        super().__init__(layout)
        self.size = tuple(images.shape[2:])
        self.classes = classes
        self.pen, self.frame = strokes(self._ink(images[:1000]))
        self.technique = self._take_technique(technique)
        self.techniques = self._menu()
        self.amount, self.seed = amount, seed
        self.observe(self._forget_label, "image")
        self.observe(self._answer_again, ["image", "technique", "amount", "seed"])
        self.real()

    # What the reader asks

    def clear(self) -> None:
        """Empty the pad."""
        self.image = bytes(4 * math.prod(self.size))

    def real(self) -> None:
        """Load the next real digit: the data's images in their order, then from the start."""
        self._load((self._at + 1) % len(self._trial.labels))

    def broken(self) -> None:
        """Load the next digit that the dense network reads right and the pruned one wrong.

        Where there is none at this amount, ``message`` says so. A long search goes on in the
        background; any change of image, amount or model stops it.
        """
        self._background.cancel()
        search = self._search()
        looked, found = next(search)
        self._report((looked, found))
        if found is None and looked < len(self._trial.labels):
            self._background.start(search, self._report, self._fail)

    def refresh(self) -> None:
        """Look at the model again; after each executed cell this happens by itself."""
        if not self._parameters.changed():
            return
        self._background.cancel()
        with self._answering, self._nothing_stale():
            self._parameters.look()
            self._look()
            self._ask_anew()

    # The networks

    def _look(self) -> None:
        """Take the model as it is now."""
        parameters = self._parameters
        weights = {name: parameters[name] for name in parameters.checked_weights()}
        self._trial = Trial(parameters.model, self._data)
        self._values = {name: place.values.clone() for name, place in weights.items()}
        self._masks = {
            name: None if place.mask is None else place.mask.clone()
            for name, place in weights.items()
        }
        self._ranked: tuple[object, list[Ranking]] = (None, [])

    def _answer_again(self, change: object) -> None:
        with self._in_the_panel():
            self._answer()

    def _answer(self) -> None:
        """Ask both networks, unless they were asked the same before."""
        self._background.cancel()  # before the lock: what it reports is answered too
        with self._answering, self._nothing_stale():
            self._ask_anew()

    def _ask_anew(self) -> None:
        asked = (self.image, self.technique, self.amount, self.seed, self._trial)
        if asked != self._asked:
            with one_thread():
                self._ask_both()
            self._asked = asked

    @contextmanager
    def _nothing_stale(self) -> Iterator[None]:
        """Where the networks cannot be asked, the answers of before must not stay."""
        try:
            yield
        except Exception:
            self._asked = None
            self.dense, self.pruned = [], []
            raise

    def _ask_both(self) -> None:
        ink = torch.frombuffer(bytearray(self.image), dtype=torch.float32).view(self.size)
        if self.image != self._real:  # drawn, or drawn over
            ink = fitted(ink, self.frame, self.pen[0])
        image = ink.view(1, 1, *self.size)
        values, kept = self._pruned_weights()
        dense, pruned = (self._ask(v, image) if ink.any() else [] for v in ({}, values))
        total = sum(tensor.numel() for tensor in values.values())
        before = sum(int((mask == 0).sum()) for mask in self._masks.values() if mask is not None)
        with self.hold_sync():
            self.seen = ink.contiguous().numpy().tobytes()
            self.dense, self.pruned = dense, pruned
            self.counts = (total - kept, before, total)
            if self.message:
                self._say("")

    def _ask(self, values: dict[str, Tensor], image: Tensor) -> list[float]:
        probabilities = self._logits(self._trial, values, image).softmax(1)
        if not bool(probabilities.isfinite().all()):
            raise ValueError(
                "the network's answer is not a number: it holds NaN or infinite values"
            )
        return [float(p) for p in probabilities[0]]

    def _logits(self, trial: Trial, values: dict[str, Tensor], ink: Tensor) -> Tensor:
        """(N, 1, H, W) ink to (N, classes) logits, on the CPU."""
        images = self._low + ink * (self._high - self._low)
        return trial.logits(values, images).float().cpu()

    def _pruned_weights(self) -> tuple[dict[str, Tensor], int]:
        """The weights, zeros where they are pruned, and how many are kept."""
        chosen = (self.technique, self.seed)
        if self._ranked[0] != chosen:
            self._ranked = (chosen, self._rank())
        kept: dict[str, Tensor] = {}
        for ranking in self._ranked[1]:
            kept.update(ranking.masks(count(self.amount, ranking.units)))
        values = {name: tensor.where(kept[name], 0) for name, tensor in self._values.items()}
        return values, sum(int(mask.sum()) for mask in kept.values())

    def _rank(self) -> list[Ranking]:
        technique, settings = self._chosen, self._settings()
        together = (tuple(technique.looks_at(name, self._parameters)) for name in self._values)
        return [
            technique.rank({name: self._values[name] for name in group}, self._masks, settings)
            for group in dict.fromkeys(together)
        ]

    def _offers(self, technique: Technique) -> bool:
        return "fraction" in technique.ways

    def _menu(self) -> list[dict[str, Any]]:
        return [
            entry
            if self._all[entry["value"]].whole_model
            else {**entry, "label": f"{entry['label']} in each layer"}
            for entry in super()._menu()
        ]

    # The digits

    def _ink(self, images: Tensor) -> Tensor:
        return ((images.float() - self._low) / (self._high - self._low)).clamp(0, 1)

    def _load(self, at: int) -> None:
        ink = self._ink(self._trial.images[at]).cpu()
        self._at = at
        self._real = ink.contiguous().numpy().tobytes()
        with self.hold_sync():
            self.image = self._real
            self.label = int(self._trial.labels[at])

    def _search(self) -> Iterator[tuple[int, int | None]]:
        """Go through the digits after the present one; yields how many so far, and the find."""
        with self._answering:
            trial, (values, _) = self._trial, self._pruned_weights()
        total = len(trial.labels)
        order = (torch.arange(total) + self._at + 1) % total
        looked = 0
        for portion in order.split(PORTION):
            ink = self._ink(trial.images[portion])  # as the pad would hold it
            labels = trial.labels[portion].cpu()
            with one_thread():
                right = self._logits(trial, {}, ink).argmax(1) == labels
                wrong = self._logits(trial, values, ink).argmax(1) != labels
            looked += len(portion)
            broken = portion[right & wrong]
            yield looked, int(broken[0]) if len(broken) else None
            if len(broken):
                return

    def _report(self, step: tuple[int, int | None]) -> None:
        looked, found = step
        total = len(self._trial.labels)
        if found is not None:
            self._load(found)
        elif looked < total:
            self._say(f"Looking for one: {looked:,} of {total:,} digits so far.")
        else:
            self._say(
                f"None of the {total:,} digits breaks at this amount: "
                "whatever the dense network reads, the pruned one reads too."
            )

    def _fail(self, error: Exception) -> None:
        with self._in_the_panel():
            raise error

    def _stand(self) -> dict[str, Any]:
        stand = super()._stand()
        del stand["image"]  # it goes beside the answer, as bytes
        return stand

    def _forget_label(self, change: object) -> None:
        self.label = None  # whoever loads a digit sets it after the image

    # Checks

    @traitlets.validate("amount")
    def _check_amount(self, proposal: traitlets.Bunch) -> float:
        if not 0 <= proposal.value <= 1:
            raise ValueError(
                f"amount={proposal.value} should be a fraction of the weights, from 0.0 to 1.0"
            )
        return float(proposal.value)

    @traitlets.validate("image")
    def _check_image(self, proposal: traitlets.Bunch) -> bytes:
        fits = len(proposal.value) == 4 * math.prod(self.size)
        ink = np.frombuffer(proposal.value, "<f4") if fits else np.full(1, -1.0)
        if not bool(((ink >= 0) & (ink <= 1)).all()):  # NaN is neither
            height, width = self.size
            raise ValueError(
                f"image should be the bytes of {height} × {width} float32 numbers from 0 to 1"
            )
        return bytes(proposal.value)

    # How it shows itself without a browser

    def __repr__(self) -> str:
        return (
            f"DigitPad(technique={self.technique!r}, amount={self.amount!r}, "
            f"dense={_winner(self.dense)}, pruned={_winner(self.pruned)})"
        )

    def _figure(self) -> Figure:
        figure = Figure(figsize=(8.4, 3.2), layout="constrained")
        pad, *charts = figure.subplots(1, 3)
        ink = np.frombuffer(self.image, "<f4").reshape(self.size)
        pad.imshow(ink, cmap="gray_r", vmin=0, vmax=1)
        pad.set_xticks([])
        pad.set_yticks([])
        pad.set_title("" if self.label is None else f"a real {self.label}", fontsize=11)
        gone, before, total = self.counts
        names = ["as it is" if before else "dense", f"{gone:,} of {total:,} pruned"]
        for chart, name, answer in zip(charts, names, (self.dense, self.pruned), strict=True):
            winner = _winner(answer)
            colours = [plots.PRUNED_HATCH] * self.classes
            if winner is not None:
                colours[winner] = plots.RAMP[0]
            chart.barh(range(self.classes), answer or [0.0] * self.classes, color=colours)
            chart.set_xlim(0, 1)
            chart.invert_yaxis()
            if self.classes <= 20:
                chart.set_yticks(range(self.classes))
            chart.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
            chart.spines[["top", "right"]].set_visible(False)
            says = "" if winner is None else f"\nsays {winner}, {answer[winner]:.0%}"
            chart.set_title(f"{name}{says}", fontsize=11)
        return figure


def _winner(answer: list[float]) -> int | None:
    """The likeliest class; the first of equals, as in torch's argmax."""
    return answer.index(max(answer)) if answer else None


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
