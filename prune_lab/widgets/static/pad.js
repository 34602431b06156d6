// The pad of DigitPad: the paper with its ink, and the buttons below.

import { button } from "./controls.js";
import { element, fitted, forPython, write } from "./panel.js";
import { followHand, penOn } from "./pen.js";

/** @import { Host } from "./dialogue.js" */
/** @import { Screen } from "./panel.js" */
/** @import { Pen } from "./pen.js" */

const PAD = 288; // CSS pixels, at most, for text of the size 14
const SEEN = 64;
const BESIDE = 230; // of a low window: what the host and the controls take

/**
 * Draw ink in this colour, every number a square.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} ink
 * @param {[number, number]} size
 * @param {string} colour
 */
function drawInk(canvas, ink, [height, width], colour) {
  const pixels = new ImageData(width, height);
  ink.forEach((dark, i) => {
    pixels.data[4 * i + 3] = Math.round(255 * dark);
  });
  const paper = new OffscreenCanvas(width, height);
  const brush = /** @type {OffscreenCanvasRenderingContext2D} */ (paper.getContext("2d"));
  brush.putImageData(pixels, 0, 0);
  brush.globalCompositeOperation = "source-in"; // the colour where there is ink
  brush.fillStyle = colour;
  brush.fillRect(0, 0, width, height);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingEnabled = false; // the very pixels
  context.drawImage(paper, 0, 0, canvas.width, canvas.height);
}

/**
 * The keyboard's pen: a ring as wide as a stroke, with a point in it while the pen is down.
 * @param {CanvasRenderingContext2D} context
 * @param {Pen["keys"]} keys
 * @param {number} radius
 * @param {number} cell
 * @param {Screen} screen
 */
function drawCursor(context, { at, down }, radius, cell, { dpr, colours }) {
  // Dark in light, to show on paper and on ink.
  for (const [colour, thick] of /** @type {[string, number][]} */ ([
    [colours.panel, 3],
    [colours.accent, 0],
  ])) {
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = (3 + thick) * dpr;
    for (const [r, fills] of /** @type {[number, boolean][]} */ ([
      [radius, false],
      [(4 + thick / 2) * dpr, true],
    ])) {
      if (fills && !down) continue;
      context.beginPath();
      context.arc(at[0] * cell, at[1] * cell, r, 0, 2 * Math.PI);
      if (fills) context.fill();
      else context.stroke();
    }
  }
}

/**
 * What can do nothing without a network: Python's, or the one that is in this browser.
 * @param {Host} host
 * @param {Node[]} parts
 */
export const forNetwork = ({ model }, ...parts) =>
  model.get("network").byteLength ? element("div", { class: "prune-lab-for-network" }, ...parts) : forPython(...parts);

/**
 * What stands below the pad.
 * @param {{ label: number | null, empty: boolean }} now
 */
const captionOf = ({ label, empty }) =>
  label !== null
    ? `A real digit; its label is ${label}. Draw on it, or clear the pad.`
    : empty
      ? "Draw a digit here, of any size."
      : "Your own digit.";

/** @param {Pen["keys"]} keys */
const penAt = ({ at: [x, y], down }) => `Pen ${down ? "down" : "up"} at row ${Math.floor(y)}, column ${Math.floor(x)}.`;

/**
 * The part: what the networks see. What was drawn is fitted into the data's frame; ink is bright here, as it is in
 * the data.
 * @param {Host} host
 */
export function networksView({ model }) {
  const canvas = element("canvas", { role: "img", dir: "ltr", "aria-label": "What the networks see" });
  const words = element(
    "span",
    {},
    "What the networks see: fitted into the data's frame, ink bright, as in chapter 1.",
  );
  return {
    box: element("div", { class: "prune-lab-seen" }, canvas, words),
    /**
     * @param {{ late: boolean, seen: Float32Array }} now
     * @param {Screen} screen
     */
    draw({ late, seen }, { dpr, colours }) {
      const [height, width] = model.get("size");
      const cell = Math.max(1, Math.floor((SEEN * colours.size * dpr) / 14 / Math.max(width, height)));
      const { context, size } = fitted(canvas, (width * cell) / dpr, (height * cell) / dpr, dpr);
      context.fillStyle = "#000";
      context.fillRect(0, 0, size[0], size[1]);
      drawInk(canvas, seen, [height, width], "#fff");
      canvas.classList.toggle("prune-lab-pending", late);
    },
  };
}

/**
 * The part: the pad.
 * @param {Host} host
 * @param {() => void} redraw
 * @param {(what: "next" | "broken") => boolean} wishHere  Whether this browser looks for such a digit.
 */
export function pad(host, redraw, wishHere) {
  const { model, dialogue } = host;
  const size = /** @type {[number, number]} */ (model.get("size"));
  const [height, width] = size;
  const canvas = element("canvas", {
    class: "prune-lab-pad",
    tabindex: "0",
    role: "application",
    "aria-roledescription": "drawing pad",
    dir: "ltr",
    "aria-label": `Pad, ${width} by ${height} pixels: arrow keys move the pen, Space puts it down and lifts it`,
    "data-lm-suppress-shortcuts": "true", // the arrow keys are ours here
  });
  const pen = penOn(host, redraw);
  followHand(canvas, pen, size);
  canvas.addEventListener("focus", redraw);
  /** Ask for a digit of the data, for the amount that is on the screen. */
  const wish = (/** @type {"next" | "broken"} */ what, /** @type {string} */ press) => {
    if (wishHere(what)) return;
    dialogue.drop("image", "label", "at");
    dialogue.press(press);
  };
  const caption = element("div", { class: "prune-lab-note" });
  const buttons = element(
    "div",
    { class: "prune-lab-pad-buttons" },
    button("Clear", () => pen.change((ink) => ink.fill(0))),
    forNetwork(
      host,
      button("Real digit", () => wish("next", "real")),
      button("One that pruning breaks", () => wish("broken", "broken")),
    ),
  );
  const box = element("div", { class: "prune-lab-padding" }, canvas, caption, buttons);
  let room = 0;

  /** @param {Screen} screen */
  function drawPad({ dpr, colours }) {
    const wide = Math.min((PAD * colours.size) / 14, Math.max(PAD / 2, innerHeight - BESIDE), room - 2) * dpr; // its border is 1 pixel wide
    const cell = Math.max(1, Math.floor(wide / Math.max(width, height)));
    const { context } = fitted(canvas, (width * cell) / dpr, (height * cell) / dpr, dpr);
    context.clearRect(0, 0, canvas.width, canvas.height);
    drawInk(canvas, pen.ink(), size, colours.ink);
    if (canvas.matches(":focus-visible"))
      drawCursor(context, pen.keys, (model.get("pen")[0] / 2) * cell, cell, { dpr, colours });
  }

  return {
    box,
    measure() {
      room = box.clientWidth;
    },
    /**
     * @param {{ label: number | null, empty: boolean }} now
     * @param {Screen} screen
     */
    draw(now, screen) {
      write(
        caption,
        canvas.matches(":focus-visible")
          ? `${penAt(pen.keys)} Arrow keys move it; Space ${pen.keys.down ? "lifts it" : "puts it down"}.`
          : captionOf(now),
      );
      if (room > 0) drawPad(screen);
    },
    /** @param {{ sentence: string }} now */
    say: ({ sentence }) => (canvas.matches(":focus-visible") ? `${penAt(pen.keys)} ${sentence}` : ""),
    ink: pen.ink,
  };
}
