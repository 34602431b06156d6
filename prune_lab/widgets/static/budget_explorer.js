// BudgetExplorer: three limits, a dot for each model, and which one to take. All of it is worked out
// here; Python hears of the limits when the sliders rest.

import { percent } from "./accuracy.js";
import { grouped } from "./amount.js";
import { said } from "./applies.js";
import { budgetPlot } from "./budget_plot.js";
import { fullScreen, slider } from "./controls.js";
import { panel } from "./dialogue.js";
import { assemble, element, write } from "./panel.js";

/** @import { Host } from "./dialogue.js" */

/**
 * @typedef {{ name: string, recipe: string, bytes: number, milliseconds: number, validation: number, test: number, lost: number }} Candidate
 * @typedef {{ bytes: number, milliseconds: number, lost: number }} Limits
 * @typedef {{ candidates: Candidate[], limits: Limits, meeting: Candidate[], best: Candidate | null, message: string, failed: boolean }} Now
 */

/** @type {(keyof Limits)[]} */
const COSTS = ["bytes", "milliseconds", "lost"];
const TRAITS = { bytes: "most_bytes", milliseconds: "most_milliseconds", lost: "most_points" };
const LABELS = { bytes: "file", milliseconds: "one image", lost: "accuracy lost" };
const SAID = {
  bytes: (/** @type {number} */ n) => `${grouped(n)} bytes`,
  milliseconds: (/** @type {number} */ n) => `${Number(n.toPrecision(3))} ms`,
  lost: (/** @type {number} */ n) => `${Number(n.toFixed(2))} points`,
};

/**
 * Which candidates keep to the limits, and the one to take: the most accurate, of equals the smallest.
 * @param {Candidate[]} candidates
 * @param {Limits} limits
 */
export function choose(candidates, limits) {
  const meeting = candidates.filter((one) => COSTS.every((cost) => one[cost] <= limits[cost]));
  const [best = null] = [...meeting].sort((a, b) => b.validation - a.validation || a.bytes - b.bytes);
  return { meeting, best };
}

/**
 * What a slider can say: from 0 to 1 between the cheapest candidate and the dearest. Bytes and
 * milliseconds go by factors, points by differences.
 * @param {Candidate[]} candidates
 * @param {keyof Limits} cost
 */
export function range(candidates, cost) {
  const costs = candidates.map((one) => one[cost]);
  const [low, high] = [Math.min(...costs), Math.max(...costs)];
  const byFactor = cost !== "lost" && high > low;
  const share = (/** @type {number} */ limit) =>
    byFactor ? Math.log(limit / low) / Math.log(high / low) : (limit - low) / (high - low || 1);
  return {
    share: (/** @type {number} */ limit) => Math.min(1, Math.max(0, share(limit))),
    /** Three digits: fewer would pull the handle from the pointer.  @param {number} at */
    limit(at) {
      if (at >= 1) return high;
      if (at <= 0) return low;
      return Number((byFactor ? low * (high / low) ** at : low + (high - low) * at).toPrecision(3));
    },
  };
}

/**
 * @param {Host} host
 * @param {keyof Limits} cost
 */
function limitSlider({ model, dialogue }, cost) {
  const made = slider(
    LABELS[cost],
    (at) => dialogue.move({ [TRAITS[cost]]: range(model.get("candidates"), cost).limit(at) }),
    () => dialogue.ask(),
  );
  return {
    box: made.field,
    /** @param {Now} now */
    draw({ candidates, limits }) {
      const text = `at most ${SAID[cost](limits[cost])}`;
      const value = Number(range(candidates, cost).share(limits[cost]).toFixed(2));
      made.set({ max: 1, step: 0.01, value, text, widest: `at most ${SAID[cost](cost === "bytes" ? 999999 : 99.99)}` });
    },
    stop: made.stop,
  };
}

/**
 * A candidate in words.
 * @param {Candidate} one
 * @param {Limits} limits
 */
export function words(one, limits) {
  const over = COSTS.filter((cost) => one[cost] > limits[cost]).map((cost) => LABELS[cost]);
  const costs = COSTS.map((cost) => SAID[cost](one[cost])).join(", ");
  return `${one.name}: ${costs} lost${over.length ? ` (too much: ${over.join(", ")})` : ""}`;
}

/**
 * The part: which candidate to take, and what the digits that took no part in the choice say of it.
 */
function verdict() {
  const [name, told] = [element("b"), element("span", { class: "prune-lab-judged" })];
  const sentence = (/** @type {Now} */ { candidates, meeting, best }) =>
    best
      ? `${SAID.bytes(best.bytes)}, ${SAID.milliseconds(best.milliseconds)}, ${percent(best.test)} of the test digits ` +
        `(${candidates[0].name}: ${percent(candidates[0].test)}). ${meeting.length} of ${candidates.length} models meet the budget.`
      : "No model meets the budget: give one of the limits more room.";
  return {
    box: element("div", { class: "prune-lab-counts prune-lab-verdict" }, name, told),
    /** @param {Now} now */
    draw(now) {
      write(name, now.best ? now.best.name : "None");
      write(told, sentence(now));
    },
    say: (/** @type {Now} */ now) => `${now.best ? now.best.name : "None"}: ${sentence(now)}`,
  };
}

export default panel((host) =>
  assemble(host, (redraw) => {
    const { model, dialogue, el } = host;
    const limits = COSTS.map((cost) => limitSlider(host, cost));
    const [plot, chosen, sentence] = [budgetPlot(redraw, words), verdict(), said()];
    return {
      label: () => "Budget explorer",
      traits: ["candidates", "message", "failed"],
      read() {
        const candidates = /** @type {Candidate[]} */ (model.get("candidates"));
        const [bytes, milliseconds, lost] = COSTS.map((cost) => dialogue.get(TRAITS[cost]));
        const now = { bytes, milliseconds, lost };
        const { message: said, failed } = { message: model.get("message"), failed: model.get("failed") };
        return { candidates, limits: now, ...choose(candidates, now), message: said, failed };
      },
      parts: [...limits, plot, chosen, sentence],
      rows: [
        element("div", { class: "prune-lab-controls" }, ...limits.map(({ box }) => box), fullScreen(el)),
        element("div", { class: "prune-lab-figure" }, plot.box),
        chosen.box,
        sentence.box,
      ],
    };
  }),
);
