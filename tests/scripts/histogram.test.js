// The histogram counts each value once, and the part that is pruned as the picture prunes it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { binAt, binOf, sizeAt, sortIntoBins, tallyBins, valuesOf } from "../../prune_lab/widgets/static/histogram.js";
import { placeOf } from "../../prune_lab/widgets/static/plot.js";
import { between, permutation, randomNumbers } from "./random.js";

const BINS = 41;

/** A tensor with everything that may occur in one, some of it gone before. */
function tensor(seed) {
  const random = randomNumbers(seed);
  const values = Float32Array.from({ length: between(random, 1, 400) }, () => 4 * random() - 2);
  for (const odd of [NaN, Infinity, -Infinity, 0, -2, 2]) values[between(random, 0, values.length - 1)] = odd;
  const gone = between(random, 0, values.length);
  const order = permutation(random, values.length).map((position) => Math.max(-1, position - gone));
  return { values, order, limit: 2 };
}

test("a value lies in the bin whose values it is among", () => {
  const random = randomNumbers(3);
  for (let i = 0; i < 2000; i += 1) {
    const [limit, share] = [10 ** between(random, -6, 6), 2 * random() - 1];
    const bin = binOf(share * limit, limit);
    const [from, to] = valuesOf(bin, limit);
    assert.ok(bin >= 0 && bin < BINS);
    assert.ok(from <= share * limit + 1e-9 * limit && share * limit <= to + 1e-9 * limit, `${share} of ${limit}`);
  }
  assert.deepEqual(
    [-1, 0, 1].map((value) => binOf(value, 1)),
    [0, 20, 40],
  );
  assert.deepEqual(
    [NaN, Infinity, -Infinity, 1.5, -1.5].map((value) => binOf(value, 1)),
    Array(5).fill(BINS),
  );
});

test("the bins go on without a gap from one end of the scale to the other", () => {
  assert.equal(valuesOf(0, 3)[0], -3);
  assert.equal(valuesOf(BINS - 1, 3)[1], 3);
  for (let bin = 1; bin < BINS; bin += 1) assert.equal(valuesOf(bin, 3)[0], valuesOf(bin - 1, 3)[1]);
});

test("the tally agrees with counting entry by entry, at every amount", () => {
  for (let seed = 0; seed < 60; seed += 1) {
    const { values, order, limit } = tensor(seed);
    const binned = sortIntoBins(values, order, limit);
    for (let count = 0; count <= values.length; count += Math.ceil(values.length / 20)) {
      const all = Array(BINS + 1).fill(0);
      const pruned = Array(BINS + 1).fill(0);
      let last = -1;
      values.forEach((value, i) => {
        all[binOf(value, limit)] += 1;
        if (order[i] >= count) return;
        pruned[binOf(value, limit)] += 1;
        last = Math.max(last, order[i]);
      });
      const total = pruned.reduce((a, b) => a + b);
      assert.deepEqual(tallyBins(binned, count), { all, pruned, total, last }, `seed ${seed}, count ${count}`);
    }
  }
});

test("a ranking by size has its threshold at the largest magnitude that goes", () => {
  for (let seed = 0; seed < 30; seed += 1) {
    const { values, order, limit } = tensor(seed);
    const going = [...values.keys()].filter((i) => order[i] >= 0);
    going.sort((a, b) => Math.abs(values[a]) - Math.abs(values[b]) || -Number.isNaN(values[a]));
    const ranked = going.filter((i) => !Number.isNaN(values[i]));
    order.fill(-1);
    ranked.forEach((i, position) => {
      order[i] = position;
    });
    const binned = sortIntoBins(values, order, limit);
    for (let count = 0; count <= ranked.length; count += 1) {
      const largest = count ? Math.max(...ranked.slice(0, count).map((i) => Math.abs(values[i]))) : null;
      assert.equal(sizeAt(tallyBins(binned, count).last, values, order), largest, `seed ${seed}, count ${count}`);
    }
  }
});

test("NaN is no threshold, and neither is what was gone before", () => {
  assert.equal(sizeAt(1, Float32Array.of(1, NaN), Int32Array.of(0, 1)), null);
  assert.equal(sizeAt(-1, Float32Array.of(1, 2), Int32Array.of(-1, 0)), null);
});

test("the pointer finds the bins from left to right, and none beside them", () => {
  for (const width of [180, 300, 431]) {
    const found = Array.from({ length: width * 4 }, (_, quarter) => binAt(quarter / 4, width));
    assert.deepEqual([...new Set(found.filter((bin) => bin >= 0))], [...Array(BINS).keys()]);
    assert.deepEqual([found[0], found.at(-1)], [-1, -1]);
    assert.equal(binAt(placeOf(0.5, 0, width, 130, 1)[0], width), 20);
    assert.equal(binAt(2 * placeOf(0.5, 0, width, 130, 1)[0], 2 * width, 2), 20); // in larger text
  }
});
