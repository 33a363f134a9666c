/** Large vocabularies are sampled by several threads: what a row gives doesn't depend on them. */
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
import type {
  NativeContext,
  NativeGenerateRequest,
} from "../../src/engine/local/native-context.js";
import type { NativeModel, NativeSampling } from "../../src/engine/local/native-model.js";
import { openEngine } from "../../src/engine/local/open-engine.js";
import { encodeGguf, type Gguf, list, tensor } from "../fixtures/gguf-writer.js";
import { PLAIN } from "../fixtures/sampling.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyQwen3 } from "../fixtures/tiny-models.js";

const VOCABULARY = 20_000;
const THREADS = 4;
const KEY: [number, number] = [11, 12];
const POLICIES: [string, NativeSampling][] = [
  ["plain", PLAIN],
  ["tempered", { ...PLAIN, temperature: 0.7 }],
  ["top-k and top-p", { ...PLAIN, temperature: 0.6, topK: 20, topP: 0.95 }],
  ["top-p", { ...PLAIN, topP: 0.95 }],
  ["greedy", { ...PLAIN, temperature: 0 }],
];

/** A tiny model with a large vocabulary: 40 rows are 800,000 logits. */
function wideModel(): Gguf {
  const model = tinyQwen3();
  const extend = (key: string, of: "string" | "i32", value: (i: number) => string | number) => {
    const old = model.metadata.get(key);
    if (old?.type !== "array") return;
    const more = Array.from({ length: VOCABULARY - old.values.length }, (_, i) => value(i));
    model.metadata.set(key, list(of, [...old.values, ...more]));
  };
  extend("tokenizer.ggml.tokens", "string", (i) => `[wide${i}]`);
  extend("tokenizer.ggml.token_type", "i32", () => 1);
  const at = model.tensors.findIndex(({ name }) => name === "token_embd.weight");
  const [width = 0] = model.tensors[at]?.shape ?? [];
  model.tensors[at] = tensor("token_embd.weight", [width, VOCABULARY]);
  return model;
}

async function load(name: string, gguf: Gguf): Promise<NativeModel> {
  const path = temporaryFile(name, encodeGguf(gguf));
  return addon().loadModel({ path, gpuLayers: 0, cachesDiffusion: true, onProgress() {} }).promise;
}

async function open(model: NativeModel, threads = THREADS): Promise<NativeContext> {
  const context = new (addon().Context)();
  await context.open(model, {
    cells: 512,
    maxSequences: 48,
    batchSize: 64,
    maxOutputs: 64,
    threads,
    batchThreads: 1,
    flashAttention: 0,
  });
  return context;
}

/** Five prompts, whose rows of logits differ. */
async function prefilled(context: NativeContext): Promise<number[]> {
  const parents: number[] = [];
  for (let i = 0; i < 5; i++) {
    const sequence = await context.create();
    await context.prefill([{ sequence, tokens: Int32Array.of(3 + i, 40 + 3 * i) }]);
    parents.push(sequence);
  }
  return parents;
}

/** Forty continuations of one token, which are drawn side by side. */
function requestOf(parents: number[], sampling: NativeSampling): NativeGenerateRequest {
  const draws = Array.from({ length: 40 }, (_, i) => ({
    parent: parents[i % parents.length] as number,
    stream: [i, 1, 2] as [number, number, number],
    position: 9,
    maxTokens: 1,
    keep: false,
    keepEnded: false,
    text: new Int32Array(),
  }));
  const rest = {
    stopStrings: [],
    stopTokens: new Int32Array(),
    answerEnd: null,
    maxTotalTokens: 1e9,
    sharePrefixes: false,
  };
  return { draws, sampling, key: KEY, timeLimitMs: null, ...rest };
}

/** The uniform on [0, 1) of a draw's random counter: its 53 highest bits. */
function uniformOf(stream: number[], position: number): number {
  // As `shift-seeds.mjs` shifts the keys of requests.
  const shift = Number(process.env.LLAMA_ETS_TEST_SEED_SHIFT ?? 0);
  const [high = 0, low = 0] = addon().philox([...stream, position], [KEY[0] + shift, KEY[1]]);
  return (high * 2 ** 21 + Math.floor(low / 2 ** 11)) / 2 ** 53;
}

let model: NativeModel;
beforeAll(async () => {
  await openEngine(false);
  model = await load("wide.gguf", wideModel());
});
afterAll(() => model.close());

describe("the threads that sample", () => {
  const threadsNow = () => readdirSync("/proc/self/task").length;

  test.runIf(process.platform === "linux")(
    "are as many as the context's, made when rows are many, and end with it",
    async () => {
      const context = await open(model);
      const parents = await prefilled(context);
      const before = threadsNow();
      const few = requestOf(parents, PLAIN);
      await context.generate({ ...few, draws: few.draws.slice(0, 2) });
      expect(threadsNow()).toBe(before);
      await context.generate(requestOf(parents, PLAIN));
      expect(threadsNow()).toBe(before + THREADS - 1);
      await context.close();
      expect(threadsNow()).toBe(before - 1); // the engine thread has ended too
      const smaller = await open(model, 2);
      await smaller.generate(requestOf(await prefilled(smaller), PLAIN));
      expect(threadsNow()).toBe(before + 1);
      await smaller.close();
    },
  );
});

describe.each(POLICIES)("with a policy that is %s,", (_, sampling) => {
  test("each of many rows draws what it draws by itself, bit for bit", async () => {
    const context = await open(model);
    const parents = await prefilled(context);
    const rows = await Promise.all(parents.map((parent) => context.logits(parent)));
    const request = requestOf(parents, sampling);
    for (let round = 0; round < 5; round++) {
      const drawn = await context.generate(request);
      for (const [i, { tokens, logProbs, rawLogProbs }] of drawn.entries()) {
        const stream = request.draws[i]?.stream as number[];
        const row = rows[i % rows.length] as Float32Array;
        const own = { token: tokens[0], logProb: logProbs[0], rawLogProb: rawLogProbs[0] };
        const alone = addon().drawToken(row, sampling, uniformOf(stream, 9));
        expect({ ...own, drawnLogProb: alone.drawnLogProb }).toEqual(alone);
      }
    }
    await context.close();
  });

  test("each of many rows scores what it scores by itself, bit for bit", async () => {
    const context = await open(model);
    const parents = await prefilled(context);
    const rows = await Promise.all(parents.map((parent) => context.logits(parent)));
    const requests = Array.from({ length: 40 }, (_, i) => ({
      parent: parents[i % parents.length] as number,
      tokens: Int32Array.of((i * 487) % VOCABULARY),
      keep: false,
    }));
    const scored = await context.score(requests, sampling);
    for (const [i, { logProbs, rawLogProbs }] of scored.entries()) {
      const token = requests[i]?.tokens[0] as number;
      expect({ token, logProb: logProbs[0], rawLogProb: rawLogProbs[0] }).toEqual(
        addon().scoreToken(rows[i % rows.length] as Float32Array, sampling, token),
      );
    }
    await context.close();
  });
});

describe("the threads", () => {
  test("stop when the call is aborted, and go on with the next", async () => {
    const context = await open(model);
    const parents = await prefilled(context);
    const request = requestOf(parents, PLAIN);
    // The first may be done before the abort; the last can't be.
    const running = [1, 2, 3].map(() => context.generate(request));
    context.abort();
    const ends = await Promise.allSettled(running);
    expect(ends.at(-1)).toMatchObject({ status: "rejected", reason: { code: "ERR_ABORTED" } });
    expect(await context.generate(request)).toHaveLength(40);
    expect(await context.status()).toMatchObject({ sequences: 5 });
    await context.close();
  });

  test("report a row of NaN as one thread does, and keep nothing", async () => {
    const gguf = wideModel();
    for (const t of gguf.tensors) if (t.name === "output_norm.weight") t.data.fill(0xff);
    const broken = await load("nan.gguf", gguf);
    for (const threads of [1, THREADS]) {
      const context = await open(broken, threads);
      const parents = await prefilled(context);
      for (let round = 0; round < 3; round++) {
        await expect(context.generate(requestOf(parents, PLAIN))).rejects.toMatchObject({
          code: "ERR_INVALID_LOGITS",
          message: expect.stringMatching(/NaN or infinity/),
        });
      }
      expect(await context.status()).toMatchObject({ sequences: 5, usedCells: 10, generated: 0 });
      await context.close();
    }
    broken.close();
  });
});
