// GuessChoice

import { panel } from "./dialogue.js";
import { element, listen, write } from "./panel.js";

function render({ model, el }) {
  const title = element("div", { class: "prune-lab-title" }, model.get("question").text);
  const sentence = element("div", { class: "prune-lab-message" });
  el.append(title, sentence);
  const say = () => write(sentence, model.get("sentence"));
  say();
  return listen(model, ["sentence"], say);
}

export default panel(render);
