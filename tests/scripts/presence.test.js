// Whether there is Python behind a panel: what is asked without it, and what is kept for it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Dialogue } from "../../prune_lab/widgets/static/dialogue.js";
import { Model } from "../../prune_lab/widgets/static/page.js";

/** A panel in a host whose messages are kept, or, once it is cut off, cannot be sent. */
function host() {
  const model = new Model({ answer: { heard: {}, controls: { amount: 0.3, technique: "l1" } } });
  const sent = [];
  const far = { model, sent, cut: false };
  model.send = (content) => {
    if (far.cut) throw new Error("Cannot send");
    sent.push(content);
  };
  far.dialogue = new Dialogue(model, ["technique"]);
  far.greet = () => model.tell("msg:custom", { here: far.dialogue.asker });
  return far;
}

test("a message that cannot be sent says that Python has gone", () => {
  const { dialogue, greet, ...far } = host();
  dialogue.presence.knock("shown");
  greet();
  assert.equal(dialogue.presence.words, "");
  far.model.send = () => {
    throw new Error("Cannot send");
  };
  let told = 0;
  dialogue.on(() => {
    told += 1;
  });
  dialogue.press("apply");
  assert.ok(dialogue.away && told > 0);
  assert.match(dialogue.presence.words, /kernel has gone/);
});

test("what needs Python is taken back, and what the panel shows by itself stays", () => {
  const { dialogue, greet, model, sent } = host();
  greet();
  dialogue.choose({ technique: "random", amount: 0.5 });
  dialogue.move({ amount: 0.6 });
  dialogue.presence.turn({ gone: true });
  assert.equal(dialogue.get("technique"), "l1");
  assert.equal(dialogue.get("amount"), 0.6);
  assert.equal(dialogue.waits(), false);
  const before = sent.length;
  dialogue.choose({ amount: 0.7 });
  dialogue.press("apply");
  assert.equal(sent.length, before, "nothing is asked where nobody answers");
  greet(); // it is back: it hears what was chosen meanwhile, and nothing was pressed
  assert.deepEqual(sent.at(-1).choices, { amount: 0.7 });
  assert.equal(sent.length, before + 1);
  model.set("answer", { heard: { [dialogue.asker]: dialogue.number }, controls: { amount: 0.7, technique: "l1" } });
  assert.equal(dialogue.get("amount"), 0.7);
  dialogue.end();
});

test("a panel that Python has just sent is not called one without Python while its first answer is under way", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { dialogue, greet, model } = host();
  model.set("_serial", 3); // Python's own number of this state
  dialogue.presence.knock("shown");
  context.mock.timers.tick(2000);
  assert.equal(dialogue.away, false);
  greet();
  dialogue.presence.knock();
  context.mock.timers.tick(500);
  assert.match(dialogue.presence.words, /has not answered yet/);
  dialogue.end();
});

test("a panel that Python has sent, and that nobody answers, has no Python", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { dialogue, model } = host();
  model.set("_serial", 3);
  dialogue.presence.knock("shown");
  context.mock.timers.tick(5000);
  assert.match(dialogue.presence.words, /no Python behind this panel yet/);
  dialogue.end();
});

test("an answer that does not come is late; before the first one there is no Python at all", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { dialogue, greet, sent, model } = host();
  dialogue.presence.knock("shown");
  assert.equal(dialogue.away, false); // it has been asked just now
  context.mock.timers.tick(500);
  assert.equal(dialogue.away, true);
  assert.match(dialogue.presence.words, /no Python behind this panel yet/);
  model.tell("msg:custom", { here: "another page" });
  assert.equal(dialogue.away, true);
  greet();
  assert.equal(dialogue.away, false);
  dialogue.presence.knock();
  dialogue.presence.knock(); // one is on its way
  assert.deepEqual(
    sent.map(({ ask }) => ask),
    ["shown", "here"],
  );
  context.mock.timers.tick(500);
  assert.equal(dialogue.away, false); // it was there: it may be busy
  assert.match(dialogue.presence.words, /not answered yet/);
  greet();
  assert.equal(dialogue.presence.words, "");
});
