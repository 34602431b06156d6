// What pruning costs: the curve of accuracy against amount, and the accuracy now, measured beside the kernel or in this
// browser.

import { button, show } from "./controls.js";
import { drawCurves, heightAt } from "./curve.js";
import { COST_EXPLAINED, isAlone, pointsOf, toldOf } from "./in_browser.js";
import { countOf } from "./order.js";
import { element, write } from "./panel.js";

/** @import { Point } from "./curve.js" */
/** @import { Host, Model } from "./dialogue.js" */
/** @import { Curves, InBrowser, Wanted } from "./in_browser.js" */
/** @import { Screen } from "./panel.js" */
/** @import { Preview } from "./preview.js" */

const TALL = 130; // CSS pixels, for text of the size 14
const POINTS = 20; // steps of the amount at which the accuracy is measured, as in accuracy.py

/**
 * @param {number} share
 * @param {number} digits
 */
export const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;

/**
 * 0.3 as "30 %", and 0.333 as "33.3 %".
 * @param {number} share
 */
export const shortPercent = (share) => `${Number((100 * share).toFixed(1))} %`;

/**
 * Where the curve is measured.
 * @param {number} units  That can go.
 * @param {(count: number) => Record<string, number>} countsAt  What goes of each parameter with so many of them.
 * @param {Point[]} known  By Python.
 * @returns {Wanted[]}
 */
export function curvePoints(units, countsAt, known) {
  const [steps, shares] = [Math.min(POINTS, units), new Map(known)];
  return Array.from({ length: units ? steps + 1 : 0 }, (_, step) => {
    const amount = Number((step / steps).toFixed(4));
    return { amount, counts: countsAt(countOf(step / steps, units)), share: shares.get(amount) };
  });
}

/**
 * The explorer's curve as far as it is known, and how far that is.
 * @param {Model} model
 * @param {InBrowser} measured
 */
export function curveNow(model, { curves }) {
  if (!curves) {
    return { points: model.get("curve"), done: model.get("progress"), curves, measuring: model.get("measuring") };
  }
  const [points, all] = [pointsOf(curves.points), curves.points.length];
  return { points, done: all ? points.length / all : 1, curves, measuring: curves.measuring };
}

/**
 * The part: how far slow work has come, and the button that stops it or lets it go on: Python's, beside the kernel, or
 * this browser's own.
 * @param {Host} host
 * @param {string} label
 * @param {[string, string]} presses  Python's buttons for that.
 */
export function progressBar({ dialogue }, label, [stop, goOn] = ["stop", "go_on"]) {
  const bar = element("progress", { max: 1, "aria-label": label });
  const words = element("span");
  let press = () => {};
  const halt = button("Stop", () => press());
  const box = element("div", { class: "prune-lab-progress" }, bar, words, halt);
  return {
    box,
    /** @param {{ done: number, measuring: boolean, said?: string, curves?: Curves | null }} now */
    draw({ done, measuring, said = "", curves = null }) {
      const nobody = !curves && isAlone(dialogue);
      press = curves ? curves.press : () => dialogue.press(measuring ? stop : goOn);
      show(box, done < 1, true); // what lies below stays where it is
      bar.value = done;
      write(words, nobody ? "Python measures it." : said);
      write(halt, measuring ? "Stop" : "Go on");
      halt.disabled = nobody;
    },
  };
}

/**
 * The part: the explorer's curve, with a dot where the slider stands.
 * @param {Host} host
 */
export function accuracyCurve(host) {
  const { model } = host;
  const canvas = element("canvas", { role: "img", dir: "ltr" });
  const progress = progressBar(host, "accuracy measured so far");
  const box = element(
    "div",
    { class: "prune-lab-chart" },
    element("div", { class: "prune-lab-title" }, "accuracy against amount"),
    canvas,
    progress.box,
  );
  let width = 0;
  return {
    box,
    measure() {
      width = box.clientWidth;
    },
    /**
     * @param {Preview & { curve: ReturnType<typeof curveNow> }} now
     * @param {Screen} screen
     */
    draw({ movable, shown, count, units, accuracy, curve }, screen) {
      const measured = model.get("measures") && movable;
      show(box, measured, shown.by_hand); // one mask has no curve
      if (!measured) return;
      const { points } = curve;
      const at = units ? count / units : 0;
      progress.draw(curve);
      const there = accuracy ?? heightAt(points, at);
      canvas.setAttribute(
        "aria-label",
        `Accuracy against amount, ${points.length} points measured` +
          (there === null ? "" : `; ${percent(there)} at this amount`),
      );
      if (width <= 0) return; // not on the screen
      drawCurves(canvas, [{ points, at, mark: accuracy }], width, (TALL * screen.colours.size) / 14, screen);
    },
  };
}

/**
 * What the measured points say of the accuracy at a share: their own, or about what lies between two of them.
 * @param {Point[]} points
 * @param {number} share
 */
export function nearby(points, share) {
  const there = heightAt(points, share);
  if (there === null) return "…";
  return points.some(([measured]) => measured === share) ? percent(there) : `≈ ${percent(there)}`;
}

/**
 * The part: the accuracy at first and now, in words, and what measuring it cost here; nothing without data.
 * @param {Host} host
 */
export function accuracyWords({ model }) {
  const [before, after] = [element("b"), element("b")];
  // Its room is kept: what stands below must not move when it comes.
  const room = model.get("network").byteLength ? "prune-lab-took" : "";
  const took = element("span", { title: COST_EXPLAINED, class: room });
  const here = element("span", {}, after, took);
  const box = element("span", {}, " · accuracy ", before, " → ", here);
  return {
    box,
    /** @param {Preview & { measured: InBrowser, curve: ReturnType<typeof curveNow> }} now */
    draw(now) {
      const { points } = now.curve;
      const [first] = points;
      const { share, dense, late, paid } = toldOf(now);
      box.hidden = !model.get("measures");
      const unpruned = first?.[0] === 0 ? first[1] : dense;
      write(before, unpruned === null ? "…" : percent(unpruned));
      const near = now.movable && !now.waiting ? nearby(points, now.units ? now.count / now.units : 0) : "…";
      write(after, share === null ? near : percent(share));
      write(took, paid);
      here.classList.toggle("prune-lab-pending", late);
    },
    said: () => (box.hidden ? "" : `, accuracy ${before.textContent} → ${after.textContent}${took.textContent}`),
  };
}
