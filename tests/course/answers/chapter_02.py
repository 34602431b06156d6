from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from prune_lab import prune
from prune_lab.course.checks import chapter_02 as checks
from tests.course.cases import Case, right, unanswered, wrong

NORM = nn.BatchNorm2d(6)
PARAMETERS = sum(p.numel() for p in NORM.parameters())
BUFFERS = sum(b.numel() for b in NORM.buffers())


def conv(change: Callable[[nn.Conv2d], Any] = lambda layer: None) -> nn.Conv2d:
    layer = nn.Conv2d(1, 6, 5)
    change(layer)
    return layer


def masked(mask: Any = torch.ones_like, **options: Any) -> nn.Conv2d:
    return conv(lambda c: c.register_buffer("weight_mask", mask(c.weight), **options))


def ones_everywhere(layer: nn.Conv2d) -> None:
    layer.weight.data.fill_(1)
    layer.register_buffer("weight_mask", torch.ones_like(layer.weight))


def two_buffers(layer: nn.Conv2d) -> None:
    for name in ("mask", "weight_mask"):
        layer.register_buffer(name, torch.ones_like(layer.weight))


def as_attribute(layer: Any) -> None:
    layer.weight_mask = torch.ones(6, 1, 5, 5)


def as_parameter(layer: Any) -> None:
    layer.weight_mask = nn.Parameter(torch.ones(6, 1, 5, 5))


def hook_case(
    make: Callable[..., Case], note: Callable[..., Any], *says: str, back: Any = None
) -> Case:
    """A hook that calls `note(notes, module, inputs)` and returns `back(inputs)`."""
    notes: list[Any] = [(4, 1, 32, 32)]

    def hook(module: nn.Module, inputs: Any) -> Any:
        note(notes, module, inputs)
        return back(inputs) if back else None

    named = {"says": says[0]} if says else {}
    return make(checks.shape_notes, hook, notes, **named)


def take(notes: list[Any], module: Any, inputs: Any) -> None:
    notes.append(tuple(inputs[0].shape))


def both(*steps: Callable[..., Any]) -> Callable[..., None]:
    def note(*arguments: Any) -> None:
        for step in steps:
            step(*arguments)

    return note


def leave(notes: list[Any], module: Any, inputs: Any) -> None:
    raise SystemExit


CASES = [
    right(checks.batch_norm_numbers, PARAMETERS, BUFFERS),
    right(checks.batch_norm_numbers, torch.tensor(PARAMETERS), float(BUFFERS)),
    unanswered(checks.batch_norm_numbers, PARAMETERS, ...),
    wrong(checks.batch_norm_numbers, BUFFERS, PARAMETERS, says="changed places"),
    wrong(checks.batch_norm_numbers, 2, BUFFERS, says="count the numbers"),
    wrong(checks.batch_norm_numbers, nn.BatchNorm2d(6), BUFFERS, says="yours is a BatchNorm2d"),
    wrong(checks.batch_norm_numbers, 6, BUFFERS, says="one number per channel each"),
    wrong(checks.batch_norm_numbers, 24, 1, says="no optimizer changes them"),
    wrong(checks.batch_norm_numbers, PARAMETERS, 12, says="num_batches_tracked"),
    wrong(checks.batch_norm_numbers, PARAMETERS, 3, says="three buffers"),
    wrong(checks.batch_norm_numbers, PARAMETERS, 18, says="not one for each channel"),
    wrong(checks.batch_norm_numbers, PARAMETERS, 0, says="and yet it keeps them"),
    right(checks.mask_buffer, masked()),
    right(checks.mask_buffer, masked(lambda w: torch.ones(6, 1, 5, 5))),
    unanswered(checks.mask_buffer, conv(), says="no buffer yet"),
    wrong(checks.mask_buffer, nn.Conv2d, says="give my_conv itself"),
    wrong(checks.mask_buffer, torch.ones(6, 1, 5, 5), says="my_conv should be a module"),
    wrong(
        checks.mask_buffer,
        conv(lambda c: c.register_buffer("mask", torch.ones_like(c.weight))),
        says="yours is mask",
    ),
    wrong(checks.mask_buffer, masked(torch.zeros_like), says="ones alone"),
    wrong(
        checks.mask_buffer,
        masked(lambda w: torch.ones(150)),
        says="(6, 1, 5, 5), and yours has (150,)",
    ),
    wrong(
        checks.mask_buffer,
        masked(lambda w: torch.ones_like(w, requires_grad=True)),
        says="requires a gradient",
    ),
    wrong(checks.mask_buffer, masked(lambda w: w.detach()), says="the weight's own memory"),
    wrong(checks.mask_buffer, conv(ones_everywhere), says="weights have lost their values"),
    wrong(checks.mask_buffer, conv(two_buffers), says="one buffer is enough"),
    wrong(checks.mask_buffer, masked(persistent=False), says="leave persistent=False out"),
    wrong(checks.mask_buffer, conv(as_attribute), says="plain attribute"),
    wrong(checks.mask_buffer, conv(as_parameter), says="is a parameter"),
    wrong(checks.mask_buffer, conv(lambda c: prune.identity(c, "weight")), says="pruned the layer"),
    hook_case(right, take),
    hook_case(unanswered, lambda notes, module, inputs: None, "notes is still empty"),
    hook_case(wrong, lambda n, m, i: n.append(i[0].shape), "the note is a torch.Size"),
    hook_case(wrong, lambda n, m, i: n.append(list(i[0].shape)), "the note is a list"),
    hook_case(wrong, lambda n, m, i: n.append(i[0]), "notes the batch itself"),
    hook_case(wrong, lambda n, m, i: n.append(len(i)), "for every batch"),
    hook_case(wrong, lambda n, m, i: n.append((3, 1, 9, 9)), "for every batch"),
    hook_case(wrong, lambda n, m, i: n.append(tuple(i[0].shape[1:])), "how many images"),
    hook_case(wrong, lambda n, m, i: n.append(len(i[0])), "only how many images"),
    hook_case(wrong, lambda n, m, i: n.extend(i[0].shape), "one by one"),
    hook_case(wrong, lambda n, m, i: n.append(i.shape), "your hook raised AttributeError"),
    hook_case(wrong, both(take, take), "3 notes, and there are 6"),
    hook_case(wrong, both(take, lambda n, m, i: print(n)), "the hook prints"),
    hook_case(wrong, both(take, lambda n, m, i: i[0].zero_()), "changes the batch"),
    hook_case(wrong, both(take, lambda n, m, i: m.weight.data.zero_()), "changes the module"),
    hook_case(wrong, take, "the hook returns something", back=lambda inputs: inputs),
    hook_case(unanswered, take, "still gives the ... back", back=lambda inputs: ...),
    hook_case(wrong, leave, "calls exit"),
    wrong(checks.shape_notes, take(notes := [], None, [torch.ones(1)]), notes, says="function"),
    wrong(checks.shape_notes, lambda module, inputs: None, (), says="stay the list"),
    wrong(checks.shape_notes, lambda inputs: None, [], says="your hook raised TypeError"),
]
