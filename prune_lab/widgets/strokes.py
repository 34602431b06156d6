"""How the digits of a data set are drawn: as thick, as soft and as large the pad must draw them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def strokes(
    ink: Tensor,
) -> tuple[tuple[float, float], tuple[float, float, float, float]]:
    """Measure how the images, (N, 1, H, W) from 0 to 1, are drawn.

    Returns:
        the pen: a stroke's width at half the ink, and the width of its soft edge, in pixels;
        the frame: left, top, right and bottom of the median image's dark part.
    """
    ink = F.pad(ink.cpu(), (1, 1, 1, 1))  # so that what touches the border has an edge
    dark = ink > 0.5
    steps = [ink.diff(dim=dim)[dark.diff(dim=dim)] for dim in (2, 3)]
    # A slanted contour crosses more pixel edges than it is long, in the mean 4/pi times as many,
    # and rises the more slowly along each axis.
    length = math.pi / 4 * sum(len(crossed) for crossed in steps)
    slope = 4 / math.pi * float(torch.cat(steps).abs().mean())
    width = 2 * float(dark.sum()) / length  # a stroke has two sides
    edge = min(1.5 / slope, width)  # smoothstep's slope; its middle should still be all ink
    drawn = dark[dark.any(3).any(2).view(-1), 0]
    sides = []
    for dim in (1, 2):  # columns, then rows
        touched = drawn.any(dim).int()
        sides.append((touched.argmax(1) - 1, touched.shape[1] - 1 - touched.flip(1).argmax(1)))
    (left, right), (top, bottom) = (tuple(float(s.median()) for s in pair) for pair in sides)
    return (width, edge), (left, top, right, bottom)
