"""Chapter 1, create a model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prune_lab.course.judging import Mistake, NotAnswered, a, call, check, draw, must_be
from prune_lab.lenet import LeNet


@check
def my_lenet(model_class: type[nn.Module]) -> str:
    """Exercise 1: a class with LeNet's five layers and LeNet's way through them."""
    if isinstance(model_class, nn.Module):
        raise Mistake("give the class itself, MyLeNet, without brackets behind it")
    if not (isinstance(model_class, type) and issubclass(model_class, nn.Module)):
        raise Mistake(
            f"MyLeNet should be a class made from nn.Module, and yours is {a(model_class)}"
        )
    sizes = [1, 2, draw.randint(3, 5), draw.randint(6, 9)]
    batches = [torch.randn(size, 1, 32, 32) for size in sizes]
    mine, reference = call(model_class, name="MyLeNet()"), LeNet()
    _same_layers(mine, reference)
    reference.load_state_dict(
        {key: value for key, value in mine.state_dict().items() if key in reference.state_dict()}
    )
    mine.eval()
    with torch.no_grad():
        for images, scores in zip(batches, _scores(mine, batches), strict=True):
            _same_way(reference, images, scores)
    return "The same layers, the same way through them: this is LeNet."


def _same_layers(mine: nn.Module, reference: nn.Module) -> None:
    for name, expected in reference.named_children():
        layer = getattr(mine, name, ...)
        if layer is ... or layer is None:
            raise NotAnswered(f"self.{name} is still missing")
        if str(layer) != str(expected):
            raise Mistake(f"self.{name} should be {expected}, and yours is {layer}")
    names = dict(reference.named_parameters()).keys()
    if extra := [name for name, _ in mine.named_parameters() if name not in names]:
        raise Mistake(f"LeNet has five layers with weights, and yours has {extra[0]} as well")


def _scores(mine: nn.Module, batches: list[Tensor]) -> list[Tensor]:
    """What forward gives for each batch, once it gives a score for each of ten digits."""
    gave: dict[int, Tensor] = {}
    failed: dict[int, Mistake] = {}
    for images in batches:
        size = len(images)
        before = images.clone()
        try:
            scores = call(mine, images, name="forward")
        except Mistake as mistake:
            failed[size] = mistake
            continue
        except NotAnswered:
            raise Mistake(
                "forward should return the scores; is there a `return x` at its end?"
            ) from None
        if not torch.equal(images, before):
            raise Mistake("forward changes the images that it is given; leave them as they are")
        if not isinstance(scores, Tensor):
            raise Mistake(f"forward should return the scores alone, and yours returns {a(scores)}")
        if scores.shape[1:] == (6, 14, 14):
            raise NotAnswered("forward stops after conv1, its other layers are still missing")
        if scores.shape == (size, 10):
            gave[size] = scores
        elif scores.shape == (10,):
            raise Mistake(
                "forward loses the batch; flatten(1) leaves its dimension, flatten() none"
            )
        else:
            failed[size] = Mistake(
                f"for {size} images forward should return a tensor of shape ({size}, 10), "
                f"and yours has the shape {tuple(scores.shape)}"
            )
    if failed and gave:
        works, fails = next(iter(gave)), next(iter(failed))
        raise Mistake(
            f"forward works for {works} image{'s' * (works > 1)} and not for {fails}; "
            "is the size of a batch written into it? flatten(1) needs none"
        )
    if failed:
        raise next(iter(failed.values()))
    return list(gave.values())


def _same_way(reference: LeNet, images: Tensor, scores: Tensor) -> None:
    def same(expected: Tensor) -> bool:
        return torch.allclose(scores, expected, atol=1e-5)

    expected = _forward(reference, images)
    if same(expected):
        return
    for sentence, end in _ENDS.items():
        if same(end(expected)):
            raise Mistake(sentence)
    for sentence, detour in _detours():
        if same(_forward(reference, images, **detour)):
            raise Mistake(sentence)
    raise Mistake(
        "the shapes are right and the scores are not LeNet's; go through forward line by line: "
        "convolution, ReLU, max-pooling, twice; flatten; fc1, ReLU; fc2, ReLU; fc3"
    )


_LAYERS_WITH_RELU = ("conv1", "conv2", "fc1", "fc2")
_ENDS: dict[str, Callable[[Tensor], Tensor]] = {
    "there is a ReLU after fc3, and scores may be negative: leave it out": torch.relu,
    "there is a softmax after fc3, and the loss does that itself: leave it out": (
        lambda scores: scores.softmax(1)
    ),
    "there is a log_softmax after fc3, and the loss does that itself: leave it out": (
        lambda scores: scores.log_softmax(1)
    ),
    "there is a sigmoid after fc3, and scores may be negative: leave it out": torch.sigmoid,
}


def _forward(
    layers: LeNet,
    x: Tensor,
    without: tuple[str, ...] = (),
    activation: Callable[[Tensor], Tensor] = torch.relu,
    pool: Callable[[Tensor, int], Tensor] = F.max_pool2d,
) -> Tensor:
    """LeNet's way, or one that differs from it in a thing that learners get wrong."""

    def step(name: str, x: Tensor) -> Tensor:
        x = layers.get_submodule(name)(x)
        return x if name in without else activation(x)

    x = pool(step("conv2", pool(step("conv1", x), 2)), 2).flatten(1)
    return layers.fc3(step("fc2", step("fc1", x)))


def _detours() -> Iterator[tuple[str, dict[str, Any]]]:
    for count in range(1, 5):
        for missing in itertools.combinations(_LAYERS_WITH_RELU, count):
            which = " and ".join([", ".join(missing[:-1]), missing[-1]] if count > 1 else missing)
            yield f"there is no ReLU after {which}", {"without": missing}
    yield "the pooling takes averages; LeNet's is F.max_pool2d", {"pool": F.avg_pool2d}
    yield "there is tanh where this LeNet has ReLU", {"activation": torch.tanh}
    yield "there is sigmoid where this LeNet has ReLU", {"activation": torch.sigmoid}


@check
def conv2_parameters(count: float) -> str:
    """Exercise 2: how many parameters Conv2d(6, 16, 5) has."""
    must_be(
        count,
        2416,
        {
            2400: "these are the weights alone; each of the 16 windows has a bias too",
            416: "each window looks at all 6 input maps, with 5 × 5 weights for each of them",
            400: "each window looks at all 6 input maps, and has a bias",
            2406: "there is one bias for each of the 16 windows, not for each of the 6 input maps",
            2496: "there is one bias for each of the 16 windows, not for each pair of maps",
            156: "that is conv1; conv2 has 6 input maps and 16 windows",
            496: "a window is 5 × 5, not 5 wide; and each looks at all 6 input maps",
            16: "these are the biases alone; the weights are many more",
            2: "that is how many tensors, weight and bias; count the numbers in them",
            9664: "these are bytes; the question is how many parameters",
        },
        otherwise="count windows × input maps × height × width, and one bias for each window",
    )
    return "16 × 6 × 5 × 5 weights and 16 biases."


@check
def lenet_bytes(count: float) -> str:
    """Exercise 3: the bytes of LeNet's parameters."""
    must_be(
        count,
        61_706 * 4,
        {
            61_706: "that is the number of parameters; each of them takes 4 bytes",
            61_706 * 32: "these are bits; 8 bits make a byte",
            61_706 * 8: "8 bytes would be float64; a float32 takes 4",
            61_706 * 2: "2 bytes would be float16; a float32 takes 4",
            61_706 // 8: "a float32 has 32 bits, that is 4 bytes",
            61_470 * 4: "these are the weights alone; the biases are float32 as well",
            61_706 * 4 / 1000: "these are kilobytes; the question is how many bytes",
            61_706 * 4 / 1024: "these are kibibytes; the question is how many bytes",
            61_706 * 4 / 1e6: "these are megabytes; the question is how many bytes",
        },
        otherwise="multiply the number of all parameters by the bytes of one float32",
    )
    return "61,706 × 4 = 246,824 bytes, about a quarter of a megabyte."


@check
def fraction_gone(fraction: float) -> str:
    """Exercise 4: the share that 90 % of fc1.weight has in LeNet."""
    gone = 0.9 * 48_000
    must_be(
        fraction,
        gone / 61_706,
        {
            100 * gone / 61_706: "that is a percentage; divide by 100 for a number between 0 and 1",
            70: "that is a percentage; divide by 100 for a number between 0 and 1",
            0.1 * 48_000 / 61_706: "that is what stays of fc1.weight; nine tenths of it go",
            1 - gone / 61_706: "that is the fraction that stays; the question is what is gone",
            0.9: "that is the fraction of fc1.weight; the question is about all of LeNet",
            gone: "that is how many are gone; divide by the total",
            48_000 / 61_706: "that would be all of fc1.weight; only nine tenths of it go",
            0.9 * 48_120 / 61_706: "the 120 biases of fc1 stay; take nine tenths of the weights",
        },
        otherwise="take nine tenths of 400 × 120, and divide by the parameters of all of LeNet",
    )
    return "One layer, and 70 % of the network."
