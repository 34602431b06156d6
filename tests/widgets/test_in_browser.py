"""What a browser measures is what Python measures; what it cannot have stays with the kernel."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch
from torch import nn

from prune_lab import prune
from prune_lab.course import trained_lenet
from prune_lab.data import Digits, load_digits
from prune_lab.prune.amounts import count
from prune_lab.widgets import DigitPad, MaskExplorer, SensitivityExplorer
from prune_lab.widgets.strokes import fitted
from tests.device.in_node import in_node
from tests.widgets.browser_side import asked, hidden, send, shown

DIGITS = load_digits()
TOTAL = len(DIGITS.test_labels)
# For whole curves, answer by answer: a third of the digits tells two networks apart as well.
FEW = Digits(*(part[:120] for part in DIGITS))
THIRD = len(FEW.test_labels)

# A panel's own worker, without a browser: each question is how much of each parameter goes.
MEASURE = """
const found = [];
for (const { network, digits, orders, order, questions } of given) {
  const read = await networkIn(bytes(network));
  const made = measurer(read, await digitsIn(bytes(digits)));
  for (const group of orders ? await ordersIn(bytes(orders), read) : []) made.rank(group.orders);
  for (const [name, base64] of Object.entries(order))
    made.rank({ [name]: new Int32Array(bytes(base64).buffer) });
  found.push(questions.map((counts) => made.measure(counts).right));
}
return found;
"""


# The curves as the panels' scripts ask for them, point by point.
CURVES = """
const parts = ["accuracy", "layers"].map((name) => `${folder}/../../widgets/static/${name}.js`);
const [accuracy, layered] = await Promise.all(parts.map((part) => import(part)));
const found = [];
for (const { network, digits, orders, order, names, units, layers } of given) {
  const read = await networkIn(bytes(network));
  const made = measurer(read, await digitsIn(bytes(digits)));
  for (const group of orders ? await ordersIn(bytes(orders), read) : []) made.rank(group.orders);
  for (const [name, base64] of Object.entries(order))
    made.rank({ [name]: new Int32Array(bytes(base64).buffer) });
  const countsAt = (count) => Object.fromEntries(names.map((name) => [name, count]));
  const wanted = layers
    ? layered.curvePoints(layers.map((layer) => ({ ...layer, points: [] })))
    : accuracy.curvePoints(units, countsAt, []);
  const points = [];
  for (const { amount, counts, name } of wanted) {
    const { right } = await made.measureBeside(counts, async () => true);
    points.push([name, amount, right]);
  }
  found.push(points);
}
return found;
"""


def text(parcel: bytes) -> str:
    return base64.b64encode(parcel).decode()


def given(panel, order, questions):
    """What the panel's worker is given, as its script does."""
    panel._carry()
    assert panel.network
    parcels = {name: text(getattr(panel, name)) for name in ("network", "digits", "orders")}
    return {**parcels, "order": order, "questions": questions}


class EveryOther(prune.BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::2] = 0
        return mask


def explorers():
    """Layers, techniques, and models that were pruned before, from here and from elsewhere."""
    model = trained_lenet()
    for name, technique in [
        ("conv1.weight", "l1_unstructured"),
        ("conv2.weight", "random_unstructured"),
        ("fc1.weight", "ln_structured"),
        ("fc3.weight", "random_structured"),
        ("fc2.weight", "n_m"),
        ("conv2.weight", "global_unstructured"),
        ("fc2.weight", EveryOther),
    ]:  # fmt: skip
        amount = 2 if technique == "n_m" else 0.3
        yield MaskExplorer(model, name, technique=technique, amount=amount, data=FEW)
    before = trained_lenet()
    prune.random_unstructured(before.fc1, "weight", amount=0.7)
    prune.l1_unstructured(before.conv1, "weight", amount=0.2)
    here = MaskExplorer(before, "fc1.weight", data=FEW, amount=0.5)
    here.apply()
    yield here
    by_hand = MaskExplorer(before, "conv1.weight", data=FEW)
    by_hand.mask = torch.rand(6, 1, 5, 5) > 0.4
    yield by_hand


def test_the_explorers_curves_are_pythons_answer_by_answer() -> None:
    made = list(explorers())
    jobs = []
    for explorer in made:
        job = given(explorer, {explorer.name: text(explorer.order)}, [])
        ranking = explorer._ranking
        jobs.append({**job, "names": ranking.names, "units": ranking.units})
    for explorer, points in zip(made, in_node(CURVES, jobs), strict=True):
        explorer.measure()
        wanted = [[None, share, round(found * THIRD)] for share, found in explorer.curve]
        assert points == wanted, explorer
        assert len({right for _name, _share, right in wanted}) > 1


def test_each_layers_curve_is_pythons_answer_by_answer() -> None:
    explorer = SensitivityExplorer(trained_lenet(), FEW, technique="ln_structured")
    layers = [{"name": name, "units": units} for name, units in explorer._units().items()]
    (points,) = in_node(CURVES, [{**given(explorer, {}, []), "layers": layers}])
    explorer.measure()
    assert sorted(points) == sorted(
        [name, amount, round(found * THIRD)]
        for name, curve in explorer.curves.items()
        for amount, found in curve
    )
    assert len(points) == 5 * 21
    # The shape of every curve comes before its details.
    assert {amount for _name, amount, _right in points[:25]} == {0, 0.25, 0.5, 0.75, 1}


def test_several_layers_at_once_are_pythons_answer_by_answer() -> None:
    model, random = trained_lenet(), np.random.default_rng(0)
    prune.random_unstructured(model.fc1, "weight", amount=0.3)
    made, jobs = [], []
    for technique in ("l1_unstructured", "random_unstructured", "ln_structured"):
        explorer = SensitivityExplorer(model, DIGITS, technique=technique)
        units = explorer._units()
        questions = [
            {name: count(float(random.random()) ** 2, units[name]) for name in units}
            for _ in range(12)
        ]
        made.append(explorer)
        jobs.append(given(explorer, {}, questions))
    for explorer, job, rights in zip(made, jobs, in_node(MEASURE, jobs), strict=True):
        trial = explorer._trial_of()
        for counts, right in zip(job["questions"], rights, strict=True):
            values = {
                name: explorer._weights[name].values.where(
                    explorer._ranking(name)().masks(at)[name], 0
                )
                for name, at in counts.items()
            }
            assert right == round(trial.accuracy(values) * TOTAL)


# The worker itself: a curve's point, and a question of the hand's that comes meanwhile.
WORKER = """
const said = [];
globalThis.self = { postMessage: (answer) => said.push(answer) };
globalThis.MessageChannel = class {
  port1 = {};
  port2 = { postMessage: () => setImmediate(() => this.port1.onmessage()) };
};
await import(`${folder}/worker.js`);
const hear = (data) => self.onmessage({ data: { orders: {}, key: 0, ...data } });
const parcels = { network: bytes(given.network), digits: bytes(given.digits) };
const order = new Int32Array(bytes(given.order).buffer);
const [a, b] = [600, 800].map((count) => ({ "fc3.weight": count }));
await hear({ parcels, orders: { "fc3.weight": order }, counts: a, key: 1 });
const broken = hear({ counts: a, beside: true });
for (let i = 0; i < 3; i += 1) await new Promise(setImmediate); // it has begun
await hear({ counts: b, key: 2 });
await broken;
await hear({ counts: a, beside: true });
return said.map(({ key, beside, right, counts }) => ({ key, beside, right, counts }));
"""


def test_a_curves_point_gives_way_to_the_hand() -> None:
    explorer = MaskExplorer(trained_lenet(), "fc3.weight", data=DIGITS)
    first, hand, point = in_node(WORKER, given(explorer, text(explorer.order), []))
    trial, ranking = explorer._trial_of(), explorer._ranking
    rights = [
        round(
            trial.accuracy({n: explorer._values()[n].where(m, 0) for n, m in masks.items()}) * TOTAL
        )
        for masks in map(ranking.masks, (600, 800))
    ]
    assert [first["right"], hand["right"]] == rights
    assert [first["key"], hand["key"]] == [1, 2]
    assert point == {"beside": True, "right": rights[0], "counts": {"fc3.weight": 600}}
    assert rights[0] != rights[1]


# The pad

PAD = """
const { fitted } = await import(`${folder}/../../widgets/static/fitting.js`);
const { twoNetworks } = await import(`${folder}/../../widgets/static/two_networks.js`);
const parcels = Object.fromEntries(["network", "digits", "orders"].map(
  (name) => [name, bytes(given[name])]));
const made = await twoNetworks(parcels);
const { frame, pen } = given;
const ink = (text) => new Float32Array(bytes(text).buffer);
const fits = given.drawn.map((text) => [...fitted(ink(text), [32, 32], frame, pen)]);
const found = given.amounts.map((amount) => {
  made.prune(amount);
  const reads = given.drawn.map((text) => {
    const { dense, pruned, counts } = made.read({ ink: ink(text), real: false, frame, pen });
    return [dense, pruned, counts];
  });
  const broken = [];
  for (let digit = made.broken(-1); digit && digit.at > (broken.at(-1) ?? -1);
       digit = made.broken(digit.at)) broken.push(digit.at);
  return { reads, broken };
});
const next = made.next(given.last - 1);
const { dense, pruned } = made.read({ ...next, real: true, frame, pen });
const first = made.next(next.at).at;
return { fits, found, next: [next.at, next.label, [...next.ink], dense, pruned], first };
"""


def strokes_drawn() -> list[torch.Tensor]:
    """Ink of all kinds: large, small, in a corner, thick, a dot, noise, faint, nothing."""
    torch.manual_seed(0)
    papers = [torch.zeros(32, 32) for _ in range(6)]
    papers[0][2:30, 14:18] = 1
    papers[1][20:26, 3:5] = 1
    papers[2][5:27, 4:28] = 1
    papers[2][9:23, 8:24] = 0
    papers[3][31, 31] = 1
    papers[4][0:9, 0:32] = 0.3
    papers[4][3:5, 6:25] = 0.9
    digits = torch.stack([DIGITS.test_images[n, 0] for n in (3, 8)])
    real = (digits - digits.min()) / (digits.max() - digits.min())
    return [*papers, torch.rand(32, 32), real[0], real[1].roll((5, -6), (0, 1)) * 0.5]


@pytest.mark.parametrize("technique", ["global_unstructured", "ln_structured"])
def test_the_pads_browser_fits_reads_and_finds_as_python_does(technique) -> None:
    model = trained_lenet()
    prune.random_unstructured(model.fc1, "weight", amount=0.2)
    pad = DigitPad(model, FEW, technique=technique, amount=0.0)
    pad._carry()
    drawn = [ink.float().numpy().tobytes() for ink in strokes_drawn()]
    amounts = [0.5, 0.93, 0.0]
    parcels = {name: text(getattr(pad, name)) for name in ("network", "digits", "orders")}
    found = in_node(PAD, {
        **parcels, "last": THIRD - 1, "frame": pad.frame, "pen": pad.pen[0], "amounts": amounts,
        "drawn": [text(ink) for ink in drawn],
    })  # fmt: skip
    for ink, here in zip(strokes_drawn(), found["fits"], strict=True):
        wanted = fitted(ink.float(), pad.frame, pad.pen[0])
        assert torch.tensor(here).view(32, 32).sub(wanted).abs().max() < 1e-5
    for amount, here in zip(amounts, found["found"], strict=True):
        pad.amount = amount
        for ink, (dense, pruned, counts) in zip(drawn, here["reads"], strict=True):
            pad.image = ink
            assert dense == pytest.approx(pad.dense, abs=1e-4)
            assert pruned == pytest.approx(pad.pruned, abs=1e-4)
            assert tuple(counts) == pad.counts
        values, _kept = pad._pruned()
        ink = pad._networks.ink(FEW.test_images)
        right, wrong = (
            pad._networks._logits(v, ink).argmax(1) == FEW.test_labels for v in ({}, values)
        )
        assert here["broken"] == (right & ~wrong).nonzero().flatten().tolist()
    pad._load(THIRD - 1)
    at, label, ink, dense, pruned = found["next"]
    assert (at, label, found["first"]) == (THIRD - 1, pad.label, 0)
    assert np.array(ink) == pytest.approx(np.frombuffer(pad.image, "<f4"), abs=1e-6)
    assert dense == pytest.approx(pad.dense, abs=1e-4)
    assert pruned == pytest.approx(pad.pruned, abs=1e-4)


def test_a_digit_that_the_browser_has_loaded_is_pythons_too() -> None:
    pad = DigitPad(trained_lenet(), DIGITS, amount=0.5)
    python = DigitPad(trained_lenet(), DIGITS, amount=0.5)
    python._load(7)
    ink = np.frombuffer(python.image, "<f4") * np.float32(1 - 1e-7)
    asked(pad, {"at": 7, "label": 3}, bytes={"image": ink.astype("<f4").tobytes()})
    assert (pad.at, pad.label, pad.image) == (7, python.label, python.image)
    assert (pad.dense, pad.pruned) == (python.dense, python.pruned)
    assert pad.answer["controls"]["at"] == 7
    asked(pad, {"at": None, "label": None}, bytes={"image": bytes(4096)})  # drawn over
    assert (pad.at, pad.label, pad.dense) == (7, None, [])
    asked(pad, {"at": 360, "amount": 0.2})
    assert pad.failed and pad.amount == 0.5


# What the browser tells


def report(panel, counts, right, *, dense=355, of=TOTAL, edition=None):
    edition = panel.edition if edition is None else edition
    found = {"counts": counts, "right": right, "dense": dense, "of": of}
    send(panel, {"ask": "measured", "edition": edition, **found}, [])


def waited(panel):
    panel._background.wait()
    return panel


@pytest.fixture(params=["mask", "sensitivity"])
def measured(request):
    """A shown panel whose curves are held, and what it says of the accuracy."""
    model = trained_lenet()
    if request.param == "mask":
        panel = shown(MaskExplorer(model, "fc3.weight", amount=100, data=DIGITS))
        says = lambda: dict([panel.accuracy]).get(panel._count())  # noqa: E731
    else:
        panel = shown(SensitivityExplorer(model, DIGITS))
        panel.amounts = {"fc3.weight": 0.5}
        says = lambda: panel.accuracy  # noqa: E731
    panel.stop()
    waited(panel)
    yield panel, says
    panel.close()


def moved(panel, units):
    """Have so many units of fc3 go, and return the question."""
    if isinstance(panel, MaskExplorer):
        panel.amount = units
    else:
        panel.amounts = {"fc3.weight": units / 840}
    return {"fc3.weight": units}


def test_python_measures_until_a_browser_has_answered(measured) -> None:
    panel, says = measured
    assert says() is not None
    report(panel, moved(panel, 200), 222)
    assert says() == 222 / TOTAL
    later = moved(panel, 300)
    waited(panel)
    assert says() is None  # it is left to the browser
    report(panel, later, 333)
    assert says() == 333 / TOTAL
    moved(panel, 400)
    panel.measure()  # who asks in Python is answered
    assert says() == panel._measured[panel._key_of({"fc3.weight": 400})] != 333 / TOTAL


@pytest.mark.parametrize("wrong", [{"edition": -1}, {"of": 359}])
def test_an_answer_of_another_network_is_none(measured, wrong) -> None:
    panel, says = measured
    question = moved(panel, 200)
    waited(panel)
    before = says()
    report(panel, question, 222, **wrong)
    assert says() == before != 222 / TOTAL


def test_where_a_browser_fails_or_goes_python_measures_again(measured) -> None:
    panel, says = measured
    report(panel, moved(panel, 200), 222)
    moved(panel, 300)
    send(panel, {"ask": "unable"}, [])
    waited(panel)
    assert says() is not None
    report(panel, moved(panel, 400), 44)
    hidden(panel)
    shown(panel)
    moved(panel, 500)
    waited(panel)
    assert says() is not None


# What it is given


def test_a_technique_gives_orders_and_training_another_network() -> None:
    model = trained_lenet()
    explorer = shown(MaskExplorer(model, data=DIGITS))
    network, edition = explorer.network, explorer.edition
    explorer.technique = "global_unstructured"
    assert (explorer.network, explorer.edition) == (network, edition + 1)
    assert explorer.orders
    explorer.apply()
    explorer.amount = 0.5
    assert (explorer.network, explorer.edition) == (network, edition + 1)  # all as it was before
    explorer.reset()
    with torch.no_grad():
        model.fc3.bias.mul_(2)
    explorer.look_again()
    assert explorer.network != network and explorer.edition > edition + 1
    explorer.close()


def test_a_panel_that_was_only_displayed_has_it_after_the_cell(cells) -> None:
    """As a notebook is stored: no front end has ever shown it."""
    explorer = MaskExplorer(trained_lenet(), data=DIGITS)
    assert explorer.network == b""
    explorer._repr_mimebundle_()
    cells.trigger("post_run_cell", None)
    assert explorer.network


class Halved(nn.Linear):
    def forward(self, x):
        return super().forward(x) / 2


def wide():
    return nn.Sequential(nn.Flatten(), nn.Linear(1024, 200), nn.Linear(200, 10))


def hooked():
    model = trained_lenet()
    model.register_forward_hook(lambda *_: None)
    return model


def tied():
    model = nn.Sequential(nn.Flatten(), nn.Linear(1024, 10), nn.Linear(10, 10), nn.Linear(10, 10))
    model[3].weight = model[2].weight
    return model


def not_finite():
    model = trained_lenet()
    with torch.no_grad():
        model.fc3.bias[0] = torch.inf
    return model


@pytest.mark.parametrize(
    "make",
    [lambda: nn.Sequential(nn.Flatten(), Halved(1024, 10)), lambda: trained_lenet().double(),
     wide, hooked, tied, not_finite],
)  # fmt: skip
def test_what_a_browser_cannot_have_the_kernel_measures(make) -> None:
    model = make()
    data = (FEW.test_images.to(next(model.parameters()).dtype), FEW.test_labels)
    for panel in (MaskExplorer(model, data=data), SensitivityExplorer(model, data)):
        panel._carry()
        assert (panel.network, panel.digits, panel.orders, panel.worker) == (b"", b"", b"", "")
        panel.measure()
        assert not panel.failed


def test_a_bias_is_measured_by_the_kernel_and_a_weight_again_here() -> None:
    explorer = MaskExplorer(trained_lenet(), data=DIGITS)
    given = []
    for name in ("conv1.weight", "conv1.bias", "fc1.weight"):
        explorer.name = name
        explorer._carry()
        given.append(bool(explorer.network and explorer.digits and explorer.worker))
    assert given == [True, False, True]


def test_pictures_that_are_too_fine_or_too_many_stay_with_the_kernel() -> None:
    for images in (
        DIGITS.test_images + torch.rand(DIGITS.test_images.shape) / 1e4,
        DIGITS.test_images.repeat(3, 1, 1, 1),
    ):
        labels = DIGITS.test_labels.repeat(len(images) // TOTAL)
        explorer = MaskExplorer(trained_lenet(), data=(images, labels))
        explorer._carry()
        assert explorer.network == b""
