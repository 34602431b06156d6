// Accuracy in the browser: a network is measured in a worker of its own, beside what the page does.

import { asking } from "./asking.js";

/** @import { Measured } from "./measure.js" */
/** @import { Parcels } from "./parcels.js" */
/** @import { Counts, Orders } from "./prunable.js" */

/**
 * `key` says which question this is; the answer brings it back. `dense` is measured without any pruning from here.
 * @typedef {{ parcels?: Parcels, orders: Orders, counts: Counts, key: number, beside?: boolean }} Question
 * @typedef {Measured & { dense: Measured, key: number }} Answer
 *
 * What was measured when nothing else was asked.
 * @typedef {{ right: number, of: number, counts: Counts, beside: true }} Beside
 */

/**
 * Measure a network whenever more or less of it is pruned; while it is measured only the last question waits. An
 * order goes to the worker once: a question is a few numbers.
 * @param {string} script  worker.js with its parts, see `asking`.
 * @param {Parcels} parcels  The worker is given them once.
 * @param {(found: Answer | Beside | { failed: string }) => void} heard  `failed` is one sentence.
 */
export function measuring(script, parcels, heard) {
  const join = (/** @type {Question} */ earlier, /** @type {Question} */ later) => ({
    ...earlier,
    ...later,
    orders: { ...earlier.orders, ...later.orders },
  });
  const { ask, askBeside, stop } = asking(script, heard, join);
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
    /**
     * Measure this too, by the orders of the last question, if nothing else is to be done. A question breaks it off.
     * @param {Counts} counts
     */
    beside: (counts) => askBeside({ orders: {}, counts, key: -1 }),
    stop,
  };
}
