/**
 * Texts that a server continues which takes texts in place of token ids: the law of blocks is p_ref's
 * wherever the server reads the tokens that it drew, and the result says where it doesn't.
 *
 * The server is a table over pieces of words, whose tokenizer takes the longest piece. False alarms: each
 * χ² test fails a right library with probability 1e-6, at these fixed seeds; the same counts refuse the
 * law of a server that reads every text anew.
 */
import { describe, expect, test } from "vitest";
import type { PlainMessage } from "../../src/engine/chat/messages.js";
import { readAddress } from "../../src/engine/remote/address.js";
import { cut, endsWhole } from "../../src/engine/remote/continuations.js";
import { alignedTexts } from "../../src/engine/remote/openai-server.js";
import { RemoteModel } from "../../src/engine/remote/remote-model.js";
import type {
  CompletionRequest,
  Completions,
  Drawn,
  Server,
  ServerFacts,
} from "../../src/engine/remote/server.js";
import { ets } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import { mh } from "../../src/methods/mh.js";
import { chiSquarePValue } from "../fixtures/statistics.js";
import { uniforms } from "../fixtures/table-engine/philox.js";

const FALSE_ALARM = 1e-6;
const RUNS = 120;
const PIECES = ["a", "b", "ab", " "];

/** The longest pieces from left to right. */
function tokenise(text: string): string[] {
  const tokens: string[] = [];
  for (let at = 0; at < text.length; at += tokens.at(-1)?.length ?? 1) {
    const fits = PIECES.filter((piece) => text.startsWith(piece, at));
    tokens.push(fits.sort((a, b) => b.length - a.length)[0] as string);
  }
  return tokens;
}

/** Probabilities of the next piece, by the last one. */
type Law = (last: string | undefined) => number[];

/** What follows an "a" is never a "b", which the tokenizer would read together with it. */
const canonical: Law = (last) => (last === "a" ? [0.6, 0, 0.1, 0.3] : [0.4, 0.1, 0.3, 0.2]);
/** What it draws, it reads otherwise half of the time. */
const careless: Law = (last) =>
  last === "a" ? [0.1, 0.7, 0.1, 0.1] : last === "ab" ? [0.1, 0.1, 0.1, 0.7] : [0.7, 0.1, 0.1, 0.1];

class TableServer implements Server {
  readonly facts: ServerFacts = {
    kind: "openai",
    release: "a table",
    model: "table",
    parameters: 0,
    sizeBytes: 0,
    contextLength: 1000,
    vocabSize: 0,
    prefixes: "texts",
    scores: false,
    perRequest: 8,
  };

  constructor(
    readonly law: Law,
    readonly counts = true,
  ) {}

  async checkMessages(_: readonly PlainMessage[]): Promise<void> {}

  async complete({ prefix, n, maxTokens, seed }: CompletionRequest): Promise<Completions> {
    const read = tokenise(prefix.text);
    const drawn = Array.from({ length: n }, (_, i): Drawn => {
      const tokens = [...read];
      const pieces = Array.from({ length: maxTokens }, (_, position) => {
        const law = this.law(tokens.at(-1));
        const [uniform] = uniforms([seed, i, 0], position, [1, 2]);
        const sums = law.map((_, k) => law.slice(0, k + 1).reduce((a, b) => a + b));
        const next = sums.findIndex((sum) => uniform < sum);
        tokens.push(PIECES[next] as string);
        const bytes = Buffer.from(PIECES[next] as string);
        return { id: null, bytes, logProb: Math.log(law[next] as number) };
      });
      return { pieces, endsWithToken: false, finish: "length" };
    });
    const prompt = this.counts ? read.length : 0;
    return { drawn, usage: { prompt, cached: 0, generated: n * maxTokens } };
  }
}

function modelOf(server: Server): RemoteModel {
  const address = readAddress("http://127.0.0.1:1/v1");
  return new RemoteModel(address, server, { close: () => {}, tokenizer: null });
}

const PROMPT = "b ";
/** All texts of three pieces, as the pieces' numbers. */
const TEXTS = PIECES.flatMap((_, a) => PIECES.flatMap((_, b) => PIECES.map((_, c) => [a, b, c])));

/** The law of three pieces; `reads` says what a text's last piece is taken for when it goes on. */
function lawOfTexts(law: Law, reads: (tokens: string[]) => string | undefined): number[] {
  return TEXTS.map((numbers) => {
    const tokens = [...tokenise(PROMPT)];
    return numbers.reduce((probability, number) => {
      const next = law(reads(tokens))[number] as number;
      tokens.push(PIECES[number] as string);
      return probability * next;
    }, 1);
  });
}

const asDrawn = (tokens: string[]) => tokens.at(-1);
const asRead = (tokens: string[]) => tokenise(tokens.join("")).at(-1);

async function runs(server: Server, count: number) {
  const model = modelOf(server);
  const results = [];
  for (let seed = 0; seed < count; seed++) {
    // One candidate, which is taken whatever it is worth: blocks of the policy itself.
    const options = { raw: true, temperature: 1, candidates: 1, rollouts: 1, maxTokens: 3 };
    const reward = () => 1;
    results.push(await ets(model, PROMPT, { ...options, blockTokens: 1, reward, seed }));
  }
  const counts = TEXTS.map(() => 0);
  for (const { logProbs, text } of results) {
    expect(logProbs).toHaveLength(3);
    const at = TEXTS.findIndex((numbers) => numbers.map((n) => PIECES[n]).join("") === text);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return { results, counts };
}

/** Texts that differ in their pieces alone are one. */
function byText(law: readonly number[]): number[] {
  const shown = TEXTS.map((numbers) => numbers.map((n) => PIECES[n]).join(""));
  const sums = TEXTS.map(() => 0);
  for (const [i, p] of law.entries()) {
    const at = shown.indexOf(shown[i] as string);
    sums[at] = (sums[at] ?? 0) + p;
  }
  return sums;
}

describe("blocks of a server that takes texts", () => {
  test("are the policy's where it reads what it drew, and the result says so", async () => {
    const { results, counts } = await runs(new TableServer(canonical), RUNS);
    expect(chiSquarePValue(counts, byText(lawOfTexts(canonical, asDrawn)))).toBeGreaterThan(
      FALSE_ALARM,
    );
    expect(results.every(({ usage }) => usage.retokenised === 0)).toBe(true);
    expect(new Set(results.map(({ law }) => law))).toEqual(new Set(["target"]));
  });

  test("are another law's where it reads other tokens, and the result says that", async () => {
    const { results, counts } = await runs(new TableServer(careless), RUNS);
    const own = byText(lawOfTexts(careless, asDrawn));
    expect(chiSquarePValue(counts, byText(lawOfTexts(careless, asRead)))).toBeGreaterThan(
      FALSE_ALARM,
    );
    expect(chiSquarePValue(counts, own)).toBeLessThan(FALSE_ALARM);
    const changed = results.filter(({ usage }) => (usage.retokenised ?? 0) > 0);
    expect(changed.length).toBeGreaterThan(RUNS / 10);
    for (const { law, warnings, steps } of results.slice(0, 100)) {
      const tokens = steps.flatMap(({ candidates }) => candidates.map(({ text }) => text));
      expect(tokens.length).toBeGreaterThan(0);
      const isChanged = warnings.some((warning) => warning.includes("other tokens"));
      expect(law).toBe(isChanged ? "biased" : "target");
    }
  });

  test("are not known to be the policy's where it counts nothing", async () => {
    const { results } = await runs(new TableServer(canonical, false), 3);
    expect(results.map(({ law }) => law)).toEqual(["biased", "biased", "biased"]);
  });

  test("need no border in a single step", async () => {
    const { law, usage } = await ets(modelOf(new TableServer(careless)), PROMPT, {
      raw: true,
      maxTokens: 5,
      steps: 1,
      candidates: 4,
      reward: () => 1,
    });
    expect([law, usage.retokenised]).toEqual(["target", 0]);
  });

  test("end within a budget of tokens", async () => {
    const { stopReason, usage } = await majority(modelOf(new TableServer(canonical)), PROMPT, {
      raw: true,
      maxTokens: 50,
      candidates: 4,
      budget: { tokens: 40 },
    });
    expect(stopReason).toBe("budget");
    expect(usage.generated).toBe(40);
  });

  test("are cut by mh wherever it likes, which the result says", async () => {
    const { law } = await mh(modelOf(new TableServer(careless)), PROMPT, {
      raw: true,
      maxTokens: 6,
      moves: 8,
      cuts: "uniform",
      reward: ({ text }) => text.length,
    });
    expect(law).toBe("biased");
  });
});

describe("what a server can't do is refused by name", () => {
  const model = modelOf(new TableServer(canonical));
  const options = { raw: true, maxTokens: 4, candidates: 2 };
  test.each([
    ["allowedTokens", { allowedTokens: [1] }],
    ["constraint", { constraint: { choices: ["a", "b"] } }],
    ["reasoning", { raw: false, chatTemplate: "chatml", reasoning: "high" as const }],
    ["tools", { raw: false, chatTemplate: "chatml", tools: [tool("look_up")] }],
  ])("%s", async (name, more) => {
    const refused = majority(model, PROMPT, { ...options, ...more });
    await expect(refused).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
      message: expect.stringMatching(new RegExp(`^\`?${name}.*\nTry: `, "i")),
    });
  });

  test("a chat without a template, token ids, entropies, and messages with special tokens", async () => {
    await expect(majority(model, "a", { maxTokens: 4 })).rejects.toMatchObject({
      code: "ERR_NO_CHAT_TEMPLATE",
      message: expect.stringContaining("chatml"),
    });
    await expect(majority(model, [1, 2], { maxTokens: 4 })).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
      message: expect.stringContaining("token ids"),
    });
    expect(() => model.tokenize()).toThrow("can't be had from this server");
    await expect(model.score("a", [[1]])).rejects.toMatchObject({ code: "ERR_UNSUPPORTED_MODEL" });
  });
});

function tool(name: string) {
  const parameters = { type: "object", properties: {} };
  return { type: "function" as const, function: { name, description: "", parameters } };
}

describe("what is drawn", () => {
  const drawn = (...texts: string[]): Drawn => ({
    pieces: texts.map((text) => ({ id: null, bytes: Buffer.from(text), logProb: 0 })),
    endsWithToken: false,
    finish: "length",
  });
  const none = { answerEnd: null };

  test("ends behind its answer, which may have begun before", () => {
    const answerEnd = { mark: "#### ", end: "\n" };
    const part = cut(drawn("5", "\n", "x"), { keep: false }, { answerEnd }, "#### ");
    expect([part.pieces.length, part.finish, part.isShorter]).toEqual([2, "answered", true]);
    expect(cut(drawn("5", "\n", "x"), { keep: false }, { answerEnd }, "").finish).toBe("length");
  });

  test("pauses behind the first line or sentence of enough tokens", () => {
    const lines = drawn("a", ".", "b", "\n", "c", "!", "d");
    const at = (pause: "line" | "sentence", pauseAfter: number, keep = true) =>
      cut(lines, { keep, pauseAfter }, { ...none, pause }, "").pieces.length;
    expect([at("line", 1), at("line", 4), at("line", 5)]).toEqual([4, 4, 7]);
    expect([at("sentence", 1), at("sentence", 3), at("sentence", 5)]).toEqual([2, 4, 6]);
    expect(at("line", 1, false)).toBe(7);
  });

  test("has each character with the last of its tokens, and knows where one is not whole", () => {
    expect(alignedTexts(["a", "\ufffd", "\ufffd", "b"], "aéb")).toEqual(["a", "", "é", "b"]);
    expect(alignedTexts(["a", "\ufffd"], "a\ufffd")).toEqual(["a", "\ufffd"]);
    expect(alignedTexts(["a", "<end>"], "a")).toEqual(["a", ""]);
    expect(alignedTexts([], "")).toEqual([]);
    expect(() => alignedTexts(["a", "b"], "abc")).toThrow("not those of its text");
    expect(endsWhole(drawn("a", "é").pieces)).toBe(true);
    expect(endsWhole(drawn("a", "\ufffd").pieces)).toBe(false);
    expect(endsWhole(drawn("a", "").pieces)).toBe(false);
  });
});
