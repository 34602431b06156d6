"""Chapter 10's trial: each recipe ends where it should, and what is impossible is refused."""

from __future__ import annotations

import pytest
import torch

from prune_lab.data import Digits, load_digits
from prune_lab.experiments import recipes, trials
from prune_lab.training import fit

GIVEN = {
    "recipe": "fine-tune",
    "sparsity": 0.9,
    "importance": "magnitude",
    "epochs": 1,
    "learning_rate": 3e-3,
    "data": "few",
    "device": "cpu",
}


@pytest.fixture
def few(monkeypatch) -> Digits:
    """Sixty-four digits, and a first training of one epoch."""
    digits = Digits(*(part[:64] for part in load_digits()))
    monkeypatch.setitem(trials.DATA, "few", lambda: digits)
    monkeypatch.setattr(trials, "fit", lambda *a, **k: fit(*a, **k, epochs=1))
    trials._trained.cache_clear()
    yield digits
    trials._trained.cache_clear()


@pytest.mark.parametrize("recipe", trials.RECIPES)
def test_each_recipe_ends_at_the_sparsity_and_the_same_seed_gives_the_same(few, recipe) -> None:
    given = {**GIVEN, "recipe": recipe}
    result = trials.trial(seed=1, **given)
    assert result["kept"] == 61_470 - 55_323
    assert result["right"] == round(64 * result["test"])
    assert min(result["validation"], result["shifted"]) >= 0 and len(result["lost"]) == 5
    sizes = torch.tensor([150, 2400, 48000, 10080, 840])
    assert round(float((torch.tensor(result["lost"]) * sizes).sum())) == pytest.approx(55_323, 20)
    torch.manual_seed(99)
    assert trials.trial(seed=1, **given) == result


def test_fine_tuning_takes_a_tenth_of_the_rate_and_rewinding_the_early_weights(
    few, monkeypatch
) -> None:
    seen = []
    real = recipes.training.fit

    def watched(model, digits, **given):
        seen.append((given["learning_rate"], model.fc3.bias.detach().clone()))
        return real(model, digits, **given)

    monkeypatch.setattr(recipes.training, "fit", watched)
    for recipe in ("fine-tune", "rewind rate", "rewind weights"):
        trials.trial(seed=1, **{**GIVEN, "recipe": recipe})
    trained, early = trials._trained(1, "few", "cpu")
    assert [rate for rate, _ in seen] == pytest.approx([3e-4, 3e-3, 3e-3])
    for (_, bias), state in zip(seen, (trained, trained, early), strict=True):
        assert torch.equal(bias, state["fc3.bias"])
    assert not torch.equal(trained["fc3.bias"], early["fc3.bias"])


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("recipe", "none", "recipe must be one of fine-tune, rewind rate"),
        ("importance", "l1", "importance must be one of magnitude"),
        ("data", "cifar", "data must be one of digits, mnist"),
        ("sparsity", 1, "sparsity must be from 0 to below 1, but got 1"),
        ("sparsity", -0.1, "sparsity must be"),
        ("epochs", 0, "epochs must be 1 or more, but got 0"),
        ("learning_rate", 0.0, "learning_rate must be above 0"),
        ("device", "nowhere", "device nowhere is not there"),
        ("device", "cuda:99", "device cuda:99 is not there"),
    ],
)
def test_an_impossible_setting_is_refused(name, value, says) -> None:
    good = {**GIVEN, "data": "digits"}
    trials.check_trial(**good)
    with pytest.raises(ValueError, match=f"^{says}"):
        trials.check_trial(**{**good, name: value})
