/**
 * What was read of a prompt serves later runs on the model: the same prompt is read once, a growing
 * chat each token once, and the results are those of a run that read everything.
 */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Usage } from "../../src/chain/chain.js";
import type { ChatMessage } from "../../src/engine/chat/messages.js";
import type { Model } from "../../src/engine/engine.js";
import type { Context } from "../../src/engine/local/context.js";
import { freeMachineBytes } from "../../src/engine/local/free-memory.js";
import { keptBytes } from "../../src/engine/local/kept-prompts.js";
import type { LocalSequence } from "../../src/engine/local/local-sequence.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import type { Sequence } from "../../src/engine/sequences.js";
import { ets } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import { METHODS } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import { sample } from "../../src/methods/sample.js";
import { encodeGguf, type Gguf } from "../fixtures/gguf-writer.js";
import { loadLocal, useModel } from "../fixtures/models.js";
import { usePreciseModel } from "../fixtures/precise-model.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyGemma2, tinyQwen3 } from "../fixtures/tiny-models.js";
import { tinyJamba, tinyLfm2, tinyMamba, tinyMamba2 } from "../fixtures/tiny-recurrent-models.js";

const FEW = { maxTokens: 12, seed: 3, raw: true } as const;
const FRESH = { ...FEW, prefixCache: false } as const;

/** A prompt in symbols of the precise model. */
const symbols = (length: number, salt = 0) =>
  Array.from({ length }, (_, i) => "12+="[(i * i + salt) % 4]).join("");

const precise = usePreciseModel();
const bundled = useModel();

/** Other runs may have kept something: a run on a prompt that none begins like. */
let salt = 0;
const newPrompt = (length: number) => `${salt++}=${symbols(length, salt)}`;

describe("a run", () => {
  test("reads a prompt once, and gives the same as one that reads it anew", async () => {
    const prompt = newPrompt(60);
    for (const [name, method] of Object.entries(METHODS)) {
      if (name === "ets-is") continue;
      const options = { ...FEW, candidates: 3, blockTokens: 4 };
      const given = Object.fromEntries(
        Object.entries(options).filter(
          ([key]) => key in FEW || (method.guidance as readonly string[]).includes(key),
        ),
      );
      const fresh = await method(precise(), prompt, { ...given, prefixCache: false });
      expect(fresh.usage.cached).toBe(0);
      const size = fresh.prompt.tokens.length;
      await method(precise(), prompt, given);
      const again = await method(precise(), prompt, given);
      expect(again.usage.cached, name).toBe(size);
      expect(again.usage.prefilled).toBe(fresh.usage.prefilled - size);
      expect(again.text).toBe(fresh.text);
      expect(again.tokens).toEqual(fresh.tokens);
      expect(again.usage.generated).toBe(fresh.usage.generated);
      expect(again.plan.model.tokens).toEqual(fresh.plan.model.tokens);
      for (const [i, logProb] of again.logProbs.entries()) {
        expect(logProb).toBeCloseTo(fresh.logProbs[i] as number, 4);
      }
    }
  });

  test("eight with one prompt, one after another, read it as often as a batch of them", async () => {
    const prompt = newPrompt(150);
    const usages: Usage[] = [];
    for (let seed = 0; seed < 8; seed++) {
      usages.push((await sample(precise(), prompt, { ...FEW, seed })).usage);
    }
    const { tokens } = await precise().encodePrompt(prompt, { raw: true });
    const sumOf = (name: "prefilled" | "cached") => usages.reduce((sum, u) => sum + u[name], 0);
    expect(sumOf("prefilled")).toBe(tokens.length);
    expect(sumOf("cached")).toBe(7 * tokens.length);
  });

  test("of a growing chat reads each token of it once, whatever its contexts are", async () => {
    const messages: ChatMessage[] = [{ role: "user", content: `Turn ${salt++}: what is 3 + 4?` }];
    let read = 0;
    for (let turn = 0; turn < 6; turn++) {
      const options = { ...FEW, raw: false, maxTokens: 40 + 100 * (turn % 2) };
      const method = turn % 3 === 2 ? ets : sample;
      const { usage, prompt } = await method(bundled(), messages, options);
      read += usage.prefilled;
      expect(read).toBe(prompt.tokens.length);
      expect(usage.prefilled + usage.cached).toBe(prompt.tokens.length);
      messages.push(
        { role: "assistant", content: "It is 7." },
        { role: "user", content: "And + 1?" },
      );
    }
  });

  test("is equal to the last bit where it takes over a whole prompt, whatever lay in the cache", async ({
    skip,
  }) => {
    skip(!bundled().describe().sharesAttention, "attention is the engine's");
    const prompt = newPrompt(80);
    const ask = (seed: number) => majority(bundled(), prompt, { ...FEW, candidates: 5, seed });
    const first = await ask(1);
    // Other texts take the cells that the prompt lay in.
    await majority(bundled(), newPrompt(70), { ...FEW, candidates: 5, maxTokens: 30 });
    const again = await ask(1);
    expect(first.usage.cached).toBe(0);
    expect(again.usage.prefilled).toBe(0);
    const drawn = ({ steps }: Result) => steps.flatMap(({ candidates }) => candidates);
    expect(drawn(again).map(({ logProbs }) => logProbs)).toEqual(
      drawn(first).map(({ logProbs }) => logProbs),
    );
  });

  test("goes on from a part of a kept prompt, cut back", async () => {
    const [start, ends] = [newPrompt(90), ["11++", "22==2"]];
    const { tokens } = await precise().encodePrompt(start, { raw: true });
    const first = await sample(precise(), start + ends[0], FEW);
    expect(first.usage.cached).toBe(0);
    const second = await sample(precise(), start + ends[1], FEW);
    expect(second.usage.cached).toBeGreaterThanOrEqual(tokens.length - 2);
    const fresh = await sample(precise(), start + ends[1], FRESH);
    expect(second.tokens).toEqual(fresh.tokens);
    // A prompt that ends within a kept one reads its last token again.
    const within = await sample(precise(), start, FEW);
    expect(within.usage.prefilled).toBeGreaterThan(0);
    expect(within.usage.cached).toBeGreaterThan(80);
    expect(within.tokens).toEqual((await sample(precise(), start, FRESH)).tokens);
  });

  test("takes nothing over of a prompt that only begins alike, or that another way read", async () => {
    const prompt = newPrompt(60);
    await sample(precise(), prompt, FEW);
    const other = await sample(precise(), `${prompt.slice(0, 20)}${"=".repeat(40)}`, FEW);
    expect(other.usage.cached).toBe(0);
    const context = await precise().lease({ cells: 256, sequences: 2, flashAttention: false });
    const tokens = Int32Array.from(other.prompt.tokens);
    const way = context.options.flashAttention;
    expect(other.plan.model.flashAttention).not.toBe(way);
    expect(await context.prompts.recall(tokens)).toBeNull();
    await precise().release(context);
  });

  test("that is aborted, or out of budget before it has read its prompt, leaves nothing wrong", async () => {
    const prompt = newPrompt(100);
    const fresh = await sample(precise(), prompt, FRESH);
    const controller = new AbortController();
    const run = sample(precise(), prompt, { ...FEW, signal: controller.signal, maxTokens: 300 });
    controller.abort(new Error("no more"));
    await expect(run).rejects.toThrow("no more");
    await sample(precise(), prompt, { ...FEW, budget: { ms: 1e-6 } });
    for (let i = 0; i < 2; i++) {
      expect((await sample(precise(), prompt, FEW)).tokens).toEqual(fresh.tokens);
    }
  });

  test("beside others in a shared context takes over what was read, too", async () => {
    const prompt = newPrompt(80);
    const fresh = await sample(precise(), prompt, FRESH);
    const { plan } = fresh;
    const room = await precise().share({
      ...plan.model,
      cells: 4 * plan.model.cells,
      sequences: 20,
    });
    try {
      const first = await sample(precise(), prompt, FEW);
      const all = await Promise.all([1, 2, 3].map(() => sample(precise(), prompt, FEW)));
      for (const { usage, tokens } of all) {
        expect(usage).toMatchObject({ prefilled: 0, cached: first.prompt.tokens.length });
        expect(tokens).toEqual(fresh.tokens);
      }
    } finally {
      await room[Symbol.asyncDispose]();
    }
  });
});

const families: [string, "any" | "tip", Gguf][] = [
  ["qwen3", "any", tinyQwen3()],
  ["gemma2", "tip", tinyGemma2()],
  ["mamba", "tip", tinyMamba()],
  ["mamba2", "tip", tinyMamba2()],
  ["jamba", "tip", tinyJamba()],
  ["lfm2", "tip", tinyLfm2()],
];

describe.each(families)("a kept prompt of %s", (name, rewind, gguf) => {
  let model: LocalModel;
  beforeAll(async () => {
    model = await loadLocal(temporaryFile(`${name}.gguf`, encodeGguf(gguf)), { gpu: false });
  });
  afterEach(() => model.dispose());

  const ids = (length: number, from: number) =>
    Int32Array.from({ length }, (_, i) => 20 + ((from + 7 * i * i + 13 * i) % 300));
  const open = (cells: number) => model.lease({ cells, sequences: 4, batchTokens: 64 });
  const read = async (context: Context, tokens: Int32Array) => {
    const sequence = await context.create();
    for (let from = 0; from < tokens.length; from += 50) {
      await sequence.prefill(tokens.subarray(from, from + 50));
    }
    return sequence;
  };

  test("is what was read, and is gone on from as that is, in other contexts and forks", async () => {
    const before = keptBytes(); // of other models
    const prompt = ids(100, 1);
    const longer = Int32Array.from([...prompt, ...ids(20, 5)]);
    let context = await open(256);
    const parent = await read(context, prompt);
    const row = await parent.logits();
    await (await parent.fork()).prefill(ids(9, 3));
    await context.prompts.keep(parent, prompt);
    expect(keptBytes()).toBeGreaterThan(before);
    await model.release(context);

    context = await open(1024); // another one, for the first is too small
    expect(context.rewind).toBe(rewind);
    const other = await read(context, ids(40, 9));
    const recalled = async (tokens: Int32Array) => {
      const found = await context.prompts.recall(tokens);
      expect(found?.length).toBe(prompt.length);
      return found?.sequence as Sequence as LocalSequence;
    };
    expect(await (await recalled(prompt)).logits()).toEqual(row);
    const fork = await (await recalled(longer)).fork();
    await context.prefill([
      { sequence: fork, tokens: longer.subarray(100) },
      { sequence: other, tokens: ids(20, 2) },
    ]);
    const continued = await fork.logits();
    await context.clear();
    const whole = await (await read(context, longer)).logits();
    const wrong = await (await read(context, ids(120, 1))).logits();
    const apart = distance(wrong, whole);
    expect(apart).toBeGreaterThan(0.05);
    expect(distance(continued, whole)).toBeLessThan(0.02 * apart);

    // A part of it, only where texts can be cut back.
    const part = Int32Array.from([...prompt.subarray(0, 60), ...ids(30, 8)]);
    const found = await context.prompts.recall(part);
    expect(found?.length ?? 0).toBe(rewind === "any" ? 60 : 0);
    const { restored } = await context.status();
    expect(restored).toBe(200 + (rewind === "any" ? 60 : 0));
    await model.dispose();
    expect(keptBytes()).toBe(before);
  });
});

describe("memory of kept prompts", () => {
  test("counts as free, and makes way for a context that needs it", async () => {
    await using model = await loadLocal("mini-gsm-ref", { gpu: false });
    const before = keptBytes();
    const prompt = Int32Array.from({ length: 200 }, (_, i) => 20 + (i % 300));
    const context = await model.lease({ cells: 512, sequences: 2 });
    const sequence = await context.create();
    await sequence.prefill(prompt);
    await context.prompts.keep(sequence, prompt);
    const bytes = keptBytes() - before;
    const { kvCache, logits } = model.memoryOf({
      cells: 256,
      sequences: 1,
      batchTokens: 1,
      outputs: 1,
      flashAttention: false,
      logitRows: 1,
      batches: [{ tokens: 1, cells: 256, outputs: 1 }],
    });
    const cells = (kvCache * prompt.length) / 256;
    expect(bytes / (cells + logits)).toBeGreaterThan(1);
    expect(bytes / (cells + logits)).toBeLessThan(1.1);

    const free = freeMachineBytes();
    const small = { kvCache: 2 ** 20, compute: 0, logits: 0 };
    await model.release(await model.lease({ cells: 256, sequences: 1, memory: small }));
    expect(keptBytes()).toBe(before + bytes);
    const twice = { kvCache: 2 * free, compute: 0, logits: 0 };
    const refused = model.lease({ cells: 256, sequences: 1, memory: twice });
    await expect(refused).rejects.toThrow(expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }));
    expect(keptBytes()).toBe(before + bytes); // nothing makes way for what can't be had
    const all = { kvCache: 0.95 * free, compute: 0, logits: 0 };
    await model.release(await model.lease({ cells: 256, sequences: 1, memory: all }));
    expect(keptBytes()).toBe(0);
  });
});

describe("on the table engine, whose texts can or can't be cut,", () => {
  test.each([[[]], [["cut"]]] as const)("runs give the very same (lacks %j)", async (lacks) => {
    const model: Model = new TableModel(hashedTable(5), { lacks });
    const options = { candidates: 3, rollouts: 2, maxTokens: 12, blockTokens: 4, seed: 9 };
    const prompts = ["abc", "abcde", "abcdefg", "abc"];
    for (const [i, prompt] of prompts.entries()) {
      const fresh = await ets(model, prompt, { ...options, raw: true, prefixCache: false });
      const cached = await ets(model, prompt, { ...options, raw: true });
      expect(cached.usage.cached).toBe([0, 3, 5, 3][i]);
      expect(cached.usage.prefilled + cached.usage.cached).toBe(prompt.length);
      expect(cached.text).toBe(fresh.text);
      expect(cached.steps.map((step) => step.weights)).toEqual(fresh.steps.map((s) => s.weights));
    }
  });
});

/** The mean difference of two rows. */
function distance(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, i) => sum + Math.abs(x - (b[i] as number)), 0) / a.length;
}
