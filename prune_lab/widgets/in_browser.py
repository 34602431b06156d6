"""What a panel gives to the browser, so that its network runs there: also without a kernel.

What a browser cannot have, or would count otherwise, stays with the kernel: `_must_be_portable`.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import traitlets
from torch import Tensor, nn

from prune_lab.data import Ink
from prune_lab.device import exporting
from prune_lab.device.exporting import digits_parcel, network_parcel, orders_parcel, weight_names
from prune_lab.device.operations import Network
from prune_lab.device.tracing import Traced
from prune_lab.widgets.frontend import script
from prune_lab.widgets.panel import Panel
from prune_lab.widgets.ranking import Positions
from prune_lab.widgets.trial import Trial, paper_and_ink

MOST_WEIGHTS = 1 << 17  # half a megabyte, which stored panels carry
MOST_PIXELS = 1 << 20  # of all pictures
MOST_WORK = 1 << 29  # multiplications for all pictures: half a second in a browser
TRACED = 8  # models of whose modules the trace is remembered

_STATIC = Path(exporting.__file__).parent / "static"
_traced: dict[Hashable, Traced | None] = {}  # None: it cannot be traced


class Carried(NamedTuple):
    """What a browser is to have.

    Attributes:
        trial: the model, and the pictures.
        values: by parameter name, what stands in place of the model's own: what was pruned before
            is 0.
        rankings: when their entries go, as far as the panel does not show that already.
    """

    trial: Trial
    values: Mapping[str, Tensor]
    rankings: Sequence[Positions]


class InBrowser(Panel):
    """The part of a panel whose network runs in the browser, in a worker beside the page.

    A subclass says what the browser is to have in ``_carried``, and in ``_carried_key`` what that
    depends on.
    """

    network = traitlets.Bytes(
        help="deflated, the network as it is without this panel's pruning; empty: the kernel reads"
    ).tag(sync=True)
    digits = traitlets.Bytes(help="deflated, the pictures and labels").tag(sync=True)
    orders = traitlets.Bytes(help="deflated, when each entry goes").tag(sync=True)
    worker = traitlets.Unicode(help="the script that reads them").tag(sync=True)
    edition = traitlets.Int(
        help="which network and orders these are: an answer of the browser's names it"
    ).tag(sync=True)

    _worker = script(_STATIC / "worker.js")
    _carrying: Hashable = None  # what the traits hold

    def _carried_key(self) -> Hashable:
        """What the network and the orders depend on."""
        raise NotImplementedError

    def _carried(self) -> Carried | None:
        """What the browser is to have; None: nothing."""
        raise NotImplementedError

    def _carry(self) -> None:
        """Give the browser what it has not got yet; nothing where the kernel must read."""
        key = self._carried_key()
        if key == self._carrying:
            return
        self._carrying = key
        carried = self._carried()
        with self.hold_sync():
            self.edition += 1
            try:
                if carried is None:
                    raise ValueError("there is nothing to read")
                self.network, self.orders = _packed(carried)
                self.digits = self.digits or digits_parcel(
                    carried.trial.images, carried.trial.labels, _ink(carried.trial.images)
                )
                self.worker = self._worker
            except (ValueError, RuntimeError):
                self.network, self.digits, self.orders, self.worker = b"", b"", b"", ""

    def look_again(self) -> None:
        """Look at the model again if the panel is on a screen; the browser's network follows.

        It comes after the cell: to trace a model takes seconds the first time.
        """
        super().look_again()
        try:
            self._carry()
        except Exception as error:
            self._say_error(error)

    def _get_embed_state(self, drop_defaults: bool = False) -> dict[str, Any]:
        """ipywidgets' own hook: a page that is saved has the network, too."""
        self._carry()
        return dict(super()._get_embed_state(drop_defaults=drop_defaults))


def _packed(carried: Carried) -> tuple[bytes, bytes]:
    """Return the network and the orders as parcels.

    Raises:
        ValueError: the kernel must read.
    """
    trial, values, rankings = carried
    _must_be_portable(trial.model, trial.images)
    pictures = trial.images[:2].float()
    with trial.having(values) as model:
        network = _network(model, pictures, _ink(trial.images))
        names = weight_names(model, network, pictures)
    if network.work * len(trial.labels) > MOST_WORK:
        raise ValueError("a browser would take too long")
    weights = {
        name: network.operations[number].tensors()["weight"] for number, name in names.items()
    }
    if missing := [name for name in values if name not in weights]:
        raise ValueError(f"{missing[0]} is no weight of a layer")
    groups = [(ranking.orders, ranking.units) for ranking in rankings]
    return network_parcel(network, names), orders_parcel(groups, weights) if groups else b""


def _must_be_portable(model: nn.Module, images: Tensor) -> None:
    """Refuse a model that a browser cannot have, or that would not count there as it does here.

    Raises:
        ValueError: it has other numbers than finite float32 on the CPU, parameters that are tied,
            hooks, or too many weights or pixels.
    """
    tensors = [*model.parameters(), *model.buffers()]
    floats = [tensor for tensor in tensors if tensor.is_floating_point()]
    if sum(tensor.numel() for tensor in tensors) > MOST_WEIGHTS:
        raise ValueError("a page should not carry so many weights")
    if images.ndim != 4 or images.numel() > MOST_PIXELS or len(images) < 2:
        raise ValueError("a page should not carry so many pictures")
    if any(tensor.dtype != torch.float32 or tensor.device.type != "cpu" for tensor in floats):
        raise ValueError("a browser counts in float32")
    if not all(bool(tensor.isfinite().all()) for tensor in floats):
        raise ValueError("a number is not finite")
    if len([*model.named_parameters(remove_duplicate=False)]) > len([*model.parameters()]):
        raise ValueError("parameters are tied")
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        raise ValueError("what hooks do is not in the network")


def _network(model: nn.Module, pictures: Tensor, ink: Ink) -> Network:
    """Return the network, by a trace of earlier if there is one of such modules.

    Raises:
        ValueError: the model is not on the device's list.
    """
    modules = tuple(
        (name, type(module), module.extra_repr()) for name, module in model.named_modules()
    )
    key = modules, pictures.shape[1:]
    if traced := _traced.get(key):
        try:
            return traced.network(model, *ink)
        except ValueError:  # of the same modules, but it does something else with them
            del _traced[key]
    if key in _traced:
        raise ValueError("it could not be traced before")
    if threading.current_thread() is not threading.main_thread():
        raise ValueError("beside a cell that runs nothing can be traced")
    while len(_traced) >= TRACED:
        del _traced[next(iter(_traced))]
    _traced[key] = None
    traced = Traced(model, pictures)
    network = traced.network(model, *ink)
    _traced[key] = traced
    return network


def _ink(images: Tensor) -> Ink:
    """The ink of pictures of which the lowest value is paper and the highest the darkest ink."""
    low, high = paper_and_ink(images)
    return Ink(-low / (high - low), 1 / (high - low))
