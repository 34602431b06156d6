// What pruning costs: the curve of accuracy against amount, measured beside the kernel, and the accuracy now, which
// the browser may measure itself.

import { button, show } from "./controls.js";
import { drawCurves, heightAt } from "./curve.js";
import { COST_EXPLAINED, toldOf } from "./in_browser.js";
import { element, forPython, write } from "./panel.js";

/** @import { Point } from "./curve.js" */
/** @import { Host } from "./dialogue.js" */
/** @import { InBrowser } from "./in_browser.js" */
/** @import { Screen } from "./panel.js" */
/** @import { Preview } from "./preview.js" */

const TALL = 130; // CSS pixels, for text of the size 14

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
 * The part: how far work beside the kernel has come, and the button that stops it or lets it go on.
 * @param {Host} host
 * @param {string} label
 * @param {[string, string]} presses  Python's buttons for that.
 */
export function progressBar({ dialogue }, label, [stop, goOn] = ["stop", "go_on"]) {
  const bar = element("progress", { max: 1, "aria-label": label });
  const words = element("span");
  let measuring = false;
  const halt = button("Stop", () => dialogue.press(measuring ? stop : goOn));
  const box = element("div", { class: "prune-lab-progress" }, bar, words, forPython(halt));
  return {
    box,
    /** @param {{ done: number, measuring: boolean, said?: string }} now */
    draw({ done, measuring: on, said = "" }) {
      measuring = on;
      box.hidden = done >= 1;
      bar.value = done;
      write(words, dialogue.away ? "Python measures it." : said);
      write(halt, on ? "Stop" : "Go on");
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
     * @param {Preview} now
     * @param {Screen} screen
     */
    draw({ movable, shown, count, units, accuracy }, screen) {
      const measured = model.get("measures") && movable;
      show(box, measured, shown.by_hand); // one mask has no curve
      if (!measured) return;
      const points = /** @type {Point[]} */ (model.get("curve"));
      const at = units ? count / units : 0;
      progress.draw({ done: model.get("progress"), measuring: model.get("measuring") });
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
  const took = element("span", { title: COST_EXPLAINED });
  const here = element("span", {}, after, took);
  const box = element("span", {}, " · accuracy ", before, " → ", here);
  return {
    box,
    /** @param {Preview & { measured: InBrowser }} now */
    draw(now) {
      const points = /** @type {Point[]} */ (model.get("curve"));
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
