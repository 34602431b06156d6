// What is drawn, fitted into the frame of the data's digits: `fitted` in prune_lab/widgets/strokes.py, number for
// number, for where there is no Python.

const SAMPLES = 4; // of a pixel's side, where ink is moved and thinned
const LARGEST = 4; // times; a dot is not made a blot
const WIDER = 1.2; // times the median digit: how wide a drawn one may be

/**
 * Ink from 0 to 1, row by row.
 * @typedef {{ ink: Float32Array, height: number, width: number }} Paper
 */

/**
 * Left, top, right and bottom of what is dark.
 * @param {Paper} paper
 */
function darkPart({ ink, height, width }) {
  const dark = 0.5 * ink.reduce((most, value) => Math.max(most, value), 0);
  let [left, top, right, bottom] = [width, height, 0, 0];
  ink.forEach((value, i) => {
    if (value <= dark) return;
    const [row, column] = [Math.floor(i / width), i % width];
    [left, right] = [Math.min(left, column), Math.max(right, column + 1)];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row + 1)];
  });
  return [left, top, right, bottom];
}

/**
 * Where each sample along one side lies between two pixels: the first one's number, -1 outside, and how far from it.
 * @param {number} count
 * @param {number} step
 * @param {number} offset
 * @param {number} size
 */
function places(count, step, offset, size) {
  return Array.from({ length: count }, (_, i) => {
    const at = step * (i + offset / step);
    const first = Math.floor(at);
    return at < 0 || at > size - 1 ? { first: -1, part: 0 } : { first, part: at - first };
  });
}

/**
 * The ink at samples between the pixels, linear; none outside.
 * @param {Paper} paper
 * @param {ReturnType<typeof places>} down
 * @param {ReturnType<typeof places>} across
 * @returns {Paper}
 */
function sampled({ ink, height, width }, down, across) {
  const result = new Float32Array(down.length * across.length);
  down.forEach(({ first: row, part: y }, i) => {
    if (row < 0) return;
    const [upper, lower] = [row * width, Math.min(row + 1, height - 1) * width];
    across.forEach(({ first: column, part: x }, j) => {
      if (column < 0) return;
      const next = Math.min(column + 1, width - 1);
      const above = (1 - x) * ink[upper + column] + x * ink[upper + next];
      const below = (1 - x) * ink[lower + column] + x * ink[lower + next];
      result[i * across.length + j] = (1 - y) * above + y * below;
    });
  });
  return { ink: result, height: down.length, width: across.length };
}

/**
 * Take so many pixels off on every side of the strokes, or add them; and the border with it.
 * @param {Paper} paper
 * @param {number} by  A negative number adds.
 * @param {number} border  At least as wide.
 * @returns {Paper}
 */
function thinned({ ink, height, width }, by, border) {
  const inner = { height: height - 2 * border, width: width - 2 * border };
  const sign = by > 0 ? 1 : -1; // the largest around is the smallest with another sign
  const seen = ink.map((value) => sign * value);
  const result = new Float32Array(inner.height * inner.width).fill(Infinity);
  for (let y = -border; y <= border; y += 1)
    for (let x = -border; x <= border; x += 1) {
      if (x * x + y * y > by * by) continue;
      for (let row = 0, i = 0; row < inner.height; row += 1) {
        const from = (row + border + y) * width + border + x;
        for (let column = 0; column < inner.width; column += 1, i += 1) {
          if (seen[from + column] < result[i]) result[i] = seen[from + column];
        }
      }
    }
  return { ink: result.map((value) => sign * value), ...inner };
}

/**
 * The mean of the samples of each pixel.
 * @param {Paper} paper
 */
function means({ ink, height, width }) {
  const columns = width / SAMPLES;
  const result = new Float32Array((height / SAMPLES) * columns);
  ink.forEach((value, i) => {
    const pixel = Math.floor(i / width / SAMPLES) * columns + Math.floor((i % width) / SAMPLES);
    result[pixel] += value / SAMPLES ** 2;
  });
  return result.map((value) => Math.min(Math.max(value, 0), 1));
}

/**
 * Fit what was drawn into the data's frame: as large, in its middle, its strokes as thick.
 * @param {Float32Array} ink  Row by row, 0 to 1.
 * @param {[number, number]} size  Height and width.
 * @param {[number, number, number, number]} frame  Left, top, right, bottom of the data's typical digit.
 * @param {number} pen  How wide a stroke is at half its ink.
 */
export function fitted(ink, [height, width], frame, pen) {
  if (!ink.some((value) => value > 0)) return ink;
  const paper = { ink, height, width };
  const [left, top, right, bottom] = darkPart(paper);
  const [x0, y0, x1, y1] = frame;
  const [tall, wide] = [Math.max(y1 - y0 - pen, 1), Math.max(WIDER * (x1 - x0) - pen, 1)];
  const scale = Math.min(tall / Math.max(bottom - top - pen, 1), wide / Math.max(right - left - pen, 1), LARGEST);
  const by = (SAMPLES * pen * (scale - 1)) / 2; // samples that scaled strokes are too thick, on each side
  const around = Math.ceil(Math.abs(by)); // what thick strokes need beside the picture
  // Sample s of the picture, at (s + 0.5) / SAMPLES pixels, lies on the paper here:
  const from = (/** @type {number} */ drawn, /** @type {number} */ framed) =>
    drawn + ((0.5 - around) / SAMPLES - framed) / scale - 0.5;
  const step = 1 / (SAMPLES * scale);
  const thick = sampled(
    paper,
    places(SAMPLES * height + 2 * around, step, from((top + bottom) / 2, (y0 + y1) / 2), height),
    places(SAMPLES * width + 2 * around, step, from((left + right) / 2, (x0 + x1) / 2), width),
  );
  return means(thinned(thick, by, around));
}
