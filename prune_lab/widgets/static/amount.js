// How an amount becomes a count, in Python's own arithmetic: the picture must never show one
// entry more or less than the engine would prune. And the part with which it is chosen.

import { show, slider, switcher } from "./controls.js";
import { countOf, stepAt } from "./order.js";
import { element, write } from "./panel.js";

/** @import { Host } from "./dialogue.js" */
/** @import { Preview } from "./preview.js" */

/**
 * An amount: ["fraction", share], or ["count", number, of so many].
 * @typedef {["fraction", number] | ["count", number, number]} Amount
 */

const withCommas = new Intl.NumberFormat("en"); // making one takes longer than using it

/**
 * 61706 as "61,706".
 * @param {number} count
 */
export const grouped = (count) => withCommas.format(count);

/**
 * How many of `units` an amount prunes. A count that was chosen of another number of units keeps its
 * share.
 * @param {Amount} amount
 * @param {number} units
 */
export function countFor([kind, number, of = 0], units) {
  if (kind === "fraction") return countOf(number, units);
  return Math.min(of === units ? number : countOf(of ? number / of : 0, units), units);
}

/**
 * The shortest decimal that prunes exactly `count` of `units`: 45 of 150 is 0.3.
 * @param {number} count
 * @param {number} units
 */
export function fractionOf(count, units) {
  if (units === 0) return 0;
  for (let digits = 1; digits < 17; digits += 1) {
    const fraction = Number((count / units).toFixed(digits));
    if (countOf(fraction, units) === count) return fraction;
  }
  return count / units;
}

/**
 * The fraction as Python writes it. 1 would mean one unit, 1.0 means all of them.
 * @param {number} fraction
 */
export function pythonFloat(fraction) {
  return Number.isInteger(fraction) ? fraction.toFixed(1) : String(fraction);
}

/**
 * 1st, 2nd, 3rd, 4th, ...
 * @param {number} n
 */
export function ordinal(n) {
  const teens = n % 100 >= 11 && n % 100 <= 13;
  return `${grouped(n)}${(!teens && ["", "st", "nd", "rd"][n % 10]) || "th"}`;
}

/**
 * This count of units, as a fraction or as a count.
 * @param {string} kind
 * @param {number} count
 * @param {number} units
 * @returns {Amount}
 */
export const amountAs = (kind, count, units) =>
  kind === "count" ? ["count", count, units] : ["fraction", fractionOf(count, units)];

/**
 * What a number means that another widget of the page sets: the amount is given as it was before, and
 * no more goes than there is.
 * @type {import("./dialogue.js").Box}
 */
export const AMOUNT_BOX = {
  plain: ([, number]) => number,
  fit(number, [kind], model) {
    if (kind === "fraction") return [kind, Math.min(1, Math.max(0, number))];
    const units = model.get("units");
    return [kind, Math.min(units, Math.max(0, Math.round(number))), units];
  },
};

/**
 * Whether the slider can show some of the counts only.
 * @param {Pick<Preview, "steps" | "units">} now
 */
export const bySteps = ({ steps, units }) => steps.length > 0 && steps.length <= units;

/**
 * How the slider stands, and what it says of itself. While Python has yet to rank anew, a count is
 * one of those among which it was chosen.
 * @param {Preview} now
 */
export function standOf({ amount, count, units, movable, waiting, steps }) {
  const [kind, number, of = 0] = amount;
  const old = kind === "count" && waiting;
  const [all, here] = old ? [of, number] : [units, count];
  const share = all ? `${Math.round((100 * here) / all)} %` : "0 %";
  const whole = movable || kind === "count" ? `${grouped(here)} of ${grouped(all)}` : "…";
  const widest = `99.99 %\u2002(${grouped(all)} of ${grouped(all)})`;
  const few = bySteps({ steps, units }) && !old;
  if (kind === "count") {
    const [max, value] = few ? [steps.length - 1, stepAt(steps, here)] : [all, here];
    return { max, step: 1, value, text: `${whole}\u2002(${share})`, widest };
  }
  const step = few ? 1 / (steps.length - 1) : 0.01;
  return { max: 1, step, value: number, text: `${Number((100 * number).toFixed(2))} %\u2002(${whole})`, widest };
}

/**
 * The part: fraction or count, the slider, and what is said in its place where no amount is taken.
 * @param {Host} host
 * @param {() => Preview} read
 */
export function amountControl({ dialogue }, read) {
  const unit = switcher(
    "amount",
    [
      { value: "fraction", label: "fraction", title: "a float: the fraction that goes" },
      { value: "count", label: "count", title: "an int: how many go" },
    ],
    (kind) => {
      const { count, units } = read();
      dialogue.choose({ amount: amountAs(kind, count, units) });
    },
  );
  const amount = slider(
    "",
    (value) => {
      const [kind, , of] = dialogue.get("amount");
      const now = read();
      const counted = bySteps(now) ? [kind, now.steps[value], now.units] : [kind, value, of];
      dialogue.move({ amount: kind === "fraction" ? [kind, value] : counted });
    },
    () => dialogue.ask(),
  );
  amount.input.setAttribute("aria-label", "amount");
  const instead = element("span", { class: "prune-lab-soft" });
  const steps = element("span", { class: "prune-lab-field" });
  return {
    box: element("div", { class: "prune-lab-amount" }, unit.field, amount.field, steps, instead),
    /** @param {Preview} now */
    draw(now) {
      const { by_hand: byHand, ways, asks } = now.technique;
      unit.set(now.amount[0]);
      show(unit.field, ways.length > 1, byHand);
      show(amount.field, ways.length > 0, true);
      // With the switch there is a label already.
      if (!byHand) amount.name(ways.length > 1 ? "" : asks.replace("{m}", dialogue.get("m")));
      instead.hidden = ways.length > 0;
      steps.hidden = !bySteps(now);
      write(steps, steps.hidden ? "" : `in steps of ${100 / (now.steps.length - 1)} %`);
      write(
        instead,
        byHand
          ? `By hand: ${now.tensor.order ? "click entries to prune or restore them" : "set explorer.mask in Python"}, or choose a technique to go back to the slider.`
          : "This technique takes no amount.",
      );
      if (ways.length) amount.set(standOf(now));
    },
    stop: amount.stop,
  };
}
