// The model's parameters: the menu of them, and how much of each is pruned.

import { menu } from "./controls.js";
import { prunedAt } from "./order.js";
import { element, remembered, write } from "./panel.js";

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
  const labelled = remembered((/** @type {Parameter[]} */ all) =>
    all.map(({ name, shape }) => ({ value: name, label: `${name} · ${shape.join("×")}` })),
  );
  return {
    box: parameters.field,
    draw() {
      const choices = labelled(model.get("parameters"));
      parameters.field.hidden = choices.length < 2;
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
  /** @type {ReturnType<typeof bar>[]} */
  let drawn = [];
  return {
    box,
    /** @param {Preview} now */
    draw(now) {
      const all = /** @type {Parameter[]} */ (model.get("parameters"));
      const rows = all.filter(({ shape, name }) => shape.length > 1 || name === now.name);
      box.hidden = rows.length < 2;
      if (box.hidden) return;
      if (drawn.length !== rows.length) {
        drawn = rows.map(bar);
        list.replaceChildren(...drawn.map(({ row }) => row));
      }
      for (const [i, row] of rows.entries()) {
        drawn[i].fill(row.name, now.there ? shareOf(row, now) : null, row.name === now.name);
      }
    },
  };
}

/** A bar; of the hundreds that a model may have most stay as they are when the slider moves. */
function bar() {
  const label = element("bdi", { class: "prune-lab-bar-name" });
  const length = element("span", { class: "prune-lab-fill" });
  const words = element("span", { class: "prune-lab-share" });
  const track = element("span", { class: "prune-lab-track" }, length);
  const row = element("div", { role: "listitem" }, label, track, words);
  const fill = remembered(
    /**
     * @param {string} name
     * @param {number | null} share  null while it is not known.
     * @param {boolean} shown
     */
    (name, share, shown) => {
      write(label, name.replace(/\.weight$/, ""));
      length.style.width = `${100 * (share ?? 0)}%`;
      write(words, share === null ? "…" : `${Math.round(100 * share)} %`);
      row.classList.toggle("prune-lab-shown", shown);
    },
  );
  return { row, fill };
}

/**
 * @param {Parameter} parameter
 * @param {Preview} now
 */
function shareOf({ name, total, gone, steps }, now) {
  if (name === now.name) return (now.gone ?? now.tally.total) / total;
  return (steps && !now.painted ? prunedAt(steps, now.count, now.units) : gone) / total;
}
