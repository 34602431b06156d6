// The plane on which histogram and curves are drawn: x and y from 0 to 1, a grid with its numbers.
// Its margins grow with the page's text: `scale` is device pixels per CSS pixel, times that.

/** @import { Colours } from "./panel.js" */

/** @typedef {{ at: number, text: string }} Tick */

const MARGIN = { left: 42, right: 14, top: 8, bottom: 22 }; // CSS pixels, for text of this size
const TEXT = 14;
const LABEL_TEXT = 11;

/**
 * @param {Colours} colours
 * @param {number} dpr
 */
export const scaleOf = (colours, dpr) => (dpr * colours.size) / TEXT;

/**
 * Where in the canvas the point (x, y) of the plane is.
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @param {number} scale
 * @returns {[number, number]}
 */
export function placeOf(x, y, width, height, scale) {
  const { left, right, top, bottom } = MARGIN;
  return [
    left * scale + x * (width - (left + right) * scale),
    top * scale + (1 - y) * (height - (top + bottom) * scale),
  ];
}

/**
 * The x of the plane under a pointer, that many pixels from the left of a canvas so wide.
 * @param {number} pixels
 * @param {number} width
 * @param {number} scale
 */
export function shareAt(pixels, width, scale = 1) {
  return (pixels - MARGIN.left * scale) / (width - (MARGIN.left + MARGIN.right) * scale);
}

/**
 * Draw lines at these heights, with their numbers, and the numbers below.
 * @param {CanvasRenderingContext2D} context
 * @param {{ size: number[], scale: number, dpr: number, colours: Colours }} on
 * @param {Tick[]} heights
 * @param {(Tick & { align: CanvasTextAlign })[]} below
 */
export function drawGrid(context, { size: [width, height], scale, dpr, colours }, heights, below) {
  context.font = `${Math.round(LABEL_TEXT * scale)}px ${colours.font}`;
  context.fillStyle = colours.soft;
  context.strokeStyle = colours.line;
  context.lineWidth = dpr;
  context.setLineDash([]);
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const { at, text } of heights) {
    const [x, y] = placeOf(0, at, width, height, scale);
    drawLine(context, [[x, y], placeOf(1, at, width, height, scale)]);
    context.fillText(text, x - 4 * scale, y, x - 6 * scale);
  }
  context.textBaseline = "alphabetic";
  for (const { at, text, align } of below) {
    context.textAlign = align;
    context.fillText(text, placeOf(at, 0, width, height, scale)[0], height - 6 * scale);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {[number, number][]} places
 */
export function drawLine(context, places) {
  context.beginPath();
  for (const [i, [x, y]] of places.entries()) {
    if (i) context.lineTo(x, y);
    else context.moveTo(x, y);
  }
  context.stroke();
}

/**
 * Two to four round numbers from 0 up to `highest`, which is a whole number.
 * @param {number} highest
 */
export function roundSteps(highest) {
  let step = 1;
  for (let i = 0; highest / step >= 4; i += 1) step *= [2, 2.5, 2][i % 3];
  return Array.from({ length: Math.floor(highest / step) + 1 }, (_, i) => i * step);
}
