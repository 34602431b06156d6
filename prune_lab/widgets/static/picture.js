// The picture of a parameter: its heatmap, the legend, and the entry under the pointer in words.

import { progressBar } from "./accuracy.js";
import { grouped, ordinal } from "./amount.js";
import { byBlocks, entriesOf, Heatmap, tooSmallToHatch } from "./heatmap.js";
import { signed } from "./histogram.js";
import { indexed } from "./order.js";
import { element, hasFocus, write } from "./panel.js";
import { pointing } from "./pointing.js";

/** @import { Dialogue, Host } from "./dialogue.js" */
/** @import { Layout } from "./heatmap.js" */
/** @import { Screen } from "./panel.js" */
/** @import { Preview } from "./preview.js" */

const TALLEST = 440; // CSS pixels: the picture and its controls fit a laptop's screen
const BESIDE = 280; // and in a low window they still do: the host and the controls take this
const LOWEST = 130;

/**
 * What the rows and columns of the picture are.
 * @param {number[]} shape
 * @param {Layout} layout
 */
function axes(shape, layout) {
  if (layout.tiles.length > 1 || shape.length < 2) return "";
  return ` · rows: dim 0, columns: ${shape.length === 2 ? "dim 1" : "all other dims"}`;
}

/**
 * How many entries a line of the picture has: all dimensions but the first.
 * @param {number[]} shape
 */
const columnsOf = (shape) => shape.slice(shape.length > 1 ? 1 : 0).reduce((a, b) => a * b, 1);

/**
 * A count as a share of all that can go: "30.1 %".
 * @param {number} count
 * @param {number} units
 */
const shareOf = (count, units) => `${Number(((100 * count) / units).toFixed(1))} %`;

/**
 * The part: what the colours mean.
 */
function legend() {
  const swatch = element("span", { class: "prune-lab-swatch" });
  const [low, high, ramp] = [element("span"), element("span"), element("span", { class: "prune-lab-ramp" })];
  const scale = element("span", { class: "prune-lab-scale", dir: "ltr" }, low, ramp, high);
  const kept = element("span", {}, element("span", { class: "prune-lab-swatch prune-lab-kept" }), " kept");
  const pruned = element("span", {}, swatch, " pruned");
  return {
    box: element("div", { class: "prune-lab-legend" }, scale, kept, pruned),
    /**
     * @param {Preview} now
     * @param {Layout} layout
     */
    draw({ tensor: { limit }, ramp: stops, view }, layout) {
      write(low, signed(-limit));
      write(high, `+${signed(limit)}`);
      const gradient = `linear-gradient(90deg, ${stops.join(", ")})`;
      if (ramp.dataset.stops !== gradient) ramp.style.background = ramp.dataset.stops = gradient;
      swatch.classList.toggle("prune-lab-plain", tooSmallToHatch(layout));
      [scale.hidden, kept.hidden, pruned.hidden] = [view === "mask", view !== "mask", view === "weights"];
    },
  };
}

/**
 * An entry, or a block of them, in words.
 * @param {Preview} now
 * @param {Layout} layout
 * @param {number} cell
 * @param {Dialogue} dialogue
 */
function explain(now, layout, cell, dialogue) {
  const { tensor, drawn, count, units, name, shape } = now;
  const { top, left, first: here } = entriesOf(layout, cell);
  const first = tensor.order ? here : top * tensor.block[0] * columnsOf(shape) + left * tensor.block[1];
  const { places, text } = indexed(name.split(".").at(-1) ?? "", first, shape);
  if (byBlocks(layout) || !tensor.order) {
    const { kept, of, at } = tensor.left(layout, cell, drawn);
    const when = at === count ? "" : ` at ${shareOf(at, units)}`;
    return `block from ${text} · ${grouped(kept)} of ${grouped(of)} kept${when}`;
  }
  const position = tensor.order[first];
  const state = position < 0 ? "" : position < drawn ? " · pruned" : " · kept";
  return `${text} = ${signed(tensor.values[first])} · ${whenItGoes(now, position, places, dialogue)}${state}`;
}

/**
 * @param {Preview} now
 * @param {number} position
 * @param {number[]} places
 * @param {Dialogue} dialogue
 */
function whenItGoes({ movable, shown: { options, units }, steps }, position, places, dialogue) {
  if (position < 0) return "pruned before";
  if (!movable) return "by hand";
  if (steps.length) {
    const step = steps.indexOf(position) + 1; // until then it is there
    return step < steps.length ? `goes at ${shareOf(steps[step], steps[steps.length - 1])}` : "stays";
  }
  const turn = `${ordinal(position + 1)} to go`;
  if (options.includes("dim")) return `channel ${places.at(dialogue.known("dim"))} is ${turn}`;
  if (options.includes("m")) return `${turn} of its ${dialogue.known("m")} neighbours`;
  return units === "entries" ? turn : `${turn} in the model`;
}

/**
 * @param {Preview} now
 * @param {Layout} layout
 */
function blockWords({ tensor, count, drawn, units }, layout) {
  const words = [];
  if (byBlocks(layout) || !tensor.order) {
    const [rows, cols] = [layout.blockRows * tensor.block[0], layout.blockCols * tensor.block[1]];
    const colour = tensor.order ? "strongest kept entry" : "strongest entry";
    words.push(
      `Too many entries to draw one by one: each cell is a block of ${grouped(rows)} × ${grouped(cols)}, ` +
        `coloured by its ${colour}, fainter where more is pruned.`,
    );
    if (!tensor.order) words.push("By hand they are pruned in Python: explorer.mask = mask.");
  }
  if (drawn !== count) words.push(`Drawn as it is at ${shareOf(drawn, units)}, the step before.`);
  return words.join(" ");
}

/**
 * What a hand can do here.
 * @param {Preview} now
 * @param {Layout} layout
 */
function pointingWords({ tensor }, layout) {
  if (!tensor.order) return "Point at a block."; // one line, as what is said then: the page must not move
  return byBlocks(layout)
    ? "Point at a block; click to prune or restore it."
    : "Point at an entry; click to prune or restore it.";
}

/**
 * The part: the picture.
 * @param {Host} host
 * @param {() => Preview} read
 * @param {() => void} redraw
 */
export function picture(host, read, redraw) {
  const { model, dialogue } = host;
  const title = element("div", { class: "prune-lab-title" });
  const heatmap = new Heatmap();
  const { canvas } = heatmap;
  const key = legend();
  const blocks = element("div", { class: "prune-lab-note" });
  const entry = element("div", { class: "prune-lab-entry" });
  const progress = progressBar(host, "picture worked out so far", ["stop_drawing", "go_on_drawing"]);
  const box = element("div", { class: "prune-lab-main" }, title, canvas, progress.box, key.box, blocks, entry);
  const pointer = pointing(dialogue, heatmap, read, redraw);
  let width = 0;
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
      canvas.setAttribute(
        "aria-label",
        `Heatmap of ${model.get("title")}; arrow keys go from entry to entry, space prunes or restores one`,
      );
      if (width <= 0) return; // not on the screen
      const { colours, dpr } = screen;
      const above = BESIDE * (colours.size / 14);
      const tallest = Math.max(LOWEST, Math.min(TALLEST * Math.max(1, colours.size / 14), innerHeight - above));
      progress.draw({
        done: model.get("drawn"),
        measuring: model.get("drawing"),
        said: "Working out the picture …",
      });
      for (const part of [canvas, key.box, blocks, entry]) part.hidden = !now.there;
      if (!now.there) {
        write(title, `${model.get("title")} · ${now.shape.join(" × ")}`);
        return;
      }
      heatmap.show(now);
      const layout = heatmap.fit(width, tallest, dpr, colours.size);
      const marked = pointer.marked();
      // Words first: a canvas that writes text has the page laid out, which is then done once.
      write(title, `${model.get("title")} · ${now.shape.join(" × ")}${axes(now.shape, layout)}`);
      write(blocks, blockWords(now, layout));
      write(
        entry,
        marked >= 0
          ? explain(now, layout, marked, dialogue)
          : now.waiting
            ? "Waiting for the kernel; without one, this picture stays as it is."
            : pointingWords(now, layout),
      );
      key.draw(now, layout);
      heatmap.draw(now.count, marked, colours, now.view);
    },
    say: () => (hasFocus(canvas) && pointer.marked() >= 0 ? (entry.textContent ?? "") : ""),
  };
}
