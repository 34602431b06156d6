// ModuleInspector: the model as a tree, and a table of what the chosen module holds. Python sends
// every row once, under its full name, so clicking through the tree needs no kernel.

import { message } from "./applies.js";
import { button, fullScreen } from "./controls.js";
import { panel } from "./dialogue.js";
import { holdings } from "./holdings.js";
import { assemble, element, forPython, remembered, write } from "./panel.js";
import { moduleTree, readTree } from "./tree.js";

/** @import { Host } from "./dialogue.js" */

/**
 * The part: since when changes are counted, and the button that begins anew.
 * @param {Host} host
 */
function comparison({ model, dialogue, el }) {
  const since = element("span", { class: "prune-lab-since" });
  const now = button("Compare from now", () => dialogue.press("mark"));
  return {
    box: element("div", { class: "prune-lab-bar" }, since, forPython(now), fullScreen(el)),
    draw: () => write(since, `“Before” is the model as it was ${model.get("since")}.`),
  };
}

export default panel((host) =>
  assemble(host, (redraw) => {
    const { model, dialogue } = host;
    const nodesOf = remembered(readTree);
    const read = () => {
      const nodes = nodesOf(model.get("tree"));
      const chosen = nodes.has(dialogue.get("module")) ? dialogue.get("module") : "";
      return { nodes, chosen, rows: model.get("rows"), message: model.get("message"), failed: model.get("failed") };
    };
    const choose = (/** @type {string} */ path) => {
      if (path !== dialogue.get("module")) dialogue.choose({ module: path });
    };
    const [tree, held] = [moduleTree(read, choose, redraw), holdings(redraw)];
    const [since, sentence] = [comparison(host), message(host)];
    return {
      label: () => "Module inspector",
      traits: ["tree", "rows", "since", "message", "failed"],
      read,
      parts: [tree, held, since, sentence],
      rows: [
        element(
          "div",
          { class: "prune-lab-figure" },
          element("div", { class: "prune-lab-inspector" }, tree.box, held.box),
        ),
        held.counts,
        since.box,
        sentence.box,
      ],
    };
  }),
);
