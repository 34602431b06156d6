"""Chapter 4, behind the curtain."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.utils.prune as torch_prune
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.course.judging import (
    Mistake,
    NotAnswered,
    a,
    call,
    check,
    draw,
    mixed,
    number,
    untouched,
)

Function = Callable[..., Any]


@check
def my_engine(smallest: Function, my_prune: Function, my_remove: Function) -> str:
    """Exercise 1: a mask of the smallest, a function that prunes by it, and one that removes."""
    for values, amount in list(_tensors()):
        _judge_mask(smallest, values, amount)
    for layer, x in list(_layers()):
        ours, torchs = copy.deepcopy(layer), copy.deepcopy(layer)
        for name in ["bias", "weight"]:
            mask = _some_mask(getattr(layer, name))
            prune.custom_from_mask(ours, name, mask)
            torch_prune.custom_from_mask(torchs, name, mask)
            _judge_prune(my_prune, layer, name, mask)
        _judge_calls("my_prune", layer, {"prune_lab": ours, "torch": torchs}, x)
        _judge_remove(my_remove, layer)
    return "Masks, names, outputs and gradients are those of PruneLab's engine and of PyTorch's."


# The mask


def _tensors() -> Iterator[tuple[Tensor, float]]:
    for amount in [draw.choice([0.2, 0.3, 0.4]), draw.choice([0.6, 0.7, 0.8])]:
        yield nn.Parameter(mixed(draw.randint(3, 6), 2, 5)), amount
    yield nn.Parameter(torch.randn(draw.randint(2, 4), 5) + 2), 0.0
    yield nn.Parameter(torch.randn(draw.randint(2, 4), 5) - 2), 1.0
    yield torch.randn(20).sign(), 0.25  # of equal values some go and others stay


def _judge_mask(smallest: Function, values: Tensor, amount: float) -> None:
    with untouched(values, says="smallest changes the values; it should only look at them"):
        mask = call(smallest, values, amount, name="smallest")
    if not isinstance(mask, Tensor):
        raise Mistake(f"smallest should return a tensor, and yours returns {a(mask)}")
    if mask.shape != values.shape:
        raise Mistake(
            f"the mask should have the values' shape {tuple(values.shape)}, "
            f"and yours has {tuple(mask.shape)}"
        )
    if mask.requires_grad:
        raise Mistake(
            "the mask requires a gradient, and a mask is not trained; detach() the values"
        )
    if mask.dtype != values.dtype:
        raise Mistake(f"the mask should be like the values, float32, and yours is {mask.dtype}")
    if not ((mask == 0) | (mask == 1)).all():
        raise Mistake("a mask holds zeros and ones alone, and yours has other numbers")
    gone, size = mask == 0, values.detach().abs()
    wanted, got = round(amount * values.numel()), int(gone.sum())
    if got != wanted:
        _miscounted(wanted, got, values, amount)
    if 0 < got < len(size.flatten()) and size[gone].max() > size[~gone].min():
        if size[~gone].max() <= size[gone].min():
            raise Mistake("the mask takes the largest; argsort() has the smallest first")
        if values[gone].max() <= values[~gone].min():
            raise Mistake("the mask takes negative values first; the absolute value counts, abs()")
        raise Mistake("the right number goes, but not those with the smallest absolute values")


def _miscounted(wanted: int, got: int, values: Tensor, amount: float) -> None:
    told = f"with {values.numel()} values and amount={amount}, {wanted} should go, "
    if len(values.detach().abs().unique()) == 1:
        raise Mistake(
            f"of {values.numel()} values that are equally large {wanted} should go, and {got} did; "
            "sort them in place of comparing with a threshold"
        )
    if got == values.numel() - wanted:
        raise Mistake(told + f"and {got} did: 0 in the mask means pruned, 1 kept")
    raise Mistake(told + f"and {got} did")


# The pruned module


def _layers() -> Iterator[tuple[nn.Module, Tensor]]:
    """Layers drawn anew, each with a hook of somebody else's, and an input."""
    inputs, outputs = draw.randint(4, 9), draw.randint(3, 7)
    linear = nn.Linear(inputs, outputs), torch.randn(5, inputs)
    conv = nn.Conv2d(2, outputs, 3), torch.randn(4, 2, 5, 6)
    for layer, x in [linear, conv]:
        layer.register_forward_pre_hook(_somebody_elses)
        yield layer, x


def _somebody_elses(module: nn.Module, inputs: object) -> None:
    pass


def _some_mask(values: Tensor) -> Tensor:
    mask = torch.ones_like(values.detach())
    mask.view(-1)[torch.randperm(mask.numel())[: mask.numel() // 2]] = 0
    return mask


def _judge_prune(my_prune: Function, module: nn.Module, name: str, mask: Tensor) -> None:
    """Call a function that should prune `name`, and look at what it made."""
    before = dict(module.named_parameters())
    old, values, given = before[name], before[name].detach().clone(), mask.clone()
    try:
        returned = call(my_prune, module, name, mask, name="my_prune", nothing=True)
    finally:
        _judge_others(before, module, name)
    if returned is None:
        if getattr(module, name, None) is old:
            raise NotAnswered("smallest is right; my_prune does nothing yet")
        raise Mistake("my_prune returns nothing; end it with `return module`")
    if returned is not module:
        raise Mistake(
            f"my_prune should return the module that it got, and yours gives {a(returned)}"
        )
    if not torch.equal(mask, given):
        raise Mistake("my_prune changes the mask that it got; it should only use it")
    _judge_made("my_prune", module, name, mask, old, values)


def _judge_others(before: dict[str, nn.Parameter], module: nn.Module, name: str) -> None:
    for other, parameter in before.items():
        if other != name and module._parameters.get(other) is not parameter:
            raise Mistake(
                f"asked to prune '{name}', my_prune changes '{other}'; does it use `name`?"
            )


def _judge_made(
    who: str, module: nn.Module, name: str, mask: Tensor, old: nn.Parameter, values: Tensor
) -> None:
    """Look at the four parts of a module of which `old` was pruned."""
    parameters, buffers, orig = module._parameters, module._buffers, f"{name}_orig"
    if name in parameters:
        raise Mistake(f"'{name}' is still a parameter; delete it, or the double cannot come on")
    if orig not in parameters:
        if isinstance(getattr(module, orig, None), Tensor):
            raise Mistake(f"{orig} is a plain tensor; register_parameter makes it a parameter")
        raise Mistake(f"'{name}' is gone, and there is no parameter {orig}")
    if parameters[orig] is not old:
        raise Mistake(
            f"{orig} is another Parameter than '{name}' was; an optimizer from before would go on "
            "with the old one. Give the same object its new name"
        )
    if not torch.equal(old, values):
        raise Mistake(f"{orig} has other values now; the mask belongs into the product alone")
    if f"{name}_mask" not in buffers:
        if f"{name}_mask" in parameters:
            raise Mistake(f"{name}_mask is a parameter, and would be trained; register_buffer")
        if hasattr(module, f"{name}_mask"):
            raise Mistake(f"{name}_mask is a plain tensor and not saved; use register_buffer")
        raise Mistake(f"the module has no buffer {name}_mask")
    if not torch.equal(module.get_buffer(f"{name}_mask"), mask):
        raise Mistake(f"{name}_mask is not the mask that {who} was given")
    if not module._forward_pre_hooks or list(module._forward_pre_hooks.values()) == [
        _somebody_elses
    ]:
        if module._forward_hooks:
            raise Mistake("that hook runs after forward; it is register_forward_pre_hook")
        raise Mistake("the module has no forward pre-hook, and its weight will never change")
    if not isinstance(getattr(module, name, None), Tensor):
        for hook in list(module._forward_pre_hooks.values()):
            call(hook, module, None, name="the hook", nothing=True)
        if not isinstance(getattr(module, name, None), Tensor):
            raise Mistake(f"the hook dresses nobody: its call should set '{name}'")
        raise Mistake(
            f"right after {who} the module has no '{name}' yet; let the hook dress it once"
        )
    if not torch.equal(getattr(module, name), values * mask):
        raise Mistake(f"right after {who}, '{name}' is not {orig} × {name}_mask")


def _judge_calls(who: str, module: nn.Module, references: dict[str, nn.Module], x: Tensor) -> None:
    """Train a module that was pruned by hand beside those that the engines pruned."""
    for hook in module._forward_pre_hooks.values():
        if call(hook, module, (x,), name="the hook", nothing=True) is not None:
            raise Mistake("the hook returns something, and that takes the input's place")
    for time in range(2):
        got, grads = _trained(who, module, x, time)
        for engine, reference in references.items():
            wanted, wanted_grads = _trained(engine, reference, x, time)
            if got.shape != wanted.shape or not torch.allclose(got, wanted, atol=1e-5):
                raise Mistake(
                    "a call of the pruned module gives other outputs than the engines' module"
                    if time == 0
                    else "after a training step the layer answers as before it; the hook must "
                    "compute the product anew in every call"
                )
            for name, grad in wanted_grads.items():
                if not torch.allclose(grads[name], grad, atol=1e-5):
                    raise Mistake(f"the gradient of {name} is not that of the engines' module")
    keys = {engine: sorted(r.state_dict()) for engine, r in references.items()}
    if sorted(module.state_dict()) not in keys.values():
        raise Mistake(
            f"the state dict has the keys {', '.join(module.state_dict())}, and the engines' has "
            f"{', '.join(next(iter(keys.values())))}"
        )


def _trained(who: str, module: nn.Module, x: Tensor, time: int) -> tuple[Tensor, dict[str, Tensor]]:
    """One step of gradient descent: the output before it, and the gradients."""
    module.zero_grad()
    try:
        output = module(x)
        if output.requires_grad:
            output.square().mean().backward()
    except Exception as error:
        raise Mistake(
            f"after {who}, training step {time + 1} raised {type(error).__name__}: "
            f"{str(error).partition('(')[0].strip()[:90]}"
        ) from None
    grads = {}
    for name, parameter in module.named_parameters():
        if parameter.grad is None:
            raise Mistake(
                f"no gradient arrives at {name}; compute the product without detach() and no_grad()"
            )
        grads[name] = parameter.grad.clone()
        with torch.no_grad():
            parameter.sub_(0.5 * parameter.grad)
    return output.detach(), grads


# Removed


def _judge_remove(my_remove: Function, module: nn.Module) -> None:
    for name in ["weight", "bias"]:
        old, mask = module.get_parameter(f"{name}_orig"), module.get_buffer(f"{name}_mask")
        values, hooks = old.detach() * mask, len(module._forward_pre_hooks)
        others = set(module.state_dict()) - {f"{name}_orig", f"{name}_mask"}
        returned = call(my_remove, module, name, name="my_remove", nothing=True)
        there = set(module.state_dict())
        if returned is None:
            if f"{name}_orig" in there and hooks == len(module._forward_pre_hooks):
                raise NotAnswered("smallest and my_prune are right; my_remove does nothing yet")
            raise Mistake("my_remove returns nothing; end it with `return module`")
        if returned is not module:
            raise Mistake(
                f"my_remove should return the module that it got, and yours gives {a(returned)}"
            )
        if left := there & {f"{name}_orig", f"{name}_mask"}:
            raise Mistake(f"after my_remove the module still has {', '.join(sorted(left))}")
        if missing := others - there:
            raise Mistake(f"asked to remove '{name}', my_remove takes {min(missing)} as well")
        _judge_hooks_left(module, hooks)
        now = module._parameters.get(name)
        if now is None:
            raise Mistake(f"after my_remove '{name}' should be a parameter again")
        if now is not old:
            raise Mistake(
                f"after my_remove '{name}' is another Parameter than {name}_orig was; an optimizer "
                "holds the old one"
            )
        if not torch.equal(now, values):
            if torch.equal(now * mask, values):
                raise Mistake("after my_remove the pruned values are back; put zeros there first")
            raise Mistake(f"after my_remove the kept values of '{name}' are others")
        if not now.requires_grad:
            raise Mistake(f"after my_remove '{name}' requires no gradient any more")


def _judge_hooks_left(module: nn.Module, before: int) -> None:
    hooks = list(module._forward_pre_hooks.values())
    if len(hooks) == before:
        raise Mistake("after my_remove the hook is still there, and the next call would fail")
    if _somebody_elses not in hooks:
        raise Mistake("my_remove also takes off a hook that is not yours; look for a Dresser")
    if len(hooks) < before - 1:
        raise Mistake("my_remove takes the hook of the other parameter as well; compare the names")


# The other exercises


@check
def three_calls(first: float, second: float, third: float) -> str:
    """Exercise 2: what forward, the call and forward give after weight_orig has doubled."""
    got = tuple(number(answer) for answer in (first, second, third))
    if got == (3, 6, 6):
        return "forward sees the old clothes, the call dresses anew, and forward sees the new ones."
    if 2 in got or 4 in got:
        raise Mistake("the −1 is pruned: under the mask it is 0, and only the 3 counts")
    if 0 in got or min(got) < 0:
        raise Mistake("the 3 is kept and the −1 is pruned; which values has the double?")
    likely: dict[tuple[float, ...], str] = {
        (6, 6, 6): "forward() runs no hook: the first line still sees the clothes of before",
        (3, 3, 3): "the call runs the hook, and that computes the product of the doubled values",
        (3, 6, 3): "the hook's work stays: after the call the double wears the new clothes, and "
        "forward() sees them too",
        (6, 3, 6): "it is the other way round: the call runs the hook, and forward() does not",
        (6, 6, 3): "forward() does not take the double's clothes off; it only does not change them",
        (3, 6, 12): "the values double once; the calls change nothing in weight_orig",
        (6, 12, 12): "the values double once; the calls change nothing in weight_orig",
        (3, 3, 6): "the call runs the hook before it computes, so that it sees the new values",
    }
    raise Mistake(
        likely.get(got, "ask for each line whether the hook runs, and when `weight` was computed")
    )


@check
def prune_by(function: Function) -> str:
    """Exercise 3: an engine that keeps the Parameter and computes the product in every call."""
    for layer, x in list(_layers()):
        ours, old = copy.deepcopy(layer), layer.get_parameter("weight")
        mask, values = _some_mask(old), old.detach().clone()
        given = mask.clone()
        prune.custom_from_mask(ours, "weight", mask)
        call(function, layer, mask, name="prune_by", nothing=True)
        if layer._parameters.get("weight") is old:
            raise NotAnswered("prune_by does nothing yet")
        if not torch.equal(mask, given):
            raise Mistake("prune_by changes the mask that it got; it should only use it")
        _judge_made("prune_by", layer, "weight", mask, old, values)
        _judge_calls("prune_by", layer, {"prune_lab": ours}, x)
    return "The optimizer's Parameter has only another name, and the product is new in every call."
