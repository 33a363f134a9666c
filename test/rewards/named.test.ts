import { describe, expect, test } from "vitest";
import { openReward, parseReward } from "../../src/rewards/named.js";
import { completion, scoreOf } from "../fixtures/completions.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";

describe("an expression", () => {
  test.each([
    ["self-consistency", [[1, "self-consistency", ""]]],
    [
      "self-consistency+0.5*confidence",
      [
        [1, "self-consistency", ""],
        [0.5, "confidence", ""],
      ],
    ],
    ["-2e-1*regex:^a+b$", [[-0.2, "regex", "^a+b$"]]],
    [
      "regex:a+b+3*confidence+.5*module:./a+b.mjs",
      [
        [1, "regex", "a+b"],
        [3, "confidence", ""],
        [0.5, "module", "./a+b.mjs"],
      ],
    ],
    ["regex:2*3+confidences", [[1, "regex", "2*3+confidences"]]],
    ["json-schema:C:\\schema.json", [[1, "json-schema", "C:\\schema.json"]]],
  ])("%s", (expression, terms) => {
    const parsed = parseReward(expression).map((t) => [t.weight, t.kind, t.argument]);
    expect(parsed).toEqual(terms);
  });

  test.each([
    "",
    "magic",
    "+",
    "regex:",
    "confidence:",
    "confidence+",
    "2",
    "0.5*",
    "confidence+magic",
  ])("`%s` is refused", (expression) => {
    expect(() => parseReward(expression)).toThrowError(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });
});

test("the task's extraction is the vote's", async () => {
  const extract = (text: string) => text.at(0) ?? null;
  await using opened = await openReward("self-consistency", { extract });
  expect(await scoreOf(opened.reward, ["a1", "a2", "b1"])).toEqual([1, 1, 0]);
});

test("a sum of rewards adds them up", async () => {
  await using opened = await openReward("self-consistency+0.5*confidence+10*regex:certain");
  const pool = [
    completion("certain #### 1", { logProbs: [0, 0] }),
    completion("#### 1", { logProbs: [Math.log(0.5), Math.log(0.5)] }),
    completion("#### 2", { logProbs: [Math.log(0.1)] }),
  ];
  const [first, second, third] = await scoreOf(opened.reward, pool);
  expect(first).toBeCloseTo(11.5);
  expect(second).toBeCloseTo(1.25);
  expect(third).toBeCloseTo(0.05);
  expect(opened.reward.name).toBe("self-consistency+0.5*confidence+10*regex:certain");
});

test("a weight may be negative", async () => {
  await using opened = await openReward("-3*regex:a+confidence");
  const pool = ["a", "b"].map((text) => completion(text, { logProbs: [0] }));
  expect(await scoreOf(opened.reward, pool)).toEqual([-2, 1]);
});

test("a schema comes from a file", async () => {
  const file = temporaryFile("schema.json", Buffer.from('{ "type": "array" }'));
  await using opened = await openReward(`json-schema:${file}`);
  expect(await scoreOf(opened.reward, ["[]", "{}"])).toEqual([1, 0]);
});

test.each([
  ["json-schema:missing.json", "ERR_REWARD"],
  ["module:missing.mjs", "ERR_REWARD"],
  ["module:/dev/zero", "ERR_REWARD"],
  ["regex:(", "ERR_INVALID_OPTION"],
])("%s is refused", async (expression, code) => {
  await expect(openReward(expression)).rejects.toMatchObject({ code });
});
