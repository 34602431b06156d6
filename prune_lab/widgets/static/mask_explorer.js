// MaskExplorer: controls, heatmap, histogram, bars, accuracy, counts and the line of code. The
// panel holds the values and the position at which each entry goes, so the slider needs no kernel:
// pruned means `order < count`. Only a new layer or technique and the accuracy come from Python.

import { countFor, fractionOf, grouped, ordinal, pythonFloat } from "./amount.js";
import { button, menu, numberBox, show, slider, switcher } from "./controls.js";
import { drawCurves, heightAt } from "./curve.js";
import { panel } from "./dialogue.js";
import { byBlocks, cellAt, entriesOf, Heatmap, neighbour, tooSmallToHatch } from "./heatmap.js";
import { binAt, drawHistogram, sizeAt, sortIntoBins, tallyBins, valuesOf } from "./histogram.js";
import { indexed, prunedAt } from "./order.js";
import { codeLine, element, listen, numbers, onThemeChange, quietVoice, rgb, themeColours, write } from "./panel.js";

const TALLEST = 440; // CSS pixels: the picture and its controls fit a laptop's screen
const CHART = 130; // CSS pixels high
const BY_HAND = "custom_from_mask";
const LISTED = 500; // entries; a longer mask by hand is not written out (as in Python)
const RANKED_BY = ["name", "technique", "n", "dim", "m", "seed"]; // the controls that the picture depends on
const BY_SIZE = ["l1_unstructured", "global_unstructured"]; // what is smaller than a threshold goes

const digits = (value) => String(Number(value.toPrecision(3)));
const signed = (value) => digits(value).replace("-", "−");
const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** What the rows and columns of the picture are. */
function axes(shape, layout) {
  if (layout.tiles.length > 1 || shape.length < 2) return "";
  return ` · rows: dim 0, columns: ${shape.length === 2 ? "dim 1" : "all other dims"}`;
}

function render({ model, el, dialogue }) {
  const get = (name) => dialogue.get(name);
  /** Ask for another picture: a mask by hand that was painted on the old one ends. */
  const request = (changes) => dialogue.choose({ ...changes, painted: null });

  // What is on the screen: Python's picture, or on top of it a mask by hand of which Python has
  // not heard yet.
  const painted = () => get("painted") ?? null;
  const units = () => (painted() ? 1 : model.get("units"));
  const movable = () => !painted() && model.get("ways").length > 0; // a picture that an amount moves
  const counted = () => (movable() ? countFor(get("amount"), units()) : units());
  /** How the amount can be given for the technique that is chosen: the slider never waits. */
  const ways = () => model.get("techniques").find(({ value }) => value === get("technique"))?.ways ?? [];
  const shownTechnique = () => (painted() ? BY_HAND : dialogue.known("technique"));
  /** Whether the picture is not of what the controls say: Python has yet to answer. */
  const outdated = () => !painted() && dialogue.waits(...RANKED_BY);

  // Controls
  const layers = menu("layer", (name) => request({ name }));
  const techniques = menu("technique", (technique) => request({ technique }));
  const norms = menu("norm n", (n) => request({ n }));
  const dims = menu("dim", (dim) => request({ dim: Number(dim) }));
  const groups = menu("group m", (m) => request({ m: Number(m) }));
  const seed = numberBox("seed", 0, 2 ** 32 - 1, (value) => request({ seed: value }));
  const views = switcher("show", [
    { value: "masked", label: "weights × mask" },
    { value: "weights", label: "weights" },
    { value: "mask", label: "mask" },
  ], (view) => dialogue.choose({ view }));
  const unit = switcher("amount", [
    { value: "fraction", label: "fraction", title: "a float: the fraction that goes" },
    { value: "count", label: "count", title: "an int: how many go" },
  ], (kind) => dialogue.choose({ amount: amountAs(kind, counted()) }));
  const amountAs = (kind, count) => (kind === "count" ? ["count", count, units()] : ["fraction", fractionOf(count, units())]);
  const amount = slider(
    "",
    (value) => dialogue.move({ amount: get("amount")[0] === "fraction" ? ["fraction", value] : ["count", value, get("amount")[2]] }),
    () => dialogue.ask(),
  );
  amount.field.setAttribute("aria-label", "amount");
  const noAmount = element("span", { class: "prune-lab-soft" });
  const amountRow = element("div", { class: "prune-lab-amount" }, unit.field, amount.field, noAmount);

  // Pictures
  const title = element("div", { class: "prune-lab-title" });
  const canvas = element("canvas", {
    tabindex: "0", role: "application", "aria-roledescription": "heatmap",
    class: "prune-lab-heatmap", "data-lm-suppress-shortcuts": "true", // the arrow keys are ours here
  });
  const swatch = element("span", { class: "prune-lab-swatch" });
  const [low, high] = [element("span"), element("span")];
  const ramp = element("span", { class: "prune-lab-ramp" });
  const keptSwatch = element("span", { class: "prune-lab-swatch prune-lab-kept" });
  const scale = element("span", { class: "prune-lab-scale" }, low, ramp, high);
  const keptKey = element("span", {}, keptSwatch, " kept");
  const prunedKey = element("span", {}, swatch, " pruned");
  const legend = element("div", { class: "prune-lab-legend" }, scale, keptKey, prunedKey);
  const blocks = element("div", { class: "prune-lab-note" });
  const entry = element("div", { class: "prune-lab-entry" });
  const histogramTitle = element("div", { class: "prune-lab-title" });
  const histogram = element("canvas", { role: "img" });
  const curveTitle = element("div", { class: "prune-lab-title" }, "accuracy against amount");
  const curve = element("canvas", { role: "img" });
  const progress = element("progress", { max: "1", "aria-label": "accuracy measured so far" });
  const halt = button("Stop", () => dialogue.press(model.get("measuring") ? "stop" : "go_on"));
  const measuring = element("div", { class: "prune-lab-progress" }, progress, halt);
  const accuracy = element("div", { class: "prune-lab-chart" }, curveTitle, curve, measuring);
  const bars = element("div", { class: "prune-lab-bars", role: "list", "aria-label": "sparsity of each layer" });
  const barsBox = element("div", { class: "prune-lab-chart" }, element("div", { class: "prune-lab-title" }, "sparsity of each layer"), bars);
  const heat = element("div", { class: "prune-lab-main" }, title, canvas, legend, blocks, entry);
  const side = element("div", { class: "prune-lab-side" },
    element("div", { class: "prune-lab-chart" }, histogramTitle, histogram), accuracy, barsBox);
  const figure = element("div", { class: "prune-lab-figure" }, element("div", { class: "prune-lab-columns" }, heat, side));

  // Words and buttons
  const [keptCount, prunedCount, atFirst, now] = Array.from({ length: 4 }, () => element("b"));
  const sparsity = element("span");
  const cost = element("span", {}, " · accuracy ", atFirst, " → ", now);
  const counts = element("div", { class: "prune-lab-counts" },
    keptCount, " kept · ", prunedCount, " pruned · sparsity\u00a0", sparsity, cost);
  const { code, button: copy, stop: stopCopying } = codeLine();
  const apply = button("Apply", () => dialogue.press("apply"), true);
  const undo = button("Undo", () => dialogue.press("undo"));
  const reset = button("Reset", () => dialogue.press("reset"));
  const message = element("div", { class: "prune-lab-message", role: "status" });
  const voice = quietVoice();
  el.setAttribute("role", "group");
  el.append(
    element("div", { class: "prune-lab-controls" },
      layers.field, techniques.field, norms.field, dims.field, groups.field, seed.field),
    element("div", { class: "prune-lab-controls" }, amountRow, views.field),
    figure, counts, code, copy, element("div", { class: "prune-lab-buttons" }, apply, undo, reset), message, voice.region,
  );

  const heatmap = new Heatmap(canvas);
  let [width, sideWidth] = [0, 0]; // of the pictures' columns, CSS pixels
  let colours = null;
  const drawn = () => dialogue.known("name"); // the parameter in the picture; the menu may be ahead of it
  let bins = []; // of the histogram
  let marked = -1; // the cell under the pointer or the keyboard's cursor
  let bin = -1; // the histogram's bin under the pointer
  let frame = 0;

  /** Draw once before the next paint, however many traits changed. */
  function redraw() {
    frame ||= requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    if (width <= 0) return; // not on the screen; the resize observer will call again
    colours ||= themeColours(figure);
    heatmap.fit(width, TALLEST, devicePixelRatio);
    const count = counted();
    const view = get("view");
    const tally = tallyBins(bins, count);
    const bySize = BY_SIZE.includes(shownTechnique());
    const threshold = bySize ? sizeAt(tally.last, heatmap.values, heatmap.order) : null;
    // Words first: a canvas that writes text has the page laid out, which is then done once.
    describe(count, tally, threshold);
    drawBars(count, tally.total);
    swatch.classList.toggle("prune-lab-plain", tooSmallToHatch(heatmap.layout));
    [scale.hidden, keptKey.hidden, prunedKey.hidden] = [view === "mask", view !== "mask", view === "weights"];
    heatmap.draw(count, marked, colours, view);
    drawHistogram(histogram, tally, threshold, heatmap.limit, sideWidth, CHART, devicePixelRatio, colours);
    drawAccuracy(count);
  }

  function drawControls() {
    const names = model.get("parameters");
    layers.field.hidden = names.length < 2;
    layers.set(names.map(({ name, shape }) => ({ value: name, label: `${name} · ${shape.join("×")}` })), get("name"));
    const shape = model.get("shape");
    const technique = get("technique");
    const offered = model.get("techniques").filter(({ needs }) => shape.length >= needs);
    techniques.set(offered, technique);
    const { options, random } = offered.find(({ value }) => value === technique) ?? { options: [] };
    // Painting needs none of them, and begins on the picture below.
    const byHand = technique === BY_HAND;
    show(norms.field, options.includes("n"), byHand);
    norms.set([{ value: "1", label: "1" }, { value: "2", label: "2" }, { value: "inf", label: "∞" }], get("n"));
    show(dims.field, options.includes("dim"), byHand);
    dims.set(shape.map((size, dim) => ({ value: dim, label: `${dim} (${size} channels)` })), get("dim"));
    show(groups.field, options.includes("m"), byHand);
    groups.set(model.get("groups").map((m) => ({ value: m, label: m })), get("m"));
    show(seed.field, random, byHand);
    seed.set(get("seed"));
    views.set(get("view"));
    const offersBoth = ways().length > 1;
    unit.set(get("amount")[0]);
    show(unit.field, offersBoth, byHand);
    show(amount.field, ways().length > 0, true);
    // With the switch there is a label already.
    if (!byHand) amount.field.firstChild.textContent = offersBoth ? "" : technique === "n_m" ? `of each ${get("m")} go` : "amount";
    noAmount.hidden = ways().length > 0;
    noAmount.textContent = byHand
      ? "By hand: click entries to prune or restore them, or choose a technique to go back to the slider."
      : "This technique takes no amount.";
  }

  /** The slider, and what it says of itself. */
  function drawAmount(count) {
    if (!ways().length) return;
    const [kind, fraction, of] = get("amount");
    // Until Python has ranked anew, a count is one of those among which it was chosen.
    const all = kind === "count" && outdated() ? of : units();
    if (kind === "count" && outdated()) count = fraction;
    const share = all ? `${Math.round((100 * count) / all)} %` : "0 %";
    const whole = movable() || kind === "count" ? `${grouped(count)} of ${grouped(all)}` : "…";
    const widest = `99.99 %\u2002(${grouped(all)} of ${grouped(all)})`;
    if (kind === "fraction") {
      const text = `${Number((100 * fraction).toFixed(2))} %\u2002(${whole})`;
      amount.set({ max: 1, step: 0.01, value: fraction, text, widest });
    } else {
      amount.set({ max: all, step: 1, value: count, text: `${whole}\u2002(${share})`, widest });
    }
  }

  function drawBars(count, prunedHere) {
    const rows = model.get("parameters").filter(({ shape, name }) => shape.length > 1 || name === drawn());
    barsBox.hidden = rows.length < 2;
    if (barsBox.hidden) return;
    if (bars.childElementCount !== rows.length) {
      bars.replaceChildren(...rows.map(() => element("div", { role: "listitem" },
        element("span", { class: "prune-lab-bar-name" }),
        element("span", { class: "prune-lab-track" }, element("span", { class: "prune-lab-fill" })),
        element("span", { class: "prune-lab-share" }))));
    }
    rows.forEach(({ name, total, gone, steps }, i) => {
      const shown = name === drawn();
      const pruned = shown ? prunedHere : steps && !painted() ? prunedAt(steps, count, units()) : gone;
      const [label, track, share] = bars.children[i].children;
      write(label, name.replace(/\.weight$/, ""));
      track.firstChild.style.width = `${(100 * pruned) / total}%`;
      write(share, `${Math.round((100 * pruned) / total)} %`);
      bars.children[i].classList.toggle("prune-lab-shown", shown);
    });
  }

  function drawAccuracy(count) {
    show(accuracy, model.get("measures") && movable(), shownTechnique() === BY_HAND); // one mask has no curve
    if (!model.get("measures") || !movable()) return;
    const points = model.get("curve");
    const at = units() ? count / units() : 0;
    const known = accuracyAt(count);
    drawCurves(curve, [{ points, at, mark: known ?? undefined }], sideWidth, CHART, devicePixelRatio, colours);
    measuring.hidden = model.get("progress") >= 1;
    progress.value = model.get("progress");
    write(halt, model.get("measuring") ? "Stop" : "Go on");
    const there = known ?? heightAt(points, at);
    curve.setAttribute("aria-label", `Accuracy against amount, ${points.length} points measured` +
      (there === null ? "" : `; ${percent(there)} at this amount`));
  }

  /** The accuracy measured for exactly this count, or null while it is not known. */
  function accuracyAt(count) {
    const [of, value] = model.get("accuracy");
    return of === count && !painted() && !outdated() ? value : null;
  }

  function takeData() {
    const stops = model.get("ramp");
    heatmap.show(
      numbers(model.get("values"), Float32Array), numbers(model.get("order"), Int32Array),
      model.get("shape"), stops.map(rgb));
    takeOrder();
    low.textContent = `−${digits(heatmap.limit)}`;
    high.textContent = `+${digits(heatmap.limit)}`;
    ramp.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
    if (marked >= heatmap.order.length) marked = -1;
  }

  function takeOrder() {
    const mask = painted();
    const order = numbers(model.get("order"), Int32Array);
    heatmap.order = mask?.length === order.length ? order.map((position, i) => (position < 0 ? -1 : mask[i])) : order;
    bins = sortIntoBins(heatmap.values, heatmap.order, heatmap.limit);
  }

  /** Everything the panel says in words; only `textContent` is ever set. */
  function describe(count, { all, pruned: prunedIn, total: pruned }, threshold) {
    const whole = heatmap.order.length;
    write(keptCount, grouped(whole - pruned));
    write(prunedCount, grouped(pruned));
    write(sparsity, `${whole ? ((100 * pruned) / whole).toFixed(1) : "0.0"}\u00a0%`);
    const [first] = model.get("curve");
    const known = accuracyAt(count);
    cost.hidden = !model.get("measures");
    write(atFirst, first?.[0] === 0 ? percent(first[1]) : "…");
    write(now, known === null ? "…" : percent(known));
    drawAmount(count);
    const shape = model.get("shape");
    write(title, `${model.get("title")} · ${shape.join(" × ")}${axes(shape, heatmap.layout)}`);
    write(histogramTitle, bin >= 0
      ? `${valuesOf(bin, heatmap.limit).map(signed).join(" to ")}: ${grouped(all[bin])} values, ${grouped(prunedIn[bin])} pruned`
      : threshold === null ? "values; the grey part goes" : "values; what lies between the lines goes");
    histogram.setAttribute("aria-label", `Histogram of the values, ${grouped(pruned)} of ${grouped(whole)} pruned` +
      (threshold === null ? "" : `: those between −${digits(threshold)} and ${digits(threshold)}`));
    write(code, lineOfCode(count));
    write(entry, marked >= 0 ? explain(count)
      : outdated() ? "Waiting for the kernel; without one, this picture stays as it is."
      : "Point at an entry; click to prune or restore it.");
    write(blocks, byBlocks(heatmap.layout)
      ? `Too many entries to draw one by one: each cell is a block of ${heatmap.layout.blockRows} × ` +
        `${heatmap.layout.blockCols}, coloured by its strongest kept entry, fainter where more is pruned.`
      : "");
    const said = `${grouped(whole - pruned)} kept, ${grouped(pruned)} pruned` +
      (cost.hidden ? "" : `, accuracy ${atFirst.textContent} → ${now.textContent}`);
    voice.say(document.activeElement === canvas && marked >= 0 ? entry.textContent : said);
  }

  /** The call that makes this mask. */
  function lineOfCode(count) {
    const technique = shownTechnique();
    if (technique === BY_HAND) {
      const [before, after, instead] = model.get("by_hand");
      const listed = [];
      heatmap.order.forEach((position, i) => { if (position === 0 && listed.length <= LISTED) listed.push(i); });
      return listed.length > LISTED ? instead : `${before}[${listed.join(", ")}]${after}`;
    }
    const [before, after] = model.get("call");
    if (!movable()) return before + after;
    const [kind, fraction] = get("amount");
    if (kind === "fraction") return before + pythonFloat(fraction) + after;
    return before + (technique === "n_m" ? units() - count : count) + after;
  }

  /** The marked entry in words. */
  function explain(count) {
    const { values, order, layout } = heatmap;
    const { first, top, left, bottom, right } = entriesOf(layout, marked);
    const { places, text } = indexed(drawn().split(".").at(-1), first, model.get("shape"));
    if (byBlocks(layout)) {
      let kept = 0;
      for (let row = top; row < bottom; row += 1) {
        for (let col = left; col < right; col += 1) kept += order[row * layout.entryCols + col] >= count;
      }
      return `block from ${text} · ${kept} of ${(bottom - top) * (right - left)} kept`;
    }
    const position = order[first];
    const state = position < 0 ? "" : position < count ? " · pruned" : " · kept";
    return `${text} = ${signed(values[first])} · ${whenItGoes(position, places)}${state}`;
  }

  function whenItGoes(position, places) {
    if (position < 0) return "pruned before";
    const turn = `${ordinal(position + 1)} to go`;
    const technique = model.get("techniques").find(({ value }) => value === shownTechnique());
    const { options = [], units: whole } = technique ?? {};
    if (!movable()) return "by hand";
    if (options.includes("dim")) return `channel ${places.at(dialogue.known("dim"))} is ${turn}`;
    if (options.includes("m")) return `${turn} of its ${dialogue.known("m")} neighbours`;
    return whole === "entries" ? turn : `${turn} in the model`;
  }

  // Pointing and painting

  function mark(cell) {
    if (cell === marked) return;
    marked = cell;
    redraw();
  }

  function cellOf(event) {
    const box = canvas.getBoundingClientRect();
    const ratio = canvas.width / box.width;
    return cellAt(heatmap.layout, (event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio);
  }

  let brush = null; // while painting: true prunes, false restores

  /** Prune or restore a cell by hand: from here on the mask is the reader's own. */
  function paint(cell, prune) {
    if (cell < 0) return;
    const count = counted();
    const mask = Uint8Array.from(heatmap.order, (position) => (position >= count ? 1 : 0));
    const { top, left, bottom, right } = entriesOf(heatmap.layout, cell);
    for (let row = top; row < bottom; row += 1) {
      for (let i = row * heatmap.layout.entryCols + left; i < row * heatmap.layout.entryCols + right; i += 1) {
        if (heatmap.order[i] >= 0) mask[i] = prune ? 0 : 1;
      }
    }
    dialogue.move({ name: drawn(), technique: BY_HAND, painted: mask });
  }

  /** Whether the picture can be painted on: not while another layer is on its way. */
  const paintable = () => get("name") === drawn();

  function isPruned(cell) {
    const count = counted();
    const { top, left, bottom, right } = entriesOf(heatmap.layout, cell);
    for (let row = top; row < bottom; row += 1) {
      for (let i = row * heatmap.layout.entryCols + left; i < row * heatmap.layout.entryCols + right; i += 1) {
        if (heatmap.order[i] >= count) return false;
      }
    }
    return true;
  }

  canvas.addEventListener("pointerdown", (event) => {
    const cell = cellOf(event);
    if (cell < 0 || event.button !== 0 || !paintable()) return;
    brush = !isPruned(cell);
    // A finger taps; dragging it scrolls the page.
    if (event.pointerType !== "touch") canvas.setPointerCapture(event.pointerId);
    paint(cell, brush);
  });
  canvas.addEventListener("pointermove", (event) => {
    const cell = cellOf(event);
    if (brush !== null && cell >= 0 && cell !== marked) paint(cell, brush);
    mark(cell);
  });
  const lift = () => {
    if (brush !== null) dialogue.ask();
    brush = null;
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => { if (document.activeElement !== canvas) mark(-1); });
  canvas.addEventListener("focus", () => { if (marked < 0 && heatmap.order.length) mark(0); });
  canvas.addEventListener("blur", () => mark(-1));
  canvas.addEventListener("keydown", (event) => {
    const from = Math.max(marked, 0);
    if (event.key === " " || event.key === "Enter") {
      if (paintable()) paint(from, !isPruned(from));
      dialogue.ask();
    } else if (event.key.startsWith("Arrow")) {
      mark(neighbour(heatmap.layout, from, event.key));
    } else {
      return;
    }
    event.preventDefault();
  });
  histogram.addEventListener("pointermove", (event) => {
    bin = binAt(event.offsetX, sideWidth);
    redraw();
  });
  histogram.addEventListener("pointerleave", () => { bin = -1; redraw(); });

  function takeMessage() {
    message.textContent = model.get("message");
    message.classList.toggle("prune-lab-failed", model.get("failed"));
    undo.disabled = !model.get("undoable");
    reset.disabled = !model.get("undoable");
    redraw();
  }

  const nameThePanel = () => el.setAttribute("aria-label", `Mask explorer for ${model.get("title")}`);
  const takeName = () => {
    nameThePanel();
    canvas.setAttribute("aria-label",
      `Heatmap of ${model.get("title")}; arrow keys go from entry to entry, space prunes or restores one`);
  };
  /** The reader has chosen, or Python has answered. */
  let mask = painted();
  const takeChoices = () => {
    if (mask !== painted()) takeOrder();
    mask = painted();
    drawControls();
    redraw();
  };
  const stops = [
    listen(model, ["values", "shape", "ramp"], () => { takeData(); redraw(); }),
    listen(model, ["order"], () => { takeOrder(); redraw(); }),
    listen(model, ["title"], takeName),
    listen(model, ["parameters", "techniques", "shape", "groups", "ways"], () => { drawControls(); redraw(); }),
    listen(model, ["units", "call", "by_hand", "accuracy", "curve", "progress", "measuring", "measures"], redraw),
    listen(model, ["message", "failed", "undoable"], takeMessage),
    dialogue.on(takeChoices),
  ];
  takeData();
  takeName();
  drawControls();
  takeMessage();

  const resized = new ResizeObserver(() => {
    // Here all is laid out; to ask while drawing would lay it out once more for each frame.
    [width, sideWidth] = [heat.clientWidth, side.clientWidth];
    redraw();
  });
  resized.observe(figure);
  const stopTheme = onThemeChange(figure, () => { colours = null; redraw(); });

  return () => {
    for (const stop of stops) stop();
    cancelAnimationFrame(frame);
    resized.disconnect();
    stopTheme();
    stopCopying();
    voice.stop();
    amount.stop();
  };
}

export default panel(render);
