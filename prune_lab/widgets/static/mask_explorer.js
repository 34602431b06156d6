// The picture of MaskExplorer: heatmap, legend, counts and the line of code. It holds the values
// and the position at which each entry goes, so a slider needs no kernel: pruned means
// `order < count`.

import { countOf, fractionOf, ordinal, pythonFloat } from "./amount.js";
import { byBlocks, cellAt, entriesOf, Heatmap, neighbour, tooSmallToHatch } from "./heatmap.js";
import { codeLine, element, numbers, onThemeChange, quietVoice, rgb, themeColours } from "./panel.js";

const FRACTION = 0; // the index of the switch between the two ways to give an amount
const TALLEST = 560; // CSS pixels: the picture and its controls fit a laptop's screen

const digits = (value) => String(Number(value.toPrecision(3)));
const grouped = (count) => count.toLocaleString("en");

/** What the rows and columns of the picture are. */
function axes(shape, layout) {
  if (layout.tiles.length > 1 || shape.length < 2) return "";
  return ` · rows: dim 0, columns: ${shape.length === 2 ? "dim 1" : "all other dims"}`;
}

/** "weight[1, 0, 2, 3]": a flat index as torch writes it. */
function indexed(name, flat, shape) {
  const places = [];
  for (let dim = shape.length - 1; dim >= 0; dim -= 1) {
    places.unshift(flat % shape[dim]);
    flat = Math.floor(flat / shape[dim]);
  }
  return { places, text: `${name}[${places.join(", ")}]` };
}

/** Number of units (entries or channels) that can go, and of entries gone after each of them. */
function tally(order) {
  const units = order.reduce((most, position) => Math.max(most, position), -1) + 1;
  const gone = new Int32Array(units + 1);
  for (const position of order) gone[position + 1] += 1; // position -1: gone before any
  for (let k = 1; k <= units; k += 1) gone[k] += gone[k - 1];
  return { units, gone };
}

/** Keep fraction and count in step, whichever of them the reader moves. */
function initialize({ model }) {
  let units = 0;
  const convert = () => {
    if (model.get("unit") === FRACTION) model.set("count", countOf(model.get("fraction"), units));
    else model.set("fraction", fractionOf(Math.min(model.get("count"), units), units));
    model.save_changes();
  };
  const recount = () => {
    units = tally(numbers(model.get("order"), Int32Array)).units;
  };
  recount();
  model.on("change:order", () => { recount(); convert(); });
  model.on("change:fraction", () => { if (model.get("unit") === FRACTION) convert(); });
  model.on("change:count", () => { if (model.get("unit") !== FRACTION) convert(); });
}

function render({ model, el }) {
  el.classList.add("prune-lab-view");
  const title = element("div", { class: "prune-lab-title" });
  const canvas = element("canvas", {
    tabindex: "0", role: "application", "aria-roledescription": "heatmap",
    // JupyterLab would move its own cursor with the arrow keys.
    "data-lm-suppress-shortcuts": "true",
  });
  const swatch = element("span", { class: "prune-lab-swatch" });
  const [low, high] = [element("span"), element("span")];
  const ramp = element("span", { class: "prune-lab-ramp" });
  const legend = element("div", { class: "prune-lab-legend" }, low, ramp, high, swatch, "pruned");
  const blocks = element("div", { class: "prune-lab-note" });
  const entry = element("div", { class: "prune-lab-entry" });
  const figure = element("div", { class: "prune-lab-figure" }, title, canvas, legend, blocks, entry);
  const counts = element("div", { class: "prune-lab-counts" });
  const { code, button, stop: stopCopying } = codeLine();
  const message = element("div", { class: "prune-lab-message", role: "status" });
  const voice = quietVoice();
  el.append(figure, counts, code, button, message, voice.region);

  const heatmap = new Heatmap(canvas);
  let colours = null;
  let units = 0;
  let gone = null;
  let marked = -1; // the cell under the pointer or the keyboard's cursor
  let frame = 0;

  /** Draw once before the next paint, however many traits changed. */
  function redraw() {
    frame ||= requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    const width = figure.clientWidth - 32; // less the padding
    if (width <= 0) return; // not on the screen; the resize observer will call again
    colours ||= themeColours(figure);
    heatmap.fit(width, TALLEST, devicePixelRatio);
    const count = Math.min(model.get("count"), units);
    swatch.classList.toggle("prune-lab-plain", tooSmallToHatch(heatmap.layout));
    heatmap.draw(count, marked, colours);
    describe(count);
    nameControls();
  }

  function takeData() {
    const order = numbers(model.get("order"), Int32Array);
    const stops = model.get("ramp");
    ({ units, gone } = tally(order));
    const values = numbers(model.get("values"), Float32Array);
    heatmap.show(values, order, model.get("shape"), stops.map(rgb));
    low.textContent = `−${digits(heatmap.limit)}`;
    high.textContent = `+${digits(heatmap.limit)}`;
    ramp.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
    const name = model.get("title");
    canvas.setAttribute("aria-label", `Heatmap of ${name}; arrow keys go from entry to entry`);
    redraw();
  }

  /** Everything the panel says in words; only `textContent` is ever set. */
  function describe(count) {
    const total = heatmap.order.length;
    const pruned = gone[count];
    const bold = (n) => element("b", {}, grouped(n));
    const share = total ? ((100 * pruned) / total).toFixed(1) : "0.0";
    counts.replaceChildren(bold(total - pruned), " kept · ", bold(pruned), ` pruned · sparsity\u00a0${share}\u00a0%`);
    const shape = model.get("shape");
    title.textContent = `${model.get("title")} · ${shape.join(" × ")}${axes(shape, heatmap.layout)}`;
    const [before, after] = model.get("code");
    const fraction = model.get("unit") === FRACTION;
    code.textContent = before + (fraction ? pythonFloat(model.get("fraction")) : count) + after;
    entry.textContent = marked < 0
      ? "Point at an entry to see its value."
      : explain(count);
    blocks.textContent = byBlocks(heatmap.layout)
      ? `Too many entries to draw one by one: each cell is a block of ${heatmap.layout.blockRows} × ` +
        `${heatmap.layout.blockCols}, coloured by its strongest kept entry, fainter where more is pruned.`
      : "";
    const said = `${grouped(total - pruned)} kept, ${grouped(pruned)} pruned`;
    voice.say(document.activeElement === canvas && marked >= 0 ? entry.textContent : said);
  }

  /** The marked entry in words. */
  function explain(count) {
    const { values, order, layout } = heatmap;
    const { first, top, left, bottom, right } = entriesOf(layout, marked);
    const { places, text } = indexed(model.get("name"), first, model.get("shape"));
    if (byBlocks(layout)) {
      let kept = 0;
      for (let row = top; row < bottom; row += 1) {
        for (let col = left; col < right; col += 1) kept += order[row * layout.entryCols + col] >= count;
      }
      return `block from ${text} · ${kept} of ${(bottom - top) * (right - left)} kept`;
    }
    const position = order[first];
    const channel = model.get("dim");
    const turn = `${ordinal(position + 1)} to go`;
    const when = position < 0 ? "pruned before"
      : channel === null ? turn : `channel ${places.at(channel)} is ${turn}`;
    const state = position < 0 ? "" : position < count ? " · pruned" : " · kept";
    return `${text} = ${digits(values[first])} · ${when}${state}`;
  }

  function mark(cell) {
    if (cell === marked) return;
    marked = cell;
    redraw();
  }

  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const scale = canvas.width / box.width;
    mark(cellAt(heatmap.layout, (event.clientX - box.left) * scale, (event.clientY - box.top) * scale));
  });
  canvas.addEventListener("pointerleave", () => { if (document.activeElement !== canvas) mark(-1); });
  canvas.addEventListener("focus", () => { if (marked < 0 && heatmap.order.length) mark(0); });
  canvas.addEventListener("blur", () => mark(-1));
  canvas.addEventListener("keydown", (event) => {
    if (!event.key.startsWith("Arrow")) return;
    event.preventDefault();
    mark(neighbour(heatmap.layout, Math.max(marked, 0), event.key));
  });

  function takeMessage() {
    message.textContent = model.get("message");
    message.classList.toggle("prune-lab-failed", model.get("failed"));
  }

  /**
   * ipywidgets gives its slider's handle a role but no name. Done at each drawing, for the front
   * end may build the controls after the picture, and builds a slider anew when it is shown.
   */
  function nameControls() {
    const panel = el.closest(".prune-lab");
    panel?.setAttribute("role", "group");
    panel?.setAttribute("aria-label", `Mask explorer for ${model.get("title")}`);
    const way = model.get("unit") === FRACTION ? "fraction" : "count";
    for (const handle of panel?.querySelectorAll(".noUi-handle") ?? []) {
      handle.setAttribute("aria-label", `amount as a ${way}`);
      handle.setAttribute("data-lm-suppress-shortcuts", "true");
    }
  }

  const changes = {
    "change:values change:order change:shape change:title change:ramp": takeData,
    "change:count change:fraction change:unit change:code change:name change:dim": redraw,
    "change:message change:failed": takeMessage,
    "change:unit": () => setTimeout(nameControls), // once the other slider is there
  };
  for (const [events, react] of Object.entries(changes)) model.on(events, react);
  takeData();
  takeMessage();

  const resized = new ResizeObserver(redraw);
  resized.observe(figure);
  const stopTheme = onThemeChange(figure, () => { colours = null; redraw(); });

  return () => {
    for (const [events, react] of Object.entries(changes)) model.off(events, react);
    cancelAnimationFrame(frame);
    resized.disconnect();
    stopTheme();
    stopCopying();
    voice.stop();
  };
}

export default { initialize, render };
