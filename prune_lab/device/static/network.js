// A network as a list of operations: what each needs, which shape its result has, and what is refused.
// docs/device.md says what they compute; prune_lab/device/operations.py is the same list in Python.

/**
 * @typedef {[number, number]} Pair  First the vertical one.
 * @typedef {{ shape: number[], values: Float32Array, name?: string }} Learnt  `name` is what the model calls it.
 * @typedef {object} Operation
 * @property {string} kind
 * @property {number[]} inputs  Which values it reads: 0 is the network's input, n the nth operation's result.
 * @property {Pair} [stride]
 * @property {Pair} [padding]
 * @property {Pair} [groups]
 * @property {Pair} [size]
 * @property {Pair} [bounds]
 * @property {Learnt | null} [weight]
 * @property {Learnt | null} [bias]
 * @typedef {{ shape: number[], mean: number, deviation: number, operations: Operation[] }} Network
 *
 * @typedef {object} Kind
 * @property {string} name
 * @property {number} [takes]  How many values; 1 if it is not said.
 * @property {number} [sizes]  How many a value's shape has; any if it is not said.
 * @property {("stride" | "padding" | "groups" | "size" | "bounds")[]} [settings]
 * @property {("weight" | "bias")[]} [learnt]
 * @property {(operation: Operation, shape: number[]) => number[]} [result]  The result's shape; the value's own if
 *   it is not said.
 * @property {(operation: Operation) => number} [window]  How many numbers one number of the result is made of.
 */

/** @param {number[]} sizes */
export const product = (sizes) => sizes.reduce((a, b) => a * b, 1);

/**
 * How often a window fits in.
 * @param {number[]} sizes  Of the value: rows and columns.
 * @param {number[]} window
 * @param {number[]} stride
 * @param {number[]} padding
 */
const fits = (sizes, window, stride, padding) =>
  sizes.map((size, i) => Math.floor((size + 2 * padding[i] - window[i]) / stride[i]) + 1);

/**
 * @param {Operation} operation
 * @param {number[]} shape
 */
function convolved({ weight, bias, stride = [1, 1], padding = [0, 0], groups = [1, 1] }, [channels, ...sizes]) {
  const [out, inside, ...window] = weight?.shape ?? [];
  const right = window.length === 2 && out % groups[0] === 0 && inside * groups[0] === channels;
  if (!right || (bias && String(bias.shape) !== String(out))) throw new Error("its tensors do not fit");
  return [out, ...fits(sizes, window, stride, padding)];
}

/**
 * @param {Operation} operation
 * @param {number[]} shape
 */
function multiplied({ weight, bias }, [inside]) {
  const [out, read] = weight?.shape ?? [];
  if (weight?.shape.length !== 2 || read !== inside || (bias && String(bias.shape) !== String(out)))
    throw new Error("its tensors do not fit");
  return [out];
}

/**
 * @param {Operation} operation
 * @param {number[]} shape
 */
function pooled({ size = [0, 0], stride = [0, 0], padding = [0, 0] }, [channels, ...sizes]) {
  if (padding.some((border, i) => 2 * border > size[i])) throw new Error("its border is wider than half its window");
  return [channels, ...fits(sizes, size, stride, padding)];
}

/** @param {Operation} operation */
const pool = ({ size = [0, 0] }) => product(size);

/** @param {Operation} operation */
const layer = ({ weight }) => product(weight?.shape.slice(1) ?? []);

/** The place in this list is the operation's number in a payload. @type {Kind[]} */
export const KINDS = [
  {
    name: "Convolution",
    sizes: 3,
    settings: ["stride", "padding", "groups"],
    learnt: ["weight", "bias"],
    result: convolved,
    window: layer,
  },
  { name: "Linear", sizes: 1, learnt: ["weight", "bias"], result: multiplied, window: layer },
  { name: "MaxPool", sizes: 3, settings: ["size", "stride", "padding"], result: pooled, window: pool },
  { name: "AveragePool", sizes: 3, settings: ["size", "stride"], result: pooled, window: pool },
  { name: "GlobalAverage", sizes: 3, result: (_, [channels]) => [channels, 1, 1] },
  { name: "Flatten", result: (_, shape) => [product(shape)] },
  { name: "Add", takes: 2 },
  { name: "ReLU" },
  { name: "Tanh" },
  { name: "Sigmoid" },
  { name: "Hardtanh", settings: ["bounds"] },
  { name: "SiLU" },
  { name: "GELU" },
];

/** What one image may need at most: a network from elsewhere must not fill a machine. */
const MOST = { operations: 1000, weights: 2 ** 19, numbers: 2 ** 20, multiplications: 2 ** 30 };

export const MOST_WEIGHTS = MOST.weights;

/**
 * @param {number} found
 * @param {keyof typeof MOST} what
 */
function mustBeAtMost(found, what) {
  if (!(found <= MOST[what])) throw new Error(`a network for a device has at most ${MOST[what]} ${what}`);
}

/** @param {number[]} sizes */
const areSizes = (sizes) => sizes.every((size) => Number.isInteger(size) && size >= 1);

/**
 * The shape of one operation's result.
 * @param {Operation} operation
 * @param {number[][]} shapes  Of the values before it.
 */
function resultOf(operation, shapes) {
  const kind = KINDS.find(({ name }) => name === operation.kind);
  if (!kind) throw new Error("it is not on the list");
  const [read, ...others] = operation.inputs.map((place) => shapes[place]);
  const one = read && others.every((shape) => String(shape) === String(read));
  if (!one || others.length + 1 !== (kind.takes ?? 1) || (kind.sizes && read.length !== kind.sizes))
    throw new Error(`it cannot read ${operation.inputs}`);
  const { size = [1, 1], stride = [1, 1], groups = [1, 1] } = operation;
  if (!areSizes([...size, ...stride, ...groups])) throw new Error("a setting of 0");
  const shape = kind.result?.(operation, read) ?? read;
  if (!areSizes(shape)) throw new Error("it gives nothing");
  return { shape, work: (kind.window?.(operation) ?? 1) * product(shape) };
}

/**
 * The shapes of the input and of each operation's result. Throws an Error, one sentence, for a network that
 * cannot run or is too large.
 * @param {Network} network
 */
export function shapesOf({ shape, mean, deviation, operations }) {
  if (!(Number.isFinite(mean) && deviation > 0 && deviation < Infinity))
    throw new Error(`mean ${mean} and deviation ${deviation} normalise nothing`);
  if (shape.length < 1 || shape.length > 3 || !areSizes(shape))
    throw new Error("the shape of an image is one to three sizes");
  if (!operations.length) throw new Error("a network has at least one operation");
  mustBeAtMost(operations.length, "operations");
  const tensors = operations.flatMap(({ weight, bias }) => [weight, bias]);
  mustBeAtMost(
    tensors.reduce((sum, tensor) => sum + (tensor?.values.length ?? 0), 0),
    "weights",
  );
  const shapes = [shape];
  let [numbers, work] = [product(shape), 0];
  operations.forEach((operation, i) => {
    try {
      const result = resultOf(operation, shapes);
      shapes.push(result.shape);
      numbers += product(result.shape);
      work += result.work;
    } catch (error) {
      throw new Error(`operation ${i + 1}, ${operation.kind}, cannot run: ${/** @type {Error} */ (error).message}`);
    }
    mustBeAtMost(numbers, "numbers");
    mustBeAtMost(work, "multiplications");
  });
  return shapes;
}
