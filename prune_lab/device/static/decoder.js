// Reads a payload of version 1 (docs/device.md), and refuses any that is not whole.

import { KINDS, MOST_WEIGHTS, product } from "./network.js";

/** @import { Learnt, Network, Operation } from "./network.js" */

const VERSION = 1;
const TRUST = 16; // entries that the density of the whole tensor is worth, beside a row's own
const EARLY = "the payload ends too early";

/** How likely the next bit is a 1, learnt from the bits before. */
const chance = () => ({ ones: 0, seen: 0 });

/** @typedef {ReturnType<typeof chance>} Chance */

/** @param {Chance} chance */
const ofOne = ({ ones, seen }) => (ones + 0.5) / (seen + 1);

/**
 * @param {Chance} chance
 * @param {boolean} bit
 */
function learn(chance, bit) {
  chance.ones += bit ? 1 : 0;
  chance.seen += 1;
}

/**
 * The bits of a stream.
 * @param {Uint8Array} bytes
 */
function bitsOf(bytes) {
  let [place, range, ahead] = [0, 2 ** 32, 0];
  const pull = () => {
    if (place >= bytes.length + 4) throw new Error(EARLY);
    ahead = ahead * 256 + (bytes[place++] ?? 0);
  };
  for (let i = 0; i < 4; i += 1) pull();
  const bits = {
    /** @param {number} chance */
    bit(chance) {
      const scaled = Math.min(Math.max(Math.floor(chance * 32768), 1), 32767);
      const part = Math.floor(range / 32768) * scaled;
      const found = ahead < part;
      if (!found) ahead -= part;
      range = found ? part : range - part;
      while (range < 2 ** 24) {
        pull();
        range *= 256;
      }
      return found;
    },
    /** @param {Chance} chance */
    learnt(chance) {
      const found = bits.bit(ofOne(chance));
      learn(chance, found);
      return found;
    },
    /** @param {number} count */
    plain(count) {
      let found = 0;
      for (let i = 0; i < count; i += 1) found = 2 * found + (bits.bit(0.5) ? 1 : 0);
      return found;
    },
    finish() {
      if (place < bytes.length) throw new Error("the payload goes on after its end");
    },
  };
  return bits;
}

/** @typedef {ReturnType<typeof bitsOf>} Bits */

/**
 * Whole numbers, the small ones cheap.
 * @param {Bits} bits
 */
function numbersOf(bits) {
  const [longer, digits] = [Array.from({ length: 16 }, chance), Array.from({ length: 16 }, chance)];
  return () => {
    let length = 0;
    while (bits.learnt(longer[length])) if (++length > 15) throw new Error("a number is larger than a payload holds");
    let found = 1;
    for (let i = 0; i < length; i += 1)
      found = 2 * found + ((found < 16 ? bits.learnt(digits[found]) : bits.bit(0.5)) ? 1 : 0);
    return found - 1;
  };
}

/** @param {number} bits  Of a float32. */
function float32(bits) {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits);
  return view.getFloat32(0);
}

/**
 * @param {Chance} chance
 * @param {number} p
 */
const odds = ({ ones, seen }, p) => (ones + TRUST * p) / (seen - ones + TRUST * (1 - p));

/**
 * The whole numbers of a tensor: `rows` times `columns` of them, most of them zero.
 * @param {Bits} bits
 * @param {number} rows
 * @param {number} columns
 */
function wholesOf(bits, rows, columns) {
  const [all, negative, sizes] = [chance(), chance(), numbersOf(bits)];
  const across = Array.from({ length: columns }, chance);
  const found = new Float64Array(rows * columns);
  for (let i = 0, row = chance(); i < found.length; i += 1) {
    if (i % columns === 0) row = chance();
    const column = across[i % columns];
    const p = ofOne(all);
    const o = (odds(row, p) * odds(column, p) * (1 - p)) / p;
    const there = bits.bit(o / (1 + o));
    for (const seen of [row, column, all]) learn(seen, there);
    if (!there) continue;
    const sign = bits.learnt(negative) ? -1 : 1;
    found[i] = sign * (sizes() + 1);
  }
  return found;
}

/**
 * The format: what follows what.
 * @param {Bits} bits
 * @returns {Network}
 */
function networkOf(bits) {
  const size = numbersOf(bits);
  let free = MOST_WEIGHTS;
  const shape = () => {
    const dimensions = size();
    if (dimensions > 4) throw new Error("a payload holds tensors of up to 4 dimensions");
    return Array.from({ length: dimensions }, size);
  };
  /** @returns {Learnt | null} */
  const tensor = () => {
    const sizes = shape();
    if (!sizes.length) return null;
    free -= product(sizes);
    if (free < 0) throw new Error(`a payload holds at most ${MOST_WEIGHTS} weights`);
    const step = float32(bits.plain(16) * 65536);
    const rows = sizes.length > 1 ? sizes[0] : 1;
    const values = Float32Array.from(wholesOf(bits, rows, product(sizes) / Math.max(rows, 1)), (whole) => whole * step);
    if (!values.every(Number.isFinite)) throw new Error("a weight is infinite or NaN");
    return { shape: sizes, values };
  };
  /** @param {number} last @returns {Operation} */
  const operation = (last) => {
    const kind = KINDS[size()];
    if (!kind) throw new Error("an operation is not known to version 1");
    const inputs = Array.from({ length: kind.takes ?? 1 }, () => last - size());
    const settings = (kind.settings ?? []).map((name) => [name, [size(), size()]]);
    const learnt = (kind.learnt ?? []).map((name) => [name, tensor()]);
    return { kind: kind.name, inputs, ...Object.fromEntries([...settings, ...learnt]) };
  };
  const found = { shape: shape(), mean: float32(bits.plain(32)), deviation: float32(bits.plain(32)) };
  return { ...found, operations: Array.from({ length: size() }, (_, i) => operation(i)) };
}

/**
 * CRC-32, as in zip and PNG.
 * @param {Uint8Array} bytes
 */
function checksum(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/**
 * The network in a payload. Throws an Error, one sentence, for one that was cut or altered; `program` refuses
 * a network that cannot run.
 * @param {Uint8Array} payload
 */
export function unpack(payload) {
  if (payload[0] !== VERSION) {
    const found = payload.length ? `version ${payload[0]}` : "empty";
    throw new Error(`a payload of version ${VERSION} is needed, this is ${found}`);
  }
  const body = Uint8Array.of(VERSION, ...payload.subarray(5));
  const sum = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  if (payload.length < 5 || sum.getUint32(1) !== checksum(body))
    throw new Error("the payload was cut or altered: its checksum does not fit");
  const bits = bitsOf(payload.subarray(5));
  const network = networkOf(bits);
  bits.finish();
  return network;
}
