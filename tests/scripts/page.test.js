// The model behind a page without a kernel keeps anywidget's promises to a widget's script.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, Model } from "../../prune_lab/widgets/static/page.js";

test("a change is announced once, and what is no change is not", () => {
  const model = new Model({ a: 1 });
  const seen = [];
  model.on("change:a", () => seen.push(model.get("a")));
  model.set("a", 2);
  model.set("a", 2);
  assert.deepEqual(seen, [2]);
});

test("after `off` nothing is heard, and other listeners still are", () => {
  const model = new Model({ a: 1, b: 1 });
  const heard = [];
  const [one, other] = [() => heard.push("one"), () => heard.push("other")];
  for (const event of ["change:a", "change:b"]) model.on(event, one);
  model.on("change:a", other);
  model.off("change:a", one);
  model.set("a", 2);
  assert.deepEqual(heard, ["other"]);
  model.set("b", 2);
  assert.deepEqual(heard, ["other", "one"]);
});

test("what needs Python is answered in words, a view's coming and going is not", () => {
  const model = new Model({ message: "", failed: true });
  model.send({ ask: "shown" });
  model.send({ ask: "hidden" });
  assert.equal(model.get("message"), "");
  model.send({ ask: "question", choices: { amount: 1 } });
  assert.equal(model.get("message"), "");
  model.send({ ask: "question", choices: {}, press: "apply" });
  assert.match(model.get("message"), /no Python/);
  assert.equal(model.get("failed"), false);
});

test("bytes come as the protocol brings them", () => {
  const bytes = bytesOf(Buffer.from(Float32Array.of(1.5, -2).buffer).toString("base64"));
  assert.ok(bytes instanceof DataView);
  assert.deepEqual([bytes.getFloat32(0, true), bytes.getFloat32(4, true)], [1.5, -2]);
});
