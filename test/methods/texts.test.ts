/** Where texts begin and end, whatever pieces and blocks they are drawn in. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import { METHODS } from "../../src/methods/registry.js";
import { expectWellEnded } from "../fixtures/ended-texts.js";
import { useModel } from "../fixtures/models.js";
import { modelOf, SPECIALS, sentencePiece } from "../fixtures/vocabularies.js";

const RUNS = {
  sample: {},
  "ets, blocks of 1": { method: "ets", blockTokens: 1, candidates: 2, rollouts: 1 },
  "ets, blocks of 2": { method: "ets", blockTokens: 2, candidates: 2, rollouts: 1 },
  "ets, blocks of 3": { method: "ets", blockTokens: 3, candidates: 2, rollouts: 1 },
  "ets, blocks of 7": { method: "ets", blockTokens: 7, candidates: 2, rollouts: 1 },
  "particle, blocks of 1": { method: "particle", blockTokens: 1, candidates: 3 },
  beam: { method: "beam", candidates: 2 },
  power: { method: "power", blockTokens: 2 },
  mh: { method: "mh", candidates: 4 },
} as Record<string, { method?: keyof typeof METHODS } & Record<string, unknown>>;

/** Draws by every method, of tokens with these texts alone. */
async function draw(
  model: Model,
  {
    prompt = "hello",
    pieces,
    stop = [],
    maxTokens = 16,
    name,
    seed = 1,
  }: {
    prompt?: string;
    pieces: readonly number[];
    stop?: string[];
    maxTokens?: number;
    name: string;
    seed?: number;
  },
) {
  const { method = "sample", ...options } = RUNS[name] ?? {};
  const result = await METHODS[method](model, prompt, {
    ...options,
    raw: true,
    allowedTokens: [...pieces],
    maxTokens,
    stop,
    seed,
    reward: () => 0,
  } as never);
  expectWellEnded(model, result, stop);
  return result;
}

describe("of a SentencePiece model", () => {
  let model: Model;
  let world: number;
  let hello: number;
  beforeAll(async () => {
    model = await modelOf(sentencePiece(["▁hello", "▁world"]));
    [hello = 0, world = 0] = model.tokenize("hello world");
  });
  afterAll(() => model.dispose());

  test.each(Object.keys(RUNS))("a continuation keeps its first space: %s", async (name) => {
    const { prompt, text, tokens } = await draw(model, { pieces: [world], maxTokens: 4, name });
    expect(prompt.text + text).toBe("hello world world world world");
    expect(model.detokenize(Int32Array.from([...model.tokenize("hello"), ...tokens]))).toBe(
      prompt.text + text,
    );
  });

  test("only the beginning of a document loses one", () => {
    for (const text of ["hello", " hello", "    hello", "", " "]) {
      const tokens = model.tokenize(text);
      expect(model.detokenize(tokens)).toBe(text);
      const bos = Int32Array.of(model.info.bos as number, ...tokens);
      expect(model.detokenize(bos)).toBe(text);
      expect(model.detokenize(bos, { special: true })).toBe(`<s>${text}`);
      const continued = model.detokenize(tokens, { continues: true });
      expect(continued).toBe(text === "" ? "" : ` ${text}`);
    }
  });

  test.each(Object.keys(RUNS))("a stop string with its space ends a text: %s", async (name) => {
    const { text, stopReason, tokens } = await draw(model, {
      pieces: [world],
      stop: [" world"],
      name,
    });
    expect({ text, stopReason, tokens }).toEqual({ text: "", stopReason: "stop", tokens: [world] });
  });

  test.each(Object.keys(RUNS))("a stop string across pieces ends a text: %s", async (name) => {
    const { text, stopReason } = await draw(model, { pieces: [world], stop: ["ld wo"], name });
    expect({ text, stopReason }).toEqual({ text: " wor", stopReason: "stop" });
  });

  test.each(Object.keys(RUNS))("never holds a stop string: %s", async (name) => {
    for (let seed = 1; seed <= 4; seed++) {
      await draw(model, {
        pieces: [hello, world],
        stop: ["hello world", "world world"],
        name,
        seed,
      });
    }
  });

  test.each(Object.keys(RUNS))("a stop string of bytes ends a text: %s", async (name) => {
    const pieces = [...model.tokenize("é")].slice(1);
    expect(pieces).toHaveLength(2);
    const drawn = [];
    for (let seed = 1; seed <= 8; seed++) {
      drawn.push(await draw(model, { pieces, stop: ["é"], maxTokens: 32, name, seed }));
    }
    // All but one in millions holds it somewhere.
    if (name !== "beam") expect(drawn.map((one) => one.stopReason)).toContain("stop");
  });
});

describe("of a byte-level model", () => {
  const model = useModel();

  test.each(Object.keys(RUNS))(
    "a special token that is a stop string ends a text: %s",
    async (name) => {
      const [start, end] = SPECIALS.map((s) => model().tokenize(s, { special: true })[0]);
      const special = model().isEndToken(start as number) ? end : start;
      const stop = [model().tokenText(special as number)];
      const { text, stopReason, tokens } = await draw(model(), {
        pieces: [special as number],
        stop,
        name,
      });
      expect({ text, stopReason, tokens }).toEqual({
        text: "",
        stopReason: "stop",
        tokens: [special],
      });
    },
  );

  test("a stop string with a special token in it is refused by name", async () => {
    const drawn = draw(model(), { pieces: [5], stop: ["x<|im_start|>"], name: "sample" });
    await expect(drawn).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: expect.stringMatching(/`stop`.*x<\|im_start\|>.*special token <\|im_start\|>/),
    });
  });
});
