// What two networks read in the pad: a chart of answers for each, and the sentence that compares them.

import { grouped } from "./amount.js";
import { element, write } from "./panel.js";

/** @import { Host } from "./dialogue.js" */

/**
 * What the networks say now: their probabilities, none for an empty pad; and whether that is not
 * for what is on the pad yet.
 * @typedef {object} Answers
 * @property {string} name  Of the network as it is.
 * @property {number[]} dense
 * @property {number[]} pruned
 * @property {number | null} label
 * @property {boolean} late
 * @property {boolean} empty
 * @property {number[]} counts  Weights that are pruned, of these in the model already, and all.
 */

/** @param {number[]} answer */
const winnerOf = (answer) => answer.indexOf(Math.max(...answer));

/**
 * Never "100 %" or "0 %" for what is not quite so.
 * @param {number} share
 */
export function percent(share) {
  if (share >= 0.995 && share < 1) return ">99\u00a0%";
  if (share < 0.005 && share > 0) return "<1\u00a0%";
  return `${Math.round(100 * share)}\u00a0%`;
}

/**
 * A class's bar.
 * @param {number} number
 */
function bar(number) {
  const fill = element("span");
  const share = element("span", { class: "prune-lab-digit-share" });
  const row = element(
    "div",
    { class: "prune-lab-digit-row" },
    element("span", { class: "prune-lab-digit-name" }, String(number)),
    element("span", { class: "prune-lab-digit-track" }, fill),
    share,
  );
  return { row, fill, share };
}

/**
 * One network's answer: what it says in large, and a bar for each class.
 * @param {number} classes
 */
function chart(classes) {
  const title = element("div", { class: "prune-lab-title" });
  const verdict = element("div", { class: "prune-lab-verdict" });
  const rows = Array.from({ length: classes }, (_, i) => bar(i));
  const box = element("div", { class: "prune-lab-answer", role: "img" }, title, verdict, ...rows.map(({ row }) => row));
  return {
    box,
    /**
     * `other` is the class that the other network names, if this one should agree with it.
     * @param {string} name
     * @param {number[]} answer
     * @param {number | null} label
     * @param {number | null} other
     */
    set(name, answer, label, other = null) {
      write(title, name);
      const winner = answer.length ? winnerOf(answer) : null;
      const judged = winner === null || label === null ? [] : [winner === label ? "✓\u00a0right" : "✗\u00a0wrong"];
      verdict.replaceChildren(
        ...(winner === null
          ? ["–"]
          : [
              "says ",
              element("b", {}, String(winner)),
              ` ${percent(answer[winner])} `,
              ...judged.map((word) => element("span", { class: "prune-lab-judged" }, word)),
            ]),
      );
      rows.forEach(({ row, fill, share }, i) => {
        const there = answer[i] ?? 0;
        fill.style.width = `${100 * there}%`;
        write(share, winner === null ? "" : percent(there));
        row.classList.toggle("prune-lab-wins", i === winner);
        row.classList.toggle("prune-lab-differing", i === winner && other !== null && winner !== other);
      });
      box.setAttribute(
        "aria-label",
        winner === null
          ? `${name}: no answer`
          : [`${name} says ${winner}`, ...judged, ...answer.map((p, i) => `${i}: ${percent(p)}`)].join(", "),
      );
    },
  };
}

/**
 * The part: the two charts.
 * @param {Host} host
 */
export function answers({ model }) {
  const [dense, pruned] = [chart(model.get("classes")), chart(model.get("classes"))];
  const box = element("div", { class: "prune-lab-answers" }, dense.box, pruned.box);
  return {
    box,
    /** @param {Answers} now */
    draw(now) {
      const known = now.dense.length > 0 && now.pruned.length > 0;
      dense.set(now.name, now.dense, now.label);
      pruned.set("pruned", now.pruned, now.label, known ? winnerOf(now.dense) : null);
      box.classList.toggle("prune-lab-late", now.late);
    },
  };
}

/**
 * Whether the networks agree, in one sentence.
 * @param {Answers} now
 * @returns {[verdict: string, rest: string]}
 */
export function compared({ name, dense, pruned, late, empty }) {
  if (late) return ["", "Waiting for the kernel: the answers are not for this state yet."];
  if (!dense.length || !pruned.length) return ["", empty ? "An empty pad has no answer." : "No answer."];
  const says = (/** @type {string} */ who, /** @type {number[]} */ answer) =>
    `${who} says ${winnerOf(answer)}, ${percent(answer[winnerOf(answer)])}`;
  const verdict = winnerOf(dense) === winnerOf(pruned) ? "= They agree" : "≠ They disagree";
  return [verdict, `: ${says(name, dense)}; ${says("pruned", pruned)}.`];
}

/** The part: that sentence, and how many weights are pruned. */
export function verdict() {
  const [strong, rest, counts] = [element("b"), element("span"), element("span", { class: "prune-lab-digit-counts" })];
  return {
    box: element("div", { class: "prune-lab-counts prune-lab-said" }, element("span", {}, strong, rest), counts),
    /** @param {Answers} now */
    draw(now) {
      const [first, then] = compared(now);
      write(strong, first);
      write(rest, then);
      const [gone, before, total] = now.counts;
      const already = before ? ` (${grouped(before)} were before)` : "";
      write(counts, `${grouped(gone)} of ${grouped(total)} weights pruned${already}`);
    },
    say: () => `${strong.textContent}${rest.textContent} ${counts.textContent}.`,
  };
}
