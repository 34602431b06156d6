// MaskExplorer. The panel holds the values and the position at which each entry goes, or of a large
// tensor what is left of its blocks at each step, so the slider needs no kernel. Only a new layer or
// technique and the accuracy come from Python. What is on the screen stands in preview.js; here the parts are put together.

import { accuracyCurve, accuracyWords, curveNow, curvePoints } from "./accuracy.js";
import { AMOUNT_BOX, amountControl, grouped, pythonFloat } from "./amount.js";
import { applies } from "./applies.js";
import { codeLine } from "./code.js";
import { fullScreen, switcher } from "./controls.js";
import { panel } from "./dialogue.js";
import { histogram } from "./histogram.js";
import { inBrowser, NOT_ASKED } from "./in_browser.js";
import { assemble, element, forPython, write } from "./panel.js";
import { bars, parameterMenu } from "./parameters.js";
import { picture } from "./picture.js";
import { previewOf, RANKED_BY } from "./preview.js";
import { optionControls, seedBox, techniqueMenu } from "./techniques.js";

/** @import { Host, Model } from "./dialogue.js" */
/** @import { Asked } from "./in_browser.js" */
/** @import { Preview } from "./preview.js" */

const LISTED = 500; // entries; a longer mask by hand is not written out (as in Python)
const TRAITS = [
  "values",
  "order",
  "shape",
  "steps",
  "gone",
  "sizes",
  "grid",
  "kept",
  "strongest",
  "tally",
  "drawn",
  "drawing",
  "ramp",
  "title",
  "parameters",
  "techniques",
  "groups",
  "ways",
  "units",
  "call",
  "by_hand",
  "accuracy",
  "curve",
  "progress",
  "measuring",
  "measures",
  "edition",
  "message",
  "failed",
  "undoable",
  "applying",
  "applied",
];

/**
 * The part: which of the values the picture shows.
 * @param {Host} host
 */
function viewSwitch({ dialogue }) {
  const views = switcher(
    "show",
    [
      { value: "masked", label: "weights × mask" },
      { value: "weights", label: "weights" },
      { value: "mask", label: "mask" },
    ],
    (view) => dialogue.choose({ view }),
  );
  return {
    box: views.field,
    /** @param {Preview} now */
    draw: ({ view }) => views.set(view),
  };
}

/**
 * The part: how many entries are kept and pruned, and what that costs.
 * @param {Host} host
 * @param {ReturnType<typeof inBrowser>} here
 */
function counts(host, { stop }) {
  const [kept, pruned, sparsity] = [element("b"), element("b"), element("span")];
  const cost = accuracyWords(host);
  return {
    box: element(
      "div",
      { class: "prune-lab-counts" },
      kept,
      " kept · ",
      pruned,
      " pruned · sparsity\u00a0",
      sparsity,
      cost.box,
    ),
    /** @param {ReturnType<typeof told>} now */
    draw(now) {
      const { entries, gone } = now;
      write(kept, gone === null ? "…" : grouped(entries - gone));
      write(pruned, gone === null ? "…" : grouped(gone));
      write(sparsity, gone === null ? "…" : `${entries ? ((100 * gone) / entries).toFixed(1) : "0.0"}\u00a0%`);
      cost.draw(now);
    },
    say: () => `${kept.textContent} kept, ${pruned.textContent} pruned${cost.said()}`,
    stop,
  };
}

/**
 * The call that makes this mask.
 * @param {Model} model
 * @param {Preview} now
 */
function lineOfCode(model, { shown, tensor: { order }, movable, amount: [kind, fraction], units, count }) {
  if (shown.by_hand) {
    const [before, after, instead] = model.get("by_hand");
    if (!order) return instead;
    /** @type {number[]} */
    const listed = [];
    for (let i = 0; i < order.length && listed.length <= LISTED; i += 1) if (order[i] === 0) listed.push(i);
    return listed.length > LISTED ? instead : `${before}[${listed.join(", ")}]${after}`;
  }
  const [before, after] = model.get("call");
  if (!movable) return before + after;
  if (kind === "fraction") return before + pythonFloat(fraction) + after;
  return before + (shown.keeps ? units - count : count) + after;
}

/**
 * What goes with so many units: of the parameter on show and, for a global technique, of those ranked with it.
 * @param {Model} model
 * @param {Preview} now
 * @param {number} count
 */
function countsAt(model, { name, painted }, count) {
  const together = painted ? [] : model.get("parameters").filter((/** @type {any} */ { steps }) => steps);
  return { ...Object.fromEntries(together.map((/** @type {any} */ one) => [one.name, count])), [name]: count };
}

/**
 * What the accuracy is wanted of.
 * @param {Model} model
 * @param {Preview} now
 * @returns {Asked}
 */
function questionOf(model, now) {
  const { name, count, accuracy, tensor } = now;
  const { order } = tensor;
  return { counts: countsAt(model, now, count), ...(order && { orders: { [name]: order } }), known: accuracy !== null };
}

/**
 * What the parts are told: the preview, what this browser has measured, and what Python says of itself.
 * @param {Host} host
 * @param {() => Preview} read
 * @param {ReturnType<typeof inBrowser>} here
 */
function told({ model }, read, here) {
  const now = read();
  const asks = model.get("measures") && now.there && !now.waiting;
  const units = now.movable ? now.units : 0; // one mask has no curve
  const wanted = () => curvePoints(units, (count) => countsAt(model, now, count), model.get("curve"));
  const measured = asks ? here.answer(questionOf(model, now), wanted) : NOT_ASKED;
  const { found, current } = measured;
  return {
    ...now,
    measured,
    curve: curveNow(model, measured),
    accuracy: now.accuracy ?? (found && current ? found.right / found.of : null),
    code: lineOfCode(model, now),
    message: model.get("message"),
    failed: model.get("failed"),
    undoable: model.get("undoable"),
    resettable: model.get("undoable"),
  };
}

export default panel(
  (host) =>
    assemble(host, (redraw) => {
      const [read, here] = [previewOf(host), inBrowser(host, redraw)];
      /**
       * Ask for another picture: a mask by hand that was painted on the old one ends.
       * @param {Record<string, string | number>} choices
       */
      const request = (choices) => host.dialogue.choose({ ...choices, painted: null });
      const chosen = [
        parameterMenu(host, request),
        techniqueMenu(request),
        optionControls(host, request),
        seedBox(host, request),
      ];
      const view = viewSwitch(host);
      const [amount, buttons] = [amountControl(host, read), applies(host)];
      const [heat, values, curve, layers] = [
        picture(host, read, redraw),
        histogram(redraw),
        accuracyCurve(host),
        bars(host),
      ];
      const [totals, code] = [counts(host, here), codeLine()];
      const words = { ...totals, say: () => heat.say() || totals.say() }; // first of all what the hand is at
      buttons.box.append(fullScreen(host.el));
      const side = element("div", { class: "prune-lab-side" }, values.box, curve.box, layers.box);
      return {
        label: () => `Mask explorer for ${host.model.get("title")}`,
        traits: TRAITS,
        read: () => told(host, read, here),
        // Words before pictures, and the picture with words of its own first: a canvas that writes text has the page
        // laid out, which is then done once.
        parts: [...chosen, view, amount, buttons, layers, code, words, values, heat, curve],
        rows: [
          element("div", { class: "prune-lab-controls" }, forPython(...chosen.map(({ box }) => box)), view.box),
          element("div", { class: "prune-lab-hand" }, amount.box, buttons.box, buttons.answer),
          element("div", { class: "prune-lab-figure" }, element("div", { class: "prune-lab-columns" }, heat.box, side)),
          words.box,
          code.box,
        ],
      };
    }),
  { amount: AMOUNT_BOX },
  RANKED_BY,
);
