// The line of code: the call that does what the panel shows, and a button that copies it.

import { button } from "./controls.js";
import { element, write } from "./panel.js";

/**
 * The part: `now.code` is the call.
 * @param {string} [label]
 */
export function codeLine(label = "The call that does the same") {
  // A region, for a <code> element alone may carry no name.
  const code = element("code", {});
  const region = element("div", { class: "prune-lab-call", role: "region", tabindex: "0", "aria-label": label }, code);
  let timer = 0;
  const copier = button("Copy", async () => {
    copier.textContent = (await copy(code)) ? "Copied" : "Press Ctrl+C";
    clearTimeout(timer);
    timer = setTimeout(() => {
      copier.textContent = "Copy";
    }, 1500);
  });
  return {
    box: element("div", { class: "prune-lab-code" }, region, copier),
    /** @param {{ code: string }} now */
    draw: (now) => write(code, now.code),
    stop: () => clearTimeout(timer),
  };
}

/**
 * Copy an element's text; without leave to do so, select it for the reader to copy.
 * @param {Element} source
 */
async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent ?? "");
    return true;
  } catch {
    getSelection()?.selectAllChildren(source);
    return document.execCommand("copy");
  }
}
