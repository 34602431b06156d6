// The dialogue without a page: messages take their time, and the reader's hand always wins.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Dialogue } from "../../prune_lab/widgets/static/dialogue.js";
import { Model } from "../../prune_lab/widgets/static/page.js";
import { randomNumbers } from "./random.js";

/** A host with a kernel far away: messages wait, each way in their order, until they are let go. */
function host(controls) {
  const [toPython, toBrowser] = [[], []];
  const model = new Model({ answer: { heard: {}, controls } });
  model.send = (content, _callbacks, buffers) => toPython.push(structuredClone({ content, buffers }));
  const python = { controls: { ...controls }, heard: {}, pressed: [] };
  const reply = () => toBrowser.push(structuredClone({ heard: python.heard, controls: python.controls }));
  return {
    model,
    python,
    waiting: () => toPython.length + toBrowser.length > 0,
    /** Python hears the next question. */
    hear() {
      const sent = toPython.shift();
      if (!sent) return;
      const { from, number, choices, press, bytes } = sent.content;
      bytes.forEach((name, i) => {
        choices[name] = sent.buffers[i];
      });
      Object.assign(python.controls, choices);
      if (press) python.pressed.push([press, { ...python.controls }]);
      python.heard[from] = number;
      reply();
    },
    /** Code in a cell sets a control. */
    set(name, value) {
      python.controls[name] = value;
      reply();
    },
    /** The browser gets Python's next answer. */
    arrive() {
      const answer = toBrowser.shift();
      if (answer) model.set("answer", answer);
    },
  };
}

test("a late answer overwrites nothing newer", () => {
  const far = host({ amount: 0.3, technique: "l1" });
  const dialogue = new Dialogue(far.model);
  dialogue.choose({ amount: 1 }); // End
  dialogue.choose({ amount: 0 }); // Home
  far.hear();
  far.arrive(); // the answer to End
  assert.equal(dialogue.get("amount"), 0);
  dialogue.move({ amount: 0.1 }); // the hand is on its way
  far.hear();
  far.arrive(); // the answer to Home
  assert.equal(dialogue.get("amount"), 0.1);
  far.set("technique", "random"); // a cell: what the hand has not touched follows at once
  far.arrive();
  assert.deepEqual([dialogue.get("technique"), dialogue.get("amount")], ["random", 0.1]);
});

test("a button acts on what was on the screen when it was pressed", () => {
  const far = host({ amount: 0.3 });
  const dialogue = new Dialogue(far.model);
  dialogue.move({ amount: 0.37 });
  dialogue.press("apply");
  dialogue.move({ amount: 0.9 });
  dialogue.press("apply");
  while (far.waiting()) {
    far.hear();
    far.arrive();
  }
  assert.deepEqual(far.python.pressed, [
    ["apply", { amount: 0.37 }],
    ["apply", { amount: 0.9 }],
  ]);
});

test("another page learns what was chosen here, and keeps what its own reader does", () => {
  const far = host({ amount: 0.3, view: "mask" });
  const [here, there] = [new Dialogue(far.model), new Dialogue(far.model)];
  there.move({ view: "weights" });
  here.choose({ amount: 0.5, view: "masked" });
  far.hear();
  far.arrive();
  assert.equal(there.get("amount"), 0.5);
  assert.equal(there.get("view"), "weights");
  assert.equal(here.get("view"), "masked");
});

test("amounts of several layers are as many choices", () => {
  const far = host({ amounts: { a: 0, b: 0, c: 0 } });
  const dialogue = new Dialogue(far.model);
  dialogue.move({ amounts: { a: 0.5 } });
  dialogue.move({ amounts: { b: 0.2 } });
  far.set("amounts", { a: 0, b: 0, c: 0.7 });
  far.arrive();
  assert.deepEqual(dialogue.get("amounts"), { a: 0.5, b: 0.2, c: 0.7 });
});

test("bytes travel beside the message and come back to their choice", () => {
  const far = host({});
  new Dialogue(far.model).choose({ painted: Uint8Array.of(1, 0, 1), technique: "by hand" });
  far.hear();
  assert.deepEqual([...far.python.controls.painted], [1, 0, 1]);
});

test("following, only the last of what was chosen meanwhile goes out", () => {
  const far = host({ amount: 0 });
  const dialogue = new Dialogue(far.model);
  for (let step = 1; step <= 30; step += 1) dialogue.follow({ amount: step });
  far.hear();
  assert.equal(far.python.controls.amount, 1);
  far.arrive();
  far.hear();
  assert.equal(far.python.controls.amount, 30);
  assert.equal(far.waiting(), true);
  far.arrive();
  assert.equal(far.waiting(), false);
});

test("whatever comes in whatever order, the screen moves by the hand alone and both sides agree at rest", () => {
  const next = randomNumbers(8);
  for (let round = 0; round < 300; round += 1) {
    const far = host({ amount: 0, technique: "a" });
    const dialogue = new Dialogue(far.model);
    const hand = { amount: 0, technique: "a" };
    const expected = [];
    for (let step = 0; step < 40; step += 1) {
      const dice = Math.floor(7 * next());
      if (dice < 2) hand.amount = step;
      if (dice === 2) hand.technique = `t${step}`;
      if (dice === 0) dialogue.move({ amount: step });
      else if (dice === 1) dialogue.choose({ amount: step });
      else if (dice === 2) dialogue.follow({ technique: hand.technique });
      else if (dice === 3) {
        dialogue.press("apply");
        expected.push(["apply", { ...hand }]);
      } else if (dice === 4) dialogue.ask();
      else if (dice === 5) far.hear();
      else far.arrive();
      assert.deepEqual([dialogue.get("amount"), dialogue.get("technique")], [hand.amount, hand.technique]);
    }
    dialogue.ask();
    while (far.waiting()) {
      far.hear();
      far.arrive();
    }
    assert.deepEqual(far.python.controls, hand);
    assert.deepEqual(far.python.pressed, expected);
    assert.deepEqual([dialogue.get("amount"), dialogue.get("technique")], [hand.amount, hand.technique]);
    assert.equal(dialogue.waits(), false);
    dialogue.end();
  }
});
