/**
 * Models as they come: in several files, with LoRA adapters, with quantized keys and values, beside
 * files that are no models, and named by links and directories.
 */
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import { LlamaEtsError } from "../../src/engine/errors.js";
import { KV_TYPES } from "../../src/engine/kv-types.js";
import type { LoadModelOptions } from "../../src/engine/local/load-model.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { describeModel } from "../../src/evaluate/store/describe-run.js";
import { ets } from "../../src/methods/ets.js";
import { plan } from "../../src/methods/plan.js";
import { sample } from "../../src/methods/sample.js";
import {
  encodeGguf,
  f32,
  type Gguf,
  i32,
  type Tensor,
  tensor,
  text,
} from "../fixtures/gguf-writer.js";
import { loadLocal } from "../fixtures/models.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyGemma2, tinyLlada, tinyQwen3 } from "../fixtures/tiny-models.js";
import { tinyJamba } from "../fixtures/tiny-recurrent-models.js";

const load = (file: string, options: LoadModelOptions = {}) =>
  loadLocal(file, { gpu: false, threads: 1, ...options });

async function refusalOf(work: Promise<Model | unknown>): Promise<LlamaEtsError> {
  const error: unknown = await work.then(
    () => "nothing was refused",
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LlamaEtsError);
  return error as LlamaEtsError;
}

const TOKENS = Int32Array.of(30, 41, 52, 63, 74, 85);

/** The logits after some tokens, as any context of the model gives them. */
async function logitsOf(model: LocalModel): Promise<Float32Array> {
  const context = await model.lease({ cells: 256, sequences: 1 });
  const sequence = await context.create();
  await sequence.prefill(TOKENS);
  const row = await sequence.logits();
  await model.release(context);
  return row;
}

const apart = (a: Float32Array, b: Float32Array) =>
  Math.max(...a.map((x, i) => Math.abs(x - (b[i] as number))));

describe("a split model", () => {
  const u16 = (value: number) => ({ type: "u16" as const, value });

  /** Tensors in turn into `count` parts, as gguf-split writes them. */
  function split({ metadata, tensors }: Gguf, count: number): Gguf[] {
    return Array.from({ length: count }, (_, i) => ({
      metadata: new Map([
        ...(i === 0 ? metadata : []),
        ["split.no", u16(i)],
        ["split.count", u16(count)],
        ["split.tensors.count", i32(tensors.length)],
      ]),
      tensors: tensors.filter((_, k) => k % count === i),
    }));
  }
  const nameOf = (stem: string, part: number, count: number) =>
    `${stem}-0000${part}-of-0000${count}.gguf`;
  /** Writes the parts, as changed; returns the path of the first. */
  function write(stem: string, model: Gguf, change: (parts: Gguf[]) => (Gguf | null)[] = (p) => p) {
    const parts = change(split(model, 3));
    parts.forEach((part, i) => {
      if (part !== null) temporaryFile(nameOf(stem, i + 1, 3), encodeGguf(part));
    });
    return temporary(nameOf(stem, 1, 3));
  }

  test("is the whole model, also through a link, and its hash is of all parts", async () => {
    const file = write("whole model", tinyQwen3());
    const whole = temporaryFile("one.gguf", encodeGguf(tinyQwen3()));
    await using model = await load(file);
    await using same = await load(whole);
    expect(await logitsOf(model)).toEqual(await logitsOf(same));
    symlinkSync(file, temporary("link.gguf"));
    await using linked = await load(temporary("link.gguf"));
    expect(linked.path).toMatch(/-00001-of-00003\.gguf$/);
    const { sha256 } = await describeModel(model);
    expect((await describeModel(linked)).sha256).toBe(sha256);
    const last = temporary(nameOf("whole model", 3, 3));
    writeFileSync(last, Buffer.concat([readFileSync(last), Buffer.alloc(32)]));
    expect((await describeModel(model)).sha256).not.toBe(sha256);
  });

  const wrong: [string, (parts: Gguf[]) => (Gguf | null)[], string, RegExp][] = [
    ["missing", ([a, , c]) => [a ?? null, null, c ?? null], "ERR_MODEL_NOT_FOUND", /is missing/],
    [
      "of another place",
      ([a, , c]) => [a ?? null, c ?? null, c ?? null],
      "ERR_UNSUPPORTED_MODEL",
      /says that it is part 3 of 3/,
    ],
    [
      "of more parts",
      ([a, b, c]) => {
        b?.metadata.set("split.count", u16(4));
        return [a ?? null, b ?? null, c ?? null];
      },
      "ERR_UNSUPPORTED_MODEL",
      /says that it is part 2 of 4/,
    ],
    [
      "of another model",
      ([a, b, c]) => {
        b?.metadata.set("split.tensors.count", i32(99));
        return [a ?? null, b ?? null, c ?? null];
      },
      "ERR_UNSUPPORTED_MODEL",
      /it is of another model/,
    ],
    [
      "with a tensor of another part",
      ([a, b, c]) => {
        b?.tensors.push(c?.tensors[0] as Tensor);
        return [a ?? null, b ?? null, c ?? null];
      },
      "ERR_UNSUPPORTED_MODEL",
      /is there twice/,
    ],
    [
      "with too few tensors",
      ([a, b, c]) => {
        b?.tensors.pop();
        return [a ?? null, b ?? null, c ?? null];
      },
      "ERR_UNSUPPORTED_MODEL",
      /tensors together, expected/,
    ],
  ];
  test.each(wrong)("with a part %s is refused by name", async (name, change, code, why) => {
    const refusal = await refusalOf(load(write(name, tinyQwen3(), change)));
    expect(refusal.code).toBe(code);
    expect(refusal.message).toMatch(why);
  });

  test("with a part that is cut off, or no GGUF, says which", async () => {
    const file = write("cut", tinyQwen3());
    const second = temporary(nameOf("cut", 2, 3));
    const content = readFileSync(second);
    writeFileSync(second, content.subarray(0, content.length - 64));
    const refusal = await refusalOf(load(file));
    expect(refusal.code).toBe("ERR_MODEL_TRUNCATED");
    expect(refusal.message).toMatch(/Part 2 of 3, .*cut-00002-of-00003\.gguf, can't be used/);
    writeFileSync(second, "<html>");
    expect(await refusalOf(load(file))).toMatchObject({ code: "ERR_NOT_GGUF" });
  });

  test("whose first part has another name says how the parts are found", async () => {
    const [first] = split(tinyQwen3(), 3);
    const file = temporaryFile("renamed.gguf", encodeGguf(first as Gguf));
    expect((await refusalOf(load(file))).message).toMatch(/end with -00001-of-00003\.gguf/);
  });

  test("that is a diffusion model denoises without caches, and says so of caches", async () => {
    await using model = await load(write("llada", tinyLlada()));
    expect(model.kind).toBe("diffusion");
    const options = { maxTokens: 16, raw: true, diffusion: { blockLength: 8 } };
    expect((await sample(model, "1+1", options)).usage.passes).toBeGreaterThan(0);
    const refusal = await refusalOf(
      sample(model, "1+1", { ...options, diffusion: { blockLength: 8, cache: "prefix" } }),
    );
    expect(refusal.code).toBe("ERR_UNSUPPORTED_MODEL");
    expect(refusal.message).toMatch(/several files/);
  });
});

describe("a LoRA adapter", () => {
  const RANK = 2;
  /** Changes one matrix by the product of two. */
  function lora(
    of = "blk.0.attn_q",
    sizes: [number, number] = [32, 32],
    architecture = "qwen3",
  ): Gguf {
    return {
      metadata: new Map([
        ["general.type", text("adapter")],
        ["general.architecture", text(architecture)],
        ["adapter.type", text("lora")],
        ["adapter.lora.alpha", f32(40)],
      ]),
      tensors: [
        tensor(`${of}.weight.lora_a`, [sizes[0], RANK]),
        tensor(`${of}.weight.lora_b`, [RANK, sizes[1]]),
      ],
    };
  }
  /** The model that the adapter makes of another one, merged by hand. */
  function merged(model: Gguf, adapter: Gguf, scale: number): Gguf {
    const [a, b] = adapter.tensors as [Tensor, Tensor];
    const at = ({ data }: Tensor, i: number) => data.readFloatLE(4 * i);
    const name = a.name.replace(".lora_a", "");
    return {
      ...model,
      tensors: model.tensors.map((one) => {
        if (one.name !== name) return one;
        const [width = 0, height = 0] = one.shape;
        const data = Buffer.from(one.data);
        for (let i = 0; i < width * height; i++) {
          const [row, column] = [Math.floor(i / width), i % width];
          let sum = 0;
          for (let r = 0; r < RANK; r++) sum += at(b, row * RANK + r) * at(a, r * width + column);
          data.writeFloatLE(at(one, i) + (scale * 40 * sum) / RANK, 4 * i);
        }
        return { ...one, data };
      }),
    };
  }
  const base = () => temporaryFile("base.gguf", encodeGguf(tinyQwen3()));
  const adapterFile = (name: string, gguf: Gguf) => temporaryFile(`${name}.gguf`, encodeGguf(gguf));

  test("makes the model that it would be merged into, by its scale", async () => {
    const adapter = adapterFile("my adapter", lora());
    await using plain = await load(base());
    const before = await logitsOf(plain);
    for (const scale of [1, -0.5, 0]) {
      const expected = temporaryFile("merged.gguf", encodeGguf(merged(tinyQwen3(), lora(), scale)));
      await using whole = await load(expected);
      await using model = await load(base(), { loras: [{ path: adapter, scale }] });
      const row = await logitsOf(model);
      expect(apart(row, await logitsOf(whole))).toBeLessThan(1e-4);
      if (scale === 0) expect(apart(row, before)).toBeLessThan(1e-4);
      else expect(apart(row, before)).toBeGreaterThan(1e-3);
      expect(model.info.description).toContain("LoRA my adapter.gguf");
      expect(model.describe().adapters).toEqual([{ path: adapter, scale }]);
    }
  });

  test("and its scale are part of a model's hash, by which samples are keyed", async () => {
    const path = adapterFile("keyed", lora());
    const hashes = new Set<string>();
    for (const loras of [[], [{ path }], [{ path, scale: 0.5 }], [{ path }, { path }]]) {
      await using model = await load(base(), { loras });
      hashes.add((await describeModel(model)).sha256);
    }
    expect(hashes.size).toBe(4);
  });

  const wrong: [string, Gguf, RegExp][] = [
    ["of another architecture", lora("blk.0.attn_q", [32, 32], "llama"), /architecture is llama/],
    ["of another depth", lora("blk.7.attn_q"), /has no tensor `blk\.7\.attn_q\.weight`/],
    ["of another width", lora("blk.0.attn_q", [64, 32]), /incorrect shape|another shape/],
    ["that is a model", tinyQwen3(), /Expected a LoRA adapter/],
  ];
  test.each(wrong)("%s is refused by name", async (name, gguf, why) => {
    const path = adapterFile(name, gguf);
    const refusal = await refusalOf(load(base(), { loras: [{ path }] }));
    expect(refusal.code).toBe("ERR_UNSUPPORTED_MODEL");
    expect(refusal.message).toContain(path);
    expect(refusal.message).toMatch(why);
  });

  test("that is cut off, an activated one, or one without a finite alpha is refused", async () => {
    const content = encodeGguf(lora());
    const cut = temporaryFile("cut lora.gguf", content.subarray(0, content.length - 100));
    const refusal = await refusalOf(load(base(), { loras: [{ path: cut }] }));
    expect(refusal.code).toBe("ERR_MODEL_TRUNCATED");
    const activated = lora();
    activated.metadata.set("adapter.alora.invocation_tokens", text("[1]"));
    const odd = lora();
    odd.metadata.set("adapter.lora.alpha", text("much"));
    for (const gguf of [activated, odd]) {
      const path = adapterFile("odd", gguf);
      const { code } = await refusalOf(load(base(), { loras: [{ path }] }));
      expect(code).toBe("ERR_UNSUPPORTED_MODEL");
    }
  });

  test("given as a model, or missing, says what to do", async () => {
    const refusal = await refusalOf(load(adapterFile("as model", lora())));
    expect(refusal.code).toBe("ERR_UNSUPPORTED_MODEL");
    expect(refusal.message).toMatch(/It is a LoRA adapter/);
    expect(refusal.message).toMatch(/Try: .*--lora/);
    const missing = await refusalOf(load(base(), { loras: [{ path: "nowhere.gguf" }] }));
    expect(missing.code).toBe("ERR_MODEL_NOT_FOUND");
    for (const loras of [
      [{ path: 1 }],
      [{ path: "x", scale: 1e9 }],
      [{ file: "x" }],
      "x",
      [null],
    ]) {
      const { code } = await refusalOf(load(base(), { loras: loras as never }));
      expect(code).toBe("ERR_INVALID_OPTION");
    }
  });
});

describe("keys and values", () => {
  const wide = () => temporaryFile("wide.gguf", encodeGguf(tinyGemma2(32)));

  test.each(KV_TYPES)("in %s are counted, read, and nearly the same", async (kv) => {
    await using usual = await load(wide(), { attention: "engine" });
    await using model = await load(wide(), { kv });
    expect(await logitsOf(model).then((row) => row.every(Number.isFinite))).toBe(true);
    const difference = apart(await logitsOf(model), await logitsOf(usual));
    expect(difference).toBeLessThan(/^(q4|iq4|q5)/.test(kv) ? 4 : 0.5);
    const options = { maxTokens: 20, candidates: 4, rollouts: 2, blockTokens: 5, raw: true };
    const { model: context } = await plan(model, "12", options);
    const { model: before } = await plan(usual, "12", options);
    expect(context.kvType).toBe(kv);
    const bytes = { f32: 4, f16: 2, bf16: 2, q8_0: 34 / 32, q5_1: 24 / 32, q5_0: 22 / 32 };
    const each = { ...bytes, q4_1: 20 / 32, q4_0: 18 / 32, iq4_nl: 18 / 32 }[kv];
    expect(context.memory.kvCache / before.memory.kvCache).toBeCloseTo(each / 2, 6);
    const result = await ets(model, "12", options);
    expect(result.tokens.length).toBeGreaterThan(0);
    const [scores] = await model.score("12", [[...result.tokens]], {}, { raw: true });
    expect(scores?.logProbs.every(Number.isFinite)).toBe(true);
    const hashes = [await describeModel(model), await describeModel(usual)].map((m) => m.sha256);
    expect(new Set(hashes).size).toBe(kv === "f16" ? 1 : 2);
  });

  test("that a model or an attention can't have are refused before a context is made", async () => {
    const narrow = temporaryFile("narrow.gguf", encodeGguf(tinyQwen3()));
    const refusals: [string, LoadModelOptions, RegExp][] = [
      [narrow, { kv: "q8_0" }, /32 values together, .* heads have 16/],
      [wide(), { kv: "q8_0", attention: "own" }, /reads keys and values in f16/],
      [wide(), { kv: "q3_k" as never }, /Expected `kv` to be one of|Expected `kv`/],
      [temporaryFile("d.gguf", encodeGguf(tinyLlada())), { kv: "f32" }, /autoregressive/],
    ];
    for (const [file, options, why] of refusals) {
      const { code, message } = await refusalOf(load(file, options));
      expect(code).toBe("ERR_INVALID_OPTION");
      expect(message).toMatch(why);
    }
    await using quantized = await load(wide(), { kv: "q8_0" });
    const options = { proposal: quantized, maxTokens: 8, candidates: 2, raw: true };
    const { code, message } = await refusalOf(ets(quantized, "12", options));
    expect(code).toBe("ERR_UNSUPPORTED_MODEL");
    expect(message).toMatch(/Importance weights .* q8_0/);
  });

  test("of a hybrid are those of its attention layers", async () => {
    const file = temporaryFile("jamba.gguf", encodeGguf(tinyJamba()));
    await using model = await load(file, { kv: "f32" });
    await using usual = await load(file);
    expect(apart(await logitsOf(model), await logitsOf(usual))).toBeLessThan(0.05);
  });
});

describe("what lies beside models is told for what it is:", () => {
  const file = (values: Record<string, string>, tensors: Tensor[] = []): Gguf => ({
    metadata: new Map(Object.entries(values).map(([key, value]) => [key, text(value)])),
    tensors,
  });
  const weight = [tensor("some.weight", [32, 2])];
  const vocabularyOnly = { ...tinyQwen3(), tensors: [] };
  const kinds: [string, Gguf, RegExp, RegExp][] = [
    [
      "an importance matrix",
      file({ "general.type": "imatrix" }, weight),
      /importance matrix/,
      /model/,
    ],
    ["a projector", file({ "general.architecture": "clip" }, weight), /mmproj/, /language model/],
    ["a projector by type", file({ "general.type": "mmproj" }, weight), /mmproj/, /aren't read/],
    [
      "a draft",
      file({ "general.architecture": "eagle3" }, weight),
      /draft of another/,
      /--proposal/,
    ],
    [
      "a control vector",
      file({ "general.architecture": "controlvector" }),
      /control vector/,
      /model/,
    ],
    ["a vocabulary", vocabularyOnly, /a vocabulary and no weights/, /weights/],
  ];
  test.each(kinds)("%s", async (name, gguf, what, fix) => {
    const refusal = await refusalOf(load(temporaryFile(`${name}.gguf`, encodeGguf(gguf))));
    expect(refusal.code).toBe("ERR_UNSUPPORTED_MODEL");
    expect(refusal.message.split("\nTry: ")[0]).toMatch(what);
    expect(refusal.message.split("\nTry: ")[1]).toMatch(fix);
  });
});

describe("a path", () => {
  test("with spaces and other letters, of a link, or of a directory with one model", async () => {
    const directory = temporary("my models (1) ünï");
    mkdirSync(directory);
    const file = path.join(directory, "a model.gguf");
    writeFileSync(file, encodeGguf(tinyQwen3()));
    writeFileSync(path.join(directory, "mmproj-a model.gguf"), "");
    symlinkSync(directory, temporary("models link"));
    for (const source of [file, directory, `${directory}/`, temporary("models link")]) {
      await using model = await load(source);
      expect(model.path).toMatch(/a model\.gguf$/);
    }
    writeFileSync(path.join(directory, "b.gguf"), encodeGguf(tinyQwen3()));
    const refusal = await refusalOf(load(directory));
    expect(refusal.code).toBe("ERR_MODEL_NOT_FOUND");
    expect(refusal.message).toMatch(/is a directory\nTry: .*: a model\.gguf, b\.gguf$/);
    mkdirSync(temporary("empty"));
    expect((await refusalOf(load(temporary("empty")))).message).toMatch(/there is none in it/);
  });

  test("that begins with ~ is of the home directory", async () => {
    for (const source of ["~/no such model.gguf", "~/no/such.gguf"]) {
      const { code, message } = await refusalOf(load(source));
      expect(code).toBe("ERR_MODEL_NOT_FOUND");
      expect(message).toContain(path.join(homedir(), source.slice(2)));
    }
    expect((await refusalOf(load("~other.gguf"))).message).toContain(path.resolve("~other.gguf"));
  });
});
