// SensitivityExplorer: a slider for each layer and one for all, the layers' curves behind them,
// accuracy, size and code. Python measures; what a slider moves is worked out here at once, and
// what has not been measured for it yet is shown as pending.

import { percent, shortPercent } from "./accuracy.js";
import { grouped, pythonFloat } from "./amount.js";
import { applies } from "./applies.js";
import { codeLine } from "./code.js";
import { fullScreen, slider } from "./controls.js";
import { swatch } from "./curve.js";
import { panel } from "./dialogue.js";
import { COST_EXPLAINED, inBrowser, NOT_ASKED, toldOf } from "./in_browser.js";
import { curvePoints, readLayers, withPoints } from "./layers.js";
import { assemble, element, forPython, write } from "./panel.js";
import { sensitivityCurves } from "./sensitivity_curves.js";
import { seedBox, techniqueMenu } from "./techniques.js";

/** @import { Dialogue, Host, Model } from "./dialogue.js" */
/** @import { InBrowser } from "./in_browser.js" */
/** @import { Layer, Layers } from "./layers.js" */

/**
 * Which layer is pointed at: by the slider under the pointer or with the focus, or the curve under
 * the pointer, and there at which amount; -1 and null: none.
 * @typedef {{ pointed: number, focused: number, at: number | null }} Spot
 */

const TRAITS = [
  "layers",
  "techniques",
  "curves",
  "accuracy",
  "baseline",
  "stopped",
  "basis",
  "edition",
  "total",
  "pruned",
  "message",
  "failed",
  "undoable",
  "applying",
  "applied",
];

/**
 * "246.8 → 12.3 kB": what so many float32 numbers take, in the unit that suits the first.
 * @param {number} before
 * @param {number} after
 */
function sizes(before, after) {
  const power = Math.min(3, Math.floor(Math.log10(Math.max(1, 4 * before)) / 3));
  const [from, to] = [before, after].map((count) => ((4 * count) / 1000 ** power).toFixed(power ? 1 : 0));
  return `${from} → ${to} ${["bytes", "kB", "MB", "GB"][power]}`;
}

/**
 * The part: the slider that moves all others.
 * @param {Host} host
 */
function allLayers({ dialogue, model }) {
  const all = slider("all layers", (amount) => {
    const names = model.get("layers").map((/** @type {Layer} */ { name }) => name);
    dialogue.follow({ amounts: Object.fromEntries(names.map((/** @type {string} */ name) => [name, amount])) });
  });
  all.input.setAttribute("aria-label", "all layers");
  return {
    box: element("div", { class: "prune-lab-all" }, all.field),
    /** @param {Layers} now */
    draw({ layers, gone, entries }) {
      const amounts = layers.map(({ amount }) => amount);
      const same = amounts.every((amount) => amount === amounts[0]);
      const overall = entries ? gone / entries : 0;
      all.set({
        max: 1,
        step: 0.01,
        value: same ? amounts[0] : overall,
        text: same ? shortPercent(amounts[0]) : `mixed, ${shortPercent(overall)} overall`,
        widest: `mixed, 99.9 % overall`,
      });
    },
  };
}

/**
 * One layer's slider; the pen of its curve is the legend.
 * @param {Dialogue} dialogue
 * @param {string} name
 * @param {number} number
 * @param {(change: Partial<Spot>) => void} point
 */
function layerSlider(dialogue, name, number, point) {
  const made = slider(name, (amount) => dialogue.follow({ amounts: { [name]: amount } }));
  made.input.setAttribute("aria-label", name);
  made.field.title = name;
  made.field.prepend(swatch(number));
  made.field.addEventListener("pointerenter", () => point({ pointed: number }));
  made.field.addEventListener("pointerleave", () => point({ pointed: -1 }));
  made.input.addEventListener("focus", () => point({ focused: number }));
  made.input.addEventListener("blur", () => point({ focused: -1 }));
  return made;
}

/**
 * The part: a slider for each layer.
 * @param {Host} host
 * @param {Spot} spot
 * @param {(change: Partial<Spot>) => void} point
 */
function layerSliders({ dialogue }, spot, point) {
  const box = element("div", { class: "prune-lab-layers", role: "group", "aria-label": "Amount for each layer" });
  /** @type {ReturnType<typeof layerSlider>[]} */
  let sliders = [];
  let built = "";
  return {
    box,
    /** @param {Layers} now */
    draw({ layers, technique }) {
      const names = layers.map(({ name }) => name);
      if (built !== JSON.stringify(names)) {
        built = JSON.stringify(names);
        sliders = names.map((name, number) => layerSlider(dialogue, name, number, point));
        Object.assign(spot, { pointed: -1, focused: -1 });
        box.replaceChildren(...sliders.map(({ field }) => field));
      }
      const what = technique.units === "entries" ? "" : ` ${technique.units}`;
      const marked = spot.pointed >= 0 ? spot.pointed : spot.focused;
      layers.forEach(({ amount, units, count }, i) => {
        const text = `${shortPercent(amount)}\u2002(${grouped(count)} of ${grouped(units)}${what})`;
        sliders[i].set({ max: 1, step: 0.01, value: amount, text });
        sliders[i].field.classList.toggle("prune-lab-marked", i === marked);
      });
    },
  };
}

/**
 * The part: accuracy, parameters and bytes in large figures.
 * @param {Model} model
 * @param {ReturnType<typeof inBrowser>} here
 */
function stats(model, { stop }) {
  const box = element("div", { class: "prune-lab-counts prune-lab-stats" });
  const [accuracy, left, bytes] = ["accuracy, all layers together", "parameters left", "what is left, as float32"].map(
    (text) => {
      const value = element("b", { dir: "ltr" });
      box.append(element("div", {}, element("div", { class: "prune-lab-title" }, text), value));
      return value;
    },
  );
  const took = element("div", { class: "prune-lab-note", title: COST_EXPLAINED });
  accuracy.after(took);
  const honest = element("div", { class: "prune-lab-note" });
  box.append(honest);
  let said = "";
  return {
    box,
    stop,
    /** @param {Layers & { measured: InBrowser }} now */
    draw(now) {
      const before = model.get("total") - model.get("pruned");
      const { share, dense, late, paid } = toldOf(now);
      const first = model.get("baseline") ?? dense;
      write(accuracy, `${first === null ? "…" : percent(first)} → ${share === null ? "…" : percent(share)}`);
      write(took, paid || (model.get("network").byteLength ? "\u00a0" : "")); // keeps its line
      accuracy.classList.toggle("prune-lab-pending", late || share === null);
      write(left, `${grouped(before)} → ${grouped(before - now.gone)}`);
      write(bytes, sizes(before, before - now.gone));
      write(
        honest,
        (model.get("pruned") ? `${grouped(model.get("pruned"))} more were pruned before. ` : "") +
          "A mask makes nothing smaller by itself: this counts what is left.",
      );
      said =
        `${grouped(before - now.gone)} of ${grouped(before)} parameters left` +
        (late || share === null ? "" : `, accuracy ${percent(share)}${paid}`);
    },
    say: () => said,
  };
}

/**
 * The calls that do the same: Python writes each around its amount, as soon as it has heard of the
 * technique.
 * @param {Layers} now
 * @param {number} seed
 */
export function lines({ layers, current, technique: { value, random, options } }, seed) {
  const calls = layers.flatMap(({ module, parameter, call, amount, count }, i) => {
    if (count === 0) return [];
    if (current && call) return [call.join(pythonFloat(amount))];
    const draw = random ? `torch.manual_seed(${seed + i})\n` : "";
    return [`${draw}prune.${value}(${module}, name=${parameter}, amount=${pythonFloat(amount)}${options})`];
  });
  const after = new Set(layers.flatMap(({ then, count }) => (then && count ? [then] : [])));
  return [...calls, ...after].join("\n") || "# Every slider is at 0: nothing is pruned.";
}

/**
 * What is on the screen, with the accuracy that this browser has measured.
 * @param {Host} host
 * @param {Layers} now
 * @param {ReturnType<typeof inBrowser>} here
 */
function measuredHere({ dialogue }, now, here) {
  const counts = Object.fromEntries(now.layers.map(({ name, count }) => [name, count]));
  const asks = now.current && !dialogue.waits("technique", "seed");
  const measured = asks
    ? here.answer({ counts, known: now.accuracy !== null }, () => curvePoints(now.layers))
    : NOT_ASKED;
  const { found, current, curves } = measured;
  const layers = curves ? withPoints(now.layers, curves) : now.layers;
  return { ...now, layers, measured, accuracy: now.accuracy ?? (found && current ? found.right / found.of : null) };
}

export default panel(
  (host) =>
    assemble(host, (redraw) => {
      const { model, dialogue } = host;
      /** @type {Spot} */
      const spot = { pointed: -1, focused: -1, at: null };
      const point = (/** @type {Partial<Spot>} */ change) => {
        Object.assign(spot, change);
        redraw();
      };
      const choose = (/** @type {Record<string, string | number>} */ choices) => dialogue.choose(choices);
      const [techniques, seed] = [techniqueMenu(choose), seedBox(host, choose)];
      const [all, each, curves] = [
        allLayers(host),
        layerSliders(host, spot, point),
        sensitivityCurves(host, spot, point),
      ];
      const here = inBrowser(host, redraw);
      const [sums, code, buttons] = [stats(model, here), codeLine("The calls that do the same"), applies(host)];
      buttons.box.append(fullScreen(host.el));
      const columns = element(
        "div",
        { class: "prune-lab-columns prune-lab-sensitivity" },
        element("div", { class: "prune-lab-main" }, each.box),
        curves.box,
      );
      return {
        label: () => "Sensitivity explorer",
        traits: TRAITS,
        read() {
          const now = measuredHere(host, readLayers(host), here);
          return {
            ...now,
            code: lines(now, dialogue.get("seed")),
            message: model.get("message"),
            failed: model.get("failed"),
            undoable: model.get("undoable"),
            resettable: true,
          };
        },
        parts: [techniques, seed, all, each, buttons, sums, code, curves],
        rows: [
          element("div", { class: "prune-lab-controls" }, forPython(techniques.box, seed.box)),
          element("div", { class: "prune-lab-hand" }, all.box, buttons.box, buttons.answer),
          element("div", { class: "prune-lab-figure" }, columns),
          sums.box,
          code.box,
        ],
      };
    }),
  {},
  ["technique", "seed"],
);
