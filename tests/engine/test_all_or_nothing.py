"""What is stopped half-way has happened whole or not at all: by an error, or by Ctrl-C anywhere."""

from __future__ import annotations

import contextlib
import copy
import random
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from prune_lab import prune
from tests.engine.snapshots import Snapshot, identical

ENGINE = str(Path(prune.__file__).parent)


class Model(nn.Module):
    """Layers that are clean, pruned once, pruned twice, tied, and tied and pruned together."""

    def __init__(self) -> None:
        super().__init__()
        self.clean, self.once, self.twice = nn.Linear(3, 4), nn.Linear(4, 3), nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(2, affine=False)
        self.a, self.b = nn.Linear(3, 3), nn.Linear(3, 3)
        self.c, self.d = nn.Linear(3, 3), nn.Linear(3, 3)
        self.out_proj = nn.MultiheadAttention(2, 1).out_proj
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for tensor in (*self.parameters(), self.norm.running_mean):
                tensor.copy_(torch.randn(tensor.shape, generator=generator))
        self.b.weight, self.d.weight = self.a.weight, self.c.weight
        prune.l1_unstructured(self.once, "weight", 5)
        prune.l1_unstructured(self.twice, "weight", 2)
        prune.ln_structured(self.twice, "weight", 1, 2, dim=1)
        prune.l1_unstructured(self.a, "weight", 3)
        prune.l1_unstructured(self.c, "weight", 3)
        prune.prune_twins(nn.ModuleList([self.c, self.d]))


def _other_values(model: nn.Module) -> dict[str, Tensor]:
    """Return a state dict with other values and other masks."""
    other = copy.deepcopy(model)
    prune.l1_unstructured(other.once, "weight", 2)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(1)
    return other.state_dict()


def _pruned_elsewhere(model: nn.Module) -> dict[str, Tensor]:
    """Return a state dict in which what is clean is pruned, and what is pruned is clean."""
    other = copy.deepcopy(model)
    prune.l1_unstructured(other.clean, "weight", 2)
    prune.remove(other.once, "weight")
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(2)
    return other.state_dict()


CALLS: dict[str, Callable[[Any], object]] = {
    "first prune": lambda m: prune.l1_unstructured(m.clean, "weight", 5),
    "second prune": lambda m: prune.random_unstructured(m.once, "weight", 2),
    "third prune": lambda m: prune.ln_structured(m.twice, "weight", 1, 2, dim=0),
    "prune of twins": lambda m: prune.l1_unstructured(m.c, "weight", 2),
    "prune of attention": lambda m: prune.l1_unstructured(m.out_proj, "weight", 2),
    "n_m": lambda m: prune.n_m(m.once, "weight", 1, 2),
    "global_unstructured": lambda m: prune.global_unstructured(
        [(m.clean, "weight"), (m.once, "weight"), (m.c, "weight"), (m.clean, "bias")],
        prune.L1Unstructured,
        amount=0.5,
    ),
    "global random": lambda m: prune.global_unstructured(
        [(m.clean, "weight"), (m.once, "weight")], prune.RandomUnstructured, amount=6
    ),
    "global_structured": lambda m: prune.global_structured(
        [(m.clean, "weight"), (m.twice, "weight")], 2
    ),
    "prune_twins": prune.prune_twins,
    "remove": lambda m: prune.remove(m.once, "weight"),
    "remove of twins": lambda m: prune.remove(m.d, "weight"),
    "undo of a first prune": lambda m: prune.undo(m.once, "weight"),
    "undo of a second prune": lambda m: prune.undo(m.twice, "weight"),
    "undo of twins": lambda m: prune.undo(m.c, "weight"),
    "load_checkpoint": lambda m: prune.load_checkpoint(m, _other_values(m)),
    "load_checkpoint, pruned elsewhere": lambda m: prune.load_checkpoint(m, _pruned_elsewhere(m)),
    "rewind": lambda m: prune.rewind(m, _other_values(m)),
    "rewind, pruned elsewhere": lambda m: prune.rewind(m, _pruned_elsewhere(m)),
}


def _lines_of(call: Callable[[], object], stop_at: int | None = None) -> list[tuple[str, int]]:
    """Call, and return the lines of the engine that ran; before line ``stop_at`` comes Ctrl-C."""
    lines: list[tuple[str, int]] = []

    def trace(frame: FrameType, event: str, _: object) -> Any:
        # In a weak reference's callback Python would swallow it.
        if not frame.f_code.co_filename.startswith(ENGINE) or frame.f_code.co_name == "<lambda>":
            return None
        if event == "line":
            lines.append((frame.f_code.co_filename, frame.f_lineno))
            if len(lines) - 1 == stop_at:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines


def _as_told(model: nn.Module) -> list[object]:
    """Return what a user sees of a model, comparable with another model's."""
    return [
        (path, type(module), list(module._parameters), list(module._buffers), _hooks(module))
        for path, module in model.named_modules()
    ]


def _hooks(module: nn.Module) -> list[list[type]]:
    return [
        [type(method) for method in prune.methods.methods_of(hook)]
        for hook in module._forward_pre_hooks.values()
    ]


def _is_done(model: nn.Module, done: nn.Module) -> bool:
    state, expected = model.state_dict(), done.state_dict()
    return (
        _as_told(model) == _as_told(done)
        and list(state) == list(expected)
        and all(identical(state[key], expected[key]) for key in state)
    )


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_anywhere(name: str) -> None:
    """Wherever it comes, the model is as before the call or as after it, and can be used."""
    call, done = CALLS[name], Model()
    torch.manual_seed(1)
    lines = _lines_of(lambda: call(done))
    last = {line: i for i, line in enumerate(lines)}  # of each line, the last time it runs
    stops = random.Random(name).sample(sorted(last.values()), min(len(last), 40))
    for stop_at in stops:
        model = Model()
        before = Snapshot(model)
        torch.manual_seed(1)
        with contextlib.suppress(KeyboardInterrupt):
            _lines_of(lambda m=model: call(m), stop_at)
        if not _is_done(model, done):
            try:
                before.assert_unchanged()
            except AssertionError:
                pytest.fail(f"neither done nor as before: interrupted at {lines[stop_at]}")
            torch.manual_seed(1)
            call(model)  # a second try
            assert _is_done(model, done), lines[stop_at]


def _state_that_does_not_fit() -> dict[str, Tensor]:
    """Its last layer is of another shape."""
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(5, 1)).state_dict()


@pytest.mark.parametrize("load", [prune.load_checkpoint, prune.rewind])
def test_what_was_lazy_is_lazy_again(load: Callable[..., None]) -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d(), nn.Linear(3, 1))
    before = Snapshot(model)
    with pytest.raises(RuntimeError, match="size mismatch"):
        load(model, _state_that_does_not_fit())
    assert [is_lazy(t) for t in (*model.parameters(), *model.buffers())] == [
        *[True] * 4, *[False] * 2, *[True] * 2, False
    ]  # fmt: skip
    before.assert_unchanged()
    good = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    load(model, good.state_dict())
    x = torch.randn(5, 4)
    assert torch.equal(model(x), good(x))


@pytest.mark.parametrize("load", [prune.load_checkpoint, prune.rewind])
def test_a_meta_model_stays_meta(load: Callable[..., None]) -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, affine=False), nn.Linear(3, 1))
    state = _state_that_does_not_fit()
    del state["1.weight"], state["1.bias"]
    before = Snapshot(model)
    with pytest.raises(RuntimeError, match="size mismatch"):
        load(model, state)
    assert all(t.is_meta for t in (*model.parameters(), *model.buffers()))
    before.assert_unchanged()


@pytest.mark.parametrize("load", [prune.load_checkpoint, prune.rewind])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_checkpoint_stays_its_owners(load: Callable[..., None], device: str) -> None:
    """What the model does with the values afterwards does not reach the checkpoint."""
    source = prune.l1_unstructured(nn.Linear(4, 2), "weight", 3)
    state = source.state_dict()
    kept = copy.deepcopy(state)
    model = nn.Linear(4, 2, device=device)
    load(model, state)
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.zero_()
    assert list(state) == list(kept) and all(identical(state[key], kept[key]) for key in kept)
