// The dialogue without a page: messages take their time, and the reader's hand always wins.

import assert from "node:assert/strict";
import { test } from "node:test";
import { AMOUNT_BOX } from "../../prune_lab/widgets/static/amount.js";
import { Dialogue, panel } from "../../prune_lab/widgets/static/dialogue.js";
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
      if (sent?.content.ask !== "question") return;
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

/** A panel whose amount can be linked, in a page where the host has put this into its letter box. */
function linked(amount, units = 150) {
  const far = host({ amount });
  far.model.state.units = units;
  far.model.state.amount = amount[1];
  panel(() => () => {}, { amount: AMOUNT_BOX })().initialize({ model: far.model });
  return far;
}

test("a number in the letter box goes to Python as a question, and nothing else does", () => {
  const far = linked(["fraction", 0.3]);
  far.model.set("amount", 0.5);
  far.hear();
  assert.deepEqual(far.python.controls.amount, ["fraction", 0.5]);
  far.arrive();
  assert.equal(far.waiting(), false);
  far.set("amount", ["fraction", 0.7]); // a cell: the other widget follows
  far.arrive();
  assert.equal(far.model.get("amount"), 0.7);
  assert.equal(far.waiting(), false);
});

/** Put a number in as ipywidgets' jslink does, which hears of no other meanwhile; what it has then. */
async function put({ model }, sent) {
  let [other, busy] = [sent, true];
  const follow = () => {
    if (!busy) other = model.get("amount");
  };
  model.on("change:amount", follow);
  model.set("amount", sent);
  busy = false;
  await null;
  model.off("change:amount", follow);
  return other;
}

test("what does not fit is clamped on both sides, and what is no number is put back", async () => {
  const fraction = linked(["fraction", 0.3]);
  for (const [sent, fits] of [
    [40, 1],
    [-2, 0],
    [0.25, 0.25],
    [Number.NaN, 0.25],
    ["much", 0.25],
    [null, 0.25],
  ]) {
    assert.equal(await put(fraction, sent), fits, `${sent}`);
    assert.equal(fraction.model.get("amount"), fits, `${sent}`);
    fraction.hear();
    fraction.arrive();
    assert.deepEqual(fraction.python.controls.amount, ["fraction", fits]);
  }
  fraction.model.set("amount", 1);
  fraction.hear();
  fraction.arrive();
  assert.equal(await put(fraction, 7), 1); // once more than all is all, and no question
  assert.deepEqual([fraction.model.get("amount"), fraction.waiting()], [1, false]);
  const count = linked(["count", 45, 150]);
  for (const [sent, fits] of [
    [200, 150],
    [-1, 0],
    [1, 1],
    [7.6, 8],
  ]) {
    assert.equal(await put(count, sent), fits);
    assert.equal(count.model.get("amount"), fits);
    count.hear();
    count.arrive();
    assert.deepEqual(count.python.controls.amount, ["count", fits, 150]);
  }
});

test("whatever comes late, the box holds what was put in last", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const next = randomNumbers(seed);
    const far = linked(["fraction", 0.3]);
    let last = 0.3;
    for (let step = 0; step < 40; step += 1) {
      const dice = Math.floor(4 * next());
      if (dice < 2) {
        last = Math.floor(100 * next()) / 100;
        far.model.set("amount", last);
      } else if (dice === 2) far.hear();
      else far.arrive();
      assert.equal(far.model.get("amount"), last, `seed ${seed}, step ${step}`);
    }
    while (far.waiting()) {
      far.hear();
      far.arrive();
    }
    assert.deepEqual([far.python.controls.amount, far.model.get("amount")], [["fraction", last], last]);
  }
});

/** As a host lays a whole state of Python's over a panel: all of it first, then it tells what is new. */
function lay(model, state) {
  const changed = Object.keys(state).filter((name) => model.get(name) !== state[name]);
  Object.assign(model.state, state);
  for (const name of changed) model.tell(`change:${name}`);
}

test("a state that is older than what Python has said since is asked for anew, and never believed", () => {
  const far = host({ amount: 0.3 });
  const asked = [];
  far.model.send = (content) => asked.push(content.ask);
  const dialogue = new Dialogue(far.model);
  const before = { answer: far.model.get("answer"), undoable: false, _serial: 7 };
  dialogue.press("apply");
  const after = { answer: { heard: { [dialogue.asker]: 1 }, controls: { amount: 0.3 } }, undoable: true, _serial: 8 };
  lay(far.model, after);
  assert.deepEqual(asked, ["question"]);
  lay(far.model, before); // JupyterLab asked for it before the button was pressed
  assert.deepEqual(asked, ["question", "again"]);
  lay(far.model, { ...after, _serial: 9 });
  assert.deepEqual(asked, ["question", "again"]);
  assert.equal(dialogue.waits(), false);
});

test("a whole state of Python's puts nothing into the letter box, old or new", async () => {
  for (const _serial of [1, 3]) {
    const far = linked(["fraction", 0.3]);
    lay(far.model, { amount: 0.3, _serial: 2 });
    far.model.set("amount", 0.5); // another widget, and Python has not heard of it yet
    lay(far.model, { amount: 0.3, _serial });
    await null;
    assert.equal(far.model.get("amount"), 0.5);
    while (far.waiting()) {
      far.hear();
      far.arrive();
    }
    assert.deepEqual(far.python.controls.amount, ["fraction", 0.5]);
    assert.equal(far.model.get("amount"), 0.5);
  }
});
