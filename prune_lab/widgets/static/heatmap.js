// A tensor as a heatmap on a canvas. Kept entries are coloured by value; pruned ones are left
// open, and the hatching beneath shows through, so that a kept near-zero never looks pruned.
// All lengths are device pixels: cells then have whole-pixel edges on every screen.

import { element, remembered, rgb } from "./panel.js";

/** @import { Tensor } from "./entries.js" */
/** @import { Colours } from "./panel.js" */

/**
 * Where each entry of a tensor goes, see `arrange`.
 * @typedef {{ x: number, y: number }} Place
 * @typedef {object} Layout
 * @property {Place[]} tiles
 * @property {(Place & { text: string, width: number })[]} labels
 * @property {number} rows
 * @property {number} cols
 * @property {number} cellWidth
 * @property {number} cellHeight
 * @property {number} blockRows
 * @property {number} blockCols
 * @property {number} entryRows
 * @property {number} entryCols
 * @property {number} width
 * @property {number} height
 * @property {number} dpr
 */

const LARGEST_CELL = 28; // these are CSS pixels, multiplied by `dpr` below
const SMALLEST_KERNEL_CELL = 4;
const SMALLEST_HATCHED_CELL = 9; // in smaller ones the lines would run into a grey
const LABEL = 18; // and these two for text of this size
const LABEL_TEXT = 11;
const TEXT = 14;
const GAP = 12;

/** @param {number[]} numbers */
const product = (numbers) => numbers.reduce((a, b) => a * b, 1);

/**
 * Where each entry of a tensor goes.
 *
 * The answer holds `tiles` (upper left corners), each of `rows` x `cols` cells of `cellWidth` x
 * `cellHeight`. Cells are numbered tile after tile, row after row: the order in which torch
 * stores the entries. One cell is one entry, unless the tensor is too large for that: then it
 * is a block of `blockRows` x `blockCols` entries. `text` is the size of the page's text.
 * @param {number[]} shape
 * @param {number} width
 * @param {number} height
 * @param {number} dpr
 * @param {number} text
 * @returns {Layout}
 */
export function arrange(shape, width, height, dpr, text = TEXT) {
  const kernels = shape.length >= 3 ? arrangeKernels(shape, width, height, dpr, text) : null;
  if (kernels) return kernels;
  const [rows, cols] = shape.length >= 2 ? [shape[0], product(shape.slice(1))] : [1, product(shape)];
  return arrangeMatrix(rows, cols, width, height, dpr);
}

/**
 * How many filters stand in a line, and how large their cells are: null where these would become
 * too small to see.
 * @param {{ filters: number, perFilter: number, rows: number, cols: number }} kernels
 * @param {{ width: number, height: number, label: number, gap: number, gaps: number, dpr: number }} room
 */
function bestLines({ filters, perFilter, rows, cols }, { width, height, label, gap, gaps, dpr }) {
  let best = null;
  for (let across = 1; across <= filters; across += 1) {
    const room = (width - (across - 1) * gap) / across - gaps;
    const cell = Math.min(Math.floor(room / (perFilter * cols)), Math.round(LARGEST_CELL * dpr));
    const lines = Math.ceil(filters / across);
    if (cell < SMALLEST_KERNEL_CELL * dpr) break;
    const total = lines * (label + rows * cell) + (lines - 1) * gap;
    if (total > height) continue;
    // Large cells win, but a line of kernels less is worth two pixels; then a full last line.
    const score = cell - 2 * dpr * lines + (filters % across === 0 ? 0.5 : 0);
    if (!best || score >= best.score) best = { across, cell, total, score };
  }
  return best;
}

/**
 * One group of kernels per filter, or null where cells would become too small to see.
 * @param {number[]} shape
 * @param {number} width
 * @param {number} height
 * @param {number} dpr
 * @param {number} text
 * @returns {Layout | null}
 */
function arrangeKernels(shape, width, height, dpr, text) {
  const filters = shape[0];
  const perFilter = product(shape.slice(1, -2));
  const [rows, cols] = shape.slice(-2);
  if (rows * cols === 1) return null;
  const label = Math.round((LABEL * dpr * text) / TEXT);
  const gap = Math.round(GAP * dpr);
  const inner = Math.round(2 * dpr);
  const gaps = (perFilter - 1) * inner;
  const best = bestLines({ filters, perFilter, rows, cols }, { width, height, label, gap, gaps, dpr });
  if (!best) return null;

  const { across, cell, total } = best;
  const groupWidth = perFilter * cols * cell + gaps;
  const tiles = [];
  const labels = [];
  for (let filter = 0; filter < filters; filter += 1) {
    const x = (filter % across) * (groupWidth + gap);
    const y = Math.floor(filter / across) * (label + rows * cell + gap) + label;
    labels.push({ text: `filter ${filter}`, x, y: y - Math.round(5 * dpr), width: groupWidth + gap / 2 });
    for (let kernel = 0; kernel < perFilter; kernel += 1) {
      tiles.push({ x: x + kernel * (cols * cell + inner), y });
    }
  }
  return {
    tiles,
    labels,
    rows,
    cols,
    cellWidth: cell,
    cellHeight: cell,
    blockRows: 1,
    blockCols: 1,
    entryRows: tiles.length * rows,
    entryCols: cols,
    width: Math.min(across, filters) * (groupWidth + gap) - gap,
    height: total,
    dpr,
  };
}

/**
 * One matrix, by blocks where a cell would be smaller than a CSS pixel.
 * @param {number} entryRows
 * @param {number} entryCols
 * @param {number} width
 * @param {number} height
 * @param {number} dpr
 * @returns {Layout}
 */
function arrangeMatrix(entryRows, entryCols, width, height, dpr) {
  const smallest = Math.max(1, Math.round(dpr));
  let blockRows = Math.ceil((entryRows * smallest) / height);
  let blockCols = Math.ceil((entryCols * smallest) / width);
  const side = Math.max(blockRows, blockCols);
  // Square blocks, unless they would leave next to nothing of a long and narrow matrix.
  if (Math.min(entryRows, entryCols) >= 8 * side) blockRows = blockCols = side;
  const rows = Math.ceil(entryRows / blockRows);
  const cols = Math.ceil(entryCols / blockCols);
  const largest = Math.round(LARGEST_CELL * dpr);
  let cellWidth = Math.min(Math.floor(width / cols), largest);
  let cellHeight = Math.min(Math.floor(height / rows), largest);
  if (rows > 1) {
    // Square cells, or oblong ones where squares would shrink to a thread.
    const stretch = Math.min(cellWidth, cellHeight) >= 2 * smallest ? 1 : 3;
    cellWidth = Math.min(cellWidth, stretch * cellHeight);
    cellHeight = Math.min(cellHeight, stretch * cellWidth);
  }
  return {
    tiles: [{ x: 0, y: 0 }],
    labels: [],
    rows,
    cols,
    cellWidth,
    cellHeight,
    blockRows,
    blockCols,
    entryRows,
    entryCols,
    width: cols * cellWidth,
    height: rows * cellHeight,
    dpr,
  };
}

/**
 * True where a cell stands for more than one entry.
 * @param {Layout} layout
 */
export const byBlocks = (layout) => layout.blockRows * layout.blockCols > 1;

/**
 * The cell at a point (device pixels), or -1 between and outside of tiles.
 * @param {Layout} layout
 * @param {number} x
 * @param {number} y
 */
export function cellAt(layout, x, y) {
  const { tiles, rows, cols, cellWidth, cellHeight } = layout;
  for (let tile = 0; tile < tiles.length; tile += 1) {
    const col = Math.floor((x - tiles[tile].x) / cellWidth);
    const row = Math.floor((y - tiles[tile].y) / cellHeight);
    if (col >= 0 && col < cols && row >= 0 && row < rows) return (tile * rows + row) * cols + col;
  }
  return -1;
}

/**
 * The rectangle of a cell.
 * @param {Layout} layout
 * @param {number} cell
 */
export function rectangleOf(layout, cell) {
  const { tiles, rows, cols, cellWidth, cellHeight } = layout;
  const tile = tiles[Math.floor(cell / (rows * cols))];
  const row = Math.floor(cell / cols) % rows;
  const x = tile.x + (cell % cols) * cellWidth;
  return { x, y: tile.y + row * cellHeight, width: cellWidth, height: cellHeight };
}

/**
 * The entries of a cell: rows and columns of the stored matrix, ends excluded.
 * @param {Layout} layout
 * @param {number} cell
 */
export function entriesOf(layout, cell) {
  const top = Math.floor(cell / layout.cols) * layout.blockRows;
  const left = (cell % layout.cols) * layout.blockCols;
  const bottom = Math.min(top + layout.blockRows, layout.entryRows);
  const right = Math.min(left + layout.blockCols, layout.entryCols);
  return { top, left, bottom, right, first: top * layout.entryCols + left };
}

/**
 * The flat indices of a cell's entries.
 * @param {Layout} layout
 * @param {number} cell
 */
export function* indicesOf(layout, cell) {
  const { top, left, bottom, right } = entriesOf(layout, cell);
  for (let row = top; row < bottom; row += 1) {
    for (let col = left; col < right; col += 1) yield row * layout.entryCols + col;
  }
}

/** @type {Record<string, [number, number]>} */
export const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * The cell that an arrow key leads to; at an edge it stays.
 * @param {Layout} layout
 * @param {number} cell
 * @param {string} key
 */
export function neighbour(layout, cell, key) {
  const step = STEPS[key];
  if (!step) return cell;
  const { x, y, width, height } = rectangleOf(layout, cell);
  // Go on over the gap to the next kernel, whose cells need not lie in the same line.
  const reach = Math.max(GAP, LABEL + GAP) * layout.dpr + Math.max(width, height);
  const stride = Math.max(1, Math.floor(Math.min(width, height) / 2));
  for (let way = 0; way <= reach; way += stride) {
    const px = x + width / 2 + step[0] * (width / 2 + way + 0.5);
    const py = y + height / 2 + step[1] * (height / 2 + way + 0.5);
    const found = cellAt(layout, px, py);
    if (found >= 0 && found !== cell) return found;
  }
  return cell;
}

/**
 * Largest finite |value|: both ends of the colour scale. A tensor of zeros gets 1.
 * @param {ArrayLike<number> & Iterable<number>} values
 */
export function limitOf(values) {
  let limit = 0;
  for (const value of values) {
    const size = Math.abs(value);
    if (size > limit && size < Infinity) limit = size;
  }
  return limit || 1;
}

/**
 * The colour of every entry as RGBA pixels; `ramp` is a list of [r, g, b], low to high.
 * @param {ArrayLike<number>} values
 * @param {number} limit
 * @param {number[][]} ramp
 */
export function colourise(values, limit, ramp) {
  const pixels = new Uint8ClampedArray(values.length * 4);
  const last = ramp.length - 1;
  for (let i = 0; i < values.length; i += 1) {
    const place = Math.min(Math.max((values[i] / limit + 1) / 2, 0), 1) * last;
    const step = Math.min(Math.floor(place), last - 1);
    for (let channel = 0; channel < 3; channel += 1) {
      const [from, to] = [ramp[step]?.[channel], ramp[step + 1]?.[channel]];
      // NaN has no place on the scale: it comes out grey.
      pixels[4 * i + channel] = Number.isNaN(values[i]) ? 128 : from + (to - from) * (place - step);
    }
    pixels[4 * i + 3] = 255;
  }
  return new Uint32Array(pixels.buffer);
}

/**
 * True where cells are too small for hatching: pruned entries are then of a grey that no value has.
 * @param {Layout} layout
 */
export const tooSmallToHatch = (layout) =>
  Math.min(layout.cellWidth, layout.cellHeight) < SMALLEST_HATCHED_CELL * layout.dpr;

/**
 * What a canvas draws with.
 * @param {HTMLCanvasElement} canvas
 */
const penOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** @param {OffscreenCanvas} canvas */
const hiddenPenOf = (canvas) => /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));

/**
 * A repeating tile of hatching, whose lines go on unbroken over the edges.
 * @param {CanvasRenderingContext2D} context
 * @param {Colours} colours
 * @param {number} dpr
 */
function hatching(context, colours, dpr) {
  const size = Math.max(4, Math.round(6 * dpr));
  const tile = new OffscreenCanvas(size, size);
  const pen = hiddenPenOf(tile);
  pen.fillStyle = colours.pruned;
  pen.fillRect(0, 0, size, size);
  pen.strokeStyle = colours.hatch;
  pen.lineWidth = 1.2 * dpr;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift - 1, size + 1);
    pen.lineTo(shift + size + 1, -1);
  }
  pen.stroke();
  return /** @type {CanvasPattern} */ (context.createPattern(tile, "repeat"));
}

/**
 * Draws one tensor on one canvas; `show` and `fit` set it up, `draw` is called on each move.
 */
export class Heatmap {
  constructor() {
    this.canvas = element("canvas", {
      tabindex: "0",
      role: "application",
      "aria-roledescription": "heatmap",
      dir: "ltr",
      class: "prune-lab-heatmap",
      "data-lm-suppress-shortcuts": "true", // the arrow keys are ours here
    });
    this.context = penOf(this.canvas);
    /** @type {Layout | null} */
    this.layout = null;
    this.size = "";
    /** @type {Colours | null} */
    this.hatchedFor = null;
    /** @type {string | CanvasPattern} */
    this.hatch = "";
    /** @type {Tensor | null} */
    this.tensor = null;
    /** @type {string[]} */
    this.ramp = [];
    this.colours = new Uint32Array(0);
    this.coloured = remembered((values, limit, stops) => colourise(values, limit, stops.map(rgb)));
    this.cells = new OffscreenCanvas(1, 1);
    this.image = new ImageData(1, 1);
    this.pixels = new Uint32Array(1);
    this.flat = { colour: "", pixels: new Uint32Array(0) };
  }

  /**
   * Take the tensor; only other values are coloured anew.
   * @param {{ tensor: Tensor, ramp: string[] }} now
   */
  show({ tensor, ramp }) {
    if (tensor === this.tensor && ramp === this.ramp) return;
    if (tensor.cells !== this.tensor?.cells) this.layout = null;
    this.tensor = tensor;
    this.ramp = ramp;
    this.colours = this.coloured(tensor.values, tensor.limit, ramp);
  }

  /** How many cells can be drawn at most. */
  cellCount() {
    return this.colours.length;
  }

  /**
   * Lay the tensor out in `width` x `height` CSS pixels; does nothing when nothing changed.
   * @param {number} width
   * @param {number} height
   * @param {number} dpr
   * @param {number} text
   * @returns {Layout}
   */
  fit(width, height, dpr, text) {
    const size = `${width} ${height} ${dpr} ${text}`;
    if (this.layout && this.size === size) return this.layout;
    this.size = size;
    this.hatchedFor = null;
    const layout = arrange(this.tensor?.cells ?? [], Math.floor(width * dpr), Math.floor(height * dpr), dpr, text);
    const { canvas } = this;
    canvas.width = layout.width;
    canvas.height = layout.height;
    canvas.style.width = `${layout.width / dpr}px`;
    canvas.style.height = `${layout.height / dpr}px`;
    const lines = layout.tiles.length * layout.rows;
    this.cells = new OffscreenCanvas(layout.cols, lines);
    this.image = new ImageData(layout.cols, lines);
    this.pixels = new Uint32Array(this.image.data.buffer);
    this.layout = layout;
    return layout;
  }

  /**
   * Draw with `count` units pruned and the cell `marked` framed (-1: none). The view "masked"
   * shows the values of kept entries, "weights" those of all, "mask" only what is kept.
   * @param {number} count
   * @param {number} marked
   * @param {Colours} colours
   * @param {string} view
   */
  draw(count, marked, colours, view) {
    const { context, tensor, layout, cells, image, pixels, colours: own } = this;
    if (!tensor || !layout) return;
    const { dpr } = layout;
    const shades = view === "mask" ? this.allOf(colours.accent, own.length) : own;
    tensor.paint(pixels, layout, shades, view === "weights" ? -1 : count);
    hiddenPenOf(cells).putImageData(image, 0, 0);

    context.clearRect(0, 0, layout.width, layout.height);
    context.imageSmoothingEnabled = false;
    if (this.hatchedFor !== colours) {
      this.hatchedFor = colours;
      this.hatch = tooSmallToHatch(layout) ? colours.flat : hatching(context, colours, dpr);
    }
    const line = layout.cellWidth >= 6 * dpr && layout.cellHeight >= 6 * dpr ? Math.max(1, Math.round(dpr)) : 0;
    this.drawTiles(layout, cells, line);
    context.fillStyle = colours.soft;
    context.font = `${Math.round((LABEL_TEXT * dpr * colours.size) / TEXT)}px ${colours.font}`;
    // A narrow tile's label is squeezed, and never stands over its neighbour.
    for (const { text, x, y, width } of layout.labels) context.fillText(text, x, y, width);
    if (marked >= 0) this.frame(layout, marked, line, colours);
  }

  /**
   * The cells over the hatching, with lines between them.
   * @param {Layout} layout
   * @param {OffscreenCanvas} cells
   * @param {number} line
   */
  drawTiles({ tiles, rows, cols, cellWidth, cellHeight }, cells, line) {
    const { context } = this;
    const [width, height] = [cols * cellWidth, rows * cellHeight];
    tiles.forEach(({ x, y }, tile) => {
      context.fillStyle = this.hatch;
      context.fillRect(x, y, width, height);
      context.drawImage(cells, 0, tile * rows, cols, rows, x, y, width, height);
      if (!line) return;
      for (let col = 1; col <= cols; col += 1) context.clearRect(x + col * cellWidth - line, y, line, height);
      for (let row = 1; row <= rows; row += 1) context.clearRect(x, y + row * cellHeight - line, width, line);
    });
  }

  /**
   * One colour for all, as pixels.
   * @param {string} colour
   * @param {number} count
   */
  allOf(colour, count) {
    if (this.flat.colour !== colour || this.flat.pixels.length !== count) {
      const pen = hiddenPenOf(new OffscreenCanvas(1, 1));
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      const [pixel] = new Uint32Array(pen.getImageData(0, 0, 1, 1).data.buffer);
      this.flat = { colour, pixels: new Uint32Array(count).fill(pixel) };
    }
    return this.flat.pixels;
  }

  /**
   * Frame a cell, a dark line in a light one, so that it shows on every colour.
   * @param {Layout} layout
   * @param {number} cell
   * @param {number} line
   * @param {Colours} colours
   */
  frame(layout, cell, line, colours) {
    const { context } = this;
    const { dpr } = layout;
    const { x, y, width, height } = rectangleOf(layout, cell);
    const grow = Math.max(0, (7 * dpr - Math.min(width, height)) / 2); // tiny cells
    /** @type {[number, number, number, number]} */
    const box = [x - grow, y - grow, width - line + 2 * grow, height - line + 2 * grow];
    context.lineWidth = 4 * dpr;
    context.strokeStyle = colours.panel;
    context.strokeRect(...box);
    context.lineWidth = 2 * dpr;
    context.strokeStyle = colours.ink;
    context.strokeRect(...box);
  }
}
