"""Chapter 10, without losing accuracy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prune_lab.course.judging import (
    Mistake,
    NotAnswered,
    a,
    call,
    check,
    draw,
    must_be,
    number,
    untouched,
)
from prune_lab.data import Digits

# Exercise 1


@check
def chosen(recipe: str, told: float) -> str:
    """Exercise 1: which of three recipes one takes, and the accuracy that one tells of it."""
    if isinstance(recipe, str) and recipe.strip().upper() in ("A", "C"):
        raise Mistake(
            {
                "A": "A has the highest training accuracy; how it reads new digits is the question",
                "C": "C reads the most test digits; but those that choose can no longer tell",
            }[recipe.strip().upper()]
        )
    if not isinstance(recipe, str) or recipe.strip().upper() != "B":
        raise Mistake(f'recipe should be "A", "B" or "C", in quotes, and yours is {a(recipe)}')
    must_be(
        told,
        97.8,
        {
            98.8: "these digits have chosen the recipe, so their accuracy is too good",
            99.4: "that is how well it reads the digits that it was trained with",
            98.3: "that is what C would have; you take B, and tell what B has",
            97.5: "that is what A has on the test digits",
            0.978: "in per cent, please, as in the table",
            98.4: "that is what C has on the validation digits",
        },
        what="told",
        otherwise="take the row of your recipe, and the column that had no part in the choice",
    )
    return "Validation digits choose, and test digits tell."


# Exercise 2


@check
def sparsity_at(function: Callable[[int, int, int, float], float]) -> str:
    """Exercise 2: the cubic schedule of Zhu and Gupta, in steps of the training."""
    _must_take_steps(function)
    cases = []
    for _ in range(6):
        first, length = draw.randint(5, 200), draw.randint(60, 900)
        final = draw.uniform(0.6, 0.99)
        last = first + length
        for step in (first + length // draw.randint(3, 7), first, last):
            cases.append((step, first, last, final))
        cases.append((draw.randint(0, first - 1), first, last, final))
        cases.append((last + draw.randint(1, 300), first, last, final))
    for case in cases:
        _judge_schedule(function, *case)
    return "Nothing before the first step, fast at first, slow at last, and it stays there."


def _must_take_steps(function: Any) -> None:
    if not callable(function):
        raise Mistake(f"sparsity_at should be a function, and yours is {a(function)}")


def _judge_schedule(
    function: Callable[[int, int, int, float], float],
    step: int,
    first: int,
    last: int,
    final: float,
) -> None:
    got = number(
        call(function, step, first, last, final, name="sparsity_at"), "what sparsity_at returns"
    )
    done = (step - first) / (last - first)
    inside = min(max(done, 0.0), 1.0)
    wanted = final * (1 - (1 - inside) ** 3)
    if abs(got - wanted) < 1e-6:
        return
    asked = f"sparsity_at({step}, {first}, {last}, {final:.3f})"
    if done < 0:
        raise Mistake(f"{asked} is before the first step, where nothing is pruned yet: 0")
    if done > 1:
        raise Mistake(f"{asked} is after the last step, and the sparsity should stay at `final`")
    likely = {
        final
        * inside: "that grows by the same amount in each step; the cubic one is fast at first",
        final * inside**3: "that is slow at first; few are left late, and there it must be slow",
        final * (1 - inside) ** 3: "that is what is still to be pruned; take it away from `final`",
        final * (1 - (1 - inside) ** 2): "the exponent is 3",
        1 - wanted: "that is what is left; the function gives what is gone",
        1 - (1 - inside) ** 3: "that ends at 1; multiply by `final`",
        final * (1 - (1 - min(step / last, 1)) ** 3): "the time begins to count at `first`",
        final - (1 - inside) ** 3: "only the whole of `final` is multiplied by the cube",
        100 * wanted: "a sparsity is from 0 to 1, not in per cent",
    }
    for value, why in likely.items():
        if abs(got - value) < 1e-6:
            raise Mistake(f"{asked} gives {got:.4g}: {why}")
    raise Mistake(f"{asked} should be {wanted:.4f}, and is {got:.4g}")


# Exercise 3


@check
def squared_taylor(function: Callable[[nn.Module, Digits], dict[Any, Tensor]]) -> str:
    """Exercise 3: scores of all weights, (weight × gradient)² added up over batches of 32."""
    for model in (_convolutional(), _linear()):
        _judge_scores(function, model, _some_digits())
    return "(weight × gradient)², batch by batch, for every layer that has a weight to prune."


def _convolutional() -> nn.Module:
    maps = draw.randint(3, 5)
    return nn.Sequential(
        nn.Conv2d(1, maps, 5, stride=4),
        nn.ReLU(),
        nn.Sequential(nn.MaxPool2d(2), nn.Flatten()),
        nn.Linear(9 * maps, 10),
    )


def _linear() -> nn.Module:
    return nn.Sequential(
        nn.AvgPool2d(8), nn.Flatten(), nn.Linear(16, draw.randint(7, 12)), nn.LazyLinear(10)
    )


def _some_digits() -> Digits:
    """Random images: of the training part, of validation and test, so many that batches count."""
    parts = [(32 * draw.randint(3, 5), 1.0), (32, 2.0), (32, 3.0)]
    images = [size * torch.randn(count, 1, 32, 32) for count, size in parts]
    labels = [torch.randint(10, (count,)) for count, _size in parts]
    return Digits(images[0], labels[0], images[1], labels[1], images[2], labels[2])


def _judge_scores(function: Any, model: nn.Module, digits: Digits) -> None:
    model(digits.train_images[:1])  # a lazy layer is made
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    before = copy.deepcopy(model)
    with untouched(model, says="the model is not as it was; clear its gradients at the end"):
        got = call(function, model, digits, name="squared_taylor")
        for parameter, old in zip(model.parameters(), before.parameters(), strict=True):
            if not torch.equal(parameter, old):
                raise Mistake("the weights are changed; scores only look at them")
            if parameter.grad is not None:
                raise Mistake("gradients are left in the model; end with model.zero_grad()")
    scores = _by_layer(got, layers)
    wanted = _scores(model, layers, digits.train_images, digits.train_labels)
    if _alike(scores, wanted[_RIGHT]):
        return
    for why, values in wanted.items():
        if why != _RIGHT and _alike(scores, values):
            raise Mistake(why)
    others = {
        "those are the test images; a score may see the training images alone": digits[4:6],
        "those are the validation images; they are there to choose with": digits[2:4],
        "only the first batch counts; add up all of them": (
            digits.train_images[:32],
            digits.train_labels[:32],
        ),
        "only the last batch counts; add up all of them": (
            digits.train_images[-32:],
            digits.train_labels[-32:],
        ),
    }
    for why, (images, labels) in others.items():
        if _alike(scores, _scores(model, layers, images, labels)[_RIGHT]):
            raise Mistake(why)
    raise Mistake("the scores are others; (weight × gradient) squared, added up over the batches")


_RIGHT = "right"


def _by_layer(got: Any, layers: list[Any]) -> list[Tensor]:
    if not isinstance(got, dict):
        raise Mistake(f"squared_taylor should return a dict, and yours gives {a(got)}")
    scores = []
    for layer in layers:
        found = [value for key, value in got.items() if isinstance(key, tuple) and key[0] is layer]
        if not found and any(isinstance(key, str) for key in got):
            raise Mistake('the keys are pairs, (layer, "weight"), as weights_of(model) gives them')
        if not found:
            kind = type(layer).__name__
            raise Mistake(f"a {kind} of the model has no scores; weights_of(model) finds all")
        if not isinstance(found[0], Tensor) or found[0].shape != layer.weight.shape:
            raise Mistake("each layer's scores have the shape of its weight")
        scores.append(found[0].detach().double())
    if len(got) > len(layers):
        raise Mistake("there are scores for more than the weights; biases are left alone")
    return scores


def _scores(
    model: nn.Module, layers: list[Any], images: Tensor, labels: Tensor
) -> dict[str, list[Tensor]]:
    """The right scores, and those of likely mistakes."""
    gradients = []
    weights = [layer.weight for layer in layers]
    for batch, truth in zip(images.split(32), labels.split(32), strict=True):
        loss = F.cross_entropy(model(batch), truth)
        gradients.append(torch.autograd.grad(loss, weights))
    found: dict[str, list[Tensor]] = {}
    for number_, weight in enumerate(weights):
        w = weight.detach().double()
        g = torch.stack([each[number_] for each in gradients]).double()
        for why, values in {
            _RIGHT: (w * g).square().sum(0),
            "the products are added up first and squared then; there they cancel": (
                (w * g).sum(0).square()
            ),
            "that is the magnitude of weight × gradient; here it is the square": (
                (w * g).abs().sum(0)
            ),
            "that is weight × gradient with its sign; the most negative would go first": (
                (w * g).sum(0)
            ),
            "that is the gradient alone; a large weight loses more when it goes": g.square().sum(0),
            "that is the weight alone; the digits have no say in it": w.square(),
        }.items():
            found.setdefault(why, []).append(values)
    return found


def _alike(got: list[Tensor], wanted: list[Tensor]) -> bool:
    """The same but for one factor: a mean over batches ranks as their sum does."""
    one = torch.cat([values.flatten() for values in got])
    other = torch.cat([values.flatten() for values in wanted])
    if not torch.isfinite(one).all() or float((one * other).sum()) <= 0:
        return False
    return torch.allclose(one / one.norm(), other / other.norm(), rtol=1e-3, atol=1e-6)


# Exercise 4


@check
def half_way(gone: float) -> str:
    """Exercise 4: per cent gone when half of the pruning is over, cubic, to 98 %."""
    if gone is None:
        raise NotAnswered("replace the ... with your answer and run the cell again")
    must_be(
        gone,
        85.75,
        {
            49.0: "that is half of 98 %; the cubic schedule prunes most of it early",
            87.5: "that is how far it is on its way; the way ends at 98 %",
            98.0: "that is the end of it",
            0.8575: "in per cent, please",
            0.875: "that is how far it is on its way, 0 to 1; and the way ends at 98 %",
            14.25: "that is what is left",
            12.25: "that is what is still to be pruned",
            73.5: "that is with a square; the exponent is 3",
        },
        what="gone",
        otherwise="half of the time: 1 - (1 - 0.5) ** 3 of the way to 98 %",
    )
    return "Seven eighths of the way in half of the time; the last eighth takes the other half."
