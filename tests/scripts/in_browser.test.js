// When a panel has a worker, and what it says of what that has measured.

import assert from "node:assert/strict";
import { test } from "node:test";
import { toldOf, workerOf } from "../../prune_lab/widgets/static/in_browser.js";

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
