// The tree of modules: who is inside whom, and what can be seen while some are folded.

import assert from "node:assert/strict";
import { test } from "node:test";
import { isInside, readTree, visible } from "../../prune_lab/widgets/static/tree.js";

const PATHS = ["", "conv", "block", "block.0", "block.0.a", "block.1", "blocks"];
const nodes = readTree(PATHS.map((path) => ({ path, type: "T", title: "T", changes: 0 })));

test("every module stands under the one that holds it", () => {
  assert.deepEqual(
    nodes.get("").children.map(({ name }) => name),
    ["conv", "block", "blocks"],
  );
  assert.deepEqual(
    nodes.get("block.0").children.map(({ path }) => path),
    ["block.0.a"],
  );
  assert.deepEqual(
    PATHS.map((path) => nodes.get(path).depth),
    [0, 1, 1, 2, 3, 2, 1],
  );
});

test("a folded module hides what is inside it, and nothing else", () => {
  const seen = (...folded) => visible(nodes.get(""), new Set(folded)).map(({ path }) => path);
  assert.deepEqual(seen(), PATHS);
  assert.deepEqual(seen("block"), ["", "conv", "block", "blocks"]);
  assert.deepEqual(seen("block.0", "conv"), ["", "conv", "block", "block.0", "block.1", "blocks"]);
});

test("a name that begins alike is not inside", () => {
  assert.deepEqual(
    PATHS.filter((path) => isInside(path, "block")),
    ["block", "block.0", "block.0.a", "block.1"],
  );
  assert.ok(PATHS.every((path) => isInside(path, "")));
});
