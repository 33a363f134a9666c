/**
 * 5,000 mutated model files, each loaded and asked for tokens, in processes that may die: which deaths
 * our checks don't foresee. `../shared/cases/reliability/gguf-mutations.md` has those of an earlier day.
 */
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { encodeGguf, f32, type Gguf, list, readGguf, text, u32 } from "../fixtures/gguf-writer.js";
import { childPackage, outcomesOf } from "../fixtures/load-in-child.js";
import { runChild } from "../fixtures/package-copy.js";
import { temporary } from "../fixtures/temporary-directory.js";
import { tinyGemma2, tinyLlada, tinyQwen3 } from "../fixtures/tiny-models.js";

const FILES = Number(process.env.LLAMA_ETS_STUDY_FILES ?? 5000);
const BATCH = 50;
/** For one file: what hangs is a death, too. */
const LIMIT_MS = 15_000;

const BASES = [
  () => readGguf("models/mini-gsm-proposal.gguf"),
  tinyQwen3,
  () => tinyGemma2(),
  tinyLlada,
];
const TOKENIZERS = ["llama", "bert", "gpt2", "t5", "rwkv", "plamo2", "none", "no_vocab", ""];
const ARCHITECTURES = [
  "llama",
  "smallthinker",
  "gemma2",
  "mamba2",
  "bert",
  "t5",
  "qwen3moe",
  "llada",
];
const NUMBERS = [0, 1, 2, 3, 7, 255, 65_535, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
const TEXTS = ["", "\0", "a\0b", "\u0120\u0120", "\ufffd", "x".repeat(70_000), "[PAD0]", "<0x00>"];

/** From 0 to 1, from a fixed stream. */
function stream(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A file with one to three things wrong. */
function mutated(seed: number): Buffer {
  const random = stream(seed);
  for (let i = 0; i < 8; i++) random();
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)] as T;
  const model = (pick(BASES) as () => Gguf)();
  const { metadata, tensors } = model;
  const strings = () => {
    const key = pick(["tokenizer.ggml.tokens", "tokenizer.ggml.merges"]);
    const value = metadata.get(key);
    if (value?.type !== "array") return;
    const values = [...value.values];
    for (let i = 0; i < 1 + 3 * random(); i++) {
      const at = Math.floor(random() * values.length);
      const kind = pick(["text", "copy", "cut", "end"]);
      if (kind === "text") values[at] = pick(TEXTS);
      else if (kind === "copy") values[at] = pick(values);
      else if (kind === "cut") values[at] = String(values[at]).slice(1);
      else values.length = at;
    }
    metadata.set(key, list("string", values));
  };
  const anyValue = () => {
    const key = pick([...metadata.keys()]);
    const kind = pick(["number", "text", "list", "float", "none", "scale"]);
    const old = metadata.get(key);
    if (kind === "number") metadata.set(key, u32(pick(NUMBERS)));
    else if (kind === "text") metadata.set(key, text(pick(TEXTS)));
    else if (kind === "list") metadata.set(key, list("u32", [pick(NUMBERS), pick(NUMBERS)]));
    else if (kind === "float") metadata.set(key, f32(pick([Number.NaN, -1, 0, 1e30])));
    else if (kind === "none") metadata.delete(key);
    else if (old?.type === "u32") metadata.set(key, u32((Number(old.value) * 2) % 2 ** 32));
  };
  const anyTensor = () => {
    const found = pick(tensors);
    const kind = pick(["type", "shape", "name", "none", "copy"]);
    if (kind === "type") found.type = Math.floor(random() * 40);
    else if (kind === "shape") found.shape = found.shape.map((size) => pick([size, 1, 2 * size]));
    else if (kind === "name") found.name = pick(tensors).name;
    else if (kind === "none") tensors.splice(tensors.indexOf(found), 1);
    else tensors.push({ ...found, name: `${found.name}x` });
  };
  const changes = [
    anyValue,
    anyValue,
    anyTensor,
    strings,
    strings,
    () => metadata.set("tokenizer.ggml.model", text(pick(TOKENIZERS))),
    () => metadata.set("general.architecture", text(pick(ARCHITECTURES))),
  ];
  for (let i = 0; i < 1 + 2 * random(); i++) pick(changes)();
  const bytes = encodeGguf(model);
  if (random() < 0.2) bytes[Math.floor(random() * 2000)] = Math.floor(random() * 256);
  return bytes;
}

/** The names of the files that a process dies of, or hangs on, and how. */
async function deaths(files: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  let left = [...files];
  while (left.length > 0) {
    const limit = { LLAMA_ETS_TEST_LIMIT_MS: String(LIMIT_MS) };
    const finished = await runChild("load-models.mjs", childPackage(), left, limit);
    const loaded = outcomesOf(finished).length;
    const [dead] = left.slice(loaded);
    if (dead === undefined) break;
    const why = finished.stderr.match(/GGML_ASSERT[^\n]*|[^\n]*hang[^\n]*/)?.[0] ?? "";
    found.push(`${path.basename(dead)}: ${finished.signal ?? finished.code} ${why}`);
    left = left.slice(loaded + 1);
  }
  return found;
}

test(`${FILES} mutated model files`, async () => {
  const found: string[] = [];
  for (let from = 0; from < FILES; from += BATCH) {
    const files = Array.from({ length: Math.min(BATCH, FILES - from) }, (_, i) => {
      const file = temporary(`mutated-${from + i}.gguf`);
      writeFileSync(file, mutated(from + i));
      return file;
    });
    found.push(...(await deaths(files)));
    for (const file of files) rmSync(file);
    if (from % 500 === 0) console.log(`${from + files.length} files, deaths:`, found);
  }
  expect(found).toEqual([]);
}, 7_200_000);
