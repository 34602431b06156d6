// A guess that is one of a few options: radio buttons; then the chosen one and the right one marked.

import { guessPanel } from "./guess.js";
import { element } from "./panel.js";

function ask(question, body, { choose }) {
  const name = `pl-${Math.random()}`;
  const radios = question.options.map((option) => {
    const input = element("input", { type: "radio", name, value: option, "data-lm-suppress-shortcuts": "true" });
    input.addEventListener("change", () => choose(option));
    return { option, input, label: element("label", { dir: "auto" }, input, element("span", {}, option)) };
  });
  body.append(element("div", { class: "prune-lab-guess-options", role: "radiogroup", "aria-label": "your guess" }, ...radios.map(({ label }) => label)));
  return {
    set(guess) {
      for (const { option, input } of radios) input.checked = option === guess;
    },
    words: (guess) => (guess === null ? "No guess yet. You may also go on without one." : `Your guess: ${guess}.`),
  };
}

function reveal(question, body, truth) {
  const rows = question.options.map((option) => {
    const mark = element("span", { class: "prune-lab-guess-choice", "aria-hidden": "true" });
    const notes = element("span", { class: "prune-lab-guess-notes" });
    return { option, mark, notes, row: element("li", { dir: "auto" }, mark, element("span", {}, option), notes) };
  });
  body.append(element("ul", { class: "prune-lab-guess-options" }, ...rows.map(({ row }) => row)));
  return (guess) => {
    for (const { option, mark, notes, row } of rows) {
      const [chosen, right] = [option === guess, option === truth];
      mark.textContent = chosen ? "●" : "○";
      row.classList.toggle("prune-lab-chosen", chosen);
      row.classList.toggle("prune-lab-right", right);
      notes.replaceChildren(
        ...(chosen ? [element("span", { class: "prune-lab-guess-note prune-lab-guess" }, "your guess")] : []),
        ...(right ? [element("span", { class: "prune-lab-guess-note prune-lab-truth" }, "✓ the truth")] : []),
      );
    }
  };
}

export default guessPanel(ask, reveal);
