/** Models that can't be sampled from by forking KV-cache sequences are refused by name. */
import { beforeAll, describe, expect, test } from "vitest";
import { faultOf } from "../../src/engine/local/supported.js";
import { encodeGguf, type Gguf, u32 } from "../fixtures/gguf-writer.js";
import { loadInChild, type Outcome } from "../fixtures/load-in-child.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyBert, tinyLlada, tinyQwen3, tinyT5 } from "../fixtures/tiny-models.js";
import {
  tinyJamba,
  tinyLfm2,
  tinyMamba,
  tinyMamba2,
  tinyPlamo2,
} from "../fixtures/tiny-recurrent-models.js";

const withPooling = (type: number): Gguf => {
  const model = tinyQwen3();
  model.metadata.set("qwen3.pooling_type", u32(type));
  return model;
};

const lladaWithoutMask = (): Gguf => {
  const model = tinyLlada();
  model.metadata.delete("tokenizer.ggml.mask_token_id");
  return model;
};

const bertThatSaysNothing = (): Gguf => {
  const model = tinyBert();
  model.metadata.delete("bert.attention.causal");
  return model;
};

const refused: [string, Gguf, string, RegExp][] = [
  ["an embedding model (bert)", tinyBert(), "bert", /makes embeddings or scores, not text/],
  ["a decoder with mean pooling", withPooling(1), "qwen3", /makes embeddings or scores, not text/],
  ["a reranker (rank pooling)", withPooling(4), "qwen3", /makes embeddings or scores, not text/],
  ["an encoder-decoder (t5)", tinyT5(), "t5", /has an encoder and a decoder/],
  ["a hybrid whose forks failed (plamo2)", tinyPlamo2(), "plamo2", /ends the process when/],
  [
    "a diffusion model without a mask token",
    lladaWithoutMask(),
    "llada",
    /names no mask token\nTry: a file that was converted with its `tokenizer.ggml.mask_token_id`/,
  ],
];
const changed = (model: Gguf, key: string, value: number): Gguf => {
  model.metadata.set(key, u32(value));
  return model;
};
/** llama.cpp aborts on these. */
const deadly: [string, Gguf, RegExp][] = [
  ["another inner size (jamba)", changed(tinyJamba(), "jamba.ssm.inner_size", 32), /be 64, got 32/],
  [
    "no groups (mamba2)",
    changed(tinyMamba2(), "mamba2.ssm.group_count", 0),
    /divide .* of 64, got 0/,
  ],
  ["7 heads (mamba2)", changed(tinyMamba2(), "mamba2.ssm.time_step_rank", 7), /divide .*, got 7/],
  ["no convolution (lfm2)", changed(tinyLfm2(), "lfm2.shortconv.l_cache", 1), /at least 2, got 1/],
];
const usable: [string, Gguf][] = [
  ["a causal decoder (qwen3)", tinyQwen3()],
  ["a decoder that names its pooling none", withPooling(0)],
  ["a decoder whose pooling was not said (llama-finetune)", withPooling(2 ** 32 - 1)],
  ["a recurrent model (mamba)", tinyMamba()],
  ["a recurrent model with heads (mamba2)", tinyMamba2()],
  ["a hybrid (jamba)", tinyJamba()],
  ["a hybrid of short convolutions (lfm2)", tinyLfm2()],
];
const silent: [string, Gguf][] = [
  ["a bert whose metadata doesn't say that it isn't causal", bertThatSaysNothing()],
];

const write = (name: string, model: Gguf) => temporaryFile(`${name}.gguf`, encodeGguf(model));

let outcomeOf: (file: string) => Outcome;
beforeAll(async () => {
  const models = [...refused, ...deadly, ...usable, ...silent];
  outcomeOf = await loadInChild(models.map(([name, model]) => write(name, model)));
});

describe("loadModel refuses, by its architecture and with a fix,", () => {
  test.each(refused)("%s", (name, _, architecture, reason) => {
    const outcome = outcomeOf(`${name}.gguf`);
    expect(outcome).toMatchObject({ error: "LlamaEtsError", code: "ERR_UNSUPPORTED_MODEL" });
    expect(outcome.message).toContain(`\`${architecture}\``);
    expect(outcome.message).toMatch(reason);
    expect(outcome.message).toMatch(/\nTry: a (decoder-only transformer|file that was)/);
  });
});

describe("loadModel refuses sizes of recurrent layers:", () => {
  test.each(deadly)("%s", (name, _, reason) => {
    const outcome = outcomeOf(`${name}.gguf`);
    expect(outcome).toMatchObject({ error: "LlamaEtsError", code: "ERR_UNSUPPORTED_MODEL" });
    expect(outcome.message).toMatch(reason);
  });
});

describe("what this release of llama.cpp gets wrong is refused by name", () => {
  test.each([
    ["deepseek4", /gives wrong probabilities/],
    ["cogvlm", /behind a batch's first token/],
    ["plamo2", /ends the process/],
  ])("%s", (architecture, reason) => {
    expect(faultOf(architecture)).toMatch(reason);
    expect(faultOf(`${architecture}x`)).toBeUndefined();
    expect(faultOf("toString")).toBeUndefined();
  });
});

describe("a model is sampled from when it is", () => {
  test.each(usable)("%s", (name) => {
    expect(outcomeOf(`${name}.gguf`)).toEqual({ name: `${name}.gguf`, code: "none" });
  });
});

describe("what loading doesn't recognise is refused before it is decoded:", () => {
  test.each(silent)("%s", (name) => {
    const outcome = outcomeOf(`${name}.gguf`);
    expect(outcome).toMatchObject({ error: "LlamaEtsError", code: "ERR_UNSUPPORTED_MODEL" });
  });
});
