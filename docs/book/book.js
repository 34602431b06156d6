// The panels of a chapter in the book: what is stored of them stands in the page, beside their pictures.

import { show } from "../../prune_lab/widgets/static/page.js";

/** @import { Model, Saved } from "../../prune_lab/widgets/static/page.js" */

/** What the panels' scripts put here, by name; one has come when it is here. */
const made = /** @type {Record<string, () => any>} */ ({});
Object.assign(window, { pruneLabPanels: made });

/** @type {Map<string, Promise<void>>} */
const loading = new Map();

/**
 * Load a panel's script, once for all panels of its kind.
 * @param {string} name
 */
function load(name) {
  const found = loading.get(name);
  if (found) return found;
  const coming = new Promise((/** @type {(value: void) => void} */ done, failed) => {
    const script = document.createElement("script");
    script.src = `${document.documentElement.dataset.content_root}_static/panels/${name}.js`;
    script.onload = () => done();
    script.onerror = () => failed(new Error(`The script of ${name} is not beside this page.`));
    document.head.append(script);
  });
  loading.set(name, coming);
  return coming;
}

/** @type {Map<string, Model[]>} */
const asking = new Map(); // the panels of each question: one asks, one lays the truth over the guess

/**
 * Keep what the reader guesses and show it where the truth is told, as Python does in a notebook.
 * @param {Model} model
 */
function keepGuess(model) {
  const { text } = model.get("question");
  const panels = asking.get(text) ?? [];
  const [first] = panels;
  asking.set(text, panels);
  panels.push(model);
  if (first) model.set("answer", { heard: {}, controls: first.get("answer").controls });
  const send = model.send.bind(model);
  model.send = (/** @type {any} */ question) => {
    send(question);
    if (question.ask !== "question") return;
    const answer = { heard: { [question.from]: question.number }, controls: question.choices };
    for (const panel of panels) panel.set("answer", answer);
  };
}

/**
 * Put a living panel in the place of its picture, which stays where anything fails.
 * @param {HTMLElement} place
 */
async function enliven(place) {
  const name = place.dataset.panel ?? "";
  if (!/^\w+$/.test(name)) return; // an output may write what it likes; a script from elsewhere it does not get
  const saved = /** @type {Saved} */ (JSON.parse(place.querySelector("script")?.textContent ?? ""));
  await load(name);
  const el = document.createElement("div");
  place.append(el);
  const model = await show(el, made[name], saved);
  if ("question" in saved.state) keepGuess(model);
  place.querySelector("img")?.remove();
}

/** A panel lives when it is less than a screen away: the page is there before all of them are. */
const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      enliven(/** @type {HTMLElement} */ (target));
    }
  },
  { rootMargin: "100%" },
);

for (const place of document.querySelectorAll(".prune-lab-stored[data-panel]")) near.observe(place);
