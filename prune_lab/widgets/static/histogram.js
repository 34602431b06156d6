// How often each value occurs, the pruned part set off. All lengths are device pixels.

import { below } from "./order.js";

const BINS = 41; // odd, so that one bin has zero in its middle
const EDGE = { side: 4, top: 6, bottom: 20 }; // CSS pixels

/** The bin of a value on the scale from -limit to limit; NaN and inf have one of their own. */
export function binOf(value, limit) {
  const bin = Math.floor((value / limit + 1) * 0.5 * BINS);
  return bin >= 0 && bin <= BINS ? Math.min(bin, BINS - 1) : BINS;
}

/**
 * For each bin the positions at which its values go, smallest first. Sorted once, they tell for
 * every amount how much of each bin is pruned, so that moving the slider counts nothing anew.
 */
export function sortIntoBins(values, order, limit) {
  const bins = new Uint8Array(values.length);
  const ends = new Int32Array(BINS + 1);
  for (let i = 0; i < values.length; i += 1) {
    bins[i] = binOf(values[i], limit);
    ends[bins[i]] += 1;
  }
  const binned = Array.from(ends, (size) => new Int32Array(size));
  for (let i = values.length - 1; i >= 0; i -= 1) binned[bins[i]][--ends[bins[i]]] = order[i];
  for (const positions of binned) positions.sort();
  return binned;
}

/**
 * How many values there are in each bin, how many of them are pruned (`order < count`), the
 * `total` of these, and the last position among them (-1: nothing but what was gone before).
 */
export function tallyBins(binned, count) {
  const all = binned.map((positions) => positions.length);
  const pruned = binned.map((positions) => below(positions, count));
  const total = pruned.reduce((a, b) => a + b, 0);
  const last = Math.max(...binned.map((positions, bin) => positions[pruned[bin] - 1] ?? -1));
  return { all, pruned, total, last };
}

/** The magnitude of the entry that goes at `position`; null for none, and for NaN. */
export function sizeAt(position, values, order) {
  if (position < 0) return null;
  const size = Math.abs(values[order.indexOf(position)]);
  return Number.isNaN(size) ? null : size;
}

/** The values that a bin holds: from, to. */
export function valuesOf(bin, limit) {
  return [(2 * bin / BINS - 1) * limit, (2 * (bin + 1) / BINS - 1) * limit];
}

/** The bin at a place (CSS pixels from the left of a canvas `width` wide), or -1. */
export function binAt(x, width) {
  const bin = Math.floor(((x - EDGE.side) / (width - 2 * EDGE.side)) * BINS);
  return bin >= 0 && bin < BINS ? bin : -1;
}

/** Draw the tally, and dashed lines at -threshold and threshold (null: none). */
export function drawHistogram(canvas, { all, pruned }, threshold, limit, width, height, dpr, colours) {
  const size = [Math.round(width * dpr), Math.round(height * dpr)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, ...size);
  const [left, right] = [EDGE.side * dpr, size[0] - EDGE.side * dpr];
  const [top, base] = [EDGE.top * dpr, size[1] - EDGE.bottom * dpr];
  const highest = Math.max(1, ...all.slice(0, BINS));
  const edge = (bin) => Math.round(left + (bin / BINS) * (right - left));
  for (let bin = 0; bin < BINS; bin += 1) {
    const [x, wide] = [edge(bin), Math.max(1, edge(bin + 1) - edge(bin) - dpr)];
    const bar = (n) => (n ? Math.max(dpr, Math.round((n / highest) * (base - top))) : 0);
    const [gone, whole] = [bar(pruned[bin]), bar(all[bin])];
    context.fillStyle = colours.accent;
    context.fillRect(x, base - whole, wide, whole - gone);
    context.fillStyle = colours.hatch;
    context.fillRect(x, base - gone, wide, gone);
  }
  context.strokeStyle = colours.line;
  context.lineWidth = dpr;
  context.setLineDash([]);
  context.strokeRect(left, base, right - left, 0);
  if (threshold !== null) {
    context.strokeStyle = colours.ink;
    context.lineWidth = 1.5 * dpr;
    context.setLineDash([4 * dpr, 4 * dpr]);
    for (const value of [-threshold, threshold]) {
      const x = left + (value / limit + 1) * 0.5 * (right - left);
      context.beginPath();
      context.moveTo(x, top);
      context.lineTo(x, base);
      context.stroke();
    }
    context.setLineDash([]);
  }
  context.fillStyle = colours.soft;
  context.font = `${Math.round(11 * dpr)}px ${colours.font}`;
  const foot = size[1] - 5 * dpr;
  const shown = String(Number(limit.toPrecision(3)));
  for (const [x, text, align] of [[left, `−${shown}`, "left"], [(left + right) / 2, "0", "center"], [right, `+${shown}`, "right"]]) {
    context.textAlign = align;
    context.fillText(text, x, foot);
  }
}
