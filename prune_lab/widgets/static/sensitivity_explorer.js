// SensitivityExplorer: a slider for each layer and one for all, the layers' curves behind them,
// accuracy, size and code. Python measures; what a slider moves is worked out here at once, and
// what has not been measured for it yet is shown as pending.

import { countOf, grouped, pythonFloat } from "./amount.js";
import { button, menu, numberBox, slider } from "./controls.js";
import { amountAt, drawCurves, heightAt, placeOf, swatch } from "./curve.js";
import { panel } from "./dialogue.js";
import { codeLine, element, listen, onThemeChange, quietVoice, themeColours } from "./panel.js";

const CURVES_TALL = 300; // CSS pixels
const TOLD_APART = 6; // curves; of more, only the one that is pointed at is drawn in full
const NEAR = 24; // CSS pixels between the pointer and a curve
const POINTS = 21; // on a finished curve

const percent = (share, digits = 1) => `${(100 * share).toFixed(digits)} %`;
/** 0.3 as "30 %", and 0.333 as "33.3 %". */
const shortPercent = (share) => `${Number((100 * share).toFixed(1))} %`;

/** How many units a weight has, from its runs of [how many, entries in each]. */
const unitsOf = (runs) => runs.reduce((sum, [units]) => sum + units, 0);

/** How many entries the first `count` units have. */
function entriesIn(runs, count) {
  let [left, entries] = [count, 0];
  for (const [units, each] of runs) {
    entries += Math.min(left, units) * each;
    left = Math.max(0, left - units);
  }
  return entries;
}

/** "246.8 → 12.3 kB": what so many float32 numbers take, in the unit that suits the first. */
function sizes(before, after) {
  const power = Math.min(3, Math.floor(Math.log10(Math.max(1, 4 * before)) / 3));
  const [from, to] = [before, after].map((count) => ((4 * count) / 1000 ** power).toFixed(power ? 1 : 0));
  return `${from} → ${to} ${["bytes", "kB", "MB", "GB"][power]}`;
}

function render({ model, el, dialogue }) {
  const get = (name) => dialogue.get(name);
  const techniques = menu("technique", (technique) => dialogue.choose({ technique }));
  const seed = numberBox("seed", 0, 2 ** 32 - 1, (value) => dialogue.choose({ seed: value }));
  const all = slider("all layers", (amount) => dialogue.follow({ amounts: Object.fromEntries(names().map((name) => [name, amount])) }));
  const rows = element("div", { class: "prune-lab-layers", role: "group", "aria-label": "Amount for each layer" });
  const canvas = element("canvas", { role: "img" });
  const entry = element("div", { class: "prune-lab-entry" });
  const progress = element("progress", { max: 1, "aria-label": "curves measured" });
  const doing = element("span");
  const halt = button("Stop", () => dialogue.press(model.get("stopped") ? "go_on" : "stop"));
  const measuring = element("div", { class: "prune-lab-progress" }, progress, doing, halt);
  const chart = element("div", { class: "prune-lab-side" },
    element("div", { class: "prune-lab-title" }, "accuracy when one layer alone is pruned"), canvas, entry, measuring);
  const figure = element("div", { class: "prune-lab-figure" },
    element("div", { class: "prune-lab-columns prune-lab-sensitivity" },
      element("div", { class: "prune-lab-main" }, all.field, rows), chart));
  const stats = element("div", { class: "prune-lab-counts prune-lab-stats" });
  const [accuracy, left, bytes] = ["accuracy, all layers together", "parameters left", "what is left, as float32"].map((text) => {
    const value = element("b");
    stats.append(element("div", {}, element("div", { class: "prune-lab-title" }, text), value));
    return value;
  });
  const honest = element("div", { class: "prune-lab-note" });
  stats.append(honest);
  const { code, button: copy, stop: stopCopying } = codeLine();
  code.setAttribute("aria-label", "The calls that do the same");
  const apply = button("Apply", () => dialogue.press("apply"), true);
  const undo = button("Undo", () => dialogue.press("undo"));
  const reset = button("Reset", () => dialogue.press("reset"));
  const message = element("div", { class: "prune-lab-message", role: "status" });
  const voice = quietVoice();
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Sensitivity explorer");
  el.append(
    element("div", { class: "prune-lab-controls" }, techniques.field, seed.field),
    figure, stats, code, copy, apply, undo, reset, message, voice.region,
  );

  let sliders = []; // of the layers, in their order
  let colours = null;
  let pointed = -1; // the layer under the pointer
  let focused = -1; // the layer whose slider has the focus
  let at = null; // the amount under the pointer, where that is on the curves
  let frame = 0;

  const names = () => model.get("layers").map(({ name }) => name);
  const technique = () => model.get("techniques").find(({ value }) => value === get("technique"));
  const amountOf = (name) => get("amounts")[name] ?? 0;

  /** Whether Python's curves belong to the technique that is chosen here. */
  function curvesAreCurrent() {
    const basis = model.get("basis");
    return basis.technique === get("technique") && (!technique().random || basis.seed === get("seed"));
  }

  /** Whether Python's accuracy belongs to the sliders as they stand here. */
  function accuracyIsCurrent() {
    const { amounts } = model.get("basis");
    return model.get("accuracy") !== null && curvesAreCurrent() && Boolean(amounts) &&
      names().every((name) => amounts[name] === amountOf(name));
  }

  /** For each layer: how many units and entries go of how many. */
  function tally() {
    const kind = technique().units;
    return model.get("layers").map((layer) => {
      const units = unitsOf(layer[kind]);
      const amount = amountOf(layer.name);
      const count = countOf(amount, units);
      return { ...layer, amount, units, count, gone: entriesIn(layer[kind], count), entriesLeft: unitsOf(layer.entries) };
    });
  }

  /** A slider for each layer; the pens of the curves are their legend. */
  function build() {
    sliders = names().map((name, number) => {
      const made = slider(name, (amount) => dialogue.follow({ amounts: { [name]: amount } }));
      made.input.setAttribute("aria-label", name);
      made.field.title = name;
      made.field.prepend(swatch(number));
      made.field.addEventListener("pointerenter", () => { pointed = number; redraw(); });
      made.field.addEventListener("pointerleave", () => { pointed = -1; redraw(); });
      made.input.addEventListener("focus", () => { focused = number; redraw(); });
      made.input.addEventListener("blur", () => { focused = -1; redraw(); });
      return made;
    });
    [pointed, focused] = [-1, -1];
    all.input.setAttribute("aria-label", "all layers");
    rows.replaceChildren(...sliders.map(({ field }) => field));
  }

  /** Draw once before the next paint, however many traits changed. */
  function redraw() {
    frame ||= requestAnimationFrame(draw);
  }

  function draw() {
    frame = 0;
    if (model.get("layers").length !== sliders.length) build();
    const layers = tally();
    drawControls(layers);
    drawChart(layers);
    drawWords(layers);
  }

  function drawControls(layers) {
    techniques.set(model.get("techniques"), get("technique"));
    seed.field.hidden = !technique().random;
    seed.set(get("seed"));
    const kind = technique().units;
    layers.forEach(({ amount, units, count }, i) => {
      const what = kind === "entries" ? "" : ` ${kind}`;
      const text = `${shortPercent(amount)}\u2002(${grouped(count)} of ${grouped(units)}${what})`;
      sliders[i].set({ max: 1, step: 0.01, value: amount, text });
      sliders[i].field.classList.toggle("prune-lab-marked", i === marked());
    });
    const amounts = layers.map(({ amount }) => amount);
    const same = amounts.every((amount) => amount === amounts[0]);
    const gone = layers.reduce((sum, layer) => sum + layer.gone, 0);
    const entries = layers.reduce((sum, layer) => sum + layer.entriesLeft, 0);
    const overall = entries ? gone / entries : 0;
    all.set({
      max: 1, step: 0.01, value: same ? amounts[0] : overall,
      text: same ? shortPercent(amounts[0]) : `mixed, ${shortPercent(overall)} overall`,
    });
  }

  const marked = () => (pointed >= 0 ? pointed : focused);

  function drawChart(layers) {
    const width = chart.clientWidth;
    if (width <= 0) return; // not on the screen; the resize observer will call again
    colours ||= themeColours(figure);
    const curves = model.get("curves");
    const current = curvesAreCurrent();
    const chosen = marked();
    const faint = (i) => (chosen >= 0 ? i !== chosen : layers.length > TOLD_APART);
    const drawn = layers.map(({ name, amount }, i) => (
      { points: current ? curves[name] ?? [] : [], at: amount, faint: faint(i) }));
    drawCurves(canvas, drawn, width, CURVES_TALL, devicePixelRatio, colours);

    const done = drawn.reduce((sum, { points }) => sum + points.length, 0);
    const total = POINTS * layers.length;
    measuring.hidden = done >= total;
    progress.value = done / total;
    halt.textContent = model.get("stopped") ? "Go on" : "Stop";
    doing.textContent = !current ? "Waiting for the kernel."
      : `${grouped(done)} of ${grouped(total)} points${model.get("stopped") ? ", stopped" : ""}`;
    canvas.setAttribute("aria-label", `Curves of accuracy against amount, one for each of ${layers.length} layers; ` +
      `${grouped(done)} of ${grouped(total)} points are measured`);
    entry.textContent = chosen < 0
      ? "Point at a curve or a slider to tell the layers apart."
      : explain(layers[chosen], drawn[chosen].points);
  }

  /** One layer's curve in words: where the pointer is on it, or else where its slider stands. */
  function explain({ name, amount }, points) {
    if (at !== null && points.length) {
      const [x, y] = points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best));
      return `${name} alone, ${shortPercent(x)} pruned: accuracy ${percent(y)}`;
    }
    const height = heightAt(points, amount);
    if (height === null) return `${name} alone, ${shortPercent(amount)} pruned: not measured yet`;
    const about = points.some(([x]) => x === amount) ? "" : "about ";
    return `${name} alone, ${shortPercent(amount)} pruned: accuracy ${about}${percent(height)}`;
  }

  /** Everything the panel says in words; only `textContent` is ever set. */
  function drawWords(layers) {
    const gone = layers.reduce((sum, layer) => sum + layer.gone, 0);
    const before = model.get("total") - model.get("pruned");
    const [baseline, measured] = [model.get("baseline"), model.get("accuracy")];
    const pending = !accuracyIsCurrent();
    const first = baseline === null ? "…" : percent(baseline);
    accuracy.textContent = `${first} → ${pending ? "…" : percent(measured)}`;
    accuracy.classList.toggle("prune-lab-pending", pending);
    left.textContent = `${grouped(before)} → ${grouped(before - gone)}`;
    bytes.textContent = sizes(before, before - gone);
    honest.textContent = (model.get("pruned") ? `${grouped(model.get("pruned"))} more were pruned before. ` : "") +
      "A mask makes nothing smaller by itself: this counts what is left.";
    code.textContent = lines(layers);
    voice.say(`${grouped(before - gone)} of ${grouped(before)} parameters left` + (pending ? "" : `, accuracy ${percent(measured)}`));
  }

  /** The calls that do the same. */
  function lines(layers) {
    const { value, random, options } = technique();
    const calls = layers.map(({ module, parameter, amount, count }, i) => {
      if (count === 0) return [];
      const draw = random ? `torch.manual_seed(${get("seed") + i})\n` : "";
      return `${draw}prune.${value}(${module}, name=${parameter}, amount=${pythonFloat(amount)}${options})`;
    });
    return calls.flat().join("\n") || "# Every slider is at 0: nothing is pruned.";
  }

  canvas.addEventListener("pointermove", (event) => {
    const width = chart.clientWidth;
    at = Math.min(1, Math.max(0, amountAt(event.offsetX, width)));
    const away = names().map((name) => {
      const height = curvesAreCurrent() ? heightAt(model.get("curves")[name] ?? [], at) : null;
      return height === null ? Infinity : Math.abs(placeOf(at, height, width, CURVES_TALL, 1)[1] - event.offsetY);
    });
    const nearest = Math.min(...away);
    pointed = nearest <= NEAR ? away.indexOf(nearest) : -1;
    redraw();
  });
  canvas.addEventListener("pointerleave", () => { [pointed, at] = [-1, null]; redraw(); });

  function takeMessage() {
    message.textContent = model.get("message");
    message.classList.toggle("prune-lab-failed", model.get("failed"));
    undo.disabled = !model.get("undoable");
  }

  const stops = [
    listen(model, ["layers"], () => { build(); redraw(); }),
    listen(model, ["curves", "accuracy", "baseline", "stopped", "basis", "total", "pruned"], redraw),
    listen(model, ["message", "failed", "undoable"], takeMessage),
    dialogue.on(redraw),
  ];
  build();
  takeMessage();
  redraw();
  const resized = new ResizeObserver(redraw);
  resized.observe(figure);
  const stopTheme = onThemeChange(figure, () => { colours = null; redraw(); });

  return () => {
    for (const stop of stops) stop();
    cancelAnimationFrame(frame);
    resized.disconnect();
    stopTheme();
    stopCopying();
    voice.stop();
  };
}

export default panel(render);
