"""Ink, and how a data set draws its digits: so thick, soft and large must they be in the pad."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SAMPLES = 4  # of a pixel's side, where ink is moved and thinned
LARGEST = 4  # times; a dot is not made a blot
WIDER = 1.2  # times the median digit: how wide a drawn one may be


def checked(ink: bytes, size: tuple[int, int]) -> bytes:
    """Return the bytes of H x W float32 numbers, row by row, as they are.

    Raises:
        ValueError: there are more or fewer, or one does not lie between 0 and 1.
    """
    fits = len(ink) == 4 * math.prod(size)
    numbers = np.frombuffer(ink, "<f4") if fits else np.full(1, -1.0)
    if not bool(((numbers >= 0) & (numbers <= 1)).all()):  # NaN is neither
        height, width = size
        raise ValueError(
            f"image should be the bytes of {height} × {width} float32 numbers from 0 to 1"
        )
    return bytes(ink)


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


def fitted(ink: Tensor, frame: tuple[float, float, float, float], pen: float) -> Tensor:
    """Fit what was drawn into the data's frame: as large, in its middle, its strokes as thick.

    Who made the data cropped each digit to its ink and scaled it to one size; a network that was
    trained on that reads nothing else. The strokes' middle lines are scaled, and then the strokes
    made as thick as the pen draws them.

    Args:
        ink: (H, W) float32 from 0 to 1.
        frame: left, top, right and bottom of the data's typical digit, in pixels.
        pen: how wide a stroke is at half its ink, in pixels.

    Returns:
        (H, W) float32 from 0 to 1; a picture without ink as it is.

    >>> drawn = torch.zeros(32, 32)
    >>> drawn[20:30, 2:5] = 1  # a small stroke in the corner
    >>> rows, columns = (fitted(drawn, (8, 0, 24, 32), 3.0) > 0.5).nonzero(as_tuple=True)
    >>> int(rows.min()), int(rows.max()), int(columns.min()), int(columns.max())
    (1, 30, 15, 16)
    """
    from scipy import ndimage  # here, because it takes long to import

    paper = ink.numpy()
    dark = paper > 0.5 * paper.max()
    if not paper.any():
        return ink
    (rows,), (columns,) = dark.any(1).nonzero(), dark.any(0).nonzero()
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    x0, y0, x1, y1 = frame
    tall, wide = max(y1 - y0 - pen, 1), max(WIDER * (x1 - x0) - pen, 1)
    scale = min(tall / max(bottom - top - pen, 1), wide / max(right - left - pen, 1), LARGEST)
    by = SAMPLES * pen * (scale - 1) / 2  # samples that scaled strokes are too thick, on each side
    around = math.ceil(abs(by))  # what thick strokes need beside the picture
    # Sample s of the picture, at (s + 0.5) / SAMPLES pixels, lies on the paper here:
    offset = [
        drawn + ((0.5 - around) / SAMPLES - framed) / scale - 0.5
        for drawn, framed in (
            ((top + bottom) / 2, (y0 + y1) / 2),
            ((left + right) / 2, (x0 + x1) / 2),
        )
    ]
    height, width = paper.shape
    thick = ndimage.affine_transform(
        paper,
        [1 / (SAMPLES * scale)] * 2,
        offset=offset,
        output_shape=(SAMPLES * height + 2 * around, SAMPLES * width + 2 * around),
        order=1,
    )
    inside = slice(around, -around or None)
    thin = _thinned(thick, by)[inside, inside]
    mean = thin.reshape(height, SAMPLES, width, SAMPLES).mean((1, 3))
    return torch.from_numpy(mean).float().clamp(0, 1)


def _thinned(ink: np.ndarray, by: float) -> np.ndarray:
    """Take so many pixels off on every side of the strokes; a negative number adds them."""
    from scipy import ndimage

    reach = math.ceil(abs(by))
    y, x = np.ogrid[-reach : reach + 1, -reach : reach + 1]
    change = ndimage.grey_erosion if by > 0 else ndimage.grey_dilation
    return change(ink, footprint=x * x + y * y <= by * by, mode="constant")
