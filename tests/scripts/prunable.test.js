// Which lists of weights are made again when more or less is pruned: those that have changed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { prunable } from "../../prune_lab/device/static/prunable.js";

const learnt = (name, values) => ({ name, shape: [values.length, 1], values: Float32Array.from(values) });

/** Two weights under one order, as over all layers, and what the program is given of them. */
function two() {
  const given = [];
  const operations = [
    { weight: learnt("a", [1, 2, 3]), bias: null },
    { weight: null, bias: null },
    { weight: learnt("b", [4, 0, 6]), bias: null }, // its second entry went before
  ];
  const made = prunable({ operations }, { put: (number, { values }) => given.push([number, ...values]) });
  made.rank({ a: Int32Array.of(0, 3, 4), b: Int32Array.of(1, -1, 2) });
  return { ...made, given };
}

test("a weight of which nothing more goes is left as it is", () => {
  const { prune, given } = two();
  prune({ a: 1, b: 1 });
  assert.deepEqual(given, [[0, 0, 2, 3]]);
  prune({ a: 3, b: 3 });
  assert.deepEqual(given.slice(1), [[2, 0, 0, 0]]);
  prune({ a: 3, b: 3 });
  assert.equal(given.length, 2);
});

test("what was pruned comes back, and another order begins with all of it", () => {
  const { prune, rank, bytes, given } = two();
  prune({ a: 5, b: 5 });
  assert.equal(bytes(), 2);
  prune({});
  assert.deepEqual(given.slice(2), [
    [0, 1, 2, 3],
    [2, 4, 0, 6],
  ]);
  prune({ a: 1, b: 1 });
  rank({ a: Int32Array.of(2, 1, 0) });
  assert.deepEqual(given.at(-1), [0, 1, 2, 3]);
  prune({ a: 1, b: 1 });
  assert.deepEqual(given.at(-1), [0, 1, 2, 0]);
});
