"""Apply on many entries: masks are found beside the kernel, and put on between two cells."""

from __future__ import annotations

import copy
import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from prune_lab import prune
from prune_lab.widgets import MaskExplorer, SensitivityExplorer, applies, lifetime
from prune_lab.widgets.magnitudes import Magnitudes
from tests.widgets.browser_side import asked, shown
from tests.widgets.test_large import (
    KINDS,
    LOCAL,
    OPTIONS,
    engines_mask,
    global_mask,
    layer_of,
    small_is_large,  # noqa: F401
    values_of,
)


class Loop:
    """Runs what waits for the kernel's thread when it is told to: between two cells."""

    def __init__(self):
        self.waiting = []

    def add_callback(self, do):
        self.waiting.append(do)

    def run(self):
        while self.waiting:
            self.waiting.pop(0)()


@pytest.fixture
def loop(cells, monkeypatch):
    loop = Loop()
    kernel = SimpleNamespace(io_loop=loop)
    monkeypatch.setattr(
        lifetime, "get_ipython", lambda: SimpleNamespace(events=cells, kernel=kernel)
    )
    return loop


def net_of(*sizes):
    torch.manual_seed(3)
    net = nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))
    for layer in net:
        layer.weight.data = (7 * layer.weight.data).round() / 7  # many are equal
    return net


def said(module):
    """All that pruning leaves in a module: tensors in their order, and what the hooks know."""
    hooks = []
    for part in module.modules():
        for hook in part._forward_pre_hooks.values():
            for method in getattr(hook, "_pruning_methods", (hook,)):
                known = {k: v for k, v in vars(method).items() if k != "record"}
                hooks.append((type(hook), type(method), known, hook.record.order))
    return [*module.state_dict()], [name for name, _ in module.named_parameters()], hooks


def alike(one, other):
    return said(one) == said(other) and all(
        map(torch.equal, one.state_dict().values(), other.state_dict().values())
    )


def found(explorer):
    """Press Apply, and wait until the masks are found."""
    asked(explorer, press="apply")
    assert explorer.applying and explorer.applied < 1
    explorer._finder.wait()


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_masks_found_in_pieces_are_those_of_one_look(kind, earlier):
    values = {"a": values_of(kind, 24, 20), "b": values_of(kind, 9, 11)}
    values["c"] = torch.zeros(3, dtype=values["a"].dtype)
    before = dict.fromkeys(values)
    if earlier:
        before["a"] = (torch.rand(24, 20) > 0.3).to(values["a"].dtype)
        before["a"][3] = 0.5
    ranking = Magnitudes(values, before)
    for count in (0, 1, 57, 200, ranking.units - 1, ranking.units):
        work, steps = ranking.find(count), []
        with pytest.raises(StopIteration) as stop:
            while True:
                steps.append(next(work))
        assert steps == sorted(steps) and steps[-1] == pytest.approx(1) and len(steps) > 6
        expected = ranking.masks(count)
        assert stop.value.value.keys() == expected.keys()
        assert all(torch.equal(stop.value.value[n] == 1, mask) for n, mask in expected.items())


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("technique", LOCAL)
def test_apply_beside_the_kernel_is_the_engines_call(loop, technique, earlier):
    layer = layer_of(values_of("few values", 24, 20))
    if earlier:
        mask = (values_of("normal", 24, 20) < 1).float()
        mask[5] = 0.5  # what is scaled stays so
        prune.custom_from_mask(layer, "weight", mask)
    clean = copy.deepcopy(layer)
    amount = 2 if technique == "n_m" else 7 if "structured" in technique[3:9] else 9
    explorer = shown(MaskExplorer(layer, technique=technique, amount=amount, n=2))
    torch.manual_seed(1)
    by_call = copy.deepcopy(layer)
    if technique == "n_m":
        prune.n_m(by_call, "weight", n=4 - amount, m=4)
    else:
        getattr(prune, technique)(by_call, "weight", amount=amount, **OPTIONS.get(technique, {}))
    found(explorer)
    assert alike(layer, clean)  # not yet
    state = torch.get_rng_state()
    loop.run()
    assert torch.equal(torch.get_rng_state(), state)
    assert alike(layer, by_call)
    assert (explorer.applying, explorer.applied, explorer.undoable) == (False, 1.0, True)
    assert explorer.message == "Applied: layer.weight is now weight_orig × weight_mask."
    assert explorer.parameters[0]["gone"] == int((layer.weight_mask == 0).sum())
    assert not explorer._parameters.changed()
    asked(explorer, press="undo")
    assert alike(layer, clean)
    assert not explorer._parameters.changed()


def test_globally_in_place_of_the_first_and_back(loop):
    net = net_of(20, 30, 4, 3)
    prune.l1_unstructured(net[1], "weight", amount=31)
    clean = copy.deepcopy(net)
    by_call = {}
    for amount in (0.4, 0.7):
        by_call[amount] = copy.deepcopy(net)
        places = [(layer, "weight") for layer in by_call[amount]]
        prune.global_unstructured(places, prune.L1Unstructured, amount=amount)
    explorer = shown(MaskExplorer(net, technique="global_unstructured", amount=0.4))
    for amount in (0.4, 0.7):
        asked(explorer, {"amount": ["fraction", amount]})
        found(explorer)
        loop.run()
        assert alike(net, by_call[amount])
    assert explorer.message == "Applied to 3 parameters of the model."
    asked(explorer, press="undo")
    assert alike(net, by_call[0.4])
    assert not explorer._parameters.changed()
    asked(explorer, press="reset")
    assert alike(net, clean)


def test_layer_by_layer_too(loop):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 20), nn.ReLU(), nn.Linear(20, 4))
    by_call = copy.deepcopy(net)
    prune.l1_unstructured(by_call[1], "weight", amount=0.25)
    prune.l1_unstructured(by_call[3], "weight", amount=0.5)
    explorer = SensitivityExplorer(net, (torch.randn(6, 4, 4), torch.randint(4, (6,))))
    shown(explorer).stop()
    explorer.amounts = {"1.weight": 0.25, "3.weight": 0.5}
    found(explorer)
    loop.run()
    assert alike(net, by_call)
    assert explorer.message.startswith("Applied to 2 layers")


def test_what_was_on_the_screen_is_applied_and_once(loop):
    layer = layer_of(values_of("normal", 24, 20))
    clean, explorer = copy.deepcopy(layer), shown(MaskExplorer(layer, amount=48))
    found(explorer)
    asked(explorer, {"amount": ["count", 96, 480]})
    asked(explorer, press="apply")
    asked(explorer, press="undo")
    loop.run()
    assert torch.equal(layer.weight_mask, engines_mask(clean, "l1_unstructured", 48))
    assert explorer.amount == 96
    asked(explorer, press="undo")
    assert not prune.is_pruned(layer)


def test_progress_is_told_and_stop_leaves_the_model(loop):
    layer = layer_of(values_of("normal", 24, 20))
    clean, explorer, told = copy.deepcopy(layer), shown(MaskExplorer(layer)), []
    explorer._artist.wait()

    def stop(change):
        told.append(change.new)
        if len(told) == 4:
            asked(explorer, press="stop_applying")

    explorer.observe(stop, "applied")
    asked(explorer, press="apply")
    explorer._finder.wait()
    assert told[0] == 0 and told[:4] == sorted(told[:4]) and told[3] < 1
    assert told[4:] == [1.0] and not explorer.applying
    assert explorer.message == "Stopped: nothing was applied."
    explorer.unobserve_all("applied")
    found(explorer)
    asked(explorer, press="stop_applying")  # found, and not put on yet
    loop.run()
    assert alike(layer, clean)
    found(explorer)
    loop.run()
    assert prune.is_pruned(layer)


@pytest.mark.parametrize("how", ["a cell", "a thread", "past torch's counts", "other memory"])
def test_a_model_that_changes_meanwhile_is_not_pruned(loop, cells, how):
    layer = layer_of(values_of("normal", 24, 20))
    explorer = shown(MaskExplorer(layer, amount=48))

    def change(_):
        explorer.unobserve_all("applied")
        if how == "past torch's counts":
            layer.weight.data[3, 4] += 1
        if how == "other memory":  # of the same values
            layer.weight.data = layer.weight.detach().clone()

    explorer.observe(change, "applied")
    found(explorer)
    if how in ("a cell", "a thread"):
        with torch.no_grad():
            layer.weight[3, 4] += 1
    if how == "a cell":
        cells.trigger("post_run_cell", None)
        assert not explorer.applying
    clean = copy.deepcopy(layer)
    loop.run()
    assert alike(layer, clean)
    words = "Not applied: the model has changed meanwhile. Press Apply again."
    assert (explorer.message, explorer.applying) == (words, False)
    found(explorer)
    loop.run()
    assert torch.equal(layer.weight_mask, engines_mask(clean, "l1_unstructured", 48))


def test_a_cell_that_puts_back_what_it_changed_has_the_masks_found_anew(loop, cells):
    layer = layer_of(values_of("normal", 24, 20))
    clean, explorer = copy.deepcopy(layer), shown(MaskExplorer(layer, amount=48))
    explorer._artist.wait()
    with torch.no_grad():
        layer.weight.mul_(-1).add_(1)
    asked(explorer, press="apply")
    explorer._finder.wait()
    layer.weight.data.copy_(clean.weight.detach())
    cells.trigger("post_run_cell", None)
    assert explorer.applying
    explorer._finder.wait()
    loop.run()
    assert torch.equal(layer.weight_mask, engines_mask(clean, "l1_unstructured", 48))


def test_of_two_panels_on_one_model_the_second_says_so(loop):
    net = net_of(20, 30, 4)
    first, second = (shown(MaskExplorer(net, technique="global_unstructured")) for _ in range(2))
    found(first)
    found(second)
    loop.run()
    assert first.message == "Applied to 2 parameters of the model."
    assert second.message.startswith("Not applied: the model has changed meanwhile.")
    assert [m.weight_mask.sum() for m in net] == [
        m.sum() for m in global_mask(net_of(20, 30, 4), 0.3)
    ]


def test_python_does_not_wait_and_takes_its_place(loop):
    layer = layer_of(values_of("normal", 24, 20))
    explorer = shown(MaskExplorer(layer, amount=48))
    found(explorer)
    explorer.amount = 96
    explorer.apply()
    assert int((layer.weight_mask == 0).sum()) == 96
    loop.run()
    assert int((layer.weight_mask == 0).sum()) == 96
    assert not explorer.applying


def test_what_fails_on_the_kernels_thread_leaves_the_model(loop, monkeypatch):
    net = net_of(20, 30, 4)
    explorer = shown(MaskExplorer(net, technique="global_unstructured", amount=0.4))
    found(explorer)
    loop.run()
    first = copy.deepcopy(net)
    asked(explorer, {"amount": ["fraction", 0.7]})
    found(explorer)
    show = prune.methods.places.show

    def break_down(module, name, weight):
        if module is net[1]:
            monkeypatch.undo()
            raise KeyboardInterrupt
        show(module, name, weight)

    monkeypatch.setattr(prune.methods.places, "show", break_down)
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    assert alike(net, first)


def test_an_error_beside_the_kernel_is_said(loop, monkeypatch):
    explorer = shown(MaskExplorer(layer_of(values_of("normal", 24, 20))))
    monkeypatch.setattr(Magnitudes, "find", lambda *_: 1 / 0)
    asked(explorer, press="apply")
    explorer._finder.wait()
    assert (explorer.message, explorer.failed, explorer.applying) == (
        "division by zero", True, False
    )  # fmt: skip


def test_few_entries_and_a_class_of_ones_own_are_pruned_at_once(loop):
    class Mine(prune.L1Unstructured):
        """May do anything when it is applied."""

    for layer, technique in ((nn.Linear(10, 10), "l1_unstructured"), (nn.Linear(20, 20), Mine)):
        asked(shown(MaskExplorer(layer, technique=technique)), press="apply")
        assert prune.is_pruned(layer) and not loop.waiting


def test_without_a_kernel_the_button_applies_at_once():
    layer = layer_of(values_of("normal", 24, 20))
    explorer = shown(MaskExplorer(layer))
    asked(explorer, press="apply")
    assert prune.is_pruned(layer) and not explorer.applying
    assert applies.lifetime.loop_of_cells() is None
