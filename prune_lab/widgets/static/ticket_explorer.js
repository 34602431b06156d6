// TicketExplorer: a slider over the rounds and one over the steps of training, the seeds as switches,
// what is left of the first layer, and how the ticket and its controls learn. All of it is in the traits:
// no move needs Python.

import { shortPercent } from "./accuracy.js";
import { said } from "./applies.js";
import { fullScreen, slider } from "./controls.js";
import { panel } from "./dialogue.js";
import { learningCurves } from "./learning_curves.js";
import { assemble, element, remembered } from "./panel.js";
import { pictureOf, ticketMask } from "./ticket_mask.js";

/** @import { Host } from "./dialogue.js" */
/** @import { Tensor } from "./entries.js" */

/**
 * What is on the screen. `lines` are the networks with the curves of the seeds that are in; `tensor` is
 * the picture.
 * @typedef {object} Now
 * @property {number} round
 * @property {number} look
 * @property {number[]} seeds
 * @property {number[]} known
 * @property {number[]} kept
 * @property {number[]} steps
 * @property {{ name: string, curves: number[][] }[]} lines
 * @property {Tensor} tensor
 * @property {number[]} shape
 * @property {string[]} ramp
 * @property {string} message
 * @property {boolean} failed
 */

const TRAITS = ["known", "kept", "steps", "curves", "shape", "pictures", "ramp", "message", "failed"];

/**
 * The part: a slider over some places in order.
 * @param {Host} host
 * @param {"round" | "look"} control
 * @param {string} label
 * @param {(now: Now, place: number) => string} said
 * @param {(now: Now) => number[]} places
 */
function overPlaces({ dialogue }, control, label, said, places) {
  const made = slider(label, (value) => dialogue.follow({ [control]: value }));
  made.input.setAttribute("aria-label", label);
  return {
    box: made.field,
    /** @param {Now} now */
    draw(now) {
      const last = places(now).length - 1;
      const texts = places(now).map((_, place) => said(now, place));
      const widest = texts.reduce((a, b) => (b.length > a.length ? b : a), "");
      made.set({ max: last, step: 1, value: now[control], text: texts[now[control]], widest, disabled: last < 1 });
    },
  };
}

/**
 * The part: which seeds are in; the last one stays.
 * @param {Host} host
 */
function seedSwitches({ model, dialogue }) {
  /** @type {Map<number, HTMLInputElement>} */
  const boxes = new Map(
    model.get("known").map((/** @type {number} */ seed) => {
      const input = element("input", { type: "checkbox", value: seed, "data-lm-suppress-shortcuts": "true" });
      input.setAttribute("aria-label", `seed ${seed}`);
      input.addEventListener("change", () => {
        const seeds = [...boxes].filter(([, { checked }]) => checked).map(([number]) => number);
        if (seeds.length) dialogue.choose({ seeds });
        else input.checked = true;
      });
      return [seed, input];
    }),
  );
  const choices = [...boxes].map(([seed, input]) => element("label", {}, input, element("span", {}, `${seed}`)));
  return {
    box: element(
      "div",
      { class: "prune-lab-field prune-lab-switch", role: "group", "aria-label": "seeds" },
      element("span", {}, "seeds"),
      element("span", { class: "prune-lab-choices" }, ...choices),
    ),
    /** @param {Now} now */
    draw({ seeds }) {
      for (const [seed, input] of boxes) input.checked = seeds.includes(seed);
    },
  };
}

export default panel((host) =>
  assemble(host, (redraw) => {
    const { model, dialogue } = host;
    const picture = remembered(pictureOf);
    const read = () => {
      const [round, look, seeds] = ["round", "look", "seeds"].map((name) => dialogue.get(name));
      const told = Object.fromEntries(TRAITS.map((name) => [name, model.get(name)]));
      const { known, kept, shape, curves, pictures } = told;
      const numbers = seeds.map((/** @type {number} */ seed) => known.indexOf(seed));
      const lines = Object.entries(curves).map(([name, all]) => ({
        name,
        curves: numbers.map((/** @type {number} */ number) => all[number][round]),
      }));
      return /** @type {Now} */ ({
        ...told,
        tensor: picture(pictures, numbers[0] * kept.length + round, shape),
        ...{ round, look, seeds, lines },
      });
    };
    const rounds = overPlaces(
      host,
      "round",
      "round",
      ({ kept }, place) => `${place}: ${shortPercent(kept[place])} kept`,
      ({ kept }) => kept,
    );
    const looks = overPlaces(
      host,
      "look",
      "trained for",
      ({ steps }, place) => `${steps[place]} steps`,
      ({ steps }) => steps,
    );
    const [seeds, mask, curves, sentence] = [seedSwitches(host), ticketMask(redraw), learningCurves(), said()];
    const columns = element("div", { class: "prune-lab-columns" }, curves.box, mask.box);
    return {
      label: () => "Ticket explorer",
      traits: TRAITS,
      read,
      parts: [rounds, looks, seeds, sentence, curves, mask],
      rows: [
        element("div", { class: "prune-lab-controls" }, seeds.box, fullScreen(host.el)),
        element("div", { class: "prune-lab-hand" }, rounds.box, looks.box),
        element("div", { class: "prune-lab-figure" }, columns),
        sentence.box,
      ],
    };
  }),
);
