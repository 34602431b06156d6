// The modules of a model as a tree: folded and unfolded, walked through by pointer and keys.

import { grouped } from "./amount.js";
import { element, focused } from "./panel.js";

/**
 * A module as Python describes it, and those inside it.
 * @typedef {{ path: string, type: string, title: string, changes: number, name: string, parent: string, depth: number, children: Node[] }} Node
 * @typedef {Map<string, Node>} Nodes
 */

const UNFOLDED = 40; // modules; a larger model starts with its first level only

/**
 * @param {number} count
 * @param {string} word
 */
export const plural = (count, word) => `${grouped(count)} ${count === 1 ? word : `${word}s`}`;

/**
 * Whether a module is this one or inside it.
 * @param {string} owner
 * @param {string} path
 */
export const isInside = (owner, path) => path === "" || owner === path || owner.startsWith(`${path}.`);

/**
 * The modules by their paths, each with those inside it.
 * @param {{ path: string, type: string, title: string, changes: number }[]} entries
 * @returns {Nodes}
 */
export function readTree(entries) {
  /** @type {Nodes} */
  const nodes = new Map();
  for (const entry of entries) {
    const parts = entry.path.split(".");
    const name = parts.pop() ?? "";
    const node = { ...entry, name, parent: parts.join("."), depth: entry.path ? parts.length + 1 : 0, children: [] };
    if (entry.path) nodes.get(node.parent)?.children.push(node);
    nodes.set(entry.path, node);
  }
  return nodes;
}

/**
 * The modules that can be seen while these are folded.
 * @param {Node | undefined} node
 * @param {Set<string>} folded
 * @returns {Node[]}
 */
export function visible(node, folded) {
  if (!node) return [];
  return [node, ...(folded.has(node.path) ? [] : node.children.flatMap((child) => visible(child, folded)))];
}

/**
 * @param {Node} node
 * @returns {number}
 */
const changesInside = (node) => node.children.reduce((sum, child) => sum + child.changes + changesInside(child), 0);

/**
 * A module's line in the tree.
 * @param {Node} node
 * @param {Node[]} siblings
 * @param {boolean} isFolded
 * @param {{ fold: () => void, choose: () => void }} hand
 */
function branch(node, siblings, isFolded, { fold, choose }) {
  const { path, name, type, depth, children, changes } = node;
  const item = element("div", {
    class: "prune-lab-branch",
    role: "treeitem",
    "aria-level": depth + 1,
    "aria-setsize": siblings.length,
    "aria-posinset": siblings.indexOf(node) + 1,
  });
  item.style.setProperty("--pl-depth", String(depth));
  const sign = element("span", { class: "prune-lab-fold", "aria-hidden": "true" });
  if (children.length) {
    item.setAttribute("aria-expanded", String(!isFolded));
    sign.textContent = isFolded ? "▸" : "▾";
    sign.addEventListener("click", (event) => {
      event.stopPropagation();
      fold();
    });
  }
  item.append(sign, element("bdi", { class: "prune-lab-name" }, path ? name : type));
  if (path) item.append(" ", element("bdi", { class: "prune-lab-type" }, type));
  const hidden = isFolded ? changesInside(node) : 0;
  const said = [changes && plural(changes, "change"), hidden && `${plural(hidden, "change")} inside`]
    .filter(Boolean)
    .join(", ");
  if (said) item.append(" ", element("span", { class: "prune-lab-mark prune-lab-changed" }, said));
  item.addEventListener("click", choose);
  return item;
}

/**
 * Which modules are folded; the chosen one never inside of such a one.
 * @param {() => void} redraw
 */
function folding(redraw) {
  /** @type {Set<string> | null} */
  let folded = null;
  return {
    /** @param {Nodes} nodes */
    of(nodes) {
      folded ??= new Set(
        nodes.size > UNFOLDED ? [...nodes.values()].filter(({ depth }) => depth > 0).map(({ path }) => path) : [],
      );
      return folded;
    },
    /**
     * @param {string} path
     * @param {boolean} fold
     */
    set(path, fold) {
      if (fold) folded?.add(path);
      else folded?.delete(path);
      redraw();
    },
    /**
     * @param {Nodes} nodes
     * @param {string} path
     */
    unfold(nodes, path) {
      for (let node = nodes.get(path); node?.path; node = nodes.get(node.parent)) folded?.delete(node.parent);
    },
  };
}

/** @typedef {ReturnType<typeof folding>} Folding */

/**
 * What a key does in the tree; false for a key that is not the tree's.
 * @param {string} key
 * @param {{ nodes: Nodes, chosen: string }} now
 * @param {Folding} folds
 * @param {(path: string) => void} choose
 */
function press(key, { nodes, chosen }, folds, choose) {
  const folded = folds.of(nodes);
  const paths = visible(nodes.get(""), folded).map(({ path }) => path);
  const node = nodes.get(chosen);
  if (!node) return false;
  const go = (/** @type {number} */ place) => choose(paths[Math.max(0, Math.min(place, paths.length - 1))]);
  const at = paths.indexOf(chosen);
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowDown: () => go(at + 1),
    ArrowUp: () => go(at - 1),
    Home: () => go(0),
    End: () => go(paths.length - 1),
    ArrowRight: () => {
      if (folded.has(chosen)) folds.set(chosen, false);
      else if (node.children.length) go(at + 1);
    },
    ArrowLeft: () => {
      if (node.children.length && !folded.has(chosen)) folds.set(chosen, true);
      else if (chosen) choose(node.parent);
    },
  };
  keys[key]?.();
  return key in keys;
}

/**
 * Scroll the list alone to an item: a cell that changes the model must not scroll the notebook.
 * @param {Element} list
 * @param {Element} item
 */
function scrollTo(list, item) {
  const [inner, outer] = [item.getBoundingClientRect(), list.getBoundingClientRect()];
  if (inner.top < outer.top) list.scrollTop -= outer.top - inner.top;
  else if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
}

/**
 * The part: the tree. `choose` is told which module.
 * @param {() => { nodes: Nodes, chosen: string }} read
 * @param {(path: string) => void} choose
 * @param {() => void} redraw
 */
export function moduleTree(read, choose, redraw) {
  const list = element("div", {
    class: "prune-lab-tree",
    role: "tree",
    "aria-label": "modules",
    "data-lm-suppress-shortcuts": "true", // JupyterLab would move its own cursor
  });
  const folds = folding(redraw);
  /** @type {Map<string, HTMLElement>} */
  let items = new Map();
  let drawn = { nodes: /** @type {Nodes} */ (new Map()), chosen: "", folded: "" };

  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !press(event.key, read(), folds, choose)) return;
    event.preventDefault();
    event.stopPropagation();
  });

  /** @param {Nodes} nodes */
  function build(nodes) {
    const scrolled = list.scrollTop;
    const folded = folds.of(nodes);
    items = new Map(
      visible(nodes.get(""), folded).map((node) => {
        const { path, parent } = node;
        const siblings = path ? (nodes.get(parent)?.children ?? [node]) : [node];
        const isFolded = folded.has(path);
        return [
          path,
          branch(node, siblings, isFolded, {
            fold() {
              if (!isFolded && isInside(read().chosen, path)) choose(path);
              folds.set(path, !isFolded);
            },
            choose() {
              choose(path);
              items.get(path)?.focus({ preventScroll: true });
            },
          }),
        ];
      }),
    );
    list.replaceChildren(...items.values());
    list.scrollTop = scrolled;
  }

  return {
    box: element("div", { class: "prune-lab-modules" }, element("div", { class: "prune-lab-title" }, "modules"), list),
    /** @param {{ nodes: Nodes, chosen: string }} now */
    draw({ nodes, chosen }) {
      const inside = list.contains(focused(list));
      const folded = folds.of(nodes);
      if (nodes !== drawn.nodes || chosen !== drawn.chosen) folds.unfold(nodes, chosen);
      const key = JSON.stringify([...folded]); // the root's path is empty
      if (nodes === drawn.nodes && chosen === drawn.chosen && key === drawn.folded) return;
      if (nodes !== drawn.nodes || key !== drawn.folded) build(nodes);
      drawn = { nodes, chosen, folded: key };
      for (const [path, item] of items) {
        item.setAttribute("aria-selected", String(path === chosen));
        item.tabIndex = path === chosen ? 0 : -1;
      }
      const item = items.get(chosen);
      if (!item) return;
      if (inside) item.focus({ preventScroll: true });
      scrollTo(list, item);
    },
  };
}
