// Accuracy in the browser: a network is measured in a worker of its own, beside what the page does.

import { asking } from "./asking.js";

/** @import { Measured } from "./measure.js" */
/** @import { Parcels } from "./parcels.js" */
/** @import { Counts, Orders } from "./prunable.js" */

/**
 * `key` says which question this is; the answer brings it back. `dense` is measured without any pruning from here.
 * @typedef {{ parcels?: Parcels, orders: Orders, counts: Counts, key: number }} Question
 * @typedef {Measured & { dense: Measured, key: number }} Answer
 */

/**
 * Measure a network whenever more or less of it is pruned; while it is measured only the last question waits. An
 * order goes to the worker once: a question is a few numbers.
 * @param {string} script  worker.js with its parts, see `asking`.
 * @param {Parcels} parcels  The worker is given them once.
 * @param {(found: Answer | { failed: string }) => void} heard  `failed` is one sentence.
 */
export function measuring(script, parcels, heard) {
  const { ask, stop } = asking(script, heard, (/** @type {Question} */ earlier, /** @type {Question} */ later) => ({
    ...earlier,
    ...later,
    orders: { ...earlier.orders, ...later.orders },
  }));
  /** @type {Map<string, Int32Array>} */
  const known = new Map();
  let first = true;
  return {
    /**
     * @param {Counts} counts
     * @param {Orders} orders  Those that were given before may be left out.
     * @param {number} key
     */
    ask(counts, orders = {}, key = 0) {
      const fresh = Object.entries(orders).filter(([name, order]) => known.get(name) !== order);
      for (const [name, order] of fresh) known.set(name, order);
      ask({ ...(first && { parcels }), orders: Object.fromEntries(fresh), counts, key });
      first = false;
    },
    stop,
  };
}
