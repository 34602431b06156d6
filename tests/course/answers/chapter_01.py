from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prune_lab.course.checks import chapter_01 as checks
from prune_lab.lenet import LeNet
from tests.course.cases import right, unanswered, wrong


class Written(nn.Module):
    """LeNet as a learner writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Any:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def forward(way: Callable[[Any, Tensor], Any]) -> type[nn.Module]:
    """LeNet's layers, and another forward."""
    return type("MyLeNet", (Written,), {"forward": way})


def ended(end: Callable[[Tensor], Any]) -> type[nn.Module]:
    """LeNet's forward, and something behind it."""
    return forward(lambda self, x: end(Written.forward(self, x)))


def with_layers(**layers: Any) -> type[nn.Module]:
    """LeNet with other layers, made anew in each instance."""

    def init(self: Any) -> None:
        Written.__init__(self)
        for name, make in layers.items():
            delattr(self, name) if hasattr(self, name) else None
            setattr(self, name, make() if callable(make) else make)

    return type("MyLeNet", (Written,), {"__init__": init})


def way(
    relu: str = "conv1 conv2 fc1 fc2",
    pool: Any = F.max_pool2d,
    activation: Any = F.relu,
    flatten: Any = lambda x: x.flatten(1),
) -> type[nn.Module]:
    def walk(self: Any, x: Tensor) -> Tensor:
        for name in ("conv1", "conv2", "fc1", "fc2"):
            x = getattr(self, name)(x)
            x = activation(x) if name in relu.split() else x
            x = pool(x, 2) if name.startswith("conv") else x
            x = flatten(x) if name == "conv2" else x
        return self.fc3(x)

    return forward(walk)


def inplace(self: Any, x: Tensor) -> Tensor:
    return Written.forward(self, x.mul_(0.5).mul_(2.5))


def with_argument(self: Any, size: int) -> None:
    Written.__init__(self)


def shouting(self: Any, x: Tensor) -> Any:
    print("after the picture", x.shape)
    return Written.forward(self, x)


CASES = [
    right(checks.my_lenet, Written),
    right(checks.my_lenet, LeNet),
    right(checks.my_lenet, way()),
    right(checks.my_lenet, way(flatten=lambda x: x.view(-1, 400))),
    right(checks.my_lenet, forward(shouting)),  # a print while looking for a mistake does no harm
    unanswered(checks.my_lenet, with_layers(fc1=...), says="self.fc1 is still missing"),
    unanswered(
        checks.my_lenet,
        forward(lambda self, x: F.max_pool2d(F.relu(self.conv1(x)), 2)),
        says="forward stops after conv1",
    ),
    wrong(checks.my_lenet, LeNet(), says="give the class itself"),
    wrong(checks.my_lenet, Written.forward, says="should be a class made from nn.Module"),
    wrong(checks.my_lenet, int, says="should be a class made from nn.Module"),
    wrong(checks.my_lenet, type("M", (Written,), {"__init__": with_argument}), says="argument"),
    wrong(
        checks.my_lenet,
        with_layers(fc2=lambda: nn.Linear(120, 64)),
        says="self.fc2 should be Linear(in_features=120, out_features=84",
    ),
    wrong(checks.my_lenet, with_layers(conv2=lambda: nn.Linear(6, 16)), says="should be Conv2d"),
    wrong(
        checks.my_lenet, with_layers(conv1=lambda: nn.Conv2d(1, 6, 5, padding=2)), says="self.conv1"
    ),
    wrong(checks.my_lenet, with_layers(fc3=lambda: nn.Linear(84, 10, bias=False)), says="fc3"),
    wrong(checks.my_lenet, with_layers(fc4=lambda: nn.Linear(10, 10)), says="fc4.weight as well"),
    wrong(checks.my_lenet, ended(torch.relu), says="ReLU after fc3"),
    wrong(checks.my_lenet, ended(lambda x: x.softmax(1)), says="softmax after fc3"),
    wrong(checks.my_lenet, ended(lambda x: x.log_softmax(1)), says="log_softmax after fc3"),
    wrong(checks.my_lenet, ended(lambda x: None), says="forward should return the scores; is"),
    wrong(checks.my_lenet, ended(lambda x: (x, x)), says="and yours returns a tuple"),
    wrong(checks.my_lenet, ended(lambda x: x.argmax(1)), says="should return a tensor of shape"),
    wrong(checks.my_lenet, way("conv1 conv2 fc1"), says="there is no ReLU after fc2"),
    wrong(checks.my_lenet, way("conv2 fc1 fc2"), says="there is no ReLU after conv1"),
    wrong(checks.my_lenet, way("conv1 conv2"), says="there is no ReLU after fc1 and fc2"),
    wrong(checks.my_lenet, way(""), says="no ReLU after conv1, conv2, fc1 and fc2"),
    wrong(checks.my_lenet, way(pool=F.avg_pool2d), says="F.max_pool2d"),
    wrong(checks.my_lenet, way(activation=torch.tanh), says="tanh"),
    wrong(checks.my_lenet, way(flatten=lambda x: x), says="forward raised RuntimeError"),
    wrong(checks.my_lenet, way(flatten=lambda x: x.view(2, -1)), says="size of a batch written"),
    wrong(checks.my_lenet, way(flatten=lambda x: x.view(1, -1)), says="size of a batch written"),
    wrong(checks.my_lenet, way(flatten=lambda x: x.flatten()), says="forward loses the batch"),
    wrong(checks.my_lenet, forward(inplace), says="forward changes the images"),
    wrong(checks.my_lenet, ended(lambda x: x.flip(1)), says="go through forward line by line"),
    right(checks.conv2_parameters, sum(p.numel() for p in nn.Conv2d(6, 16, 5).parameters())),
    right(checks.conv2_parameters, np.array(2416)),
    right(checks.conv2_parameters, torch.tensor(2416)),
    right(checks.conv2_parameters, 2416.0),
    wrong(checks.conv2_parameters, 2400, says="weights alone"),
    wrong(checks.conv2_parameters, 16 * 25 + 16, says="all 6 input maps"),
    wrong(checks.conv2_parameters, 16 * 6 * 25 + 6, says="not for each of the 6 input maps"),
    wrong(checks.conv2_parameters, 16 * 6 * 25 + 96, says="not for each pair of maps"),
    wrong(checks.conv2_parameters, 156, says="that is conv1"),
    wrong(checks.conv2_parameters, 2, says="how many tensors"),
    wrong(checks.conv2_parameters, 2417, says="count windows"),
    wrong(checks.conv2_parameters, "2416", says="without quotes"),
    wrong(checks.conv2_parameters, (2, 416), says="2,416 with a comma is 2 numbers"),
    wrong(checks.conv2_parameters, [2416], says="a single number, and yours is a list"),
    wrong(checks.conv2_parameters, True, says="yours is True"),
    wrong(checks.conv2_parameters, lambda: 2416, says="a function; call it"),
    right(checks.lenet_bytes, sum(p.nbytes for p in LeNet().parameters())),
    wrong(checks.lenet_bytes, 61_706, says="4 bytes"),
    wrong(checks.lenet_bytes, 61_706 * 32, says="bits"),
    wrong(checks.lenet_bytes, 61_706 * 8, says="float64"),
    wrong(checks.lenet_bytes, 61_706 // 8, says="that is 4 bytes"),
    wrong(checks.lenet_bytes, 61_706 * 4 / 1000, says="kilobytes"),
    wrong(checks.lenet_bytes, 61_706 * 4 / 1024**2, says="multiply the number"),
    wrong(
        checks.lenet_bytes,
        4 * sum(p.numel() for p in LeNet().parameters() if p.ndim > 1),
        says="the weights alone",
    ),
    right(checks.fraction_gone, 0.9 * LeNet().fc1.weight.numel() / 61_706),
    right(checks.fraction_gone, 0.7),
    wrong(checks.fraction_gone, 70, says="percentage"),
    wrong(checks.fraction_gone, 70.01, says="percentage"),
    wrong(checks.fraction_gone, 0.9, says="all of LeNet"),
    wrong(checks.fraction_gone, 48_000 / 61_706, says="nine tenths"),
    wrong(checks.fraction_gone, 43_200, says="divide by the total"),
    wrong(checks.fraction_gone, 1 - 43_200 / 61_706, says="what is gone"),
    wrong(checks.fraction_gone, 4_800 / 61_706, says="what stays of fc1.weight"),
    wrong(checks.fraction_gone, 0.9 * 48_120 / 61_706, says="biases of fc1 stay"),
    wrong(checks.fraction_gone, float("nan"), says="nine tenths"),
]
