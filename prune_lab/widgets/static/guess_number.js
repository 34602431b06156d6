// A guess that is a number: a slider and a box to type in; then both marks on one line.

import { slider } from "./controls.js";
import { guessPanel, said } from "./guess.js";
import { element, write } from "./panel.js";

/** @import { Hand, NumberQuestion, View } from "./guess.js" */

/**
 * @param {NumberQuestion} question
 * @param {number} number
 */
const withUnit = ({ decimals, unit }, number) => `${said(number, decimals)} ${unit}`.trim();

/**
 * @param {NumberQuestion} question
 * @param {HTMLElement} body
 * @param {Hand<number>} hand
 * @returns {View<number>}
 */
function ask(question, body, { move, rest, choose }) {
  const { low, high, step, decimals } = question;
  const control = slider("", move, rest);
  control.input.setAttribute("aria-label", "your guess");
  const box = element("input", {
    type: "number",
    min: low,
    max: high,
    step: "any",
    "aria-label": "your guess, as a number",
    "data-lm-suppress-shortcuts": "true",
  });
  const inside = () => box.value !== "" && box.checkValidity();
  /** @param {number} value */
  const take = (value) => choose(Number((Math.round((value - low) / step) * step + low).toFixed(12)));
  const enter = () => {
    if (inside()) take(Number(box.value));
    else if (box.validity.badInput || box.value !== "") box.reportValidity();
    else choose(null);
  };
  box.addEventListener("change", enter);
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault(); // or a host takes it to be its own
    enter();
  });
  // Before the first guess the handle stands in the middle and means nothing. Who means the middle
  // presses it, or Enter: the browser reports no input then, for the value stays.
  let unset = true;
  const takeMiddle = () => {
    if (unset) take(Number(control.input.value));
  };
  control.input.addEventListener("pointerup", takeMiddle);
  control.input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    takeMiddle();
  });
  const line = element(
    "div",
    { class: "prune-lab-guess-line" },
    element("span", {}, said(low, decimals)),
    control.field,
    element("span", {}, said(high, decimals)),
  );
  body.append(
    element(
      "div",
      { class: "prune-lab-guess-number" },
      line,
      element("span", { class: "prune-lab-field" }, box, question.unit),
    ),
  );
  const middle = low + step * Math.round((high - low) / step / 2);
  return {
    set(guess) {
      const takenBack = guess === null && !unset; // also while the box, refused, has the focus again
      unset = guess === null;
      control.field.classList.toggle("prune-lab-unset", unset);
      control.set({
        min: low,
        max: high,
        step,
        value: guess ?? middle,
        text: guess === null ? "no guess" : withUnit(question, guess),
      });
      if (takenBack || document.activeElement !== box) box.value = guess === null ? "" : String(guess);
    },
    words: (guess) =>
      guess === null ? "No guess yet. You may also go on without one." : `Your guess: ${withUnit(question, guess)}.`,
    stop: control.stop,
  };
}

/**
 * @param {NumberQuestion} question
 * @param {HTMLElement} body
 * @param {number} truth
 * @returns {View<number>["set"]}
 */
function reveal(question, body, truth) {
  const { low, high, decimals } = question;
  /** @param {number} number */
  const share = (number) => (high > low ? (number - low) / (high - low) : 0);
  const [yours, real] = ["guess", "truth"].map((whose) => {
    const text = element("span", { class: "prune-lab-guess-tag" });
    const mark = element("div", { class: `prune-lab-guess-pin prune-lab-${whose}` }, text);
    return {
      mark,
      /**
       * @param {number} number
       * @param {string} words
       */
      set(number, words) {
        mark.style.setProperty("--pl-at", String(share(number)));
        // A tag that would reach over the end of the line hangs from its other side.
        mark.classList.toggle("prune-lab-turned", share(number) > 0.5);
        write(text, `${words}: ${withUnit(question, number)}`);
      },
    };
  });
  const between = element("div", { class: "prune-lab-guess-between" });
  const track = element("div", { class: "prune-lab-guess-track" }, between, yours.mark, real.mark);
  const ends = element(
    "div",
    { class: "prune-lab-guess-ends" },
    element("span", {}, said(low, decimals)),
    element("span", {}, withUnit(question, high)),
  );
  body.append(element("div", { class: "prune-lab-guess-scale" }, track, ends));
  real.set(truth, "the truth");
  return (guess) => {
    for (const part of [yours.mark, between]) part.hidden = guess === null;
    if (guess === null) return;
    yours.set(guess, "your guess");
    between.style.setProperty("--pl-from", String(share(Math.min(guess, truth))));
    between.style.setProperty("--pl-to", String(share(Math.max(guess, truth))));
  };
}

export default guessPanel(ask, reveal);
