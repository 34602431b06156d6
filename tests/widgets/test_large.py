"""Large parameters: known by steps, and at each step they are what the engine does."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from prune_lab import prune
from prune_lab.widgets import MaskExplorer, blocks, ranking
from tests.widgets.browser_side import shown


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    """What is shown by steps from a million entries on is so here from two hundred on."""
    monkeypatch.setattr(ranking, "EVERY", 200)
    monkeypatch.setattr(ranking, "PIECE", 97)
    monkeypatch.setattr(ranking, "STEPS", 40)
    monkeypatch.setattr(ranking, "COARSE", 6)  # bits: many cuts share them
    monkeypatch.setattr("prune_lab.widgets.drawing.STEPS", 40)
    monkeypatch.setattr("prune_lab.widgets.drawing.COARSE", 10)
    monkeypatch.setattr("prune_lab.widgets.blocks.PIECE", 97)
    monkeypatch.setattr("prune_lab.widgets.blocks.MOST_ROWS", 7)
    monkeypatch.setattr("prune_lab.widgets.blocks.MOST_COLS", 9)


def values_of(kind, *shape):
    """Weights of several kinds; many are equal, so that cuts fall among equals."""
    generator = torch.Generator().manual_seed(math.prod(shape))
    normal = torch.randn(shape, generator=generator)
    return {
        "normal": normal,
        "float64": normal.double(),
        "bfloat16": normal.bfloat16(),
        "few values": (3 * normal).round(),
        "zeros": torch.zeros(shape),
        "NaN and inf": normal.clone().view(-1).index_fill_(0, torch.arange(0, 60, 7), math.nan)
        .index_fill_(0, torch.arange(1, 60, 9), -math.inf).view(shape),
    }[kind]  # fmt: skip


KINDS = ["normal", "float64", "bfloat16", "few values", "zeros", "NaN and inf"]
LOCAL = ["l1_unstructured", "random_unstructured", "ln_structured", "random_structured", "n_m"]
OPTIONS = {"ln_structured": {"n": 2, "dim": 0}, "random_structured": {"dim": 0}, "n_m": {"m": 4}}


def layer_of(values):
    layer = nn.Module()
    layer.weight = nn.Parameter(values.clone())
    return layer


def engines_mask(layer, technique, number, seed=1):
    """The mask of one real call, on a copy."""
    layer = copy.deepcopy(layer)
    torch.manual_seed(seed)
    if technique == "n_m":
        prune.n_m(layer, "weight", n=4 - number, m=4)
    else:
        getattr(prune, technique)(layer, "weight", amount=number, **OPTIONS.get(technique, {}))
    return layer.weight_mask


def drawn(explorer):
    """The explorer, shown, when its picture is there."""
    shown(explorer)
    explorer._artist.wait()
    assert (explorer.drawn, explorer.drawing, explorer.message) == (1.0, False, "")
    return explorer


def blocks_of(explorer):
    """The grid, and how many entries of each block are kept at each of its counts."""
    grid = blocks.Grid(*(explorer.grid[part] for part in blocks.Grid._fields))
    kept = np.frombuffer(explorer.kept, "<u2").reshape(-1, grid.down, grid.across)
    return grid, dict(zip(explorer.grid["counts"], kept, strict=True))


def by_hand(mask, grid):
    """How many entries of each block a mask keeps, block by block."""
    matrix = mask.reshape(grid.rows, grid.cols) != 0
    return [
        [
            int(matrix[top : top + grid.block_rows, left : left + grid.block_cols].sum())
            for left in range(0, grid.cols, grid.block_cols)
        ]
        for top in range(0, grid.rows, grid.block_rows)
    ]


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("technique", LOCAL)
@pytest.mark.parametrize("kind", KINDS)
def test_every_step_is_the_engines_mask(kind, technique, earlier):
    layer = layer_of(values_of(kind, 24, 20))
    if earlier:
        prune.random_unstructured(layer, "weight", amount=101)
    explorer = drawn(MaskExplorer(layer, technique=technique, amount=0))
    grid, kept = blocks_of(explorer)
    tally = np.frombuffer(explorer.tally, "<u4").reshape(-1, blocks.BINS + 1)
    assert len(tally) == len(explorer.steps) + 1
    assert tally[-1].sum() == 480
    assert (explorer.steps[0], explorer.steps[-1]) == (0, explorer.units)
    for at, count in enumerate(explorer.steps):
        mask = engines_mask(layer, technique, count)
        explorer.amount = count
        assert torch.equal(explorer.mask, mask)
        assert tally[at].sum() == int((mask == 0).sum()), count
        assert explorer.gone == []  # the browser knows
        if count in kept:
            assert kept[count].tolist() == by_hand(mask, grid), count
    assert len(kept) == min(11, explorer.units + 1)


@pytest.mark.parametrize("shape", [(500,), (1, 777), (777, 1), (3, 150), (8, 6, 3, 3), (211, 2)])
def test_every_shape_has_its_blocks(shape):
    layer = layer_of(values_of("normal", *shape))
    explorer = drawn(MaskExplorer(layer))
    grid, kept = blocks_of(explorer)
    assert grid.sizes().sum() == math.prod(shape)
    assert grid.sizes().tolist() == by_hand(torch.ones(shape), grid)
    for count in explorer.grid["counts"]:
        assert kept[count].tolist() == by_hand(engines_mask(layer, "l1_unstructured", count), grid)
    strongest = np.frombuffer(explorer.strongest, "<f4").reshape(grid.down, grid.across)
    matrix = layer.weight.detach().reshape(grid.rows, grid.cols)
    for top in range(grid.down):
        for left in range(grid.across):
            block = matrix[
                top * grid.block_rows : (top + 1) * grid.block_rows,
                left * grid.block_cols : (left + 1) * grid.block_cols,
            ].flatten()
            assert strongest[top, left] == block[block.abs().argmax()]
