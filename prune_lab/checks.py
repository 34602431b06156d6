"""The checks behind the exercises: each looks at one answer and prints one verdict.

A verdict begins with "Right", "Not answered yet" or "Not quite". The last names the likely
mistake. A check never raises, whatever the answer is, and leaves the answer and torch's random
numbers as they were.

A new check is a function with ``@_check``: it raises `_Mistake` with one sentence, or returns what
the learner hears with "Right".

>>> conv2_parameters(...)
Not answered yet: replace the ... with your answer and run the cell again.
>>> conv2_parameters(2400)
Not quite: these are the weights alone; each of the 16 windows has a bias too.
>>> conv2_parameters(2416)
Right. 16 × 6 × 5 × 5 weights and 16 biases.
"""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.lenet import LeNet


class _Mistake(Exception):
    """What is wrong with an answer, in one sentence."""


class _NotAnswered(Exception):
    """What is still missing."""


def _check(judge: Callable[..., str]) -> Callable[..., None]:
    """Turn a judge of answers into a check that prints its verdict."""

    @functools.wraps(judge)
    def check(*answers: Any) -> None:
        try:
            if any(answer is ... for answer in answers):
                raise _NotAnswered("replace the ... with your answer and run the cell again")
            with torch.random.fork_rng(devices=[]):
                praise = judge(*answers)
        except _NotAnswered as missing:
            print(f"Not answered yet: {missing}.")
        except _Mistake as mistake:
            print(f"Not quite: {mistake}.")
        except Exception as error:  # answers can be anything; a traceback would teach nothing
            print(f"Not quite: your answer raised {type(error).__name__}: {error}")
        else:
            print(f"Right. {praise}")

    return check


def _must_be_number(
    answer: object, right: float, mistakes: dict[float, str], *, otherwise: str
) -> None:
    """Compare with the right number, and with those that a likely mistake gives."""
    if not isinstance(answer, (numbers.Real, Tensor)):
        raise _Mistake(f"the answer should be a number, not a {type(answer).__name__}")
    number = float(answer)
    if math.isclose(number, right, rel_tol=1e-3 if isinstance(right, float) else 1e-9):
        return
    for wrong, mistake in mistakes.items():
        if math.isclose(number, wrong, rel_tol=1e-3 if isinstance(wrong, float) else 1e-9):
            raise _Mistake(mistake)
    raise _Mistake(otherwise)


def _zeros(mask: Tensor) -> int:
    return int((mask == 0).sum())


# Chapter 1: create a model


@_check
def my_lenet(model_class: type[nn.Module]) -> str:
    """Chapter 1, exercise 1: a class with LeNet's five layers and LeNet's way through them."""
    mine, reference = model_class(), LeNet()
    for name, expected in reference.named_children():
        layer = getattr(mine, name, ...)
        if layer is ...:
            raise _NotAnswered(f"self.{name} is still missing")
        if type(layer) is not type(expected):
            raise _Mistake(f"self.{name} should be a {expected}, and yours is a {layer}")
        if layer.weight.shape != expected.weight.shape or layer.bias is None:
            raise _Mistake(f"self.{name} should be {expected}, and yours is {layer}")
        expected.load_state_dict(layer.state_dict())
    images = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        got, logits = mine(images), reference(images)
    if not isinstance(got, Tensor):
        raise _Mistake("forward should return the scores; is there a `return x` at its end?")
    if got.shape == (2, 6, 14, 14):
        raise _NotAnswered("forward stops after conv1, its other layers are still missing")
    if got.shape != (2, 10):
        raise _Mistake(
            "for 2 images forward should return a tensor of shape (2, 10), "
            f"and yours has the shape {tuple(got.shape)}"
        )
    if torch.allclose(got, logits, atol=1e-5):
        return "The same layers, the same way through them: this is LeNet."
    if torch.allclose(got, logits.relu(), atol=1e-5):
        raise _Mistake("there is a ReLU after fc3, and scores may be negative: leave it out")
    if torch.allclose(got.exp().sum(1), torch.ones(2), atol=1e-4) or torch.allclose(
        got.sum(1), torch.ones(2), atol=1e-4
    ):
        raise _Mistake("there is a softmax after fc3, and the loss does that itself: leave it out")
    raise _Mistake(
        "the shapes are right and the scores are not LeNet's; is there a ReLU after conv1, conv2, "
        "fc1 and fc2, and max-pooling after both convolutions?"
    )


@_check
def conv2_parameters(count: float) -> str:
    """Chapter 1, exercise 2: how many parameters Conv2d(6, 16, 5) has."""
    _must_be_number(
        count,
        2416,
        {
            2400: "these are the weights alone; each of the 16 windows has a bias too",
            416: "each window looks at all 6 input maps, with 5 × 5 weights for each of them",
            400: "each window looks at all 6 input maps, and has a bias",
            2406: "there is one bias for each of the 16 windows, not for each of the 6 input maps",
            156: "that is conv1; conv2 has 6 input maps and 16 windows",
        },
        otherwise="count windows × input maps × height × width, and one bias for each window",
    )
    return "16 × 6 × 5 × 5 weights and 16 biases."


@_check
def lenet_bytes(count: float) -> str:
    """Chapter 1, exercise 3: the bytes of LeNet's parameters."""
    _must_be_number(
        count,
        61_706 * 4,
        {
            61_706: "that is the number of parameters; each of them takes 4 bytes",
            61_706 * 32: "these are bits; 8 bits make a byte",
            61_706 * 8: "8 bytes would be float64; a float32 takes 4",
            61_706 // 8: "a float32 has 32 bits, that is 4 bytes",
        },
        otherwise="multiply the number of all parameters by the bytes of one float32",
    )
    return "61,706 × 4 = 246,824 bytes, about a quarter of a megabyte."


@_check
def fraction_gone(fraction: float) -> str:
    """Chapter 1, exercise 4: the share that 90 % of fc1.weight has in LeNet."""
    gone = 0.9 * 48_000
    _must_be_number(
        fraction,
        gone / 61_706,
        {
            100 * gone / 61_706: "that is a percentage; divide by 100 for a number between 0 and 1",
            0.1 * 48_000 / 61_706: "that is what stays of fc1.weight; nine tenths of it go",
            1 - gone / 61_706: "that is the fraction that stays; the question is what is gone",
            0.9: "that is the fraction of fc1.weight; the question is about all of LeNet",
            gone: "that is how many are gone; divide by the total",
            48_000 / 61_706: "that would be all of fc1.weight; only nine tenths of it go",
        },
        otherwise="take nine tenths of 400 × 120, and divide by the parameters of all of LeNet",
    )
    return "One layer, and 70 % of the network."


# Chapter 2: inspect a module


@_check
def batch_norm_numbers(in_parameters: float, in_buffers: float) -> str:
    """Chapter 2, exercise 1: the numbers in the parameters and buffers of BatchNorm2d(6)."""
    _must_be_number(
        in_parameters,
        12,
        {
            6: "weight and bias are parameters, with one number per channel each",
            2: "there are two parameters, with six numbers each; count the numbers",
            24: "running_mean and running_var are no parameters, no optimizer changes them",
            25: "that is all it keeps; only weight and bias are parameters",
        },
        otherwise="for the parameters count the numbers in weight and bias",
    )
    _must_be_number(
        in_buffers,
        13,
        {
            12: "there is one more number in the buffers, num_batches_tracked",
            3: "there are three buffers; count the numbers in them",
            25: "that is all it keeps; weight and bias are no buffers",
        },
        otherwise="for the buffers count the numbers in running_mean, running_var and "
        "num_batches_tracked",
    )
    return "2 × 6 that are trained, 2 × 6 + 1 that are only kept."


@_check
def mask_buffer(module: nn.Module) -> str:
    """Chapter 2, exercise 2: a buffer 'weight_mask' of ones, in the shape of the weight."""
    if "weight_mask" in dict(module.named_parameters()):
        raise _Mistake("weight_mask is a parameter now, and an optimizer would change it")
    if "weight_mask" not in dict(module.named_buffers()):
        if hasattr(module, "weight_mask"):
            raise _Mistake(
                "weight_mask is a plain attribute; without register_buffer it is neither moved "
                "nor saved with the module"
            )
        others = [name for name, _ in module.named_buffers()]
        if others:
            raise _Mistake(f"the buffer should be named weight_mask, and yours is {others[0]}")
        raise _NotAnswered("my_conv has no buffer yet")
    mask, weight = module.get_buffer("weight_mask"), module.get_parameter("weight")
    if mask.shape != weight.shape:
        raise _Mistake(
            f"the mask should have the weight's shape {tuple(weight.shape)}, "
            f"and yours has {tuple(mask.shape)}"
        )
    if not (mask == 1).all():
        raise _Mistake("the mask should hold ones alone: 1 means kept, and everything is")
    return "Saved and moved with the module, and never trained: that is what a mask needs."


@_check
def shape_notes(hook: Callable[..., Any], notes: list[Any]) -> str:
    """Chapter 2, exercise 3: a forward pre-hook that appends the batch's shape to `notes`."""
    module, batches = nn.Conv2d(1, 6, 5), [torch.zeros(3, 1, 9, 9), torch.zeros(2, 1, 7, 5)]
    before = list(notes)
    handle = module.register_forward_pre_hook(hook)
    try:
        for batch in batches:
            module(batch)
        taken = notes[len(before) :]
    finally:
        handle.remove()
        notes[:] = before
    if not taken:
        raise _NotAnswered("the hook ran, and notes is still empty")
    expected = [tuple(batch.shape) for batch in batches]
    if taken == expected and all(type(note) is tuple for note in taken):
        return "It took notes of every call, and the module never knew."
    if len(taken) != len(expected):
        raise _Mistake(f"for {len(expected)} calls there should be {len(expected)} notes")
    if [tuple(note) for note in taken if isinstance(note, torch.Size)] == expected:
        raise _Mistake("the note is a torch.Size; make it a tuple with tuple(...)")
    if any(isinstance(note, Tensor) for note in taken):
        raise _Mistake("the hook notes the batch itself and keeps all images; note its shape")
    raise _Mistake(f"for a batch of shape {expected[0]} the hook noted {taken[0]!r}")


# Chapter 3: prune a module


@_check
def pruned_fc1(model: nn.Module) -> str:
    """Chapter 3, exercise 1: 40 % of fc1.weight pruned by L1."""
    pruned = [name.removesuffix("_mask") for name, _ in model.named_buffers()]
    if not pruned:
        raise _NotAnswered("nothing of my_model is pruned yet")
    if pruned != ["fc1.weight"]:
        raise _Mistake(f"fc1.weight alone should be pruned, and you pruned {', '.join(pruned)}")
    mask, original = model.get_buffer("fc1.weight_mask"), model.get_parameter("fc1.weight_orig")
    if _zeros(mask) != 19_200:
        likely = {
            40: "40 is a count, and 0.4 is 40 %",
            28_800: "that is 60 %; the amount says what goes, not what stays",
            30_720: "that is 40 % and then 40 % of the rest; run the cell again, once",
        }
        raise _Mistake(
            f"19,200 of 48,000 weights should go, and {_zeros(mask):,} did"
            + (f": {likely[_zeros(mask)]}" if _zeros(mask) in likely else "")
        )
    size = original.detach().abs()
    if size[mask == 0].max() > size[mask == 1].min():
        raise _Mistake("19,200 went, but not the smallest; is the technique l1_unstructured?")
    return "19,200 of 48,000 weights, and no pruned one is larger than a kept one."


@_check
def twenty_and_twenty(count: float) -> str:
    """Chapter 3, exercise 2: 20 % of 150 weights, and then 20 % again."""
    _must_be_number(
        count,
        54,
        {
            60: "the second 20 % are taken of the 120 weights that are left, not of 150",
            30: "that is the first time alone; the second prunes more",
            24: "that is what the second time adds; count both",
            96: "that is how many are kept; the question is how many are pruned",
            40: "20 % of 150 is 30; 20 would be a count",
            0.36: "that is the fraction; how many of the 150 is it?",
        },
        otherwise="take 20 % of 150, then 20 % of what is left, and add the two",
    )
    return "30, and then 24 of the 120 that are left: 36 % in all."


@_check
def sparsity(function: Callable[[nn.Module, str], float]) -> str:
    """Chapter 3, exercise 3: a function that gives the fraction of a parameter that is pruned."""
    linear = nn.Linear(4, 2)
    nn.init.ones_(linear.bias)
    prune.custom_from_mask(linear, "weight", torch.tensor([[0, 0, 1, 1], [0, 1, 1, 1]]))
    prune.l1_unstructured(linear, "bias", amount=1)
    got = function(linear, "weight")
    if got is None:
        raise _NotAnswered("your function returns nothing yet")
    _must_be_number(
        got,
        3 / 8,
        {
            5 / 8: "that is the density, the fraction that is kept",
            37.5: "that is a percentage; a fraction lies between 0 and 1",
            3: "that is how many are pruned; divide by how many there are",
            4 / 10: "it counts the whole module; look at the parameter called `name` alone",
        },
        otherwise=f"of 8 weights 3 are pruned, that is 0.375, and your function says {got!r}",
    )
    _must_be_number(
        function(linear, "bias"),
        1 / 2,
        {},
        otherwise="it works for 'weight' and not for 'bias'; does it use `name`?",
    )
    with torch.no_grad():
        linear.get_parameter("weight_orig")[1, 3] = 0
    linear(torch.zeros(1, 4))
    _must_be_number(
        function(linear, "weight"),
        3 / 8,
        {},
        otherwise="it counts a kept weight that happens to be zero as pruned; ask the mask",
    )
    return "It asks the mask, and a kept zero does not mislead it."


@_check
def pruned_fc1_bytes(count: float) -> str:
    """Chapter 3, exercise 4: the bytes of fc1's parameters and buffers after pruning."""
    _must_be_number(
        count,
        384_480,
        {
            192_480: "that is the layer before pruning; the mask came on top",
            19_680: "a zero takes four bytes too; pruning sets weights to zero and removes none",
            211_680: "weight_orig keeps all values, the pruned ones too, and the mask is as large",
            384_000: "the bias has 120 numbers of its own",
            96_120: "these are the numbers; each takes four bytes",
            384_960: "only `weight` is pruned; the bias has no mask",
        },
        otherwise="add weight_orig, weight_mask and bias, four bytes for each number",
    )
    return "384,480 bytes instead of 192,480, for a layer with a tenth of its weights left."
