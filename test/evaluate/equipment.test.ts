/** A worker draws for evaluations that ask for what it has, and names what it lacks. */
import { expect, test } from "vitest";
import { type Equipment, refusalOf } from "../../src/evaluate/queue/equipment.js";
import type { Work } from "../../src/evaluate/queue/protocol.js";

const own: Equipment = {
  task: null,
  reward: "confidence",
  potentials: ["regex:7"],
  model: "a",
  proposal: null,
};
const work: Work = {
  task: "mini-gsm",
  form: "chat",
  reward: "confidence",
  model: "a",
  proposal: null,
  potentials: ["regex:7"],
  keep: "none",
};

test("the same models, reward and potentials are accepted", () => {
  expect(refusalOf(work, own)).toBeUndefined();
  expect(refusalOf({ ...work, potentials: [] }, own)).toBeUndefined();
});

test.each<[string, Partial<Work>, RegExp]>([
  ["model", { model: "b" }, /model is SHA-256 b/],
  ["proposal", { proposal: "c" }, /proposal is SHA-256 c; this worker's is none/],
  ["reward", { reward: "entropy" }, /--reward 'entropy'/],
  ["potential", { potentials: ["regex:7", "module:x.mjs"] }, /--potential 'module:x\.mjs'/],
  ["task", { task: "poems" }, /--task module:FILE/],
])("another %s is refused by name", (_, other, says) => {
  expect(refusalOf({ ...work, ...other }, own)?.message).toMatch(says);
});
