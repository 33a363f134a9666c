/**
 * The native draw under a grammar against its definition: the policy's law of what is allowed,
 * renormalised, also for the tokens that are too unlikely to be asked about first.
 *
 * False alarms: 1e-6 for each of two checks, over the key, which is fixed.
 */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
import type { NativeContext } from "../../src/engine/local/native-context.js";
import type { NativeModel } from "../../src/engine/local/native-model.js";
import { openEngine } from "../../src/engine/local/open-engine.js";
import { UNLIMITED } from "../fixtures/generation.js";
import { PLAIN, referencePolicy } from "../fixtures/sampling.js";
import { chiSquarePValue, meanZ } from "../fixtures/statistics.js";
import { MAX_Z } from "../laws/law-model.js";

const MODEL = fileURLToPath(new URL("../../models/mini-gsm-ref.gguf", import.meta.url));
const DRAWS = 20_000;
const ALARM = 1e-6;
/** Nats below the largest logit up to which tokens are asked about first. */
const LIKELY = 10;
/** What may be left over beside the allowed likely tokens. */
const LEFT_OVER = 0.004;
const PROMPT = "Noah has 4";
const GRAMMAR = "root ::= [0-9A-Za-z ]+";
const IS_ALLOWED = /^[0-9A-Za-z ]+$/;

/** What a temperature makes of a row: the law of each token, and what is no likely token's. */
function lawAt(logits: Float32Array, temperature: number, isAllowed: readonly boolean[]) {
  const law = referencePolicy(logits, { ...PLAIN, temperature }).map(Math.exp);
  const floor = Math.max(...law) * Math.exp(-LIKELY);
  const sum = (of: (share: number, token: number) => boolean) =>
    law.filter(of).reduce((a, b) => a + b, 0);
  const likely = sum((share, token) => share >= floor && isAllowed[token] === true);
  const mass = sum((_, token) => isAllowed[token] === true);
  const leftOver = sum((share) => share < floor) / likely;
  return { temperature, law, floor, mass, unlikely: 1 - likely / mass, leftOver };
}

interface Prompted {
  model: NativeModel;
  context: NativeContext;
  /** The sequence that holds the prompt. */
  parent: number;
  prompt: Int32Array;
}

/** Calls the test with a context in which the prompt is prefilled, and closes it afterwards. */
async function withPrompt(use: (prompted: Prompted) => Promise<void>): Promise<void> {
  await openEngine(false);
  const model = await addon().loadModel({
    path: MODEL,
    gpuLayers: 0,
    cachesDiffusion: true,
    onProgress() {},
  }).promise;
  const context = new (addon().Context)();
  try {
    await context.open(model, {
      cells: 512,
      maxSequences: 4,
      maxOutputs: 4,
      batchSize: 64,
      threads: 1,
      flashAttention: 0 as const,
    });
    const parent = await context.create();
    const prompt = model.tokenize(PROMPT, true, false);
    await context.prefill([{ sequence: parent, tokens: prompt }]);
    await use({ model, context, parent, prompt });
  } finally {
    await context.close();
    await model.close();
  }
}

test("draws what is allowed with its probability, likely or not, and its mass in the mean", async () => {
  await withPrompt(async ({ model, context, parent, prompt }) => {
    const logits = await context.logits(parent);
    const isAllowed = Array.from(logits, (_, token) =>
      IS_ALLOWED.test(model.detokenize(Int32Array.of(token), false).toString("latin1")),
    );
    // Among the temperatures at which asking about the likely tokens first is enough, the one at which
    // most of what is allowed is none of them.
    const laws = Array.from({ length: 60 }, (_, i) => lawAt(logits, 0.6 + i / 25, isAllowed))
      .filter(({ leftOver }) => leftOver < LEFT_OVER)
      .sort((a, b) => b.unlikely - a.unlikely);
    const { temperature, law, floor, mass, unlikely } = laws[0] as (typeof laws)[number];
    expect(unlikely).toBeGreaterThan(LEFT_OVER / 10);

    const drawn = await context.generate({
      ...UNLIMITED,
      draws: Array.from({ length: DRAWS }, (_, i) => ({
        parent,
        stream: [i, 0, 0] as [number, number, number],
        position: prompt.length,
        maxTokens: 1,
        keep: false,
        keepEnded: false,
        text: new Int32Array(),
      })),
      sampling: { ...PLAIN, temperature, grammar: GRAMMAR },
      key: [1, 2],
    });
    const ofLikely = drawn.filter(({ tokens }) => (law[tokens[0] as number] as number) >= floor);
    const counts = [ofLikely.length, DRAWS - ofLikely.length];
    expect(drawn.every(({ tokens }) => isAllowed[tokens[0] as number])).toBe(true);
    expect(chiSquarePValue(counts, [1 - unlikely, unlikely])).toBeGreaterThan(ALARM);
    expect(chiSquarePValue([DRAWS, 0], [1 - unlikely, unlikely])).toBeLessThan(ALARM);
    const masses = drawn.map(({ logMasses = [] }) => Math.exp(logMasses[0] as number));
    expect(Math.abs(meanZ(masses, mass))).toBeLessThan(MAX_Z);
    expect(Math.abs(meanZ(masses, mass * (1 - unlikely)))).toBeGreaterThan(MAX_Z);
  });
});

test("a text that is too ambiguous is an error, and keeps no sequence", async () => {
  await withPrompt(async ({ model, context, parent }) => {
    const free = async () => (await context.status()).freeSequences;
    const before = await free();
    // n brackets have 2^n different readings.
    const draw = (brackets: number) =>
      context.generate({
        ...UNLIMITED,
        draws: [0, 1].map((stream) => ({
          parent,
          stream: [stream, 0, 0] as [number, number, number],
          position: 0,
          maxTokens: 1,
          keep: false,
          keepEnded: false,
          text: model.tokenize("(".repeat(brackets), false, false),
        })),
        sampling: { ...PLAIN, grammar: 'root ::= "(" root ")" | "(" root "]" | "x"' },
        key: [1, 2],
      });
    await expect(draw(20)).rejects.toMatchObject({ code: "ERR_CONSTRAINT" });
    expect(await free()).toBe(before);
    expect(await draw(5)).toHaveLength(2);
  });
});
