"""Reports: complete, true, and snapshots; differences: what pruning adds, takes and renames."""

from __future__ import annotations

import copy
import functools
import gc
import weakref
from html.parser import HTMLParser
from typing import Any

import pytest
import torch
import torch.nn.utils.prune as torch_prune
from torch import Tensor, nn

from prune_lab import inspection, prune
from prune_lab.inspection import ModuleDifference, ModuleReport, inspect_module
from prune_lab.lenet import LeNet


def announce(module: nn.Module, inputs: Any) -> None:
    """A forward pre-hook."""


def changes(difference: ModuleDifference) -> list[tuple[str, str, str]]:
    return [(c.what, c.kind, c.name) for c in difference.changes]


# A report


def test_an_unpruned_layer_has_two_parameters_no_buffers_and_no_hooks() -> None:
    report = inspect_module(nn.Conv2d(1, 6, 5))
    assert [(t.kind, t.name, t.shape, t.dtype) for t in report.tensors] == [
        ("parameter", "weight", (6, 1, 5, 5), "float32"),
        ("parameter", "bias", (6,), "float32"),
    ]
    assert report.hooks == ()
    lines = repr(report).splitlines()
    assert lines[0] == "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))"
    assert [line.split() for line in lines[-3:]] == [["buffers", "none"], [], ["hooks", "none"]]


def test_numbers_about_a_tensor_are_true() -> None:
    layer = nn.Linear(2, 2, bias=False).requires_grad_(False)
    layer.weight.copy_(torch.tensor([[-1.5, 0.0], [-0.0, 0.25]]))
    (entry,) = inspect_module(layer).tensors
    assert (entry.range, entry.zeros_of_all, entry.requires_grad) == (
        "-1.5 to 0.25",
        "2 of 4",
        False,
    )


def test_parameters_and_buffers_are_those_of_torch_in_torchs_order() -> None:
    model = nn.Sequential(nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.LSTM(3, 4), LeNet())
    report = inspect_module(model)
    for kind, named in (("parameter", model.named_parameters), ("buffer", model.named_buffers)):
        assert [t.name for t in report.tensors if t.kind == kind] == [name for name, _ in named()]


def test_a_plain_tensor_is_not_taken_for_a_buffer() -> None:
    layer = nn.Linear(3, 2)
    layer.my_mask = torch.ones(2, 3)
    entry = inspect_module(layer).tensors[-1]
    assert (entry.kind, entry.name, entry.range) == ("plain tensor", "my_mask", "1")


def test_every_kind_of_hook_is_found_under_its_name() -> None:
    layer = nn.Linear(3, 2)
    layer.register_forward_pre_hook(announce)
    layer.register_forward_hook(functools.partial(announce))
    layer.register_full_backward_hook(lambda *_: None)
    layer.register_full_backward_pre_hook(lambda *_: None)
    layer.register_state_dict_pre_hook(lambda *_: None)
    layer._register_state_dict_hook(lambda *_: None)
    layer.register_load_state_dict_pre_hook(lambda *_: None)
    layer.register_load_state_dict_post_hook(lambda *_: None)
    found = {hook.when: hook.name for hook in inspect_module(layer).hooks}
    assert found["forward pre-hook"] == found["forward hook"] == "announce"
    assert set(found) == {
        "forward pre-hook",
        "forward hook",
        "backward hook",
        "backward pre-hook",
        "state_dict pre-hook",
        "state_dict hook",
        "load_state_dict pre-hook",
        "load_state_dict post-hook",
    }


@pytest.mark.parametrize(
    "value",
    [
        torch.randn(3).half(),
        torch.randn(3).bfloat16(),
        torch.randn(3).to(torch.float8_e4m3fn),
        torch.randn(3, dtype=torch.complex64),
        torch.tensor([True, False]),
        torch.tensor(7),
        torch.tensor([1, 0, 3]).to(torch.uint16),
        torch.empty(0, 3),
        torch.eye(3).to_sparse(),
        torch.tensor([float("nan"), 1]),
        torch.randn(4, 4).t(),
        torch.empty(2, device="meta"),
    ],
    ids=lambda value: f"{value.dtype} {tuple(value.shape)} {value.device} {value.layout}",
)
def test_any_tensor_can_be_reported_and_is_equal_to_itself(value: Tensor) -> None:
    module = nn.Module()
    module.register_buffer("value", value)
    report = inspect_module(module)
    assert str(tuple(value.shape)) in repr(report)
    assert (inspect_module(module) - report).changes == ()


def test_a_lazy_module_has_no_shape_yet() -> None:
    layer = nn.LazyLinear(3)
    before = inspect_module(layer)
    assert "not known yet" in repr(before)
    layer(torch.zeros(1, 4))
    assert "weight" in repr(inspect_module(layer) - before)


def test_a_report_is_a_snapshot_and_keeps_no_tensor_alive() -> None:
    layer = nn.Linear(3, 2)
    weight = weakref.ref(layer.weight)
    report = inspect_module(layer)
    text, html = repr(report), report._repr_html_()
    with torch.no_grad():
        layer.weight.zero_()
    prune.l1_unstructured(layer, "bias", amount=1)
    assert (repr(report), report._repr_html_()) == (text, html)
    del layer
    gc.collect()
    assert weight() is None


def test_looking_changes_nothing() -> None:
    layer = nn.BatchNorm2d(6)
    prune.l1_unstructured(layer, "weight", amount=2)
    state, attributes = copy.deepcopy(layer.state_dict()), list(vars(layer))
    random = torch.get_rng_state()
    inspect_module(layer)
    assert all(
        torch.equal(a, b) for a, b in zip(state.values(), layer.state_dict().values(), strict=True)
    )
    assert list(vars(layer)) == attributes
    assert torch.equal(torch.get_rng_state(), random)


def test_looking_again_counts_only_what_has_other_values(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LeNet()
    known = inspect_module(model)
    with torch.no_grad():
        model.fc3.bias.data.zero_()  # through .data torch's own version counter does not see it
    expected = inspect_module(model)
    counted = []
    count = inspection._zeros
    monkeypatch.setattr(
        inspection, "_zeros", lambda values: counted.append(values) or count(values)
    )
    again = inspect_module(model, known)
    assert again.tensors == expected.tensors
    assert [tuple(values.shape) for values in counted] == [(10,)]


def test_a_module_that_cannot_describe_itself_is_inspected_under_its_class() -> None:
    layer = nn.Linear(3, 2)
    del layer.bias
    assert inspect_module(layer).module == "Linear"


@pytest.mark.parametrize("other", [None, "conv1", torch.zeros(3), nn.Linear])
def test_only_a_module_can_be_inspected(other: Any) -> None:
    with pytest.raises(TypeError, match=r"^module must be a torch\.nn\.Module, but got "):
        inspect_module(other)


# A difference


@pytest.mark.parametrize("engine", [prune, torch_prune], ids=["prune_lab", "torch"])
def test_pruning_renames_one_thing_and_adds_three(engine: Any) -> None:
    layer = nn.Conv2d(1, 6, 5)
    before = inspect_module(layer)
    engine.random_unstructured(layer, "weight", amount=0.3)
    after = inspect_module(layer)
    difference = after - before
    assert changes(difference) == [
        ("renamed", "parameter", "weight -> weight_orig"),
        ("added", "buffer", "weight_mask"),
        ("added", "plain tensor", "weight"),
        ("added", "hook", "forward pre-hook"),
    ]
    details = [c.details for c in difference.changes]
    assert details[0] == "the same 150 values"
    assert "zeros: 45 of 150" in details[1]
    assert details[3] == "RandomUnstructured on weight"
    assert changes(before.compare(after)) == changes(difference)


def test_pruning_again_changes_the_mask_and_the_hook() -> None:
    layer = prune.l1_unstructured(nn.Linear(10, 10), "weight", amount=50)
    before = inspect_module(layer)
    prune.l1_unstructured(layer, "weight", amount=25)
    difference = inspect_module(layer) - before
    assert changes(difference) == [
        ("changed", "buffer", "weight_mask"),
        ("changed", "plain tensor", "weight"),
        ("gone", "hook", "forward pre-hook"),
        ("added", "hook", "forward pre-hook"),
    ]
    assert difference.changes[0].details == "other values, zeros: 50 of 100 -> 75 of 100"


def test_remove_takes_it_all_back_but_the_zeros() -> None:
    layer = prune.l1_unstructured(nn.Linear(10, 10), "weight", amount=50)
    before = inspect_module(layer)
    prune.remove(layer, "weight")
    assert changes(inspect_module(layer) - before) == [
        ("renamed", "parameter", "weight_orig -> weight"),
        ("gone", "buffer", "weight_mask"),
        ("gone", "plain tensor", "weight"),
        ("gone", "hook", "forward pre-hook"),
    ]


def test_a_copy_is_recognised_by_torchs_name_for_pruned_parameters() -> None:
    layer = nn.Linear(3, 2)
    pruned = prune.l1_unstructured(copy.deepcopy(layer), "weight", amount=2)
    difference = inspect_module(layer).compare(inspect_module(pruned))
    assert changes(difference)[0] == ("renamed", "parameter", "weight -> weight_orig")


def test_a_renamed_parameter_is_recognised_by_identity() -> None:
    layer = nn.Linear(3, 2)
    before = inspect_module(layer)
    layer.kernel = layer.weight
    del layer.weight
    assert changes(inspect_module(layer) - before) == [("renamed", "parameter", "weight -> kernel")]


def test_tied_parameters_are_renamed_each_to_its_own() -> None:
    model = nn.ModuleDict({"a": nn.Linear(3, 3, bias=False), "b": nn.Linear(3, 3, bias=False)})
    model["b"].weight = model["a"].weight
    before = inspect_module(model)
    for layer in model.values():
        prune.identity(layer, "weight")
    assert changes(inspect_module(model) - before)[:2] == [
        ("renamed", "parameter", "a.weight -> a.weight_orig"),
        ("renamed", "parameter", "b.weight -> b.weight_orig"),
    ]


def test_another_parameter_of_the_same_shape_is_not_taken_for_a_renamed_one() -> None:
    layer = nn.Linear(3, 2)
    before = inspect_module(layer)
    layer.kernel = nn.Parameter(torch.zeros(2, 3))
    del layer.weight
    assert changes(inspect_module(layer) - before) == [
        ("gone", "parameter", "weight"),
        ("added", "parameter", "kernel"),
    ]


def test_one_changed_value_is_seen_though_all_statistics_agree() -> None:
    layer = nn.Linear(3, 1, bias=False)
    layer.weight.data = torch.tensor([[1.0, 2.0, 3.0]])
    before = inspect_module(layer)
    layer.weight.data = torch.tensor([[1.0, 2.5, 3.0]])
    (change,) = (inspect_module(layer) - before).changes
    assert (change.what, change.name, change.details) == ("changed", "weight", "other values")


def test_the_same_hook_twice_is_two_hooks() -> None:
    layer = nn.Linear(3, 2)
    layer.register_forward_pre_hook(announce)
    before = inspect_module(layer)
    layer.register_forward_pre_hook(announce)
    assert changes(inspect_module(layer) - before) == [("added", "hook", "forward pre-hook")]


def test_no_change_is_said_in_words() -> None:
    report = inspect_module(LeNet())
    assert repr(report - report) == "LeNet: nothing changed"
    assert "LeNet: nothing changed" in (report - report)._repr_html_()


def test_a_report_is_compared_with_a_report_alone() -> None:
    layer = nn.Linear(3, 2)
    with pytest.raises(TypeError, match="only be compared with another, but got Linear"):
        inspect_module(layer).compare(layer)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        inspect_module(layer) - layer  # type: ignore[operator]


# How both look


class Cells(HTMLParser):
    """The text of all cells; fails on anything that is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def parsed(shown: ModuleReport | ModuleDifference) -> Cells:
    cells = Cells()
    cells.feed(shown._repr_html_())
    cells.close()
    assert cells.open == []
    return cells


def test_table_and_text_say_the_same() -> None:
    model = LeNet()
    before = inspect_module(model)
    prune.random_unstructured(model.conv1, "weight", amount=0.3)
    after = inspect_module(model)
    for shown in (before, after, after - before):
        text = "".join(repr(shown).split())
        in_table = ["".join(cell.split()) for cell in parsed(shown).cells if cell]
        title = "".join(repr(shown).splitlines()[0].split())
        assert title + "".join(in_table) == text


def test_columns_are_aligned() -> None:
    model = LeNet()
    lines = repr(inspect_module(model)).splitlines()
    column = lines[2].index("dtype")
    assert {line[column - 2 : column + 7] for line in lines[3:13]} == {"  float32"}


def test_names_reach_html_as_text_alone() -> None:
    class Evil(nn.Linear):
        def extra_repr(self) -> str:
            return "<img src=x onerror=alert(1)>"

    layer = Evil(3, 2)
    before = inspect_module(layer)
    layer.register_buffer("<script>alert(1)</script>", torch.zeros(1))

    def hook(*_: object) -> None: ...

    hook.__qualname__ = "<b>hook</b>"
    layer.register_forward_pre_hook(hook)
    after = inspect_module(layer)
    for shown in (after, after - before):
        cells = parsed(shown)
        assert cells.tags == {"style", "div", "p", "table", "tbody", "tr", "th", "td"}
        assert "<b>hook</b>" in cells.cells
        assert "<script>alert(1)</script>" in cells.cells
