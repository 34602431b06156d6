// The controls of every panel: a menu, a switch, a slider, a button, each with its label. They are
// the browser's own elements, so keyboard, focus and screen readers work as everywhere.

import { element, hasFocus, write } from "./panel.js";

// JupyterLab would take arrow keys and letters for its own commands.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

/** @typedef {{ value: string | number, label: string | number, title?: string }} Choice */

/**
 * A menu. `set(options, value)` fills it.
 * @param {string} label
 * @param {(value: string) => void} choose
 */
export function menu(label, choose) {
  const select = element("select", OWN_KEYS);
  let filled = "";
  const field = element("label", { class: "prune-lab-field" }, label, select);
  select.addEventListener("change", () => choose(select.value));
  return {
    field,
    /**
     * @param {Choice[]} options
     * @param {string | number} value
     */
    set(options, value) {
      // A menu that is filled anew closes under the hand that has opened it.
      const now = JSON.stringify(options.map((option) => [option.value, option.label]));
      if (now !== filled) {
        select.replaceChildren(
          ...options.map((option) => element("option", { value: option.value }, String(option.label))),
        );
      }
      filled = now;
      if (select.value !== String(value)) select.value = String(value);
    },
  };
}

/**
 * A switch between a few choices, all of them in sight.
 * @param {string} label
 * @param {Choice[]} choices
 * @param {(value: string) => void} choose
 */
export function switcher(label, choices, choose) {
  const name = `pl-${Math.random()}`; // crypto.randomUUID is missing on pages that came over plain http
  const radios = choices.map(({ value, label: text, title = text }) => {
    const input = element("input", { type: "radio", name, value, ...OWN_KEYS });
    input.addEventListener("change", () => choose(String(value)));
    return { value, input, box: element("label", { title }, input, element("span", {}, String(text))) };
  });
  const field = element(
    "div",
    { class: "prune-lab-field prune-lab-switch", role: "radiogroup", "aria-label": label },
    element("span", {}, label),
    element("span", { class: "prune-lab-choices" }, ...radios.map(({ box }) => box)),
  );
  return {
    field,
    /** @param {string} value */
    set(value) {
      for (const radio of radios) radio.input.checked = radio.value === value;
    },
  };
}

const REST = 100; // milliseconds without a move

/**
 * How a slider stands. `text` is its readout, and `widest` the room that is kept for it: the handle
 * must not run from the pointer because the number beside it gets another digit.
 * @typedef {{ min?: number, max: number, step: number, value: number, text: string, widest?: string, disabled?: boolean }} Stand
 */

/**
 * A slider. `move(value)` is called at each move, `rest()` when it has come to rest or is let go:
 * what leaves the browser can wait for that, because the answers would hold up the next moves.
 * @param {string} label
 * @param {(value: number) => void} move
 * @param {() => void} rest
 */
export function slider(label, move, rest = () => {}) {
  const input = element("input", { type: "range", ...OWN_KEYS });
  // aria-valuetext says it; a direction of its own, for "30 % (45 of 150)" reads from the left.
  const readout = element("bdi", { class: "prune-lab-readout", dir: "ltr", "aria-hidden": "true" });
  const words = element("span", {}, label);
  const field = element("label", { class: "prune-lab-field prune-lab-slider" }, words, input, readout);
  const stop = restful(input, move, rest);
  return {
    field,
    input,
    stop,
    /** @param {string} text */
    name: (text) => write(words, text),
    /** @param {Stand} stand */
    set({ min = 0, max, step, value, text, widest = text, disabled = false }) {
      // The range before the value, or the browser would clip it to the old range.
      Object.assign(input, { min, max, step, disabled });
      if (Number(input.value) !== value) input.value = String(value);
      write(readout, text);
      if (readout.dataset.widest !== widest) readout.dataset.widest = widest;
      input.setAttribute("aria-valuetext", text);
      input.style.setProperty("--pl-fill", String(max > min ? (value - min) / (max - min) : 0));
    },
  };
}

/**
 * Call `move` at each move of a range, and `rest` once when it rests; the answer makes it rest now.
 * @param {HTMLInputElement} input
 * @param {(value: number) => void} move
 * @param {() => void} rest
 */
function restful(input, move, rest) {
  let timer = 0;
  const stop = () => {
    if (!timer) return;
    clearTimeout(timer);
    timer = 0;
    rest();
  };
  input.addEventListener("input", () => {
    move(Number(input.value));
    clearTimeout(timer);
    timer = setTimeout(stop, REST);
  });
  for (const event of ["pointerup", "pointercancel", "blur"]) input.addEventListener(event, stop);
  return stop;
}

/**
 * A whole number to type in.
 * @param {string} label
 * @param {number} min
 * @param {number} max
 * @param {(value: number) => void} enter
 */
export function numberBox(label, min, max, enter) {
  const input = element("input", { type: "number", min, max, step: 1, ...OWN_KEYS });
  const field = element("label", { class: "prune-lab-field" }, label, input);
  input.addEventListener("change", () => {
    if (input.checkValidity() && input.value !== "") enter(Number(input.value));
    else input.reportValidity();
  });
  return {
    field,
    /** @param {number} value */
    set(value) {
      if (!hasFocus(input)) input.value = String(value);
    },
  };
}

/**
 * Show or hide a control. Where it was seen and goes while the pointer works elsewhere in the panel,
 * `keepRoom` leaves its place empty: what lies below must not move under the pointer.
 * @param {HTMLElement} field
 * @param {boolean} shown
 * @param {boolean} keepRoom
 */
export function show(field, shown, keepRoom = false) {
  field.hidden = !shown && !(keepRoom && !field.hidden);
  field.style.visibility = shown ? "" : "hidden";
}

/**
 * A button; the one that matters most is `primary`.
 * @param {string} label
 * @param {() => void} press
 * @param {boolean} primary
 */
export function button(label, press, primary = false) {
  const made = element(
    "button",
    { type: "button", class: `prune-lab-button${primary ? " prune-lab-primary" : ""}` },
    label,
  );
  made.addEventListener("click", press);
  return made;
}

/**
 * A button that shows the whole panel on the whole screen, and back; nothing where the host forbids it.
 * @param {HTMLElement} panel
 */
export function fullScreen(panel) {
  const made = button("", async () => {
    try {
      await (panel.matches(":fullscreen") ? document.exitFullscreen() : panel.requestFullscreen());
    } catch {
      made.hidden = true;
    }
  });
  made.classList.add("prune-lab-full");
  made.hidden = !document.fullscreenEnabled;
  made.title = "Full screen, and back";
  made.setAttribute("aria-label", "Full screen");
  return made;
}
