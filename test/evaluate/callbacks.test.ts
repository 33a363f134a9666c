/** What an evaluation's callbacks and a task's functions are given can't change it. */
import { expect, test } from "vitest";
import { evaluate } from "../../src/evaluate/evaluate.js";
import type { Sample } from "../../src/evaluate/store/run-files.js";
import { defineTask } from "../../src/tasks/define-task.js";
import type { TaskItem } from "../../src/tasks/task.js";
import { useModel } from "../fixtures/models.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";

const model = useModel("mini-gsm-proposal");

test("items are frozen, and samples are copies", async () => {
  const rows = [1, 2, 3].map((n) => JSON.stringify({ id: `q${n}`, gold: "right" })).join("\n");
  const data = temporaryFile("callbacks.jsonl", Buffer.from(rows));
  const refused: string[] = [];
  const vandalise = (where: string, item: TaskItem | undefined) => {
    try {
      Object.assign(item as TaskItem, { gold: "wrong", id: "q1" });
    } catch {
      refused.push(where);
    }
  };
  const task = defineTask({
    name: "vandals",
    parse: (row) => ({ id: row.text("id"), prompt: row.text("id"), gold: row.text("gold") }),
    extract: (text) => text,
    prompt: (item) => {
      vandalise("prompt", item);
      return { prompt: item.prompt, raw: true, stop: [] };
    },
    isCorrect: (_, item) => {
      vandalise("isCorrect", item);
      return item.gold === "right";
    },
  });
  const { summary } = await evaluate(model(), task, {
    out: temporary("callbacks"),
    data,
    methods: ["greedy"],
    options: { maxTokens: 2 },
    onSample: (sample: Sample) => Object.assign(sample, { correct: false, method: "none" }),
  });
  expect(summary.methods.greedy).toMatchObject({ n: 3, accuracy: 1 });
  expect(new Set(refused)).toEqual(new Set(["prompt", "isCorrect"]));
});
