"""The networks of the course: LeNet, whose weights can all be seen, and LeNet-300-100."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class LeNet(nn.Module):
    """A LeNet after LeCun et al., 1998, in the form that PyTorch's pruning tutorial uses.

    Two convolutions find patterns, three linear layers name the digit. For N images:

    ========================  =================  ========================  ==========
    step                      output             parameters                how many
    ========================  =================  ========================  ==========
    images                    (N, 1, 32, 32)
    ``conv1``, ReLU           (N, 6, 28, 28)     (6, 1, 5, 5) and (6,)            156
    2x2 max-pool              (N, 6, 14, 14)
    ``conv2``, ReLU           (N, 16, 10, 10)    (16, 6, 5, 5) and (16,)        2 416
    2x2 max-pool              (N, 16, 5, 5)
    flatten                   (N, 400)
    ``fc1``, ReLU             (N, 120)           (120, 400) and (120,)         48 120
    ``fc2``, ReLU             (N, 84)            (84, 120) and (84,)           10 164
    ``fc3``: the logits       (N, 10)            (10, 84) and (10,)               850
    ========================  =================  ========================  ==========

    The original subsampled with trainable averages, squashed with tanh and joined only some of
    the channels in its second convolution; ReLU and max-pooling are what one writes today.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document
    recognition. Proceedings of the IEEE 86(11), 1998.

    >>> import torch
    >>> model = LeNet()
    >>> model(torch.zeros(4, 1, 32, 32)).shape
    torch.Size([4, 10])
    >>> sum(parameter.numel() for parameter in model.parameters())
    61706
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Turn images (N, 1, 32, 32) into logits (N, 10): the larger, the likelier that digit.

        Raises ValueError for images of another shape.
        """
        _must_be_images(images, "LeNet")
        x = F.max_pool2d(F.relu(self.conv1(images)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.flatten(1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        logits: Tensor = self.fc3(x)
        return logits


class LeNet300100(nn.Module):
    """LeNet-300-100: three linear layers and no convolution, the lottery tickets' first network.

    ``fc1`` and ``fc2`` have 300 and 100 outputs, with ReLU, ``fc3`` gives the logits. For N images:

    ==================  ================  =======================  ===========
    step                output            parameters               how many
    ==================  ================  =======================  ===========
    images              (N, 1, 32, 32)
    flatten             (N, 1024)
    ``fc1``, ReLU       (N, 300)          (300, 1024) and (300,)       307 500
    ``fc2``, ReLU       (N, 100)          (100, 300) and (100,)         30 100
    ``fc3``: logits     (N, 10)           (10, 100) and (10,)            1 010
    ==================  ================  =======================  ===========

    Source: the network of that name in LeCun et al., 1998, see `LeNet`; it read 28x28 pixels and
    squashed with tanh. ReLU as in J. Frankle, M. Carbin: The lottery ticket hypothesis, ICLR 2019.

    >>> import torch
    >>> model = LeNet300100()
    >>> model(torch.zeros(4, 1, 32, 32)).shape
    torch.Size([4, 10])
    >>> sum(parameter.numel() for parameter in model.parameters())
    338610
    """

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(32 * 32, 300)
        self.fc2 = nn.Linear(300, 100)
        self.fc3 = nn.Linear(100, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Turn images (N, 1, 32, 32) into logits (N, 10), as `LeNet` does.

        Raises ValueError for images of another shape.
        """
        _must_be_images(images, "LeNet300100")
        x = F.relu(self.fc1(images.flatten(1)))
        x = F.relu(self.fc2(x))
        logits: Tensor = self.fc3(x)
        return logits


def _must_be_images(images: Tensor, who: str) -> None:
    if images.shape[1:] != (1, 32, 32):
        raise ValueError(
            f"{who} reads images of shape (N, 1, 32, 32), but got {tuple(images.shape)}"
        )
