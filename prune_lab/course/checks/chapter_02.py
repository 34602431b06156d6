"""Chapter 2, inspect a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab.course.judging import (
    Mistake,
    NotAnswered,
    a,
    call,
    check,
    draw,
    must_be,
    must_be_module,
    number,
    quiet,
    untouched,
)


@check
def batch_norm_numbers(in_parameters: float, in_buffers: float) -> str:
    """Exercise 1: the numbers in the parameters and buffers of BatchNorm2d(6)."""
    if (number(in_parameters), number(in_buffers)) == (13, 12):
        raise Mistake("these two have changed places; the buffers hold the odd one")
    must_be(
        in_parameters,
        12,
        {
            6: "weight and bias are parameters, with one number per channel each",
            2: "there are two parameters, with six numbers each; count the numbers",
            13: "num_batches_tracked is a buffer; only weight and bias are parameters",
            24: "running_mean and running_var are no parameters, no optimizer changes them",
            25: "that is all it keeps; only weight and bias are parameters",
        },
        otherwise="for the parameters count the numbers in weight and bias",
    )
    must_be(
        in_buffers,
        13,
        {
            12: "there is one more number in the buffers, num_batches_tracked",
            3: "there are three buffers; count the numbers in them",
            18: "num_batches_tracked is one number, not one for each channel",
            7: "both running_mean and running_var have one number per channel",
            25: "that is all it keeps; weight and bias are no buffers",
            0: "no optimizer changes them, and yet it keeps them: running_mean is the first",
        },
        otherwise="for the buffers count the numbers in running_mean, running_var and "
        "num_batches_tracked",
    )
    return "2 × 6 that are trained, 2 × 6 + 1 that are only kept."


@check
def mask_buffer(module: nn.Module) -> str:
    """Exercise 2: a buffer 'weight_mask' of ones, in the shape of the weight."""
    module = must_be_module(module, "my_conv")
    parameters, buffers = dict(module.named_parameters()), dict(module.named_buffers())
    if "weight_mask" in parameters:
        raise Mistake("weight_mask is a parameter now, and an optimizer would change it")
    if "weight_orig" in parameters:
        raise Mistake("that pruned the layer; a single line with register_buffer is enough here")
    if "weight" not in parameters:
        raise Mistake("my_conv has lost its weight; register_buffer adds, it replaces nothing")
    weight = parameters["weight"]
    if "weight_mask" not in buffers:
        _no_buffer(module, list(buffers))
    mask = buffers["weight_mask"]
    if len(buffers) > 1:
        raise Mistake(f"one buffer is enough, and my_conv has {', '.join(buffers)}")
    if mask.shape != weight.shape:
        raise Mistake(
            f"the mask should have the weight's shape {tuple(weight.shape)}, "
            f"and yours has {tuple(mask.shape)}"
        )
    if mask.requires_grad:
        raise Mistake("the mask requires a gradient, and a mask is not trained; detach() it")
    if mask.data_ptr() == weight.data_ptr():
        raise Mistake("the mask is the weight's own memory; make a new tensor with ones_like")
    if len(weight.unique()) < weight.numel() // 2:
        raise Mistake("the weights have lost their values; the ones belong into the mask alone")
    if not (mask == 1).all():
        raise Mistake("the mask should hold ones alone: 1 means kept, and everything is")
    if "weight_mask" not in module.state_dict():
        raise Mistake("the mask is not saved with the module; leave persistent=False out")
    return "Saved and moved with the module, and never trained: that is what a mask needs."


def _no_buffer(module: nn.Module, others: list[str]) -> None:
    if hasattr(module, "weight_mask"):
        raise Mistake(
            "weight_mask is a plain attribute; without register_buffer it is neither moved "
            "nor saved with the module"
        )
    if others:
        raise Mistake(f"the buffer should be named weight_mask, and yours is {others[0]}")
    raise NotAnswered("my_conv has no buffer yet")


@check
def shape_notes(hook: Callable[..., Any], notes: list[Any]) -> str:
    """Exercise 3: a forward pre-hook that appends the batch's shape to `notes`."""
    if not isinstance(notes, list):
        raise Mistake(f"notes should stay the list it was, and yours is {a(notes)}")
    sizes = [draw.randint(6, 20) for _ in range(6)]
    calls: list[tuple[nn.Module, Tensor]] = [
        (nn.Conv2d(1, 6, 5), torch.randn(sizes[0], 1, 3 + sizes[1], sizes[2])),
        (nn.Conv2d(3, 2, 3), torch.randn(sizes[3], 3, sizes[2], sizes[4])),
        (nn.Linear(sizes[5], 2), torch.randn(21 + sizes[4], sizes[5])),
    ]
    expected = [tuple(batch.shape) for _, batch in calls]
    before = list(notes)
    try:
        for module, batch in calls:
            _ask_hook(hook, module, batch)
        taken = notes[len(before) :]
    finally:
        notes[:] = before
    if taken == expected and all(type(note) is tuple for note in taken):
        return "It took notes of every call, and the module never knew."
    raise _misnoted(taken, expected)


def _ask_hook(hook: Callable[..., Any], module: nn.Module, batch: Tensor) -> None:
    with (
        quiet("the hook prints; it should only take its note"),
        untouched(batch, says="the hook changes the batch, and it should only look at it"),
        untouched(module, says="the hook changes the module, and it should only look at it"),
    ):
        returned = call(hook, module, (batch,), name="your hook", nothing=True)
    if returned is not None:
        raise Mistake("the hook returns something, and that replaces the input; return nothing")


def _misnoted(taken: list[Any], expected: list[tuple[int, ...]]) -> Exception:
    if not taken:
        return NotAnswered("the hook ran, and notes is still empty; notes.append fills it")
    if any(isinstance(note, Tensor) for note in taken):
        return Mistake("the hook notes the batch itself and keeps all images; note its shape")
    if taken == [number for shape in expected for number in shape]:
        return Mistake("the numbers went in one by one; append the whole shape as one tuple")
    if len(taken) != len(expected):
        return Mistake(
            f"for {len(expected)} calls there should be {len(expected)} notes, "
            f"and there are {len(taken)}"
        )
    if all(isinstance(note, torch.Size) for note in taken):
        return Mistake("the note is a torch.Size; make it a tuple with tuple(...)")
    if all(isinstance(note, list) for note in taken):
        return Mistake("the note is a list; make it a tuple with tuple(...)")
    if all(note == taken[0] for note in taken):
        return Mistake(f"the hook noted {taken[0]!r} for every batch; ask the batch for its shape")
    if taken == [shape[1:] for shape in expected]:
        return Mistake("the note leaves out how many images there were; append the whole shape")
    if taken == [shape[0] for shape in expected]:
        return Mistake("the note is only how many images there were; append the whole shape")
    return Mistake(f"for a batch of shape {expected[0]} the hook noted {taken[0]!r}")
