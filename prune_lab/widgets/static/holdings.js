// What a module holds: a table of its parameters, buffers, plain tensors and hooks, and what became
// of them.

import { grouped } from "./amount.js";
import { button } from "./controls.js";
import { element } from "./panel.js";
import { isInside, plural } from "./tree.js";

/** @import { Nodes } from "./tree.js" */

/**
 * A row as Python describes it: its cells now, and before where that was something else.
 * @typedef {{ owner: string, name: string, kind: string, what: string, was?: string, other_values?: boolean,
 *   now: string[] | null, before: string[] | null }} Row
 * @typedef {{ nodes: Nodes, chosen: string, rows: Row[] }} Held
 */

const ROWS = 40; // of one kind; the others wait for a click
const KINDS = ["parameter", "buffer", "plain tensor", "hook"];
const TENSOR_COLUMNS = ["shape", "dtype", "range", "zeros", "requires_grad"];

/** @param {Row} row */
const isChanged = ({ what }) => what !== "";

/**
 * A dotted name as the module `path` uses it.
 * @param {string} name
 * @param {string} path
 */
const withinModule = (name, path) => (path && name.startsWith(`${path}.`) ? name.slice(path.length + 1) : name);

/**
 * A name that may go on in the next line after "." and "_".
 * @param {string} name
 */
const breakable = (name) => name.split(/(?<=[._])/).flatMap((part) => [part, element("wbr")]);

/**
 * @param {string[]} columns
 * @param {Record<string, string>} attributes
 */
const wide = (columns, attributes) => (columns.length === 1 ? { ...attributes, colspan: "5" } : attributes);

/**
 * One line of the table; what differs from `other` is set off.
 * @param {HTMLElement} top
 * @param {string[]} cells
 * @param {string[]} columns
 * @param {string} classes
 * @param {string[] | null} other
 */
function line(top, cells, columns, classes, other) {
  const made = element("tr", { class: classes }, top);
  made.append(
    ...cells.map((text, i) =>
      element(
        "td",
        wide(columns, {
          "data-label": columns[i],
          ...(other && text !== other[i] ? { class: "prune-lab-differs" } : {}),
        }),
        element("bdi", {}, text),
      ),
    ),
  );
  return made;
}

/**
 * What happened to a row, in a word or a few.
 * @param {Row} row
 * @param {string} path
 */
function word({ what, was = "", other_values: others }, path) {
  if (what === "renamed") return `renamed from ${withinModule(was, path)}, ${others ? "other values" : "same values"}`;
  return what === "changed" && others ? "other values" : what;
}

/**
 * A row's line, and the one with what was there before where that was something else.
 * @param {Row} row
 * @param {string[]} columns
 * @param {string} path
 */
function* lines(row, columns, path) {
  const { name, what, now, before, kind, owner } = row;
  const shown = kind === "hook" ? name : withinModule(name, path);
  const top = element("th", { scope: "row" }, element("bdi", { class: "prune-lab-name" }, ...breakable(shown)));
  const mark = what ? element("span", { class: `prune-lab-mark prune-lab-${what}` }, word(row, path)) : "";
  if (what !== "renamed") top.append(" ", mark);
  const where = kind === "hook" && owner !== path ? `${withinModule(owner, path)}: ` : "";
  const cells = (now ?? before ?? []).map((text) => where + text);
  yield line(top, cells, columns, now ? "prune-lab-line" : "prune-lab-line prune-lab-struck", now && before);
  if (what === "renamed") yield element("tr", { class: "prune-lab-was" }, element("td", { colspan: 6 }, mark)); // too long beside the name
  if (now && before) yield line(element("th", { scope: "row" }, "before"), before, columns, "prune-lab-was", now);
}

/**
 * The rows of one kind, under their heading. `more` is called for those that are left out.
 * @param {string} kind
 * @param {Row[]} rows
 * @param {string} path
 * @param {{ named: boolean, whole: boolean, more: () => void }} how
 */
function section(kind, rows, path, { named, whole, more }) {
  const columns = kind === "hook" ? ["runs as"] : TENSOR_COLUMNS;
  const heading = element("tr", {}, element("th", { scope: "col" }, rows.length ? `${kind}s` : `${kind}s: none`));
  if (rows.length && named) {
    heading.append(...columns.map((column) => element("th", wide(columns, { scope: "col" }), ...breakable(column))));
  }
  const body = element("tbody", {}, heading);
  const some = whole ? rows : rows.slice(0, ROWS);
  for (const row of some) body.append(...lines(row, columns, path));
  const left = rows.slice(some.length);
  if (left.length) {
    const changed = left.filter(isChanged).length;
    const words = `Show ${grouped(left.length)} more${changed ? `, ${grouped(changed)} of them changed` : ""}`;
    body.append(element("tr", {}, element("td", { colspan: 6 }, button(words, more))));
  }
  return body;
}

/**
 * How many of each kind there are, and how many there were.
 * @param {Row[]} rows
 */
function counted(rows) {
  /** @type {(Node | string)[]} */
  const said = [];
  for (const kind of KINDS) {
    const own = rows.filter((row) => row.kind === kind);
    if (!own.length && kind === "plain tensor") continue; // most modules have none: no news
    const now = own.filter((row) => row.now).length;
    const before = own.filter(({ what }) => what !== "added").length;
    said.push(said.length ? " · " : "", element("b", {}, grouped(now)), plural(now, ` ${kind}`).replace(/^\S+ /, ""));
    if (before !== now) said.push(` (${grouped(before)} before)`);
  }
  const changed = rows.filter(isChanged).length;
  return [...said, " · ", changed ? element("b", {}, plural(changed, "change")) : "nothing changed"];
}

/**
 * The part: what the chosen module holds. `counts` is the line with how much that is.
 * @param {() => void} redraw
 */
export function holdings(redraw) {
  const title = element("div", { class: "prune-lab-title" });
  const table = element("table", { class: "prune-lab-table" });
  const box = element(
    "div",
    {
      class: "prune-lab-holds",
      role: "region",
      tabindex: "0",
      "data-lm-suppress-shortcuts": "true",
    },
    title,
    table,
  );
  const counts = element("div", { class: "prune-lab-counts" });
  /** @type {Set<string>} */
  const complete = new Set(); // kinds whose rows were all asked for
  /** @type {Held | null} */
  let drawn = null;
  let said = "";

  /** @param {Held} now */
  function build({ nodes, chosen: path, rows: all }) {
    const rows = all.filter(({ owner }) => isInside(owner, path));
    const node = nodes.get(path);
    title.textContent = path ? `${path} · ${node?.title}` : (node?.title ?? "");
    box.setAttribute("aria-label", `What ${path || node?.type} holds`);
    /** @type {HTMLTableSectionElement[]} */
    const shown = [];
    for (const kind of KINDS) {
      const own = rows.filter((row) => row.kind === kind);
      if (!own.length && kind === "plain tensor") continue;
      // The kinds of tensors share their columns: the first with rows names them.
      const named = kind === "hook" || !shown.some(({ rows: { length } }) => length > 1);
      shown.push(
        section(kind, own, path, {
          named,
          whole: complete.has(kind),
          more() {
            complete.add(kind);
            drawn = null;
            redraw();
            box.focus({ preventScroll: true }); // the button goes
          },
        }),
      );
    }
    table.replaceChildren(...shown);
    counts.replaceChildren(...counted(rows));
    said = `${path || node?.type}: ${counts.textContent}`;
  }

  return {
    box,
    counts,
    /** @param {Held} now */
    draw(now) {
      if (drawn && drawn.nodes === now.nodes && drawn.rows === now.rows && drawn.chosen === now.chosen) return;
      if (drawn && drawn.chosen !== now.chosen) {
        complete.clear();
        box.scrollTop = 0;
      }
      const scrolled = box.scrollTop;
      build(now);
      box.scrollTop = scrolled;
      drawn = now;
    },
    say: () => said,
  };
}
