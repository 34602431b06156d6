// The plane of histogram and curves: where its points are, and the round numbers beside it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { placeOf, roundSteps, shareAt } from "../../prune_lab/widgets/static/plot.js";

test("the pointer finds the amount that is drawn under it, on every screen", () => {
  for (const dpr of [1, 1.25, 2, 3]) {
    for (const width of [240, 431, 900]) {
      for (const amount of [0, 0.1, 0.5, 0.99, 1]) {
        const [x] = placeOf(amount, 0.5, width * dpr, 130 * dpr, dpr);
        assert.ok(Math.abs(shareAt(x / dpr, width) - amount) < 1e-9);
      }
    }
  }
});

test("more is to the right and better is higher, inside of the canvas", () => {
  const [left, bottom] = placeOf(0, 0, 600, 300, 2);
  const [right, top] = placeOf(1, 1, 600, 300, 2);
  assert.ok(0 < left && left < right && right < 600);
  assert.ok(0 < top && top < bottom && bottom < 300);
});

test("the numbers beside a histogram are round, few, and reach more than half way up", () => {
  for (let highest = 1; highest < 20_000; highest += 1) {
    const steps = roundSteps(highest);
    const [, step] = steps;
    assert.ok(steps.length >= 2 && steps.length <= 4, `${highest}: ${steps}`);
    assert.deepEqual(
      steps,
      steps.map((_, i) => i * step),
    );
    assert.match(String(step), /^[125]0*$/);
    assert.ok(steps.at(-1) <= highest && steps.at(-1) > highest / 2);
  }
});
