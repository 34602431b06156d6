"""Heatmaps, looked at through their pixels: each entry in its place, in its colour, or hatched."""

from __future__ import annotations

import functools
import io
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.utils.prune as torch_prune
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from torch import Tensor, nn

from prune_lab import prune
from prune_lab.lenet import LeNet
from prune_lab.plots import PRUNED_FACE, PRUNED_HATCH, RAMP, Heatmap, plot_mask, plot_weights


@functools.cache
def pixels(figure: Heatmap) -> np.ndarray:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255.0


def cell(figure: Heatmap, x: float, y: float, width: float = 1, height: float = 1) -> np.ndarray:
    """The pixels of the cell whose upper left corner is (x, y), without its border."""
    picture = pixels(figure)
    to_pixels = figure.axes[0].transData.transform
    (left, bottom), (right, top) = to_pixels([(x, y + height), (x + width, y)])
    rows = slice(round(len(picture) - top) + 2, round(len(picture) - bottom) - 2)
    return picture[rows, round(left) + 2 : round(right) - 2].reshape(-1, 3)


def has_colour(area: np.ndarray, colour: str) -> bool:
    return bool((np.abs(area - to_rgb(colour)).max(axis=1) < 0.02).any())


def is_plain(area: np.ndarray, colour: str) -> bool:
    return bool((np.abs(area - to_rgb(colour)).max(axis=1) < 0.02).all())


def linear(values: list[list[float]], mask: list[list[float]] | None = None) -> nn.Linear:
    layer = nn.Linear(len(values[0]), len(values), bias=False)
    layer.weight.data = torch.tensor(values)
    if mask is not None:
        prune.custom_from_mask(layer, "weight", torch.tensor(mask))
    return layer


VALUES, MASK = [[-1.0, 0.0, 1.0], [0.5, 0.0, -1.0]], [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]


def test_a_kept_entry_has_the_colour_of_its_value() -> None:
    figure = plot_mask(linear(VALUES, MASK))
    assert is_plain(cell(figure, 0, 0), RAMP[0])
    assert is_plain(cell(figure, 1, 0), RAMP[2])
    assert is_plain(cell(figure, 2, 0), RAMP[4])
    assert is_plain(cell(figure, 0, 1), RAMP[3])


def test_a_pruned_entry_is_hatched_and_never_white_nor_its_values_colour() -> None:
    figure = plot_mask(linear(VALUES, MASK))
    for x in (1, 2):
        area = cell(figure, x, 1)
        assert has_colour(area, PRUNED_FACE)
        assert has_colour(area, PRUNED_HATCH)
        assert not any(has_colour(area, colour) for colour in ("white", *RAMP))


def test_plot_weights_keeps_the_colour_under_the_hatching() -> None:
    figure = plot_weights(linear(VALUES, MASK))
    area = cell(figure, 2, 1)
    assert has_colour(area, RAMP[0])
    assert not is_plain(area, RAMP[0])
    assert is_plain(cell(figure, 0, 0), RAMP[0])


@pytest.mark.parametrize("engine", [prune, torch_prune], ids=["prune_lab", "torch"])
def test_every_pruned_weight_of_conv1_and_no_other_is_hatched(engine: Any) -> None:
    torch.manual_seed(0)
    conv1 = engine.random_unstructured(LeNet().conv1, "weight", amount=0.3)
    figure = plot_mask(conv1)
    for (f, _, row, column), kept in np.ndenumerate(conv1.weight_mask.numpy()):
        area = cell(figure, (f % 3) * 6 + column, (f // 3) * 6 + row)
        assert has_colour(area, PRUNED_FACE) != bool(kept), (f, row, column)


def test_kernels_stand_filter_by_filter_and_channel_by_channel() -> None:
    conv = nn.Conv2d(2, 3, 2, bias=False)
    conv.weight.data = torch.zeros(3, 2, 2, 2)
    conv.weight.data[2, 1, 0, 1] = 1.0
    conv.weight.data[1, 0, 1, 0] = -1.0
    figure = plot_weights(conv)
    pitch = 2 + 0.7
    assert is_plain(cell(figure, 2 * pitch + 1, pitch), RAMP[4])
    assert is_plain(cell(figure, pitch, 1), RAMP[0])
    assert is_plain(cell(figure, 0, 0), RAMP[2])
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("filter", "input channel")


def test_the_depths_of_a_3d_kernel_stand_side_by_side() -> None:
    conv = nn.Conv3d(1, 1, (2, 1, 3), bias=False)
    conv.weight.data = torch.zeros(1, 1, 2, 1, 3)
    conv.weight.data[0, 0, 1, 0, 2] = 1.0
    figure = plot_weights(conv)
    assert is_plain(cell(figure, 5, 0), RAMP[4])
    assert "the 2 depths of a kernel side by side" in figure.texts[0].get_text()


def test_a_vector_goes_on_in_the_next_row() -> None:
    module = nn.Module()
    module.register_parameter("bias", nn.Parameter(torch.zeros(25)))
    with torch.no_grad():
        module.get_parameter("bias")[23] = 1.0
    figure = plot_mask(module, "bias")
    assert is_plain(cell(figure, 3, 1), RAMP[4])
    assert is_plain(cell(figure, 5, 1), "white"), "there are only 25 entries"


def test_the_colours_are_those_of_the_stored_values_not_of_a_stale_attribute() -> None:
    layer = linear([[1.0, -1.0]], [[1.0, 1.0]])
    with torch.no_grad():
        layer.get_parameter("weight_orig").neg_()
    assert is_plain(cell(plot_mask(layer), 0, 0), RAMP[0])


def test_colours_are_symmetrical_about_zero_and_the_bar_says_how_far() -> None:
    figure = plot_weights(linear([[0.1, 0.2, -0.4]]))
    texts = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert texts == ["−0.4", "0", "+0.4"]
    assert is_plain(cell(figure, 1, 0), RAMP[3])  # 0.2 is half-way from 0 to the largest
    assert is_plain(cell(figure, 2, 0), RAMP[0])


def legend(figure: Heatmap) -> list[str]:
    return [text.get_text() for shown in figure.legends for text in shown.get_texts()]


def test_the_legend_names_what_is_there() -> None:
    assert legend(plot_mask(linear(VALUES, MASK))) == ["pruned"]
    assert legend(plot_weights(linear(VALUES, MASK))) == ["pruned, its value kept"]
    assert legend(plot_mask(linear(VALUES))) == []
    assert legend(plot_mask(linear([[float("nan"), 1.0]]))) == ["NaN"]


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        (nn.Conv2d(1, 6, 5), "weight", "weight · 6×1×5×5, none pruned"),
        (prune.random_unstructured(nn.Conv2d(1, 6, 5), "weight", 0.3), "weight",
         "weight · 6×1×5×5, 45 of 150 pruned"),
        (prune.l1_unstructured(nn.Linear(2, 6), "bias", 6), "bias", "bias · 6, 6 of 6 pruned"),
        (nn.PReLU(), "weight", "weight · 1, none pruned"),
        (nn.BatchNorm2d(3), "num_batches_tracked", "num_batches_tracked · one number, none pruned"),
        (nn.Linear(3, 2, dtype=torch.bfloat16), "weight", "weight · 2×3, none pruned"),
    ],
)  # fmt: skip
def test_title_and_text_say_what_is_shown(module: nn.Module, name: str, said: str) -> None:
    figure = plot_mask(module, name)
    assert repr(figure) == str(figure) == f"Heatmap({said})"
    assert figure.texts[0].get_text() == said
    assert np.ptp(pixels(figure)) > 0


@pytest.mark.parametrize(
    ("module", "note"),
    [
        (nn.Linear(400, 120), ""),
        (nn.Linear(900, 500), "output 0 to 399 of 500, input 0 to 399 of 900"),
        (nn.Conv2d(200, 10, 3), "input channel 0 to 132 of 200"),
        (nn.Conv2d(1, 30_000, 3, bias=False), "filter 0 to 17,688 of 30,000"),
        (nn.BatchNorm1d(500), "entry 0 to 399 of 500"),
    ],
    ids=lambda x: str(x)[:30],
)
def test_a_large_tensor_says_which_part_is_shown(module: nn.Module, note: str) -> None:
    title = plot_mask(module).texts[0].get_text()
    assert title.splitlines()[1:] == ([f"too large to draw whole: {note}"] if note else [])


def test_cells_too_small_for_hatching_are_grey_in_both_pictures() -> None:
    layer = nn.Linear(400, 120)
    prune.ln_structured(layer, "weight", amount=60, n=2, dim=0)
    first = int((layer.weight_mask.sum(1) == 0).nonzero()[0])
    for plot in (plot_mask, plot_weights):
        figure = plot(layer)
        picture = pixels(figure)
        _, y = figure.axes[0].transData.transform((0, first + 0.5))
        x, _ = figure.axes[0].transData.transform((200, 0))
        assert is_plain(picture[len(picture) - round(y) - 1, round(x)][None], PRUNED_FACE)
        assert legend(figure) == ["pruned"]


def test_a_notebook_shows_it_once_and_pyplot_keeps_nothing_open() -> None:
    open_before = pyplot.get_fignums()
    figure = plot_mask(nn.Linear(3, 2))
    assert pyplot.get_fignums() == open_before
    png = figure._repr_png_()
    assert png.startswith(b"\x89PNG")
    high, wide, _ = pyplot.imread(io.BytesIO(png)).shape
    assert (wide, high) == tuple(np.floor(figure.get_size_inches() * figure.dpi).astype(int))


def test_drawing_leaves_the_module_as_it_was() -> None:
    layer = linear(VALUES, MASK)
    state = {name: value.clone() for name, value in layer.state_dict().items()}
    pixels(plot_mask(layer))
    assert all(torch.equal(layer.state_dict()[name], value) for name, value in state.items())


def complex_linear() -> nn.Module:
    module = nn.Module()
    module.register_buffer("weight", torch.zeros(2, dtype=torch.complex64))
    return module


@pytest.mark.parametrize(
    ("module", "name", "kind", "sentence"),
    [
        (Tensor(), "weight", TypeError, "module must be a torch.nn.Module, but got Tensor"),
        (nn.Linear(3, 2), "wieght", AttributeError,
         "Linear has no tensor 'wieght'; it has bias, weight"),
        (nn.Linear(3, 2, bias=False), "bias", AttributeError,
         "Linear has no tensor 'bias'; it has weight"),
        (LeNet(), "weight", AttributeError, "LeNet has no tensor 'weight'; plot one of its layers"),
        (nn.LazyLinear(2), "weight", ValueError, "'weight' of LazyLinear has no values to draw"),
        (nn.Linear(3, 2, device="meta"), "weight", ValueError,
         "'weight' of Linear has no values to draw"),
        (complex_linear(), "weight", TypeError, "'weight' is complex"),
    ],
)  # fmt: skip
def test_bad_input_is_named(module: Any, name: str, kind: type[Exception], sentence: str) -> None:
    with pytest.raises(kind, match=f"^{sentence}"):
        plot_mask(module, name)
