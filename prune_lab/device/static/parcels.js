// Opens what prune_lab.device.exporting has packed for a page: a line of JSON and bytes behind it, deflated.

import { product } from "./network.js";

/** @import { Digits } from "./measure.js" */
/** @import { Network } from "./network.js" */
/** @import { Orders } from "./prunable.js" */

/**
 * A network, labelled pictures, and the orders of parameters.
 * @typedef {{ network: Uint8Array, digits: Uint8Array, orders?: Uint8Array }} Parcels
 *
 * A network of which an operation's tensors are not there yet.
 * @typedef {{ shape: number[], name?: string }} Empty
 * @typedef {{ weight?: Empty | null, bias?: Empty | null }} Bare
 */

/**
 * @param {Uint8Array} parcel
 * @returns {Promise<{ head: any, take: (size: number) => Uint8Array }>}  `take` gives the next bytes.
 */
async function opened(parcel) {
  const deflated = new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (parcel)]).stream();
  const stream = deflated.pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const end = bytes.indexOf(10);
  let at = end + 1;
  return {
    head: JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))),
    take(size) {
      at += size;
      if (at > bytes.length) throw new Error("a parcel ends too early");
      return bytes.slice(at - size, at);
    },
  };
}

/**
 * Numbers of which first all first bytes lie there, then all second ones.
 * @template {Float32Array | Int32Array | Uint16Array} Numbers
 * @param {Uint8Array} planes
 * @param {new (buffer: ArrayBuffer) => Numbers} Type
 * @param {number} width  Bytes of a number.
 */
function woven(planes, Type, width) {
  const count = planes.length / width;
  const bytes = new Uint8Array(planes.length);
  for (let byte = 0, from = 0; byte < width; byte += 1)
    for (let i = 0; i < count; i += 1) bytes[i * width + byte] = planes[from++];
  return new Type(bytes.buffer);
}

/**
 * The network of `network_parcel`.
 * @param {Uint8Array} parcel
 * @returns {Promise<Network>}
 */
export async function networkIn(parcel) {
  const { head, take } = await opened(parcel);
  const learnt = (/** @type {Empty | null | undefined} */ tensor) =>
    tensor ? { ...tensor, values: woven(take(4 * product(tensor.shape)), Float32Array, 4) } : null;
  const operations = head.operations.map((/** @type {Bare} */ operation) => {
    const weight = learnt(operation.weight); // lies before the bias
    return { ...operation, weight, bias: learnt(operation.bias) };
  });
  return { ...head, operations };
}

/**
 * Add up along one dimension of pictures, modulo 65,536: the way back from differences.
 * @param {Uint16Array} steps
 * @param {number} length  Of the dimension.
 * @param {number} stride  From one number to the next along it.
 */
function addUp(steps, length, stride) {
  for (let i = 0; i < steps.length; i += 1) if (Math.floor(i / stride) % length > 0) steps[i] += steps[i - stride];
}

/**
 * Pictures of which in each row and column every nth pixel lay together.
 * @param {Uint16Array} together
 * @param {number[]} shape  How many, rows, columns.
 * @param {number} nth
 */
function apart(together, [count, rows, columns], nth) {
  const result = new Uint16Array(together.length);
  let from = 0;
  for (let picture = 0; picture < count; picture += 1)
    for (let y = 0; y < nth; y += 1)
      for (let x = 0; x < nth; x += 1)
        for (let row = y; row < rows; row += nth)
          for (let column = x; column < columns; column += nth)
            result[(picture * rows + row) * columns + column] = together[from++];
  return result;
}

/**
 * The pictures of `digits_parcel`.
 * @param {Uint8Array} parcel
 * @returns {Promise<Digits>}
 */
export async function digitsIn(parcel) {
  const { head, take } = await opened(parcel);
  const { full, shape, by } = head;
  const [count, rows, columns] = shape;
  const labels = take(count);
  const pixels = apart(woven(take(2 * count * rows * columns), Uint16Array, 2), shape, by);
  for (const [length, stride] of [
    [columns, 1],
    [columns, 1],
    [rows, columns],
    [rows, columns],
  ])
    addUp(pixels, length, stride);
  return { full, labels, pixels };
}

/**
 * When each entry goes of the parameters that are ranked together, and how many places there are.
 * @typedef {{ units: number, orders: Orders }} Group
 */

/**
 * The orders of `orders_parcel`.
 * @param {Uint8Array} parcel
 * @param {Network} network  Whose weights they belong to.
 * @returns {Promise<Group[]>}
 */
export async function ordersIn(parcel, network) {
  const { head, take } = await opened(parcel);
  return head.map((/** @type {{ units: number, sizes: Record<string, number>, by_size: number }} */ group) => {
    const sizes = Object.entries(group.sizes);
    const all = sizes.reduce((sum, [, size]) => sum + size, 0);
    const order = woven(take(4 * all), Int32Array, 4);
    if (group.by_size) {
      const smallest = bySize(sizes.map(([name]) => weightOf(network, name)));
      for (let place = 0; place < all; place += 1) order[smallest[place]] += place;
    }
    let at = 0;
    const orders = sizes.map(([name, size]) => {
      at += size;
      return [name, order.subarray(at - size, at)];
    });
    return { units: group.units, orders: Object.fromEntries(orders) };
  });
}

/**
 * @param {Network} network
 * @param {string} name
 */
function weightOf({ operations }, name) {
  const found = operations.find(({ weight }) => weight?.name === name)?.weight;
  if (!found) throw new Error(`the network has no ${name}`);
  return found.values;
}

/**
 * The entries of several weights, counted on, the smallest first; of equal ones the first.
 * @param {Float32Array[]} weights
 */
function bySize(weights) {
  const sizes = weights.flatMap((weight) => [...weight].map(Math.abs));
  return Uint32Array.from(sizes.keys()).sort((a, b) => sizes[a] - sizes[b] || a - b);
}
