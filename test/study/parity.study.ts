/**
 * Log-probabilities of a real pretrained model against others' (docs/exactness.md): llama.cpp's own
 * llama-perplexity, with the same file, batches and attention; and transformers in single precision,
 * with the weights read from the file.
 *
 *   npm run build:engine                          makes llama-perplexity
 *   python3 -m venv v && v/bin/pip install torch transformers accelerate gguf
 *   LLAMA_ETS_PYTHON=v/bin/python npm run test:study -- parity
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { resolveSampling } from "../../src/engine/sampling.js";
import { cachedEngine } from "../../src/engine-build/build-engine.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";
import { hasRealModel, useRealModel } from "../real/real-model.js";

const model = useRealModel();
const engine = process.env.LLAMA_ETS_ENGINE || cachedEngine();
const perplexity = engine ? path.join(engine, "llama-perplexity") : "";
const python = process.env.LLAMA_ETS_PYTHON;

/** A text's first half is read, its second half scored. */
const LENGTH = 256;
const HALF = LENGTH / 2;
const CHUNKS = 4;

/** Word problems and their solutions, as running text. */
const TEXT = readFileSync(new URL("../../models/mini-gsm-test.jsonl", import.meta.url), "utf8")
  .split("\n")
  .slice(0, 60)
  .map((line) => JSON.parse(line))
  .map(({ question, answer }) => `${question}\n${answer}`)
  .join("\n\n");

interface Text {
  tokens: number[];
  /** Values of the tokens behind the first half. */
  logProbs: number[];
}

/** The model's texts: its file's tokens, and log-probabilities under the engine's or our attention. */
async function scored(flashAttention: false | "shared"): Promise<Text[]> {
  const all = model().tokenize(TEXT);
  const context = await model().lease({
    cells: 2 * LENGTH,
    sequences: 2,
    batchTokens: HALF,
    outputs: HALF,
    flashAttention,
  });
  const sampling = resolveSampling({ temperature: 1 }, model().info.vocabSize);
  const texts: Text[] = [];
  for (let chunk = 0; chunk < CHUNKS; chunk++) {
    const from = chunk * LENGTH;
    await using parent = await context.create();
    await parent.prefill(all.slice(from, from + HALF));
    // With a token more, which is scored and not read: the batch has as many as llama-perplexity's.
    const tokens = all.slice(from + HALF, from + LENGTH + 1);
    const [scores] = await context.score([{ parent, tokens }], sampling);
    texts.push({
      tokens: [...all.slice(from, from + LENGTH)],
      logProbs: [...(scores?.logProbs ?? [])].slice(0, HALF),
    });
  }
  await model().release(context);
  return texts;
}

/** What llama-perplexity keeps: log-probabilities of the tokens behind the first of each half. */
function readKept(file: Buffer): Text[] {
  const [length = 0, vocabulary = 0, chunks = 0] = [8, 12, 16].map((at) => file.readInt32LE(at));
  let at = 20;
  const texts = Array.from({ length: chunks }, () => {
    const tokens = Array.from({ length }, (_, i) => file.readInt32LE(at + 4 * i));
    at += 4 * length;
    return { tokens, logProbs: [] as number[] };
  });
  const row = 2 * (2 * Math.ceil(vocabulary / 2) + 4);
  for (const { tokens, logProbs } of texts) {
    for (const token of tokens.slice(length / 2 + 1)) {
      const [scale, least] = [file.readFloatLE(at), file.readFloatLE(at + 4)];
      logProbs.push(scale * file.readUInt16LE(at + 8 + 2 * token) + least);
      at += row;
    }
  }
  return texts;
}

function differences(ours: readonly Text[], theirs: readonly Text[]): number[] {
  return ours.flatMap(({ tokens, logProbs }, i) => {
    expect(tokens).toEqual(theirs[i]?.tokens);
    // It keeps 16 bits of a number, and none below -16.
    return (theirs[i]?.logProbs ?? []).flatMap((theirs, n) =>
      theirs < -15 ? [] : [Math.abs((logProbs[n + 1] as number) - theirs)],
    );
  });
}

const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
const round = (numbers: readonly number[]) => ({
  tokens: numbers.length,
  mean: mean(numbers).toFixed(6),
  largest: Math.max(...numbers).toFixed(6),
});

describe.skipIf(!hasRealModel || !existsSync(perplexity))(
  "llama-perplexity of the same file",
  () => {
    test("has the same log-probabilities", { timeout: 600_000 }, async () => {
      const kept = temporary("kept");
      execFileSync(perplexity, [
        ...["-m", model().path, "-f", temporaryFile("text", TEXT), "--save-all-logits", kept],
        ...[
          "-c",
          String(LENGTH),
          "-b",
          String(HALF),
          "-ub",
          String(HALF),
          "--chunks",
          String(CHUNKS),
        ],
        ...["-t", "1", "-ngl", "0", "-fa", "off"],
      ]);
      const theirs = readKept(readFileSync(kept));
      const same = differences(await scored(false), theirs);
      const own = differences(await scored("shared"), theirs);
      console.log("the engine's attention:", round(same), "our attention:", round(own));
      expect(same.length).toBeGreaterThan(0.95 * CHUNKS * (HALF - 1));
      expect(mean(same)).toBeLessThan(1e-3);
      expect(mean(own)).toBeLessThan(0.1);
    });
  },
);

describe.skipIf(!hasRealModel || !python)("transformers in single precision", () => {
  test("has them but for the rounding of activations", { timeout: 600_000 }, async () => {
    const texts = await scored("shared");
    const tops = await mostProbable(texts);
    const given = temporaryFile("texts.json", JSON.stringify({ half: HALF, texts, tops }));
    const script = fileURLToPath(new URL("transformers_parity.py", import.meta.url));
    const printed = execFileSync(python as string, [script, model().path, given], {
      encoding: "utf8",
    });
    console.log(printed);
    const { meanDifference, medianSize, largestGap } = JSON.parse(printed);
    expect(Math.abs(meanDifference)).toBeLessThan(0.01);
    expect(medianSize).toBeLessThan(0.05);
    expect(largestGap).toBeLessThan(0.3);
  });
});

/** The most probable token before each of a text's second half. */
async function mostProbable(texts: readonly Text[]): Promise<number[][]> {
  const context = await model().lease({
    cells: 2 * LENGTH,
    sequences: 1,
    flashAttention: "shared",
  });
  const tops: number[][] = [];
  for (const { tokens } of texts) {
    await using sequence = await context.create();
    await sequence.prefill(Int32Array.from(tokens.slice(0, HALF)));
    const top: number[] = [];
    for (const token of tokens.slice(HALF)) {
      const logits = await sequence.logits();
      top.push(logits.indexOf(logits.reduce((a, b) => Math.max(a, b))));
      await sequence.prefill(Int32Array.of(token));
    }
    tops.push(top);
  }
  await model().release(context);
  return tops;
}
