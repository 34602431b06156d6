// Apply, Undo, Reset, and the sentence in which Python answers.

import { button } from "./controls.js";
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
 * The three buttons.
 * @param {Host} host
 */
export function applies({ dialogue }) {
  const apply = button("Apply", () => dialogue.press("apply"), true);
  const undo = button("Undo", () => dialogue.press("undo"));
  const reset = button("Reset", () => dialogue.press("reset"));
  return {
    box: element("div", { class: "prune-lab-buttons" }, forPython(apply, undo, reset)),
    /** @param {Pick<Applied, "undoable" | "resettable">} now */
    draw(now) {
      undo.disabled = !now.undoable;
      reset.disabled = !now.resettable;
    },
  };
}
