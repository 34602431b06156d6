// The techniques that a panel offers, and the parts with which one is chosen and set.

import { menu, numberBox, show } from "./controls.js";
import { element } from "./panel.js";

/** @import { Host } from "./dialogue.js" */
/** @import { Preview } from "./preview.js" */

/**
 * A technique as Python describes it. `asks` are the words beside the slider; `keeps`: the number in
 * its code is how many stay.
 * @typedef {{ value: string, label: string, options: string[], random: boolean, units: string, needs: number,
 *   ways: string[], by_size: boolean, by_hand: boolean, asks: string, keeps: boolean }} Technique
 */

const NORMS = [
  { value: "1", label: "1" },
  { value: "2", label: "2" },
  { value: "inf", label: "∞" },
];
export const LARGEST_SEED = 2 ** 32 - 1;

/**
 * The techniques for a parameter that has this many dimensions.
 * @param {Technique[]} techniques
 * @param {number} dimensions
 */
export const offered = (techniques, dimensions) => techniques.filter(({ needs }) => dimensions >= needs);

/**
 * The technique of this name among those that are offered; there is always one.
 * @param {Technique[]} techniques
 * @param {string} name
 */
export const named = (techniques, name) => techniques.find(({ value }) => value === name) ?? techniques[0];

/**
 * The part: the menu of techniques. `choose` is told what was chosen.
 * @template {{ techniques: Technique[], technique: Technique }} Now
 * @param {(choices: { technique: string }) => void} choose
 */
export function techniqueMenu(choose) {
  const techniques = menu("technique", (technique) => choose({ technique }));
  return {
    box: techniques.field,
    /** @param {Now} now */
    draw: (now) => techniques.set(now.techniques, now.technique.value),
  };
}

/**
 * The part: the seed, where the technique draws numbers.
 * @template {{ technique: Technique }} Now
 * @param {Host} host
 * @param {(choices: { seed: number }) => void} choose
 */
export function seedBox({ dialogue }, choose) {
  const seed = numberBox("seed", 0, LARGEST_SEED, (value) => choose({ seed: value }));
  return {
    box: seed.field,
    /** @param {Now} now */
    draw({ technique }) {
      // Painting needs none of a technique's settings, and begins on the picture below.
      show(seed.field, technique.random, technique.by_hand);
      seed.set(dialogue.get("seed"));
    },
  };
}

/**
 * The part: what a technique takes beside the amount, for the parameter on show.
 * @param {Host} host
 * @param {(choices: Record<string, string | number>) => void} choose
 */
export function optionControls({ model, dialogue }, choose) {
  const norms = menu("norm n", (n) => choose({ n }));
  const dims = menu("dim", (dim) => choose({ dim: Number(dim) }));
  const groups = menu("group m", (m) => choose({ m: Number(m) }));
  return {
    box: element("div", { class: "prune-lab-fields" }, norms.field, dims.field, groups.field),
    /** @param {Preview} now */
    draw({ technique, shape }) {
      const { options, by_hand: byHand } = technique;
      show(norms.field, options.includes("n"), byHand);
      norms.set(NORMS, dialogue.get("n"));
      show(dims.field, options.includes("dim"), byHand);
      dims.set(
        shape.map((size, dim) => ({ value: dim, label: `${dim} (${size} channels)` })),
        dialogue.get("dim"),
      );
      show(groups.field, options.includes("m"), byHand);
      const sizes = /** @type {number[]} */ (model.get("groups"));
      groups.set(
        sizes.map((m) => ({ value: m, label: m })),
        dialogue.get("m"),
      );
    },
  };
}
