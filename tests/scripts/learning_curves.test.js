// What TicketExplorer reads off its curves and its pictures.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inWords, meanOf, numbered, placeOnAxis } from "../../prune_lab/widgets/static/learning_curves.js";
import { pictureOf } from "../../prune_lab/widgets/static/ticket_mask.js";

const STEPS = [0, 5, 10, 15, 20, 30, 40, 60, 90, 120, 160, 200, 240];

test("the axis begins at 0, ends at the last step, and gives early steps more room", () => {
  assert.equal(placeOnAxis(STEPS, 0), 0);
  assert.equal(placeOnAxis(STEPS, 240), 1);
  assert.equal(placeOnAxis(STEPS, 60), 0.5); // a quarter of the steps
  assert.equal(placeOnAxis([0], 0), 0);
});

test("numbers stand under steps that were measured, each once, apart, the ends among them", () => {
  for (const steps of [STEPS, [0, 10, 20, 40, 80, 120, 240], [0, 1], [7], [20, 240]]) {
    const below = numbered(steps);
    assert.ok(below.every(({ at, text }) => at === placeOnAxis(steps, Number.parseInt(text, 10))));
    assert.equal(new Set(below.map(({ text }) => text)).size, below.length);
    const places = below.map(({ at }) => at);
    for (let i = 1; i < places.length; i += 1) assert.ok(places[i] - places[i - 1] >= 0.1);
    assert.equal(below[below.length - 1].text, `${steps[steps.length - 1]} steps`);
    assert.ok(steps.includes(Number.parseInt(below[0].text, 10)));
  }
  assert.equal(numbered(STEPS)[0].align, "left");
  assert.equal(numbered(STEPS)[numbered(STEPS).length - 1].align, "right");
});

test("the mean is taken step by step, and in words come the lowest and the highest", () => {
  const curves = [
    [0.1, 0.5],
    [0.3, 0.9],
  ];
  const [first, second] = meanOf(curves);
  assert.ok(Math.abs(first - 0.2) < 1e-12 && Math.abs(second - 0.7) < 1e-12);
  assert.equal(inWords("ticket", curves, 1), "ticket 70.0 % (50.0 % to 90.0 %)");
  assert.equal(inWords("ticket", curves.slice(1), 0), "ticket 30.0 %");
});

test("a picture is found by its number, and what has nothing left counts as pruned", () => {
  const bytes = new Uint8Array([9, 9, 255, 0, 51, 0, 0, 0]); // two that are not ours, then two pictures
  const view = new DataView(bytes.buffer, 2);
  const first = pictureOf(view, 0, [1, 3]);
  assert.deepEqual([...first.order], [0, -1, 0]);
  assert.deepEqual([...first.values], [1, 0, Math.fround(0.2)]);
  assert.equal(first.limit, 1);
  const second = pictureOf(view, 1, [1, 3]);
  assert.deepEqual([...second.order], [-1, -1, -1]);
  assert.equal(second.limit, 1); // and no scale from 0 to 0
});
