// The layers of SensitivityExplorer: how much goes of each, and whether what is measured belongs to it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Dialogue } from "../../prune_lab/widgets/static/dialogue.js";
import { entriesIn, readLayers } from "../../prune_lab/widgets/static/layers.js";
import { Model } from "../../prune_lab/widgets/static/page.js";
import { lines } from "../../prune_lab/widgets/static/sensitivity_explorer.js";

const layer = (name, entries, channels, more = {}) => ({
  name,
  module: `model.${name}`,
  parameter: '"weight"',
  entries: [[entries, 1]],
  channels: [[channels, entries / channels]],
  ...more,
});

function explorer(layers, amounts, basis) {
  const technique = (value, units, random) => ({
    value,
    label: value,
    units,
    random,
    needs: 0,
    options: "",
    ways: ["fraction"],
  });
  const model = new Model({
    answer: { heard: {}, controls: { technique: "l1", seed: 1, amounts } },
    layers,
    basis,
    accuracy: 0.5,
    techniques: [
      technique("l1", "entries", false),
      technique("random", "entries", true),
      technique("ln", "channels", false),
    ],
    curves: { a: [[0, 0.9]] },
  });
  const dialogue = new Dialogue(model);
  return { dialogue, read: () => readLayers({ model, dialogue }) };
}

test("units of different sizes count with their entries", () => {
  assert.equal(
    entriesIn(
      [
        [2, 10],
        [3, 4],
      ],
      0,
    ),
    0,
  );
  assert.equal(
    entriesIn(
      [
        [2, 10],
        [3, 4],
      ],
      3,
    ),
    24,
  );
  assert.equal(
    entriesIn(
      [
        [2, 10],
        [3, 4],
      ],
      5,
    ),
    32,
  );
});

test("curves and accuracy are shown only for what they were measured for", () => {
  const basis = { technique: "l1", seed: 1, amounts: { a: 0.5, b: 0 } };
  const { dialogue, read } = explorer([layer("a", 100, 10), layer("b", 10, 5)], { a: 0.5, b: 0 }, basis);
  assert.deepEqual([read().gone, read().entries, read().accuracy, read().layers[0].points], [50, 110, 0.5, [[0, 0.9]]]);
  dialogue.move({ amounts: { b: 0.1 } });
  assert.deepEqual([read().gone, read().accuracy, read().current], [51, null, true]);
  dialogue.move({ technique: "ln", amounts: { b: 0.4 } });
  assert.deepEqual([read().gone, read().current, read().layers[0].points], [54, false, []]);
  dialogue.move({ technique: "random", seed: 1, amounts: { b: 0 } });
  assert.equal(read().current, false);
});

test("curves of another draw are not this draw's", () => {
  const basis = { technique: "random", seed: 1, amounts: { a: 0 } };
  const { dialogue, read } = explorer([layer("a", 100, 10)], { a: 0 }, basis);
  dialogue.move({ technique: "random" });
  assert.equal(read().current, true);
  dialogue.move({ seed: 2 });
  assert.equal(read().current, false);
});

test("the code is Python's own where it has heard of the technique; what must follow stands once", () => {
  const after = "prune.prune_twins(model)";
  const call = (name) => [`mine(${name}, `, ")"];
  const layers = [
    layer("a", 100, 10, { call: call("a"), then: after }),
    layer("b", 10, 5, { call: call("b"), then: after }),
    layer("c", 10, 5, { call: call("c"), then: "" }),
  ];
  const { dialogue, read } = explorer(layers, { a: 0.5, b: 1, c: 0 }, { technique: "l1", seed: 1 });
  assert.equal(lines(read(), 1), `mine(a, 0.5)\nmine(b, 1.0)\n${after}`);
  dialogue.move({ technique: "random", seed: 7 });
  assert.match(
    lines(read(), 7),
    /^torch\.manual_seed\(7\)\nprune\.random\(model\.a, name="weight", amount=0\.5\)\ntorch\.manual_seed\(8\)/,
  );
  dialogue.move({ amounts: { a: 0, b: 0 } });
  assert.equal(lines(read(), 7), "# Every slider is at 0: nothing is pruned.");
});
