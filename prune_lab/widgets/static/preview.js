// What the explorer shows at a moment: Python's picture for the amount on the slider, or on top of
// it a mask by hand. Everything else in the panel is told from this.

import { countFor } from "./amount.js";
import { byBlock } from "./blocks.js";
import { eachEntry } from "./entries.js";
import { stepAt } from "./order.js";
import { numbers, remembered } from "./panel.js";
import { named, offered } from "./techniques.js";

/** @import { Amount } from "./amount.js" */
/** @import { Host, Model } from "./dialogue.js" */
/** @import { Tensor } from "./entries.js" */
/** @import { Tally } from "./histogram.js" */
/** @import { Technique } from "./techniques.js" */

/**
 * So many of the `units` go as `count` says.
 * @typedef {object} Preview
 * @property {string} name  Of the parameter in the picture; the menu may be ahead of it.
 * @property {number[]} shape
 * @property {boolean} there  Whether there is a picture: one of many entries takes Python a while.
 * @property {Tensor} tensor
 * @property {number} entries
 * @property {number[]} steps  The counts that can be shown; none: every count can.
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
 * @property {number} drawn  The last count, up to this one, that can be shown: of that are picture and tally.
 * @property {Tally} tally
 * @property {number | null} gone  How many entries are pruned at `count`; null while it is not known.
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
 * The function that reads the tensor off the model, with a mask by hand laid over it.
 * @param {Model} model
 * @returns {(mask: Uint8Array | undefined) => Tensor}
 */
function tensorOf(model) {
  /**
   * @template {Float32Array | Int32Array | Uint16Array | Uint32Array} Numbers
   * @param {new (buffer: ArrayBuffer) => Numbers} Type
   */
  const read = (Type) => remembered((/** @type {DataView} */ bytes) => numbers(bytes, Type));
  const [values, strongest] = [read(Float32Array), read(Float32Array)];
  const [order, tally, small, large] = [read(Int32Array), read(Uint32Array), read(Uint16Array), read(Uint32Array)];
  const [ordered, entries, blocks] = [remembered(laidOver), remembered(eachEntry), remembered(byBlock)];
  return (mask) => {
    const grid = model.get("grid");
    if (!grid.counts) {
      return entries(model.get("shape"), values(model.get("values")), ordered(order(model.get("order")), mask));
    }
    const colours = strongest(model.get("strongest"));
    const kept = model.get("kept");
    const counted = kept.byteLength === 2 * grid.counts.length * colours.length ? small(kept) : large(kept);
    return blocks(grid, colours, counted, model.get("steps"), tally(model.get("tally")));
  };
}

/**
 * The function that reads the preview off the model and the reader's choices.
 * @param {Host} host
 * @returns {() => Preview}
 */
export function previewOf({ model, dialogue }) {
  const [tensorNow, menu] = [tensorOf(model), remembered(offered)];
  const sizes = remembered((/** @type {DataView} */ bytes) => numbers(bytes, Float32Array));
  return () => {
    const mask = dialogue.get("painted") ?? undefined;
    const tensor = tensorNow(mask);
    const shape = model.get("shape");
    const techniques = menu(model.get("techniques"), shape.length);
    const byHand = techniques.find(({ by_hand }) => by_hand);
    const shown = (mask && byHand) || named(techniques, dialogue.known("technique"));
    const movable = !mask && model.get("ways").length > 0;
    const units = mask ? 1 : model.get("units");
    const amount = dialogue.get("amount");
    const count = movable ? countFor(amount, units) : units;
    const steps = mask ? [] : model.get("steps");
    const drawn = steps.length ? steps[stepAt(steps, count)] : count;
    const tally = tensor.tally(drawn);
    const there = model.get("drawn") === 1;
    const [told, gone] = model.get("gone");
    const largest = () => {
      if (!steps.length) return tensor.size(tally.last);
      const size = sizes(model.get("sizes"))[stepAt(steps, drawn)];
      return Number.isNaN(size) ? null : size;
    };
    const waiting = !mask && dialogue.waits(...RANKED_BY);
    const [of, accuracy] = model.get("accuracy");
    return {
      name: dialogue.known("name"),
      shape,
      there,
      tensor,
      entries: shape.reduce((/** @type {number} */ all, /** @type {number} */ size) => all * size, 1),
      steps,
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
      drawn,
      tally,
      gone: there ? (drawn === count ? tally.total : told === count ? gone : null) : null,
      threshold: there && shown.by_size ? largest() : null,
      accuracy: of === count && !mask && !waiting ? accuracy : null,
    };
  };
}
