// What the explorer shows at a moment: Python's picture for the amount on the slider, or on top of
// it a mask by hand. Everything else in the panel is told from this.

import { countFor } from "./amount.js";
import { limitOf } from "./heatmap.js";
import { sizeAt, sortIntoBins, tallyBins } from "./histogram.js";
import { numbers, remembered } from "./panel.js";
import { named, offered } from "./techniques.js";

/** @import { Amount } from "./amount.js" */
/** @import { Host } from "./dialogue.js" */
/** @import { Tally } from "./histogram.js" */
/** @import { Technique } from "./techniques.js" */

/**
 * Pruned means `order < count`; `units` can go, counted from 1 to that.
 * @typedef {object} Preview
 * @property {string} name  Of the parameter in the picture; the menu may be ahead of it.
 * @property {number[]} shape
 * @property {Float32Array} values
 * @property {number} limit  The largest magnitude among them.
 * @property {Int32Array} order
 * @property {string[]} ramp
 * @property {string} view
 * @property {Technique[]} techniques
 * @property {Technique} technique  The one that is chosen.
 * @property {Technique} shown  The one that the picture is of.
 * @property {boolean} painted
 * @property {boolean} movable  Whether an amount moves the picture.
 * @property {boolean} waiting  Whether the picture is not of what the controls say: Python has yet to answer.
 * @property {Amount} amount
 * @property {number} units
 * @property {number} count
 * @property {Tally} tally
 * @property {number | null} threshold  What is smaller goes; null where another rule decides.
 * @property {number | null} accuracy  Measured for exactly this count; null while it is not known.
 */

// The controls that the picture depends on.
export const RANKED_BY = ["name", "technique", "n", "dim", "m", "seed"];

/**
 * The positions, or a mask by hand (1 kept, 0 pruned) in their place; -1 is gone in both.
 * @param {Int32Array} order
 * @param {Uint8Array | undefined} mask
 */
const laidOver = (order, mask) =>
  mask?.length === order.length ? order.map((position, i) => (position < 0 ? -1 : mask[i])) : order;

/**
 * The function that reads the preview off the model and the reader's choices.
 * @param {Host} host
 * @returns {() => Preview}
 */
export function previewOf({ model, dialogue }) {
  const floats = remembered((/** @type {DataView} */ bytes) => numbers(bytes, Float32Array));
  const positions = remembered((/** @type {DataView} */ bytes) => numbers(bytes, Int32Array));
  const [limited, ordered, binned, menu] = [
    remembered(limitOf),
    remembered(laidOver),
    remembered(sortIntoBins),
    remembered(offered),
  ];
  return () => {
    const mask = dialogue.get("painted") ?? undefined;
    const values = floats(model.get("values"));
    const order = ordered(positions(model.get("order")), mask);
    const limit = limited(values);
    const shape = model.get("shape");
    const techniques = menu(model.get("techniques"), shape.length);
    const byHand = techniques.find(({ by_hand }) => by_hand);
    const shown = (mask && byHand) || named(techniques, dialogue.known("technique"));
    const movable = !mask && model.get("ways").length > 0;
    const units = mask ? 1 : model.get("units");
    const amount = dialogue.get("amount");
    const count = movable ? countFor(amount, units) : units;
    const tally = tallyBins(binned(values, order, limit), count);
    const waiting = !mask && dialogue.waits(...RANKED_BY);
    const [of, accuracy] = model.get("accuracy");
    return {
      name: dialogue.known("name"),
      shape,
      values,
      limit,
      order,
      ramp: model.get("ramp"),
      view: dialogue.get("view"),
      techniques,
      technique: named(techniques, dialogue.get("technique")),
      shown,
      painted: Boolean(mask),
      movable,
      waiting,
      amount,
      units,
      count,
      tally,
      threshold: shown.by_size ? sizeAt(tally.last, values, order) : null,
      accuracy: of === count && !mask && !waiting ? accuracy : null,
    };
  };
}
