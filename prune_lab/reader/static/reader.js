// The reader's page: a network comes as a code or in a link, and reads what is drawn.

import { asking } from "../../device/static/asking.js";
import { percent } from "../../widgets/static/answers.js";
import { button } from "../../widgets/static/controls.js";
import { element, write } from "../../widgets/static/panel.js";
import { followHand } from "../../widgets/static/pen.js";
import { payloadIn, payloadOf, payloadSeen } from "./codes.js";
import { framed, inkOf, strokesOn } from "./drawing.js";

/** @import { Described } from "./reading_worker.js" */
/**
 * How the data's digits are drawn, in a picture of this size: see prune_lab/widgets/strokes.py.
 * @typedef {object} Hand
 * @property {number} size
 * @property {[thick: number, edge: number]} pen
 * @property {[left: number, top: number, right: number, bottom: number]} frame
 * @typedef {{ payload?: Uint8Array, size?: number, ink?: Float32Array }} Question
 * @typedef {{ network?: Described, logits?: number[], failed?: undefined } | { failed: string }} Answer
 */

/**
 * Ink on a canvas, a pixel for each number.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} ink
 * @param {[height: number, width: number]} size
 * @param {number} shade  0 is black, 255 white.
 */
function paint(canvas, ink, [height, width], shade) {
  [canvas.width, canvas.height] = [width, height];
  const pixels = new ImageData(width, height);
  ink.forEach((dark, i) => {
    pixels.data.set([shade, shade, shade, Math.round(255 * dark)], 4 * i);
  });
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(pixels, 0, 0);
}

/**
 * A class's row.
 * @param {number} number
 * @param {number} share
 * @param {number} logit
 * @param {boolean} wins
 */
function row(number, share, logit, wins) {
  const fill = element("span");
  fill.style.width = `${100 * share}%`;
  return element(
    "div",
    { class: `prune-lab-digit-row${wins ? " prune-lab-wins" : ""}` },
    element("span", { class: "prune-lab-digit-name" }, String(number)),
    element("span", { class: "prune-lab-digit-track" }, fill),
    element("span", { class: "prune-lab-digit-share" }, percent(share)),
    element("span", { class: "reader-logit" }, logit.toFixed(2).replace("-", "−")),
  );
}

/**
 * The part: what the network answers, its probabilities and its logits.
 */
function answers() {
  const verdict = element("div", { class: "prune-lab-verdict", role: "status" }, "–");
  const head = element(
    "div",
    { class: "reader-head" },
    element("span", {}, "probability"),
    element("span", {}, "logit"),
  );
  const rows = element("div");
  return {
    box: element("div", { class: "reader-answers" }, verdict, head, rows),
    /** @param {number[] | null} logits */
    show(logits) {
      const largest = Math.max(...(logits ?? []));
      const parts = (logits ?? []).map((logit) => Math.exp(logit - largest));
      const sum = parts.reduce((a, b) => a + b, 0);
      const winner = parts.indexOf(1);
      rows.replaceChildren(...parts.map((part, i) => row(i, part / sum, logits?.[i] ?? 0, i === winner)));
      head.hidden = !logits;
      verdict.replaceChildren(
        ...(logits ? ["It reads ", element("b", {}, String(winner)), ` ${percent(1 / sum)}`] : ["–"]),
      );
    },
  };
}

/**
 * The part: the paper, the button that clears it, and what the network sees.
 * @param {Hand} hand
 * @param {(ink: Float32Array | null) => void} drawn  What the network sees; null for an empty paper.
 */
function paper(hand, drawn) {
  const canvas = element("canvas", {
    class: "reader-paper",
    tabindex: "0",
    role: "application",
    "aria-roledescription": "drawing pad",
    dir: "ltr",
    "aria-label": "Paper: arrow keys move the pen, Space puts it down and lifts it",
  });
  const cursor = element("span", { class: "reader-cursor" });
  const seen = element("canvas", { class: "reader-seen", role: "img", "aria-label": "What the network sees" });
  /** @type {[number, number]} */
  const size = [hand.size, hand.size];
  const { pen: ends, frame } = hand;
  const pen = strokesOn(size, redraw);
  function redraw() {
    paint(canvas, inkOf(pen.strokes(), size, ends), size, 0);
    const ink = inkOf(framed(pen.strokes(), frame, ends[0]), size, ends);
    paint(seen, ink, size, 255);
    const [x, y] = pen.keys.at;
    cursor.style.left = `${(100 * x) / size[1]}%`;
    cursor.style.top = `${(100 * y) / size[0]}%`;
    cursor.classList.toggle("reader-down", pen.keys.down);
    drawn(pen.strokes().length ? ink : null);
  }
  followHand(canvas, /** @type {any} */ (pen), size);
  const words = "What the network sees: moved and scaled as the data's digits are, ink bright.";
  return {
    redraw,
    box: element(
      "div",
      { class: "reader-padding" },
      element("div", { class: "reader-sheet" }, canvas, cursor),
      element("div", { class: "prune-lab-pad-buttons" }, button("Clear", pen.clear)),
      element("div", { class: "prune-lab-seen" }, seen, element("span", {}, words)),
    ),
  };
}

/**
 * The part: where a network comes from, a picture's file or the camera.
 * @param {(payload: Uint8Array) => void} take
 * @param {(sentence: string, failed?: boolean) => void} tell
 */
function sources(take, tell) {
  const file = element("input", { type: "file", accept: "image/*", class: "prune-lab-voice", id: "reader-file" });
  const video = element("video", { class: "reader-video", playsinline: true, muted: true });
  video.hidden = true;
  /** @type {AbortController | null} */
  let looking = null;
  /** @param {() => Promise<Uint8Array | null>} find */
  const taking = (find) =>
    find().then(
      (payload) => payload && take(payload),
      (error) => tell(`${error.message}.`, true),
    );
  file.addEventListener("change", async () => {
    const [picture] = file.files ?? [];
    if (picture) await taking(() => payloadIn(picture));
    file.value = ""; // so that the same file can be taken again
  });
  const camera = button("Camera", async () => {
    if (looking) return looking.abort();
    looking = new AbortController();
    camera.textContent = "Stop the camera";
    video.hidden = false;
    const { signal } = looking;
    await taking(() => payloadSeen(video, signal));
    looking = null;
    camera.textContent = "Camera";
    video.hidden = true;
  });
  const label = element("label", { class: "prune-lab-button", for: "reader-file" }, "Picture of a code…");
  return element("div", { class: "reader-sources" }, file, label, camera, video);
}

/** @param {Described} network */
const described = ({ bytes, weights, all }) =>
  `A network of ${bytes.toLocaleString("en")} bytes: ${weights.toLocaleString("en")} of its ` +
  `${all.toLocaleString("en")} weights are not zero. Draw a digit.`;

/**
 * Put the reader into the page. `script` is the worker's; `payload` a network that came with the page, base64url.
 * @param {{ script: string, hand: Hand, payload: string }} content
 */
export function open({ script, hand, payload }) {
  const status = element("p", { class: "prune-lab-message", role: "status" });
  const tell = (/** @type {string} */ sentence, failed = false) => {
    write(status, sentence[0].toUpperCase() + sentence.slice(1));
    status.classList.toggle("prune-lab-failed", failed);
  };
  const said = answers();
  /** @type {Float32Array | null} */
  let ink = null;
  let there = false;
  /** @param {Answer} answer */
  const heard = (answer) => {
    if (answer.failed !== undefined) {
      tell(`${answer.failed}.`, true);
      said.show(null);
      return;
    }
    if (answer.network) tell(described(answer.network));
    there = true;
    said.show(ink && answer.logits ? answer.logits : null);
  };
  const worker = asking(script, heard, (/** @type {Question} */ earlier, /** @type {Question} */ later) => ({
    ...earlier,
    ...later,
  }));
  const ask = (/** @type {Question} */ question) => worker.ask({ ...question, ...(ink ? { ink } : {}) });
  const sheet = paper(hand, (now) => {
    ink = now;
    if (ink && there) ask({});
    else said.show(null);
  });
  const take = (/** @type {Uint8Array} */ found) => {
    there = false;
    ask({ payload: found, size: hand.size });
  };
  const linked = (/** @type {string} */ fragment) => {
    try {
      take(payloadOf(fragment));
    } catch (error) {
      tell(`${/** @type {Error} */ (error).message}.`, true);
    }
  };
  const parts = element(
    "div",
    { class: "prune-lab-figure" },
    element("div", { class: "prune-lab-digit" }, sheet.box, said.box),
  );
  const panel = element(
    "div",
    { class: "prune-lab", role: "group", "aria-label": "Digit reader" },
    sources(take, tell),
    status,
    parts,
  );
  document.body.append(panel);
  sheet.redraw();
  tell("There is no network yet: show a code, or follow a link that carries one.");
  const fromLink = () => location.hash.length > 1 && linked(location.hash.slice(1));
  addEventListener("hashchange", fromLink);
  if (!fromLink() && payload) linked(payload);
}
