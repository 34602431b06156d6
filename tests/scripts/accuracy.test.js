// What is said of the accuracy before Python has measured it, or where there is no Python.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nearby } from "../../prune_lab/widgets/static/accuracy.js";

const POINTS = [
  [0, 0.9],
  [0.5, 0.8],
  [1, 0.1],
];

test("a measured point is told as it is, and what lies between two as about so much", () => {
  assert.equal(nearby(POINTS, 0.5), "80.0 %");
  assert.equal(nearby(POINTS, 0.25), "≈ 85.0 %");
});

test("nothing is told where nothing is measured", () => {
  assert.equal(nearby([], 0.5), "…");
  assert.equal(nearby(POINTS.slice(0, 2), 0.7), "…");
});
