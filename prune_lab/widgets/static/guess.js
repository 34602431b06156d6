// What the panels of guesses share: the question above, below it the guess in words and the button
// that takes it back, or, where the truth is revealed, the sentence that says where they part.

import { button, show } from "./controls.js";
import { panel } from "./dialogue.js";
import { element, forPython, listen, quietVoice, withPython, write } from "./panel.js";

const WITHOUT_PYTHON = "Run this cell to guess: Python keeps the guess, and there is none here yet.";

/**
 * What is asked, as a question's `sent` in Python says it.
 * @typedef {{ label: string, low: number, high: number, decimals: number }} Axis
 * @typedef {{ text: string, low: number, high: number, unit: string, step: number, decimals: number }} NumberQuestion
 * @typedef {{ text: string, options: string[] }} ChoiceQuestion
 * @typedef {{ text: string, x: Axis, y: Axis, columns: number }} CurveQuestion
 */

/**
 * Where a guessed curve lies furthest from the true one: x, the truth there, the guess there.
 * @typedef {[number, number, number] | null} Gap
 */

/**
 * `move(guess)` is for a hand that is still moving, `rest()` for one that rests, `choose(guess)`
 * for both at once. A guess of null is none.
 * @template Guess
 * @typedef {object} Hand
 * @property {(guess: Guess | null) => void} move
 * @property {() => void} rest
 * @property {(guess: Guess | null) => void} choose
 */

/**
 * What shows the guess, and says it in words.
 * @template Guess
 * @typedef {object} View
 * @property {(guess: Guess | null, gap: Gap) => void} set
 * @property {(guess: Guess | null) => string} words
 * @property {() => void} [stop]
 */

/**
 * A number as Python's `Axis.said` writes it.
 * @param {number} number
 * @param {number} decimals
 */
export function said(number, decimals) {
  const rounded = Number(number.toFixed(decimals)) + 0; // + 0: never "−0"
  return rounded.toLocaleString("en-US", { maximumFractionDigits: decimals }).replace("-", "−");
}

/**
 * A panel of one kind of question.
 *
 * `ask` fills `body` with controls; `reveal` draws the truth there, and returns what draws the
 * guess beside it.
 * @template {{ text: string }} Question
 * @template Guess
 * @template Truth
 * @param {(question: Question, body: HTMLElement, hand: Hand<Guess>) => View<Guess>} ask
 * @param {(question: Question, body: HTMLElement, truth: Truth) => View<Guess>["set"]} reveal
 */
export function guessPanel(ask, reveal) {
  return panel(({ model, el, dialogue }) => {
    const question = model.get("question");
    const truth = model.get("truth");
    const body = truth === null ? forPython() : element("div");
    const words = element("div", { class: "prune-lab-guess-words", dir: "auto" });
    const back = button("Take back", () => dialogue.choose({ guess: null }));
    const message = element("div", { class: "prune-lab-message", role: "status", dir: "auto" });
    const voice = quietVoice();
    el.setAttribute("role", "group");
    el.setAttribute("aria-label", `${truth === null ? "Your guess" : "The answer"}: ${question.text}`);
    el.append(
      element("div", { class: "prune-lab-guess-question", dir: "auto" }, question.text),
      element("div", { class: "prune-lab-figure prune-lab-guess" }, body),
      element("div", { class: "prune-lab-counts prune-lab-guess-foot" }, words, forPython(back)),
      message,
      voice.region,
    );

    /** @type {Hand<Guess>} */
    const hand = {
      move: (guess) => dialogue.away || dialogue.move({ guess }),
      rest: () => dialogue.ask(),
      choose: (guess) => dialogue.away || dialogue.choose({ guess }),
    };
    /** @type {View<Guess>} */
    const view =
      truth === null
        ? ask(question, body, hand)
        : { set: reveal(question, body, truth), words: () => model.get("sentence") };

    function draw() {
      const guess = dialogue.get("guess");
      view.set(guess, model.get("gap"));
      const waits = dialogue.late ? " No kernel has taken it yet." : "";
      withPython(el, !dialogue.away);
      write(words, truth === null && dialogue.away ? WITHOUT_PYTHON : `${view.words(guess)}${waits}`);
      words.classList.toggle("prune-lab-soft", truth === null && guess === null);
      show(back, truth === null && guess !== null, truth === null); // its room stays, for the next guess
      if (!dialogue.late) voice.say(words.textContent);
    }
    function takeMessage() {
      write(message, model.get("message"));
      message.classList.toggle("prune-lab-failed", model.get("failed"));
    }
    const stops = [
      dialogue.on(draw),
      listen(model, ["sentence", "gap"], draw),
      listen(model, ["message", "failed"], takeMessage),
    ];
    draw();
    takeMessage();
    return () => {
      for (const stop of stops) stop();
      view.stop?.();
      voice.stop();
    };
  });
}

/**
 * What a mark stands for, in its colour and its shape: both must tell, for print and the
 * colour-blind.
 * @param {[whose: string, text: string][]} entries
 */
export function legend(...entries) {
  return element(
    "div",
    { class: "prune-lab-legend" },
    ...entries.map(([whose, text]) =>
      element(
        "span",
        { class: `prune-lab-${whose}` },
        element("span", { class: "prune-lab-guess-mark", "aria-hidden": "true" }),
        text,
      ),
    ),
  );
}
