"""Chapter 3, prune a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.course.judging import (
    Mistake,
    NotAnswered,
    call,
    check,
    draw,
    must_be,
    must_be_module,
    untouched,
)
from prune_lab.course.weights import trained_lenet
from prune_lab.lenet import LeNet

_HERE = 19_200  # 40 % of fc1.weight's 48,000


def _zeros(tensor: Tensor) -> int:
    return int((tensor == 0).sum())


@check
def pruned_fc1(model: nn.Module) -> str:
    """Exercise 1: 40 % of fc1.weight of the trained network pruned by L1."""
    model = must_be_module(model, "my_model")
    if not isinstance(model, LeNet):
        raise Mistake(f"give the whole network, my_model, and not {type(model).__name__} alone")
    trained = trained_lenet()
    pruned = [name.removesuffix("_mask") for name, _ in model.named_buffers()]
    if not pruned:
        _not_pruned(model, trained)
    if pruned != ["fc1.weight"]:
        raise Mistake(f"fc1.weight alone should be pruned, and you pruned {', '.join(pruned)}")
    mask, original = model.get_buffer("fc1.weight_mask"), model.get_parameter("fc1.weight_orig")
    if _zeros(mask) != _HERE:
        likely = {
            40: "40 is a count, and 0.4 is 40 %",
            28_800: "that is 60 %; the amount says what goes, not what stays",
            30_720: "that is 40 % and then 40 % of the rest; run the cell again, once",
            192: "that is 0.4 %; 40 % is 0.4",
            0: "nothing did; is the amount 0?",
            48_000: "1.0 is everything; 40 % is 0.4",
        }
        raise Mistake(
            f"19,200 of 48,000 weights should go, and {_zeros(mask):,} did"
            + (f": {likely[_zeros(mask)]}" if _zeros(mask) in likely else "")
        )
    size = trained.fc1.weight.detach().abs()
    if size[mask == 0].max() > size[mask == 1].min():
        if size[mask == 1].max() <= size[mask == 0].min():
            raise Mistake("19,200 went, and they are the largest; L1 takes the smallest")
        raise Mistake("19,200 went, but not the smallest; is the technique l1_unstructured?")
    if not torch.equal(original, trained.fc1.weight) or _other_weights(model, trained):
        raise Mistake("some weights have other values now; prune a fresh trained_lenet()")
    return "19,200 of 48,000 weights, and no pruned one is larger than a kept one."


def _other_weights(model: nn.Module, trained: nn.Module) -> bool:
    others = {key: value for key, value in trained.state_dict().items() if key != "fc1.weight"}
    state = model.state_dict()
    return any(not torch.equal(state[key], value) for key, value in others.items())


def _not_pruned(model: LeNet, trained: LeNet) -> None:
    zeros = {name: _zeros(tensor) for name, tensor in model.named_parameters()}
    if zeros["fc1.weight"] == _HERE:
        raise Mistake(
            "fc1.weight has 19,200 zeros and no mask any more; leave out prune.remove, or call "
            "prune.l1_unstructured in place of setting weights to zero"
        )
    if any(zeros.values()):
        raise Mistake("there are zeros and no mask; call prune.l1_unstructured, and leave it so")
    raise NotAnswered("nothing of my_model is pruned yet")


@check
def twenty_and_twenty(count: float) -> str:
    """Exercise 2: 20 % of 150 weights, and then 20 % again."""
    must_be(
        count,
        54,
        {
            60: "the second 20 % are taken of the 120 weights that are left, not of 150",
            30: "that is the first time alone; the second prunes more",
            24: "that is what the second time adds; count both",
            96: "that is how many are kept; the question is how many are pruned",
            40: "20 % of 150 is 30; 20 would be a count",
            0.36: "that is the fraction; how many of the 150 is it?",
            36: "that is the percentage; how many of the 150 is it?",
            0.4: "the second 20 % are taken of what is left; and how many of the 150 is it?",
            6: "20 % of 20 % is what both would take; count all that is gone",
        },
        otherwise="take 20 % of 150, then 20 % of what is left, and add the two",
    )
    return "30, and then 24 of the 120 that are left: 36 % in all."


@check
def sparsity(function: Callable[[nn.Module, str], float]) -> str:
    """Exercise 3: a function that gives the fraction of a parameter that is pruned."""
    for module, name in list(_pruned_modules()):
        mask = module.get_buffer(f"{name}_mask")
        with untouched(module, says="the function changes the module; it should only look at it"):
            got = call(function, module, name)
        must_be(
            got,
            _zeros(mask) / mask.numel(),
            _misread(module, name),
            what="what the function returns",
            otherwise=f"of {mask.numel()} entries {_zeros(mask)} are pruned, that is "
            f"{_zeros(mask) / mask.numel():.4g}, and your function says {got!s:.20}",
        )
    return "It asks the mask, and a kept zero does not mislead it."


def _pruned_modules() -> Iterator[tuple[nn.Module, str]]:
    """Modules drawn anew, with a weight and a bias pruned by different amounts."""
    for _ in range(3):
        rows, columns = draw.randint(9, 12), draw.randint(4, 8)
        linear = nn.Linear(columns, rows)
        nn.init.normal_(linear.bias)
        prune.random_unstructured(linear, "weight", amount=draw.randint(3, columns))
        prune.random_unstructured(linear, "bias", amount=rows // 2)
        yield linear, "weight"
        yield linear, "bias"
    conv = nn.Conv2d(2, draw.randint(3, 5), 3, bias=False)
    prune.random_unstructured(conv, "weight", amount=draw.randint(5, 9))
    with torch.no_grad():  # kept, and zero by chance
        conv.get_parameter("weight_orig")[conv.get_buffer("weight_mask") == 1] = 0
    conv(torch.zeros(1, 2, 3, 3))
    yield conv, "weight"


def _misread(module: nn.Module, name: str) -> dict[float, str]:
    """The numbers that likely mistakes give for this module."""
    mask = module.get_buffer(f"{name}_mask")
    masks = torch.cat([buffer.flatten() for buffer in module.buffers()])
    other = "bias" if name == "weight" else "weight"
    gone, count = _zeros(mask), mask.numel()
    mistakes: dict[float, str] = {
        gone: "that is how many are pruned; divide by how many there are",
        count - gone: "that is how many are kept; the question is the fraction that is pruned",
        1 - gone / count: "that is the density, the fraction that is kept",
        100 * gone / count: "that is a percentage; a fraction lies between 0 and 1",
        _zeros(getattr(module, name)) / count: "it counts a kept weight that happens to be zero "
        "as pruned; ask the mask",
        _zeros(masks) / len(masks): "it counts the whole module; look at the parameter called "
        "`name` alone",
    }
    if hasattr(module, f"{other}_mask"):
        mask = module.get_buffer(f"{other}_mask")
        mistakes[_zeros(mask) / mask.numel()] = (
            f"asked for '{name}', it tells of '{other}'; does it use `name`?"
        )
    return mistakes


@check
def pruned_fc1_bytes(count: float) -> str:
    """Exercise 4: the bytes of fc1's parameters and buffers after pruning."""
    must_be(
        count,
        384_480,
        {
            192_480: "that is the layer before pruning; the mask came on top",
            19_680: "a zero takes four bytes too; pruning sets weights to zero and removes none",
            19_200: "a zero takes four bytes too; pruning sets weights to zero and removes none",
            211_680: "weight_orig keeps all values, the pruned ones too, and the mask is as large",
            384_000: "the bias has 120 numbers of its own",
            96_120: "these are the numbers; each takes four bytes",
            384_960: "only `weight` is pruned; the bias has no mask",
            576_480: "that is what it takes in memory, with `weight`, a third full tensor; but "
            "`weight` is neither a parameter nor a buffer now, and the question is about those",
            240_480: "each number of the mask takes four bytes as well, it is a float32",
            384.48: "these are kilobytes; the question is how many bytes",
        },
        otherwise="add weight_orig, weight_mask and bias, four bytes for each number",
    )
    return "384,480 bytes instead of 192,480, for a layer with a tenth of its weights left."
