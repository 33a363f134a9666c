/**
 * How far apart the log-probabilities are that a token is drawn with and that scoring gives it, by
 * quantisation and by who computes attention (docs/exactness.md). Texts are drawn 4 at once, and
 * alone; they are scored together. The files are made from the real model and from one of
 * Qwen3-0.6B's shape, by the llama-quantize that `npm run build:engine` makes.
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { randomModel } from "../../bench/lib/random-model.mjs";
import { measureRounding, type Rounding } from "../../src/engine/rounding.js";
import { cachedEngine } from "../../src/engine-build/build-engine.js";
import { loadLocal } from "../fixtures/models.js";
import { temporary } from "../fixtures/temporary-directory.js";
import { realModel } from "../real/real-model.js";

const engine = process.env.LLAMA_ETS_ENGINE || cachedEngine();
const quantize = engine ? path.join(engine, "llama-quantize") : "";
const TYPES = ["Q4_0", "Q4_K_M", "Q6_K", "Q8_0", "F16"];

/** Each row of the table is printed as it is known. */
async function measure(file: string, name: string): Promise<void> {
  for (const attention of ["auto", "engine"] as const) {
    await using model = await loadLocal(file, { gpu: false, threads: 1, attention });
    const four = await measureRounding(model, 4);
    const one = await measureRounding(model, 1);
    const who = model.describe().sharesAttention ? "ours" : "the engine's";
    console.log(`| ${[name, who, ...shown(four), ...shown(one)].join(" | ")} |`);
    for (const { tokens, median, largest } of [four, one]) {
      expect(tokens).toBeGreaterThan(0);
      expect(median).toBeLessThan(0.2);
      expect(largest).toBeLessThan(3);
    }
  }
}

function shown({ median, percentile99, largest }: Rounding): string[] {
  return [median, percentile99, largest].map((x) => String(Number(x.toPrecision(2))));
}

describe.skipIf(realModel === undefined)("the real model", () => {
  test("as it is", () => measure(realModel as string, "SmolLM2-135M, as it is"));
});

describe.skipIf(realModel === undefined || !existsSync(quantize))("quantised anew", () => {
  test.each(TYPES)("the real model, %s", async (type) => {
    await measure(requantised(realModel as string, type), `SmolLM2-135M ${type}`);
  });

  test.each(TYPES)("of Qwen3-0.6B's shape, %s", { timeout: 3_600_000 }, async (type) => {
    await measure(requantised(await randomModel("qwen3-0.6b"), type), `0.6B, random ${type}`);
  });
});

function requantised(file: string, type: string): string {
  const made = temporary(`${path.basename(file, ".gguf")}-${type}.gguf`);
  execFileSync(quantize, ["--allow-requantize", file, made, type, "1"], { stdio: "ignore" });
  return made;
}
