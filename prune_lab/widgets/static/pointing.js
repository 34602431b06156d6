// Pointing at a heatmap's entries, and painting them: by mouse, finger and keys.

import { cellAt, indicesOf, neighbour, STEPS } from "./heatmap.js";
import { hasFocus } from "./panel.js";

/** @import { Dialogue } from "./dialogue.js" */
/** @import { Heatmap, Layout } from "./heatmap.js" */
/** @import { Preview } from "./preview.js" */

/**
 * Prune a cell's entries by hand, or restore them: from here on the mask is the reader's own.
 * @param {Dialogue} dialogue
 * @param {Preview} now
 * @param {Layout} layout
 * @param {number} cell
 * @param {boolean} prune
 */
function paint(dialogue, { tensor: { order }, drawn, name, techniques }, layout, cell, prune) {
  if (!order) return; // the blocks of a large tensor are not painted: single entries are not known
  const mask = Uint8Array.from(order, (position) => (position >= drawn ? 1 : 0));
  for (const i of indicesOf(layout, cell)) if (order[i] >= 0) mask[i] = prune ? 0 : 1;
  const technique = techniques.find(({ by_hand: byHand }) => byHand)?.value;
  dialogue.move({ name, technique, painted: mask });
}

/**
 * @param {Preview} now
 * @param {Layout} layout
 * @param {number} cell
 */
const isPruned = ({ tensor, drawn }, layout, cell) => tensor.left(layout, cell, drawn).kept === 0;

/**
 * Let a heatmap be pointed at and painted on. `marked()` is the cell under the pointer or the
 * keyboard's cursor, -1: none.
 * @param {Dialogue} dialogue
 * @param {Heatmap} heatmap
 * @param {() => Preview} read
 * @param {() => void} redraw
 */
export function pointing(dialogue, heatmap, read, redraw) {
  let marked = -1;
  const hand = {
    marked: () => (marked < heatmap.cellCount() ? marked : -1),
    /** @param {number} cell */
    mark(cell) {
      if (cell === marked) return;
      marked = cell;
      redraw();
    },
    /** @param {number} cell */
    isPruned: (cell) => heatmap.layout !== null && isPruned(read(), heatmap.layout, cell),
    /**
     * Not while another layer is on its way: that is not what would be painted.
     * @param {number} cell
     * @param {boolean} prune
     */
    paint(cell, prune) {
      const now = read();
      if (cell >= 0 && heatmap.layout && dialogue.get("name") === now.name)
        paint(dialogue, now, heatmap.layout, cell, prune);
    },
    lift: () => dialogue.ask(),
  };
  byPointer(heatmap, hand);
  byKeys(heatmap, hand);
  return hand;
}

/** @typedef {ReturnType<typeof pointing>} Hand */

/**
 * @param {Heatmap} heatmap
 * @param {Hand} hand
 */
function byPointer(heatmap, hand) {
  const { canvas } = heatmap;
  /** @type {boolean | null} */
  let brush = null; // while painting: true prunes, false restores
  /** @param {PointerEvent} event */
  const cellOf = ({ clientX, clientY }) => {
    if (!heatmap.layout) return -1;
    const box = canvas.getBoundingClientRect();
    const ratio = canvas.width / box.width;
    return cellAt(heatmap.layout, (clientX - box.left) * ratio, (clientY - box.top) * ratio);
  };
  canvas.addEventListener("pointerdown", (event) => {
    const cell = cellOf(event);
    if (cell < 0 || event.button !== 0) return;
    brush = !hand.isPruned(cell);
    // A finger taps; dragging it scrolls the page.
    if (event.pointerType !== "touch") canvas.setPointerCapture(event.pointerId);
    hand.paint(cell, brush);
  });
  canvas.addEventListener("pointermove", (event) => {
    const cell = cellOf(event);
    if (brush !== null && cell !== hand.marked()) hand.paint(cell, brush);
    hand.mark(cell);
  });
  const lift = () => {
    if (brush !== null) hand.lift();
    brush = null;
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => {
    if (!hasFocus(canvas)) hand.mark(-1);
  });
}

/**
 * @param {Heatmap} heatmap
 * @param {Hand} hand
 */
function byKeys(heatmap, hand) {
  const { canvas } = heatmap;
  canvas.addEventListener("focus", () => {
    if (hand.marked() < 0 && heatmap.cellCount()) hand.mark(0);
  });
  canvas.addEventListener("blur", () => hand.mark(-1));
  canvas.addEventListener("keydown", (event) => {
    const from = Math.max(hand.marked(), 0);
    if (event.key === " " || event.key === "Enter") {
      hand.paint(from, !hand.isPruned(from));
      hand.lift();
    } else if (event.key in STEPS && heatmap.layout) {
      hand.mark(neighbour(heatmap.layout, from, event.key));
    } else {
      return;
    }
    event.preventDefault();
  });
}
