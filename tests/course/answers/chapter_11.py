from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.course.checks import chapter_11 as checks
from prune_lab.experiments.records import stored
from tests.course.cases import right, unanswered, wrong


def with_masks(of: Callable[[Tensor], Tensor], weights: str = "start") -> Any:
    """A `control` that puts these masks over the weights of `start`, or of the ticket."""

    def control(ticket: nn.Module, start: nn.Module) -> nn.Module:
        model = copy.deepcopy(start)
        trained = dict(ticket.named_parameters())
        for name, layer in ticket.named_modules():
            if hasattr(layer, "weight_mask"):
                target = model.get_submodule(name)
                if weights == "ticket":
                    target.weight.data.copy_(trained[f"{name}.weight_orig"])
                prune.custom_from_mask(target, "weight", of(layer.weight_mask))
        return model

    return control


def shuffle(mask: Tensor) -> Tensor:
    return mask.flatten()[torch.randperm(mask.numel())].reshape(mask.shape)


def by_numpy(mask: Tensor) -> Tensor:
    entries = mask.flatten().numpy().copy()
    torch.manual_seed(0)
    entries = entries[torch.randperm(len(entries)).numpy()]
    return torch.tensor(entries).view_as(mask)


def shuffle_rows(mask: Tensor) -> Tensor:
    return mask[torch.randperm(len(mask))]


def shuffle_columns(mask: Tensor) -> Tensor:
    return mask[:, torch.randperm(mask.shape[1])]


def by_luck(mask: Tensor) -> Tensor:
    return (torch.rand_like(mask) < mask.mean()).float()


def drawn_anew(ticket: nn.Module, start: nn.Module) -> nn.Module:
    model = with_masks(shuffle)(ticket, start)
    for parameter in model.parameters():
        nn.init.uniform_(parameter)
    return model


def on_start(ticket: nn.Module, start: nn.Module) -> nn.Module:
    for name, layer in ticket.named_modules():
        if hasattr(layer, "weight_mask"):
            prune.custom_from_mask(start.get_submodule(name), "weight", shuffle(layer.weight_mask))
    return start


def on_ticket(ticket: nn.Module, start: nn.Module) -> nn.Module:
    for module in ticket.modules():
        if hasattr(module, "weight_mask"):
            module.weight_mask = shuffle(module.weight_mask)
    return ticket


def on_copy_of_ticket(ticket: nn.Module, start: nn.Module) -> nn.Module:
    return on_ticket(copy.deepcopy(ticket), start)


def random_everywhere(ticket: nn.Module, start: nn.Module) -> nn.Module:
    model = copy.deepcopy(start)
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            prune.random_unstructured(layer, "weight", amount=0.9)
    return model


def multiplied(ticket: nn.Module, start: nn.Module) -> nn.Module:
    model = copy.deepcopy(start)
    for name, layer in ticket.named_modules():
        if hasattr(layer, "weight_mask"):
            model.get_submodule(name).weight.data.mul_(shuffle(layer.weight_mask))
    return model


def multiplied_and_masked(ticket: nn.Module, start: nn.Module) -> nn.Module:
    model = multiplied(ticket, start)
    for name, layer in ticket.named_modules():
        if hasattr(layer, "weight_mask"):
            target = model.get_submodule(name)
            prune.custom_from_mask(target, "weight", (target.weight != 0).float())
    return model


def first_layer_only(ticket: nn.Module, start: nn.Module) -> nn.Module:
    model = copy.deepcopy(start)
    for name, layer in ticket.named_modules():
        if hasattr(layer, "weight_mask"):
            mask = shuffle(layer.weight_mask)
            prune.custom_from_mask(model.get_submodule(name), "weight", mask)
            return model
    return model


# What the table says, worked out anew from the records.
TICKET, ANEW = (
    torch.tensor([360 * r.result["test"][name][8][12] for r in stored("tickets")]).round()
    for name in ("ticket", "new start")
)
LEADS = TICKET - ANEW
AHEAD, MEAN = int((LEADS > 0).sum()), LEADS.mean().item()
SURE = abs(MEAN) > 2.8 * LEADS.std().item() / 5**0.5
VERDICT, OTHER = ("a difference", "no telling")[:: 1 if SURE else -1]

CASES = [
    right(checks.rewound, 0, -0.1, 0.03),
    right(checks.rewound, 0.0, -0.10, torch.tensor(0.03)),
    unanswered(checks.rewound, 0, -0.1, ...),
    wrong(checks.rewound, 0.5, -0.1, 0.03, says="the mask stays"),
    wrong(checks.rewound, 0.02, -0.1, 0.03, says="where training led; a is the smallest"),
    wrong(checks.rewound, 1, -0.1, 0.03, says="so its mask is 0"),
    wrong(checks.rewound, 0, -0.9, 0.03, says="gives the first weight back"),
    wrong(checks.rewound, 0, 0.1, 0.03, says="with its sign"),
    wrong(checks.rewound, 0, 0, 0.03, says="b is the largest after training"),
    wrong(checks.rewound, 0, -0.1, 0.4, says="gives the first weight back"),
    wrong(checks.rewound, 0, -0.1, 0, says="smallest at first"),
    wrong(checks.rewound, 0, -0.1, 0.37, says="subtracts nothing"),
    wrong(checks.rewound, "0", -0.1, 0.03, says="without quotes"),
    right(checks.control, with_masks(shuffle)),
    right(checks.control, with_masks(by_numpy)),
    unanswered(checks.control, lambda ticket, start: None, says="returns nothing yet"),
    wrong(checks.control, on_start, says="`start` is changed"),
    wrong(checks.control, on_ticket, says="the ticket is changed"),
    wrong(checks.control, on_copy_of_ticket, says="is the trained ticket's"),
    wrong(checks.control, with_masks(shuffle, "ticket"), says="is the trained ticket's"),
    wrong(checks.control, drawn_anew, says="only the masks should differ"),
    wrong(checks.control, with_masks(lambda mask: mask.clone()), says="the ticket's own"),
    wrong(checks.control, with_masks(shuffle_rows), says="whole rows shuffled"),
    wrong(checks.control, with_masks(shuffle_columns), says="whole columns shuffled"),
    wrong(checks.control, with_masks(lambda mask: 1 - shuffle(mask)), says="1 keeps, 0 prunes"),
    wrong(checks.control, with_masks(by_luck), says="the ticket keeps"),
    wrong(checks.control, random_everywhere, says="the ticket keeps"),
    wrong(checks.control, first_layer_only, says="every layer that the ticket prunes"),
    wrong(checks.control, multiplied, says="has no masks"),
    wrong(checks.control, multiplied_and_masked, says="the mask makes zeros"),
    wrong(checks.control, lambda ticket, start: copy.deepcopy(start), says="has no masks"),
    wrong(checks.control, lambda ticket, start: start, says="and not the one that was given"),
    wrong(checks.control, lambda ticket: ticket, says="control raised"),
    right(checks.judged, AHEAD, MEAN, VERDICT),
    right(checks.judged, torch.tensor(AHEAD), torch.tensor(MEAN), VERDICT),
    unanswered(checks.judged, AHEAD, MEAN, ...),
    wrong(checks.judged, 5 - AHEAD + 7, MEAN, VERDICT, says="the larger one"),
    wrong(checks.judged, "5", MEAN, VERDICT, says="without quotes"),
    wrong(checks.judged, AHEAD, 5 * MEAN, VERDICT, says="the sum of the leads"),
    wrong(checks.judged, AHEAD, -MEAN, VERDICT, says="the sign"),
    wrong(checks.judged, AHEAD, MEAN / 3.6, VERDICT, says="in points"),
    wrong(checks.judged, AHEAD, MEAN / 360, VERDICT, says="an accuracy"),
    wrong(checks.judged, AHEAD, TICKET.mean().item(), VERDICT, says="the ticket's mean"),
    wrong(checks.judged, AHEAD, MEAN + 0.1, VERDICT, says="divide by 5"),
    wrong(checks.judged, AHEAD, MEAN, OTHER, says="the standard error of these leads"),
    wrong(checks.judged, AHEAD, MEAN, True, says='should be "a difference" or "no telling"'),
]
