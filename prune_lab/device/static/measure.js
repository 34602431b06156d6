// How many digits a network reads right when some of its weights are pruned, how long that takes, and how many
// bytes the network then needs.

import { LANES, program } from "./program.js";
import { prunable } from "./prunable.js";

/** @import { Network } from "./network.js" */
/** @import { Counts } from "./prunable.js" */

/**
 * Labelled pictures, as `prune_lab.device.exporting.digits_parcel` packs them.
 * @typedef {object} Digits
 * @property {Uint8Array | Uint16Array} pixels  Picture by picture: `full` is the darkest ink, 0 is paper.
 * @property {number} full
 * @property {Uint8Array} labels
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
 * Reads all the pictures, eight at a time: which class the network names for each. Throws an Error, one sentence, where
 * they do not fit.
 * @param {Network} network
 * @param {ReturnType<typeof program>} made  Its program.
 * @param {Digits} digits
 */
export function reader(network, { size, classes, run }, digits) {
  const { pixels, labels } = digits;
  if (pixels.length !== labels.length * size)
    throw new Error(`${labels.length} pictures of ${size} pixels are needed, but there are ${pixels.length} pixels`);
  const images = batches(digits, network, size);
  return function* () {
    const found = new Uint8Array(labels.length);
    for (const [i, batch] of images.entries()) {
      const output = run(batch);
      for (let lane = 0; lane < LANES && i * LANES + lane < found.length; lane += 1)
        found[i * LANES + lane] = named(output, classes, lane);
      yield;
    }
    return found;
  };
}

/**
 * What is read when all is read.
 * @param {Generator<void, Uint8Array>} reading
 */
export function whole(reading) {
  for (;;) {
    const { done, value } = reading.next();
    if (done) return value;
  }
}

/**
 * Measures one network with one set of pictures.
 * @param {Network} network
 * @param {Digits} digits
 */
export function measurer(network, digits) {
  const made = program(network);
  const [read, weights] = [reader(network, made, digits), prunable(network, made)];
  const { labels } = digits;
  const rightOf = (/** @type {Uint8Array} */ found) =>
    found.reduce((sum, name, i) => sum + (name === labels[i] ? 1 : 0), 0);
  return {
    rank: weights.rank,
    /** @param {Counts} counts @returns {Measured} */
    measure(counts) {
      weights.prune(counts);
      const started = performance.now();
      const right = rightOf(whole(read()));
      return { right, of: labels.length, milliseconds: performance.now() - started, bytes: weights.bytes() };
    },
    /**
     * Measure what can wait: how many are read right, null where `goesOn`, asked between any eight pictures and the
     * next, says no. It may have measured something else meanwhile, and then must say no.
     * @param {Counts} counts
     * @param {() => Promise<boolean>} goesOn
     */
    async measureBeside(counts, goesOn) {
      weights.prune(counts);
      const reading = read();
      for (;;) {
        const { done, value } = reading.next();
        if (done) return { right: rightOf(value), of: labels.length };
        if (!(await goesOn())) return null;
      }
    },
  };
}
