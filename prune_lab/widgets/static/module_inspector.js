// ModuleInspector: the model as a tree, and a table of what the chosen module holds. Python sends
// the rows of every module, so clicking through them needs no kernel.

import { element, quietVoice } from "./panel.js";

const UNFOLDED = 40; // modules; a larger model starts with its first level only

const plural = (count, word) => `${count} ${count === 1 ? word : `${word}s`}`;

function render({ model, el }) {
  const label = element("div", { class: "prune-lab-title", id: `pl-${crypto.randomUUID()}` }, "modules");
  const list = element("div", {
    class: "prune-lab-tree", role: "tree", "aria-labelledby": label.id,
    "data-lm-suppress-shortcuts": "true", // JupyterLab would move its own cursor
  });
  const title = element("div", { class: "prune-lab-title" });
  const table = element("table", { class: "prune-lab-table" });
  const holds = element("div", { class: "prune-lab-holds" }, title, table);
  const counts = element("div", { class: "prune-lab-counts" });
  const since = element("span", { class: "prune-lab-since" });
  const button = element("button", { type: "button", class: "prune-lab-copy" }, "Compare from now");
  const bar = element("div", { class: "prune-lab-bar" }, since, button);
  const message = element("div", { class: "prune-lab-message", role: "status" });
  const voice = quietVoice();
  el.setAttribute("role", "group");
  el.setAttribute("aria-label", "Module inspector");
  el.append(
    element("div", { class: "prune-lab-figure prune-lab-inspector" },
      element("div", { class: "prune-lab-modules" }, label, list), holds),
    counts, bar, message, voice.region,
  );

  const folded = new Set();
  if (model.get("tree").length > UNFOLDED) {
    for (const { path, depth } of model.get("tree")) if (depth > 0) folded.add(path);
  }
  const isInside = (path, parent) => path !== parent && (parent === "" || path.startsWith(`${parent}.`));
  const parentOf = (path) => path.split(".").slice(0, -1).join(".");
  const hasChildren = (path) => model.get("tree").some((entry) => isInside(entry.path, path));
  const shown = () => model.get("tree").filter(
    ({ path }) => ![...folded].some((parent) => isInside(path, parent)));

  function drawTree() {
    const focused = list.contains(document.activeElement);
    const entries = shown();
    list.replaceChildren(...entries.map((entry) => branch(entry, entries)));
    const chosen = list.querySelector("[aria-selected=true]");
    if (chosen && focused) chosen.focus();
    chosen?.scrollIntoView?.({ block: "nearest" });
  }

  function branch({ path, name, type, depth, changes }, entries) {
    const siblings = entries.filter((other) => other.depth === depth && parentOf(other.path) === parentOf(path));
    const parent = hasChildren(path);
    const isFolded = folded.has(path);
    const inside = isFolded
      ? model.get("tree").filter((other) => isInside(other.path, path)).reduce((sum, other) => sum + other.changes, 0)
      : 0;
    const item = element("div", {
      class: "prune-lab-branch", role: "treeitem", "aria-level": depth + 1,
      "aria-setsize": siblings.length,
      "aria-posinset": siblings.findIndex((other) => other.path === path) + 1,
      "aria-selected": path === model.get("module"), tabindex: path === model.get("module") ? 0 : -1,
    });
    item.style.setProperty("--pl-depth", depth);
    const fold = element("span", { class: "prune-lab-fold", "aria-hidden": "true" });
    if (parent) {
      item.setAttribute("aria-expanded", !isFolded);
      fold.textContent = isFolded ? "▸" : "▾";
      fold.addEventListener("click", (event) => {
        event.stopPropagation();
        setFolded(path, !isFolded);
      });
    }
    item.append(fold, element("span", { class: "prune-lab-name" }, path ? name : type));
    if (path) item.append(" ", element("span", { class: "prune-lab-type" }, type));
    const words = [changes && plural(changes, "change"), inside && `${plural(inside, "change")} inside`];
    const said = words.filter(Boolean).join(", ");
    if (said) item.append(" ", element("span", { class: "prune-lab-mark prune-lab-changed" }, said));
    item.addEventListener("click", () => { choose(path); list.querySelector("[aria-selected=true]")?.focus(); });
    return item;
  }

  function setFolded(path, fold) {
    if (fold) folded.add(path); else folded.delete(path);
    if (fold && isInside(model.get("module"), path)) choose(path);
    drawTree();
  }

  function choose(path) {
    if (path === model.get("module")) return;
    model.set("module", path);
    model.save_changes();
  }

  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const entries = shown();
    const path = model.get("module");
    const at = entries.findIndex((entry) => entry.path === path);
    const go = (place) => choose(entries[Math.max(0, Math.min(place, entries.length - 1))].path);
    const parent = hasChildren(path);
    const keys = {
      ArrowDown: () => go(at + 1),
      ArrowUp: () => go(at - 1),
      Home: () => go(0),
      End: () => go(entries.length - 1),
      ArrowRight: () => {
        if (!parent) return;
        if (folded.has(path)) setFolded(path, false); else go(at + 1);
      },
      ArrowLeft: () => {
        if (parent && !folded.has(path)) setFolded(path, true); else if (path) choose(parentOf(path));
      },
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  });

  /** A chosen module inside a folded one would not be seen. */
  function unfold() {
    for (const parent of [...folded]) if (isInside(model.get("module"), parent)) folded.delete(parent);
  }

  function drawHolds() {
    const path = model.get("module");
    const found = model.get("details")[path];
    if (!found) return;
    title.textContent = path ? `${path} · ${found.title}` : found.title;
    table.replaceChildren(...found.sections
      .filter(({ head, rows }) => rows.length || head !== "plain tensors") // most have none: no news
      .map(section));
    table.setAttribute("aria-label", `What ${path || found.title} holds`);
    const held = Object.entries(found.counts).filter(([head, [now, was]]) => head !== "plain tensors" || now || was);
    counts.replaceChildren(...held.flatMap(([head, [now, was]], i) => [
      i ? " · " : "", element("b", {}, String(now)), ` ${plural(now, head.slice(0, -1)).replace(/^\d+ /, "")}`,
      now === was ? "" : ` (${was} before)`,
    ]));
    since.textContent = `Before: ${model.get("since")}.`;
    const changed = found.sections.reduce((sum, { rows }) => sum + rows.filter(({ what }) => what).length, 0);
    voice.say(`${path || found.title}: ${counts.textContent}; ${changed ? plural(changed, "change") : "nothing changed"}`);
  }

  function section({ head, columns, rows }) {
    const body = element("tbody");
    const heading = element("tr", {}, element("th", { scope: "col" }, rows.length ? head : `${head}: none`));
    if (rows.length) heading.append(...columns.map((column) => element("th", wide(columns, { scope: "col" }), column)));
    body.append(heading);
    for (const { name, what, said, now, before } of rows) {
      const mark = what ? element("span", { class: `prune-lab-mark prune-lab-${what}` }, said) : "";
      const top = element("th", { scope: "row" }, element("span", { class: "prune-lab-name" }, name), " ", mark);
      body.append(line(top, now ?? before, columns, `${what ? "prune-lab-marked" : ""} ${now ? "" : "prune-lab-was"}`));
      if (now && before) {
        const was = element("th", { scope: "row" }, "before");
        body.append(line(was, before, columns, "prune-lab-was", now));
      }
    }
    return body;
  }

  const wide = (columns, attributes) => (columns.length === 1 ? { ...attributes, colspan: 5 } : attributes);

  /** One line of the table; what differs from `other` is set off. */
  function line(top, cells, columns, classes, other = cells) {
    const made = element("tr", { class: classes.trim() }, top);
    cells.forEach((text, i) => made.append(element("td", wide(columns, {
      "data-label": columns[i], ...(text === other[i] ? {} : { class: "prune-lab-differs" }),
    }), text)));
    return made;
  }

  function takeMessage() {
    message.textContent = model.get("message");
    message.classList.toggle("prune-lab-failed", model.get("failed"));
  }

  button.addEventListener("click", () => model.send({ ask: "mark" }));
  const changes = {
    "change:tree": drawTree,
    "change:module": () => { unfold(); drawTree(); drawHolds(); },
    "change:details change:since": drawHolds,
    "change:message change:failed": takeMessage,
  };
  for (const [events, react] of Object.entries(changes)) model.on(events, react);
  unfold();
  drawTree();
  drawHolds();
  takeMessage();
  model.send({ ask: "shown" });

  return () => {
    for (const [events, react] of Object.entries(changes)) model.off(events, react);
    voice.stop();
    model.send({ ask: "hidden" });
  };
}

export default { render };
