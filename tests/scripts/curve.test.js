// A curve's height between its points, and the pens that tell curves apart.

import assert from "node:assert/strict";
import { test } from "node:test";
import { heightAt, pen } from "../../prune_lab/widgets/static/curve.js";
import { randomNumbers } from "./random.js";

const POINTS = [
  [0, 0.9],
  [0.5, 0.8],
  [0.6, 0.4],
  [1, 0.1],
];

test("a curve goes through its points and straight between them", () => {
  for (const [x, y] of POINTS) assert.equal(heightAt(POINTS, x), y);
  assert.equal(heightAt(POINTS, 0.25), (0.9 + 0.8) / 2);
  const random = randomNumbers(6);
  for (let round = 0; round < 1000; round += 1) {
    const x = random();
    const right = POINTS.findIndex(([px]) => px >= x);
    const [[x0, y0], [x1, y1]] = POINTS.slice(right - 1, right + 1);
    assert.ok(Math.abs(heightAt(POINTS, x) - (y0 + ((y1 - y0) * (x - x0)) / (x1 - x0))) < 1e-12);
  }
});

test("outside of what is measured there is no height", () => {
  assert.equal(heightAt([], 0.5), null);
  assert.equal(
    heightAt(
      [
        [0.2, 0.9],
        [0.4, 0.8],
      ],
      0.1,
    ),
    null,
  );
  assert.equal(
    heightAt(
      [
        [0.2, 0.9],
        [0.4, 0.8],
      ],
      0.5,
    ),
    null,
  );
  assert.equal(heightAt([[0.2, 0.9]], 0.2), 0.9);
});

test("neighbouring curves differ in colour and in dashes", () => {
  for (let number = 0; number < 12; number += 1) {
    assert.notEqual(pen(number).colour, pen(number + 1).colour);
    assert.notDeepEqual(pen(number).dash, pen(number + 1).dash);
  }
});
