/** The addon's border: whatever is called with whatever, a coded error comes back and no crash. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
import type {
  NativeContext,
  NativeGenerateRequest,
} from "../../src/engine/local/native-context.js";
import type { NativeModel, NativeSampling } from "../../src/engine/local/native-model.js";
import { openEngine } from "../../src/engine/local/open-engine.js";
import { encodeGguf } from "../fixtures/gguf-writer.js";
import { childPackage } from "../fixtures/load-in-child.js";
import { runChild } from "../fixtures/package-copy.js";
import { PLAIN } from "../fixtures/sampling.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyBert } from "../fixtures/tiny-models.js";

const MODEL = fileURLToPath(new URL("../../models/mini-gsm-proposal.gguf", import.meta.url));
const OPTIONS = {
  cells: 256,
  maxSequences: 4,
  batchSize: 64,
  maxOutputs: 16,
  threads: 1,
  flashAttention: -1 as const,
};
const TOKENS = Int32Array.of(5, 6);

const load = (path = MODEL) =>
  addon().loadModel({ path, gpuLayers: 0, cachesDiffusion: true, onProgress() {} }).promise;
const drawOf = (parent: number) => ({
  parent,
  stream: [0, 0, 0] as [0, 0, 0],
  position: 0,
  maxTokens: 2,
  keep: false,
  keepEnded: false,
  text: new Int32Array(),
});
const requestOf = (parent: number, more: Partial<NativeGenerateRequest> = {}) => ({
  draws: [drawOf(parent)],
  sampling: PLAIN,
  key: [1, 2] as [number, number],
  stopStrings: [],
  stopTokens: new Int32Array(),
  answerEnd: null,
  maxTotalTokens: 8,
  sharePrefixes: true,
  timeLimitMs: null,
  ...more,
});

/** The code of what is thrown or rejected; "none" when nothing is. */
async function codeFrom(call: () => unknown): Promise<unknown> {
  try {
    await call();
    return "none";
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

let model: NativeModel;
beforeAll(async () => {
  await openEngine(false);
  model = await load();
});
afterAll(() => model.close());

async function opened(): Promise<{ context: NativeContext; sequence: number }> {
  const context = new (addon().Context)();
  await context.open(model, OPTIONS);
  const sequence = await context.create();
  await context.prefill([{ sequence, tokens: TOKENS }]);
  return { context, sequence };
}

/** Every method that works on an open context, with arguments it takes there. */
const CALLS: [string, (context: NativeContext) => unknown][] = [
  ["create", (c) => c.create()],
  ["fork", (c) => c.fork(1)],
  ["truncate", (c) => c.truncate(1, 1)],
  ["free", (c) => c.free(1)],
  ["clear", (c) => c.clear()],
  ["prefill", (c) => c.prefill([{ sequence: 1, tokens: TOKENS }])],
  ["logits", (c) => c.logits(1)],
  ["save", (c) => c.save(1)],
  ["generate", (c) => c.generate(requestOf(1))],
  ["score", (c) => c.score([{ parent: 1, tokens: TOKENS, keep: true }], PLAIN)],
  ["expand", (c) => c.expand([{ parent: 1, token: 5 }], 3, PLAIN)],
  ["timeDecodes", (c) => c.timeDecodes(1, 1, 1000)],
  ["status", (c) => c.status()],
  ["close", (c) => c.close()],
];

describe("wrong arguments, in a process of their own:", () => {
  test("every method refuses them with a coded error, and keeps nothing of the call", async () => {
    const args = [MODEL, "20240607", "1500"];
    const finished = await runChild("fuzz-addon.mjs", childPackage(), args);
    expect(finished, finished.stderr.slice(-400)).toMatchObject({ code: 0, signal: null });
    const { calls, violations, before, after } = JSON.parse(finished.stdout);
    expect(violations).toEqual([]);
    expect(calls).toBeGreaterThan(3000);
    expect(after).toBe(before);
  });
});

/** In a process of its own, since it is a crash that must not happen. */
describe("an object with another's prototype", () => {
  test("is refused where a model is expected, and as the receiver of a method", async () => {
    const finished = await runChild("swap-prototypes.mjs", childPackage(), [MODEL]);
    expect(finished, finished.stderr.slice(-400)).toMatchObject({ code: 0, signal: null });
    expect(JSON.parse(finished.stdout)).toEqual({
      "a context to open": "ERR_INVALID_ARGUMENT",
      "a context to firstTokenDifference": "ERR_INVALID_ARGUMENT",
      "a plain object to open": "ERR_INVALID_ARGUMENT",
      "a plain object to firstTokenDifference": "ERR_INVALID_ARGUMENT",
      "a model's proxy to open": "ERR_INVALID_ARGUMENT",
      "info of a context": "TypeError",
      "info of a plain object": "TypeError",
      "progress of a model": "TypeError",
      "the model itself": "none",
    });
  });
});

describe("a context's methods:", () => {
  test.each(CALLS)("%s before open is ERR_DISPOSED", async (_, call) => {
    const context = new (addon().Context)();
    expect(await codeFrom(() => call(context))).toBe("ERR_DISPOSED");
  });

  test.each(CALLS)("%s after close is ERR_DISPOSED", async (_, call) => {
    const { context } = await opened();
    await context.close();
    expect(await codeFrom(() => call(context))).toBe("ERR_DISPOSED");
  });

  test("every one after an open that failed is ERR_DISPOSED; close is not needed but taken", async () => {
    const file = temporaryFile("bert.gguf", encodeGguf(tinyBert()));
    const cacheless = await load(file);
    const context = new (addon().Context)();
    expect(await codeFrom(() => context.open(cacheless, OPTIONS))).toBe("ERR_UNSUPPORTED_MODEL");
    for (const [name, call] of CALLS) {
      const code = await codeFrom(() => call(context));
      expect(code, name).toBe(name === "close" ? "none" : "ERR_DISPOSED");
    }
    cacheless.close();
  });

  test("progress and abort can be called at any time", async () => {
    const context = new (addon().Context)();
    expect(context.progress()).toBe(0);
    context.abort();
    await context.open(model, OPTIONS);
    context.abort();
    expect(await context.create()).toBeGreaterThan(0);
    await context.close();
    expect(context.progress()).toBe(0);
    context.abort();
  });

  test("open works once", async () => {
    const { context } = await opened();
    expect(await codeFrom(() => context.open(model, OPTIONS))).toBe("ERR_INVALID_STATE");
    await context.close();
    expect(await codeFrom(() => context.open(model, OPTIONS))).toBe("ERR_INVALID_STATE");
  });

  test("calls made before close are finished before it", async () => {
    const { context, sequence } = await opened();
    const drawing = context.generate(requestOf(sequence));
    const closing = context.close();
    expect((await drawing)[0]?.tokens.length).toBeGreaterThan(0);
    await closing;
  });

  test("nothing to do is done: no draws and no requests give no results", async () => {
    const { context } = await opened();
    expect(await context.generate(requestOf(1, { draws: [] }))).toEqual([]);
    expect(await context.score([], PLAIN)).toEqual([]);
    expect(await context.expand([], 1, PLAIN)).toEqual([]);
    await context.close();
  });

  test("what was saved of a sequence is taken over whole, in part, or not at all", async () => {
    const { context, sequence } = await opened();
    const saved = await context.save(sequence);
    expect(saved.bytes()).toBeGreaterThan(4 * model.info().vocabSize);
    const [whole, part] = [await context.restore(saved, 2), await context.restore(saved, 1)];
    expect(await context.logits(whole)).toEqual(await context.logits(sequence));
    expect(await codeFrom(() => context.logits(part))).toBe("ERR_INVALID_STATE");
    await context.prefill([{ sequence: part, tokens: TOKENS.subarray(1) }]);
    expect(await context.status()).toMatchObject({ restored: 3, usedCells: 2 + 2 + 1 + 1 });

    const product = new (addon().Context)();
    await product.open(model, { ...OPTIONS, flashAttention: 0 });
    expect(await codeFrom(() => product.restore(saved, 2))).toBe("ERR_ENGINE_FAILED");
    expect(await product.status()).toMatchObject({ sequences: 0, freeSequences: 4, usedCells: 0 });
    await product.close();
    await context.create(); // the last that is free
    expect(await codeFrom(() => context.restore(saved, 2))).toBe("ERR_CONTEXT_FULL");
    saved.free();
    expect(saved.bytes()).toBe(0);
    expect(await codeFrom(() => context.restore(saved, 2))).toBe("ERR_DISPOSED");
    await context.close();
  });

  test("an exception of the caller's own getter is passed on as it is", async () => {
    const { context, sequence } = await opened();
    const own = new RangeError("mine");
    const request = requestOf(sequence);
    Object.defineProperty(request.draws[0], "maxTokens", {
      get() {
        throw own;
      },
    });
    await expect(async () => context.generate(request)).rejects.toBe(own);
    await context.close();
  });

  test("a getter that closes the context is survived", async () => {
    const { context, sequence } = await opened();
    const request = requestOf(sequence);
    let closing: Promise<void> | undefined;
    Object.defineProperty(request, "maxTotalTokens", {
      get() {
        closing = context.close();
        return 8;
      },
    });
    expect(await codeFrom(() => context.generate(request))).toBe("ERR_DISPOSED");
    await closing;
  });
});

describe("memory and arrays that change while they are read", () => {
  // TypeScript's library for Node 20 doesn't know buffers of another size.
  const Resizable = ArrayBuffer as unknown as new (
    bytes: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer & { resize(bytes: number): void };

  test("memory that is gone has no tokens, and shared memory has its own", async () => {
    const { context, sequence } = await opened();
    const score = (tokens: Int32Array) =>
      context.score([{ parent: sequence, tokens, keep: false }], PLAIN);
    const gone = Int32Array.from(TOKENS);
    structuredClone(gone, { transfer: [gone.buffer] });
    expect(await codeFrom(() => score(gone))).toBe("ERR_INVALID_ARGUMENT");
    const shared = new Int32Array(new SharedArrayBuffer(8));
    shared.set(TOKENS);
    expect(await score(shared)).toEqual(await score(TOKENS));
    await context.close();
  });

  test("a getter that resizes a buffer is read with what the buffer has then", async () => {
    const { context, sequence } = await opened();
    const buffer = new Resizable(1 << 16, { maxByteLength: 1 << 17 });
    const tokens = new Int32Array(buffer);
    tokens.set(TOKENS);
    const request = {
      get parent() {
        buffer.resize(8);
        return sequence;
      },
      tokens,
      keep: false,
    };
    Object.defineProperty(request, "keep", {
      get() {
        buffer.resize(0);
        return false;
      },
    });
    const [scores] = await context.score([request], PLAIN);
    expect(scores?.logProbs).toHaveLength(2);
    await context.close();
  });

  test("an array that a getter lengthens has its first length", async () => {
    const { context, sequence } = await opened();
    const requests: { parent: number; tokens: Int32Array; keep: boolean }[] = [];
    Object.defineProperty(requests, 0, {
      get() {
        requests.length += 1;
        return { parent: sequence, tokens: TOKENS, keep: false };
      },
    });
    expect(await context.score(requests, PLAIN)).toHaveLength(1);
    await context.close();
  });
});

test("a path with U+0000 is none", async () => {
  expect(await codeFrom(() => addon().checkModel(`${MODEL}\0`))).toBe("ERR_INVALID_ARGUMENT");
  expect(await codeFrom(() => load(`${MODEL}\0`))).toBe("ERR_INVALID_ARGUMENT");
});

describe("a sequence's handle is refused with ERR_DISPOSED", () => {
  const WITH_HANDLE: [string, (context: NativeContext, handle: number) => unknown][] = [
    ["fork", (c, handle) => c.fork(handle)],
    ["truncate", (c, handle) => c.truncate(handle, 0)],
    ["free", (c, handle) => c.free(handle)],
    ["logits", (c, handle) => c.logits(handle)],
    ["save", (c, handle) => c.save(handle)],
    ["prefill", (c, handle) => c.prefill([{ sequence: handle, tokens: TOKENS }])],
    ["generate", (c, handle) => c.generate(requestOf(handle))],
    ["score", (c, handle) => c.score([{ parent: handle, tokens: TOKENS, keep: true }], PLAIN)],
    ["expand", (c, handle) => c.expand([{ parent: handle, token: 5 }], 3, PLAIN)],
  ];

  test.each(WITH_HANDLE)("by %s once it was freed or cleared", async (_, call) => {
    const { context, sequence } = await opened();
    const freed = await context.fork(sequence);
    await context.free(freed);
    expect(await codeFrom(() => call(context, freed))).toBe("ERR_DISPOSED");
    await context.clear();
    expect(await codeFrom(() => call(context, sequence))).toBe("ERR_DISPOSED");
    await context.close();
  });

  test("by a context that it is not of", async () => {
    const { context } = await opened();
    const { context: other, sequence: foreign } = await opened();
    const code = await codeFrom(() => context.fork(foreign));
    await Promise.all([context.close(), other.close()]);
    expect(code).toBe("ERR_DISPOSED");
  });
});

describe("the largest and smallest arguments that are taken", () => {
  const extremes: [string, Partial<NativeSampling>][] = [
    ["a temperature of 0", { temperature: 0 }],
    ["a temperature of 1e-3", { temperature: 1e-3 }],
    ["a temperature of 1e6", { temperature: 1e6 }],
    ["top-k of 2^31 - 1", { topK: 2 ** 31 - 1 }],
    ["top-p of 0", { topP: 0 }],
    ["min-p of 1", { minP: 1 }],
    ["one allowed token", { allowedTokens: Int32Array.of(0) }],
    ["a vocabulary of one token", { vocabLimit: 1 }],
    ["all at once", { temperature: 1e6, topK: 1, topP: 0, minP: 1 }],
  ];
  test.each(extremes)("%s draws and scores finite log-probabilities", async (_, sampling) => {
    const { context, sequence } = await opened();
    const policy = { ...PLAIN, ...sampling };
    const [drawn] = await context.generate(requestOf(sequence, { sampling: policy }));
    const tokens = drawn?.tokens ?? new Int32Array();
    const [scored] = await context.score([{ parent: sequence, tokens, keep: false }], policy);
    for (const result of [drawn, scored]) {
      const logProbs = [...(result?.logProbs ?? []), ...(result?.rawLogProbs ?? [])];
      expect(logProbs).toHaveLength(2 * tokens.length);
      for (const logProb of logProbs) expect(logProb).toBeGreaterThan(Number.NEGATIVE_INFINITY);
      for (const logProb of logProbs) expect(logProb).toBeLessThanOrEqual(1e-6);
    }
    await context.close();
  });

  test("more tokens than there are cells is ERR_CONTEXT_FULL, and the context works on", async () => {
    const { context, sequence } = await opened();
    const [draw] = requestOf(sequence).draws;
    if (draw === undefined) throw new Error("unreachable: there is one");
    const endless = requestOf(sequence, { draws: [{ ...draw, maxTokens: 2 ** 30 }] });
    expect(await codeFrom(() => context.generate(endless))).toBe("ERR_CONTEXT_FULL");
    const long = new Int32Array(257).fill(5);
    const prefill = () => context.prefill([{ sequence, tokens: long }]);
    expect(await codeFrom(prefill)).toBe("ERR_CONTEXT_FULL");
    const score = () => context.score([{ parent: sequence, tokens: long, keep: true }], PLAIN);
    expect(await codeFrom(score)).toBe("ERR_CONTEXT_FULL");
    const many = [context.create(), context.create(), context.create(), context.create()];
    const codes = await Promise.all(many.map((made) => codeFrom(() => made)));
    expect(codes).toEqual(["none", "none", "none", "ERR_CONTEXT_FULL"]);
    await context.close();
  });

  test("no time and a far position are taken", async () => {
    const { context, sequence } = await opened();
    const [none] = await context.generate(requestOf(sequence, { timeLimitMs: 0 }));
    expect(none).toMatchObject({ finish: "budget", tokens: new Int32Array() });
    const [draw] = requestOf(sequence).draws;
    if (draw === undefined) throw new Error("unreachable: there is one");
    const far = { ...draw, position: 2 ** 30, text: new Int32Array(2 ** 20).fill(5) };
    const [drawn] = await context.generate(
      requestOf(sequence, { draws: [far], timeLimitMs: 1e12, stopStrings: ["y".repeat(2 ** 16)] }),
    );
    expect(drawn?.tokens.length).toBeGreaterThan(0);
    await context.close();
  });
});

describe("a closed model's methods:", () => {
  const calls: [string, (model: NativeModel) => unknown][] = [
    ["info", (m) => m.info()],
    ["metadata", (m) => m.metadata()],
    ["tokenize", (m) => m.tokenize("1 + 1", false, false)],
    ["detokenize", (m) => m.detokenize(TOKENS, false)],
    ["specialTokens", (m) => m.specialTokens()],
    ["tokenText", (m) => m.tokenText(5)],
    ["isEndToken", (m) => m.isEndToken(5)],
    ["firstTokenDifference", (m) => m.firstTokenDifference(model)],
    ["opening a context", (m) => new (addon().Context)().open(m, OPTIONS)],
  ];
  test.each(calls)("%s is ERR_DISPOSED", async (_, call) => {
    const closed = await load();
    closed.close();
    closed.close();
    expect(await codeFrom(() => call(closed))).toBe("ERR_DISPOSED");
  });

  test("a context that was opened on it works on", async () => {
    const shared = await load();
    const context = new (addon().Context)();
    await context.open(shared, OPTIONS);
    shared.close();
    const sequence = await context.create();
    await context.prefill([{ sequence, tokens: TOKENS }]);
    expect((await context.logits(sequence)).length).toBe(model.info().vocabSize);
    await context.close();
  });
});

/** Random123's published known-answer vectors (kat_vectors: philox4x32, 10 rounds). */
describe("philox reproduces Random123's known answers:", () => {
  const PI = [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344];
  const vectors: [string, number[], number[], number[]][] = [
    ["zeros", [0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
    [
      "ones",
      Array(4).fill(0xffffffff),
      Array(2).fill(0xffffffff),
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      "the digits of pi",
      PI,
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  test.each(vectors)("%s", (_, counter, key, answer) => {
    expect(addon().philox(counter, key)).toEqual(answer);
  });
});
