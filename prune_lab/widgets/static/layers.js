// What the SensitivityExplorer shows at a moment: for each layer how much goes, and whether what
// Python has measured belongs to it.

import { pointsOf } from "./in_browser.js";
import { countOf } from "./order.js";
import { named, offered } from "./techniques.js";

/** @import { Point } from "./curve.js" */
/** @import { Host } from "./dialogue.js" */
/** @import { Curves, Wanted } from "./in_browser.js" */
/** @import { Technique } from "./techniques.js" */

const STEPS = 20; // of the amount, on every curve, as in sensitivity_explorer.py

/**
 * Runs of [how many units, entries in each].
 * @typedef {[number, number][]} Runs
 */

/**
 * A layer: `count` of its `units` go, and with them `gone` of the entries that are left.
 * @typedef {{ name: string, module: string, parameter: string, call?: [string, string], then?: string, amount: number, units: number, count: number,
 *   gone: number, entriesLeft: number, points: Point[] }} Layer
 */

/**
 * @typedef {object} Layers
 * @property {Layer[]} layers
 * @property {Technique[]} techniques
 * @property {Technique} technique
 * @property {boolean} current  Whether Python's curves belong to the technique that is chosen here.
 * @property {number | null} accuracy  With the sliders as they stand here; null while it is not known.
 * @property {number} gone  Of all layers' entries.
 * @property {number} entries
 */

/**
 * How many units a weight has.
 * @param {Runs} runs
 */
const unitsOf = (runs) => runs.reduce((sum, [units]) => sum + units, 0);

/**
 * How many entries the first `count` units have.
 * @param {Runs} runs
 * @param {number} count
 */
export function entriesIn(runs, count) {
  let [left, entries] = [count, 0];
  for (const [units, each] of runs) {
    entries += Math.min(left, units) * each;
    left = Math.max(0, left - units);
  }
  return entries;
}

/**
 * The points of all layers' curves, in the order in which they are measured: the shape of every curve before its details.
 * @param {Pick<Layer, "name" | "units" | "points">[]} layers
 * @returns {(Wanted & { name: string })[]}
 */
export function curvePoints(layers) {
  const steps = Array.from({ length: STEPS + 1 }, (_, step) => step);
  const first = steps.filter((step) => step % (STEPS / 4) === 0);
  const known = layers.map(({ points }) => new Map(points));
  return [...new Set([...first, ...steps])].flatMap((step) =>
    layers.map(({ name, units }, i) => {
      const amount = step / STEPS;
      return { name, amount, counts: { [name]: countOf(amount, units) }, share: known[i].get(amount) };
    }),
  );
}

/**
 * The layers with the curves that this browser measures.
 * @param {Layer[]} layers
 * @param {Curves} curves
 * @returns {Layer[]}
 */
export function withPoints(layers, { points }) {
  /** @type {Map<string, Wanted[]>} */
  const own = new Map(layers.map(({ name }) => [name, []]));
  for (const point of points) for (const name of Object.keys(point.counts)) own.get(name)?.push(point);
  const ordered = (/** @type {Wanted[]} */ of) => of.sort((a, b) => a.amount - b.amount);
  return layers.map((layer) => ({ ...layer, points: pointsOf(ordered(own.get(layer.name) ?? [])) }));
}

/**
 * Read off the model and the reader's choices what is on the screen.
 * @param {Host} host
 * @returns {Layers}
 */
export function readLayers({ model, dialogue }) {
  const techniques = offered(model.get("techniques"), Number.POSITIVE_INFINITY);
  const technique = named(techniques, dialogue.get("technique"));
  const basis = model.get("basis");
  const current = basis.technique === technique.value && (!technique.random || basis.seed === dialogue.get("seed"));
  const amounts = dialogue.get("amounts");
  const layers = model.get("layers").map((/** @type {any} */ layer) => {
    const runs = /** @type {Runs} */ (layer[technique.units]);
    const [units, amount] = [unitsOf(runs), amounts[layer.name] ?? 0];
    const count = countOf(amount, units);
    const points = current ? (model.get("curves")[layer.name] ?? []) : [];
    return {
      ...layer,
      amount,
      units,
      count,
      gone: entriesIn(runs, count),
      entriesLeft: unitsOf(layer.entries),
      points,
    };
  });
  const measured =
    current &&
    Boolean(basis.amounts) &&
    layers.every((/** @type {Layer} */ { name, amount }) => basis.amounts[name] === amount);
  const sum = (/** @type {"gone" | "entriesLeft"} */ what) =>
    layers.reduce((/** @type {number} */ all, /** @type {Layer} */ layer) => all + layer[what], 0);
  return {
    layers,
    techniques,
    technique,
    current,
    accuracy: measured ? model.get("accuracy") : null,
    gone: sum("gone"),
    entries: sum("entriesLeft"),
  };
}
