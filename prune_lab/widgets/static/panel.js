// What every panel stands on: elements, the theme's colours, a quiet voice, and `assemble`, which
// puts parts together and brings them up to date.

/** @import { Host, Model } from "./dialogue.js" */

/**
 * A part of a panel: made once, and brought up to date in one way, from what is on the screen now.
 * @template Now
 * @typedef {object} Part
 * @property {(now: Now, screen: Screen) => void} draw
 * @property {() => void} [measure]  The page has been laid out: how wide is the part?
 * @property {(now: Now) => string} [say]  What a screen reader should hear; "" leaves it to others.
 * @property {() => void} [stop]
 */

/**
 * The theme as a canvas can use it: `size` is the text's, in CSS pixels.
 * @typedef {Record<"ink" | "panel" | "font" | "soft" | "grey" | "pruned" | "hatch" | "accent" | "line" | "well" | "flat", string>
 *   & { size: number }} Colours
 * @typedef {{ colours: Colours, dpr: number }} Screen
 */

/**
 * What a panel is made of. `read` works out what is on the screen, and depends on these `traits`
 * of Python's and on the reader's choices; `parts` are drawn in their order; `rows` are the
 * elements in theirs.
 * @template Now
 * @typedef {object} Made
 * @property {(now: Now) => string} label
 * @property {string[]} traits
 * @property {() => Now} read
 * @property {Part<Now>[]} parts
 * @property {HTMLElement[]} rows
 */

/**
 * Make an element. Text goes in as text, never as HTML: names come from users' models.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string | number | boolean>} attributes
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/**
 * What can do nothing without Python: grey as long as there is none, see `assemble`.
 * @param {Node[]} parts
 */
export const forPython = (...parts) => element("fieldset", { class: "prune-lab-for-python" }, ...parts);

/**
 * Whether there is Python for these.
 * @param {Element} panel
 * @param {boolean} there
 */
export function withPython(panel, there) {
  for (const part of panel.querySelectorAll(".prune-lab-for-python")) {
    /** @type {HTMLFieldSetElement} */ (part).disabled = !there;
  }
}

/**
 * Write an element's text where it is another: the browser lays out anew whatever is written.
 * @param {Element} target
 * @param {string} text
 */
export function write(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * The numbers of a binary trait, copied, for its bytes need not start at a multiple of four.
 * @template {Float32Array | Int32Array | Uint16Array | Uint32Array} Numbers
 * @param {ArrayBufferView} bytes
 * @param {new (buffer: ArrayBuffer) => Numbers} Type
 * @returns {Numbers}
 */
export function numbers(bytes, Type) {
  const start = bytes.byteOffset;
  return new Type(/** @type {ArrayBuffer} */ (bytes.buffer).slice(start, start + bytes.byteLength));
}

/**
 * `compute`, done anew only when one of its arguments is another object or value.
 * @template {any[]} Arguments
 * @template Result
 * @param {(...given: Arguments) => Result} compute
 * @returns {(...given: Arguments) => Result}
 */
export function remembered(compute) {
  /** @type {[Arguments, Result] | null} */
  let last = null;
  return (...given) => {
    if (!last || given.some((value, i) => value !== last?.[0][i])) last = [given, compute(...given)];
    return last[1];
  };
}

/**
 * Call `react` when one of these traits of Python's changes; the answer stops that.
 * @param {Model} model
 * @param {string[]} names
 * @param {() => void} react
 */
export function listen(model, names, react) {
  for (const name of names) model.on(`change:${name}`, react);
  return () => {
    for (const name of names) model.off(`change:${name}`, react);
  };
}

/**
 * "#2166ac" as [33, 102, 172].
 * @param {string} hex
 */
export function rgb(hex) {
  return [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
}

/**
 * The colours that the style sheet works out for this theme, as a canvas can use them.
 * @param {Element} panel
 * @returns {Colours}
 */
export function themeColours(panel) {
  const own = getComputedStyle(panel);
  // As they are worked out here: a canvas off the page would mix `Canvas` as if all were light.
  /** @param {string} name */
  const named = (name) => {
    const probe = element("span", { style: `forced-color-adjust: none; color: var(--pl-${name})` });
    panel.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
  const names = ["ink", "panel", "soft", "grey", "pruned", "hatch", "accent", "line", "well", "flat"];
  const colours = Object.fromEntries(names.map((name) => [name, named(name)]));
  return /** @type {Colours} */ ({ ...colours, font: own.fontFamily, size: Number.parseFloat(own.fontSize) });
}

/**
 * Call `redraw` when the front end changes its theme; the answer stops that.
 * @param {Element} panel
 * @param {() => void} redraw
 */
export function onThemeChange(panel, redraw) {
  // Every front end switches in its own way. Most mark <html> or <body>; and always the text's
  // colour changes: the style sheet gives it a transition of a millisecond, whose end (or
  // cancellation, when one change overtakes another) the browser reports.
  /** @param {Event} event */
  const changed = (event) => {
    if (event.target === panel && /** @type {TransitionEvent} */ (event).propertyName === "color") redraw();
  };
  const events = ["transitionend", "transitioncancel"];
  for (const name of events) panel.addEventListener(name, changed);
  const marks = new MutationObserver(redraw);
  for (const root of [document.documentElement, document.body]) {
    marks.observe(root, { attributeFilter: ["class", "style", "data-jp-theme-light", "data-theme"] });
  }
  const forced = matchMedia("(forced-colors: active)");
  forced.addEventListener("change", redraw);
  return () => {
    for (const name of events) panel.removeEventListener(name, changed);
    marks.disconnect();
    forced.removeEventListener("change", redraw);
  };
}

/** A line for screen readers, spoken when things have been quiet for half a second. */
export function quietVoice() {
  const region = element("div", { class: "prune-lab-voice", "aria-live": "polite" });
  let timer = 0;
  return {
    region,
    /** @param {string} text */
    say(text) {
      clearTimeout(timer);
      timer = setTimeout(() => write(region, text), 500);
    },
    stop: () => clearTimeout(timer),
  };
}

/**
 * What has the focus, also inside another document's shadow.
 * @param {Element} part
 */
export const focused = (part) => /** @type {Document | ShadowRoot} */ (part.getRootNode()).activeElement ?? null;

/** @param {Element} part */
export const hasFocus = (part) => focused(part) === part;

/**
 * Make a panel's canvas as large as this, in CSS pixels; the answer is its context and its size in
 * device pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @param {number} dpr
 */
export function fitted(canvas, width, height, dpr) {
  const size = [Math.round(width * dpr), Math.round(height * dpr)];
  if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  return { context, size };
}

/**
 * Put the parts of a panel together, and bring them up to date whenever something has changed:
 * once before the next paint, however much that was. The answer ends all that.
 * @template Now
 * @param {Host} host
 * @param {(redraw: () => void) => Made<Now>} build
 */
export function assemble({ model, el, dialogue }, build) {
  let frame = 0;
  /** @type {Colours | null} */
  let colours = null;
  const redraw = () => {
    frame ||= requestAnimationFrame(draw);
  };
  const { label, traits, read, parts, rows } = build(redraw);
  const voice = quietVoice();
  const screen = {
    get colours() {
      colours ||= themeColours(el);
      return colours;
    },
    get dpr() {
      return devicePixelRatio;
    },
  };

  function draw() {
    frame = 0;
    const now = read();
    el.setAttribute("aria-label", label(now));
    withPython(el, !dialogue.away);
    for (const part of parts) part.draw(now, screen);
    voice.say(parts.map((part) => part.say?.(now)).find(Boolean) ?? "");
  }

  el.setAttribute("role", "group");
  el.append(...rows, voice.region);
  const resized = new ResizeObserver(() => {
    // Here all is laid out; to ask while drawing would lay it out once more for each frame.
    if (colours && Number.parseFloat(getComputedStyle(el).fontSize) !== colours.size) colours = null;
    for (const part of parts) part.measure?.();
    redraw();
  });
  const stops = [
    listen(model, traits, redraw),
    dialogue.on(redraw),
    onThemeChange(el, () => {
      colours = null;
      redraw();
    }),
    () => removeEventListener("resize", redraw),
    () => resized.disconnect(),
    () => cancelAnimationFrame(frame),
    voice.stop,
    ...parts.map((part) => part.stop ?? (() => {})),
  ];
  draw();
  resized.observe(el);
  addEventListener("resize", redraw); // a low window has low pictures
  return () => {
    for (const stop of stops) stop();
  };
}
