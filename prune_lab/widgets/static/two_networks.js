// A network and its pruned copy, as DigitPad asks them where there is no Python: what each reads in a picture, and
// which of the data's digits pruning breaks.

import { reader, whole } from "../../device/static/measure.js";
import { digitsIn, networkIn, ordersIn } from "../../device/static/parcels.js";
import { answer, program } from "../../device/static/program.js";
import { prunable } from "../../device/static/prunable.js";
import { fitted } from "./fitting.js";
import { countOf } from "./order.js";

/** @import { Digits } from "../../device/static/measure.js" */
/** @import { Group, Parcels } from "../../device/static/parcels.js" */

/**
 * What is on the pad: ink from 0 to 1, whether it is a digit of the data, and how the data's digits are drawn.
 * @typedef {{ ink: Float32Array, real: boolean, frame: [number, number, number, number], pen: number }} Drawn
 *
 * A digit of the data: which one, its ink and its label.
 * @typedef {{ at: number, ink: Float32Array, label: number }} Digit
 */

/** @param {number[]} logits */
function softmax(logits) {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const all = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / all);
}

/**
 * How many weights are pruned when of each group so many places are gone, how many of these were before, and all.
 * @param {Group[]} groups
 * @param {number[]} gone
 */
function countsOf(groups, gone) {
  const counts = [0, 0, 0];
  groups.forEach(({ orders }, i) => {
    for (const order of Object.values(orders))
      for (const place of order) {
        if (place < (gone[i] ?? 0)) counts[0] += 1;
        if (place < 0) counts[1] += 1;
        counts[2] += 1;
      }
  });
  return counts;
}

/**
 * @param {Digits} digits
 * @param {number} at
 * @returns {Digit}
 */
function digitAt({ pixels, full, labels }, at) {
  const size = pixels.length / labels.length;
  const ink = Float32Array.from(pixels.subarray(at * size, (at + 1) * size), (steps) => steps / full);
  return { at, ink, label: labels[at] };
}

/** @param {Parcels} parcels */
export async function twoNetworks(parcels) {
  const network = await networkIn(parcels.network);
  const digits = await digitsIn(parcels.digits);
  const groups = parcels.orders ? await ordersIn(parcels.orders, network) : [];
  const [dense, pruned] = [program(network), program(network)];
  const weights = prunable(network, pruned);
  for (const { orders } of groups) weights.rank(orders);
  const { labels } = digits;
  const [readDense, readPruned] = [dense, pruned].map((made) => reader(network, made, digits));
  let [amount, counts] = [0, countsOf(groups, [])];
  /** What each names in the data's digits. @type {(Uint8Array | null)[]} */
  let [right, found] = [null, null];
  return {
    /** @param {number} share  Of the weights, 0 to 1. */
    prune(share) {
      if (share === amount) return;
      const gone = groups.map(({ units }) => countOf(share, units));
      const named = groups.flatMap(({ orders }, i) => Object.keys(orders).map((name) => [name, gone[i]]));
      weights.prune(Object.fromEntries(named));
      [amount, counts, found] = [share, countsOf(groups, gone), null];
    },
    /** @param {Drawn} drawn */
    read({ ink, real, frame, pen }) {
      const [height, width] = network.shape.slice(-2);
      const seen = real ? ink : fitted(ink, [height, width], frame, pen);
      const image = seen.map((dark) => (dark - network.mean) / network.deviation);
      const answers = seen.some((dark) => dark > 0)
        ? [dense, pruned].map((made) => softmax(answer(made, image)))
        : [[], []];
      return { dense: answers[0], pruned: answers[1], seen, counts, digits: labels.length };
    },
    /** The next digit of the data, in a circle. @param {number} after */
    next: (after) => digitAt(digits, (after + 1) % labels.length),
    /** The next one that the network reads right and its pruned copy wrong, null if there is none. @param {number} after */
    broken(after) {
      right ??= whole(readDense());
      found ??= whole(readPruned());
      for (let i = 1; i <= labels.length; i += 1) {
        const at = (after + i) % labels.length;
        if (right[at] === labels[at] && found[at] !== labels[at]) return digitAt(digits, at);
      }
      return null;
    },
  };
}
