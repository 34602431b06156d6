"""Lottery tickets: masks, weights and batches are those that the experiment says."""

from __future__ import annotations

import inspect
import json

import pytest
import torch
from torch import nn

from prune_lab.data import Digits, load_digits
from prune_lab.experiments import tickets
from prune_lab.experiments.importance import weights_of
from prune_lab.experiments.records import stored
from prune_lab.experiments.tickets import alike, drawn, learn, masked, pictures, shuffled, trial
from prune_lab.lenet import LeNet, LeNet300100

Seen = tuple[nn.Module, dict[str, torch.Tensor], int]
DEFAULTS = {
    name: parameter.default
    for name, parameter in inspect.signature(trial).parameters.items()
    if name != "seed"
}
SMALL = {"rounds": 2, "looks": (0, 3, 6)}


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Digits:
    digits = Digits(*(part[:90] for part in load_digits()))
    monkeypatch.setattr(tickets, "load_digits", lambda: digits)
    return digits


@pytest.fixture
def trained(
    monkeypatch: pytest.MonkeyPatch,
) -> list[tuple[nn.Module, dict[str, torch.Tensor], int]]:
    """Each network that a trial trains, what it was before, and the seed of its batches."""
    seen: list[Seen] = []
    real = learn

    def watched(model, digits, seed, *more):
        seen.append((model, {n: t.clone() for n, t in model.state_dict().items()}, seed))
        return real(model, digits, seed, *more)

    monkeypatch.setattr(tickets, "learn", watched)
    return seen


@pytest.mark.parametrize("network", tickets.NETWORKS)
@pytest.mark.usefixtures("few")
def test_a_trial_rewinds_prunes_the_smallest_and_sets_up_both_controls(trained, network) -> None:
    result = trial(3, network, **SMALL)
    first = dict(drawn(tickets.NETWORKS[network], 3).named_parameters())
    layers = [
        f"{n}.weight" for n, m in drawn(LeNet, 0).named_modules() if n and f"{n}.weight" in first
    ]
    entries = sum(first[layer].numel() for layer in layers)
    assert len(trained) == 9 and {seed for *_, seed in trained} == {3}

    def masks(before):
        return torch.cat([before[f"{layer}_mask"].flatten() for layer in layers])

    def weights(before):
        return {n.removesuffix("_orig"): t for n, t in before.items() if not n.endswith("_mask")}

    for number in range(3):
        (ticket, old, _), (_, anew, _), (_, moved, _) = trained[3 * number : 3 * number + 3]
        kept = masks(old) == 1
        assert int(kept.sum()) == entries - round((1 - 0.64**number) * entries)
        assert result["kept"][number] == pytest.approx(0.64**number, abs=1e-4)
        assert all(torch.equal(t, first[n]) for n, t in weights(old).items())  # rewound
        assert all(torch.equal(t, first[n]) for n, t in weights(moved).items())
        assert not any(torch.equal(t, first[n]) for n, t in weights(anew).items())
        assert torch.equal(masks(anew), masks(old))
        for layer in layers:
            mask, other = old[f"{layer}_mask"], moved[f"{layer}_mask"]
            assert mask.sum() == other.sum()
            assert number == 0 or not torch.equal(mask, other)
        if number < 2:  # what goes next is the smallest, after training, of what is left
            after = torch.cat([ticket.state_dict()[f"{n}_orig"].flatten().abs() for n in layers])
            left = masks(trained[3 * number + 3][1]) == 1
            assert not (left & ~kept).any()
            assert after[left].min() >= after[kept & ~left].max()


@pytest.mark.usefixtures("few")
def test_a_trial_is_json_and_the_same_again_whatever_was_drawn_before() -> None:
    one = trial(1, **SMALL)
    torch.rand(7)
    state = torch.get_rng_state()
    assert trial(1, **SMALL) == one == json.loads(json.dumps(one))
    assert torch.equal(torch.get_rng_state(), state)
    assert trial(2, **SMALL)["test"] != one["test"]
    assert [len(one["test"][name]) for name in ("ticket", "new start", "shuffled")] == [3, 3, 3]


def test_learn_takes_each_digit_once_before_one_comes_again_and_the_seed_orders_them() -> None:
    digits = Digits(*(part[:90] for part in load_digits()))
    read: list[torch.Tensor] = []

    class Watching(LeNet300100):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if self.training:
                read.append(images.flatten(1)[:, 500:520].double().sum(1))
            return super().forward(images)

    def order(seed: int) -> list[list[float]]:
        read.clear()
        learn(Watching(), digits, seed, looks=(4,), batch_size=60)
        return [batch.tolist() for batch in read]

    batches = order(0)
    everything = digits.train_images.flatten(1)[:, 500:520].double().sum(1).tolist()
    assert [len(batch) for batch in batches] == [60, 30, 60, 30]
    assert sorted(batches[0] + batches[1]) == sorted(batches[2] + batches[3]) == sorted(everything)
    assert order(0) == batches and order(1) != batches


def test_learn_looks_after_so_many_steps_and_leaves_what_is_masked() -> None:
    digits = load_digits()
    start = drawn(LeNet300100, 0)
    weights = [getattr(*place).detach().abs() for place in weights_of(start)]
    model = masked(start, [(weight > weight.max() / 2).float() for weight in weights])
    gone = [(m.weight_mask == 0, m.weight_orig.clone()) for m, _ in weights_of(model)]
    curve = learn(model, digits, looks=(0, 1, 20))
    assert curve.steps == (0, 1, 20)
    assert curve.test[0] < 0.3 < 0.6 < curve.test[2]
    by_hand = (model(digits.test_images).argmax(1) == digits.test_labels).float().mean().item()
    assert curve.test[2] == pytest.approx(by_hand)
    by_hand = (model(digits.validation_images).argmax(1) == digits.validation_labels).float().mean()
    assert curve.validation[2] == pytest.approx(by_hand.item())
    for (module, _), (where, before) in zip(weights_of(model), gone, strict=True):
        assert torch.equal(module.weight_orig[where], before[where])
        assert not torch.equal(module.weight_orig[~where], before[~where])


def test_shuffled_masks_keep_their_sums_and_lose_their_places() -> None:
    masks = [(torch.rand(40, 30) < 0.2).float(), (torch.rand(5, 4, 3, 3) < 0.5).float()]
    moved = shuffled(masks, 0)
    for mask, other in zip(masks, moved, strict=True):
        assert mask.shape == other.shape and mask.sum() == other.sum()
        assert not torch.equal(mask, other)
        assert not torch.equal(mask.sum(1).sort().values, other.sum(1).sort().values)  # no rows
    assert all(torch.equal(a, b) for a, b in zip(moved, shuffled(masks, 0), strict=True))


@pytest.mark.usefixtures("few")
def test_the_pictures_are_the_first_layers_masks(trained) -> None:
    shown = pictures(trial(0, "LeNet", **SMALL))
    for number, picture in enumerate(shown):
        assert torch.equal(picture, 255 * trained[3 * number][1]["conv1.weight_mask"].byte())
    trained.clear()
    shown = pictures(trial(0, "LeNet-300-100", **SMALL))
    for number, picture in enumerate(shown):
        behind = trained[3 * number][1]["fc1.weight_mask"].sum(0).reshape(32, 32)
        assert torch.equal(picture == 0, behind == 0)
        assert (picture / 255 - behind / 300).abs().max() < 1 / 255


def test_a_picture_has_0_only_where_nothing_is_kept() -> None:
    shares = torch.tensor([[0.001, 0.0], [1.0, 0.5]])
    result = {"kept": [0.4], "shape": [2, 2], "picture": tickets._packed([shares])}
    assert pictures(result).tolist() == [[[1, 0], [255, 128]]]


@pytest.mark.usefixtures("few")
def test_results_that_do_not_fit_together_are_refused() -> None:
    one = trial(0, rounds=1, looks=(0, 1))
    assert alike({0: one, 1: dict(one)}) is one
    with pytest.raises(TypeError, match="dict from seeds to what"):
        alike([one])
    torn = {**one, "picture": one["picture"][:-8]}
    short = {**one, "test": {name: rows[:1] for name, rows in one["test"].items()}}
    for wrong in ({"0": one}, {0: 7}, {0: {"kept": [1.0]}}, {0: torn}, {0: one, 1: short}):
        with pytest.raises(TypeError, match=f"^{[*wrong][-1]!r} should be a seed, and lead to"):
            alike(wrong)
    with pytest.raises(ValueError, match="no result"):
        alike({})
    with pytest.raises(ValueError, match="seed 4 has another 'steps' than the first"):
        alike({3: one, 4: {**one, "steps": [0, 2]}})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"network": "LeNet-5"}, "network must be one of LeNet-300-100, LeNet, but got 'LeNet-5'"),
        ({"rounds": -1}, "rounds must be 0 or more, but got -1"),
        ({"goes": 1.0}, "goes must be between 0 and 1, but got 1.0"),
        ({"goes": float("nan")}, "goes must be between 0 and 1, but got nan"),
        ({"looks": ()}, r"looks must be numbers of steps, rising, but got \[\]"),
        ({"looks": (5, 5)}, r"looks must be numbers of steps, rising, but got \[5, 5\]"),
        ({"looks": (-1, 5)}, r"looks must be numbers of steps, rising, but got \[-1, 5\]"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0, but got 0.0"),
        ({"batch_size": 0}, "batch_size must be 1 or more, but got 0"),
        ({"device": "abacus"}, "device 'abacus' cannot be used: "),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_trained(
    trained, settings, says
) -> None:
    all_of_them = {**DEFAULTS, **settings}
    for refuses in (lambda: trial(0, **settings), lambda: tickets.check_trial(**all_of_them)):
        with pytest.raises(ValueError, match=f"^{says}"):
            refuses()
    assert not trained


@pytest.mark.parametrize("study", ["tickets", "tickets-lenet"])
def test_the_stored_results_belong_together_and_say_what_chapter_11_does(study) -> None:
    results = {record.seed: record.result for record in stored(study)}
    first, seeds = alike(results), len(results)
    assert first["kept"] == pytest.approx([0.64**n for n in range(len(first["kept"]))], abs=1e-4)
    after = {
        step: {
            name: sum(r["test"][name][5][first["steps"].index(step)] for r in results.values())
            for name in ("ticket", "new start", "shuffled")
        }
        for step in (20, 240)
    }
    assert after[20]["ticket"] - after[20]["new start"] >= 0.15 * seeds
    assert after[240]["ticket"] > after[240]["new start"] > after[240]["shuffled"]
