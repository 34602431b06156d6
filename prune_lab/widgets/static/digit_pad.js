// DigitPad: the pad, and what two networks read in it. The pen draws at once, in the browser; the
// answers come from the kernel. Never more than one question is on its way: what changes in the
// meantime goes with the next one, so the last state is always answered.

import { answers, compared, verdict } from "./answers.js";
import { message } from "./applies.js";
import { fullScreen, slider } from "./controls.js";
import { panel } from "./dialogue.js";
import { networksView, pad } from "./pad.js";
import { assemble, element, forPython } from "./panel.js";
import { named, offered, seedBox, techniqueMenu } from "./techniques.js";

/** @import { Host } from "./dialogue.js" */

const TRAITS = ["image", "seen", "dense", "pruned", "counts", "techniques", "pen", "message", "failed"];

/** @type {import("./dialogue.js").Box} */
const SHARE_BOX = { plain: (share) => share, fit: (number) => Math.min(1, Math.max(0, number)) };

/**
 * The part: how many of the weights go.
 * @param {Host} host
 */
function amountSlider({ dialogue }) {
  const amount = slider("amount", (value) => dialogue.follow({ amount: value }));
  return {
    box: amount.field,
    draw() {
      const share = dialogue.get("amount");
      amount.set({
        max: 1,
        step: 0.01,
        value: share,
        text: `${Number((100 * share).toFixed(2))} %`,
        widest: "99.99 %",
      });
    },
  };
}

/**
 * What is on the screen.
 * @param {Host} host
 * @param {boolean} empty
 */
function readAnswers({ model, dialogue }, empty) {
  const techniques = offered(model.get("techniques"), Number.POSITIVE_INFINITY);
  const now = {
    techniques,
    technique: named(techniques, dialogue.get("technique")),
    name: model.get("counts")[1] ? "as it is" : "dense", // a model that was pruned before is not dense
    dense: model.get("dense"),
    pruned: model.get("pruned"),
    label: dialogue.get("label"),
    // What was drawn without Python has no answer.
    late: dialogue.late || (dialogue.away && dialogue.waits("image", "label", "amount")),
    empty,
    message: model.get("message"),
    failed: model.get("failed"),
  };
  return { ...now, sentence: compared(now).join("") };
}

export default panel(
  (host) =>
    assemble(host, (redraw) => {
      const follow = (/** @type {Record<string, string | number>} */ choices) => host.dialogue.follow(choices);
      const [techniques, seed, amount] = [techniqueMenu(follow), seedBox(host, follow), amountSlider(host)];
      const [paper, seen, charts] = [pad(host, redraw), networksView(host), answers(host)];
      const [words, sentence] = [verdict(host), message(host)];
      paper.box.append(seen.box);
      return {
        label: () => "Digit pad",
        traits: TRAITS,
        read: () => readAnswers(host, paper.empty()),
        parts: [techniques, seed, amount, charts, paper, seen, words, sentence], // the pen speaks before the verdict
        rows: [
          element("div", { class: "prune-lab-controls" }, forPython(techniques.box, seed.box)),
          element("div", { class: "prune-lab-hand" }, forPython(amount.box), fullScreen(host.el), sentence.box),
          element(
            "div",
            { class: "prune-lab-figure" },
            element("div", { class: "prune-lab-digit" }, paper.box, charts.box),
          ),
          words.box,
        ],
      };
    }),
  { amount: SHARE_BOX },
  ["technique", "seed"],
);
