"""What is drawn in the pad, fitted into the data's frame: measured on digits drawn by a machine."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
import torch

from prune_lab.course.weights import trained_lenet
from prune_lab.data import load_digits
from prune_lab.widgets.strokes import fitted, strokes

DIGITS = load_digits()
LOW, HIGH = float(DIGITS.train_images.min()), float(DIGITS.train_images.max())
PEN, FRAME = strokes(((DIGITS.train_images - LOW) / (HIGH - LOW)).clamp(0, 1))

# Middle lines, in a box 1 wide and 1 high
LINES = {
    0: [[(0.5, 0.05), (0.3, 0.2), (0.25, 0.5), (0.3, 0.8), (0.5, 0.95), (0.7, 0.8), (0.75, 0.5),
         (0.7, 0.2), (0.5, 0.05)]],
    1: [[(0.35, 0.25), (0.52, 0.05), (0.52, 0.95)]],
    2: [[(0.28, 0.25), (0.4, 0.08), (0.6, 0.08), (0.7, 0.25), (0.6, 0.5), (0.28, 0.93),
         (0.75, 0.93)]],
    3: [[(0.3, 0.12), (0.5, 0.05), (0.68, 0.2), (0.6, 0.42), (0.45, 0.48), (0.66, 0.56),
         (0.7, 0.78), (0.5, 0.95), (0.28, 0.86)]],
    4: [[(0.55, 0.05), (0.25, 0.62), (0.75, 0.62)], [(0.6, 0.4), (0.58, 0.95)]],
    5: [[(0.7, 0.06), (0.34, 0.06), (0.32, 0.45), (0.55, 0.4), (0.7, 0.6), (0.62, 0.88),
         (0.45, 0.95), (0.28, 0.88)]],
    6: [[(0.62, 0.05), (0.4, 0.3), (0.3, 0.65), (0.42, 0.93), (0.62, 0.9), (0.68, 0.68),
         (0.52, 0.55), (0.33, 0.66)]],
    7: [[(0.27, 0.07), (0.73, 0.07), (0.6, 0.4), (0.45, 0.95)]],
    8: [[(0.5, 0.5), (0.32, 0.3), (0.4, 0.08), (0.6, 0.08), (0.68, 0.28), (0.5, 0.5), (0.3, 0.72),
         (0.4, 0.94), (0.6, 0.94), (0.7, 0.72), (0.5, 0.5)]],
    9: [[(0.68, 0.3), (0.5, 0.45), (0.33, 0.3), (0.42, 0.07), (0.62, 0.07), (0.68, 0.3),
         (0.64, 0.65), (0.5, 0.95)]],
}  # fmt: skip
Y, X = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(32) + 0.5, indexing="ij")


def drawn(lines, size, at, pen=PEN):
    """Ink of these lines, `size` pixels large around the place `at`, with the pad's own pen."""
    ink = torch.zeros(32, 32)
    width, edge = pen
    for line in lines:
        places = [((x - 0.5) * size + at[0], (y - 0.5) * size + at[1]) for x, y in line]
        for (x0, y0), (x1, y1) in pairwise(places):
            dx, dy = x1 - x0, y1 - y0
            along = (((X - x0) * dx + (Y - y0) * dy) / (dx * dx + dy * dy)).clamp(0, 1)
            far = torch.hypot(X - x0 - along * dx, Y - y0 - along * dy)
            u = (((width + edge) / 2 - far) / edge).clamp(0, 1)
            ink = torch.maximum(ink, u * u * (3 - 2 * u))
    return ink


def by_hand(dice, digit):
    """A digit of some size at some place, slanted and turned a little, as people draw them."""
    slant, turn = dice.uniform(-0.25, 0.25), dice.uniform(-0.12, 0.12)

    def moved(x, y):
        x, y = 0.9 * (x - 0.5) + slant * (y - 0.5), y - 0.5
        return (
            0.5 + x * math.cos(turn) - y * math.sin(turn),
            0.5 + x * math.sin(turn) + y * math.cos(turn),
        )

    size = dice.uniform(14, 27)
    at = [dice.uniform(size / 2 + 2, 30 - size / 2) for _ in range(2)]
    return drawn([[moved(*place) for place in line] for line in LINES[digit]], size, at)


def test_the_network_reads_what_is_fitted_and_not_what_is_drawn():
    network = trained_lenet()
    dice = random.Random(0)
    labels = [digit for digit in LINES for _ in range(20)]
    inks = [by_hand(dice, digit) for digit in labels]

    def read(pictures):
        images = LOW + torch.stack(pictures)[:, None] * (HIGH - LOW)
        with torch.no_grad():
            return float((network(images).argmax(1) == torch.tensor(labels)).float().mean())

    as_drawn, as_fitted = read(inks), read([fitted(ink, FRAME, PEN[0]) for ink in inks])
    print(f"read as drawn {as_drawn:.0%}, fitted {as_fitted:.0%}")
    assert as_drawn < 0.5 and as_fitted > 0.8


@pytest.mark.parametrize("digit", [0, 1, 4, 7])
def test_size_and_place_of_a_drawing_make_no_difference(digit):
    pen = (3.0, 2.0)
    frame = (6.0, 2.0, 26.0, 30.0)
    shown = [
        fitted(drawn(LINES[digit], size, at, pen), frame, pen[0])
        for size, at in [(14, (9, 9)), (20, (20, 18)), (26, (16, 16)), (16, (22, 10))]
    ]
    for seen in shown:
        dark = seen > 0.5
        rows, columns = dark.any(1).nonzero(), dark.any(0).nonzero()
        assert int(rows[0]) == pytest.approx(2, abs=1) and int(rows[-1]) == pytest.approx(29, abs=1)
        assert float(columns[0] + columns[-1]) / 2 + 0.5 == pytest.approx(16, abs=1)
        # Strokes as thick as the pen's, however much the drawing was enlarged.
        assert float(seen.sum()) == pytest.approx(float(shown[0].sum()), rel=0.15)


def test_what_has_no_ink_or_only_a_dot_stays_what_it_is():
    assert not fitted(torch.zeros(32, 32), FRAME, PEN[0]).any()
    dot = drawn([[(0.5, 0.5), (0.5, 0.51)]], 10, (5, 25))
    seen = fitted(dot, FRAME, PEN[0])
    assert float((seen > 0.5).sum()) == pytest.approx(float((dot > 0.5).sum()), rel=0.7)
