// What the panels of guesses share: the question above, below it the guess in words and the button
// that takes it back, or, where the truth is revealed, the sentence that says where they part.

import { button, show } from "./controls.js";
import { panel } from "./dialogue.js";
import { element, listen, quietVoice, write } from "./panel.js";

/** A number as Python's `Axis.said` writes it. */
export function said(number, decimals) {
  const rounded = Number(number.toFixed(decimals)) + 0; // + 0: never "−0"
  return rounded.toLocaleString("en-US", { maximumFractionDigits: decimals }).replace("-", "−");
}

/**
 * A panel of one kind of question.
 *
 * `ask(question, body, hand)` fills `body` with controls; the hand's `move(guess)` is for a hand
 * that is still moving, `rest()` for one that rests, `choose(guess)` for both at once. What it
 * returns has `set(guess)`, `words(guess)` and perhaps `stop()`.
 * `reveal(question, body, truth)` draws, and returns `set(guess, gap)`.
 */
export function guessPanel(ask, reveal) {
  return panel(({ model, el, dialogue }) => {
    const question = model.get("question");
    const truth = model.get("truth");
    const body = element("div", { class: "prune-lab-figure prune-lab-guess" });
    const words = element("div", { class: "prune-lab-guess-words", dir: "auto" });
    const back = button("Take back", () => dialogue.choose({ guess: null }));
    const message = element("div", { class: "prune-lab-message", role: "status", dir: "auto" });
    const voice = quietVoice();
    el.setAttribute("role", "group");
    el.setAttribute("aria-label", `${truth === null ? "Your guess" : "The answer"}: ${question.text}`);
    el.append(element("div", { class: "prune-lab-guess-question", dir: "auto" }, question.text), body,
      element("div", { class: "prune-lab-counts prune-lab-guess-foot" }, words, back), message, voice.region);

    const hand = {
      move: (guess) => dialogue.move({ guess }),
      rest: () => dialogue.ask(),
      choose: (guess) => dialogue.choose({ guess }),
    };
    const view = truth === null ? ask(question, body, hand) : { set: reveal(question, body, truth), words: () => model.get("sentence") };

    function draw() {
      const guess = dialogue.get("guess");
      view.set(guess, model.get("gap"));
      const waits = dialogue.late ? " No kernel has taken it yet." : "";
      write(words, `${view.words(guess)}${waits}`);
      words.classList.toggle("prune-lab-soft", truth === null && guess === null);
      show(back, truth === null && guess !== null, truth === null); // its room stays, for the next guess
      if (!dialogue.late) voice.say(words.textContent);
    }
    function takeMessage() {
      write(message, model.get("message"));
      message.classList.toggle("prune-lab-failed", model.get("failed"));
    }
    const stops = [dialogue.on(draw), listen(model, ["sentence", "gap"], draw), listen(model, ["message", "failed"], takeMessage)];
    draw();
    takeMessage();
    return () => {
      for (const stop of stops) stop();
      view.stop?.();
      voice.stop();
    };
  });
}

/** What a mark stands for, in its colour and its shape: both must tell, for print and the colour-blind. */
export function legend(...entries) {
  return element("div", { class: "prune-lab-legend" }, ...entries.map(([whose, text]) =>
    element("span", { class: `prune-lab-${whose}` }, element("span", { class: "prune-lab-guess-mark", "aria-hidden": "true" }), text)));
}
