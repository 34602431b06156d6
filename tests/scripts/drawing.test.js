// The strokes of the reader's page: whatever is drawn lies in the data's frame afterwards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { framed, inkOf, strokesOn } from "../../prune_lab/reader/static/drawing.js";
import { between, randomNumbers } from "./random.js";

const FRAME = [7, 0, 26, 32];
const PEN = 6;

/** Left, top, right and bottom of strokes. */
function boxOf(strokes) {
  const [xs, ys] = [0, 1].map((way) => strokes.flat().map((place) => place[way]));
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
}

test("strokes fill the frame one way and keep inside it the other, their middle in its middle", () => {
  const random = randomNumbers(11);
  for (let round = 0; round < 300; round += 1) {
    const place = () => [32 * random(), 32 * random()];
    const strokes = Array.from({ length: between(random, 1, 4) }, () =>
      Array.from({ length: between(random, 2, 30) }, place),
    );
    const [left, top, right, bottom] = boxOf(framed(strokes, FRAME, PEN));
    assert.ok(Math.abs((left + right) / 2 - 16.5) < 1e-9 && Math.abs((top + bottom) / 2 - 16) < 1e-9);
    const before = boxOf(strokes);
    const scale = (bottom - top) / (before[3] - before[1]);
    const [tall, wide] = [(bottom - top) / (32 - PEN), (right - left) / (1.2 * 19 - PEN)];
    assert.ok(tall < 1 + 1e-9 && wide < 1 + 1e-9 && scale < 4 + 1e-9);
    assert.ok(Math.max(tall, wide, scale / 4) > 1 - 1e-9); // as large as it may be
  }
});

test("a long stroke is framed, and a dot is no blot", () => {
  const long = Array.from({ length: 300_000 }, (_, i) => [i % 32, (i >> 5) % 32]);
  assert.equal(framed([long], FRAME, PEN)[0].length, long.length);
  assert.deepEqual(framed([[[3, 4]]], FRAME, PEN), [[[16.5, 16]]]);
  const [left, , right] = boxOf(
    framed(
      [
        [
          [3, 4],
          [3.5, 4],
        ],
      ],
      FRAME,
      PEN,
    ),
  );
  assert.equal(right - left, 2);
});

test("ink lies along the strokes, and nowhere between two", () => {
  const ink = inkOf(
    [
      [
        [4, 4],
        [4, 28],
      ],
      [
        [28, 4],
        [28, 28],
      ],
    ],
    [32, 32],
    [4, 2],
  );
  for (let row = 4; row < 28; row += 1) {
    assert.equal(ink[32 * row + 3], 1);
    assert.equal(ink[32 * row + 28], 1);
    assert.equal(ink[32 * row + 16], 0);
  }
});

test("the pen begins a stroke when it was lifted, by hand and by keys", () => {
  let drawn = 0;
  const pen = strokesOn([32, 32], () => {
    drawn += 1;
  });
  pen.strokeTo([1, 1], [2, 2]);
  pen.strokeTo([3, 3]);
  pen.lift();
  pen.strokeTo([9, 9]);
  assert.deepEqual(pen.strokes(), [
    [
      [1, 1],
      [2, 2],
      [3, 3],
    ],
    [[9, 9]],
  ]);
  pen.clear();
  assert.deepEqual(pen.strokes(), []);
  for (const key of ["ArrowLeft", " ", "ArrowUp", "ArrowUp", " ", "ArrowUp", ...Array(99).fill("ArrowRight")])
    pen.press(key);
  assert.deepEqual(pen.strokes(), [
    [
      [15, 16],
      [15, 15],
      [15, 14],
    ],
  ]);
  assert.deepEqual(pen.keys, { at: [31.5, 13], down: false });
  assert.ok(drawn > 100);
});
