// The model's parameters: the menu of them, and how much of each is pruned.

import { menu } from "./controls.js";
import { prunedAt } from "./order.js";
import { element, write } from "./panel.js";

/** @import { Host } from "./dialogue.js" */
/** @import { Preview } from "./preview.js" */

/**
 * A parameter as Python describes it: `gone` of its `total` entries are pruned; `steps`, at equal
 * steps of the amount, where the technique looks at all of them.
 * @typedef {{ name: string, shape: number[], total: number, gone: number, steps?: number[] }} Parameter
 */

/**
 * The part: the menu of parameters.
 * @param {Host} host
 * @param {(choices: { name: string }) => void} choose
 */
export function parameterMenu({ model, dialogue }, choose) {
  const parameters = menu("layer", (name) => choose({ name }));
  return {
    box: parameters.field,
    draw() {
      const all = /** @type {Parameter[]} */ (model.get("parameters"));
      parameters.field.hidden = all.length < 2;
      const choices = all.map(({ name, shape }) => ({ value: name, label: `${name} · ${shape.join("×")}` }));
      parameters.set(choices, dialogue.get("name"));
    },
  };
}

/**
 * The part: a bar for each weight, as long as the share of it that is pruned.
 * @param {Host} host
 */
export function bars({ model }) {
  const list = element("div", { class: "prune-lab-bars", role: "list", "aria-label": "sparsity of each layer" });
  const title = element("div", { class: "prune-lab-title" }, "how much of each layer is pruned");
  const box = element("div", { class: "prune-lab-chart" }, title, list);
  return {
    box,
    /** @param {Preview} now */
    draw(now) {
      const all = /** @type {Parameter[]} */ (model.get("parameters"));
      const rows = all.filter(({ shape, name }) => shape.length > 1 || name === now.name);
      box.hidden = rows.length < 2;
      if (box.hidden) return;
      if (list.childElementCount !== rows.length) list.replaceChildren(...rows.map(bar));
      for (const [i, row] of rows.entries()) {
        fill(list.children[i], row, now.there ? shareOf(row, now) : null, row.name === now.name);
      }
    },
  };
}

function bar() {
  return element(
    "div",
    { role: "listitem" },
    element("bdi", { class: "prune-lab-bar-name" }),
    element("span", { class: "prune-lab-track" }, element("span", { class: "prune-lab-fill" })),
    element("span", { class: "prune-lab-share" }),
  );
}

/**
 * @param {Parameter} parameter
 * @param {Preview} now
 */
function shareOf({ name, total, gone, steps }, now) {
  if (name === now.name) return (now.gone ?? now.tally.total) / total;
  return (steps && !now.painted ? prunedAt(steps, now.count, now.units) : gone) / total;
}

/**
 * @param {Element} row
 * @param {Parameter} parameter
 * @param {number | null} share  null while it is not known.
 * @param {boolean} shown
 */
function fill(row, { name }, share, shown) {
  const [label, track, words] = row.children;
  write(label, name.replace(/\.weight$/, ""));
  /** @type {HTMLElement} */ (track.firstElementChild).style.width = `${100 * (share ?? 0)}%`;
  write(words, share === null ? "…" : `${Math.round(100 * share)} %`);
  row.classList.toggle("prune-lab-shown", shown);
}
