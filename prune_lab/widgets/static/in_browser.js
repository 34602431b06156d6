// What this browser measures itself: with the network that Python has given to the panel, in a worker beside the
// page. prune_lab/widgets/in_browser.py says when there is one; else Python measures.
//
// - An answer belongs to a question. What was measured for another one is shown as such: grey.
// - Another edition, Python's word for a network with its orders, has another worker: an old network answers
//   nothing any more.
// - What Python has measured is not measured here as well, until the hand moves something.
// - Curves are measured here where there is no Python: point by point when the hand rests, and what the hand asks
//   breaks a point off.
// - What was measured here is told to Python as soon as it knows what was asked. From then on it leaves such
//   questions to the browser. Where no worker can be had, Python hears that.

import { measuring } from "../../device/static/measuring.js";

/** @import { Answer } from "../../device/static/measuring.js" */
/** @import { Parcels } from "../../device/static/parcels.js" */
/** @import { Counts, Orders } from "../../device/static/prunable.js" */
/** @import { Point } from "./curve.js" */
/** @import { Dialogue, Host, Model } from "./dialogue.js" */

/**
 * How much of each parameter goes; orders that Python has not given along; whether Python has measured it.
 * @typedef {{ counts: Counts, orders?: Orders, known: boolean }} Asked
 *
 * A point of a curve: its amount, how much of each parameter goes there, and the share that is read right, if Python
 * has measured it.
 * @typedef {{ amount: number, counts: Counts, share: number | undefined }} Wanted
 *
 * The curves, where this browser measures them: their points, each with the share that is read right as soon as it is
 * known; whether they are being measured; and how to stop that, or go on.
 * @typedef {{ points: Wanted[], measuring: boolean, press: () => void }} Curves
 *
 * What was measured last, and whether that was this question; whether no worker can be had; null where Python measures
 * the curves.
 * @typedef {{ found: Answer | null, current: boolean, unable: boolean, curves: Curves | null }} InBrowser
 */

const REST = 300; // milliseconds without another question, until the curves go on

/** @type {InBrowser} */
export const NOT_ASKED = { found: null, current: false, unable: false, curves: null };

export const COST_EXPLAINED =
  "Your browser has read all the digits, in so many milliseconds. The bytes are the network's float32 numbers " +
  "without the zeros: for each entry of a tensor a bit that says whether it is there, and four bytes if it is.";

/**
 * What is said of the accuracy: `share` now, null while it is not known; whether that was a moment ago; `dense`, the
 * share without this panel's pruning, if it was measured here; and what measuring took, such as
 * " (350 of 360) · 42 ms · 20.9 kB in this browser".
 * @param {{ accuracy: number | null, measured: InBrowser }} now
 */
export function toldOf({ accuracy, measured: { found, current, unable } }) {
  if (!found) {
    const paid = unable ? " (this page lets no worker measure it)" : "";
    return { share: accuracy, dense: null, late: false, paid };
  }
  const { right, of, milliseconds, bytes, dense } = found;
  const late = accuracy === null && !current;
  const took = `${Math.max(1, Math.round(milliseconds))}\u00a0ms · ${(bytes / 1000).toFixed(1)}\u00a0kB`;
  return {
    share: accuracy ?? right / of,
    dense: dense.right / of,
    late,
    paid: current || late ? ` (${right} of ${of}) · ${took} in this browser` : "",
  };
}

/**
 * Whether there is no Python that could measure: not there yet, gone, or never there, in a page.
 * @param {Dialogue} dialogue
 */
export const isAlone = ({ away, presence }) => away || presence.nobody;

/**
 * What is known of a curve.
 * @param {Wanted[]} wanted
 * @returns {Point[]}
 */
export const pointsOf = (wanted) =>
  wanted.flatMap(({ amount, share }) => (share === undefined ? [] : [[amount, share]]));

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
 * What an answer is remembered by: nothing goes of what is not named.
 * @param {Counts} counts
 */
const keyOf = (counts) => JSON.stringify(Object.entries(counts).filter(([, count]) => count > 0));

/**
 * The worker of the panel's present edition, begun when it is needed first. `make` begins one, and may say that it
 * has failed, in a sentence.
 * @template {{ stop: () => void }} Made
 * @param {Host} host
 * @param {() => void} redraw
 * @param {(parcels: Parcels, fail: (why: string) => void) => Made} make
 */
export function workerOf({ model, dialogue }, redraw, make) {
  /** @type {{ edition: number, worker: Made } | null} */
  let running = null;
  let unable = false;

  function stop() {
    running?.worker.stop();
    running = null;
  }

  /** @param {string} why */
  function fail(why) {
    console.warn(why);
    stop();
    unable = true;
    dialogue.presence.send({ ask: "unable" });
    redraw();
  }

  return {
    stop,
    unable: () => unable,
    /** @param {boolean} needed */
    get(needed) {
      const edition = model.get("edition");
      if (running && running.edition !== edition) stop();
      if (!running && !unable && needed && model.get("network").byteLength) {
        try {
          running = { edition, worker: make(parcelsOf(model), fail) };
        } catch (error) {
          fail(/** @type {Error} */ (error).message);
        }
      }
      return running?.worker ?? null;
    },
  };
}

/**
 * @param {Host} host
 * @param {() => void} redraw
 */
export function inBrowser(host, redraw) {
  const { model, dialogue } = host;
  /** @type {Asked | null} */
  let asked = null;
  /** @type {Answer | null} */
  let found = null;
  let [number, told] = [0, false]; // of the last question, and whether Python has its answer
  let [timer, halted] = [0, false]; // until the hand has rested, 0 when it has; and whether the curves are to wait
  const life = workerOf(host, redraw, (parcels, fail) => {
    [asked, found] = [null, null];
    /** @type {Map<string, number>} */
    const shares = new Map(); // of the digits read right, at points of curves
    const worker = measuring(model.get("worker"), parcels, (answer) => {
      if ("failed" in answer) return fail(answer.failed);
      if ("beside" in answer) shares.set(keyOf(answer.counts), answer.right / answer.of);
      else {
        found = answer;
        shares.set(keyOf({}), answer.dense.right / answer.of);
      }
      redraw();
    });
    return { ...worker, shares };
  });

  function rest() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = 0;
      redraw();
    }, REST);
  }

  /** @type {(points: Wanted[]) => Curves} */
  const curvesWith = (points) => ({
    points,
    measuring: !halted,
    press() {
      halted = !halted;
      redraw();
    },
  });

  function tell() {
    if (told || !found || !asked || dialogue.away || !dialogue.settled) return;
    told = true;
    const { right, of, dense } = found;
    const edition = model.get("edition");
    dialogue.presence.send({ ask: "measured", edition, counts: asked.counts, right, of, dense: dense.right });
  }

  return {
    /**
     * What is known; it is asked if it is another question than before. Where there is no Python, so are the points of
     * curves that nobody knows yet, the first ones first.
     * @param {Asked} question
     * @param {() => Wanted[]} wanted  Made where there is no Python alone: every step of a slider comes by here.
     * @returns {InBrowser}
     */
    answer(question, wanted) {
      const own = isAlone(dialogue) && !life.unable() && model.get("network").byteLength > 0;
      const shares = life.get(false)?.shares;
      const points = (own ? wanted() : []).map(({ share, ...point }) => ({
        ...point,
        share: share ?? shares?.get(keyOf(point.counts)),
      }));
      const missing = halted ? undefined : points.find(({ share }) => share === undefined);
      const worker = life.get(!question.known || missing !== undefined);
      const curves = own && !life.unable() ? curvesWith(points) : null;
      if (!worker) return { ...NOT_ASKED, unable: life.unable(), curves };
      if (!isSame(asked, question)) {
        [asked, number, told] = [question, number + 1, question.known];
        worker.ask(question.counts, question.orders, number);
        rest();
      }
      const current = found?.key === number;
      if (current) tell();
      if (current && !timer && missing) worker.beside(missing.counts);
      return { found, current, unable: false, curves };
    },
    stop() {
      clearTimeout(timer);
      life.stop();
    },
  };
}
