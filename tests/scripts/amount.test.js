// What the slider says must be what the engine prunes: amounts and counts in Python's arithmetic.

import assert from "node:assert/strict";
import { test } from "node:test";
import { countFor, fractionOf, ordinal, pythonFloat } from "../../prune_lab/widgets/static/amount.js";
import { countOf, roundHalfEven } from "../../prune_lab/widgets/static/order.js";

test("a tie is rounded to the even neighbour, as Python's round() does", () => {
  const table = [
    [0, 0],
    [0.49, 0],
    [0.5, 0],
    [0.51, 1],
    [1.5, 2],
    [2.5, 2],
    [3.5, 4],
    [4.5, 4],
    [99.5, 100],
    [100.5, 100],
    [0.49999999999999994, 0],
    [0.1 + 0.2, 0],
    [7, 7],
    [2 ** 40 + 0.5, 2 ** 40],
    [2 ** 40 + 1.5, 2 ** 40 + 2],
  ];
  for (const [x, rounded] of table) assert.equal(roundHalfEven(x), rounded, `round(${x})`);
});

test("the product is rounded as the float that it is", () => {
  // Python: round(0.145 * 100) == 14 and round(0.285 * 100) == 28: the products are just below.
  const table = [
    [0.3, 150, 45],
    [0.145, 100, 14],
    [0.285, 100, 28],
    [0.5, 5, 2],
    [0.5, 7, 4],
    [0.29, 50, 14],
    [1, 61470, 61470],
    [0, 61470, 0],
    [0.5, 0, 0],
  ];
  for (const [fraction, units, count] of table) {
    assert.equal(countOf(fraction, units), count, `round(${fraction} * ${units})`);
  }
});

test("every count has a fraction that prunes exactly as many", () => {
  const sizes = [...Array(501).keys(), 2400, 48000, 61470];
  for (const units of sizes) {
    const step = Math.max(1, Math.floor(units / 500));
    for (let count = 0; count <= units; count += step) {
      const fraction = fractionOf(count, units);
      assert.ok(fraction >= 0 && fraction <= 1);
      assert.equal(countOf(fraction, units), count, `${count} of ${units} as ${fraction}`);
    }
  }
});

test("it is the shortest such fraction", () => {
  assert.equal(fractionOf(45, 150), 0.3);
  assert.equal(fractionOf(1, 3), 0.3);
  assert.equal(fractionOf(0, 150), 0);
  assert.equal(fractionOf(150, 150), 1);
});

test("a fraction is written so that Python reads a float, and the same one", () => {
  const table = [
    [0, "0.0"],
    [1, "1.0"],
    [0.3, "0.3"],
    [0.29, "0.29"],
    [1 / 3, "0.3333333333333333"],
  ];
  for (const [fraction, text] of table) assert.equal(pythonFloat(fraction), text);
  for (let count = 0; count <= 997; count += 1) {
    const text = pythonFloat(count / 997);
    assert.equal(Number(text), count / 997);
    assert.match(text, /^\d+\.\d+$|^\d+(\.\d+)?e-\d+$/);
  }
});

test("ordinals", () => {
  const table = [
    [1, "1st"],
    [2, "2nd"],
    [3, "3rd"],
    [4, "4th"],
    [10, "10th"],
    [11, "11th"],
    [12, "12th"],
    [13, "13th"],
    [21, "21st"],
    [101, "101st"],
    [111, "111th"],
    [112, "112th"],
    [1002, "1,002nd"],
    [48_013, "48,013th"],
  ];
  for (const [n, text] of table) assert.equal(ordinal(n), text);
});

test("a count keeps its share where it was chosen of another number of units", () => {
  assert.equal(countFor(["fraction", 0.5], 5), 2); // Python's round()
  assert.equal(countFor(["count", 45, 150], 150), 45);
  assert.equal(countFor(["count", 75, 150], 2400), 1200);
  assert.equal(countFor(["count", 200, 150], 150), 150); // never more than there are
  assert.equal(countFor(["count", 0, 0], 6), 0);
});
