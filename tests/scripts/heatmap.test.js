// The heatmap's geometry and pixels, without a canvas: what is drawn in a cell, what the pointer
// finds there and what the keyboard reaches must be the same entries.

import assert from "node:assert/strict";
import { test } from "node:test";
import { paintCells, turnsOf } from "../../prune_lab/widgets/static/cells.js";
import {
  arrange,
  byBlocks,
  cellAt,
  colourise,
  entriesOf,
  limitOf,
  neighbour,
  rectangleOf,
  tooSmallToHatch,
} from "../../prune_lab/widgets/static/heatmap.js";
import { between, permutation, randomNumbers } from "./random.js";

const SHAPES = [
  [],
  [1],
  [7],
  [150],
  [100_000],
  [3, 4],
  [10, 84],
  [120, 400],
  [1000, 1000],
  [3, 50_000],
  [50_000, 3],
  [1, 1],
  [6, 1, 5, 5],
  [16, 6, 5, 5],
  [64, 3, 7, 7],
  [1, 1, 3, 3],
  [128, 64, 1, 1],
  [2, 3, 4, 5, 6],
  [4, 2, 9],
  [333, 777],
];
const SCREENS = [
  [700, 440, 1],
  [380, 440, 1],
  [871, 550, 1.25],
  [1050, 660, 1.5],
  [1400, 880, 2],
  [1125, 1320, 3],
];

const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

/** Every shape on every screen, and a hundred random ones. */
function* layouts() {
  for (const shape of SHAPES) {
    for (const [width, height, dpr] of SCREENS)
      yield { shape, width, height, dpr, layout: arrange(shape, width, height, dpr) };
  }
  const random = randomNumbers(1);
  for (let i = 0; i < 100; i += 1) {
    const shape = Array.from({ length: between(random, 1, 5) }, () => between(random, 1, 12));
    const dpr = [1, 1.25, 1.5, 2, 3][between(random, 0, 4)];
    const [width, height] = [Math.floor(between(random, 240, 900) * dpr), Math.floor(440 * dpr)];
    yield { shape, width, height, dpr, layout: arrange(shape, width, height, dpr) };
  }
}

const cellsOf = ({ tiles, rows, cols }) => tiles.length * rows * cols;
const named = ({ shape, width, dpr }) => `[${shape}] in ${width} at ${dpr}`;

test("the picture fits its place, in whole pixels that can be seen", () => {
  for (const it of layouts()) {
    const { width, height, cellWidth, cellHeight, dpr } = it.layout;
    assert.ok(width <= it.width && height <= it.height, named(it));
    assert.ok(Number.isInteger(cellWidth) && Number.isInteger(cellHeight), named(it));
    assert.ok(Math.min(cellWidth, cellHeight) >= Math.max(1, Math.round(dpr)), named(it));
  }
});

test("each entry belongs to exactly one cell, in the order in which torch stores them", () => {
  for (const it of layouts()) {
    const { layout } = it;
    const times = new Uint8Array(product(it.shape));
    for (let cell = 0; cell < cellsOf(layout); cell += 1) {
      const { top, left, bottom, right, first } = entriesOf(layout, cell);
      assert.equal(first, top * layout.entryCols + left);
      if (!byBlocks(layout)) assert.equal(first, cell, named(it));
      for (let row = top; row < bottom; row += 1) {
        for (let col = left; col < right; col += 1) times[row * layout.entryCols + col] += 1;
      }
    }
    assert.equal(times.length, layout.entryRows * layout.entryCols, named(it));
    assert.ok(
      times.every((n) => n === 1),
      named(it),
    );
  }
});

test("the pointer finds a cell on every pixel of its rectangle, and nowhere else", () => {
  for (const it of layouts()) {
    const { layout } = it;
    const stride = Math.max(1, Math.floor(cellsOf(layout) / 500));
    for (let cell = 0; cell < cellsOf(layout); cell += stride) {
      const { x, y, width, height } = rectangleOf(layout, cell);
      assert.ok(x >= 0 && y >= 0 && x + width <= layout.width && y + height <= layout.height, named(it));
      for (const [px, py] of [
        [width / 2, height / 2],
        [0, 0],
        [width - 0.01, height - 0.01],
      ]) {
        assert.equal(cellAt(layout, x + px, y + py), cell, named(it));
      }
      for (const [px, py] of [
        [-0.01, height / 2],
        [width, height / 2],
        [width / 2, -0.01],
        [width / 2, height],
      ]) {
        assert.notEqual(cellAt(layout, x + px, y + py), cell, named(it));
      }
    }
    assert.equal(cellAt(layout, -1, layout.height / 2), -1);
    assert.equal(cellAt(layout, layout.width + 1, layout.height + 1), -1);
  }
});

test("between kernels there is nothing to point at", () => {
  const layout = arrange([6, 1, 5, 5], 700, 440, 1);
  const { x, y, width } = rectangleOf(layout, 4); // the end of the first kernel's first line
  assert.equal(cellAt(layout, x + width + 1, y), -1);
  assert.equal(cellAt(layout, x, y - 2), -1); // the label
  layout.labels.forEach(({ text, x: left, y: baseline }, filter) => {
    assert.equal(text, `filter ${filter}`);
    assert.equal(left, layout.tiles[filter].x);
    assert.ok(baseline < layout.tiles[filter].y - 2); // a "g" reaches below its line
  });
});

test("an arrow key goes to the cell beside, and stays at the edge", () => {
  for (const it of layouts()) {
    const { layout } = it;
    const { rows, cols } = layout;
    const stride = Math.max(1, Math.floor(cellsOf(layout) / 300));
    for (let cell = 0; cell < cellsOf(layout); cell += stride) {
      const [row, col] = [Math.floor(cell / cols) % rows, cell % cols];
      const go = (key) => neighbour(layout, cell, key);
      if (col > 0) assert.equal(go("ArrowLeft"), cell - 1, named(it));
      if (col < cols - 1) assert.equal(go("ArrowRight"), cell + 1, named(it));
      if (row > 0) assert.equal(go("ArrowUp"), cell - cols, named(it));
      if (row < rows - 1) assert.equal(go("ArrowDown"), cell + cols, named(it));
      assert.equal(go("Enter"), cell);
    }
    assert.equal(neighbour(layout, 0, "ArrowUp"), 0, named(it));
    assert.equal(neighbour(layout, 0, "ArrowLeft"), 0, named(it));
  }
});

test("with the arrow keys alone every entry can be reached", () => {
  for (const it of layouts()) {
    const { layout } = it;
    const total = cellsOf(layout);
    if (total > 3000) continue;
    const reached = new Set([0]);
    const open = [0];
    while (open.length) {
      const cell = open.pop();
      for (const key of ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]) {
        const next = neighbour(layout, cell, key);
        if (!reached.has(next)) open.push(next);
        reached.add(next);
      }
    }
    assert.equal(reached.size, total, named(it));
  }
});

/** What a cell's pixel should be, worked out entry by entry from the definition. */
function pixelOf(layout, cell, values, colours, order, count) {
  const all = [];
  for (let i = 0; i < values.length; i += 1) {
    const [row, col] = [Math.floor(i / layout.entryCols), i % layout.entryCols];
    const inBlock = Math.floor(row / layout.blockRows) * layout.cols + Math.floor(col / layout.blockCols);
    if (inBlock === cell) all.push(i);
  }
  const kept = all.filter((i) => order[i] >= count);
  if (!kept.length) return 0;
  const strongest = kept.reduce((best, i) => (Math.abs(values[i]) > Math.abs(values[best]) ? i : best));
  const alpha = Math.round((255 * kept.length) / all.length);
  return ((alpha << 24) | (colours[strongest] & 0xffffff)) >>> 0;
}

test("a cell has its entry's colour, a block its strongest kept entry's, fainter where more is pruned", () => {
  const random = randomNumbers(2);
  const ramp = [
    [5, 48, 97],
    [247, 247, 247],
    [103, 0, 31],
  ];
  for (const [shape, width, height] of [
    [[6, 1, 5, 5], 700, 440],
    [[9, 14], 700, 440],
    [[37, 53], 20, 12],
    [[400], 90, 40],
    [[8, 96], 30, 440],
  ]) {
    const layout = arrange(shape, width, height, 1);
    const values = Float32Array.from({ length: product(shape) }, () => 2 * random() - 1);
    const order = permutation(random, values.length).map((position) => position - 10); // ten have gone before
    const colours = colourise(values, 1, ramp);
    const pixels = new Uint32Array(cellsOf(layout)).fill(0x12345678);
    const turns = turnsOf(layout, values, order);
    for (const count of [-1, 0, 1, Math.floor(values.length / 3), values.length - 11, values.length]) {
      paintCells(pixels, colours, order, turns, count);
      for (let cell = 0; cell < pixels.length; cell += 1) {
        assert.equal(pixels[cell], pixelOf(layout, cell, values, colours, order, count), `[${shape}] ${count} ${cell}`);
      }
    }
  }
});

test("of equal entries a block has the colour of the first that is kept, and one with NaN is grey", () => {
  const layout = arrange([1000, 1000], 700, 440, 1);
  const [values, colours] = [new Float32Array(1e6), new Uint32Array(1e6).map((_, i) => i)];
  const order = new Int32Array(1e6).map((_, i) => (i % 7) - 1);
  values[1001] = NaN; // in the first block
  const pixels = new Uint32Array(cellsOf(layout));
  const turns = turnsOf(layout, values, order);
  const { blockRows, blockCols } = layout;
  for (const count of [-1, 0, 3, 5]) {
    paintCells(pixels, colours, order, turns, count);
    const place = (cell) => {
      const { top, left, bottom, right } = entriesOf(layout, cell);
      for (let row = top; row < bottom; row += 1) {
        for (let i = row * 1000 + left; i < row * 1000 + right; i += 1) if (order[i] >= count) return i;
      }
      return 0;
    };
    for (let cell = 1; cell < pixels.length; cell += 99) assert.equal(pixels[cell] & 0xffffff, place(cell), `${cell}`);
    assert.ok(blockRows > 1 && blockCols > 1);
    assert.equal(pixels[0] & 0xffffff, order[1001] >= count ? 1001 : place(0));
  }
});

test("by blocks only where single entries would be too small", () => {
  assert.equal(byBlocks(arrange([6, 1, 5, 5], 700, 440, 1)), false);
  assert.equal(byBlocks(arrange([120, 400], 700, 440, 1)), false);
  assert.equal(byBlocks(arrange([1000, 1000], 700, 440, 1)), true);
  assert.equal(tooSmallToHatch(arrange([6, 1, 5, 5], 700, 440, 1)), false);
  assert.equal(tooSmallToHatch(arrange([120, 400], 700, 440, 1)), true);
});

test("the colour scale: its ends, its middle, and what has no place on it", () => {
  const ramp = [
    [0, 0, 255],
    [255, 255, 255],
    [255, 0, 0],
  ];
  const [low, middle, high, beyond, nan, half] = new Uint8Array(
    colourise(Float32Array.of(-2, 0, 2, 9, NaN, 1), 2, ramp).buffer,
  ).reduce((rows, byte, i) => {
    if (i % 4 === 0) rows.push([]);
    rows.at(-1).push(byte);
    return rows;
  }, []);
  assert.deepEqual(low, [0, 0, 255, 255]);
  assert.deepEqual(middle, [255, 255, 255, 255]);
  assert.deepEqual(high, [255, 0, 0, 255]);
  assert.deepEqual(beyond, high);
  assert.deepEqual(nan, [128, 128, 128, 255]);
  assert.deepEqual(half, [255, 128, 128, 255]);
});

test("the scale ends at the largest finite value, and a tensor of zeros has one too", () => {
  assert.equal(limitOf(Float32Array.of(0.5, -3, NaN, -Infinity, 2)), 3);
  assert.equal(limitOf(new Float32Array(4)), 1);
  assert.equal(limitOf(new Float32Array()), 1);
});
