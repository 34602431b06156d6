"""Large parameters: known by steps, and at each step they are what the engine does."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from prune_lab import prune
from prune_lab.widgets import MaskExplorer, SensitivityExplorer, blocks, ranking
from tests.widgets.browser_side import asked, hidden, shown


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    """What is shown by steps from a million entries on is so here from two hundred on."""
    monkeypatch.setattr(ranking, "EVERY", 200)
    monkeypatch.setattr(ranking, "PIECE", 97)
    monkeypatch.setattr(ranking, "STEPS", 40)
    monkeypatch.setattr("prune_lab.widgets.magnitudes.COARSE", 6)  # bits: many cuts share them
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


@pytest.mark.parametrize("kind", KINDS)
def test_the_histogram_has_the_bins_that_the_browser_has(kind):
    layer = layer_of(values_of(kind, 24, 20))
    finite = layer.weight.detach().flatten()[layer.weight.flatten().isfinite()]
    layer.weight.data[2, 3] = finite.abs().max()  # the end of the scale is in the last bin
    explorer = drawn(MaskExplorer(layer))
    values = layer.weight.detach().float()
    limit = explorer.grid["limit"]
    assert limit == (float(values[values.isfinite()].abs().max()) or 1.0)

    def bin_of(value):  # as in histogram.js
        place = (value / limit + 1) * 0.5 * 41
        return min(math.floor(place), 40) if 0 <= place < 42 else 41

    bins = torch.tensor([bin_of(value) for value in values.flatten().tolist()])
    tally = np.frombuffer(explorer.tally, "<u4").reshape(-1, 42)
    assert tally[-1].tolist() == bins.bincount(minlength=42).tolist()
    for row, count in zip(tally, explorer.steps, strict=False):
        gone = engines_mask(layer, "l1_unstructured", count).flatten() == 0
        assert row.tolist() == bins[gone].bincount(minlength=42).tolist()


# Several together


@pytest.fixture
def net():
    """Two large layers and two small ones; two are pruned before, one of these by fractions too."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(20, 30), nn.Linear(30, 4), nn.Linear(4, 3), nn.Linear(8, 90))
    for layer in net:
        layer.weight.data = (7 * layer.weight.data).round() / 7  # many are equal
    prune.l1_unstructured(net[1], "weight", amount=31)
    mask = torch.ones(90, 8)
    mask[5], mask[6] = 0, 0.5
    prune.custom_from_mask(net[3], "weight", mask)
    return net


def global_mask(net, number):
    net = copy.deepcopy(net)
    places = [(layer, "weight") for layer in net]
    prune.global_unstructured(places, prune.L1Unstructured, amount=number)
    return [layer.weight_mask for layer in net]


@pytest.mark.parametrize("shown_layer", range(4))
def test_a_global_ranking_by_steps_is_the_engines(net, shown_layer):
    name = f"{shown_layer}.weight"
    explorer = drawn(MaskExplorer(net, name, technique="global_unstructured", amount=0))
    values = net[shown_layer].weight.detach()
    for count in explorer.steps:
        masks = global_mask(net, count)
        explorer.amount = count
        assert torch.equal(explorer.mask != 0, masks[shown_layer] != 0)
        if not explorer.grid:  # few entries: each is drawn
            order = np.frombuffer(explorer.order, "<i4").reshape(values.shape)
            assert torch.equal(torch.from_numpy(order >= count), masks[shown_layer] != 0), count
    rows = explorer.parameters
    for row in rows:
        if row["name"].endswith("weight"):
            layer = int(row["name"][0])
            for count, gone in zip(explorer._ranking.counts(10), row["steps"], strict=True):
                assert gone == int((global_mask(net, count)[layer] == 0).sum()), (row, count)
    sizes = np.frombuffer(explorer.sizes, "<f4")
    left = torch.cat([
        layer.weight[layer.weight_mask == 1] if prune.is_pruned(layer) else layer.weight.flatten()
        for layer in net
    ]).detach().abs().sort().values  # fmt: skip
    assert sizes[1:].tolist() == [float(left[count - 1]) for count in explorer.steps[1:]]


def test_a_global_ranking_of_several_dtypes(net):
    net[0].half()
    net[3].double()
    explorer = drawn(MaskExplorer(net, "0.weight", technique="global_unstructured", amount=0))
    _, kept = blocks_of(explorer)
    for count, blocks_kept in kept.items():
        mask = global_mask(net, count)[0]
        explorer.amount = count
        assert torch.equal(explorer.mask, mask)
        assert blocks_kept.sum() == int(mask.sum())


def test_global_apply_undo_and_reset(net):
    before = copy.deepcopy(net)
    masks = {amount: global_mask(net, amount) for amount in (0.4, 0.7)}
    explorer = MaskExplorer(net, technique="global_unstructured", amount=0.4)

    def are(expected):
        return all(torch.equal(m.weight_mask, mask) for m, mask in zip(net, expected, strict=True))

    explorer.apply()
    assert are(masks[0.4])
    explorer.amount = 0.7
    explorer.apply()  # in place of the first
    assert are(masks[0.7])
    explorer.undo()
    assert are(masks[0.4])
    explorer.reset()
    assert net.state_dict().keys() == before.state_dict().keys()
    assert all(map(torch.equal, net.state_dict().values(), before.state_dict().values()))


# Beside the kernel


def test_nothing_is_worked_out_for_nobody():
    explorer = MaskExplorer(layer_of(values_of("normal", 24, 20)))
    assert (explorer.drawn, explorer.drawing, explorer.kept) == (0.0, False, b"")
    assert not explorer._artist.running
    assert explorer.mask.sum() == 336  # exact all the same
    assert repr(explorer).endswith("amount=0.3, kept=336/480)")
    drawn(explorer)
    assert explorer.kept


def test_in_a_script_one_waits_for_it():
    explorer = MaskExplorer(layer_of(values_of("normal", 24, 20)))
    explorer.measure()
    assert (explorer.drawn, explorer.drawing, explorer._artist.running) == (1.0, False, False)
    assert explorer.kept


def stop_after(explorer, steps):
    """Have the panel's work stop itself, as by its button, when so much of it is done."""
    seen = []

    def count(change):
        seen.append(change.new)
        if len(seen) == steps:
            asked(explorer, press="stop_drawing")

    explorer.observe(count, "drawn")
    return seen


def test_the_work_is_told_stopped_and_taken_up_again():
    explorer = MaskExplorer(layer_of(values_of("normal", 24, 20)))
    seen = stop_after(explorer, 4)
    shown(explorer)
    explorer._artist.wait()
    assert seen == sorted(seen) and seen[0] > 0 and seen[-1] < 1 and len(seen) == 4
    assert (explorer.drawing, explorer.kept) == (False, b"")
    asked(explorer, press="go_on_drawing")
    assert explorer.drawing
    explorer._artist.wait()
    assert (explorer.drawn, explorer.drawing) == (1.0, False)
    assert explorer.kept


def test_a_panel_that_nobody_sees_any_more_stops():
    explorer = MaskExplorer(layer_of(values_of("normal", 24, 20)))
    seen = []

    def leave(change):
        seen.append(change.new)
        if len(seen) == 3:
            hidden(explorer)

    explorer.observe(leave, "drawn")
    shown(explorer)
    explorer._artist.wait()
    assert (len(seen), explorer.drawing, explorer.kept) == (3, False, b"")
    drawn(explorer)  # it is shown again
    assert explorer.kept


def test_another_technique_takes_the_place_of_the_work():
    explorer = drawn(MaskExplorer(layer_of(values_of("normal", 24, 20))))
    first = explorer.kept
    asked(explorer, {"technique": "random_unstructured"})
    explorer._artist.wait()
    assert explorer.kept and explorer.kept != first
    asked(explorer, {"technique": "l1_unstructured"})
    explorer._artist.wait()
    assert explorer.kept == first


def test_values_that_change_meanwhile_are_not_drawn():
    layer = layer_of(values_of("normal", 24, 20))
    explorer = MaskExplorer(layer)

    def train(change):
        layer.weight.data[3, 4] += 1  # a cell that runs beside the work

    explorer.observe(train, "drawn")
    shown(explorer)
    explorer._artist.wait()
    assert (explorer.kept, explorer.steps) == (b"", [])
    explorer.unobserve_all("drawn")
    explorer.look_again()  # the cell has ended
    explorer._artist.wait()
    grid, kept = blocks_of(explorer)
    for count in explorer.grid["counts"]:
        assert kept[count].tolist() == by_hand(engines_mask(layer, "l1_unstructured", count), grid)


def test_an_error_is_said_in_the_panel():
    explorer = MaskExplorer(layer_of(values_of("normal", 24, 20)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "limit_of", lambda values: 1 / 0)
        shown(explorer)
        explorer._artist.wait()
    assert explorer.failed and not explorer.drawing
    assert explorer.message == "The picture cannot be worked out: division by zero"


# Beside the steps


def test_between_two_steps_python_counts(net):
    explorer = drawn(MaskExplorer(net, "0.weight", technique="global_unstructured", amount=0))
    assert explorer.gone == []
    between = explorer.steps[3] + 1
    assert between not in explorer.steps
    explorer.amount = between
    assert explorer.gone == [between, int((global_mask(net, between)[0] == 0).sum())]
    explorer.amount = explorer.steps[4]
    assert explorer.gone == []
    layer = layer_of(values_of("few values", 24, 20))
    prune.random_unstructured(layer, "weight", amount=100)
    alone = drawn(MaskExplorer(layer, amount=7))
    assert 7 not in alone.steps
    assert alone.gone == [7, 107]


def test_a_mask_by_hand_is_drawn_too():
    layer = layer_of(values_of("normal", 24, 20))
    explorer = drawn(MaskExplorer(layer))
    mask = torch.ones(24, 20)
    mask[2:9, 5:] = 0
    explorer.mask = mask
    explorer._artist.wait()
    grid, kept = blocks_of(explorer)
    assert kept[explorer.units].tolist() == by_hand(mask, grid)
    assert "explorer.mask" in explorer.code
    explorer.apply()
    assert torch.equal(layer.weight_mask, mask)


def test_a_method_of_ones_own_is_drawn_too():
    class Largest(prune.L1Unstructured):
        """The largest go first."""

        def importance(self, t):
            return 1 / t

    layer = layer_of(values_of("normal", 24, 20))
    explorer = drawn(MaskExplorer(layer, technique=Largest, amount=0.25))
    grid, kept = blocks_of(explorer)
    for count in explorer.grid["counts"]:
        copied = copy.deepcopy(layer)
        Largest.apply(copied, "weight", amount=count)
        assert kept[count].tolist() == by_hand(copied.weight_mask, grid)


def test_the_figure_shows_a_corner_and_says_so(monkeypatch):
    monkeypatch.setattr("prune_lab.widgets.mask_explorer.CORNER", 6)
    explorer = MaskExplorer(nn.Linear(20, 24), amount=0.5)
    gone = int((explorer.mask[:6, :6] == 0).sum())
    assert repr(explorer._figure()) == f"Heatmap(weight[:6, :6] · 6×6, {gone} of 36 pruned)"


@pytest.mark.parametrize("technique", ["l1_unstructured", "global_unstructured", "n_m"])
def test_what_is_measured_does_not_change_with_the_model(technique):
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 20), nn.Linear(20, 4))
    data = (torch.randn(6, 4, 4), torch.randint(4, (6,)))
    explorer = MaskExplorer(net, "1.weight", data=data, technique=technique, amount=1)
    _, questions = explorer._questions()
    wanted = [question.values()["1.weight"].clone() for question in questions]
    explorer = MaskExplorer(net, "1.weight", data=data, technique=technique, amount=1)
    _, questions = explorer._questions()
    with torch.no_grad():
        net[1].weight.copy_(net[1].weight.flip(0))  # a cell trains
    got = [question.values()["1.weight"] for question in questions]
    assert all(map(torch.equal, got, wanted))


def test_the_accuracy_is_measured_as_with_few(monkeypatch):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 20), nn.ReLU(), nn.Linear(20, 4))
    data = (torch.randn(60, 4, 4), torch.randint(4, (60,)))
    curves = []
    for many in (200, 1 << 20):
        monkeypatch.setattr(ranking, "EVERY", many)
        for technique in ("l1_unstructured", "global_unstructured"):
            explorer = MaskExplorer(net, "1.weight", technique=technique, data=data)
            explorer.measure()
            curves.append(explorer.curve)
        sensitivity = SensitivityExplorer(net, data)
        sensitivity.measure()
        curves.append(sensitivity.curves)
    assert curves[:3] == curves[3:]
    assert len({accuracy for _, accuracy in curves[0]}) > 3
