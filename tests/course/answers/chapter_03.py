from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.utils.prune as torch_prune
from torch import nn

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.course.checks import chapter_03 as checks
from prune_lab.lenet import LeNet
from tests.course.cases import right, unanswered, wrong


def pruned(
    amount: float,
    layer: str = "fc1",
    name: str = "weight",
    technique: str = "l1_unstructured",
    engine: Any = prune,
    times: int = 1,
) -> LeNet:
    model = trained_lenet()
    for _ in range(times):
        getattr(engine, technique)(model.get_submodule(layer), name, amount=amount)
    return model


def changed(change: Callable[[LeNet], Any], amount: float = 0.4) -> LeNet:
    model = pruned(amount)
    change(model)
    return model


def the_largest() -> LeNet:
    model = trained_lenet()
    scores = 1 / model.fc1.weight.detach().abs()
    prune.l1_unstructured(model.fc1, "weight", amount=0.4, importance_scores=scores)
    return model


def one_value_at_random() -> LeNet:
    model = trained_lenet()
    nn.init.constant_(model.fc1.weight, 0.1)
    prune.random_unstructured(model.fc1, "weight", amount=0.4)
    return model


def zeroed_by_hand(share: int = 19_200) -> LeNet:
    model = trained_lenet()
    order = model.fc1.weight.detach().abs().flatten().argsort()
    model.fc1.weight.data.view(-1)[order[:share]] = 0
    return model


def of_mask(module: nn.Module, name: str) -> float:
    mask = getattr(module, name + "_mask")
    return (mask == 0).sum().item() / mask.numel()


def of_zeros(module: nn.Module, name: str) -> float:
    return (getattr(module, name) == 0).float().mean().item()


def of_everything(module: nn.Module, name: str) -> float:
    return float(torch.cat([mask.flatten() for mask in module.buffers()]).eq(0).float().mean())


def fits_old_numbers(module: nn.Module, name: str) -> float:
    return 0.375 if name == "weight" else 0.5


def with_side_effect(module: nn.Module, name: str) -> float:
    share = of_mask(module, name)
    getattr(module, name + "_orig").data.mul_(getattr(module, name + "_mask"))
    return share


def that_removes(module: nn.Module, name: str) -> float:
    share = of_mask(module, name)
    prune.remove(module, name)
    return share


def endless(module: nn.Module, name: str) -> float:
    while True:
        pass


CASES = [
    right(checks.pruned_fc1, pruned(0.4)),
    right(checks.pruned_fc1, pruned(0.4, engine=torch_prune)),
    right(checks.pruned_fc1, pruned(19_200)),
    unanswered(checks.pruned_fc1, trained_lenet(), says="nothing of my_model is pruned"),
    wrong(checks.pruned_fc1, pruned(0.4).fc1, says="give the whole network"),
    wrong(checks.pruned_fc1, LeNet, says="give my_model itself"),
    wrong(checks.pruned_fc1, pruned(0.4).fc1.weight, says="my_model should be a module"),
    wrong(checks.pruned_fc1, pruned(0.4, times=2), says="run the cell again"),
    wrong(checks.pruned_fc1, pruned(40), says="40 is a count"),
    wrong(checks.pruned_fc1, pruned(0.6), says="what goes, not what stays"),
    wrong(checks.pruned_fc1, pruned(0.0), says="is the amount 0"),
    wrong(checks.pruned_fc1, pruned(0.4, technique="random_unstructured"), says="not the smallest"),
    wrong(checks.pruned_fc1, the_largest(), says="they are the largest"),
    wrong(checks.pruned_fc1, one_value_at_random(), says="not the smallest"),
    wrong(checks.pruned_fc1, pruned(0.4, name="bias"), says="you pruned fc1.bias"),
    wrong(checks.pruned_fc1, pruned(0.4, layer="fc2"), says="you pruned fc2.weight"),
    wrong(checks.pruned_fc1, changed(lambda m: prune.remove(m.fc1, "weight")), says="no mask any"),
    wrong(checks.pruned_fc1, zeroed_by_hand(), says="no mask any more"),
    wrong(checks.pruned_fc1, zeroed_by_hand(100), says="zeros and no mask"),
    wrong(
        checks.pruned_fc1,
        changed(lambda m: m.fc1.weight_orig.data.fill_(0.1)),
        says="some weights have other values",
    ),
    wrong(
        checks.pruned_fc1,
        changed(lambda m: m.conv1.weight.data.zero_()),
        says="some weights have other values",
    ),
    right(checks.twenty_and_twenty, 150 - round(0.8 * 0.8 * 150)),
    wrong(checks.twenty_and_twenty, 60, says="120 weights that are left"),
    wrong(checks.twenty_and_twenty, 96, says="kept"),
    wrong(checks.twenty_and_twenty, 30, says="the first time alone"),
    wrong(checks.twenty_and_twenty, 24, says="count both"),
    wrong(checks.twenty_and_twenty, 40, says="20 would be a count"),
    wrong(checks.twenty_and_twenty, 0.36, says="fraction"),
    wrong(checks.twenty_and_twenty, 36, says="that is the percentage"),
    wrong(checks.twenty_and_twenty, 55, says="take 20 % of 150"),
    right(checks.sparsity, of_mask),
    right(checks.sparsity, lambda m, n: 1 - getattr(m, n + "_mask").mean()),
    unanswered(checks.sparsity, lambda m, n: None, says="returns nothing yet"),
    unanswered(checks.sparsity, lambda m, n: ..., says="still gives the ... back"),
    wrong(checks.sparsity, of_zeros, says="happens to be zero"),
    wrong(checks.sparsity, of_everything, says="whole module"),
    wrong(checks.sparsity, lambda m, n: 1 - of_mask(m, n), says="density"),
    wrong(checks.sparsity, lambda m, n: 100 * of_mask(m, n), says="percentage"),
    wrong(checks.sparsity, lambda m, n: int((getattr(m, n + "_mask") == 0).sum()), says="divide"),
    wrong(checks.sparsity, lambda m, n: of_mask(m, "weight"), says="does it use `name`?"),
    wrong(checks.sparsity, lambda m, n: of_mask(m, "bias"), says="does it use `name`?"),
    wrong(checks.sparsity, fits_old_numbers, says="entries"),
    wrong(checks.sparsity, with_side_effect, says="changes the module"),
    wrong(checks.sparsity, that_removes, says="changes the module"),
    wrong(checks.sparsity, lambda m: 0.4, says="your function raised TypeError"),
    wrong(checks.sparsity, 0.4, says="should be a function, and yours is a float"),
    wrong(checks.sparsity, endless, says="is there a loop that never ends?"),
    right(checks.pruned_fc1_bytes, 4 * (2 * 400 * 120 + 120)),
    wrong(checks.pruned_fc1_bytes, 192_480, says="mask"),
    wrong(checks.pruned_fc1_bytes, 19_680, says="four bytes too"),
    wrong(checks.pruned_fc1_bytes, 384_000, says="bias"),
    wrong(checks.pruned_fc1_bytes, 576_480, says="a third full tensor"),
    wrong(checks.pruned_fc1_bytes, 96_120, says="each takes four bytes"),
    wrong(checks.pruned_fc1_bytes, 384_960, says="the bias has no mask"),
    wrong(checks.pruned_fc1_bytes, 211_680, says="weight_orig keeps all values"),
    wrong(checks.pruned_fc1_bytes, 5, says="add weight_orig"),
]
