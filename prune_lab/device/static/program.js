// Runs a network: eight images at a time, from the first operation to the last.
//
// A layer is kept as lists, one for each of its outputs: the weights that are not zero, and where the number lies
// that each is multiplied by. A zero is on no list, so that it takes no time and no room; no other program is
// needed for a network that is dense. Numbers of the eight images lie side by side: who has a weight in hand uses
// it eight times.

import { product, shapesOf } from "./network.js";

/** @import { Learnt, Network, Operation } from "./network.js" */
/** @typedef {{ ends: Int32Array, places: Int32Array, weights: Float32Array }} Lists */
/** @typedef {{ shape: number[], values: Float64Array }} Value  Number i of image n is values[LANES * i + n]. */

export const LANES = 8;

/** @param {number[]} shape @returns {Value} */
const room = (shape) => ({ shape, values: new Float64Array(LANES * product(shape)) });

/**
 * The weights of a layer that are not zero: those of output r are number ends[r] to ends[r + 1].
 * @param {Learnt} weight  (out, in / groups, height, width); of a linear layer (out, in).
 * @param {number[]} shape  Of what the layer reads, with its border.
 * @param {number} groups
 * @returns {Lists}
 */
function listed({ shape: [rows, inside, height = 1, width = 1], values }, [, down = 1, across = 1], groups) {
  let kept = 0;
  for (const weight of values) if (weight !== 0) kept += 1;
  const [ends, places] = [new Int32Array(rows + 1), new Int32Array(kept)];
  const weights = new Float32Array(kept);
  let [found, i] = [0, 0];
  for (let row = 0; row < rows; row += 1) {
    const first = inside * Math.floor(row / (rows / groups));
    for (let channel = first; channel < first + inside; channel += 1)
      for (let y = 0; y < height; y += 1)
        for (let x = 0; x < width; x += 1, i += 1)
          if (values[i] !== 0) {
            places[found] = LANES * ((channel * down + y) * across + x);
            weights[found++] = values[i];
          }
    ends[row + 1] = found;
  }
  return { ends, places, weights };
}

/**
 * Where the upper left corner of each window lies.
 * @param {number[]} shape  Of what is read.
 * @param {number[]} result
 * @param {number[]} stride
 */
function corners([, , across = 1], [, rows = 1, columns = 1], [down, right]) {
  return Int32Array.from(
    { length: rows * columns },
    (_, i) => LANES * (Math.floor(i / columns) * down * across + (i % columns) * right),
  );
}

/**
 * The sums of a layer: for each output and window, all of its weights times what they read.
 * @param {Lists} lists
 * @param {Int32Array} windows
 * @param {Float32Array | undefined} bias
 * @param {Float64Array} from
 * @param {Float64Array} to
 */
function sum({ ends, places, weights }, windows, bias, from, to) {
  for (let row = 0, at = 0; row + 1 < ends.length; row += 1) {
    const [start, end] = [ends[row], ends[row + 1]];
    const b = bias ? bias[row] : 0;
    for (let window = 0; window < windows.length; window += 1, at += LANES) {
      const corner = windows[window];
      let s0 = b;
      let s1 = b;
      let s2 = b;
      let s3 = b;
      let s4 = b;
      let s5 = b;
      let s6 = b;
      let s7 = b;
      for (let k = start; k < end; k += 1) {
        const weight = weights[k];
        const i = corner + places[k];
        s0 += weight * from[i];
        s1 += weight * from[i + 1];
        s2 += weight * from[i + 2];
        s3 += weight * from[i + 3];
        s4 += weight * from[i + 4];
        s5 += weight * from[i + 5];
        s6 += weight * from[i + 6];
        s7 += weight * from[i + 7];
      }
      to[at] = s0;
      to[at + 1] = s1;
      to[at + 2] = s2;
      to[at + 3] = s3;
      to[at + 4] = s4;
      to[at + 5] = s5;
      to[at + 6] = s6;
      to[at + 7] = s7;
    }
  }
}

/**
 * Copies a value and puts a border around it; a value that needs none is its own copy.
 * @param {Value} from
 * @param {number[]} padding
 * @param {number} fill
 */
function bordered(from, [above, left], fill) {
  const [channels, rows, columns] = from.shape;
  if (!above && !left) return { ...from, copy() {} };
  const to = room([channels, rows + 2 * above, columns + 2 * left]);
  to.values.fill(fill);
  const copy = () => {
    for (let line = 0; line < channels * rows; line += 1) {
      const row = Math.floor(line / rows) * to.shape[1] + above + (line % rows);
      const taken = from.values.subarray(LANES * line * columns, LANES * (line + 1) * columns);
      to.values.set(taken, LANES * (row * to.shape[2] + left));
    }
  };
  return { ...to, copy };
}

/**
 * A step of the program; `put` gives a layer other weights.
 * @typedef {{ run: () => void, put?: (weight: Learnt) => void }} Step
 * @typedef {(operation: Operation, to: Value, ...from: Value[]) => Step} Maker
 */

/** @type {Maker} */
function layer({ weight, bias, stride = [1, 1], padding = [0, 0], groups = [1, 1] }, to, value) {
  const from = bordered(value, padding, 0);
  const windows = corners(from.shape, to.shape, stride);
  /** @type {Lists} */
  let lists;
  const put = (/** @type {Learnt} */ other) => {
    lists = listed(other, from.shape, groups[0]);
  };
  put(/** @type {Learnt} */ (weight));
  const run = () => {
    from.copy();
    sum(lists, windows, bias?.values, from.values, to.values);
  };
  return { put, run };
}

/**
 * As `sum`, but the largest number that the weights read.
 * @param {Lists} lists
 * @param {Int32Array} windows
 * @param {Float64Array} from
 * @param {Float64Array} to
 */
function largest({ ends, places }, windows, from, to) {
  for (let row = 0, at = 0; row + 1 < ends.length; row += 1) {
    const [start, end] = [ends[row], ends[row + 1]];
    for (let window = 0; window < windows.length; window += 1, at += LANES) {
      const corner = windows[window];
      let s0 = -Infinity;
      let s1 = -Infinity;
      let s2 = -Infinity;
      let s3 = -Infinity;
      let s4 = -Infinity;
      let s5 = -Infinity;
      let s6 = -Infinity;
      let s7 = -Infinity;
      for (let k = start; k < end; k += 1) {
        const i = corner + places[k];
        s0 = Math.max(s0, from[i]);
        s1 = Math.max(s1, from[i + 1]);
        s2 = Math.max(s2, from[i + 2]);
        s3 = Math.max(s3, from[i + 3]);
        s4 = Math.max(s4, from[i + 4]);
        s5 = Math.max(s5, from[i + 5]);
        s6 = Math.max(s6, from[i + 6]);
        s7 = Math.max(s7, from[i + 7]);
      }
      to[at] = s0;
      to[at + 1] = s1;
      to[at + 2] = s2;
      to[at + 3] = s3;
      to[at + 4] = s4;
      to[at + 5] = s5;
      to[at + 6] = s6;
      to[at + 7] = s7;
    }
  }
}

/**
 * The weight with which a layer of as many groups as channels takes the average of each window.
 * @param {Operation} operation
 * @param {Value} from
 * @returns {Learnt}
 */
function even({ size }, { shape: [channels, ...sizes] }) {
  const shape = [channels, 1, ...(size ?? sizes)];
  return { shape, values: new Float32Array(product(shape)).fill(channels / product(shape)) };
}

/** @type {Maker} */
function pool(operation, to, value) {
  const { stride = [1, 1], padding = [0, 0] } = operation;
  const from = bordered(value, padding, -Infinity);
  const lists = listed(even(operation, value), from.shape, from.shape[0]);
  const windows = corners(from.shape, to.shape, stride);
  const run = () => {
    from.copy();
    largest(lists, windows, from.values, to.values);
  };
  return { run };
}

/** @type {Maker} */
const average = (operation, to, from) =>
  layer({ ...operation, weight: even(operation, from), groups: [from.shape[0], 1] }, to, from);

/** @type {Maker} */
const rectified = (_, { values: to }, { values: from }) => ({
  run() {
    // The larger of x and 0, without a branch, which would be taken by chance.
    for (let i = 0; i < to.length; i += 1) to[i] = (from[i] + Math.abs(from[i])) * 0.5;
  },
});

/** @type {Maker} */
const copied = (_, to, from) => ({ run: () => to.values.set(from.values) });

/**
 * One number after the other, whatever the shape.
 * @param {(operation: Operation) => (number: number, other: number) => number} make
 * @returns {Maker}
 */
const each = (make) => (operation, to, from, other) => {
  const change = make(operation);
  const run = () => {
    for (let i = 0; i < to.values.length; i += 1) to.values[i] = change(from.values[i], other ? other.values[i] : 0);
  };
  return { run };
};

const sigmoid = (/** @type {number} */ x) => 1 / (1 + Math.exp(-x));

/**
 * Error function, to 1.5e-7: M. Abramowitz, I. Stegun, Handbook of mathematical functions, 1964, 7.1.26.
 * @param {number} x
 */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - series * Math.exp(-x * x));
}

/** @type {Record<string, Maker>} */
const STEPS = {
  Convolution: layer,
  Linear: layer,
  MaxPool: pool,
  AveragePool: average,
  GlobalAverage: average,
  Flatten: copied,
  Add: each(() => (x, y) => x + y),
  ReLU: rectified,
  Tanh: each(() => Math.tanh),
  Sigmoid: each(() => sigmoid),
  Hardtanh: each(
    ({ bounds: [low, high] = [0, 0] }) =>
      (x) =>
        Math.min(Math.max(x, low), high),
  ),
  SiLU: each(() => (x) => x * sigmoid(x)),
  GELU: each(() => (x) => (x * (1 + erf(x * Math.SQRT1_2))) / 2),
};

/**
 * The program of a network. Throws an Error, one sentence, for a network that cannot run or is too large.
 * @param {Network} network
 */
export function program(network) {
  const values = shapesOf(network).map(room);
  const steps = network.operations.map((operation, i) =>
    STEPS[operation.kind](operation, values[i + 1], ...operation.inputs.map((place) => values[place])),
  );
  const [input, output] = [values[0].values, values[values.length - 1].values];
  return {
    size: input.length / LANES,
    classes: output.length / LANES,
    /**
     * Run it on eight images, `images[LANES * i + n]`; so lies the answer, which the next run overwrites.
     * @param {Float32Array} images
     */
    run(images) {
      input.set(images);
      for (const { run } of steps) run();
      return output;
    },
    /**
     * Give the nth operation, from 0, other weights of the same shape.
     * @param {number} number
     * @param {Learnt} weight
     */
    put: (number, weight) => steps[number].put?.(weight),
  };
}

/**
 * Run it on one image.
 * @param {ReturnType<typeof program>} program
 * @param {ArrayLike<number>} image
 */
export function answer({ size, classes, run }, image) {
  const images = new Float32Array(LANES * size);
  for (let i = 0; i < size; i += 1) images[LANES * i] = image[i];
  const output = run(images);
  return Array.from({ length: classes }, (_, i) => output[LANES * i]);
}
