// The cells of a picture in which single entries are known: an entry has its colour where it is kept and none
// where it is pruned; a block of them has the colour of the strongest that is kept, fainter the more of it is pruned.

import { byBlocks } from "./heatmap.js";

/** @import { Layout } from "./heatmap.js" */

/**
 * The entries of each block in the order in which they go, cell after cell: where each cell starts, the
 * positions, and the strongest of those that go then or later. Found once, they tell the block at any count.
 * @typedef {{ starts: Int32Array, positions: Int32Array, strongest: Int32Array }} Turns
 */

/**
 * Which cell each entry is in.
 * @param {Layout} layout
 */
function cellsOf({ entryRows, entryCols, blockRows, blockCols, cols }) {
  const cells = new Int32Array(entryRows * entryCols);
  const across = Int32Array.from({ length: entryCols }, (_, col) => Math.floor(col / blockCols));
  for (let row = 0, i = 0; row < entryRows; row += 1) {
    const first = Math.floor(row / blockRows) * cols;
    for (let col = 0; col < entryCols; col += 1, i += 1) cells[i] = first + across[col];
  }
  return cells;
}

/**
 * The entries in the order in which they go.
 * @param {Int32Array} order
 */
function queueOf(order) {
  let [low, high] = [0, 0];
  for (const position of order) {
    if (position < low) low = position;
    else if (position > high) high = position;
  }
  const next = new Int32Array(high - low + 2);
  for (const position of order) next[position - low + 1] += 1;
  for (let i = 1; i < next.length; i += 1) next[i] += next[i - 1];
  const queue = new Int32Array(order.length);
  for (let i = 0; i < order.length; i += 1) {
    queue[next[order[i] - low]] = i;
    next[order[i] - low] += 1;
  }
  return queue;
}

/**
 * The turns of each block's entries; null where each entry has a cell of its own.
 * @param {Layout} layout
 * @param {ArrayLike<number>} values
 * @param {Int32Array} order
 * @returns {Turns | null}
 */
export function turnsOf(layout, values, order) {
  if (!byBlocks(layout)) return null;
  const cells = cellsOf(layout);
  const starts = new Int32Array(layout.rows * layout.cols + 1);
  for (const cell of cells) starts[cell + 1] += 1;
  for (let cell = 1; cell < starts.length; cell += 1) starts[cell] += starts[cell - 1];
  const next = starts.slice();
  const strongest = new Int32Array(order.length);
  for (const entry of queueOf(order)) {
    strongest[next[cells[entry]]] = entry;
    next[cells[entry]] += 1;
  }
  const positions = strongest.map((entry) => order[entry]);
  for (let cell = 0; cell < starts.length - 1; cell += 1) {
    for (let at = starts[cell + 1] - 2; at >= starts[cell]; at -= 1) {
      const [one, later] = [strongest[at], strongest[at + 1]];
      if (!isStronger(values, one, later)) strongest[at] = later;
    }
  }
  return { starts, positions, strongest };
}

/**
 * Whether an entry is stronger than another; of equal ones the first is, and NaN, which goes last, is strongest.
 * @param {ArrayLike<number>} values
 * @param {number} one
 * @param {number} other
 */
function isStronger(values, one, other) {
  const [here, there] = [Math.abs(values[one]), Math.abs(values[other])];
  return here > there || (here === there && one < other) || Number.isNaN(here);
}

/**
 * Write the cells' pixels for `count` units pruned; at the count -1 nothing is.
 * @param {Uint32Array} pixels
 * @param {Uint32Array} colours
 * @param {Int32Array} order
 * @param {Turns | null} turns
 * @param {number} count
 */
export function paintCells(pixels, colours, order, turns, count) {
  if (!turns) {
    for (let i = 0; i < order.length; i += 1) pixels[i] = order[i] < count ? 0 : colours[i];
    return;
  }
  const { starts, positions, strongest } = turns;
  const alpha = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.length * 4);
  for (let cell = 0; cell < pixels.length; cell += 1) {
    const [start, end] = [starts[cell], starts[cell + 1]];
    let [low, high] = [start, end];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (positions[middle] < count) low = middle + 1;
      else high = middle;
    }
    pixels[cell] = low < end ? colours[strongest[low]] : 0;
    if (low < end) alpha[4 * cell + 3] = Math.round((255 * (end - low)) / (end - start));
  }
}
