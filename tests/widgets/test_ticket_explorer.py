"""TicketExplorer from Python's side: it shows what it was given, and refuses what is not there."""

from __future__ import annotations

import base64
import copy
import io
import itertools
import json
import zlib

import numpy as np
import pytest
import traitlets
from ipywidgets.embed import embed_data
from matplotlib import image

from prune_lab.widgets import TicketExplorer
from tests.widgets.browser_side import asked, shown

KEPT, STEPS = [0.64**number for number in range(5)], [0, 5, 20, 120, 240]


def result(seed):
    """Numbers that tell their seed, their network, their round and their look."""
    of = {"ticket": 0.5, "new start": 0.3, "shuffled": 0.1}
    test = {
        name: [[base + seed / 20 + r / 100 + look / 1000 for look in range(5)] for r in range(5)]
        for name, base in of.items()
    }
    cells = bytes(seed * 60 + number * 10 + cell for number in range(5) for cell in range(6))
    return {
        "kept": KEPT,
        "steps": STEPS,
        "test": test,
        "validation": {name: [[0.0] * 5] * 5 for name in of},
        "shape": [2, 3],
        "picture": base64.b64encode(zlib.compress(cells)).decode(),
    }


RESULTS = {3: result(3), 0: result(0), 1: result(1)}


@pytest.fixture
def explorer():
    made = TicketExplorer(RESULTS)
    yield made
    made.close()


def test_it_begins_with_the_dense_network_all_seeds_and_the_last_step(explorer):
    assert (
        repr(explorer) == "TicketExplorer(round=0, kept=100.0%, after 240 steps, seeds=[3, 0, 1])"
    )
    explorer.round, explorer.look, explorer.seeds = 2, 1, [1]
    assert repr(explorer) == "TicketExplorer(round=2, kept=41.0%, after 5 steps, seeds=[1])"


@pytest.mark.parametrize("name", ["ticket", "new start", "shuffled"])
def test_the_accuracies_are_those_of_the_chosen_seeds_and_round(explorer, name):
    explorer.round, explorer.seeds = 2, [1, 3]
    wanted = [RESULTS[seed]["test"][name][2] for seed in (3, 1)]  # in the order of the results
    assert explorer.accuracies(name).tolist() == wanted
    dense = [RESULTS[seed]["test"]["ticket"][0] for seed in (3, 1)]
    assert explorer.accuracies("dense").tolist() == dense


@pytest.mark.parametrize(
    ("control", "value", "says"),
    [
        ("round", 5, "round should be from 0 to 4, not 5"),
        ("round", -1, "round should be from 0 to 4, not -1"),
        ("look", 5, "look should be from 0 to 4, not 5"),
        ("seeds", [], "seeds should be some of"),
        ("seeds", [0, 2], "seeds should be some of"),
    ],
)
def test_what_is_not_there_is_refused_in_the_panel_too(explorer, control, value, says):
    before = repr(explorer)
    with pytest.raises(traitlets.TraitError, match=says):
        setattr(explorer, control, value)
    assert repr(explorer) == before and explorer.failed and says in explorer.message
    asked(explorer, {control: value})
    assert repr(explorer) == before and explorer.failed
    asked(explorer, {"round": 1})
    assert explorer.round == 1 and not explorer.failed


def test_the_browsers_choices_arrive_together(explorer):
    asked(shown(explorer), {"round": 2, "look": 0, "seeds": [1, 0]})
    assert repr(explorer) == "TicketExplorer(round=2, kept=41.0%, after 0 steps, seeds=[0, 1])"
    assert explorer.answer["controls"] == {"round": 2, "look": 0, "seeds": [0, 1]}


def test_all_that_it_shows_is_in_its_state(explorer):
    kept = embed_data(views=[explorer], drop_defaults=False)["manager_state"]["state"]
    state = kept[explorer.model_id]
    curves = state["state"]["curves"]
    assert json.loads(json.dumps(curves))["new start"][2] == RESULTS[1]["test"]["new start"]
    assert curves["dense"][0] == [RESULTS[3]["test"]["ticket"][0]] * 5
    binary = {buffer["path"][0]: buffer["data"] for buffer in state["buffers"]}
    cells = np.frombuffer(base64.b64decode(binary["pictures"]), np.uint8).reshape(3, 5, 2, 3)
    assert cells[1, 2].tolist() == [[20, 21, 22], [23, 24, 25]]


def test_the_picture_shows_the_round_and_the_seeds(explorer):
    def picture():
        bundle, _ = explorer._repr_mimebundle_()
        return image.imread(io.BytesIO(bundle["image/png"]))

    seen = [picture()]
    for control, value in (("round", 1), ("look", 0), ("seeds", [0])):
        setattr(explorer, control, value)
        seen.append(picture())
    for one, other in itertools.pairwise(seen):
        assert one.shape != other.shape or not np.array_equal(one, other)
    lines = explorer._figure().axes[1].lines
    assert [line.get_label() for line in lines if line.get_linewidth() == 2] == [
        *("ticket", "new start", "shuffled", "dense")
    ]
    assert lines[1].get_ydata().tolist() == RESULTS[0]["test"]["ticket"][1]


def test_results_that_do_not_fit_together_make_no_panel():
    other = copy.deepcopy(RESULTS)
    other[1]["kept"] = [0.5**number for number in range(5)]
    with pytest.raises(ValueError, match="seed 1 has another 'kept'"):
        TicketExplorer(other)
    with pytest.raises(TypeError, match="dict from seeds"):
        TicketExplorer([RESULTS[0]])
