// Blocks of a large tensor: their pixels and words are those of their entries, at every step.

import assert from "node:assert/strict";
import { test } from "node:test";
import { byBlock } from "../../prune_lab/widgets/static/blocks.js";
import { eachEntry } from "../../prune_lab/widgets/static/entries.js";
import { arrange, indicesOf } from "../../prune_lab/widgets/static/heatmap.js";
import { between, permutation, randomNumbers } from "./random.js";

const ROWS = 23;
const COLS = 31;
const DOWN = 4; // entries in a block
const ACROSS = 5;
const STEPS = [0, 100, 200, 400, 613];

/** A matrix of which a hundred entries are gone, entry by entry and by blocks as Python counts them. */
function both(seed) {
  const random = randomNumbers(seed);
  const values = Float32Array.from({ length: ROWS * COLS }, () => 2 * random() - 1);
  const order = permutation(random, values.length).map((position) => Math.max(-1, position - 100));
  const each = eachEntry([ROWS, COLS], values, order);
  const across = Math.ceil(COLS / ACROSS);
  const blocks = Math.ceil(ROWS / DOWN) * across;
  const blockOf = (i) => Math.floor(Math.floor(i / COLS) / DOWN) * across + Math.floor((i % COLS) / ACROSS);
  const strongest = new Float32Array(blocks);
  const kept = new Uint16Array(STEPS.length * blocks);
  values.forEach((value, i) => {
    if (Math.abs(value) > Math.abs(strongest[blockOf(i)])) strongest[blockOf(i)] = value;
    STEPS.forEach((count, step) => {
      kept[step * blocks + blockOf(i)] += order[i] >= count;
    });
  });
  const tallies = STEPS.map((count) => each.tally(count));
  const tally = Uint32Array.from([...tallies.flatMap(({ pruned }) => pruned), ...tallies[0].all]);
  const grid = { rows: ROWS, cols: COLS, block_rows: DOWN, block_cols: ACROSS, counts: STEPS, limit: each.limit };
  return { values, order, each, blocks: byBlock(grid, strongest, kept, STEPS, tally), random };
}

/** The entries of a cell of the picture, found one by one. */
function entriesIn(layout, cell) {
  const all = [];
  for (let i = 0; i < ROWS * COLS; i += 1) {
    const row = Math.floor(Math.floor(Math.floor(i / COLS) / DOWN) / layout.blockRows);
    const col = Math.floor(Math.floor((i % COLS) / ACROSS) / layout.blockCols);
    if (row * layout.cols + col === cell) all.push(i);
  }
  return all;
}

test("what is left of a cell is counted as entry by entry, also where a small screen pools blocks", () => {
  for (const [seed, width, height] of [
    [1, 300, 300],
    [2, 4, 3],
    [3, 5, 400],
  ]) {
    const { order, blocks } = both(seed);
    const layout = arrange(blocks.cells, width, height, 1);
    const pixels = new Uint32Array(layout.rows * layout.cols);
    const shades = Uint32Array.from({ length: blocks.values.length }, (_, i) => (255 << 24) | (i + 1));
    for (const count of [-1, ...STEPS, 99, 612]) {
      const at = STEPS.findLast((step) => step <= count) ?? -1;
      blocks.paint(pixels, layout, shades, count);
      pixels.forEach((pixel, cell) => {
        const inside = entriesIn(layout, cell);
        const left = inside.filter((i) => count < 0 || order[i] >= at).length;
        const alpha = Math.round((255 * left) / inside.length);
        assert.equal(pixel >>> 24, alpha, `count ${count}, cell ${cell}`);
        if (count < 0) return;
        assert.deepEqual(blocks.left(layout, cell, count), { kept: left, of: inside.length, at });
      });
    }
  }
});

test("where each entry is known, what is left of a cell is counted from the entries", () => {
  const { order, each } = both(6);
  for (const [width, height] of [
    [300, 300],
    [4, 3],
  ]) {
    const layout = arrange(each.cells, width, height, 1);
    for (const count of [-1, 0, 200, order[17], 613]) {
      for (let cell = 0; cell < layout.rows * layout.cols; cell += 1) {
        const inside = [...indicesOf(layout, cell)];
        const kept = inside.filter((i) => !(order[i] < count)).length;
        assert.deepEqual(each.left(layout, cell, count), { kept, of: inside.length, at: count });
      }
    }
  }
});

test("a cell has the colour of the strongest of its blocks in which something is left", () => {
  const { order, blocks } = both(4);
  const layout = arrange(blocks.cells, 4, 3, 1);
  const pixels = new Uint32Array(layout.rows * layout.cols);
  const shades = Uint32Array.from({ length: blocks.values.length }, (_, i) => i + 1);
  const blockOf = (i) => Math.floor(Math.floor(i / COLS) / DOWN) * blocks.cells[1] + Math.floor((i % COLS) / ACROSS);
  for (const count of [-1, ...STEPS]) {
    blocks.paint(pixels, layout, shades, count);
    pixels.forEach((pixel, cell) => {
      const inside = entriesIn(layout, cell).filter((i) => count < 0 || order[i] >= count);
      const size = (block) => Math.abs(blocks.values[block]);
      const best = inside.map(blockOf).reduce((a, b) => (a < 0 || size(b) > size(a) ? b : a), -1);
      assert.equal(pixel & 0xffffff, best + 1, `count ${count}, cell ${cell}`);
    });
  }
});

test("the tally of the blocks is that of the entries, at each step", () => {
  const { each, blocks, random } = both(5);
  for (const count of [...STEPS, between(random, 1, 612)]) {
    const at = STEPS.findLast((step) => step <= count);
    const { all, pruned, total } = each.tally(at);
    const found = blocks.tally(count);
    assert.deepEqual([found.all, found.pruned, found.total], [all, pruned, total], `count ${count}`);
  }
  assert.deepEqual([blocks.entries, blocks.limit], [each.entries, each.limit]);
});
