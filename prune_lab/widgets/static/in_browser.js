// What this browser measures itself: with the network that Python has given to the panel, in a worker beside the
// page. prune_lab/widgets/in_browser.py says when there is one; else Python measures.
//
// - An answer belongs to a question. What was measured for another one is shown as such: grey.
// - Another edition, Python's word for a network with its orders, has another worker: an old network answers
//   nothing any more.
// - What Python has measured is not measured here as well, until the hand moves something.
// - What was measured here is told to Python as soon as it knows what was asked. From then on it leaves such
//   questions to the browser. Where no worker can be had, Python hears that.

import { measuring } from "../../device/static/measuring.js";

/** @import { Answer } from "../../device/static/measuring.js" */
/** @import { Counts, Orders } from "../../device/static/prunable.js" */
/** @import { Host, Model } from "./dialogue.js" */

/**
 * How much of each parameter goes; orders that Python has not given along; whether Python has measured it.
 * @typedef {{ counts: Counts, orders?: Orders, known: boolean }} Asked
 *
 * What was measured last, and whether that was this question; whether no worker can be had.
 * @typedef {{ found: Answer | null, current: boolean, unable: boolean }} InBrowser
 */

export const COST_EXPLAINED =
  "Your browser has read all the digits, in so many milliseconds. The bytes are the network's float32 numbers " +
  "without the zeros: for each entry of a tensor a bit that says whether it is there, and four bytes if it is.";

/**
 * " (350 of 360) · 42 ms · 20.9 kB in this browser"
 * @param {Answer} answer
 */
export const costOf = ({ right, of, milliseconds, bytes }) =>
  ` (${right} of ${of}) · ${Math.max(1, Math.round(milliseconds))}\u00a0ms · ${(bytes / 1000).toFixed(1)}\u00a0kB in this browser`;

/** @param {ArrayBufferView} view */
const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);

/**
 * What Python has given, for a worker that begins.
 * @param {Model} model
 */
function parcelsOf(model) {
  const [network, digits, orders] = ["network", "digits", "orders"].map((name) => bytesOf(model.get(name)));
  return { network, digits, ...(orders.length && { orders }) };
}

/**
 * @param {Asked | null} one
 * @param {Asked} other
 */
const isSame = (one, other) =>
  one !== null &&
  JSON.stringify(one.counts) === JSON.stringify(other.counts) &&
  Object.entries(other.orders ?? {}).every(([name, order]) => one.orders?.[name] === order);

/**
 * @param {Host} host
 * @param {() => void} redraw
 */
export function inBrowser({ model, dialogue }, redraw) {
  /** @type {{ edition: number, worker: ReturnType<typeof measuring> } | null} */
  let running = null;
  /** @type {Asked | null} */
  let asked = null;
  /** @type {Answer | null} */
  let found = null;
  let [number, told, unable] = [0, false, false]; // of the last question, and whether Python has its answer

  function end() {
    running?.worker.stop();
    [running, asked, found] = [null, null, null];
  }

  /** @param {Answer | { failed: string }} answer */
  function hear(answer) {
    if ("failed" in answer) {
      console.warn(answer.failed);
      end();
      unable = true;
      dialogue.presence.send({ ask: "unable" });
    } else found = answer;
    redraw();
  }

  function begin() {
    const edition = model.get("edition");
    try {
      running = { edition, worker: measuring(model.get("worker"), parcelsOf(model), hear) };
    } catch (error) {
      hear({ failed: /** @type {Error} */ (error).message });
    }
  }

  function tell() {
    if (told || !found || !running || !asked || dialogue.away || !dialogue.settled) return;
    told = true;
    const { right, of, dense } = found;
    dialogue.presence.send({
      ask: "measured",
      edition: running.edition,
      counts: asked.counts,
      right,
      of,
      dense: dense.right,
    });
  }

  return {
    /**
     * What is known; it is asked if it is another question than before.
     * @param {Asked} question
     * @returns {InBrowser}
     */
    answer(question) {
      if (running && running.edition !== model.get("edition")) end();
      if (!running && !unable && !question.known && model.get("network").byteLength) begin();
      if (!running) return { found: null, current: false, unable };
      if (!isSame(asked, question)) {
        [asked, number, told] = [question, number + 1, question.known];
        running.worker.ask(question.counts, question.orders, number);
      }
      const current = found?.key === number;
      if (current) tell();
      return { found, current, unable };
    },
    stop: end,
  };
}
