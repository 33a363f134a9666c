import { describe, expect, test } from "vitest";
import { jsonSchemaVerifier } from "../../src/rewards/json-schema.js";
import { oracle } from "../../src/rewards/oracle.js";
import { exactMatch, regexVerifier, verifier } from "../../src/rewards/verifier.js";
import { scoreOf } from "../fixtures/completions.js";

describe("a predicate", () => {
  test("gives 1 where it is true, 0 where it is false", async () => {
    const short = verifier(async ({ text }) => text.length < 3, "short");
    expect(short.name).toBe("short");
    expect(await scoreOf(short, ["ab", "abc"])).toEqual([1, 0]);
  });

  test("that says neither is an error", async () => {
    const unsure = verifier((() => 1) as unknown as () => boolean);
    await expect(scoreOf(unsure, ["a"])).rejects.toThrowError(/true or false, got `1`/);
  });
});

describe("a regular expression", () => {
  test.each([
    ["a pattern", "^#### \\d+$", ["#### 12", "so #### 12", "####"], [1, 0, 0]],
    ["a pattern over lines", "a.b", ["a\nb", "ab"], [1, 0]],
    ["a regular expression", /YES/i, ["yes", "no"], [1, 0]],
    ["one that remembers its place", /a/g, ["a", "a", "a"], [1, 1, 1]],
  ])("is searched for: %s", async (_, pattern, texts, scores) => {
    expect(await scoreOf(regexVerifier(pattern), texts)).toEqual(scores);
  });

  test("that is malformed is refused", () => {
    expect(() => regexVerifier("(")).toThrowError(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  });

  test("that would take for ever is stopped and named", async () => {
    const endless = scoreOf(regexVerifier("^(a+)+$"), [`${"a".repeat(60)}b`]);
    await expect(endless).rejects.toMatchObject({
      code: "ERR_REWARD",
      message: expect.stringContaining("regex:^(a+)+$"),
    });
  });
});

describe("a JSON schema", () => {
  const schema = {
    type: "object",
    properties: { answer: { type: "integer" } },
    required: ["answer"],
    additionalProperties: false,
  };

  test.each([
    ["what it describes", '{ "answer": 12 }', 1],
    ["a fenced block of it", 'Here:\n```json\n{ "answer": 12 }\n```\nDone.', 1],
    ["the last of several blocks", '```json\n{}\n```\n```json\n{ "answer": 1 }\n```', 1],
    ["another type", '{ "answer": "12" }', 0],
    ["a property too many", '{ "answer": 12, "why": "" }', 0],
    ["text around it", 'It is { "answer": 12 }', 0],
    ["half of it", '{ "answer": 12', 0],
    ["nothing", "", 0],
  ])("judges %s", async (_, text, score) => {
    expect(await scoreOf(await jsonSchemaVerifier(schema), [text])).toEqual([score]);
  });

  test("may be of draft-07 or of 2020-12", async () => {
    const old = { $schema: "http://json-schema.org/draft-07/schema#", items: [{ type: "string" }] };
    const recent = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      prefixItems: [{ type: "string" }],
    };
    for (const version of [old, recent]) {
      const reward = await jsonSchemaVerifier(version);
      expect(await scoreOf(reward, ['["a"]', "[1]"])).toEqual([1, 0]);
    }
  });

  test.each([
    ["with an unknown type", { type: "integre" }],
    ["that refers to nothing", { $ref: "#/nothing" }],
    ["of an unknown draft", { $schema: "https://example.com/schema" }],
  ])("%s is refused", async (_, bad) => {
    await expect(jsonSchemaVerifier(bad)).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
  });
});

describe("the right answer", () => {
  test("is matched however it is written", async () => {
    const texts = ["#### 70,000", "The answer is $70000.00.", "#### 7000", "I can't tell"];
    expect(await scoreOf(exactMatch("70000"), texts)).toEqual([1, 1, 0, 0]);
    expect(
      await scoreOf(exactMatch("b", { extract: (text) => text.at(-1) ?? null }), ["aB"]),
    ).toEqual([1]);
  });

  test("known to a study is called an oracle", async () => {
    const byAnswer = oracle("12");
    const byGrader = oracle(async (text) => text.includes("right"));
    expect([byAnswer.name, byGrader.name]).toEqual(["oracle", "oracle"]);
    expect(await scoreOf(byAnswer, ["#### 12", "#### 21"])).toEqual([1, 0]);
    expect(await scoreOf(byGrader, ["right", "wrong"])).toEqual([1, 0]);
  });
});
