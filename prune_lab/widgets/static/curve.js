// Curves of accuracy against amount on a canvas, and a dot on each where the sliders stand.

import { fitted } from "./panel.js";
import { drawGrid, drawLine, placeOf, scaleOf } from "./plot.js";

/** @import { Screen } from "./panel.js" */

/**
 * Points are [amount, accuracy], both from 0 to 1. `at` is the amount where the dot goes, left out
 * for none; `mark` the accuracy there, if it is known better than the line between two points
 * knows it. A curve that is `faint` stays in the background.
 * @typedef {[number, number]} Point
 * @typedef {{ points: Point[], at?: number, mark?: number | null, faint?: boolean }} Curve
 */

const NO_MIDDLE = 320; // CSS pixels; in a narrower picture "50 %" would run into "100 % pruned"
const HEIGHTS = [0, 0.5, 1].map((at) => ({ at, text: `${100 * at} %` }));
/** @type {{ at: number, text: string, align: CanvasTextAlign }[]} */
const BELOW = [
  { at: 0, text: "0 %", align: "left" },
  { at: 0.5, text: "50 %", align: "center" },
  { at: 1, text: "100 % pruned", align: "right" },
];
// Seen apart in light and dark, also by the colour-blind; the dashes tell them apart in print.
const PENS = [
  { colour: "#1f7ad1", dash: [] },
  { colour: "#c8690a", dash: [7, 3] },
  { colour: "#2f8f4e", dash: [2, 3] },
  { colour: "#b04fc2", dash: [9, 3, 2, 3] },
  { colour: "#c23b3b", dash: [4, 2] },
  { colour: "#0f8f94", dash: [12, 3] },
];

/**
 * How the curve of this number is drawn; a legend uses the same pen.
 * @param {number} number
 */
export const pen = (number) => PENS[number % PENS.length];

/**
 * A short piece of a curve, for a legend.
 * @param {number} number
 */
export function swatch(number) {
  const { colour, dash } = pen(number);
  const [picture, stroke] = ["svg", "line"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  /**
   * @param {Element} made
   * @param {Record<string, string | number>} attributes
   */
  const set = (made, attributes) => {
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  };
  set(picture, { width: 26, height: 10, "aria-hidden": "true" });
  set(stroke, { x1: 0, x2: 26, y1: 5, y2: 5, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash.join(" ") });
  picture.append(stroke);
  return picture;
}

/**
 * The height of a curve at `x`, between its measured points on a straight line; null outside.
 * @param {Point[]} points
 * @param {number} x
 */
export function heightAt(points, x) {
  for (let i = 0; i < points.length; i += 1) {
    const [x1, y1] = points[i];
    if (x1 === x) return y1;
    if (x1 > x) {
      if (i === 0) return null;
      const [x0, y0] = points[i - 1];
      return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
    }
  }
  return null;
}

/**
 * Draw curves on a canvas, of `width` x `height` CSS pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {Curve[]} curves
 * @param {number} width
 * @param {number} height
 * @param {Screen} screen
 */
export function drawCurves(canvas, curves, width, height, { dpr, colours }) {
  const { context, size } = fitted(canvas, width, height, dpr);
  const scale = scaleOf(colours, dpr);
  context.clearRect(0, 0, size[0], size[1]);
  const roomy = width * dpr >= NO_MIDDLE * scale;
  drawGrid(
    context,
    { size, scale, dpr, colours },
    HEIGHTS,
    BELOW.filter(({ align }) => roomy || align !== "center"),
  );
  /** @type {(x: number, y: number) => [number, number]} */
  const place = (x, y) => placeOf(x, y, size[0], size[1], scale);
  const faintFirst = curves
    .map((_, number) => number)
    .sort((a, b) => Number(Boolean(curves[b].faint)) - Number(Boolean(curves[a].faint)));
  for (const number of faintFirst) {
    const { points, at, mark, faint } = curves[number];
    const { colour, dash } = pen(number);
    context.globalAlpha = faint ? 0.35 : 1;
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 2 * dpr;
    context.setLineDash(dash.map((length) => length * dpr));
    drawLine(
      context,
      points.map(([x, y]) => place(x, y)),
    );
    context.setLineDash([]);
    const y = at === undefined ? null : (mark ?? heightAt(points, at));
    if (at === undefined || y === null) continue;
    context.beginPath();
    context.arc(...place(at, y), 5 * dpr, 0, 2 * Math.PI);
    context.fill();
    context.strokeStyle = colours.panel;
    context.stroke();
  }
  context.globalAlpha = 1;
}
