// What is left of a ticket's first layer, as a heatmap: a convolution's weights, or of a linear layer
// how much is kept behind each pixel. Of the first seed that is in.

import { shortPercent } from "./accuracy.js";
import { eachEntry } from "./entries.js";
import { cellAt, Heatmap, neighbour, STEPS, tooSmallToHatch } from "./heatmap.js";
import { indexed } from "./order.js";
import { element, hasFocus, write } from "./panel.js";

/** @import { Screen } from "./panel.js" */
/** @import { Now } from "./ticket_explorer.js" */

const TALLEST = 300; // CSS pixels, for text of the size 14
const BESIDE = 230; // of a low window: what the host and the controls take
const LOWEST = 130;

/**
 * The picture of a number as a heatmap takes it: what has nothing left is pruned.
 * @param {ArrayBufferView} pictures
 * @param {number} number
 * @param {number[]} shape
 */
export function pictureOf(pictures, number, shape) {
  const cells = shape.reduce((a, b) => a * b, 1);
  const shares = new Uint8Array(pictures.buffer, pictures.byteOffset + number * cells, cells);
  const values = Float32Array.from(shares, (share) => share / 255);
  const order = Int32Array.from(shares, (share) => (share ? 0 : -1));
  return eachEntry(shape, values, order);
}

/** The part: what the colours mean. */
function legend() {
  const [most, none] = [element("span"), element("span", { class: "prune-lab-swatch" })];
  const ramp = element("span", { class: "prune-lab-ramp" });
  const scale = element("span", { class: "prune-lab-scale", dir: "ltr" }, "little", ramp, most);
  return {
    box: element("div", { class: "prune-lab-legend" }, scale, element("span", {}, none, " nothing is kept")),
    /**
     * @param {Now} now
     * @param {boolean} plain
     */
    draw({ tensor: { limit }, ramp: stops }, plain) {
      write(most, `${shortPercent(limit)} kept`);
      ramp.style.background = `linear-gradient(90deg, ${stops.slice(Math.floor(stops.length / 2)).join(", ")})`;
      none.classList.toggle("prune-lab-plain", plain);
    },
  };
}

/**
 * Let cells be pointed at, by mouse and by arrow keys; the answer tells which is marked, -1: none.
 * @param {Heatmap} heatmap
 * @param {() => void} redraw
 */
function marking(heatmap, redraw) {
  const { canvas } = heatmap;
  let marked = -1;
  /** @param {number} cell */
  const mark = (cell) => {
    if (cell === marked) return;
    marked = cell;
    redraw();
  };
  canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
    const { layout } = heatmap;
    if (layout) mark(cellAt(layout, offsetX * layout.dpr, offsetY * layout.dpr));
  });
  canvas.addEventListener("pointerleave", () => mark(hasFocus(canvas) ? marked : -1));
  canvas.addEventListener("focus", () => mark(Math.max(marked, 0)));
  canvas.addEventListener("blur", () => mark(-1));
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in STEPS) || !heatmap.layout) return;
    mark(neighbour(heatmap.layout, Math.max(marked, 0), event.key));
    event.preventDefault();
  });
  return () => marked;
}

/**
 * The part: the heatmap, and its cells in words.
 * @param {() => void} redraw
 */
export function ticketMask(redraw) {
  const title = element("div", { class: "prune-lab-title" });
  const heatmap = new Heatmap();
  const { canvas } = heatmap;
  const key = legend();
  const entry = element("div", { class: "prune-lab-entry" });
  const box = element("div", { class: "prune-lab-side" }, title, canvas, key.box, entry);
  const marked = marking(heatmap, redraw);
  let width = 0;
  return {
    box,
    measure() {
      width = box.clientWidth;
    },
    /**
     * @param {Now} now
     * @param {Screen} screen
     */
    draw(now, { colours, dpr }) {
      const what = `what seed ${now.seeds[0]} keeps of its first layer`;
      canvas.setAttribute("aria-label", `Heatmap of ${what}; arrow keys go from cell to cell`);
      if (width <= 0) return; // not on the screen
      const scale = colours.size / 14;
      heatmap.show(now);
      const layout = heatmap.fit(
        width,
        Math.max(LOWEST, Math.min(TALLEST, innerHeight / scale - BESIDE)) * scale,
        dpr,
        colours.size,
      );
      write(title, what);
      key.draw(now, tooSmallToHatch(layout));
      const name = now.shape.length > 2 ? "weight" : "pixel";
      write(
        entry,
        marked() < 0
          ? `Point at a ${name}.`
          : `${indexed(name, marked(), now.shape).text}: ${shortPercent(now.tensor.values[marked()])} kept`,
      );
      heatmap.draw(0, marked(), colours, "masked");
    },
    say: () => (hasFocus(canvas) ? (entry.textContent ?? "") : ""),
  };
}
