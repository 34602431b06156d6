// Positions and names of entries.

import assert from "node:assert/strict";
import { test } from "node:test";
import { below, indexed, prunedAt, stepAt } from "../../prune_lab/widgets/static/order.js";
import { between, randomNumbers } from "./random.js";

test("below counts what a plain loop counts", () => {
  const random = randomNumbers(4);
  for (let round = 0; round < 300; round += 1) {
    const sorted = Int32Array.from({ length: between(random, 0, 40) }, () => between(random, -1, 30)).sort();
    for (let count = -1; count <= 31; count += 1) {
      assert.equal(below(sorted, count), sorted.filter((position) => position < count).length);
    }
  }
});

test("the last step that is not above a count", () => {
  const random = randomNumbers(6);
  for (let round = 0; round < 100; round += 1) {
    const counts = [0];
    for (let i = between(random, 0, 12); i > 0; i -= 1) counts.push(counts.at(-1) + between(random, 1, 4));
    for (let count = 0; count <= counts.at(-1) + 2; count += 1) {
      assert.equal(
        stepAt(counts, count),
        counts.findLastIndex((step) => step <= count),
      );
    }
  }
});

test("a layer's share goes from step to step on straight lines", () => {
  const steps = [0, 10, 40, 100];
  const table = [
    [0, 0],
    [100, 10],
    [50, 5],
    [150, 25],
    [200, 40],
    [250, 70],
    [300, 100],
  ];
  for (const [count, pruned] of table) assert.equal(prunedAt(steps, count, 300), pruned);
  assert.equal(prunedAt(steps, 0, 0), 0); // nothing is left that could go
});

test("an entry's name is where torch finds it", () => {
  assert.deepEqual(indexed("weight", 0, []), { places: [], text: "weight[]" });
  assert.equal(indexed("bias", 3, [6]).text, "bias[3]");
  assert.equal(indexed("weight", 149, [6, 1, 5, 5]).text, "weight[5, 0, 4, 4]");
  const random = randomNumbers(5);
  for (let round = 0; round < 500; round += 1) {
    const shape = Array.from({ length: between(random, 1, 5) }, () => between(random, 1, 9));
    const places = shape.map((size) => between(random, 0, size - 1));
    const flat = places.reduce((sum, place, dim) => sum * shape[dim] + place, 0);
    assert.deepEqual(indexed("weight", flat, shape).places, places);
  }
});
