import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { judgeInstructions } from "../../src/rewards/ifeval/ifeval.js";
import { INSTRUCTION_KINDS } from "../../src/rewards/ifeval/instructions.js";
import { rewardOfItem } from "../../src/rewards/item-reward.js";
import { openReward } from "../../src/rewards/named.js";
import type { Completion, Reward } from "../../src/rewards/reward.js";
import { gradeRows, itemsById } from "../../src/tasks/grade-rows.js";
import { ifeval } from "../../src/tasks/ifeval.js";

import { hasShared, readCases, shared } from "../fixtures/shared.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";

interface OwnCase {
  kind: string;
  kwargs: Record<string, unknown>;
  text: string;
  strict: boolean;
  loose: boolean;
}

const NO_COMMA = { instruction_id_list: ["punctuation:no_comma"], kwargs: [{}] };

function judge(kind: string, kwargs: object, text: string) {
  const row = { instruction_id_list: [kind], kwargs: [kwargs] };
  return judgeInstructions(row, text, (field, expected): never => {
    throw new Error(`${field} ${expected}`);
  });
}

/** Composed texts, whose verdicts are those of lm-evaluation-harness 0.4.13. */
const OWN = readFileSync(new URL("../fixtures/ifeval-cases.jsonl", import.meta.url), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as OwnCase);

describe("twenty texts of each kind of instruction", () => {
  test("cover all 25 kinds", () => {
    expect(INSTRUCTION_KINDS).toHaveLength(25);
    for (const kind of INSTRUCTION_KINDS) {
      expect(OWN.filter((row) => row.kind === kind).length).toBeGreaterThanOrEqual(20);
    }
  });

  test("have the published verdicts, but for one sentence that punkt's corpus decides", async () => {
    const misjudged: string[] = [];
    for (const { kind, kwargs, text, strict, loose } of OWN) {
      const verdicts = await judge(kind, kwargs, text);
      const isSame = verdicts.strict[0] === strict && verdicts.loose[0] === loose;
      if (!isSame) misjudged.push(`${kind}: ${text}`);
    }
    expect(misjudged).toEqual([
      expect.stringMatching(/^length_constraints:number_sentences: AND >>.*vs\. Running running/s),
    ]);
  });
});

describe.skipIf(!hasShared)("the published responses (LLAMA_ETS_SHARED)", () => {
  test("have the published verdicts, but for two single words in English", async () => {
    const data = shared("data", "ifeval", "input_data.jsonl");
    const items = await itemsById(ifeval, data);
    expect(items.size).toBe(541);
    await using grader = await ifeval.openGrader();
    const departures: string[] = [];
    let instructions = 0;
    interface PublishedCase {
      key: number;
      strict: boolean[];
      loose: boolean[];
    }
    const cases = readCases<PublishedCase>("ifeval.jsonl");
    let row = 0;
    const file = shared("cases", "ifeval.jsonl");
    for await (const verdict of gradeRows(grader, file, items, ifeval.rowKey)) {
      const { key, strict, loose } = cases[row++] as PublishedCase;
      instructions += strict.length;
      strict.forEach((_, i) => {
        const isSame = verdict.strict?.[i] === strict[i] && verdict.loose?.[i] === loose[i];
        if (!isSame) departures.push(String(key));
      });
    }
    expect([row, instructions]).toEqual([265, 411]);
    expect(departures.sort()).toEqual(["202", "2341"]);
  });
});

test("the sign that letter_frequency names is counted, also where it is no letter", async () => {
  const kwargs = { letter: "#", let_frequency: 2, let_relation: "at least" };
  expect(await judge("keywords:letter_frequency", kwargs, "# one")).toMatchObject({
    strict: [false],
  });
  expect(await judge("keywords:letter_frequency", kwargs, "# one #two")).toMatchObject({
    strict: [true],
  });
});

test("keywords are texts, not patterns", async () => {
  const asked = { keywords: ["c++", "(a|b)*"] };
  expect((await judge("keywords:existence", asked, "C++ and (a|b)*")).strict).toEqual([true]);
  expect((await judge("keywords:existence", asked, "cc and ab")).strict).toEqual([false]);
});

test("JSON has the numbers that Python reads besides, and nothing that joins them", async () => {
  const isJson = async (text: string) =>
    (await judge("detectable_format:json_format", {}, text)).strict[0];
  for (const text of [
    "NaN",
    "-Infinity",
    '{"a": [NaN, Infinity], "b": "NaN\\""}',
    "```json\n1\n```",
  ])
    expect(await isJson(text)).toBe(true);
  for (const text of ["-NaN", "1NaN", "-1Infinity", "1-Infinity", "+Infinity", "[NaNNaN]", '"NaN'])
    expect(await isJson(text)).toBe(false);
});

test("a row with two texts is refused, and with the same one under both names is graded", async () => {
  const items = new Map([["1", { id: "1", prompt: "", gold: "", row: NO_COMMA }]]);
  await using grader = await ifeval.openGrader();
  const graded = async (row: object) => {
    const file = temporaryFile("two.jsonl", JSON.stringify({ key: 1, ...row }));
    const verdicts: boolean[] = [];
    for await (const { correct } of gradeRows(grader, file, items, "key")) verdicts.push(correct);
    return verdicts;
  };
  expect(await graded({ output: "a b", response: "a b" })).toEqual([true]);
  expect(await graded({ output: null, response: "a, b" })).toEqual([false]);
  await expect(graded({ output: "a b", response: "a, b" })).rejects.toThrow(
    /line 1: expected `response` to be the text of `output`/,
  );
});

const HOSTILE = [...'[*<.-" \n'.split(""), ...'<<> ." dr. \n-'.split(" ")].map((part) =>
  part.repeat(Math.ceil(40_000 / part.length)),
);

/** The end is one that no pattern finds. */
test("texts of 40,000 characters take no time that grows with their square", async () => {
  const rows = INSTRUCTION_KINDS.map((kind) => OWN.find((own) => own.kind === kind) as OwnCase);
  const row = {
    instruction_id_list: rows.map(({ kind }) => kind),
    kwargs: rows.map(({ kwargs }) => kwargs),
  };
  const refuse = (): never => {
    throw new Error("unreachable");
  };
  for (const text of HOSTILE) {
    const { strict } = await judgeInstructions(row, `${text}\u0001x`, refuse);
    expect(strict).toHaveLength(25);
  }
});

describe("as a reward and a potential", () => {
  const item = {
    instruction_id_list: ["punctuation:no_comma", "detectable_content:number_placeholders"],
    kwargs: [{}, { num_placeholders: 2 }],
  };
  const worth = async (reward: Reward, text: string, finishReason: string | null) => {
    const completion = { text, finishReason } as unknown as Completion;
    const [score] = await reward.score({ prompt: "", pool: [completion], earlier: [] });
    return score;
  };

  test("a text is worth the share that it follows, its beginning what can still be", async () => {
    await using opened = await openReward("ifeval");
    const reward = rewardOfItem(opened.reward, item);
    expect(await worth(reward, "[a] and [b]", "stop")).toBe(1);
    expect(await worth(reward, "[a], and [b]", "stop")).toBe(0.5);
    expect(await worth(reward, "[a]", "stop")).toBe(0.5);
    expect(await worth(reward, "[a]", null)).toBe(0.75);
    expect(await worth(reward, "[a],", null)).toBe(0.25);
    expect(await worth(reward, "", null)).toBe(0.5);
  });

  test("needs an item that has instructions", async () => {
    await using opened = await openReward("ifeval");
    await expect(worth(opened.reward, "x", "stop")).rejects.toThrow(/instruction_id_list/);
  });

  test("what can't be followed any more is never followed", async () => {
    for (const { kind, kwargs, text } of OWN) {
      const row = { instruction_id_list: [kind], kwargs: [kwargs] };
      await using opened = await openReward("ifeval");
      const reward = rewardOfItem(opened.reward, row);
      if ((await worth(reward, text, "stop")) !== 1) continue;
      for (let length = 0; length < text.length; length += 7) {
        const begun = text.slice(0, length);
        if (GROWS.has(kind)) continue;
        expect([kind, begun, await worth(reward, begun, null)]).toEqual([kind, begun, 1]);
      }
    }
  });
});

/** Kinds whose beginnings are worth the share that has come, from 0. */
const GROWS = new Set([
  "keywords:existence",
  "keywords:frequency",
  "keywords:letter_frequency",
  "length_constraints:number_sentences",
  "length_constraints:number_words",
  "detectable_content:number_placeholders",
  "detectable_format:number_highlighted_sections",
  "detectable_format:multiple_sections",
  "change_case:capital_word_frequency",
]);

test.each([
  [{ instruction_id_list: ["no:such"], kwargs: [{}] }, /line 1.*`instruction_id_list`.*no:such/],
  [{ instruction_id_list: ["punctuation:no_comma"], kwargs: [] }, /`kwargs`.*one object for each/],
  [
    {
      instruction_id_list: ["length_constraints:number_words"],
      kwargs: [{ num_words: 3, relation: "about" }],
    },
    /`relation`.*"less than" or "at least".*`about`/,
  ],
])("a row that asks for what isn't known is refused", async (row, message) => {
  const file = temporaryFile("row.jsonl", JSON.stringify({ key: 1, prompt: "Go.", ...row }));
  await expect(ifeval.load(file)).rejects.toThrow(message);
});
