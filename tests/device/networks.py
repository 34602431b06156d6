"""Models and networks that several tests use."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prune_lab.device.grid import to_grid
from prune_lab.device.operations import Network
from prune_lab.device.tracing import trace


class Residual(nn.Module):
    """A small network with everything that is on the device's list."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.acts = nn.ModuleList(
            [nn.ReLU(inplace=True), nn.ReLU6(), nn.SiLU(), nn.GELU(), nn.Tanh(), nn.Sigmoid()]
        )
        self.third = nn.Conv2d(8, 6, (1, 3))
        self.pools = nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.AvgPool2d(2))
        self.last = nn.Linear(6, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.acts[0](self.norm(self.first(images)))
        x = x + self.second(self.acts[1](x))
        x = self.pools(self.acts[2](x))
        x = nn.functional.adaptive_avg_pool2d(self.acts[4](self.third(self.acts[3](x))), 1)
        return self.last(torch.flatten(self.acts[5](x), 1))


def residual(seed: int = 0) -> Residual:
    torch.manual_seed(seed)
    model = Residual()
    with torch.no_grad():
        model.norm.running_mean.normal_()
        model.norm.running_var.uniform_(0.5, 2)
        model.norm.weight.normal_()
        model.norm.bias.normal_()
    return model.eval()


def gridded(model: nn.Module, levels: int = 7) -> nn.Module:
    """The model with every parameter on a grid, in place."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(to_grid(parameter, levels))
    return model


def tiny() -> Network:
    """A convolution, an activation and a linear layer, with zeros among the weights."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 4)
    )
    with torch.no_grad():
        model[4].weight[model[4].weight.abs() < 0.15] = 0
    return trace(gridded(model, 3), torch.zeros(2, 1, 5, 5), 0.25, 0.5)
