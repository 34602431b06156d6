"""Chapter 6, keep it, undo it, save it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.course.judging import Mistake, NotAnswered, call, check, draw, must_be
from prune_lab.prune.places import pruned_names


@check
def entries(when_pruned: float, after_remove: float) -> str:
    """Exercise 1: the tensors in LeNet's state dict with three parameters pruned, and removed."""
    must_be(
        when_pruned,
        13,
        {
            10: "the masks are buffers, and buffers are saved too",
            12: "three parameters are pruned, two of them in conv1; each has a mask of its own",
            11: "each pruned parameter has a mask of its own, and three are pruned",
            15: "that is a mask for each of the five layers; three parameters are pruned",
            16: "weight itself is a product now, and no entry; its original is there in its place",
            19: "that counts `weight`, `bias` and the hooks too; a file keeps parameters and "
            "buffers alone",
            7: "pruning takes nothing out: the original stays, under another name",
            6: "these are the entries that have to do with pruning; the other seven are there too",
            3: "these are the masks alone; what else is in the state dict?",
        },
        what="when_pruned",
        otherwise="ten tensors, and one more for each pruned parameter",
    )
    must_be(
        after_remove,
        10,
        {
            13: "remove takes the masks away",
            7: "remove writes the zeros into the parameters; the parameters stay",
            16: "remove takes the masks away, and `weight_orig` becomes `weight` again",
        },
        what="after_remove",
        otherwise="what does remove take away, and what gets its old name back?",
    )
    return "13, three of them masks; and 10 as at the start, zeros and all."


# Exercise 2


@check
def make_permanent(function: Callable[[nn.Module], object]) -> str:
    """Exercise 2: a function that removes every pruning of a model, keeping the zeros."""
    for number, model in enumerate([_flat(), _nested(), _alone()]):
        _judge_removal(function, model, first=number == 0)
    return "Weights and biases, deep inside or not, and the zeros have stayed."


def _flat() -> nn.Module:
    """Three layers in a row: a weight pruned, a weight pruned twice, and one clean."""
    width = draw.randint(4, 7)
    model = nn.Sequential(nn.Linear(width, 6), nn.ReLU(), nn.Linear(6, 5), nn.Linear(5, 2))
    prune.random_unstructured(model[0], "weight", amount=draw.randint(5, 9))
    prune.random_unstructured(model[2], "weight", amount=0.3)
    prune.random_unstructured(model[2], "weight", amount=0.3)
    return model


def _nested() -> nn.Module:
    """Layers inside layers, a bias pruned, a hook of somebody else's."""
    block = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    inner = nn.ModuleDict({"conv": block, "head": nn.Linear(4, draw.randint(3, 6))})
    model = nn.ModuleDict({"body": inner, "tail": nn.Linear(5, 5)})
    prune.random_unstructured(block[0], "weight", amount=draw.randint(9, 20))
    prune.random_unstructured(block[0], "bias", amount=1)
    prune.random_unstructured(block[1], "weight", amount=2)
    prune.random_unstructured(inner["head"], "bias", amount=2)
    block[0].register_forward_pre_hook(_somebody_elses)
    return model


def _alone() -> nn.Module:
    """A single layer: the model itself is what is pruned."""
    layer = nn.Linear(draw.randint(3, 6), 4)
    prune.random_unstructured(layer, "weight", amount=3)
    nn.init.zeros_(layer.bias)
    return layer


def _somebody_elses(module: nn.Module, inputs: object) -> None:
    """Do nothing: a hook that has nothing to do with pruning."""


def _judge_removal(
    function: Callable[[nn.Module], object], model: nn.Module, *, first: bool
) -> None:
    wanted: dict[str, Tensor] = {}
    for path, module in model.named_modules():
        for key in module._parameters:
            name = key.removesuffix("_orig")
            wanted[f"{path}.{name}".lstrip(".")] = getattr(module, name).detach().clone()
    parameters = {
        name.removesuffix("_orig"): parameter for name, parameter in model.named_parameters()
    }
    masks = {
        name.removesuffix("_mask"): mask.clone()
        for name, mask in model.named_buffers()
        if name.endswith("_mask")
    }
    before = copy.deepcopy(model.state_dict())
    others = [hook for m in model.modules() for hook in m._forward_pre_hooks.values()]
    others = [hook for hook in others if hook is _somebody_elses]
    try:
        got = call(function, model, name="make_permanent", nothing=True)
    except Mistake as mistake:
        _explain_refusal(str(mistake))
        raise

    left = [
        f"{path}.{name}".lstrip(".")
        for path, module in model.named_modules()
        for name in pruned_names(module)
    ]
    if sorted(left) == sorted(masks) and first:
        if isinstance(got, nn.Module) and got is not model:
            raise Mistake("work on the model that was given, and not on a copy of it")
        if _same_state(model.state_dict(), before):
            raise NotAnswered("make_permanent leaves everything pruned as it was")
        raise Mistake("everything is still pruned afterwards; call prune.remove")
    if left:
        _still_pruned(left, masks)
    _judge_values(model, wanted, parameters, masks)
    if len([b for name, b in model.named_buffers() if name.endswith("_mask")]):
        raise Mistake("the hooks are gone and the masks are still there; prune.remove takes both")
    hooks = [hook for m in model.modules() for hook in m._forward_pre_hooks.values()]
    if len(hooks) != len(others):
        raise Mistake("a hook that had nothing to do with pruning is gone too")


def _explain_refusal(mistake: str) -> None:
    """Say what it means when prune.remove, or a walk through what it changes, has refused."""
    if "during iteration" in mistake:
        raise Mistake(
            "prune.remove changes the names while you walk through them; walk through a copy, "
            "list(...)"
        )
    refused = re.search(r"Parameter '([^']*)' of .* has to be pruned", mistake, re.S)
    if refused and "." in refused[1]:
        raise Mistake(
            f"prune.remove wants the module that holds {refused[1]}, and the name that it has "
            "there, without dots"
        )
    if refused:
        raise Mistake(
            f"prune.remove is called for a {refused[1]} that is not pruned, and raises; ask first"
        )


def _still_pruned(left: list[str], masks: dict[str, Tensor]) -> None:
    if any(name.endswith("bias") for name in left) and not any(
        name.endswith("weight") for name in left
    ):
        raise Mistake(f"{left[0]} is still pruned; a bias can be pruned as well")
    if left == ["weight"]:
        raise Mistake("the model can be a single layer, and then it is itself what is pruned")
    if all("." in name.split(".", 1)[-1] for name in left):
        raise Mistake(f"{left[0]} is still pruned; layers can lie inside other modules")
    raise Mistake(
        f"{len(left)} of {len(masks)} are still pruned, for instance {left[0]}; go through all "
        "modules and all their parameters"
    )


def _judge_values(
    model: nn.Module,
    wanted: dict[str, Tensor],
    parameters: dict[str, nn.Parameter],
    masks: dict[str, Tensor],
) -> None:
    now = dict(model.named_parameters())
    if missing := wanted.keys() - now.keys():
        raise Mistake(f"{min(missing)} is no parameter of the model any more")
    for name, values in wanted.items():
        if not torch.equal(now[name], values):
            back = name in masks and bool((now[name][masks[name] == 0] != 0).any())
            if back:
                raise Mistake(
                    f"what was pruned of {name} has its old values again; that is undoing, and "
                    "here the zeros should stay"
                )
            raise Mistake(f"{name} has other values now; only what is pruned is zero")
    for name, parameter in parameters.items():
        if now[name] is not parameter:
            raise Mistake(
                f"{name} is a new Parameter, which an optimizer of before does not hold; "
                "prune.remove keeps the old one"
            )


def _same_state(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# Exercise 3


@check
def load_pruned(function: Callable[[nn.Module, dict[str, Tensor]], object]) -> str:
    """Exercise 3: a function that loads a pruned model's state dict into a fresh model."""
    widths = [(draw.randint(5, 8), draw.randint(4, 7)) for _ in range(3)]
    for number, width in enumerate(widths):
        _judge_loading(function, *width, times=number)
    return "The same outputs under the same masks, and ready to be trained on."


def _network(inputs: int, hidden: int) -> nn.Module:
    # Not ReLU: where it is dead for all images, masks change no output.
    inner = nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh())
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), inner, nn.Linear(hidden, 3))


def _judge_loading(
    function: Callable[[nn.Module, dict[str, Tensor]], object],
    inputs: int,
    hidden: int,
    *,
    times: int,
) -> None:
    pruned, model = _network(inputs, hidden), _network(inputs, hidden)
    places = [("0", "weight"), ("2.0", "weight"), ("2.0", "bias")][: times + 1]
    for path, name in places:
        amount = draw.randint(2, 3) if name == "bias" else draw.randint(6, 12)
        prune.random_unstructured(pruned.get_submodule(path), name, amount=amount)
    images = torch.randn(7, inputs)
    expected = pruned(images).detach()
    state = copy.deepcopy(pruned.state_dict())
    given = copy.deepcopy(state)

    got = call(function, model, given, name="load_pruned", nothing=True)
    if not _same_state(given, state):
        raise Mistake("the function changes the state dict; whoever gave it may load it again")
    # The masks alone decide which weights still move in training.
    masks = {name: mask for name, mask in model.named_buffers() if name.endswith("_mask")}
    wanted = {name: mask for name, mask in state.items() if name.endswith("_mask")}
    try:
        outputs = model(images).detach()
    except Exception as error:
        raise Mistake(f"the loaded model raised {type(error).__name__}: {error}") from None
    same = torch.equal(outputs, expected)
    if isinstance(got, nn.Module) and got is not model and not same:
        raise Mistake("load into the model that was given, and not into another one")
    if not masks:
        if torch.allclose(outputs, expected):
            raise Mistake(
                "the outputs are right, but the mask is gone: the first training step would "
                "bring the zeros back"
            )
        if any(torch.equal(model.get_parameter(f"{p}.{n}"), state[f"{p}.{n}_orig"])
               for p, n in places):  # fmt: skip
            raise Mistake("the values are loaded and nothing is masked: pruned weights work again")
        raise Mistake(
            "the pruned weights still have the values of the fresh model: strict=False passes "
            "over keys that do not fit, in silence"
        )
    if missing := wanted.keys() - masks.keys():
        raise Mistake(f"{min(missing)} is in the checkpoint, and the model has no such mask")
    if extra := masks.keys() - wanted.keys():
        raise Mistake(
            f"the model has {min(extra)}, and the checkpoint does not; prune only what is pruned "
            "there"
        )
    if any(not torch.equal(masks[name], wanted[name]) for name in wanted):
        raise Mistake("the model is pruned, but not by the masks of the checkpoint")
    if not same:
        raise Mistake("the masks are right, and the values are not those of the checkpoint")
    if not prune.is_pruned(model):
        raise Mistake("the masks are there, but no hook applies them; prune.identity makes one")
