from __future__ import annotations

import contextlib
import copy
from typing import Any

import torch
import torch.nn.utils.prune as torch_prune
from torch import nn

from prune_lab import prune
from prune_lab.course.checks import chapter_06 as checks
from tests.course.cases import right, unanswered, wrong

# Exercise 2


def permanent(model: nn.Module, engine: Any = prune) -> None:
    for module in model.modules():
        for name, _ in list(module.named_parameters(recurse=False)):
            if name.endswith("_orig"):
                engine.remove(module, name.removesuffix("_orig"))


def permanent_by_trying(model: nn.Module) -> nn.Module:
    for module in model.modules():
        for name in ["weight", "bias"]:
            with contextlib.suppress(ValueError):
                prune.remove(module, name)
    return model


def weights_only(model: nn.Module) -> None:
    for module in model.modules():
        if "weight_orig" in dict(module.named_parameters(recurse=False)):
            prune.remove(module, "weight")


def children_only(model: nn.Module) -> None:
    for module in model.children():
        for name, _ in list(module.named_parameters(recurse=False)):
            if name.endswith("_orig"):
                prune.remove(module, name.removesuffix("_orig"))


def without_the_model_itself(model: nn.Module) -> None:
    for module in list(model.modules())[1:]:
        permanent(module)


def without_asking(model: nn.Module) -> None:
    for module in model.modules():
        prune.remove(module, "weight")


def whoever_is_pruned(model: nn.Module) -> None:
    for module in model.modules():
        if prune.is_pruned(module):
            prune.remove(module, "weight")


def the_model(model: nn.Module) -> None:
    prune.remove(model, "weight")


def without_a_copy(model: nn.Module) -> None:
    for module in model.modules():
        for name, _ in module.named_parameters(recurse=False):
            if name.endswith("_orig"):
                prune.remove(module, name.removesuffix("_orig"))


def by_full_name(model: nn.Module) -> None:
    for name, _ in list(model.named_parameters()):
        if name.endswith("_orig"):
            prune.remove(model, name.removesuffix("_orig"))


def undone(model: nn.Module) -> None:
    for module in model.modules():
        for name, _ in list(module.named_parameters(recurse=False)):
            if name.endswith("_orig"):
                original = getattr(module, name).detach().clone()
                prune.remove(module, name.removesuffix("_orig"))
                getattr(module, name.removesuffix("_orig")).data.copy_(original)


def new_parameters(model: nn.Module) -> None:
    permanent(model)
    for module in model.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, nn.Parameter(parameter.detach().clone()))


def all_hooks(model: nn.Module) -> None:
    permanent(model)
    for module in model.modules():
        module._forward_pre_hooks.clear()


def hooks_alone(model: nn.Module) -> None:
    for module in model.modules():
        module._forward_pre_hooks.clear()


def everything_is_zero(model: nn.Module) -> None:
    permanent(model)
    for parameter in model.parameters():
        parameter.data.zero_()


def that_zeroes_alone(model: nn.Module) -> None:
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name.endswith("_mask"):
                getattr(module, name.replace("_mask", "_orig")).data.mul_(buffer)


def a_copy(model: nn.Module) -> nn.Module:
    copied = copy.deepcopy(model)
    permanent(copied)
    return copied


def endless(*given: Any) -> None:
    while True:
        pass


# Exercise 3


def loaded(model: nn.Module, state: dict[str, Any], engine: Any = prune) -> None:
    for key in state:
        if key.endswith("_mask"):
            path, _, name = key.removesuffix("_mask").rpartition(".")
            engine.identity(model.get_submodule(path), name)
    model.load_state_dict(state)


def by_masks(model: nn.Module, state: dict[str, Any]) -> nn.Module:
    for key, mask in state.items():
        if key.endswith("_mask"):
            path, _, name = key.removesuffix("_mask").rpartition(".")
            prune.custom_from_mask(model.get_submodule(path), name, mask)
    model.load_state_dict(state)
    return model


def untouched(model: nn.Module, state: dict[str, Any]) -> None:
    model.load_state_dict(state, strict=False)


def strictly(model: nn.Module, state: dict[str, Any]) -> None:
    model.load_state_dict(state)


def masks_alone(model: nn.Module, state: dict[str, Any]) -> None:
    for key, mask in state.items():
        if key.endswith("_mask"):
            path, _, name = key.removesuffix("_mask").rpartition(".")
            prune.custom_from_mask(model.get_submodule(path), name, mask)


def then_removed(model: nn.Module, state: dict[str, Any]) -> None:
    loaded(model, state)
    for key in state:
        if key.endswith("_mask"):
            path, _, name = key.removesuffix("_mask").rpartition(".")
            prune.remove(model.get_submodule(path), name)


def products(model: nn.Module, state: dict[str, Any]) -> None:
    values = {}
    for key, value in state.items():
        if key.endswith("_orig"):
            values[key.removesuffix("_orig")] = value * state[key.replace("_orig", "_mask")]
        elif not key.endswith("_mask"):
            values[key] = value
    model.load_state_dict(values)


def originals(model: nn.Module, state: dict[str, Any]) -> None:
    model.load_state_dict(
        {k.removesuffix("_orig"): v for k, v in state.items() if not k.endswith("_mask")}
    )


def weights_everywhere(model: nn.Module, state: dict[str, Any]) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear):
            prune.identity(module, "weight")
    model.load_state_dict(state)


def weights_everywhere_and_lax(model: nn.Module, state: dict[str, Any]) -> None:
    for module in model.modules():
        if isinstance(module, nn.Linear):
            prune.identity(module, "weight")
    model.load_state_dict(state, strict=False)


def first_layer_alone(model: nn.Module, state: dict[str, Any]) -> None:
    prune.identity(model[0], "weight")
    model.load_state_dict(state, strict=False)


def another_mask(model: nn.Module, state: dict[str, Any]) -> None:
    loaded(model, state)
    prune.l1_unstructured(model[0], "weight", amount=2)


def that_pops(model: nn.Module, state: dict[str, Any]) -> None:
    loaded(model, state)
    for key in [key for key in state if key.endswith("_mask")]:
        del state[key]


def into_a_copy(model: nn.Module, state: dict[str, Any]) -> nn.Module:
    other = copy.deepcopy(model)
    loaded(other, state)
    return other


def buffers_without_hooks(model: nn.Module, state: dict[str, Any]) -> None:
    products(model, state)
    for key, mask in state.items():
        if key.endswith("_mask"):
            path, _, name = key.rpartition(".")
            model.get_submodule(path).register_buffer(name, mask.clone())


def same_seed(model: nn.Module, state: dict[str, Any]) -> None:
    torch.manual_seed(0)
    prune.random_unstructured(model[0], "weight", amount=0.3)
    model.load_state_dict(state, strict=False)


CASES = [
    right(checks.entries, 13, 10),
    unanswered(checks.entries, 13, ..., says="replace the ..."),
    wrong(checks.entries, 10, 10, says="buffers are saved too"),
    wrong(checks.entries, 12, 10, says="a mask of its own"),
    wrong(checks.entries, 11, 10, says="a mask of its own"),
    wrong(checks.entries, 15, 10, says="three parameters are pruned"),
    wrong(checks.entries, 16, 10, says="a product now"),
    wrong(checks.entries, 19, 10, says="parameters and buffers alone"),
    wrong(checks.entries, 7, 7, says="takes nothing out"),
    wrong(checks.entries, 6, 3, says="the other seven"),
    wrong(checks.entries, 3, 0, says="the masks alone"),
    wrong(checks.entries, 14, 10, says="one more for each"),
    wrong(checks.entries, 13, 13, says="takes the masks away"),
    wrong(checks.entries, 13, 7, says="the parameters stay"),
    wrong(checks.entries, 13, 16, says="takes the masks away"),
    wrong(checks.entries, 13, 12, says="what does remove take away"),
    wrong(checks.entries, "13", 10, says="without quotes"),
    right(checks.make_permanent, permanent),
    right(checks.make_permanent, lambda model: permanent(model, torch_prune)),
    right(checks.make_permanent, permanent_by_trying),
    right(checks.make_permanent, lambda model: [permanent(model), 7][1]),
    unanswered(checks.make_permanent, lambda model: None, says="as it was"),
    unanswered(checks.make_permanent, lambda model: ..., says="the ... back"),
    wrong(checks.make_permanent, weights_only, says="a bias can be pruned"),
    wrong(checks.make_permanent, children_only, says="inside other modules"),
    wrong(checks.make_permanent, without_the_model_itself, says="can be a single layer"),
    wrong(checks.make_permanent, without_asking, says="that is not pruned, and raises"),
    wrong(checks.make_permanent, whoever_is_pruned, says="that is not pruned, and raises"),
    wrong(checks.make_permanent, the_model, says="that is not pruned, and raises"),
    wrong(checks.make_permanent, without_a_copy, says="walk through a copy"),
    wrong(checks.make_permanent, by_full_name, says="without dots"),
    wrong(checks.make_permanent, a_copy, says="not on a copy"),
    wrong(checks.make_permanent, undone, says="the zeros should stay"),
    wrong(checks.make_permanent, new_parameters, says="is a new Parameter"),
    wrong(checks.make_permanent, all_hooks, says="nothing to do with pruning"),
    wrong(checks.make_permanent, hooks_alone, says="no parameter of the model any more"),
    wrong(checks.make_permanent, everything_is_zero, says="has other values"),
    wrong(checks.make_permanent, that_zeroes_alone, says="call prune.remove"),
    wrong(checks.make_permanent, lambda: None, says="raised TypeError"),
    wrong(checks.make_permanent, nn.Linear(2, 2), says="raised"),
    wrong(checks.make_permanent, endless, says="is there a loop that never ends?"),
    right(checks.load_pruned, loaded),
    right(checks.load_pruned, lambda model, state: loaded(model, state, torch_prune)),
    right(checks.load_pruned, by_masks),
    right(checks.load_pruned, prune.load_checkpoint),
    wrong(checks.load_pruned, untouched, says="in silence"),
    wrong(checks.load_pruned, strictly, says="raised RuntimeError"),
    wrong(checks.load_pruned, masks_alone, says="values are not those of the checkpoint"),
    wrong(checks.load_pruned, then_removed, says="bring the zeros back"),
    wrong(checks.load_pruned, products, says="bring the zeros back"),
    wrong(checks.load_pruned, originals, says="nothing is masked"),
    wrong(checks.load_pruned, weights_everywhere, says="raised RuntimeError"),
    wrong(checks.load_pruned, weights_everywhere_and_lax, says="and the checkpoint does not"),
    wrong(checks.load_pruned, first_layer_alone, says="the model has no such mask"),
    wrong(checks.load_pruned, another_mask, says="not by the masks of the checkpoint"),
    wrong(checks.load_pruned, that_pops, says="changes the state dict"),
    wrong(checks.load_pruned, into_a_copy, says="into the model that was given"),
    wrong(checks.load_pruned, buffers_without_hooks, says="no hook applies them"),
    wrong(checks.load_pruned, lambda model: None, says="raised TypeError"),
    wrong(checks.load_pruned, endless, says="is there a loop that never ends?"),
]
