// What is drawn on the reader's pad: strokes, as places, so that they can be drawn again in the data's frame.

import { STEPS } from "../../widgets/static/heatmap.js";
import { drawStroke } from "../../widgets/static/pen.js";

/** @typedef {[number, number]} Place  Right and down from the paper's corner, in pixels. */

const WIDER = 1.2; // times the typical digit: how wide a drawn one may be
const LARGEST = 4; // times; a dot is not made a blot

/**
 * Put strokes into the frame of the data's typical digit: as large, in its middle. Who made the data cropped and
 * scaled each digit so, and a network that was trained on that reads nothing else.
 * @param {Place[][]} strokes
 * @param {[left: number, top: number, right: number, bottom: number]} frame
 * @param {number} pen  How wide a stroke is.
 */
export function framed(strokes, [left, top, right, bottom], pen) {
  const [low, high] = [Math.min, Math.max];
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of strokes.flat()) [x0, y0, x1, y1] = [low(x0, x), low(y0, y), high(x1, x), high(y1, y)];
  const wide = high(WIDER * (right - left) - pen, 1) / high(x1 - x0, 1);
  const scale = low(high(bottom - top - pen, 1) / high(y1 - y0, 1), wide, LARGEST);
  /** @param {Place} place @returns {Place} */
  const moved = ([x, y]) => [
    (left + right) / 2 + (x - (x0 + x1) / 2) * scale,
    (top + bottom) / 2 + (y - (y0 + y1) / 2) * scale,
  ];
  return strokes.map((stroke) => stroke.map(moved));
}

/**
 * The ink of strokes: row by row numbers from 0 to 1.
 * @param {Place[][]} strokes
 * @param {[height: number, width: number]} size
 * @param {[thick: number, edge: number]} pen
 */
export function inkOf(strokes, size, pen) {
  const ink = new Float32Array(size[0] * size[1]);
  for (const stroke of strokes)
    stroke.forEach((place, i) => {
      drawStroke(ink, size, stroke[Math.max(i - 1, 0)], place, pen);
    });
  return ink;
}

/**
 * The pen as pen.js moves it over a canvas (`followHand`), by pointer and by keys.
 * @param {[height: number, width: number]} size
 * @param {() => void} redraw
 */
export function strokesOn([height, width], redraw) {
  /** @type {Place[][]} */
  let strokes = [];
  let writing = false;
  const pen = {
    keys: { at: /** @type {Place} */ ([width / 2, height / 2]), down: false },
    strokes: () => strokes,
    clear() {
      strokes = [];
      pen.lift();
    },
    /** @param {Place[]} places */
    strokeTo(...places) {
      if (!writing) strokes = [...strokes, []];
      writing = true;
      strokes[strokes.length - 1].push(...places);
      redraw();
    },
    lift() {
      writing = pen.keys.down = false;
      redraw();
    },
    /** @param {string} key  One of the arrows', or else the one that puts the pen down and lifts it. */
    press(key) {
      const step = STEPS[key];
      const [x, y] = pen.keys.at;
      if (step) pen.keys.at = [within(x + step[0], width), within(y + step[1], height)];
      else if (pen.keys.down) return pen.lift();
      else pen.keys.down = true;
      if (pen.keys.down) pen.strokeTo(pen.keys.at);
      redraw();
    },
  };
  return pen;
}

/**
 * @param {number} place
 * @param {number} size
 */
const within = (place, size) => Math.min(Math.max(place, 0.5), size - 0.5);
