// BudgetExplorer: which model is taken, what a slider says, and where a dot lies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { choose, range, words } from "../../prune_lab/widgets/static/budget_explorer.js";
import { plane } from "../../prune_lab/widgets/static/budget_plot.js";
import { randomNumbers } from "./random.js";

const dense = { name: "dense", recipe: "a", bytes: 9000, milliseconds: 0.4, validation: 0.99, test: 0.98, lost: 0 };
const cut = { name: "cut", recipe: "b", bytes: 2000, milliseconds: 0.1, validation: 0.97, test: 0.99, lost: 2 };
const coded = { name: "coded", recipe: "c", bytes: 1000, milliseconds: 0.4, validation: 0.97, test: 0.96, lost: 2 };
const ALL = [dense, cut, coded];

test("the most accurate of those that meet the budget is taken, of equals the smallest", () => {
  const taken = (bytes, milliseconds, lost) => choose(ALL, { bytes, milliseconds, lost }).best?.name;
  assert.equal(taken(9000, 0.4, 2), "dense");
  assert.equal(taken(8999, 0.4, 2), "coded");
  assert.equal(taken(8999, 0.39, 2), "cut");
  assert.equal(taken(8999, 0.4, 1.99), undefined);
  assert.equal(taken(1000, 0.4, 2), "coded");
  assert.deepEqual(choose(ALL, { bytes: 2000, milliseconds: 1, lost: 5 }).meeting, [cut, coded]);
});

test("a slider goes from the cheapest to the dearest, and its handle stays where it is put", () => {
  for (const cost of ["bytes", "milliseconds", "lost"]) {
    const { limit, share } = range(ALL, cost);
    const costs = ALL.map((one) => one[cost]);
    assert.equal(limit(0), Math.min(...costs));
    assert.equal(limit(1), Math.max(...costs));
    for (let at = 0; at <= 100; at += 1) {
      assert.equal(Number(share(limit(at / 100)).toFixed(2)), at / 100);
      if (at) assert.ok(limit(at / 100) > limit((at - 1) / 100));
    }
  }
  const long = [{ ...dense, bytes: 123_456 }, cut];
  assert.equal(range(long, "bytes").limit(1), 123_456); // not 123,000, which would leave it out
  const same = range([dense, { ...dense }], "bytes");
  assert.equal(same.limit(0.5), 9000);
  assert.equal(same.share(9000), 0);
});

test("a candidate's words name what is too much", () => {
  assert.equal(words(cut, { bytes: 2000, milliseconds: 1, lost: 2 }), "cut: 2,000 bytes, 0.1 ms, 2 points lost");
  assert.equal(
    words(dense, { bytes: 8000, milliseconds: 0.1, lost: 0 }),
    "dense: 9,000 bytes, 0.4 ms, 0 points lost (too much: file, one image)",
  );
});

test("every dot lies in the plane: to the right is larger, below is worse", () => {
  const random = randomNumbers(9);
  for (let round = 0; round < 200; round += 1) {
    const some = Array.from({ length: 5 }, () => ({ bytes: 10 ** (7 * random()), lost: 12 * random() }));
    const { x, y, below } = plane(some);
    for (const { bytes, lost } of some) {
      assert.ok(x(bytes) >= 0 && x(bytes) <= 1 && y(lost) > 0 && y(lost) < 1);
      assert.ok(x(bytes * 0.9) <= x(bytes) && y(lost + 1) <= y(lost));
    }
    assert.ok(below.length >= 2 && below.every(({ at, text }) => at >= 0 && at <= 1 && !text.includes("undefined")));
  }
  assert.deepEqual(
    plane(ALL).below.map(({ text }) => text),
    ["1 kB", "10 kB"],
  );
});
