// The models of a BudgetExplorer as dots: the file's bytes to the right, the points lost downwards,
// and the limits as lines. What is over a limit is faint; the one to take has a ring.

import { pen } from "./curve.js";
import { element, fitted, write } from "./panel.js";
import { drawGrid, drawLine, placeOf, scaleOf } from "./plot.js";

/** @import { Candidate, Limits, Now } from "./budget_explorer.js" */
/** @import { Screen } from "./panel.js" */

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const TALL = 260; // CSS pixels, for text of the size 14
const NEAR = 30; // CSS pixels between the pointer and a dot

/**
 * Where bytes and points are in the plane, both from 0 to 1: bytes by factors, no loss on top.
 * @param {Candidate[]} candidates
 */
export function plane(candidates) {
  const logs = candidates.map(({ bytes }) => Math.log10(bytes));
  const [low, high] = [Math.floor(Math.min(...logs)), Math.ceil(Math.max(...logs) + 1e-9)];
  const most = Math.max(1, Math.ceil(Math.max(...candidates.map(({ lost }) => lost))));
  const powers = Array.from({ length: high - low + 1 }, (_, i) => low + i);
  return {
    x: (/** @type {number} */ bytes) => Math.min(1, Math.max(0, (Math.log10(bytes) - low) / (high - low))),
    y: (/** @type {number} */ lost) => Math.min(1, Math.max(0, 0.95 - (0.9 * lost) / most)),
    heights: [0, most / 2, most].map((lost) => ({ at: 0.95 - (0.9 * lost) / most, text: lost ? `−${lost}` : "0" })),
    below: powers.map((power, i) => ({
      at: i / (powers.length - 1),
      text: `${10 ** (power % 3)} ${UNITS[Math.floor(power / 3)]}`,
      align: /** @type {CanvasTextAlign} */ (i === 0 ? "left" : i === powers.length - 1 ? "right" : "center"),
    })),
  };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Now} now
 * @param {number} marked
 * @param {number[]} box
 * @param {Screen} screen
 */
function drawModels(canvas, { candidates, limits, meeting, best }, marked, [width, height], { dpr, colours }) {
  const { context, size } = fitted(canvas, width, height, dpr);
  const scale = scaleOf(colours, dpr);
  const { x, y, heights, below } = plane(candidates);
  const place = (/** @type {number} */ at, /** @type {number} */ up) => placeOf(at, up, size[0], size[1], scale);
  context.clearRect(0, 0, size[0], size[1]);
  drawGrid(context, { size, scale, dpr, colours }, heights, below);
  context.strokeStyle = colours.soft;
  context.setLineDash([5 * dpr, 4 * dpr]);
  drawLine(context, [place(x(limits.bytes), 0), place(x(limits.bytes), 1)]);
  drawLine(context, [place(0, y(limits.lost)), place(1, y(limits.lost))]);
  context.setLineDash([]);
  const recipes = [...new Set(candidates.map(({ recipe }) => recipe))];
  for (const [number, one] of candidates.entries()) {
    const [left, top] = place(x(one.bytes), y(one.lost));
    context.globalAlpha = meeting.includes(one) ? 1 : 0.3;
    context.fillStyle = pen(recipes.indexOf(one.recipe)).colour;
    context.beginPath();
    context.arc(left, top, 5 * scale, 0, 2 * Math.PI);
    context.fill();
    context.globalAlpha = 1;
    if (one !== best && number !== marked) continue;
    context.strokeStyle = one === best ? colours.ink : colours.accent;
    context.lineWidth = 2 * dpr;
    context.beginPath();
    context.arc(left, top, (one === best ? 9 : 12) * scale, 0, 2 * Math.PI);
    context.stroke();
  }
}

/**
 * The legend: a dot and a word for each recipe.
 * @param {Candidate[]} candidates
 */
function legendOf(candidates) {
  return [...new Set(candidates.map(({ recipe }) => recipe))].map((recipe, number) =>
    element(
      "span",
      {},
      element("span", { class: "prune-lab-dot", style: `background: ${pen(number).colour}` }),
      recipe,
    ),
  );
}

/**
 * The part: the picture, and the model under the pointer or the keyboard's cursor in words.
 * @param {() => void} redraw
 * @param {(one: Candidate, limits: Limits) => string} words
 */
export function budgetPlot(redraw, words) {
  const canvas = element("canvas", { role: "img", dir: "ltr", tabindex: 0 });
  const [entry, legend] = [element("div", { class: "prune-lab-entry" }), element("div", { class: "prune-lab-legend" })];
  const title = element(
    "div",
    { class: "prune-lab-title" },
    "points of accuracy lost against the size of the file (faint: over the budget; ring: the one to take)",
  );
  const box = element("div", { class: "prune-lab-chart" }, title, canvas, legend, entry);
  let [width, height, scale, marked] = [0, TALL, 1, -1];
  /** @type {Candidate[]} */
  let shown = [];
  const mark = (/** @type {number} */ number) => {
    marked = number;
    redraw();
  };
  canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
    const { x, y } = plane(shown);
    const away = shown.map(({ bytes, lost }) => {
      const [left, top] = placeOf(x(bytes), y(lost), width, height, scale);
      return Math.hypot(left - offsetX, top - offsetY);
    });
    const near = Math.min(...away);
    mark(near <= NEAR * scale ? away.indexOf(near) : -1);
  });
  for (const end of ["pointerleave", "blur"]) canvas.addEventListener(end, () => mark(-1));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    mark((marked + step + shown.length) % shown.length);
    event.preventDefault();
  });
  return {
    box,
    measure() {
      width = box.clientWidth;
    },
    /**
     * @param {Now} now
     * @param {Screen} screen
     */
    draw(now, screen) {
      if (shown !== now.candidates) legend.replaceChildren(...legendOf(now.candidates));
      shown = now.candidates;
      write(
        entry,
        shown[marked]
          ? words(shown[marked], now.limits)
          : "Point at a dot, or press an arrow key on the picture, to see which model it is.",
      );
      const met = `${now.meeting.length} of ${shown.length} models meet the budget`;
      canvas.setAttribute("aria-label", shown[marked] ? words(shown[marked], now.limits) : met);
      if (width <= 0) return; // not on the screen
      scale = scaleOf(screen.colours, 1);
      height = TALL * scale;
      drawModels(canvas, now, marked, [width, height], screen);
    },
  };
}
