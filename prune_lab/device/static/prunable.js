// A network's weights, of which more and more are pruned, and the bytes that are left.

/** @import { Learnt, Network } from "./network.js" */

/**
 * When each entry of a parameter goes, by the parameter's name in the model: 0 first. A negative one has gone
 * before: it is 0 in the network.
 * @typedef {Record<string, Int32Array>} Orders
 *
 * How many places of its order are gone, by the parameter's name; of one that is not named none is.
 * @typedef {Record<string, number>} Counts
 *
 * A weight as it came, which operations read it, when its entries go, how many are gone, and what is left.
 * @typedef {{ numbers: number[], whole: Learnt, order: Int32Array, gone: number, now: Float32Array }} Weight
 */

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
 * How many entries are gone when so many places are.
 * @param {Int32Array} order
 * @param {number} count
 */
function goneAt(order, count) {
  let gone = 0;
  for (let i = 0; i < order.length; i += 1) if (order[i] < count) gone += 1;
  return gone;
}

/**
 * The weights that operations read, by name.
 * @param {Network} network
 */
function weightsOf({ operations }) {
  /** @type {Map<string, Weight>} */
  const weights = new Map();
  operations.forEach(({ weight: whole }, number) => {
    if (!whole) return;
    const name = whole.name ?? `operation ${number + 1}`;
    const known = weights.get(name);
    if (known) known.numbers.push(number);
    else {
      const order = new Int32Array(whole.values.length);
      weights.set(name, { numbers: [number], whole, order, gone: 0, now: whole.values });
    }
  });
  return weights;
}

/**
 * @param {Network} network
 * @param {{ put: (number: number, weight: Learnt) => void }} program  Of this network.
 */
export function prunable(network, { put }) {
  const weights = weightsOf(network);
  // Biases, which nothing prunes.
  const rest = network.operations.reduce((sum, { bias }) => sum + (bias ? bytesOf(bias.values) : 0), 0);

  /** @param {string} name */
  function weightOf(name) {
    const weight = weights.get(name);
    if (!weight) throw new Error(`the network has no ${name}`);
    return weight;
  }

  /**
   * @param {Weight} weight
   * @param {number} count
   */
  function pruneTo(weight, count) {
    const { numbers, whole, order } = weight;
    const gone = goneAt(order, count);
    if (gone === weight.gone) return; // more or less of the order, but the same entries: those of other weights
    weight.gone = gone;
    weight.now = whole.values.slice();
    for (let i = 0; i < order.length; i += 1) if (order[i] < count) weight.now[i] = 0;
    for (const number of numbers) put(number, { ...whole, values: weight.now });
  }

  return {
    /** @param {Orders} orders  From now on; of a parameter that is not named it stays. */
    rank(orders) {
      for (const [name, order] of Object.entries(orders)) {
        const weight = weightOf(name);
        if (order.length !== weight.order.length) throw new Error(`the order of ${name} has another size`);
        pruneTo(weight, 0);
        weight.order = order;
        weight.gone = goneAt(order, 0);
      }
    },
    /** @param {Counts} counts */
    prune(counts) {
      for (const name of Object.keys(counts)) weightOf(name);
      for (const [name, weight] of weights) pruneTo(weight, counts[name] ?? 0);
    },
    bytes: () => [...weights.values()].reduce((sum, { now }) => sum + bytesOf(now), rest),
  };
}
