"""Two threads run one pruned model: neither disturbs the other, wherever they meet."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from prune_lab import prune

ENGINE = str(Path(prune.__file__).parent)
LONG = 60  # seconds: a thread that does not arrive


class Stepper(threading.Thread):
    """A thread that stops before one line of the engine until it is told to go on."""

    def __init__(self, call: Callable[[], object], stop_at: int) -> None:
        super().__init__(daemon=True)
        self.call, self.stop_at = call, stop_at
        self.lines = 0
        self.has_stopped, self.may_go_on = threading.Event(), threading.Event()
        self.found: object = None

    def run(self) -> None:
        def trace(frame: FrameType, event: str, _: object) -> Any:
            if not frame.f_code.co_filename.startswith(ENGINE):
                return None
            if event == "line":
                if self.lines == self.stop_at:
                    self.has_stopped.set()
                    self.may_go_on.wait(LONG)
                self.lines += 1
            return trace

        sys.settrace(trace)
        try:
            self.found = self.call()
        except Exception as error:
            self.found = error
        finally:
            sys.settrace(None)
            self.has_stopped.set()

    def to_its_stop(self) -> None:
        self.start()
        assert self.has_stopped.wait(LONG)

    def to_its_end(self) -> None:
        self.may_go_on.set()
        self.join(LONG)
        assert not self.is_alive()


class _Recurrent(nn.LSTM):
    """Lists its weights besides, in a ``__setattr__`` of its own."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)[0]


KINDS = {"linear": (nn.Linear, "weight"), "lstm": (_Recurrent, "weight_ih_l0")}


def _layer(kind: str) -> nn.Module:
    build, name = KINDS[kind]
    layer = build(4, 3)
    with torch.no_grad():
        layer.get_parameter(name)[0, 0] = torch.inf  # under the mask nobody may see it
    mask = torch.arange(layer.get_parameter(name).numel()).view(-1, 4) % 3 != 0
    prune.custom_from_mask(layer, name, mask.float())
    return prune.l1_unstructured(layer, name, 2)


def _lines_of(call: Callable[[], object]) -> int:
    whole = Stepper(call, stop_at=-1)
    whole.to_its_stop()
    whole.to_its_end()
    assert isinstance(whole.found, Tensor), whole.found
    return whole.lines


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gradients", [True, False], ids=["gradients", "no_grad"])
def test_wherever_two_threads_meet(gradients: bool, kind: str) -> None:
    """Both run the model twice. Each stops before some line, then each goes on, in any order."""
    x, draw = torch.ones(2, 4), random.Random(gradients)

    def fresh() -> nn.Module:
        torch.manual_seed(0)
        return _layer(kind)

    def twice(layer: nn.Module) -> Callable[[], Tensor]:
        def call() -> Tensor:
            with torch.set_grad_enabled(gradients):
                return torch.stack([layer(x), layer(x)])

        return call

    expected = fresh()(x).detach().expand(2, -1, -1)
    lines = _lines_of(twice(fresh()))
    for _ in range(100):
        layer, stops = fresh(), [draw.randrange(lines) for _ in range(2)]
        threads = [Stepper(twice(layer), stop_at) for stop_at in stops]
        for thread in threads:
            thread.to_its_stop()
        for thread in draw.sample(threads, 2):
            thread.to_its_end()
        for thread in threads:
            assert isinstance(thread.found, Tensor), (stops, thread.found)
            assert torch.allclose(thread.found, expected), stops
        assert torch.allclose(layer(x), expected[0]), stops
