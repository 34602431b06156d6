from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.course.checks import chapter_04 as checks
from tests.course.cases import right, unanswered, wrong


def smallest(values: Tensor, amount: float) -> Tensor:
    order = values.detach().abs().flatten().argsort()
    mask = torch.ones_like(values.detach())
    mask.view(-1)[order[: round(amount * values.numel())]] = 0
    return mask


def by_threshold(values: Tensor, amount: float) -> Tensor:
    size = values.detach().abs()
    count = round(amount * values.numel())
    if count == 0:
        return torch.ones_like(size)
    return (size > size.flatten().sort().values[count - 1]).float()


def that_takes_from_the_end(values: Tensor, amount: float) -> Tensor:
    order = values.detach().abs().flatten().argsort(descending=True)
    mask = torch.ones_like(values.detach())
    mask.view(-1)[order[-round(amount * values.numel()) :]] = 0
    return mask


def with_the_sign(values: Tensor, amount: float) -> Tensor:
    mask = torch.ones_like(values.detach())
    mask.view(-1)[values.detach().flatten().argsort()[: round(amount * values.numel())]] = 0
    return mask


def the_largest(values: Tensor, amount: float) -> Tensor:
    return smallest(1 / values.detach(), amount)


def that_sets_zeros(values: Tensor, amount: float) -> Tensor:
    mask = smallest(values, amount)
    with torch.no_grad():
        values.mul_(mask)
    return mask


def that_requires_a_gradient(values: Tensor, amount: float) -> Tensor:
    return smallest(values, amount) + 0 * values


class Dresser:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, module: nn.Module, inputs: object) -> Any:
        setattr(module, self.name, self.product(module))

    def product(self, module: nn.Module) -> Tensor:
        orig: Tensor = getattr(module, self.name + "_orig")
        mask: Tensor = getattr(module, self.name + "_mask")
        return orig * mask


class Returning(Dresser):
    def __call__(self, module: nn.Module, inputs: object) -> Any:
        setattr(module, self.name, self.product(module))
        return self.product(module)


class Detaching(Dresser):
    def product(self, module: nn.Module) -> Tensor:
        return super().product(module).detach()


class Forgetful(Dresser):
    """Knows the name of the last one only."""

    def __init__(self, name: str) -> None:
        Forgetful.name = name


class Empty(Dresser):
    def __call__(self, module: nn.Module, inputs: object) -> Any: ...


def pruner(
    hook: Callable[[str], Any] = Dresser,
    *,
    keep: Callable[[nn.Parameter], Any] = lambda parameter: parameter,
    kind: str = "parameter",
    mask_as: str = "buffer",
    name_is: str | None = None,
    dress: bool = True,
    put_on: str = "register_forward_pre_hook",
    mask_of: Callable[[Tensor], Tensor] = lambda mask: mask,
) -> Callable[..., nn.Module]:
    """A my_prune, right but for what is asked."""

    def my_prune(module: nn.Module, name: str, mask: Tensor) -> nn.Module:
        name = name_is or name
        parameter = keep(getattr(module, name))
        delattr(module, name)
        if kind == "parameter":
            module.register_parameter(name + "_orig", parameter)
        else:
            setattr(module, name + "_orig", parameter.detach())
        mask = mask_of(mask)
        if mask_as == "buffer":
            module.register_buffer(name + "_mask", mask)
        elif mask_as == "parameter":
            module.register_parameter(name + "_mask", nn.Parameter(mask))
        else:
            setattr(module, name + "_mask", mask)
        dresser = hook(name)
        if dress:
            dresser(module, None)
        if put_on:
            getattr(module, put_on)(dresser)
        return module

    return my_prune


my_prune = pruner()


def without_return(module: nn.Module, name: str, mask: Tensor) -> None:
    my_prune(module, name, mask)


def that_returns_the_weight(module: nn.Module, name: str, mask: Tensor) -> Tensor:
    my_prune(module, name, mask)
    return getattr(module, name)


def with_one_product(module: nn.Module, name: str, mask: Tensor) -> nn.Module:
    my_prune(module, name, mask)
    product = getattr(module, name)
    module._forward_pre_hooks.popitem()
    module.register_forward_pre_hook(lambda module, inputs: setattr(module, name, product))
    return module


def that_zeroes_the_original(module: nn.Module, name: str, mask: Tensor) -> nn.Module:
    getattr(module, name).data.mul_(mask)
    return my_prune(module, name, mask)


def without_deleting(module: nn.Module, name: str, mask: Tensor) -> nn.Module:
    module.register_parameter(name + "_orig", getattr(module, name))
    module.register_buffer(name + "_mask", mask)
    return module


def by_the_real_engine(module: nn.Module, name: str, mask: Tensor) -> nn.Module:
    return prune.custom_from_mask(module, name, mask)


def remover(
    *,
    zeros: bool = True,
    mine: Callable[[Any, str], bool] = lambda hook, name: (
        isinstance(hook, Dresser) and hook.name == name
    ),
    names: Callable[[str], str] = lambda name: name,
    keep: Callable[[nn.Parameter], Any] = lambda parameter: parameter,
    left: tuple[str, ...] = (),
) -> Callable[..., nn.Module]:
    """A my_remove, right but for what is asked."""

    def my_remove(module: nn.Module, name: str) -> nn.Module:
        name = names(name)
        for key, hook in list(module._forward_pre_hooks.items()):
            if mine(hook, name):
                del module._forward_pre_hooks[key]
        parameter = getattr(module, name + "_orig")
        if zeros:
            with torch.no_grad():
                parameter.mul_(getattr(module, name + "_mask"))
        for ending in {"", "_orig", "_mask"} - set(left):
            delattr(module, name + ending)
        setattr(module, name, keep(parameter))
        return module

    return my_remove


my_remove = remover()


def that_only_removes(module: nn.Module, name: str) -> None:
    my_remove(module, name)


def through_data(module: nn.Module, name: str) -> nn.Module:
    """Another right way: other numbers in the same Parameter."""
    parameter = getattr(module, name + "_orig")
    parameter.data = parameter.data * getattr(module, name + "_mask")
    return remover(zeros=False)(module, name)


def nothing(*arguments: Any) -> None:
    return None


# Exercise 3


def mended(module: nn.Module, mask: Tensor) -> None:
    my_prune(module, "weight", mask)


def unmended(module: nn.Module, mask: Tensor) -> None:
    one_product(module, mask, nn.Parameter(module.weight.detach().clone()))  # type: ignore[operator]


def one_product(module: nn.Module, mask: Tensor, parameter: nn.Parameter | None = None) -> None:
    if parameter is None:
        parameter = module.get_parameter("weight")
    del module.weight
    module.register_parameter("weight_orig", parameter)
    module.register_buffer("weight_mask", mask)
    product = module.get_parameter("weight_orig") * mask

    def dress(module: nn.Module, inputs: object) -> None:
        module.weight = product

    dress(module, None)
    module.register_forward_pre_hook(dress)


def another_parameter(module: nn.Module, mask: Tensor) -> None:
    pruner(keep=lambda p: nn.Parameter(p.detach().clone()))(module, "weight", mask)


def shared_memory(module: nn.Module, mask: Tensor) -> None:
    pruner(keep=nn.Parameter)(module, "weight", mask)


def detached(module: nn.Module, mask: Tensor) -> None:
    pruner(Detaching)(module, "weight", mask)


def of_detached_data(module: nn.Module, mask: Tensor) -> None:
    """The error goes away when the product is computed once and detached."""
    pruner(hook=lambda name: lambda m, i: setattr(m, name, (m.weight_orig * mask).detach()))(
        module, "weight", mask
    )


def without_a_hook(module: nn.Module, mask: Tensor) -> None:
    pruner(put_on="")(module, "weight", mask)


def plain_mask(module: nn.Module, mask: Tensor) -> None:
    pruner(mask_as="attribute")(module, "weight", mask)


def not_dressed(module: nn.Module, mask: Tensor) -> None:
    pruner(dress=False)(module, "weight", mask)


ENGINE = checks.my_engine
CASES = [
    right(ENGINE, smallest, my_prune, my_remove),
    right(ENGINE, smallest, my_prune, through_data),
    right(ENGINE, smallest, pruner(mask_of=torch.clone), my_remove),
    unanswered(ENGINE, nothing, nothing, nothing, says="smallest returns nothing yet"),
    unanswered(ENGINE, smallest, nothing, nothing, says="my_prune does nothing yet"),
    unanswered(ENGINE, smallest, my_prune, nothing, says="my_remove does nothing yet"),
    wrong(ENGINE, lambda v, a: a, my_prune, my_remove, says="should return a tensor"),
    wrong(ENGINE, lambda v, a: 1 - smallest(v, a), my_prune, my_remove, says="0 in the mask means"),
    wrong(ENGINE, with_the_sign, my_prune, my_remove, says="the absolute value counts"),
    wrong(ENGINE, the_largest, my_prune, my_remove, says="the mask takes the largest"),
    wrong(ENGINE, by_threshold, my_prune, my_remove, says="in place of comparing with a threshold"),
    wrong(ENGINE, that_takes_from_the_end, my_prune, my_remove, says="amount=0.0, 0 should go"),
    wrong(ENGINE, that_sets_zeros, my_prune, my_remove, says="smallest changes the values"),
    wrong(ENGINE, that_requires_a_gradient, my_prune, my_remove, says="detach() the values"),
    wrong(
        ENGINE, lambda v, a: smallest(v, a).bool(), my_prune, my_remove, says="yours is torch.bool"
    ),
    wrong(
        ENGINE, lambda v, a: smallest(v, a).flatten(), my_prune, my_remove, says="the values' shape"
    ),
    wrong(ENGINE, lambda v, a: v * smallest(v, a), my_prune, my_remove, says="gradient"),
    wrong(
        ENGINE, lambda v, a: v.detach() * smallest(v, a), my_prune, my_remove, says="other numbers"
    ),
    wrong(ENGINE, smallest, without_return, my_remove, says="end it with `return module`"),
    wrong(ENGINE, smallest, that_returns_the_weight, my_remove, says="and yours gives a Tensor"),
    wrong(ENGINE, smallest, without_deleting, my_remove, says="'bias' is still a parameter"),
    wrong(ENGINE, smallest, pruner(name_is="weight"), my_remove, says="does it use `name`?"),
    wrong(ENGINE, smallest, pruner(kind="plain"), my_remove, says="bias_orig is a plain tensor"),
    wrong(
        ENGINE,
        smallest,
        pruner(keep=lambda p: nn.Parameter(p.detach().clone())),
        my_remove,
        says="bias_orig is another Parameter",
    ),
    wrong(ENGINE, smallest, pruner(mask_as="parameter"), my_remove, says="would be trained"),
    wrong(ENGINE, smallest, pruner(mask_as="attribute"), my_remove, says="not saved"),
    wrong(ENGINE, smallest, pruner(mask_of=lambda m: 1 - m), my_remove, says="was given"),
    wrong(ENGINE, smallest, pruner(dress=False), my_remove, says="let the hook dress it once"),
    wrong(ENGINE, smallest, pruner(Empty), my_remove, says="the hook dresses nobody"),
    wrong(ENGINE, smallest, pruner(put_on=""), my_remove, says="no forward pre-hook"),
    wrong(
        ENGINE,
        smallest,
        pruner(put_on="register_forward_hook"),
        my_remove,
        says="runs after forward",
    ),
    wrong(ENGINE, smallest, pruner(Returning), my_remove, says="takes the input's place"),
    wrong(ENGINE, smallest, pruner(Detaching), my_remove, says="without detach()"),
    wrong(ENGINE, smallest, pruner(Forgetful), my_remove, says="training step 2"),
    wrong(ENGINE, smallest, with_one_product, my_remove, says="training step 2"),
    wrong(ENGINE, smallest, that_zeroes_the_original, my_remove, says="has other values now"),
    wrong(ENGINE, smallest, my_prune, that_only_removes, says="my_remove returns nothing"),
    wrong(ENGINE, smallest, my_prune, remover(zeros=False), says="the pruned values are back"),
    wrong(ENGINE, smallest, my_prune, remover(mine=lambda h, n: False), says="still there"),
    wrong(
        ENGINE,
        smallest,
        my_prune,
        remover(mine=lambda hook, name: isinstance(hook, Dresser)),
        says="compare the names",
    ),
    wrong(ENGINE, smallest, my_prune, remover(mine=lambda h, n: True), says="not yours"),
    wrong(ENGINE, smallest, my_prune, remover(keep=lambda p: p.detach()), says="a parameter again"),
    wrong(
        ENGINE,
        smallest,
        my_prune,
        remover(keep=lambda p: nn.Parameter(p.detach())),
        says="another Parameter",
    ),
    wrong(ENGINE, smallest, my_prune, remover(left=("_mask",)), says="still has weight_mask"),
    wrong(ENGINE, smallest, my_prune, lambda m, n: n, says="and yours gives text in quotes"),
    wrong(ENGINE, smallest, my_prune, lambda m: m, says="my_remove raised TypeError"),
    right(checks.three_calls, 3, 6, 6),
    right(checks.three_calls, 3.0, torch.tensor(6.0), 6),
    wrong(checks.three_calls, 6, 6, 6, says="forward() runs no hook"),
    wrong(checks.three_calls, 3, 3, 3, says="the call runs the hook"),
    wrong(checks.three_calls, 3, 6, 3, says="the hook's work stays"),
    wrong(checks.three_calls, 2, 4, 4, says="the −1 is pruned"),
    wrong(checks.three_calls, 3, 4, 4, says="the −1 is pruned"),
    wrong(checks.three_calls, 6, 3, 6, says="the other way round"),
    wrong(checks.three_calls, 3, 6, 12, says="the values double once"),
    wrong(checks.three_calls, 0, 0, 0, says="the 3 is kept"),
    wrong(checks.three_calls, 5, 7, 9, says="ask for each line"),
    wrong(checks.three_calls, "3", 6, 6, says="without quotes"),
    unanswered(checks.three_calls, 3, ..., 6, says="replace the ..."),
    right(checks.prune_by, mended),
    unanswered(checks.prune_by, nothing, says="prune_by does nothing yet"),
    wrong(checks.prune_by, unmended, says="another Parameter"),
    wrong(checks.prune_by, another_parameter, says="another Parameter"),
    wrong(checks.prune_by, shared_memory, says="another Parameter"),
    wrong(checks.prune_by, one_product, says="training step 2 raised RuntimeError"),
    wrong(checks.prune_by, detached, says="no gradient arrives at weight_orig"),
    wrong(checks.prune_by, of_detached_data, says="no gradient arrives at weight_orig"),
    wrong(checks.prune_by, without_a_hook, says="no forward pre-hook"),
    wrong(checks.prune_by, plain_mask, says="not saved"),
    wrong(checks.prune_by, not_dressed, says="let the hook dress it once"),
    wrong(checks.prune_by, lambda module: None, says="raised TypeError"),
]
