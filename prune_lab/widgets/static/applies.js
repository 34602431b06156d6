// Apply, Undo, Reset, how far a long Apply has come, and the sentence in which Python answers.

import { progressBar } from "./accuracy.js";
import { button } from "./controls.js";
import { isAlone } from "./in_browser.js";
import { element, forPython, write } from "./panel.js";

/** @import { Host } from "./dialogue.js" */

/**
 * What the model says of itself, for `message` and `applies`.
 * @typedef {{ message: string, failed: boolean, undoable: boolean, resettable: boolean }} Applied
 */

/** Python's sentence, and no word of its absence: for a panel that needs no Python. */
export function said() {
  const box = element("div", { class: "prune-lab-message", role: "status" });
  return {
    box,
    /** @param {Pick<Applied, "message" | "failed">} now */
    draw(now) {
      write(box, now.message);
      box.classList.toggle("prune-lab-failed", now.failed);
    },
  };
}

/**
 * Python's sentence, or a sentence about its absence.
 * @param {Host} host
 */
export function message({ dialogue }) {
  const { box, draw } = said();
  return {
    box,
    /** @param {Pick<Applied, "message" | "failed">} now */
    draw(now) {
      const { words } = dialogue.presence;
      draw(words ? { message: words, failed: false } : now);
    },
  };
}

/**
 * The three buttons, and in the place of Python's sentence how far the masks of many entries are found.
 * @param {Host} host
 */
export function applies(host) {
  const { dialogue, model } = host;
  const sentence = message(host);
  const progress = progressBar(host, "masks found so far", ["stop_applying", "stop_applying"]);
  const apply = button("Apply", () => dialogue.press("apply"), true);
  const undo = button("Undo", () => dialogue.press("undo"));
  const reset = button("Reset", () => dialogue.press("reset"));
  return {
    box: element("div", { class: "prune-lab-buttons" }, forPython(apply, undo, reset)),
    answer: element("div", { class: "prune-lab-answer-to" }, sentence.box, progress.box),
    /** @param {Applied} now */
    draw(now) {
      const applying = model.get("applying") && !isAlone(dialogue);
      apply.disabled = applying;
      undo.disabled = applying || !now.undoable;
      reset.disabled = applying || !now.resettable;
      sentence.box.hidden = applying;
      sentence.draw(now);
      progress.draw({ done: applying ? model.get("applied") : 1, measuring: true, said: "Finding what goes …" });
      progress.box.hidden = !applying; // the sentence needs the room
    },
  };
}
