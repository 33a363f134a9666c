/** An instruct model as a grader: its verdict is its own log-odds, and a run says who graded it. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadModel } from "../../src/engine/load-model.js";
import { evaluate } from "../../src/evaluate/evaluate.js";
import { regrade } from "../../src/evaluate/regrade.js";
import { humaneval } from "../../src/tasks/humaneval.js";
import { checkJudge, judgeGrader, openGraderBy } from "../../src/tasks/judge-grader.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";
import { useModel } from "../fixtures/models.js";
import { temporary } from "../fixtures/temporary-directory.js";

const model = useModel("mini-gsm-proposal");
const JUDGE = "judge:mini-gsm-proposal";
const item = { id: "q", prompt: "Sam has 2 apples and gets 3. How many?", gold: "5" };

test("an answer is right where the judge rather says Yes, and says how surely", async () => {
  const judge = await loadModel("mini-gsm-proposal", { gpu: false });
  const grader = judgeGrader(miniGsm, judge);
  const answers = ["#### 5", "#### 6", "It is five.", "I don't know"];
  const verdicts = await Promise.all(answers.map((answer) => grader.grade(item, answer)));
  for (const [i, answer] of answers.entries()) {
    const question = `Question:\n${item.prompt}\n\nReference answer:\n5\n\nAnswer to be graded:\n${answer}\n\nDoes the answer to be graded come to the same result as the reference answer? Reply with Yes or No.`;
    const scores = await model().score(
      question,
      ["Yes", "No"].map((word) => model().tokenize(word)),
    );
    const [yes = 0, no = 0] = scores.map((s) => s.rawLogProbs.reduce((a, b) => a + b, 0));
    const share = 1 / (1 + Math.exp(no - yes));
    expect(Number(/[\d.]+$/.exec(verdicts[i]?.reason ?? "")?.[0])).toBeCloseTo(share, 2);
    if (Math.abs(share - 0.5) > 0.01) expect(verdicts[i]?.correct).toBe(share > 0.5);
  }
  expect(verdicts.map(({ extracted }) => extracted)).toEqual(
    answers.map((answer) => miniGsm.extract(answer)),
  );
  expect(await grader.grade(item, " ")).toMatchObject({
    correct: false,
    reason: "an empty answer",
  });
  await grader[Symbol.asyncDispose]();
});

test("a run keeps who graded it, and isn't resumed or graded anew by another unasked", async () => {
  const out = temporary("judged");
  const options = { out, methods: ["greedy" as const], limit: 1, options: { maxTokens: 2 } };
  await evaluate(model(), miniGsm, { ...options, grader: JUDGE });
  const record = () => JSON.parse(readFileSync(`${out}/run.json`, "utf8"));
  expect(record().grader).toEqual({ path: JUDGE, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
  const again = { ...options, resume: true };
  await expect(evaluate(model(), miniGsm, again)).rejects.toThrow(/whose `grader` is/);
  expect(await evaluate(model(), miniGsm, { ...again, grader: JUDGE })).toMatchObject({ drawn: 0 });
  const [sample] = readFileSync(`${out}/samples.jsonl`, "utf8").trim().split("\n");
  expect(JSON.parse(sample as string).reason).toMatch(/^the judge says Yes with probability/);
  await regrade(out, { grader: "task" });
  expect(record().grader).toBeUndefined();
  expect(await evaluate(model(), miniGsm, again)).toMatchObject({ drawn: 0, kept: 1 });
});

test.each(["model:x.gguf", "judge", "judge:a+judge:b", "0.5*judge:a", "self-consistency"])(
  "%s is no grader",
  (name) => {
    expect(() => checkJudge("grader", name)).toThrow(/judge:GGUF|judge/);
  },
);

test("programs are graded by tests", async () => {
  await expect(openGraderBy(JUDGE, humaneval, {})).rejects.toThrow(/graded by tests/);
});
