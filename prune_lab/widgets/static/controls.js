// The controls of every panel: a menu, a switch, a slider, a button, each with its label. They are
// the browser's own elements, so keyboard, focus and screen readers work as everywhere.

import { element, write } from "./panel.js";

// JupyterLab would take arrow keys and letters for its own commands.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

/** A menu. `set(options, value)` fills it: options are `{ value, label }`. */
export function menu(label, choose) {
  const select = element("select", OWN_KEYS);
  let filled = "";
  const field = element("label", { class: "prune-lab-field" }, label, select);
  select.addEventListener("change", () => choose(select.value));
  return {
    field,
    set(options, value) {
      // A menu that is filled anew closes under the hand that has opened it.
      const now = JSON.stringify(options);
      if (now !== filled) select.replaceChildren(...options.map((option) => element("option", { value: option.value }, option.label)));
      filled = now;
      if (select.value !== String(value)) select.value = String(value);
    },
  };
}

/** A switch between a few choices, each `{ value, label, title }`, all of them in sight. */
export function switcher(label, choices, choose) {
  const name = `pl-${Math.random()}`; // crypto.randomUUID is missing on pages that came over plain http
  const radios = choices.map(({ value, label: text, title = text }) => {
    const input = element("input", { type: "radio", name, value, ...OWN_KEYS });
    input.addEventListener("change", () => choose(value));
    return { value, input, box: element("label", { title }, input, element("span", {}, text)) };
  });
  const field = element("div", { class: "prune-lab-field prune-lab-switch", role: "radiogroup", "aria-label": label },
    element("span", {}, label), element("span", { class: "prune-lab-choices" }, ...radios.map(({ box }) => box)));
  return {
    field,
    set(value) {
      for (const radio of radios) radio.input.checked = radio.value === value;
    },
  };
}

const REST = 100; // milliseconds without a move

/**
 * A slider. `move(value)` is called at each move, `rest()` when it has come to rest or is let go:
 * what leaves the browser can wait for that, because the answers would hold up the next moves.
 * `set({ min, max, step, value, text, widest, disabled })` moves it; `text` is its
 * readout, and `widest` the room that is kept for it: the handle must not run from the pointer
 * because the number beside it gets another digit.
 */
export function slider(label, move, rest = () => {}) {
  const input = element("input", { type: "range", ...OWN_KEYS });
  const readout = element("span", { class: "prune-lab-readout", "aria-hidden": "true" }); // aria-valuetext says it
  const field = element("label", { class: "prune-lab-field prune-lab-slider" }, element("span", {}, label), input, readout);
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
  return {
    field,
    input,
    stop,
    set({ min = 0, max, step, value, text, widest = text, disabled = false }) {
      // The range before the value, or the browser would clip it to the old range.
      Object.assign(input, { min, max, step, disabled });
      if (Number(input.value) !== value) input.value = value;
      write(readout, text);
      if (readout.dataset.widest !== widest) readout.dataset.widest = widest;
      input.setAttribute("aria-valuetext", text);
      input.style.setProperty("--pl-fill", max > min ? (value - min) / (max - min) : 0);
    },
  };
}

/** A whole number to type in. */
export function numberBox(label, min, max, enter) {
  const input = element("input", { type: "number", min, max, step: 1, ...OWN_KEYS });
  const field = element("label", { class: "prune-lab-field" }, label, input);
  input.addEventListener("change", () => {
    if (input.checkValidity() && input.value !== "") enter(Number(input.value));
    else input.reportValidity();
  });
  return { field, set(value) { if (document.activeElement !== input) input.value = value; } };
}

/**
 * Show or hide a control. Where it was seen and goes while the pointer works elsewhere in the panel,
 * `keepRoom` leaves its place empty: what lies below must not move under the pointer.
 */
export function show(field, shown, keepRoom = false) {
  field.hidden = !shown && !(keepRoom && !field.hidden);
  field.style.visibility = shown ? "" : "hidden";
}

/** A button; the one that matters most is `primary`. */
export function button(label, press, primary = false) {
  const made = element("button", { type: "button", class: `prune-lab-button${primary ? " prune-lab-primary" : ""}` }, label);
  made.addEventListener("click", press);
  return made;
}
