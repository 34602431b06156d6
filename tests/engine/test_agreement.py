"""Agreement with torch.nn.utils.prune, layer by layer: the same calls give the same module."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
import torch.nn.utils.prune as torch_prune
from torch import Tensor, nn

from prune_lab import prune

LAYERS = {
    "Linear": (lambda: nn.Linear(8, 6), "weight"),
    "Linear.bias": (lambda: nn.Linear(8, 6), "bias"),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3), "weight"),
    "Conv2d": (lambda: nn.Conv2d(4, 6, 3), "weight"),
    "Embedding": (lambda: nn.Embedding(7, 5), "weight"),
    "LSTM": (lambda: nn.LSTM(4, 3), "weight_ih_l0"),
    "BatchNorm": (lambda: nn.BatchNorm2d(9), "weight"),
}
TECHNIQUES = {
    "identity": {},
    "random_unstructured": {"amount": ...},
    "l1_unstructured": {"amount": ...},
    "random_structured": {"amount": ..., "dim": 0},
    "ln_structured": {"amount": ..., "n": 2, "dim": 0},
}
AMOUNTS = [0, 1, 2, 0.0, 0.3, 0.5, 1.0]
ENGINES = (torch_prune, prune)


def make(layer: str, dtype: torch.dtype = torch.float32) -> tuple[nn.Module, str]:
    """One layer whose values are all different: torch leaves open how it breaks ties."""
    build, name = LAYERS[layer]
    torch.manual_seed(0)
    module = build().to(dtype)
    for parameter in module.parameters():
        steps = 1 + torch.randperm(parameter.numel())
        parameter.data = (steps * (-1.0) ** steps).view(parameter.shape).to(dtype)
    return module, name


def call(engine: Any, module: nn.Module, name: str, technique: str, amount: float) -> object:
    keywords = {k: amount if v is ... else v for k, v in TECHNIQUES[technique].items()}
    torch.manual_seed(1)
    try:
        assert getattr(engine, technique)(module, name, **keywords) is module
    except Exception as error:
        return type(error), str(error)
    return None


def assert_same(theirs: nn.Module, ours: nn.Module) -> None:
    assert [n for n, _ in theirs.named_parameters()] == [n for n, _ in ours.named_parameters()]
    assert list(theirs.state_dict()) == list(ours.state_dict())
    for key, value in theirs.state_dict().items():
        mine = ours.state_dict()[key]
        assert mine.dtype == value.dtype and torch.equal(mine, value), key
    assert torch_prune.is_pruned(theirs) == torch_prune.is_pruned(ours) == prune.is_pruned(ours)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("amount", AMOUNTS)
def test_prune_again_and_remove(layer: str, technique: str, amount: float) -> None:
    modules = []
    for engine in ENGINES:
        module, name = make(layer)
        errors = [call(engine, module, name, technique, amount)]
        if errors == [None]:
            errors.append(call(engine, module, name, "l1_unstructured", 0.25))
        modules.append((module, errors))
    (theirs, their_errors), (ours, our_errors) = modules
    assert their_errors == our_errors
    if None not in their_errors:
        return
    if their_errors[-1] is None:
        assert_same(theirs, ours)
        assert torch.equal(getattr(theirs, name), getattr(ours, name))
    torch_prune.remove(theirs, name)
    prune.remove(ours, name)
    assert_same(theirs, ours)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layer", LAYERS)
def test_dtypes(layer: str, dtype: torch.dtype) -> None:
    modules = []
    for engine in ENGINES:
        module, name = make(layer, dtype)
        assert call(engine, module, name, "l1_unstructured", 0.4) is None
        modules.append(module)
    assert_same(*modules)


@pytest.mark.parametrize("first, second", [ENGINES, ENGINES[::-1]])
def test_a_state_dict_of_one_loads_into_the_other(first: Any, second: Any) -> None:
    source, target = nn.Linear(5, 4), nn.Linear(5, 4)
    first.l1_unstructured(source, "weight", 7)
    second.random_unstructured(target, "weight", 3)
    target.load_state_dict(source.state_dict())
    x = torch.randn(2, 5)
    assert torch.equal(target(x), source(x))
    assert int((target.weight == 0).sum()) == 7


@pytest.mark.parametrize("first, second", [ENGINES, ENGINES[::-1]])
def test_one_removes_what_the_other_pruned(first: Any, second: Any) -> None:
    layer = first.l1_unstructured(nn.Linear(5, 4), "weight", 7)
    assert second.is_pruned(layer)
    second.remove(layer, "weight")
    assert not first.is_pruned(layer) and int((layer.weight == 0).sum()) == 7


def test_ours_prunes_on_top_of_torchs() -> None:
    layer = torch_prune.l1_unstructured(nn.Linear(5, 4), "weight", 7)
    prune.l1_unstructured(layer, "weight", 3)
    layer(torch.ones(1, 5)).sum().backward()
    assert int((layer.weight == 0).sum()) == 10 and len(layer._forward_pre_hooks) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_global_takes_the_smallest_of_all(engine: Any) -> None:
    net = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    values = torch.randperm(32) + 1.0
    for layer, part in zip(net, values.view(2, 4, 4), strict=True):
        layer.weight.data = part.clone()
    places = [(layer, "weight") for layer in net]
    engine.global_unstructured(places, engine.L1Unstructured, amount=10)
    for layer, part in zip(net, values.view(2, 4, 4), strict=True):
        assert torch.equal(layer.weight_mask, (part > 10).float())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_users_subclass_runs_on_either_base(engine: Any) -> None:
    class EverySecond(engine.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    layer = nn.Linear(4, 2)
    EverySecond.apply(layer, "weight")
    assert layer.weight_mask.tolist() == [[0, 1, 0, 1]] * 2
    EverySecond.apply(layer, "weight")  # of the four left, every second
    assert layer.weight_mask.tolist() == [[0, 0, 0, 1]] * 2


@pytest.mark.parametrize(
    "name",
    [
        n
        for n, f in vars(torch_prune).items()
        if inspect.isfunction(f) and f.__module__ == torch_prune.__name__ and n[0] != "_"
    ],
)
def test_the_signatures_are_torchs(name: str) -> None:
    ours = list(inspect.signature(getattr(prune, name)).parameters.values())
    theirs = list(inspect.signature(getattr(torch_prune, name)).parameters.values())
    assert [(p.name, p.default, p.kind) for p in ours] == [
        (p.name, p.default, p.kind) for p in theirs
    ]
