// The curves of SensitivityExplorer: one for each layer, and the one that is pointed at in words.

import { percent, progressBar, shortPercent } from "./accuracy.js";
import { grouped } from "./amount.js";
import { drawCurves, heightAt } from "./curve.js";
import { element, write } from "./panel.js";
import { placeOf, scaleOf, shareAt } from "./plot.js";

/** @import { Host } from "./dialogue.js" */
/** @import { InBrowser } from "./in_browser.js" */
/** @import { Layer, Layers } from "./layers.js" */
/** @import { Screen } from "./panel.js" */
/** @import { Spot } from "./sensitivity_explorer.js" */

const TALL = 300; // CSS pixels, for text of the size 14
const BESIDE = 230; // of a low window: what the host and the controls take
const TOLD_APART = 6; // curves; of more, only the one that is pointed at is drawn in full
const NEAR = 24; // CSS pixels between the pointer and a curve
const POINTS = 21; // on a finished curve

/**
 * One layer's curve in words: where the pointer is on it, or else where its slider stands.
 * @param {Layer} layer
 * @param {number | null} at
 */
function explain({ name, amount, points }, at) {
  if (at !== null && points.length) {
    const [x, y] = points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best));
    return `${name} alone, ${shortPercent(x)} pruned: accuracy ${percent(y)}`;
  }
  const height = heightAt(points, amount);
  if (height === null) return `${name} alone, ${shortPercent(amount)} pruned: not measured yet`;
  const about = points.some(([x]) => x === amount) ? "" : "about ";
  return `${name} alone, ${shortPercent(amount)} pruned: accuracy ${about}${percent(height)}`;
}

/**
 * The number of the curve under a pointer, -1 for none.
 * @param {Layer[]} layers
 * @param {number} at
 * @param {number} y
 * @param {{ width: number, height: number, scale: number }} size
 */
function nearest(layers, at, y, { width, height, scale }) {
  const away = layers.map(({ points }) => {
    const tall = heightAt(points, at);
    return tall === null ? Number.POSITIVE_INFINITY : Math.abs(placeOf(at, tall, width, height, scale)[1] - y);
  });
  const best = Math.min(...away);
  return best <= NEAR ? away.indexOf(best) : -1;
}

/**
 * The part: the curves, what the pointer reads off them, and how far the measuring is.
 * @param {Host} host
 * @param {Spot} spot
 * @param {(change: Partial<Spot>) => void} point
 */
export function sensitivityCurves(host, spot, point) {
  const { model } = host;
  const canvas = element("canvas", { role: "img", dir: "ltr" });
  const entry = element("div", { class: "prune-lab-entry" });
  const progress = progressBar(host, "curves measured");
  const box = element(
    "div",
    { class: "prune-lab-side" },
    element("div", { class: "prune-lab-title" }, "accuracy when one layer alone is pruned"),
    canvas,
    entry,
    progress.box,
  );
  const size = { width: 0, height: TALL, scale: 1 };
  /** @type {Layer[]} */
  let shown = [];
  canvas.addEventListener("pointermove", (event) => {
    const at = Math.min(1, Math.max(0, shareAt(event.offsetX, size.width, size.scale)));
    point({ at, pointed: nearest(shown, at, event.offsetY, size) });
  });
  canvas.addEventListener("pointerleave", () => point({ pointed: -1, at: null }));

  /** @param {Layers & { measured: InBrowser }} now */
  function tell({ layers, current, measured: { curves } }) {
    const done = layers.reduce((sum, { points }) => sum + points.length, 0);
    const total = POINTS * layers.length;
    const stopped = curves ? !curves.measuring : model.get("stopped");
    progress.draw({
      done: total ? done / total : 1,
      measuring: !stopped,
      curves,
      said: current
        ? `${grouped(done)} of ${grouped(total)} points${stopped ? ", stopped" : ""}`
        : "Waiting for the kernel.",
    });
    canvas.setAttribute(
      "aria-label",
      `Curves of accuracy against amount, one for each of ${layers.length} layers; ` +
        `${grouped(done)} of ${grouped(total)} points are measured`,
    );
  }

  return {
    box,
    measure() {
      size.width = box.clientWidth;
    },
    /**
     * @param {Layers & { measured: InBrowser }} now
     * @param {Screen} screen
     */
    draw(now, screen) {
      shown = now.layers;
      const chosen = spot.pointed >= 0 ? spot.pointed : spot.focused;
      tell(now);
      write(
        entry,
        shown[chosen] ? explain(shown[chosen], spot.at) : "Point at a curve or a slider to tell the layers apart.",
      );
      if (size.width <= 0) return; // not on the screen
      size.scale = scaleOf(screen.colours, 1);
      size.height = Math.min(TALL * size.scale, Math.max(TALL / 2, innerHeight - BESIDE));
      const faint = (/** @type {number} */ i) => (chosen >= 0 ? i !== chosen : shown.length > TOLD_APART);
      const curves = shown.map(({ points, amount }, i) => ({ points, at: amount, faint: faint(i) }));
      drawCurves(canvas, curves, size.width, size.height, screen);
    },
  };
}
