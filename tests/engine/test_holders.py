"""Nobody who holds something of a pruned model sees it change behind his back.

Hypothesis draws who takes hold of what, at which moments between any calls of the engine:
references, views, arrays, graphs, copies, averages, lists, optimizers, traces, threads, and the
tensors that were handed to a call. Each says which calls may change what it holds: those that its
owner makes himself (a step), and those whose name says so (``rewind``). No other call does.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from prune_lab import prune
from tests.engine.calls import draw_technique, pruned
from tests.engine.snapshots import identical

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
WRITES = frozenset({"step", "rewind", "load"})  # into the memory of the parameters


class Holder:
    """Somebody who holds tensors, and what they were when he last looked.

    Args:
        who: for the story of a failure.
        read: returns the tensors as he sees them now.
        may_change: the events at which they may change.
        until: the events after which he lets go, since torch itself takes it from him.
    """

    def __init__(
        self,
        who: str,
        read: Callable[[], Sequence[Tensor]],
        may_change: frozenset[str] = frozenset(),
        until: frozenset[str] = frozenset(),
    ) -> None:
        self.who, self.until = who, until
        self._read, self._may_change = read, may_change
        self._look()

    def _look(self) -> None:
        self._seen = [tensor.detach().clone() for tensor in self._read()]

    def after(self, event: str) -> None:
        """Fail if the tensors have changed at an event that had no business to."""
        if event in self._may_change:
            self._look()
        now = [tensor.detach() for tensor in self._read()]
        assert len(now) == len(self._seen), f"{self.who}, after {event}"
        for tensor, before in zip(now, self._seen, strict=True):
            assert identical(tensor, before), f"{self.who}, after {event}: {before} -> {tensor}"


class World:
    """A model, its optimizers, and all who hold something of it."""

    def __init__(self, seed: int, tied: bool) -> None:
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
        if tied:
            self.model[2].weight = self.model[0].weight
        self.start = copy.deepcopy(self.model.state_dict())
        self.parameters = list(self.model.parameters())
        self.optimizers: list[torch.optim.Optimizer] = []
        self.holders: list[Holder] = [self.checkpoint(self.start, "the start")]
        self.paused: list[Generator[Tensor, None, None]] = []

    def close(self) -> None:
        """End the paused generators, which would hold their `cached` open for later tests."""
        for generator in self.paused:
            generator.close()

    def layer(self, draw: st.DrawFn) -> Any:
        """Draw one of the layers."""
        return self.model[draw(st.sampled_from([0, 2]))]

    def checkpoint(self, state: dict[str, Tensor], who: str) -> Holder:
        """Hold the tensors of a state dict of one's own."""
        return Holder(who, lambda: list(state.values()))

    # What somebody may hold.

    def weight(self, layer: Any) -> Holder:
        """The masked weight itself; a Parameter while the layer is clean."""
        weight = layer.weight
        changes = WRITES | {"remove"} if isinstance(weight, nn.Parameter) else frozenset()
        return Holder("weight", lambda: [weight], changes)

    def view(self, layer: Any) -> Holder:
        """A view of it, its data, its detach, an array: they share its memory."""
        views = [layer.weight.detach(), layer.weight.data, layer.weight.view(-1)[1:]]
        array = layer.weight.detach().numpy()
        changes = WRITES if isinstance(layer.weight, nn.Parameter) else frozenset()
        return Holder("view", lambda: [*views, torch.from_numpy(array)], changes)

    def memory(self, layer: Any) -> Holder:
        """The memory of the parameter; from `remove` on, the parameter has another."""
        parameter = next(p for p in layer.parameters() if p.dim() == 2)
        array, data = parameter.detach().numpy(), parameter.data
        return Holder("memory", lambda: [torch.from_numpy(array), data], WRITES)

    def mask(self, layer: Any) -> Holder:
        """The mask and a view of it; `load_checkpoint` writes into it."""
        mask = layer.get_buffer("weight_mask") if prune.is_pruned(layer) else torch.ones(1)
        return Holder("mask", lambda: [mask, mask[:1]], frozenset({"load"}))

    def graph(self, layer: Any) -> Holder:
        """A result that still waits for its backward pass; torch's loading ends it (versions)."""
        layer(X)  # with gradients, whoever has run it last
        result = (layer.weight * X[:1]).sum()
        parameter = next(p for p in layer.parameters() if p.dim() == 2)

        def read() -> list[Tensor]:
            return [result, *torch.autograd.grad(result, parameter, retain_graph=True)]

        return Holder("graph", read, until=frozenset({"rewind", "load", "fail"}))

    def listed(self, layer: Any) -> Holder:
        """A ParameterList and a regulariser, which go on with the Parameter itself."""
        parameter = next(p for p in layer.parameters() if p.dim() == 2)
        listed, regulariser = nn.ParameterList([parameter]), nn.Module()
        regulariser.target = parameter

        def read() -> list[Tensor]:
            assert listed[0] is regulariser.target is parameter and parameter.is_leaf
            assert not prune.is_pruned(listed) and len(list(regulariser.parameters())) == 1
            return [parameter]

        return Holder("list", read, WRITES | {"remove"})

    def optimizer(self, layer: Any) -> Holder:
        """An optimizer with its state, which fits the model's parameters at any moment."""
        kind, options = (
            (torch.optim.Adam, {"lr": 0.01})
            if len(self.optimizers) % 2
            else (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9})
        )
        optimizer = kind(self.model.parameters(), **options)
        self.optimizers.append(optimizer)

        def read() -> list[Tensor]:
            parameters = optimizer.param_groups[0]["params"]
            assert {id(p) for p in parameters} == {id(p) for p in self.model.parameters()}
            assert all(p.is_leaf and p.requires_grad for p in parameters)
            states = [optimizer.state.get(p, {}) for p in self.parameters]
            return [v for state in states for v in state.values() if isinstance(v, Tensor)]

        return Holder("optimizer", read, frozenset({"step"}))

    def copied(self, layer: Any) -> Holder:
        """A deep copy of the model, with what it computes."""
        model = copy.deepcopy(self.model)
        return Holder("copy", lambda: [*_tensors(model), model(X)])

    def averaged(self, layer: Any) -> Holder:
        """An average of the model, with what it computes."""
        average = AveragedModel(self.model)
        average.update_parameters(self.model)
        return Holder("average", lambda: [*_tensors(average), average(X)])

    def state(self, layer: Any) -> Holder:
        """A state dict, copied as one that is written to a file is."""
        return self.checkpoint(copy.deepcopy(self.model.state_dict()), "state")

    def traced(self, layer: Any) -> Holder:
        """A trace, which computes with the parameters and masks that were there."""
        trace = torch.jit.trace(self.model, X)
        return Holder("trace", lambda: [trace(X)], WRITES | {"remove"})

    def thread(self, layer: Any) -> Holder:
        """Another thread, which takes hold after a forward pass of its own."""

        def work() -> Tensor:
            with torch.no_grad(), prune.cached():
                layer(X)
                return layer.weight

        with ThreadPoolExecutor(1) as pool:
            weight = pool.submit(work).result()
        changes = WRITES | {"remove"} if isinstance(weight, nn.Parameter) else frozenset()
        return Holder("thread", lambda: [weight], changes)

    def block(self, layer: Any) -> Holder:
        """A generator that is paused inside `cached`."""

        def steps() -> Generator[Tensor, None, None]:
            with prune.cached():
                layer(X)
                yield layer.weight

        generator = steps()
        weight = next(generator)
        self.paused.append(generator)
        changes = WRITES | {"remove"} if isinstance(weight, nn.Parameter) else frozenset()
        return Holder("cached", lambda: [weight], changes)

    # What may happen. Each returns the event that it was.

    def prune(self, draw: st.DrawFn) -> None:
        """Prune by a technique, good or bad; what is handed over is held, too."""
        layer = self.layer(draw)
        pruned(draw_technique(draw, layer.weight.detach()), layer)

    def prune_by(self, draw: st.DrawFn) -> None:
        """Prune by a mask and by scores of one's own."""
        layer = self.layer(draw)
        mask, scores = (torch.rand(3, 3) < 0.8).float(), torch.rand(3, 3)
        self.holders.append(Holder("handed over", lambda: [mask, scores]))
        pruned(lambda m: prune.custom_from_mask(m, "weight", mask), layer)
        pruned(lambda m: prune.l1_unstructured(m, "weight", 1, importance_scores=scores), layer)

    def prune_all(self, draw: st.DrawFn) -> None:
        """Prune the whole model."""
        layers = [self.model[0], self.model[2]]
        kind = draw(st.sampled_from([prune.L1Unstructured, prune.RandomUnstructured]))
        amount = draw(st.floats(0, 0.5))
        with contextlib.suppress(ValueError):  # tied, but not pruned alike
            prune.global_unstructured([(m, "weight") for m in layers], kind, amount=amount)

    def twins(self, draw: st.DrawFn) -> None:
        """Tie what is tied."""
        with contextlib.suppress(ValueError):  # pruned by different masks
            prune.prune_twins(self.model)

    def forward(self, draw: st.DrawFn) -> None:
        """Run the model: with gradients or without, here or in a thread, cached or not."""
        gradients, here, cached = (draw(st.booleans()) for _ in range(3))

        def work() -> None:
            block = prune.cached() if cached else contextlib.nullcontext()
            with torch.set_grad_enabled(gradients), block:
                for _ in range(2):
                    self.model(X)

        if here:
            work()
        else:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(work).result()

    def look(self, draw: st.DrawFn) -> None:
        """Ask what can be asked."""
        prune.sparsity(self.model)
        prune.is_pruned(self.model)
        prune.pruning_order(prune.L1Unstructured(1), self.layer(draw).weight.detach())
        copy.copy(self.layer(draw))(X)

    def undo(self, draw: st.DrawFn) -> None:
        """Undo a prune, if there is one and the mask before is known."""
        with contextlib.suppress(ValueError):
            prune.undo(self.layer(draw), "weight")

    def remove(self, draw: st.DrawFn) -> None:
        """Make a pruning permanent."""
        with contextlib.suppress(ValueError):
            prune.remove(self.layer(draw), "weight")

    def step(self, draw: st.DrawFn) -> None:
        """Train: the owner of the parameters changes their values."""
        self.model.zero_grad()
        self.model(X).square().sum().backward()
        for optimizer in self.optimizers:
            optimizer.step()
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.add_(0.5)

    def rewind(self, draw: st.DrawFn) -> None:
        """Go back to the start."""
        prune.rewind(self.model, self.start)

    def load(self, draw: st.DrawFn) -> None:
        """Load a checkpoint of a model that is pruned otherwise."""
        other = copy.deepcopy(self.model)
        pruned(lambda m: prune.l1_unstructured(m, "weight", 1), other[0])
        state = copy.deepcopy(other.state_dict())
        self.holders.append(self.checkpoint(state, "loaded"))
        with contextlib.suppress(ValueError):  # of twins, one mask alone
            prune.load_checkpoint(self.model, state)

    def fail(self, draw: st.DrawFn) -> None:
        """Load what does not fit: nothing changes, the values neither."""
        wrong = {**self.start, "2.bias": torch.ones(7)}
        with contextlib.suppress(RuntimeError):
            prune.load_checkpoint(self.model, wrong)


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


HOLDS = [
    "weight", "view", "memory", "mask", "graph", "listed", "optimizer", "copied", "averaged",
    "state", "traced", "thread", "block",
]  # fmt: skip
EVENTS = [
    "prune", "prune", "prune_by", "prune_all", "twins", "forward", "look", "undo", "remove",
    "step", "rewind", "load", "fail",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit
@settings(
    deadline=None,
    max_examples=60,
    derandomize=True,
    # The sizes of conftest stay the same for all examples of a test.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), seed=st.integers(0, 99), tied=st.booleans())
def test_nobody_who_holds_a_tensor_sees_it_change(
    data: st.DataObject, seed: int, tied: bool
) -> None:
    with contextlib.closing(World(seed, tied)) as world:
        for event in data.draw(st.lists(st.sampled_from(EVENTS), max_size=8), label="events"):
            for hold in data.draw(st.lists(st.sampled_from(HOLDS), max_size=3), label="holds"):
                world.holders.append(getattr(world, hold)(world.layer(data.draw)))
            getattr(world, event)(data.draw)
            world.holders = [holder for holder in world.holders if event not in holder.until]
            for holder in world.holders:
                holder.after(event)
