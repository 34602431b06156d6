// DigitPad's answers from this browser, while Python has not answered or where there is none; and the digits that the
// reader wishes for.

import { asking } from "../../device/static/asking.js";
import { grouped } from "./amount.js";
import { workerOf } from "./in_browser.js";

/** @import { Parcels } from "../../device/static/parcels.js" */
/** @import { Host } from "./dialogue.js" */
/** @import { Digit, Drawn } from "./two_networks.js" */

/**
 * A digit of the data, behind this one.
 * @typedef {{ what: "next" | "broken", after: number }} Wish
 *
 * `key` says which question this is; the answer brings it back.
 * @typedef {{ amount: number, drawn: Drawn }} State
 * @typedef {State & { parcels?: Parcels, wish?: Wish, key: number }} Question
 *
 * Of a wish `digit` is what was found, null if nothing was.
 * @typedef {{ dense: number[], pruned: number[], seen: Float32Array, counts: number[], digits: number }} Read
 * @typedef {Read & { key: number, digit?: Digit | null }} Answer
 */

/**
 * The worker that answers, as `measuring` is for accuracies.
 * @param {string} script
 * @param {Parcels} parcels
 * @param {(answer: Answer | { failed: string }) => void} heard
 */
function reading(script, parcels, heard) {
  const join = (/** @type {Question} */ earlier, /** @type {Question} */ later) => ({ ...earlier, ...later });
  const { ask, stop } = asking(script, heard, join);
  let first = true;
  return {
    /** @param {Question} question */
    ask(question) {
      ask({ ...question, ...(first && { parcels }) });
      first = false;
    },
    stop,
  };
}

/**
 * @param {State | null} one
 * @param {State} other
 */
const isSame = (one, { amount, drawn }) =>
  one?.amount === amount && one.drawn.ink === drawn.ink && one.drawn.real === drawn.real;

/**
 * @param {Host} host
 * @param {() => void} redraw
 */
export function padInBrowser(host, redraw) {
  const { model, dialogue } = host;
  /** @type {State | null} */
  let asked = null;
  /** @type {Answer | null} */
  let found = null;
  let [number, last, none] = [0, -1, ""]; // the last question, the last digit, and that there is no other

  /** @param {Answer} answer */
  function take(answer) {
    const { digit, digits } = answer;
    found = answer;
    if (digit) dialogue.follow({ at: digit.at, image: new DataView(digit.ink.buffer), label: digit.label });
    if (digit === null)
      none =
        `None of the ${grouped(digits)} digits breaks at this amount: ` +
        "whatever the dense network reads, the pruned one reads too.";
    redraw();
  }

  const life = workerOf(host, redraw, (parcels, fail) => {
    [asked, found] = [null, null];
    return reading(model.get("worker"), parcels, (answer) => ("failed" in answer ? fail(answer.failed) : take(answer)));
  });

  return {
    /**
     * What is known of what is on the pad; it is asked if that is another than before. `known`: Python has answered.
     * @param {State & { known: boolean }} state
     */
    answer({ known, amount, drawn }) {
      last = dialogue.get("at") ?? last;
      const worker = life.get(!known);
      if (!worker) return { found: null, current: false, none };
      if (!isSame(asked, { amount, drawn })) {
        [asked, number, none] = [{ amount, drawn }, number + 1, ""];
        worker.ask({ amount, drawn, key: number });
      }
      return { found, current: found?.key === number, none };
    },
    /**
     * Whether this browser looks for another digit of the data; else Python must.
     * @param {State} state
     * @param {"next" | "broken"} what
     */
    wish(state, what) {
      const worker = life.get(true);
      if (!worker) return false;
      [asked, number, none] = [state, number + 1, ""];
      worker.ask({ ...state, key: number, wish: { what, after: last } });
      return true;
    },
    stop: life.stop,
  };
}
