// DigitPad: the pad, and what two networks read in it. The pen draws at once, in the browser; the
// answers come from the kernel. Never more than one question is on its way: what changes in the
// meantime goes with the next one, so the last state is always answered.

import { grouped } from "./amount.js";
import { button, menu, numberBox, slider } from "./controls.js";
import { panel } from "./dialogue.js";
import { element, listen, numbers, onThemeChange, quietVoice, themeColours } from "./panel.js";

const PAD = 288; // CSS pixels, at most

const winnerOf = (answer) => answer.indexOf(Math.max(...answer));

/** Never "100 %" or "0 %" for what is not quite so. */
function percent(share) {
  if (share >= 0.995 && share < 1) return ">99\u00a0%";
  if (share < 0.005 && share > 0) return "<1\u00a0%";
  return `${Math.round(100 * share)}\u00a0%`;
}

/**
 * Draw a straight stroke into `ink`, row by row numbers from 0 to 1. `pen` is how wide it is at
 * half its ink and how wide its soft edge; ink on ink gets no darker than the darker of both.
 */
export function drawStroke(ink, [height, width], [x0, y0], [x1, y1], [thick, edge]) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const squared = dx * dx + dy * dy;
  const reach = (thick + edge) / 2;
  const first = (low) => Math.max(0, Math.floor(low - reach));
  for (let row = first(Math.min(y0, y1)); row < Math.min(height, Math.max(y0, y1) + reach); row += 1) {
    for (let col = first(Math.min(x0, x1)); col < Math.min(width, Math.max(x0, x1) + reach); col += 1) {
      const [x, y] = [col + 0.5 - x0, row + 0.5 - y0];
      const along = squared ? Math.min(1, Math.max(0, (x * dx + y * dy) / squared)) : 0;
      const far = Math.hypot(x - along * dx, y - along * dy);
      const u = Math.min(1, Math.max(0, (reach - far) / edge));
      const i = row * width + col;
      ink[i] = Math.max(ink[i], u * u * (3 - 2 * u));
    }
  }
}

/** One network's answer: what it says in large, and a bar for each class. */
function chart(classes) {
  const title = element("div", { class: "prune-lab-title" });
  const verdict = element("div", { class: "prune-lab-verdict" });
  const rows = Array.from({ length: classes }, (_, i) => {
    const fill = element("span");
    const share = element("span", { class: "prune-lab-digit-share" });
    const row = element("div", { class: "prune-lab-digit-row" },
      element("span", { class: "prune-lab-digit-name" }, String(i)),
      element("span", { class: "prune-lab-digit-track" }, fill), share);
    return { row, fill, share };
  });
  const box = element("div", { class: "prune-lab-answer", role: "img" },
    title, verdict, ...rows.map(({ row }) => row));
  return {
    box,
    /** `other` is the class that the other network names, if this one should agree with it. */
    set(name, answer, label, other = null) {
      title.textContent = name;
      const winner = answer.length ? winnerOf(answer) : null;
      const differs = winner !== null && other !== null && winner !== other;
      const judged = winner === null || label === null ? [] : [winner === label ? "✓\u00a0right" : "✗\u00a0wrong"];
      verdict.replaceChildren(...(winner === null ? ["–"] : [
        "says ", element("b", {}, String(winner)), ` ${percent(answer[winner])} `,
        ...judged.map((word) => element("span", { class: "prune-lab-judged" }, word))]));
      rows.forEach(({ row, fill, share }, i) => {
        const there = answer[i] ?? 0;
        fill.style.width = `${100 * there}%`;
        share.textContent = winner === null ? "" : percent(there);
        row.classList.toggle("prune-lab-wins", i === winner);
        row.classList.toggle("prune-lab-differing", i === winner && differs);
      });
      box.setAttribute("aria-label", winner === null ? `${name}: no answer` :
        [`${name} says ${winner}`, ...judged, ...answer.map((p, i) => `${i}: ${percent(p)}`)].join(", "));
    },
  };
}

function render({ model, el, dialogue }) {
  const get = (name) => dialogue.get(name);
  // Controls
  const techniques = menu("technique", (technique) => dialogue.follow({ technique }));
  const seed = numberBox("seed", 0, 2 ** 32 - 1, (value) => dialogue.follow({ seed: value }));
  const amount = slider("amount", (value) => dialogue.follow({ amount: value }));

  // The pad
  const [height, width] = model.get("size");
  const canvas = element("canvas", {
    class: "prune-lab-pad", tabindex: "0", role: "application", "aria-roledescription": "drawing pad",
    "aria-label": `Pad, ${width} by ${height} pixels: arrow keys move the pen, Space puts it down and lifts it`,
    "data-lm-suppress-shortcuts": "true", // the arrow keys are ours here
  });
  const paper = new OffscreenCanvas(width, height);
  const caption = element("div", { class: "prune-lab-note" });
  const clear = button("Clear", () => draw((ink) => ink.fill(0)));
  const real = button("Real digit", () => wish("real"));
  const broken = button("One that pruning breaks", () => wish("broken"));
  const left = element("div", { class: "prune-lab-padding" }, canvas, caption,
    element("div", { class: "prune-lab-pad-buttons" }, clear, real, broken));

  // The answers
  const dense = chart(model.get("classes"));
  const pruned = chart(model.get("classes"));
  const answers = element("div", { class: "prune-lab-answers" }, dense.box, pruned.box);
  const figure = element("div", { class: "prune-lab-figure prune-lab-digit" }, left, answers);
  const sentence = element("span");
  const counts = element("span", { class: "prune-lab-digit-counts" });
  const message = element("div", { class: "prune-lab-message", role: "status" });
  const voice = quietVoice();
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Digit pad");
  el.append(
    element("div", { class: "prune-lab-controls" }, techniques.field, seed.field, amount.field),
    figure, element("div", { class: "prune-lab-counts prune-lab-said" }, sentence, counts), message, voice.region,
  );

  /** Ask for a digit of the data, for the amount that is on the screen. */
  function wish(what) {
    dialogue.drop("image", "label");
    dialogue.press(what);
  }

  // The pen

  let ink = numbers(get("image"), Float32Array);
  let last = null; // where the pen is on the paper, while it is down
  let cursor = [Math.floor(width / 2) + 0.5, Math.floor(height / 2) + 0.5]; // the keyboard's pen
  let down = false; // the keyboard's pen
  let colours = null;
  let frame = 0;

  function draw(change) {
    change(ink);
    dialogue.follow({ image: new DataView(ink.slice().buffer), label: null });
  }

  const strokeTo = (place) => draw(() => {
    drawStroke(ink, [height, width], last ?? place, place, model.get("pen"));
    last = place;
  });

  function placeOf({ clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    return [((clientX - box.left) / box.width) * width, ((clientY - box.top) / box.height) * height];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    lift();
    strokeTo(placeOf(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    for (const point of event.getCoalescedEvents?.() ?? [event]) strokeTo(placeOf(point));
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => lift());

  function lift() {
    last = null;
    down = false;
    redraw();
  }

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    event.stopPropagation();
    if (step) {
      cursor = cursor.map((at, i) => Math.min(Math.max(at + step[i], 0.5), [width, height][i] - 0.5));
    } else if (down) {
      lift();
      return;
    } else {
      down = true;
    }
    if (down) strokeTo(cursor);
    redraw();
  });
  canvas.addEventListener("focus", redraw);
  canvas.addEventListener("blur", lift);

  // The pictures

  /** Draw once before the next paint, however many traits changed. */
  function redraw() {
    frame ||= requestAnimationFrame(drawAll);
  }

  function drawAll() {
    frame = 0;
    if (left.clientWidth <= 0) return; // not on the screen; the resize observer will call again
    colours ||= themeColours(figure);
    drawPad();
    drawAnswers();
  }

  function drawPad() {
    const dpr = devicePixelRatio;
    const room = Math.min(PAD, left.clientWidth - 2) * dpr; // its border is 1 pixel wide
    const cell = Math.max(1, Math.floor(room / Math.max(width, height)));
    const size = [width * cell, height * cell];
    if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
    // The border is outside these.
    [canvas.style.width, canvas.style.height] = size.map((length) => `${length / dpr}px`);

    const pixels = new ImageData(width, height);
    ink.forEach((dark, i) => { pixels.data[4 * i + 3] = Math.round(255 * dark); });
    const brush = paper.getContext("2d");
    brush.globalCompositeOperation = "source-over";
    brush.putImageData(pixels, 0, 0);
    brush.globalCompositeOperation = "source-in"; // the theme's ink, where there is any
    brush.fillStyle = colours.ink;
    brush.fillRect(0, 0, width, height);

    const context = canvas.getContext("2d");
    context.clearRect(0, 0, ...size);
    context.imageSmoothingEnabled = false; // the very pixels that the networks read
    context.drawImage(paper, 0, 0, ...size);
    if (get("label") === null) {
      const [x0, y0, x1, y1] = model.get("frame").map((at) => at * cell);
      context.strokeStyle = colours.grey;
      context.lineWidth = dpr;
      context.setLineDash([5 * dpr, 5 * dpr]);
      context.strokeRect(x0 + dpr, y0 + dpr, x1 - x0 - 2 * dpr, y1 - y0 - 2 * dpr);
      context.setLineDash([]);
    }
    if (canvas.matches(":focus-visible")) drawCursor(context, cell, dpr);
  }

  /** The keyboard's pen: a ring as wide as a stroke, with a point in it while the pen is down. */
  function drawCursor(context, cell, dpr) {
    const radius = (model.get("pen")[0] / 2) * cell;
    // Dark in light, to show on paper and on ink.
    for (const [colour, thick] of [[colours.panel, 3], [colours.accent, 0]]) {
      context.strokeStyle = context.fillStyle = colour;
      context.lineWidth = (3 + thick) * dpr;
      for (const [r, fills] of [[radius, false], [4 * dpr + (thick / 2) * dpr, true]]) {
        if (fills && !down) continue;
        context.beginPath();
        context.arc(cursor[0] * cell, cursor[1] * cell, r, 0, 2 * Math.PI);
        if (fills) context.fill(); else context.stroke();
      }
    }
  }

  const says = (name, answer) => `${name} says ${winnerOf(answer)}, ${percent(answer[winnerOf(answer)])}`;

  function drawAnswers() {
    const [gone, before, total] = model.get("counts");
    const label = get("label");
    const [one, other] = [model.get("dense"), model.get("pruned")];
    const name = before ? "as it is" : "dense"; // a model that was pruned before is not dense
    const known = one.length > 0 && other.length > 0;
    const agree = known && winnerOf(one) === winnerOf(other);
    dense.set(name, one, label);
    pruned.set("pruned", other, label, known ? winnerOf(one) : null);
    answers.classList.toggle("prune-lab-late", dialogue.late);
    const empty = !ink.some((dark) => dark > 0);
    caption.textContent = label !== null ? `A real digit; its label is ${label}. Draw on it, or clear the pad.`
      : empty ? "Draw a digit here, as large as the dashed frame." : "Your own digit.";
    const words = dialogue.late ? ["Waiting for the kernel: the answers are not for this state yet."]
      : !known ? [empty ? "An empty pad has no answer." : "No answer."]
        : [element("b", {}, agree ? "= They agree" : "≠ They disagree"), `: ${says(name, one)}; ${says("pruned", other)}.`];
    sentence.replaceChildren(...words);
    const already = before ? ` (${grouped(before)} were before)` : "";
    counts.textContent = `${grouped(gone)} of ${grouped(total)} weights pruned${already}`;
    if (document.activeElement === canvas && canvas.matches(":focus-visible")) {
      const [col, row] = cursor.map(Math.floor);
      caption.textContent = `Pen ${down ? "down" : "up"} at row ${row}, column ${col}. Arrow keys move it; Space ${down ? "lifts it" : "puts it down"}.`;
      voice.say(`Pen ${down ? "down" : "up"} at row ${row}, column ${col}. ${sentence.textContent}`);
    } else voice.say(`${sentence.textContent} ${counts.textContent}.`);
  }

  function drawControls() {
    const technique = get("technique");
    const offered = model.get("techniques");
    techniques.set(offered, technique);
    seed.field.hidden = !offered.find(({ value }) => value === technique)?.random;
    seed.set(get("seed"));
    const share = get("amount");
    amount.set({ max: 1, step: 0.01, value: share, text: `${Number((100 * share).toFixed(2))} %` });
  }

  const takeImage = () => { ink = numbers(get("image"), Float32Array); };

  function takeMessage() {
    message.textContent = model.get("message");
    message.classList.toggle("prune-lab-failed", model.get("failed"));
  }

  const takeChoices = () => {
    takeImage();
    drawControls();
    redraw();
  };
  const stops = [
    listen(model, ["image", "dense", "pruned", "counts"], () => { takeImage(); redraw(); }),
    listen(model, ["message", "failed"], takeMessage),
    dialogue.on(takeChoices),
  ];
  const stopTheme = onThemeChange(figure, () => { colours = null; redraw(); });
  const resize = new ResizeObserver(redraw);
  resize.observe(figure);
  drawControls();
  takeMessage();
  redraw();

  return () => {
    for (const stop of stops) stop();
    stopTheme();
    resize.disconnect();
    cancelAnimationFrame(frame);
    voice.stop();
  };
}

export default panel(render);
