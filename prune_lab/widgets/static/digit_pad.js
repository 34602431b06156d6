// DigitPad: the pad, and what two networks read in it. The pen draws at once, in the browser; the answers come from
// the kernel or, until it has answered, from a worker. To neither more than one question is on its way: what changes
// in the meantime goes with the next one, so the last state is always answered.

import { answers, compared, verdict } from "./answers.js";
import { message } from "./applies.js";
import { fullScreen, slider } from "./controls.js";
import { panel } from "./dialogue.js";
import { forNetwork, networksView, pad } from "./pad.js";
import { padInBrowser } from "./pad_in_browser.js";
import { assemble, element, forPython, numbers } from "./panel.js";
import { named, offered, seedBox, techniqueMenu } from "./techniques.js";

/** @import { Host } from "./dialogue.js" */
/** @typedef {ReturnType<typeof padInBrowser>} Here */

const TRAITS = ["image", "seen", "dense", "pruned", "counts", "techniques", "pen", "edition", "message", "failed"];

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
 * What both networks read: as Python says it of just this state, or else as this browser has found it.
 * @param {Host} host
 * @param {Float32Array} ink
 * @param {Here} here
 */
function readBoth({ model, dialogue }, ink, here) {
  const real = dialogue.get("label") !== null;
  const drawn = { ink, real, frame: model.get("frame"), pen: model.get("pen")[0] };
  const state = { amount: dialogue.get("amount"), drawn };
  const ranked = ["technique", "seed"].every((name) => dialogue.get(name) === dialogue.known(name));
  const known = dialogue.settled || !ranked;
  const { found, current, none } = here.answer({ ...state, known });
  const told = found && !known ? found : null;
  return {
    state,
    none,
    dense: told?.dense ?? model.get("dense"),
    pruned: told?.pruned ?? model.get("pruned"),
    counts: told?.counts ?? model.get("counts"),
    seen: told?.seen ?? numbers(model.get("seen"), Float32Array),
    // What was drawn without Python has no answer, unless it came from here.
    late: !(told && current) && (dialogue.late || (dialogue.away && dialogue.waits("image", "label", "amount"))),
  };
}

/**
 * What is on the screen.
 * @param {Host} host
 * @param {Float32Array} ink
 * @param {Here} here
 */
function readAnswers(host, ink, here) {
  const { model, dialogue } = host;
  const techniques = offered(model.get("techniques"), Number.POSITIVE_INFINITY);
  const both = readBoth(host, ink, here);
  const now = {
    ...both,
    techniques,
    technique: named(techniques, dialogue.get("technique")),
    name: both.counts[1] ? "as it is" : "dense", // a model that was pruned before is not dense
    label: dialogue.get("label"),
    empty: !ink.some((dark) => dark > 0),
    message: both.none || model.get("message"),
    failed: !both.none && model.get("failed"),
  };
  return { ...now, sentence: compared(now).join("") };
}

export default panel(
  (host) =>
    assemble(host, (redraw) => {
      const follow = (/** @type {Record<string, string | number>} */ choices) => host.dialogue.follow(choices);
      const [techniques, seed, amount] = [techniqueMenu(follow), seedBox(host, follow), amountSlider(host)];
      const here = padInBrowser(host, redraw);
      const read = () => readAnswers(host, paper.ink(), here);
      const paper = pad(host, redraw, (what) => here.wish(read().state, what));
      const [seen, charts, words, sentence] = [networksView(host), answers(host), verdict(), message(host)];
      paper.box.append(seen.box);
      return {
        label: () => "Digit pad",
        traits: TRAITS,
        read,
        // The pen speaks before the verdict.
        parts: [techniques, seed, amount, charts, paper, seen, { ...words, stop: here.stop }, sentence],
        rows: [
          element("div", { class: "prune-lab-controls" }, forPython(techniques.box, seed.box)),
          element("div", { class: "prune-lab-hand" }, forNetwork(host, amount.box), fullScreen(host.el), sentence.box),
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
