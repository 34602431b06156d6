// The model behind a page without a kernel keeps anywidget's promises to a widget's script.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, Model } from "../../prune_lab/widgets/static/page.js";

test("traits that change together are all set before any of them is announced", () => {
  const model = new Model({ a: 1, b: 2, c: 3 });
  const seen = [];
  model.on("change:a change:b change:c", () => seen.push([model.get("a"), model.get("b"), model.get("c")]));
  model.set({ a: 10, b: 20, c: 3 }); // c does not change
  assert.deepEqual(seen, [[10, 20, 3], [10, 20, 3]]);
  model.set("c", 30);
  assert.deepEqual(seen[2], [10, 20, 30]);
});

test("after `off` nothing is heard, and other listeners still are", () => {
  const model = new Model({ a: 1, b: 1 });
  const heard = [];
  const [one, other] = [() => heard.push("one"), () => heard.push("other")];
  model.on("change:a change:b", one);
  model.on("change:a", other);
  model.off("change:a", one);
  model.set("a", 2);
  assert.deepEqual(heard, ["other"]);
  model.set("b", 2);
  assert.deepEqual(heard, ["other", "one"]);
});

test("a listener may change the model, as keeping fraction and count in step does", () => {
  const model = new Model({ fraction: 0.3, count: 45 });
  model.on("change:fraction", () => model.set("count", Math.round(150 * model.get("fraction"))));
  const counts = [];
  model.on("change:count", () => counts.push(model.get("count")));
  model.set("fraction", 0.5);
  model.save_changes();
  assert.deepEqual(counts, [75]);
});

test("what needs Python is answered in words, a view's coming and going is not", () => {
  const model = new Model({ message: "", failed: true });
  model.send({ ask: "shown" });
  model.send({ ask: "hidden" });
  assert.equal(model.get("message"), "");
  model.send({ ask: "apply" });
  assert.match(model.get("message"), /no Python/);
  assert.equal(model.get("failed"), false);
});

test("bytes come as the protocol brings them", () => {
  const bytes = bytesOf(Buffer.from(Float32Array.of(1.5, -2).buffer).toString("base64"));
  assert.ok(bytes instanceof DataView);
  assert.deepEqual([bytes.getFloat32(0, true), bytes.getFloat32(4, true)], [1.5, -2]);
});
