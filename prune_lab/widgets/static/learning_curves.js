// How networks learn: accuracy against steps of training, each seed's curve faint and their mean in
// full; below, the means after as many steps as the reader chose. Early steps have more room than late
// ones: the axis is the square root of the steps.

import { percent } from "./accuracy.js";
import { pen, swatch } from "./curve.js";
import { element, fitted, write } from "./panel.js";
import { drawGrid, drawLine, placeOf, scaleOf } from "./plot.js";

/** @import { Screen } from "./panel.js" */
/** @import { Now } from "./ticket_explorer.js" */

const TALL = 260; // CSS pixels, for text of the size 14
const BESIDE = 290; // of a low window: what the host, the controls and the numbers take
const LOWEST = 130;
const HEIGHTS = [0, 0.25, 0.5, 0.75, 1].map((at) => ({ at, text: `${100 * at} %` }));
const NUMBERED = [0, 0.1, 0.3, 0.6, 1]; // at these parts of the axis stands a number

/**
 * @param {number[]} steps
 * @param {number} step
 */
export const placeOnAxis = (steps, step) => Math.sqrt(step / (steps[steps.length - 1] || 1));

/**
 * The numbers under the axis: of the steps those nearest to where one fits.
 * @param {number[]} steps
 */
export function numbered(steps) {
  const places = steps.map((step) => placeOnAxis(steps, step));
  const nearest = NUMBERED.map((part) =>
    places.reduce((best, at, i) => (Math.abs(at - part) < Math.abs(places[best] - part) ? i : best), 0),
  );
  return [...new Set(nearest)].map((i) => ({
    at: places[i],
    text: i === steps.length - 1 ? `${steps[i]} steps` : `${steps[i]}`,
    align: /** @type {CanvasTextAlign} */ (["left", "right"][[0, steps.length - 1].indexOf(i)] ?? "center"),
  }));
}

/**
 * The mean of several curves.
 * @param {number[][]} curves
 */
export const meanOf = (curves) =>
  curves[0].map((_, i) => curves.reduce((sum, curve) => sum + curve[i], 0) / curves.length);

/**
 * Draw the curves of each network in its pen, and a line where the reader looks.
 * @param {HTMLCanvasElement} canvas
 * @param {Now} now
 * @param {number} width
 * @param {number} height
 * @param {Screen} screen
 */
function draw(canvas, { steps, look, lines }, width, height, { dpr, colours }) {
  const { context, size } = fitted(canvas, width, height, dpr);
  const scale = scaleOf(colours, dpr);
  /** @type {(x: number, y: number) => [number, number]} */
  const place = (x, y) => placeOf(x, y, size[0], size[1], scale);
  context.clearRect(0, 0, size[0], size[1]);
  drawGrid(context, { size, scale, dpr, colours }, HEIGHTS, numbered(steps));
  const at = placeOnAxis(steps, steps[look]);
  context.strokeStyle = colours.ink;
  drawLine(context, [place(at, 0), place(at, 1)]);
  /**
   * @param {number[]} curve
   * @param {number} wide
   * @param {number} alpha
   */
  const stroke = (curve, wide, alpha) => {
    [context.lineWidth, context.globalAlpha] = [wide * dpr, alpha];
    drawLine(
      context,
      curve.map((accuracy, i) => place(placeOnAxis(steps, steps[i]), accuracy)),
    );
  };
  lines.forEach(({ curves }, number) => {
    const { colour, dash } = pen(number);
    context.strokeStyle = colour;
    context.setLineDash([]);
    if (curves.length > 1) for (const curve of curves) stroke(curve, 1, 0.35);
    context.setLineDash(dash.map((length) => length * dpr));
    stroke(meanOf(curves), 2.5, 1);
  });
  context.globalAlpha = 1;
  context.setLineDash([]);
}

/**
 * One network's number, its lowest and highest over the seeds beside it.
 * @param {string} name
 * @param {number[][]} curves
 * @param {number} look
 */
export function inWords(name, curves, look) {
  const there = curves.map((curve) => curve[look]);
  const mean = `${name} ${percent(meanOf(curves)[look])}`;
  if (there.length === 1) return mean;
  return `${mean} (${percent(Math.min(...there))} to ${percent(Math.max(...there))})`;
}

/** The part: the curves and their numbers. */
export function learningCurves() {
  const title = element("div", { class: "prune-lab-title" });
  const canvas = element("canvas", { role: "img", dir: "ltr" });
  const key = element("div", { class: "prune-lab-legend" });
  const box = element("div", { class: "prune-lab-main" }, title, canvas, key);
  /** @type {HTMLElement[]} */
  let words = [];
  let width = 0;
  const said = () => words.map((word) => word.textContent).join(", ");
  return {
    box,
    measure() {
      width = box.clientWidth;
    },
    /**
     * @param {Now} now
     * @param {Screen} screen
     */
    draw(now, screen) {
      const { lines, look, steps, seeds } = now;
      if (words.length !== lines.length) {
        words = lines.map(() => element("bdi", { dir: "ltr" }));
        key.replaceChildren(...words.map((word, number) => element("span", {}, swatch(number), word)));
      }
      for (const [i, { name, curves }] of lines.entries()) write(words[i], inWords(name, curves, look));
      const of = seeds.length > 1 ? `mean of ${seeds.length} seeds (lowest to highest)` : `seed ${seeds[0]}`;
      write(title, `accuracy after ${steps[look]} steps, ${of}`);
      canvas.setAttribute("aria-label", `Curves of accuracy against steps. ${said()}`);
      if (width <= 0) return; // not on the screen
      const scale = scaleOf(screen.colours, 1);
      draw(canvas, now, width, Math.max(LOWEST, Math.min(TALL, innerHeight / scale - BESIDE)) * scale, screen);
    },
    say: said,
  };
}
