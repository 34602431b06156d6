// MaskExplorer without a page: whichever slider moves, fraction and count say the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import explorer from "../../prune_lab/widgets/static/mask_explorer.js";

/** anywidget's model as far as `initialize` uses it: a change that is none announces nothing. */
function model(state) {
  const heard = [];
  return {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = value;
      for (const [events, react] of heard) if (events === `change:${name}`) react();
    },
    on: (events, react) => heard.push([events, react]),
  };
}

test("the count follows the fraction, and the fraction the count", () => {
  const it = model({ unit: "fraction", fraction: 0.3, count: 45, units: 150 });
  explorer.initialize({ model: it });
  it.set("fraction", 0.5);
  assert.equal(it.get("count"), 75);
  it.set("unit", "count");
  it.set("count", 45);
  assert.equal(it.get("fraction"), 0.3);
});

test("another layer keeps what the reader set, and says what it means there", () => {
  const byFraction = model({ unit: "fraction", fraction: 0.3, count: 45, units: 150 });
  explorer.initialize({ model: byFraction });
  byFraction.set("units", 2400);
  assert.deepEqual([byFraction.get("fraction"), byFraction.get("count")], [0.3, 720]);

  const byCount = model({ unit: "count", fraction: 0.3, count: 45, units: 150 });
  explorer.initialize({ model: byCount });
  byCount.set("units", 90);
  assert.deepEqual([byCount.get("fraction"), byCount.get("count")], [0.5, 45]);
  byCount.set("units", 6); // fewer than the count: all of them
  assert.equal(byCount.get("fraction"), 1);
});
