// Accuracy in the browser: a network is measured in a worker of its own, beside what the page does.

/** @import { Digits, Masks, Measured } from "./measure.js" */

/**
 * Measure a network whenever its masks change. Never more than one question is on its way: what is asked in the
 * meantime waits, the later one in place of the earlier, so that the last state is always answered.
 *
 * `script` is worker.js with its parts as one text (`prune_lab.widgets.frontend.script`), because a page from a
 * disk has no address beside it. A content policy must let `worker-src` have `blob:`, and needs to let it
 * have nothing else.
 * @param {string} script
 * @param {any} listing  Of the network, see `prune_lab.device.exporting.listing`.
 * @param {Digits} digits
 * @param {(found: Measured | { failed: string }) => void} heard  `failed` is one sentence.
 */
export function measuring(script, listing, digits, heard) {
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const worker = new Worker(address);
  URL.revokeObjectURL(address);
  /** @type {Masks | null} */
  let waiting = null;
  let asked = false;
  const next = () => {
    asked = waiting !== null;
    if (waiting) worker.postMessage({ masks: waiting });
    waiting = null;
  };
  worker.onmessage = ({ data }) => {
    heard(data);
    next();
  };
  worker.onerror = ({ message }) => heard({ failed: `the network cannot run here: ${message}` });
  worker.postMessage({ listing, digits });
  return {
    /** @param {Masks} masks  A parameter that is not named stays as it was. */
    ask(masks) {
      waiting = { ...waiting, ...masks };
      if (!asked) next();
    },
    stop: () => worker.terminate(),
  };
}
