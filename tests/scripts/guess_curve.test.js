// A curve that is drawn stroke by stroke, whole columns at a time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { said } from "../../prune_lab/widgets/static/guess.js";
import { drawLine, pieces } from "../../prune_lab/widgets/static/guess_curve.js";
import { randomNumbers } from "./random.js";

const empty = (columns = 41) => Array(columns).fill(null);

test("a click sets the nearest column", () => {
  for (const [column, nearest] of [[0, 0], [3.4, 3], [3.6, 4], [40, 40], [-2, 0], [45, 40]]) {
    const heights = drawLine(empty(), [column, 7], [column, 7]);
    assert.deepEqual(pieces(heights), [[[nearest, 7]]]);
  }
});

test("a stroke goes straight through every column between its ends, either way", () => {
  for (const [from, to] of [[[2, 10], [6, 30]], [[6, 30], [2, 10]]]) {
    const heights = drawLine(empty(), from, to);
    assert.deepEqual(pieces(heights), [[[2, 10], [3, 15], [4, 20], [5, 25], [6, 30]]]);
  }
});

test("a quick hand leaves no gap, and every height lies between the stroke's ends", () => {
  const random = randomNumbers(5);
  for (let round = 0; round < 500; round += 1) {
    const places = Array.from({ length: 6 }, () => [random() * 40, random() * 100]);
    const heights = empty();
    for (let i = 1; i < places.length; i += 1) {
      const [[x0, y0], [x1, y1]] = [places[i - 1], places[i]];
      const before = [...heights];
      drawLine(heights, places[i - 1], places[i]);
      const [low, high] = [Math.min(y0, y1), Math.max(y0, y1)];
      heights.forEach((height, column) => {
        const inside = column >= Math.min(x0, x1) && column <= Math.max(x0, x1);
        if (inside || column === Math.round(x1)) assert.ok(height >= low - 1e-9 && height <= high + 1e-9);
        else assert.equal(height, before[column]);
      });
    }
    assert.equal(pieces(heights).length, 1);
  }
});

test("pieces are the drawn columns, and nothing else", () => {
  assert.deepEqual(pieces(empty()), []);
  assert.deepEqual(pieces([null, 1, 2, null, 0, null]), [[[1, 1], [2, 2]], [[4, 0]]]);
  assert.deepEqual(pieces([5, null, 6]), [[[0, 5]], [[2, 6]]]);
});

test("numbers are written as Python writes them", () => {
  const cases = [[112, 1, "112"], [98.3333, 1, "98.3"], [0.5, 3, "0.5"], [61706, 0, "61,706"],
    [-0.4, 0, "0"], [-3.25, 2, "−3.25"], [0.0004, 3, "0"], [1e6, 0, "1,000,000"]];
  for (const [number, decimals, text] of cases) assert.equal(said(number, decimals), text);
});
