// How many digits a network reads right when some of its weights are pruned, how long that takes, and how many
// bytes the network then needs.

import { fromListing } from "./network.js";
import { LANES, program } from "./program.js";

/** @import { Learnt } from "./network.js" */

/**
 * Labelled pictures, as `prune_lab.device.exporting.pixels` writes them.
 * @typedef {object} Digits
 * @property {Uint8Array | Uint16Array} pixels  Picture by picture: `full` is the darkest ink, 0 is paper.
 * @property {number} full
 * @property {Uint8Array} labels
 *
 * Which entries of a parameter are pruned: those whose place in the order is below `count`. A negative place has
 * been pruned before.
 * @typedef {{ order: Int32Array, count: number }} Mask
 * @typedef {Record<string, Mask>} Masks  By the parameter's name in the model.
 *
 * @typedef {object} Measured
 * @property {number} right
 * @property {number} of
 * @property {number} milliseconds  To read all of them.
 * @property {number} bytes  Of the network: see `bytesOf`.
 */

/**
 * The pictures as the program takes them: eight side by side, normalised.
 * @param {Digits} digits
 * @param {{ mean: number, deviation: number }} network
 * @param {number} size
 */
function batches({ pixels, full, labels }, { mean, deviation }, size) {
  return Array.from({ length: Math.ceil(labels.length / LANES) }, (_, batch) => {
    const images = new Float32Array(LANES * size);
    const first = batch * LANES;
    for (let lane = 0; lane < Math.min(LANES, labels.length - first); lane += 1)
      for (let i = 0; i < size; i += 1)
        images[LANES * i + lane] = (pixels[(first + lane) * size + i] / full - mean) / deviation;
    return images;
  });
}

/**
 * Bytes to store a tensor in float32: all its entries; or, where that is less, only those that are not zero, and
 * for each entry a bit that says whether it is there.
 * @param {ArrayLike<number>} values
 */
export function bytesOf(values) {
  let kept = 0;
  for (let i = 0; i < values.length; i += 1) if (values[i] !== 0) kept += 1;
  return Math.min(4 * values.length, 4 * kept + Math.ceil(values.length / 8));
}

/**
 * Which class the answer in this lane names.
 * @param {Float64Array} output
 * @param {number} classes
 * @param {number} lane
 */
function named(output, classes, lane) {
  let best = 0;
  for (let i = 1; i < classes; i += 1) if (output[LANES * i + lane] > output[LANES * best + lane]) best = i;
  return best;
}

/**
 * Measures one network with one set of pictures. Throws an Error, one sentence, where they do not fit.
 * @param {any} listing  Of the network, see `prune_lab.device.exporting.listing`.
 * @param {Digits} digits
 */
export function measurer(listing, digits) {
  const network = fromListing(listing);
  const { size, classes, run, put } = program(network);
  const { pixels, labels } = digits;
  if (pixels.length !== labels.length * size)
    throw new Error(`${labels.length} pictures of ${size} pixels are needed, but there are ${pixels.length} pixels`);
  const images = batches(digits, network, size);
  /** Weights as they came, and what the program has now. @type {Map<string, { numbers: number[], whole: Learnt, now: Float32Array }>} */
  const weights = new Map();
  let rest = 0; // bytes of what has no name and of biases, which no mask changes
  network.operations.forEach(({ weight, bias }, number) => {
    if (bias) rest += bytesOf(bias.values);
    if (!weight) return;
    const known = weights.get(weight.name ?? "");
    if (known)
      known.numbers.push(number); // one parameter, read by several operations
    else
      weights.set(weight.name ?? `operation ${number + 1}`, { numbers: [number], whole: weight, now: weight.values });
  });

  /**
   * @param {string} name
   * @param {Mask} mask
   */
  function prune(name, { order, count }) {
    const weight = weights.get(name);
    if (!weight) throw new Error(`the network has no ${name}`);
    const { numbers, whole } = weight;
    if (order.length !== whole.values.length) throw new Error(`the mask of ${name} has another size`);
    weight.now = whole.values.map((value, i) => (order[i] >= count ? value : 0));
    for (const number of numbers) put(number, { ...whole, values: weight.now });
  }

  return {
    /** @param {Masks} masks  A parameter that is not named stays as it was. @returns {Measured} */
    measure(masks) {
      for (const [name, mask] of Object.entries(masks)) prune(name, mask);
      const started = performance.now();
      let right = 0;
      images.forEach((batch, i) => {
        const output = run(batch);
        for (let lane = 0; lane < LANES && i * LANES + lane < labels.length; lane += 1)
          if (named(output, classes, lane) === labels[i * LANES + lane]) right += 1;
      });
      const milliseconds = performance.now() - started;
      const bytes = [...weights.values()].reduce((sum, { now }) => sum + bytesOf(now), rest);
      return { right, of: labels.length, milliseconds, bytes };
    },
  };
}
