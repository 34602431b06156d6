// Accuracy in the browser: a network is measured in a worker of its own, beside what the page does.

import { asking } from "./asking.js";

/** @import { Digits, Masks, Measured } from "./measure.js" */

/**
 * Measure a network whenever its masks change; what is asked while it is measured waits, the later mask of a
 * parameter in place of the earlier.
 * @param {string} script  worker.js with its parts, see `asking`.
 * @param {any} listing  Of the network, see `prune_lab.device.exporting.listing`.
 * @param {Digits} digits
 * @param {(found: Measured | { failed: string }) => void} heard  `failed` is one sentence.
 */
export function measuring(script, listing, digits, heard) {
  /** @typedef {{ listing?: any, digits?: Digits, masks: Masks }} Question */
  const { ask, stop } = asking(script, heard, (/** @type {Question} */ earlier, /** @type {Question} */ later) => ({
    ...earlier,
    masks: { ...earlier.masks, ...later.masks },
  }));
  let first = true;
  return {
    /** @param {Masks} masks  A parameter that is not named stays as it was. */
    ask(masks) {
      ask(first ? { listing, digits, masks } : { masks });
      first = false;
    },
    stop,
  };
}
