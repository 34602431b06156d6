// ModuleInspector: the model as a tree, and a table of what the chosen module holds. Python sends
// every row once, under its full name, so clicking through the tree needs no kernel.

import { grouped } from "./amount.js";
import { button } from "./controls.js";
import { panel } from "./dialogue.js";
import { element, listen, quietVoice } from "./panel.js";

const UNFOLDED = 40; // modules; a larger model starts with its first level only
const ROWS = 40; // of one kind; the others wait for a click
const KINDS = ["parameter", "buffer", "plain tensor", "hook"];
const TENSOR_COLUMNS = ["shape", "dtype", "range", "zeros", "requires_grad"];

const plural = (count, word) => `${grouped(count)} ${count === 1 ? word : `${word}s`}`;
const isInside = (owner, path) => path === "" || owner === path || owner.startsWith(`${path}.`);
const isChanged = ({ what }) => what !== "";

/** A dotted name as the module `path` uses it. */
const withinModule = (name, path) => (path && name.startsWith(`${path}.`) ? name.slice(path.length + 1) : name);

/** A name that may go on in the next line after "." and "_". */
const breakable = (name) => name.split(/(?<=[._])/).flatMap((part) => [part, element("wbr")]);

/** The modules by their paths, each with those inside it. */
function readTree(entries) {
  const nodes = new Map();
  for (const entry of entries) {
    const parts = entry.path.split(".");
    const node = { ...entry, name: parts.pop(), parent: parts.join("."), depth: entry.path ? parts.length + 1 : 0, children: [] };
    if (entry.path) nodes.get(node.parent)?.children.push(node);
    nodes.set(entry.path, node);
  }
  return nodes;
}

const changesInside = (node) => node.children.reduce((sum, child) => sum + child.changes + changesInside(child), 0);

function render({ model, el, dialogue }) {
  const list = element("div", {
    class: "prune-lab-tree", role: "tree", "aria-label": "modules",
    "data-lm-suppress-shortcuts": "true", // JupyterLab would move its own cursor
  });
  const title = element("div", { class: "prune-lab-title" });
  const table = element("table", { class: "prune-lab-table" });
  const holds = element("div", { class: "prune-lab-holds", tabindex: "0", "data-lm-suppress-shortcuts": "true" }, title, table);
  const counts = element("div", { class: "prune-lab-counts" });
  const since = element("span", { class: "prune-lab-since" });
  const bar = element("div", { class: "prune-lab-bar" }, since, button("Compare from now", () => dialogue.press("mark")));
  const message = element("div", { class: "prune-lab-message", role: "status" });
  const voice = quietVoice();
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Module inspector");
  el.append(
    element("div", { class: "prune-lab-figure prune-lab-inspector" },
      element("div", { class: "prune-lab-modules" }, element("div", { class: "prune-lab-title" }, "modules"), list), holds),
    counts, bar, message, voice.region,
  );

  let nodes = readTree(model.get("tree"));
  let items = new Map(); // the elements of the modules that can be seen, by their paths
  const complete = new Set(); // kinds whose rows were all asked for
  const folded = new Set();
  if (nodes.size > UNFOLDED) for (const { path, depth } of nodes.values()) if (depth > 0) folded.add(path);

  // The tree

  const chosenPath = () => (nodes.has(dialogue.get("module")) ? dialogue.get("module") : "");

  function visible(node = nodes.get("")) {
    return [node, ...(folded.has(node.path) ? [] : node.children.flatMap(visible))];
  }

  function drawTree() {
    const focused = list.contains(document.activeElement);
    const scrolled = list.scrollTop;
    items = new Map(visible().map((node) => [node.path, branch(node)]));
    list.replaceChildren(...items.values());
    list.scrollTop = scrolled;
    showChosen(focused);
  }

  function branch({ path, name, type, parent, depth, children, changes }) {
    const siblings = path ? nodes.get(parent).children : [nodes.get("")];
    const item = element("div", {
      class: "prune-lab-branch", role: "treeitem", "aria-level": depth + 1, "aria-setsize": siblings.length,
      "aria-posinset": siblings.findIndex((other) => other.path === path) + 1,
    });
    item.style.setProperty("--pl-depth", depth);
    const fold = element("span", { class: "prune-lab-fold", "aria-hidden": "true" });
    const isFolded = folded.has(path);
    if (children.length) {
      item.setAttribute("aria-expanded", !isFolded);
      fold.textContent = isFolded ? "▸" : "▾";
      fold.addEventListener("click", (event) => {
        event.stopPropagation();
        setFolded(path, !isFolded);
      });
    }
    item.append(fold, element("span", { class: "prune-lab-name" }, path ? name : type));
    if (path) item.append(" ", element("span", { class: "prune-lab-type" }, type));
    const hidden = isFolded ? changesInside(nodes.get(path)) : 0;
    const said = [changes && plural(changes, "change"), hidden && `${plural(hidden, "change")} inside`].filter(Boolean).join(", ");
    if (said) item.append(" ", element("span", { class: "prune-lab-mark prune-lab-changed" }, said));
    item.addEventListener("click", () => {
      choose(path);
      items.get(path).focus({ preventScroll: true });
    });
    return item;
  }

  function showChosen(focus) {
    for (const [path, item] of items) {
      item.setAttribute("aria-selected", path === chosenPath());
      item.setAttribute("tabindex", path === chosenPath() ? 0 : -1);
    }
    const item = items.get(chosenPath());
    if (focus) item.focus({ preventScroll: true });
    // Within the list alone: a cell that changes the model must not scroll the notebook.
    const [inner, outer] = [item.getBoundingClientRect(), list.getBoundingClientRect()];
    if (inner.top < outer.top) list.scrollTop -= outer.top - inner.top;
    else if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
  }

  function setFolded(path, fold) {
    if (fold) folded.add(path); else folded.delete(path);
    if (fold && isInside(chosenPath(), path)) choose(path);
    drawTree();
  }

  /** The chosen module inside a folded one would not be seen. */
  function unfold() {
    let opened = false;
    for (let node = nodes.get(chosenPath()); node.path; node = nodes.get(node.parent)) {
      opened = folded.delete(node.parent) || opened;
    }
    return opened;
  }

  function choose(path) {
    if (path !== dialogue.get("module")) dialogue.choose({ module: path });
  }

  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const paths = [...items.keys()];
    const { path, parent, children } = nodes.get(chosenPath());
    const go = (place) => choose(paths[Math.max(0, Math.min(place, paths.length - 1))]);
    const at = paths.indexOf(path);
    const keys = {
      ArrowDown: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      Home: () => go(0),
      End: () => go(paths.length - 1),
      ArrowRight: () => {
        if (folded.has(path)) setFolded(path, false);
        else if (children.length) go(at + 1);
      },
      ArrowLeft: () => {
        if (children.length && !folded.has(path)) setFolded(path, true);
        else if (path) choose(parent);
      },
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  });

  // The table

  function drawHolds() {
    const path = chosenPath();
    const rows = model.get("rows").filter(({ owner }) => isInside(owner, path));
    const scrolled = holds.scrollTop;
    const name = path || nodes.get(path).type;
    title.textContent = path ? `${path} · ${nodes.get(path).title}` : nodes.get(path).title;
    holds.setAttribute("role", "region");
    holds.setAttribute("aria-label", `What ${name} holds`);
    const shown = [];
    const said = [];
    for (const kind of KINDS) {
      const own = rows.filter((row) => row.kind === kind);
      const now = own.filter((row) => row.now).length;
      const before = own.filter(({ what }) => what !== "added").length;
      if (!own.length && kind === "plain tensor") continue; // most modules have none: no news
      // The kinds of tensors share their columns: the first with rows names them.
      shown.push(section(kind, own, path, kind === "hook" || !shown.some(({ rows: { length } }) => length > 1)));
      said.push(said.length ? " · " : "", element("b", {}, grouped(now)), plural(now, ` ${kind}`).replace(/^\S+ /, ""));
      if (before !== now) said.push(` (${grouped(before)} before)`);
    }
    const changed = rows.filter(isChanged).length;
    said.push(" · ", changed ? element("b", {}, plural(changed, "change")) : "nothing changed");
    table.replaceChildren(...shown);
    holds.scrollTop = scrolled;
    counts.replaceChildren(...said);
    since.textContent = `“Before” is the model as it was ${model.get("since")}.`;
    voice.say(`${name}: ${counts.textContent}`);
  }

  function section(kind, rows, path, named) {
    const columns = kind === "hook" ? ["runs as"] : TENSOR_COLUMNS;
    const body = element("tbody");
    const heading = element("tr", {}, element("th", { scope: "col" }, rows.length ? `${kind}s` : `${kind}s: none`));
    if (rows.length && named) heading.append(...columns.map((column) => element("th", wide(columns, { scope: "col" }), ...breakable(column))));
    body.append(heading);
    const some = complete.has(kind) ? rows : rows.slice(0, ROWS);
    for (const row of some) body.append(...lines(row, columns, path));
    const left = rows.slice(some.length);
    if (left.length) {
      const changed = left.filter(isChanged).length;
      const all = button(`Show ${grouped(left.length)} more${changed ? `, ${grouped(changed)} of them changed` : ""}`, () => {
        complete.add(kind);
        drawHolds();
        holds.focus({ preventScroll: true }); // the button is gone
      });
      body.append(element("tr", {}, element("td", { colspan: 6 }, all)));
    }
    return body;
  }

  /** A row's line, and the one with what was there before where that was something else. */
  function* lines(row, columns, path) {
    const { name, what, now, before } = row;
    const top = element("th", { scope: "row" }, element("span", { class: "prune-lab-name" }, ...breakable(row.kind === "hook" ? name : withinModule(name, path))));
    const mark = what ? element("span", { class: `prune-lab-mark prune-lab-${what}` }, word(row, path)) : "";
    if (what !== "renamed") top.append(" ", mark);
    const where = row.kind === "hook" && row.owner !== path ? `${withinModule(row.owner, path)}: ` : "";
    const cells = (now ?? before).map((text) => where + text);
    yield line(top, cells, columns, now ? "prune-lab-line" : "prune-lab-line prune-lab-struck", now && before);
    if (what === "renamed") yield element("tr", { class: "prune-lab-was" }, element("td", { colspan: 6 }, mark)); // too long beside the name
    if (now && before) yield line(element("th", { scope: "row" }, "before"), before, columns, "prune-lab-was", now);
  }

  function word({ what, was, other_values: others }, path) {
    if (what === "renamed") return `renamed from ${withinModule(was, path)}, ${others ? "other values" : "same values"}`;
    return what === "changed" && others ? "other values" : what;
  }

  const wide = (columns, attributes) => (columns.length === 1 ? { ...attributes, colspan: 5 } : attributes);

  /** One line of the table; what differs from `other` is set off. */
  function line(top, cells, columns, classes, other) {
    const made = element("tr", { class: classes }, top);
    cells.forEach((text, i) => made.append(element("td", wide(columns, {
      "data-label": columns[i], ...(other && text !== other[i] ? { class: "prune-lab-differs" } : {}),
    }), text)));
    return made;
  }

  function takeMessage() {
    message.textContent = model.get("message");
    message.classList.toggle("prune-lab-failed", model.get("failed"));
  }

  let chosen = chosenPath();
  const takeChoice = () => {
    if (chosen === chosenPath()) return;
    chosen = chosenPath();
    complete.clear();
    holds.scrollTop = 0;
    if (unfold()) drawTree(); else showChosen(list.contains(document.activeElement));
    drawHolds();
  };
  const takeTree = () => {
    nodes = readTree(model.get("tree"));
    unfold();
    drawTree();
    drawHolds();
  };
  const stops = [
    listen(model, ["tree"], takeTree),
    listen(model, ["rows", "since"], drawHolds),
    listen(model, ["message", "failed"], takeMessage),
    dialogue.on(takeChoice),
  ];
  unfold();
  drawTree();
  drawHolds();
  takeMessage();

  return () => {
    for (const stop of stops) stop();
    voice.stop();
  };
}

export default panel(render);
