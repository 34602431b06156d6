"""DigitPad: draw a digit, and see what a network and its pruned copy read in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets
from matplotlib.figure import Figure
from torch import Tensor, nn

from prune_lab import plots, prune
from prune_lab.widgets.dialogue import Layout, one_at_a_time
from prune_lab.widgets.frontend import script
from prune_lab.widgets.parameters import Parameters
from prune_lab.widgets.reading import Reading


class DigitPad(Reading):
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
        at: which digit of the data was loaded last.
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

    >>> import torch
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

    label = traitlets.Int(None, allow_none=True, help="class of the loaded digit")
    at = traitlets.Int(-1, help="the digit of the data that was loaded last")

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
        super().__init__(Parameters(model), data, layout)
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
        with one_at_a_time:
            self._background.cancel()
            search = self._networks.search(self._pruned()[0], self.at)
        looked, found = next(search)
        self._report((looked, found))
        if found is None and looked < len(self._networks.labels):
            self._background.start(search, self._report, self._say_error)

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
