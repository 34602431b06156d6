// The pen of DigitPad: strokes of ink, by pointer and by keys. It draws at once, in the browser.

import { STEPS } from "./heatmap.js";
import { numbers, remembered } from "./panel.js";

/** @import { Host } from "./dialogue.js" */

/**
 * Draw a straight stroke into `ink`, row by row numbers from 0 to 1. `pen` is how wide it is at
 * half its ink and how wide its soft edge; ink on ink gets no darker than the darker of both.
 * @param {Float32Array | number[]} ink
 * @param {[number, number]} size
 * @param {[number, number]} from
 * @param {[number, number]} to
 * @param {[number, number]} pen
 */
export function drawStroke(ink, [height, width], [x0, y0], [x1, y1], [thick, edge]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squared = dx * dx + dy * dy;
  const reach = (thick + edge) / 2;
  const first = (/** @type {number} */ low) => Math.max(0, Math.floor(low - reach));
  for (let row = first(Math.min(y0, y1)); row < Math.min(height, Math.max(y0, y1) + reach); row += 1) {
    for (let col = first(Math.min(x0, x1)); col < Math.min(width, Math.max(x0, x1) + reach); col += 1) {
      const [x, y] = [col + 0.5 - x0, row + 0.5 - y0];
      const along = squared ? Math.min(1, Math.max(0, (x * dx + y * dy) / squared)) : 0;
      const far = Math.hypot(x - along * dx, y - along * dy);
      const u = Math.min(1, Math.max(0, (reach - far) / edge));
      const i = row * width + col;
      ink[i] = Math.max(ink[i], u * u * (3 - 2 * u));
    }
  }
}

/**
 * The ink on the pad, and the pen over it. `keys` is where the keyboard's pen is and whether it is
 * down; a stroke is a choice of the reader's, and asks Python.
 * @param {Host} host
 * @param {() => void} redraw
 */
export function penOn({ model, dialogue }, redraw) {
  const [height, width] = model.get("size");
  const read = remembered((/** @type {ArrayBufferView} */ bytes) => numbers(bytes, Float32Array));
  /** @type {[number, number] | null} */
  let last = null; // where the pen is on the paper, while it is down
  const pen = {
    keys: {
      at: /** @type {[number, number]} */ ([Math.floor(width / 2) + 0.5, Math.floor(height / 2) + 0.5]),
      down: false,
    },
    ink: () => read(dialogue.get("image")),
    /** @param {(ink: Float32Array) => void} change */
    change(change) {
      const ink = pen.ink().slice();
      change(ink);
      dialogue.follow({ image: new DataView(ink.buffer), label: null, at: null });
    },
    /** @param {[number, number][]} places */
    strokeTo(...places) {
      pen.change((ink) => {
        for (const place of places) {
          drawStroke(ink, [height, width], last ?? place, place, model.get("pen"));
          last = place;
        }
      });
    },
    lift() {
      last = null;
      pen.keys.down = false;
      redraw();
    },
    /** @param {string} key  One of the arrows', or else the one that puts the pen down and lifts it. */
    press(key) {
      const step = STEPS[key];
      if (step) pen.keys.at = moved(pen.keys.at, step, [width, height]);
      else if (pen.keys.down) return pen.lift();
      else pen.keys.down = true;
      if (pen.keys.down) pen.strokeTo(pen.keys.at);
      redraw();
    },
  };
  return pen;
}

/** @typedef {ReturnType<typeof penOn>} Pen */

/**
 * @param {[number, number]} at
 * @param {[number, number]} step
 * @param {[number, number]} size
 * @returns {[number, number]}
 */
const moved = ([x, y], [dx, dy], [width, height]) => [
  Math.min(Math.max(x + dx, 0.5), width - 0.5),
  Math.min(Math.max(y + dy, 0.5), height - 0.5),
];

/**
 * Let the pen be moved over its canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {Pen} pen
 * @param {[number, number]} size
 */
export function followHand(canvas, pen, [height, width]) {
  /**
   * @param {PointerEvent} event
   * @returns {[number, number]}
   */
  const placeOf = ({ clientX, clientY }) => {
    const box = canvas.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * width, ((clientY - box.top) / box.height) * height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    pen.lift();
    pen.strokeTo(placeOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    const points = event.getCoalescedEvents?.() ?? [];
    pen.strokeTo(...(points.length ? points : [event]).map(placeOf));
  });
  for (const end of ["pointerup", "pointercancel", "blur"]) canvas.addEventListener(end, pen.lift);
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in STEPS || event.key === " ")) return;
    event.preventDefault();
    event.stopPropagation();
    pen.press(event.key);
  });
}
