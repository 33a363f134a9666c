/** Predictions of a context's memory, against what llama.cpp reports when it makes one. */
import { describe, expect, test } from "vitest";
import { bundledModels } from "../../src/engine/bundled-models.js";
import {
  bytesOfCache,
  bytesPerCell,
  bytesPerRow,
  computeBytes,
  padCells,
  reservedComputeBytes,
} from "../../src/engine/local/memory.js";
import type { NativeModelInfo } from "../../src/engine/local/native-model.js";
import { bytesPerState } from "../../src/engine/local/recurrent-state.js";
import { encodeGguf } from "../fixtures/gguf-writer.js";
import { childPackage } from "../fixtures/load-in-child.js";
import { loadLocal } from "../fixtures/models.js";
import { runChild } from "../fixtures/package-copy.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { TINY_MODELS } from "../fixtures/tiny-families.js";
import { tinyJamba, tinyLfm2, tinyMamba, tinyMamba2 } from "../fixtures/tiny-recurrent-models.js";

const CAPACITIES = [
  { cells: 256, sequences: 1, batchTokens: 64, outputs: 64, flashAttention: true },
  { cells: 1000, sequences: 9, batchTokens: 512, outputs: 64, flashAttention: true },
  { cells: 1000, sequences: 9, batchTokens: 128, outputs: 64, flashAttention: false },
  { cells: 8192, sequences: 33, batchTokens: 512, outputs: 64, flashAttention: true },
  { cells: 8192, sequences: 33, batchTokens: 512, outputs: 64, flashAttention: false },
  { cells: 4096, sequences: 200, batchTokens: 256, outputs: 200, flashAttention: true },
  { cells: 4096, sequences: 200, batchTokens: 256, outputs: 200, flashAttention: false },
];

describe("the predicted buffers", () => {
  const bundled = bundledModels()
    .filter(({ name }) => ["mini-gsm-ref", "mini-gsm-proposal"].includes(name))
    .map(({ name, path }) => [name, 10, path] as const);
  // Less than a MiB: what the compute buffer's sum leaves out counts for more.
  const recurrent = Object.entries({ tinyJamba, tinyLfm2, tinyMamba, tinyMamba2 }).map(
    ([name, make]) => [name, 40, temporaryFile(`${name}.gguf`, encodeGguf(make()))] as const,
  );

  test.each([...bundled, ...recurrent])(
    "of %s are those that llama.cpp allocates, the compute buffer within %i%%: %s",
    async (_, percent, file) => {
      await using model = await loadLocal(file, { gpu: false, threads: 1 });
      const args = [file, ...CAPACITIES.map((capacity) => JSON.stringify(capacity))];
      const { stdout, stderr } = await runChild("context-buffers.mjs", childPackage(), args);
      const reported = stdout.trim().split("\n");
      expect(reported, stderr).toHaveLength(CAPACITIES.length);
      for (const [i, line] of reported.entries()) {
        const { sequences, batchTokens, outputs, flashAttention, ...rest } = CAPACITIES[
          i
        ] as (typeof CAPACITIES)[number];
        const cells = padCells(rest.cells);
        const { kv, states, output, compute } = JSON.parse(line);
        const MiB = 2 ** 20;
        const batch = { sequences, cells, tokens: batchTokens, outputs, flashAttention };
        const predicted = {
          kv: (cells * bytesPerCell(model)) / MiB,
          states: (sequences * bytesPerState(model)) / MiB,
          output: (sequences * bytesPerRow(model)) / MiB,
          compute: reservedComputeBytes(model, batch) / MiB,
        };
        // The log rounds to hundredths.
        expect(Math.abs(predicted.kv - kv)).toBeLessThan(0.006);
        expect(Math.abs(predicted.states - states)).toBeLessThan(0.006);
        expect(Math.abs(predicted.output - output)).toBeLessThan(0.006);
        expect(Math.abs(predicted.compute / compute - 1), line).toBeLessThan(percent / 100);
      }
    },
  );
});

/** They differ in layers without keys and values, in latent ones, in shared ones, in widths of heads. */
test("keys, values and states are those that llama.cpp allocates, for each family", async () => {
  const files = Object.entries(TINY_MODELS).map(([name, make]) =>
    temporaryFile(`kv-${name}.gguf`, encodeGguf(make())),
  );
  // So many that hundredths of a MiB, to which the log rounds, are little.
  const size = { cells: 32_768, sequences: 64, batchTokens: 64, outputs: 64 };
  const { stdout, stderr } = await runChild("context-buffers.mjs", childPackage(), [
    ...files,
    JSON.stringify({ ...size, flashAttention: true }),
  ]);
  const reported = stdout.trim().split("\n");
  expect(reported, stderr).toHaveLength(files.length);
  for (const [i, file] of files.entries()) {
    const { kv, states } = JSON.parse(reported[i] as string);
    await using model = await loadLocal(file, { gpu: false, threads: 1 });
    const planned = bytesOfCache(model, size) / 2 ** 20;
    expect(kv + states, file).toBeGreaterThan(0.1);
    expect(Math.abs(planned / (kv + states) - 1), `${file}: ${reported[i]}`).toBeLessThan(0.1);
  }
});

describe("a model's shape", () => {
  const info = { layers: 3, heads: 8, kvHeads: 2, embeddingSize: 512, vocabSize: 1000 };
  const shape = (own: Record<string, string>) => ({
    info: info as NativeModelInfo,
    metadata: {
      "general.architecture": "a",
      ...Object.fromEntries(Object.entries(own).map(([key, value]) => [`a.${key}`, value])),
    },
  });

  test("may leave out the width of a head, or give it for keys and values apart", () => {
    expect(bytesPerCell(shape({}))).toBe(3 * 2 * (64 + 64) * 2);
    const own = { "attention.key_length": "128", "attention.value_length": "96" };
    expect(bytesPerCell(shape(own))).toBe(3 * 2 * (128 + 96) * 2);
  });

  test("may give each layer heads of its own", () => {
    const own = { "attention.head_count_kv": "[2, 0, 4]" };
    expect(bytesPerCell(shape(own))).toBe(6 * (64 + 64) * 2);
  });

  test("may cache one latent vector for keys and values", () => {
    const own = {
      "attention.key_length": "576",
      "attention.value_length": "512",
      "attention.key_length_mla": "192",
      "attention.head_count_kv": "1",
    };
    expect(bytesPerCell(shape(own))).toBe(3 * 576 * 2);
  });

  test("may have experts, of which each token goes through some", () => {
    const batch = { tokens: 512, cells: 256, outputs: 1, flashAttention: true };
    const dense = computeBytes(shape({ feed_forward_length: "1024" }), batch);
    const experts = { expert_used_count: "8", expert_feed_forward_length: "768" };
    const mixed = computeBytes(shape({ feed_forward_length: "1024", ...experts }), batch);
    expect(mixed - dense).toBe(3 * 512 * (8 * 768 - 1024) * 4);
  });
});
