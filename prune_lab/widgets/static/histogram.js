// How often each value occurs, the pruned part set off.

import { grouped } from "./amount.js";
import { show } from "./controls.js";
import { below } from "./order.js";
import { element, fitted, write } from "./panel.js";
import { drawGrid, drawLine, placeOf, roundSteps, scaleOf, shareAt } from "./plot.js";

/** @import { Screen } from "./panel.js" */
/** @import { Preview } from "./preview.js" */

/**
 * How many values there are in each bin, how many of them are pruned, the `total` of these, and the
 * last position among them (-1: nothing but what was gone before).
 * @typedef {{ all: number[], pruned: number[], total: number, last: number }} Tally
 */

const BINS = 41; // odd, so that one bin has zero in its middle
const TALL = 130; // CSS pixels, for text of the size 14

/**
 * A number with the digits that matter, and a minus that is one.
 * @param {number} value
 */
export const signed = (value) => String(Number(value.toPrecision(3))).replace("-", "−");

/**
 * The bin of a value on the scale from -limit to limit; NaN and inf have one of their own.
 * @param {number} value
 * @param {number} limit
 */
export function binOf(value, limit) {
  const bin = Math.floor((value / limit + 1) * 0.5 * BINS);
  return bin >= 0 && bin <= BINS ? Math.min(bin, BINS - 1) : BINS;
}

/**
 * For each bin the positions at which its values go, smallest first. Sorted once, they tell for
 * every amount how much of each bin is pruned, so that moving the slider counts nothing anew.
 * @param {ArrayLike<number>} values
 * @param {ArrayLike<number>} order
 * @param {number} limit
 */
export function sortIntoBins(values, order, limit) {
  const bins = new Uint8Array(values.length);
  const ends = new Int32Array(BINS + 1);
  for (let i = 0; i < values.length; i += 1) {
    bins[i] = binOf(values[i], limit);
    ends[bins[i]] += 1;
  }
  const binned = Array.from(ends, (size) => new Int32Array(size));
  for (let i = values.length - 1; i >= 0; i -= 1) {
    ends[bins[i]] -= 1;
    binned[bins[i]][ends[bins[i]]] = order[i];
  }
  for (const positions of binned) positions.sort();
  return binned;
}

/**
 * The tally for `count` units pruned: `order < count`.
 * @param {Int32Array[]} binned
 * @param {number} count
 * @returns {Tally}
 */
export function tallyBins(binned, count) {
  const all = binned.map((positions) => positions.length);
  const pruned = binned.map((positions) => below(positions, count));
  const total = pruned.reduce((a, b) => a + b, 0);
  const last = Math.max(...binned.map((positions, bin) => positions[pruned[bin] - 1] ?? -1));
  return { all, pruned, total, last };
}

/**
 * The magnitude of the entry that goes at `position`; null for none, and for NaN.
 * @param {number} position
 * @param {Float32Array} values
 * @param {Int32Array} order
 */
export function sizeAt(position, values, order) {
  if (position < 0) return null;
  const size = Math.abs(values[order.indexOf(position)]);
  return Number.isNaN(size) ? null : size;
}

/**
 * The values that a bin holds: from, to.
 * @param {number} bin
 * @param {number} limit
 */
export function valuesOf(bin, limit) {
  return [((2 * bin) / BINS - 1) * limit, ((2 * (bin + 1)) / BINS - 1) * limit];
}

/**
 * The bin at a place, so many pixels from the left of a canvas so wide; or -1.
 * @param {number} pixels
 * @param {number} width
 * @param {number} scale
 */
export function binAt(pixels, width, scale = 1) {
  const bin = Math.floor(shareAt(pixels, width, scale) * BINS);
  return bin >= 0 && bin < BINS ? bin : -1;
}

/**
 * Draw the tally, and dashed lines at -threshold and threshold.
 * @param {HTMLCanvasElement} canvas
 * @param {Preview} now
 * @param {number} width
 * @param {Screen} screen
 */
function drawHistogram(canvas, { tally: { all, pruned }, threshold, tensor: { limit } }, width, { dpr, colours }) {
  const scale = scaleOf(colours, dpr);
  const { context, size } = fitted(canvas, width, (TALL * scale) / dpr, dpr);
  context.clearRect(0, 0, size[0], size[1]);
  const highest = Math.max(1, ...all.slice(0, BINS));
  const shown = signed(limit);
  drawGrid(
    context,
    { size, scale, dpr, colours },
    roundSteps(highest).map((count) => ({ at: count / highest, text: grouped(count) })),
    [
      { at: 0, text: `−${shown}`, align: "left" },
      { at: 0.5, text: "0", align: "center" },
      { at: 1, text: `+${shown}`, align: "right" },
    ],
  );
  /** @type {(x: number, y: number) => [number, number]} */
  const place = (x, y) => placeOf(x, y, size[0], size[1], scale);
  const base = place(0, 0)[1];
  const edge = (/** @type {number} */ bin) => Math.round(place(bin / BINS, 0)[0]);
  const tall = (/** @type {number} */ n) => (n ? Math.max(dpr, Math.round(base - place(0, n / highest)[1])) : 0);
  for (let bin = 0; bin < BINS; bin += 1) {
    const [x, wide] = [edge(bin), Math.max(1, edge(bin + 1) - edge(bin) - dpr)];
    const [gone, whole] = [tall(pruned[bin]), tall(all[bin])];
    context.fillStyle = colours.accent;
    context.fillRect(x, base - whole, wide, whole - gone);
    context.fillStyle = colours.hatch;
    context.fillRect(x, base - gone, wide, gone);
  }
  if (threshold === null) return;
  context.strokeStyle = colours.ink;
  context.lineWidth = 1.5 * dpr;
  context.setLineDash([4 * dpr, 4 * dpr]);
  for (const value of [-threshold, threshold]) {
    const x = (value / limit + 1) / 2;
    drawLine(context, [place(x, 1), place(x, 0)]);
  }
  context.setLineDash([]);
}

/**
 * The part: the histogram, and in words the bin under the pointer.
 * @param {() => void} redraw
 */
export function histogram(redraw) {
  const title = element("div", { class: "prune-lab-title" });
  const canvas = element("canvas", { role: "img", dir: "ltr" });
  const line = element("span");
  const rule = element("span", {}, element("span", { class: "prune-lab-dashes" }), " ", line);
  const key = element(
    "div",
    { class: "prune-lab-legend" },
    element("span", {}, element("span", { class: "prune-lab-swatch prune-lab-kept" }), " kept"),
    element("span", {}, element("span", { class: "prune-lab-swatch prune-lab-out" }), " pruned"),
    rule,
  );
  const box = element("div", { class: "prune-lab-chart" }, title, canvas, key);
  let width = 0;
  let scale = 1;
  let bin = -1; // under the pointer
  canvas.addEventListener("pointermove", (event) => {
    bin = binAt(event.offsetX, width, scale);
    redraw();
  });
  canvas.addEventListener("pointerleave", () => {
    bin = -1;
    redraw();
  });
  return {
    box,
    measure() {
      width = box.clientWidth;
    },
    /**
     * @param {Preview} now
     * @param {Screen} screen
     */
    draw(now, screen) {
      const {
        tally: { all, pruned, total },
        threshold,
        tensor: { limit, entries },
      } = now;
      box.hidden = !now.there;
      write(
        title,
        bin >= 0
          ? `${valuesOf(bin, limit).map(signed).join(" to ")}: ${grouped(all[bin])} values, ${grouped(pruned[bin])} pruned`
          : "how often each value occurs",
      );
      canvas.setAttribute(
        "aria-label",
        `Histogram of the values, ${grouped(total)} of ${grouped(entries)} pruned` +
          (threshold === null ? "" : `: those between −${signed(threshold)} and ${signed(threshold)}`),
      );
      show(rule, threshold !== null, now.shown.by_size);
      if (threshold !== null) write(line, `closer to 0 than ${signed(threshold)}: goes`);
      if (width <= 0) return; // not on the screen
      scale = scaleOf(screen.colours, 1);
      drawHistogram(canvas, now, width, screen);
    },
  };
}
