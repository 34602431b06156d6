// When a panel has a worker, what it asks it and in which order, and what it says of what that has measured.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { inBrowser, pointsOf, toldOf, workerOf } from "../../prune_lab/widgets/static/in_browser.js";

const FOUND = { right: 350, of: 360, milliseconds: 41.6, bytes: 20924, dense: { right: 355 }, key: 1 };

test("what was measured is told with what it took", () => {
  const told = toldOf({ accuracy: 350 / 360, measured: { found: FOUND, current: true, unable: false } });
  assert.equal(told.paid, " (350 of 360) · 42\u00a0ms · 20.9\u00a0kB in this browser");
  assert.deepEqual([told.share, told.dense, told.late], [350 / 360, 355 / 360, false]);
});

test("what was measured a moment ago is late, unless Python knows what is now", () => {
  const measured = { found: FOUND, current: false, unable: false };
  assert.equal(toldOf({ accuracy: null, measured }).late, true);
  const told = toldOf({ accuracy: 0.5, measured });
  assert.deepEqual([told.share, told.late, told.paid], [0.5, false, ""]);
});

test("without a worker the share is Python's, and a page that lets none run says so", () => {
  const told = toldOf({ accuracy: null, measured: { found: null, current: false, unable: true } });
  assert.equal(told.share, null);
  assert.match(told.paid, /lets no worker/);
});

/** A panel with a network, and what happens to its workers. */
function panel(state) {
  const [made, stopped, sent] = [[], [], []];
  const bytes = new Uint8Array(1);
  const traits = { network: bytes, digits: bytes, orders: new Uint8Array(0), edition: 1, ...state };
  const host = {
    model: { get: (name) => traits[name] },
    dialogue: { presence: { send: (message) => sent.push(message.ask) } },
  };
  const life = workerOf(
    host,
    () => {},
    (parcels, fail) => {
      const edition = traits.edition;
      made.push({ edition, parcels, fail });
      return { edition, stop: () => stopped.push(edition) };
    },
  );
  return { life, traits, made, stopped, sent };
}

test("a worker begins when it is needed, and another edition has another", () => {
  const { life, traits, made, stopped } = panel();
  assert.equal(life.get(false), null);
  const first = life.get(true);
  assert.equal(life.get(false), first);
  assert.ok(!("orders" in made[0].parcels)); // there are none
  traits.edition = 2;
  assert.equal(life.get(false), null);
  assert.deepEqual(stopped, [1]);
  assert.equal(life.get(true).edition, 2);
});

test("without a network there is no worker, and one that has failed is not begun again", () => {
  const without = panel({ network: new Uint8Array(0) });
  assert.equal(without.life.get(true), null);
  assert.equal(without.life.unable(), false);
  const { life, made, stopped, sent } = panel();
  life.get(true);
  made[0].fail("no");
  assert.deepEqual([stopped, sent, life.unable()], [[1], ["unable"], true]);
  assert.equal(life.get(true), null);
});

/** A panel whose worker is the test: what was sent to it, and `answers`, which lets it speak. */
function measured(context, { nobody = true, stored = [] } = {}) {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  const workers = [];
  globalThis.Worker = class {
    constructor() {
      Object.assign(this, { sent: [], ended: false });
      workers.push(this);
    }
    postMessage({ counts, beside = false }) {
      this.sent.push([counts.a, beside]);
    }
    terminate() {
      this.ended = true;
    }
  };
  context.after(() => {
    mock.timers.reset();
    delete globalThis.Worker;
  });
  const bytes = new Uint8Array(1);
  const traits = { network: bytes, digits: bytes, orders: new Uint8Array(0), worker: "", edition: 1 };
  const dialogue = { away: false, settled: false, presence: { nobody, send() {} } };
  let due = false; // a picture, as soon as what happened is over
  const here = inBrowser({ model: { get: (name) => traits[name] }, dialogue }, () => {
    due = true;
  });
  const wanted = [0, 1, 2, 3].map((a) => ({ amount: a / 3, counts: { a }, share: new Map(stored).get(a) }));
  let [count, known] = [2, false];
  let made = 0;
  const points = () => {
    made += 1;
    return wanted;
  };
  const draw = () => here.answer({ counts: { a: count }, known }, points);
  let key = 0;
  const worker = () => workers.at(-1);
  const shown = () => {
    if (due) draw();
    due = false;
  };
  const says = (data) => {
    worker().onmessage({ data });
    shown();
  };
  return {
    here,
    traits,
    dialogue,
    worker,
    workers,
    move(to) {
      [count, key] = [to, key + 1];
      return draw();
    },
    pythonKnows() {
      known = true;
    },
    shown,
    made: () => made,
    answers: (right, to = key) => says({ right, of: 10, dense: { right: 9 }, key: to }),
    answersBeside: (a, right) => says({ right, of: 10, counts: { a }, beside: true }),
    rest() {
      mock.timers.tick(1000);
      shown();
    },
    curve: () => pointsOf(draw().curves.points),
  };
}

test("a curve is measured point by point when the hand rests, and is known then", (context) => {
  const panel = measured(context);
  panel.move(2);
  panel.rest();
  assert.deepEqual(panel.worker().sent, [[2, false]]); // before all else what the slider asks
  panel.answers(7);
  panel.answersBeside(1, 8);
  assert.deepEqual(panel.worker().sent.slice(1), [
    [1, true],
    [2, true],
  ]);
  assert.deepEqual(panel.curve(), [
    [0, 0.9], // is known: nothing goes there
    [1 / 3, 0.8],
  ]);
  panel.answersBeside(2, 7);
  panel.answersBeside(3, 1);
  assert.equal(panel.worker().sent.length, 4);
  assert.equal(panel.curve().length, 4);
});

test("the hand does not wait for a point: that is broken off, and asked again when the hand has rested", (context) => {
  const panel = measured(context);
  panel.move(2);
  panel.answers(7);
  assert.deepEqual(panel.worker().sent, [[2, false]]); // it has not rested yet
  panel.rest();
  panel.move(3);
  panel.move(1);
  assert.deepEqual(panel.worker().sent.slice(1), [
    [1, true],
    [3, false],
  ]);
  panel.answers(5, 2); // to the former: the worker has not heard of the last one yet
  assert.deepEqual(panel.worker().sent.slice(3), [[1, false]]);
  panel.answers(8);
  assert.equal(panel.worker().sent.length, 4);
  panel.rest();
  assert.deepEqual(panel.worker().sent.slice(4), [[1, true]]);
});

test("a point that was just found when the hand came counts, and the hand's answer is still awaited", (context) => {
  const panel = measured(context);
  panel.move(2);
  panel.answers(7);
  panel.rest();
  panel.move(3);
  panel.answersBeside(1, 8);
  panel.move(0);
  assert.deepEqual(panel.worker().sent.slice(2), [[3, false]]);
  assert.equal(panel.curve()[1][1], 0.8);
});

test("the curve can be stopped and goes on; the slider is answered all the while", (context) => {
  const panel = measured(context);
  const { curves } = panel.move(2);
  assert.equal(curves.measuring, true);
  curves.press();
  panel.answers(7);
  panel.rest();
  panel.move(3);
  assert.deepEqual(panel.worker().sent, [
    [2, false],
    [3, false],
  ]);
  panel.answers(1);
  panel.rest();
  assert.equal(panel.move(3).curves.measuring, false);
  curves.press();
  panel.shown();
  assert.deepEqual(panel.worker().sent.slice(2), [[1, true]]);
});

test("what Python has measured is not measured again, and where Python is it measures the curves", (context) => {
  const stored = [0, 1, 2, 3].map((a) => [a, a / 10]);
  const panel = measured(context, { stored });
  panel.pythonKnows();
  panel.move(2);
  assert.equal(panel.workers.length, 0);
  assert.deepEqual(
    panel.curve().map(([, share]) => share),
    [0, 0.1, 0.2, 0.3],
  );
  const kernel = measured(context, { nobody: false });
  assert.equal(kernel.move(2).curves, null);
  kernel.answers(7);
  kernel.rest();
  assert.deepEqual(kernel.worker().sent, [[2, false]]);
  kernel.dialogue.away = true; // it has gone
  kernel.move(2);
  assert.deepEqual(kernel.worker().sent.slice(1), [[1, true]]);
});

test("another network has another curve", (context) => {
  const panel = measured(context);
  panel.move(2);
  panel.answers(7);
  panel.rest();
  panel.answersBeside(1, 8);
  panel.traits.edition = 2;
  panel.move(2);
  assert.deepEqual([panel.workers.length, panel.workers[0].ended], [2, true]);
  assert.deepEqual(panel.curve(), []);
});

test("another network has another curve also when nothing was left to measure", (context) => {
  const panel = measured(context);
  panel.move(2);
  panel.answers(7);
  panel.rest();
  for (const a of [1, 2, 3]) panel.answersBeside(a, 10 - a);
  panel.pythonKnows();
  assert.equal(panel.curve().length, 4);
  panel.traits.edition = 2;
  assert.deepEqual(panel.curve(), []);
});

test("the points of a curve are made where there is no Python alone", (context) => {
  const kernel = measured(context, { nobody: false });
  kernel.move(2);
  kernel.answers(7);
  assert.equal(kernel.made(), 0);
  kernel.dialogue.away = true;
  kernel.move(1);
  assert.equal(kernel.made(), 1);
});

test("where no worker can be had, nobody measures a curve without Python", (context) => {
  const panel = measured(context);
  panel.move(2);
  panel.worker().onerror({ message: "forbidden" });
  assert.deepEqual([panel.move(2).unable, panel.move(2).curves], [true, null]);
});
