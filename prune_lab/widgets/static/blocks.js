// A tensor of which blocks are known, and of each how many entries are left at some steps of the
// amount. prune_lab/widgets/blocks.py has counted them.

import { entriesOf, indicesOf } from "./heatmap.js";
import { stepAt } from "./order.js";

/** @import { Layout } from "./heatmap.js" */
/** @import { Tensor } from "./entries.js" */

/**
 * How a matrix is cut into blocks, the counts at which these are known, and the largest magnitude.
 * @typedef {{ rows: number, cols: number, block_rows: number, block_cols: number, counts: number[], limit: number }} Grid
 */

/**
 * The lengths of so many entries, cut into parts; the last may be shorter.
 * @param {number} entries
 * @param {number} part
 */
const cut = (entries, part) =>
  Array.from({ length: Math.ceil(entries / part) }, (_, i) => Math.min(part, entries - i * part));

/**
 * @param {Grid} grid
 * @param {Float32Array} strongest  Of each block.
 * @param {Uint16Array | Uint32Array} kept  At each of the grid's counts, of each block.
 * @param {number[]} steps  The counts of the tally.
 * @param {Uint32Array} tally  Of each bin of the histogram, at each step; and of all values.
 * @returns {Tensor}
 */
export function byBlock(grid, strongest, kept, steps, tally) {
  const [high, wide] = [cut(grid.rows, grid.block_rows), cut(grid.cols, grid.block_cols)];
  const whole = Uint32Array.from(high.flatMap((rows) => wide.map((cols) => rows * cols)));
  const bins = tally.length / (steps.length + 1);
  const all = [...tally.subarray(steps.length * bins)];
  /** @param {number} count */
  const leftAt = (count) => {
    const step = stepAt(grid.counts, count);
    return count < 0 ? whole : kept.subarray(step * whole.length, (step + 1) * whole.length);
  };
  return {
    entries: grid.rows * grid.cols,
    limit: grid.limit,
    cells: [high.length, wide.length],
    block: [grid.block_rows, grid.block_cols],
    order: null,
    tally(count) {
      const step = stepAt(steps, count);
      const pruned = [...tally.subarray(step * bins, (step + 1) * bins)];
      return { all, pruned, total: pruned.reduce((a, b) => a + b, 0), last: -1 };
    },
    size: () => null,
    values: strongest,
    paint: (pixels, layout, shades, count) => paintBlocks(pixels, layout, strongest, whole, shades, leftAt(count)),
    left(layout, cell, count) {
      const here = leftAt(count);
      let [left, of] = [0, 0];
      for (const i of indicesOf(layout, cell)) [left, of] = [left + here[i], of + whole[i]];
      return { kept: left, of, at: grid.counts[stepAt(grid.counts, count)] };
    },
  };
}

/**
 * Write the cells' pixels: the colour of the strongest of a cell's blocks in which something is left,
 * fainter the less that is.
 * @param {Uint32Array} pixels
 * @param {Layout} layout
 * @param {Float32Array} strongest
 * @param {Uint32Array} whole
 * @param {Uint32Array} shades
 * @param {Uint16Array | Uint32Array} left
 */
function paintBlocks(pixels, layout, strongest, whole, shades, left) {
  const alpha = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.length * 4);
  for (let cell = 0; cell < pixels.length; cell += 1) {
    const { top, left: first, bottom, right } = entriesOf(layout, cell);
    let [best, largest, kept, of] = [-1, -1, 0, 0];
    for (let row = top; row < bottom; row += 1) {
      const base = row * layout.entryCols;
      for (let i = base + first; i < base + right; i += 1) {
        of += whole[i];
        if (!left[i]) continue;
        kept += left[i];
        const size = Math.abs(strongest[i]);
        if (size > largest || best < 0) [best, largest] = [i, size];
      }
    }
    pixels[cell] = best < 0 ? 0 : shades[best];
    if (kept) alpha[4 * cell + 3] = Math.round((255 * kept) / of);
  }
}
