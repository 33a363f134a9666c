/** Texts that pause where a line, a sentence or certainty ends, on llama.cpp and on a table. */
import { describe, expect, test } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import type { BlockEnd, Sequence, Sequences } from "../../src/engine/sequences.js";
import { useModel } from "../fixtures/models.js";
import { usePreciseModel } from "../fixtures/precise-model.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

const bundled = useModel("mini-gsm-ref");
const precise = usePreciseModel();
const table = new TableModel(hashedTable(4));

const LENGTH = 24;
const isEnd: Record<BlockEnd, (piece: string, entropy: number) => boolean> = {
  line: (piece) => piece.includes("\n"),
  sentence: (piece) => piece.includes("\n") || /[.!?]["')\]”]* *$/.test(piece),
  entropy: (_, entropy) => entropy >= Math.LN2,
};

/** Draws eight texts from a prompt, as far as they go without a pause or with one. */
async function drawFrom(
  model: Model,
  sequences: Sequences,
  parent: Sequence,
  allowedTokens: readonly number[],
  {
    pause,
    pauseAfter = 0,
    position = 0,
  }: { pause?: BlockEnd; pauseAfter?: number; position?: number },
) {
  return sequences.generate({
    draws: Array.from({ length: 8 }, (_, i) => ({
      parent,
      stream: [0, i, 0] as const,
      position,
      text: new Int32Array(),
      maxTokens: LENGTH - position,
      keep: true,
      pauseAfter,
    })),
    sampling: {
      // Every token comes up, but where their uncertainty is asked for.
      temperature: pause === "entropy" ? 1.5 : 50,
      topK: 0,
      topP: 1,
      minP: 0,
      allowedTokens,
      vocabLimit: model.info.vocabSize,
    },
    ...(pause && { pause }),
    metrics: ["entropies"],
    key: [5, 0],
    stopStrings: [],
    stopTokens: new Int32Array(),
    answerEnd: null,
    maxTotalTokens: 1e6,
    sharePrefixes: true,
    timeLimitMs: null,
  });
}

async function open(model: Model) {
  const sequences = await model.lease({ cells: 4096, sequences: 40, outputs: 64 });
  const parent = await sequences.create();
  await parent.prefill(model.tokenize("12+"));
  return { sequences, parent };
}

const MODELS: [string, () => Model, string[]][] = [
  ["llama.cpp", bundled, ["1", "2", ".", "?", "\n", " the"]],
  ["a table", () => table, ["1", "2", ".", "?", "\n", " "]],
];

describe.each(MODELS)("on %s", (_, model, pieces) => {
  test.each<BlockEnd>(["line", "sentence", "entropy"])(
    "a text pauses at its first %s, not before it may",
    async (pause) => {
      const allowed = pieces.flatMap((piece) => [...model().tokenize(piece)]);
      const tokens = [...new Set(allowed)].sort((a, b) => a - b);
      const { sequences, parent } = await open(model());
      for (const pauseAfter of [1, 4]) {
        const drawn = await drawFrom(model(), sequences, parent, tokens, { pause, pauseAfter });
        for (const { tokens: own, entropies, finish, sequence } of drawn) {
          expect(finish).toBe("length");
          const ends = Array.from(own, (token, i) => {
            const piece = model().detokenize(Int32Array.of(token), { continues: true });
            return i + 1 >= pauseAfter && isEnd[pause](piece, entropies?.[i] as number);
          });
          const first = ends.indexOf(true);
          expect(own.length).toBe(first < 0 ? LENGTH : first + 1);
          await sequence?.[Symbol.asyncDispose]();
        }
        expect(drawn.some(({ tokens: own }) => own.length < LENGTH)).toBe(true);
      }
      await model().release(sequences);
    },
  );
});

describe.each<[string, () => Model]>([
  ["llama.cpp", precise],
  ["a table", () => table],
])("on %s", (_, model) => {
  test("a text that goes on from its pause is the one without a pause", async () => {
    const symbols = ["1", "2", "+", "=", "\n"].map((s) => model().tokenize(s)[0] as number);
    const allowed = [...new Set(symbols)].sort((a, b) => a - b);
    const { sequences, parent } = await open(model());
    const whole = await drawFrom(model(), sequences, parent, allowed, {});
    const paused = await drawFrom(model(), sequences, parent, allowed, {
      pause: "line",
      pauseAfter: 2,
    });
    let pauses = 0;
    for (const [i, { tokens, sequence }] of paused.entries()) {
      if (tokens.length === LENGTH || sequence === null) continue;
      pauses++;
      const position = tokens.length;
      const rest = await drawFrom(model(), sequences, sequence, allowed, { position });
      const joined = [...tokens, ...(rest[i]?.tokens ?? [])];
      expect(joined).toEqual([...(whole[i]?.tokens ?? [])]);
      for (const text of rest) await text.sequence?.[Symbol.asyncDispose]();
    }
    expect(pauses).toBeGreaterThan(0);
    await model().release(sequences);
  });
});
