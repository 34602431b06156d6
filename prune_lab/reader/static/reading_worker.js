// The worker behind the reader's page: a payload becomes a network, and the network reads what is drawn. A network
// from elsewhere may take its time; the page goes on.

import { unpack } from "../../device/static/decoder.js";
import { product, shapesOf } from "../../device/static/network.js";
import { answer, program } from "../../device/static/program.js";

/**
 * What the page is told of a network.
 * @typedef {object} Described
 * @property {number} bytes
 * @property {number} weights  That are not zero.
 * @property {number} all
 */

/** @type {{ mean: number, deviation: number, made: ReturnType<typeof program> } | null} */
let reader = null;

/**
 * @param {Uint8Array} payload
 * @param {number} size  Of what is drawn, each way.
 * @returns {Described}
 */
function load(payload, size) {
  reader = null;
  const network = unpack(payload);
  const answers = shapesOf(network).at(-1) ?? [];
  const drawn = [1, size, size].join(", ");
  if (network.shape.join(", ") !== drawn)
    throw new Error(`the network reads (${network.shape.join(", ")}), and what is drawn here is (${drawn})`);
  if (answers.length !== 1 || answers[0] < 2 || answers[0] > 100)
    throw new Error(`the network gives (${answers.join(", ")}), and an answer is one of 2 to 100 classes`);
  const weights = network.operations.flatMap(({ weight }) => (weight ? [weight] : []));
  reader = { mean: network.mean, deviation: network.deviation, made: program(network) };
  return {
    bytes: payload.length,
    weights: weights.reduce((sum, { values }) => sum + values.filter((value) => value !== 0).length, 0),
    all: weights.reduce((sum, { shape }) => sum + product(shape), 0),
  };
}

/** @param {Float32Array} ink */
function read(ink) {
  if (!reader) throw new Error("there is no network");
  const { mean, deviation, made } = reader;
  return answer(
    made,
    ink.map((dark) => (dark - mean) / deviation),
  );
}

/** @param {{ data: { payload?: Uint8Array, size?: number, ink?: Float32Array } }} message */
self.onmessage = ({ data: { payload, size = 0, ink } }) => {
  try {
    const network = payload && load(payload, size);
    self.postMessage({ network, logits: ink && read(ink) });
  } catch (error) {
    self.postMessage({ failed: /** @type {Error} */ (error).message });
  }
};
