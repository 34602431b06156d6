"""DigitPad: draw a digit, and see what a network and its pruned copy read in it."""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor, nn

from prune_lab import plots, prune
from prune_lab.training import one_thread
from prune_lab.widgets.answers import Networks
from prune_lab.widgets.choosing import Choosing
from prune_lab.widgets.dialogue import Layout
from prune_lab.widgets.frontend import script
from prune_lab.widgets.in_browser import Carried, InBrowser
from prune_lab.widgets.parameters import Parameters
from prune_lab.widgets.strokes import checked, fitted, strokes
from prune_lab.widgets.technique import Technique


class DigitPad(Choosing, InBrowser):
    """Draw a digit; the network and a pruned copy of it answer side by side.

    Pruned are the weights of all layers, not the biases, and only in a copy: the model is read
    and nothing else. The panel looks at it again after every executed cell; in plain Python call
    ``refresh()``. If the model is pruned already, its copy is pruned further.

    The pad draws with ink from 0 to 1. For the network 0 becomes the lowest value in the data's
    images and 1 the highest, so bright strokes on a dark ground, as in MNIST, are its ink. The
    pen is as thick and as soft as the strokes in the data. What is drawn is fitted into the frame
    of the data's digits before the networks read it: a network that never saw a small digit
    cannot read one.

    Attributes:
        technique: name of a function in ``prune_lab.prune`` that prunes by a fraction: over the
            whole model, or in each layer (structured ones with n=2 and dim=0); or of the class
            that was given.
        amount: float from 0 to 1, the fraction of the weights that goes.
        seed: for the random techniques: what ``torch.manual_seed`` is given for each layer.
        image: the ink, H x W float32 as bytes, row by row.
        label: the class of the digit that was loaded; None once it is drawn over, or by hand.
        seen: what the networks read, like ``image``: a digit of the data as it is, or drawn ink
            fitted into the data's frame.
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
    _worker = script("pad_worker.js")
    _controls = ("technique", "amount", "seed", "image", "label", "at")
    _buttons = ("real", "broken")
    _linked = ("amount",)

    amount = traitlets.Float(0.9, help="fraction of the weights, 0 to 1").tag(
        sync=True, echo_update=False
    )
    image = traitlets.Bytes(help="float32 ink from 0 to 1, row by row").tag(sync=True)
    label = traitlets.Int(None, allow_none=True, help="class of the loaded digit")
    at = traitlets.Int(-1, help="the digit of the data that was loaded last")
    seen = traitlets.Bytes(help="what the networks read, like image").tag(sync=True)
    dense = traitlets.List(traitlets.Float(), help="the model's probabilities").tag(sync=True)
    pruned = traitlets.List(traitlets.Float(), help="those of the pruned copy").tag(sync=True)
    counts = traitlets.Tuple(
        *[traitlets.Int()] * 3,
        default_value=(0, 0, 0),
        help="weights pruned, of these in the model already, weights in all",
    ).tag(sync=True)

    # What the browser needs beside these
    size = traitlets.Tuple((1, 1), help="of the image: height, width").tag(sync=True)
    classes = traitlets.Int(help="how many").tag(sync=True)
    pen = traitlets.Tuple((1.0, 1.0), help="pixels: width and soft edge").tag(sync=True)
    frame = traitlets.Tuple((0.0, 0.0, 1.0, 1.0), help="of the data's digits").tag(sync=True)

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
        self._real = b""  # its ink, which the networks read as it is
        self._networks = Networks(self._parameters, data)
        super().__init__(layout)
        images = self._networks.images[:1000]
        self.size = tuple(images.shape[2:])
        self.classes = self._networks.classes
        self.pen, self.frame = strokes(self._networks.ink(images))
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
        self._load((self.at + 1) % len(self._networks.labels))

    def broken(self) -> None:
        """Load the next digit that the dense network reads right and the pruned one wrong.

        Where there is none at this amount, ``message`` says so. A long search goes on in the
        background; any change of image, amount or model stops it.
        """
        self._background.cancel()
        with self._answering:
            search = self._networks.search(self._pruned()[0], self.at)
        looked, found = next(search)
        self._report((looked, found))
        if found is None and looked < len(self._networks.labels):
            self._background.start(search, self._report, self._say_error)

    def refresh(self) -> None:
        """Look at the model again; after each executed cell this happens by itself."""
        if not self._parameters.changed():
            return
        self._background.cancel()
        with self._answering, self._nothing_stale(), self.hold_sync():
            self._parameters.look()
            self._networks = Networks(self._parameters, self._data)
            self._answer()
            self._carry_on()

    def _choose(self, choices: dict[str, Any]) -> None:
        """Take the reader's choices; a digit of the data that the browser loaded is here, too."""
        at = choices.pop("at", None)
        if at is None:
            super()._choose(choices)
            return
        if not 0 <= at < len(self._networks.labels):
            raise traitlets.TraitError(f"there is no digit {at}")
        super()._choose({n: v for n, v in choices.items() if n not in ("image", "label")})
        self._load(at)

    # The networks

    def _answer_again(self, change: object) -> None:
        self._background.cancel()  # before the lock: what it reports is answered too
        with self._in_the_panel(), self._answering, self._nothing_stale(), self.hold_sync():
            self._answer()
            self._carry_on()

    def _carried_key(self) -> Hashable:
        return self._networks, self.technique, self.seed

    def _carried(self) -> Carried | None:
        return self._networks.carried(self._chosen, self._settings())

    def _carry_on(self) -> None:
        if not self._hidden:
            self._carry()

    def _go_to_work(self) -> None:
        super()._go_to_work()
        self._carry_on()

    def _answer(self) -> None:
        """Ask both networks, unless they were asked the same before."""
        asked = (self.image, self.technique, self.amount, self.seed, self._networks)
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
        networks = self._networks
        ink = torch.frombuffer(bytearray(self.image), dtype=torch.float32).view(self.size)
        if self.image != self._real:  # drawn, or drawn over
            ink = fitted(ink, self.frame, self.pen[0])
        image = ink.view(1, 1, *self.size)
        values, kept = self._pruned()
        dense, pruned = (networks.read(v, image) if ink.any() else [] for v in ({}, values))
        with self.hold_sync():
            self.seen = ink.contiguous().numpy().tobytes()
            self.dense, self.pruned = dense, pruned
            self.counts = (networks.total - kept, networks.before, networks.total)
            if self.message:
                self._say("")

    def _pruned(self) -> tuple[dict[str, Tensor], int]:
        return self._networks.pruned(self._chosen, self._settings(), self.amount)

    def _offers(self, technique: Technique) -> bool:
        return "fraction" in technique.ways

    def _menu(self) -> list[dict[str, Any]]:
        menu = super()._menu()
        for entry in menu:
            if not self._all[entry["value"]].whole_model:
                entry["label"] += " in each layer"
        return menu

    # The digits

    def _load(self, at: int) -> None:
        networks = self._networks
        ink = networks.ink(networks.images[at]).cpu()
        self.at = at
        self._real = ink.contiguous().numpy().tobytes()
        with self.hold_sync():
            self.image = self._real
            self.label = int(networks.labels[at])

    def _report(self, step: tuple[int, int | None]) -> None:
        looked, found = step
        total = len(self._networks.labels)
        if found is not None:
            self._load(found)
        elif looked < total:
            self._say(f"Looking for one: {looked:,} of {total:,} digits so far.")
        else:
            self._say(
                f"None of the {total:,} digits breaks at this amount: "
                "whatever the dense network reads, the pruned one reads too."
            )

    def _stand(self) -> dict[str, Any]:
        stand = super()._stand()
        del stand["image"]  # it goes beside the answer, as bytes
        return stand

    def _forget_label(self, change: object) -> None:
        self.label = None  # whoever loads a digit sets it after the image

    # Checks

    @traitlets.validate("amount")
    def _check_amount(self, proposal: traitlets.Bunch) -> float:
        with self._refusing():
            if not 0 <= proposal.value <= 1:
                raise ValueError(
                    f"amount={proposal.value} should be a fraction of the weights, from 0.0 to 1.0"
                )
            return float(proposal.value)

    @traitlets.validate("image")
    def _check_image(self, proposal: traitlets.Bunch) -> bytes:
        return checked(proposal.value, self.size)

    # How it shows itself without a browser

    def __repr__(self) -> str:
        return (
            f"DigitPad(technique={self.technique!r}, amount={self.amount!r}, "
            f"dense={_winner(self.dense)}, pruned={_winner(self.pruned)})"
        )

    def _figure(self) -> Figure:
        return _picture(self)


def _picture(panel: DigitPad) -> Figure:
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    pad, *charts = figure.subplots(1, 3)
    ink = np.frombuffer(panel.image, "<f4").reshape(panel.size)
    pad.imshow(ink, cmap="gray_r", vmin=0, vmax=1)
    pad.set_xticks([])
    pad.set_yticks([])
    pad.set_title("" if panel.label is None else f"a real {panel.label}", fontsize=11)
    gone, before, total = panel.counts
    names = ["as it is" if before else "dense", f"{gone:,} of {total:,} pruned"]
    for chart, name, answer in zip(charts, names, (panel.dense, panel.pruned), strict=True):
        winner = _winner(answer)
        colours = [plots.PRUNED_HATCH] * panel.classes
        if winner is not None:
            colours[winner] = plots.RAMP[0]
        chart.barh(range(panel.classes), answer or [0.0] * panel.classes, color=colours)
        chart.set_xlim(0, 1)
        chart.invert_yaxis()
        if panel.classes <= 20:
            chart.set_yticks(range(panel.classes))
        chart.set_xticks([0, 0.5, 1], ["0", "50 %", "100 %"])
        chart.spines[["top", "right"]].set_visible(False)
        says = "" if winner is None else f"\nsays {winner}, {answer[winner]:.0%}"
        chart.set_title(f"{name}{says}", fontsize=11)
    return figure


def _winner(answer: list[float]) -> int | None:
    """The likeliest class; the first of equals, as in torch's argmax."""
    return answer.index(max(answer)) if answer else None
