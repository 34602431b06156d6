"""What a model and its pruned copy read in an image, kept up to date with both."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import traitlets
from torch import Tensor

from prune_lab.training import one_thread
from prune_lab.widgets.answers import Networks
from prune_lab.widgets.choosing import Choosing
from prune_lab.widgets.dialogue import Layout, one_at_a_time
from prune_lab.widgets.in_browser import Carried, InBrowser
from prune_lab.widgets.parameters import Parameters
from prune_lab.widgets.strokes import checked, fitted, strokes
from prune_lab.widgets.technique import Technique


class Reading(Choosing, InBrowser):
    """The part of a panel that asks a model and a copy of it, pruned by one amount.

    A subclass has ``image`` and the settings among its controls, and sets ``_real``.

    Args:
        parameters: of the model.
        data: ends in images and labels.
        layout: of the panel.

    Raises:
        TypeError, ValueError: as of ``answers.Networks``.
    """

    amount = traitlets.Float(0.9, help="fraction of the weights, 0 to 1").tag(
        sync=True, echo_update=False
    )
    image = traitlets.Bytes(help="float32 ink from 0 to 1, row by row").tag(sync=True)
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

    def __init__(self, parameters: Parameters, data: Sequence[Tensor], layout: Layout) -> None:
        self._parameters, self._data = parameters, data
        self._asked: object = None  # what the networks were asked last
        self._real = b""  # ink that the networks read as it is: a digit of the data
        self._networks = Networks(parameters, data)
        super().__init__(layout)
        images = self._networks.images[:1000]
        self.size = tuple(images.shape[2:])
        self.classes = self._networks.classes
        self.pen, self.frame = strokes(self._networks.ink(images))

    def refresh(self) -> None:
        """Look at the model again; after each executed cell this happens by itself."""
        if not self._parameters.changed():
            return
        with one_at_a_time, self._nothing_stale(), self.hold_sync():
            self._background.cancel()
            self._parameters.look()
            self._networks = Networks(self._parameters, self._data)
            self._answer()
            self._carry_on()

    def _answer_again(self, change: object) -> None:
        with one_at_a_time, self._in_the_panel(), self._nothing_stale(), self.hold_sync():
            self._background.cancel()
            self._answer()
            self._carry_on()

    def _carried_key(self) -> Hashable:
        return self._networks, self.technique, self.seed

    def _carried(self) -> Carried | None:
        return self._networks.carried(self._chosen, self._settings())

    def _carry_on(self) -> None:
        """Have the browser's networks follow, while there is one."""
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
