// A tensor of which each entry is known: its value, and the position at which it goes.

import { paintCells, turnsOf } from "./cells.js";
import { indicesOf, limitOf } from "./heatmap.js";
import { sizeAt, sortIntoBins, tallyBins } from "./histogram.js";
import { remembered } from "./panel.js";

/** @import { Layout } from "./heatmap.js" */
/** @import { Tally } from "./histogram.js" */

/**
 * What a picture, a histogram and their words are made from, whether single entries are known or
 * blocks of them. Pruned is what is gone at a count.
 * @typedef {object} Tensor
 * @property {number} entries
 * @property {number} limit  The largest magnitude.
 * @property {number[]} cells  The shape of what can be drawn.
 * @property {[number, number]} block  How many entries each of these is, down and across.
 * @property {Int32Array | null} order  When each entry goes; null where that is not known.
 * @property {(count: number) => Tally} tally
 * @property {(position: number) => number | null} size  The magnitude that goes at a position; null: none.
 * @property {Float32Array} values  Of all that can be drawn.
 * @property {(pixels: Uint32Array, layout: Layout, shades: Uint32Array, count: number) => void} paint
 *   A cell of the layout is fainter where more is gone; at the count -1 all is there.
 * @property {(layout: Layout, cell: number, count: number) => Left} left
 */

/**
 * How many of so many entries are left in a cell, at a count.
 * @typedef {{ kept: number, of: number, at: number }} Left
 */

/**
 * @param {number[]} shape
 * @param {Float32Array} values
 * @param {Int32Array} order  Pruned means `order < count`; -1 is gone already.
 * @returns {Tensor}
 */
export function eachEntry(shape, values, order) {
  const limit = limitOf(values);
  const binned = sortIntoBins(values, order, limit);
  const turns = remembered((/** @type {Layout} */ layout) => turnsOf(layout, values, order));
  return {
    entries: order.length,
    limit,
    cells: shape,
    block: [1, 1],
    order,
    tally: (count) => tallyBins(binned, count),
    size: (position) => sizeAt(position, values, order),
    values,
    paint: (pixels, layout, shades, count) => paintCells(pixels, shades, order, turns(layout), count),
    left(layout, cell, count) {
      const inside = [...indicesOf(layout, cell)];
      return { kept: inside.filter((i) => order[i] >= count).length, of: inside.length, at: count };
    },
  };
}
