// What the explorer shows: Python's picture, or the reader's own mask on top of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bySteps, standOf } from "../../prune_lab/widgets/static/amount.js";
import { Dialogue } from "../../prune_lab/widgets/static/dialogue.js";
import { Model } from "../../prune_lab/widgets/static/page.js";
import { previewOf } from "../../prune_lab/widgets/static/preview.js";

const technique = (value, more) => ({
  ...{ value, label: value, options: [], random: false, units: "entries", needs: 0, ways: ["fraction", "count"] },
  ...{ by_size: false, by_hand: false, asks: "amount", keeps: false, ...more },
});
const TECHNIQUES = [
  technique("l1_unstructured", { by_size: true }),
  technique("ln_structured", { options: ["n", "dim"], units: "channels", needs: 2 }),
  technique("custom_from_mask", { by_hand: true, ways: [] }),
];
const bytes = (numbers) => new DataView(numbers.buffer);

/** An explorer of a tensor, ranked by size. */
function explorer(values, amount, shape = [values.length]) {
  const order = new Int32Array(values.length);
  [...values.keys()]
    .sort((a, b) => Math.abs(values[a]) - Math.abs(values[b]))
    .forEach((at, position) => {
      order[at] = position;
    });
  const model = new Model({
    answer: { heard: {}, controls: { name: "weight", technique: "l1_unstructured", amount, view: "masked" } },
    values: bytes(Float32Array.from(values)),
    order: bytes(order),
    shape,
    ramp: [],
    techniques: TECHNIQUES,
    units: values.length,
    ways: ["fraction", "count"],
    accuracy: [2, 0.75],
    steps: [],
    gone: [],
    grid: {},
    sizes: bytes(new Float32Array(20)),
    drawn: 1,
    drawing: false,
  });
  const dialogue = new Dialogue(model);
  return { model, dialogue, read: previewOf({ model, dialogue }) };
}

test("the smallest go, and the threshold is the largest of them", () => {
  const { read, dialogue } = explorer([0.5, -0.1, 0.3, -0.4], ["fraction", 0.5]);
  const { count, tally, threshold, tensor, accuracy } = read();
  assert.deepEqual([count, tally.total, tensor.limit, accuracy], [2, 2, 0.5, 0.75]);
  assert.equal(threshold, Math.fround(0.3));
  dialogue.move({ amount: ["count", 3, 4] });
  assert.deepEqual([read().count, read().accuracy], [3, null]); // not measured for this one
});

test("a mask by hand lies on top, without a threshold or an accuracy, and ends with the next request", () => {
  const { read, dialogue, model } = explorer([0.5, -0.1, 0.3, -0.4], ["fraction", 0.5], [2, 2]);
  model.set("accuracy", [1, 0.75]);
  dialogue.move({ painted: Uint8Array.of(1, 0, 1, 1), technique: "custom_from_mask" });
  const { tensor, count, tally, shown, threshold, accuracy, movable, waiting } = read();
  assert.deepEqual([[...tensor.order], count, tally.total, shown.by_hand], [[1, 0, 1, 1], 1, 1, true]);
  assert.deepEqual([threshold, accuracy, movable, waiting], [null, null, false, false]);
  model.set("accuracy", [2, 0.75]);
  dialogue.choose({ technique: "ln_structured", painted: null });
  assert.deepEqual([read().count, read().accuracy], [2, null]); // it was of the other technique
  assert.deepEqual(
    [read().shown.value, read().technique.value, read().waiting],
    ["l1_unstructured", "ln_structured", true],
  );
});

test("what was gone before stays gone under the brush", () => {
  const { read, dialogue, model } = explorer([0.5, -0.1, 0.3, -0.4], ["fraction", 0.5]);
  model.set("order", bytes(Int32Array.of(2, -1, 0, 1)));
  dialogue.move({ painted: Uint8Array.of(1, 1, 1, 0) });
  assert.deepEqual([...read().tensor.order], [1, -1, 1, 0]);
});

test("a ranking by steps is shown at the last step, and says nothing of what it does not know", () => {
  const { read, dialogue, model } = explorer([0.5, -0.1, 0.3, -0.4, 0.2, 0.7, -0.6, 0.8, 0.9, -1], ["fraction", 0.3]);
  model.set("steps", [0, 3, 5, 10]);
  model.set("sizes", bytes(Float32Array.of(Number.NaN, 0.3, 0.5, 1)));
  const told = () => {
    const { count, drawn, gone, threshold } = read();
    return [count, drawn, gone, threshold];
  };
  assert.deepEqual(told(), [3, 3, 3, Math.fround(0.3)]);
  dialogue.move({ amount: ["fraction", 0.4] });
  assert.deepEqual(told(), [4, 3, null, Math.fround(0.3)]);
  model.set("gone", [4, 4]);
  assert.deepEqual(told(), [4, 3, 4, Math.fround(0.3)]);
  dialogue.move({ amount: ["count", 9, 10] });
  assert.deepEqual(told(), [9, 5, null, 0.5]);
  dialogue.move({ amount: ["fraction", 0] });
  assert.deepEqual(told(), [0, 0, 0, null]);
  model.set("drawn", 0.5);
  assert.deepEqual([read().there, read().gone], [false, null]);
});

test("the slider of a ranking by steps stands on steps, whichever way the amount is given", () => {
  const { read, dialogue, model } = explorer([1, 2, 3, 4, 5, 6, 7, 8], ["fraction", 0.5]);
  assert.equal(bySteps(read()), false);
  model.set("steps", [0, 2, 4, 6, 8]);
  assert.equal(bySteps(read()), true);
  assert.deepEqual([standOf(read()).step, standOf(read()).value], [0.25, 0.5]);
  dialogue.move({ amount: ["count", 7, 8] });
  const { max, step, value, text } = standOf(read());
  assert.deepEqual([max, step, value, text], [4, 1, 3, "7 of 8\u2002(88 %)"]);
  model.set("steps", [0, 1, 2, 3, 4, 5, 6, 7, 8]); // every count is one
  assert.deepEqual([bySteps(read()), standOf(read()).max, standOf(read()).value], [false, 8, 7]);
});

test("a technique that needs more dimensions is not offered", () => {
  assert.deepEqual(
    explorer([1, 2], ["fraction", 0])
      .read()
      .techniques.map(({ value }) => value),
    ["l1_unstructured", "custom_from_mask"],
  );
  assert.equal(explorer([1, 2], ["fraction", 0], [1, 2]).read().techniques.length, 3);
});

test("the slider says what it stands for, also while Python has yet to rank anew", () => {
  const { read, dialogue } = explorer([0.5, -0.1, 0.3, -0.4], ["fraction", 0.5]);
  assert.equal(standOf(read()).text, "50 %\u2002(2 of 4)");
  dialogue.choose({ technique: "ln_structured", amount: ["count", 1, 2] });
  assert.deepEqual([standOf(read()).text, standOf(read()).max], ["1 of 2\u2002(50 %)", 2]);
});
