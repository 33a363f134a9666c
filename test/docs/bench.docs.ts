/** The benchmarks run, from nothing, and count what they claim to count. No times are asserted. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { temporary } from "../fixtures/temporary-directory.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CACHE = temporary("cache");

function bench(...args: string[]) {
  const { LLAMA_ETS_ENGINE: _, ...inherited } = process.env;
  const env = { ...inherited, XDG_CACHE_HOME: CACHE };
  const command = ["bench/run.mjs", "--quick", "--threads", "1", ...args];
  return promisify(execFile)(process.execPath, command, { cwd: ROOT, env });
}

describe("npm run bench", () => {
  test("makes its model, prints tables and writes ratios of equal work", async () => {
    const json = temporary("bench.json");
    const { stdout } = await bench("--only", "naive,peer,ets,sampling", "--json", json);
    expect(stdout).toMatch(/^## Naive: .*\n\n\| +\| prefilled/m);
    expect(stdout).toMatch(/^\| case +\| ratio/m);
    const { naive, peer, ets, sampling } = JSON.parse(readFileSync(json, "utf8"));
    for (const { ratio, ours, theirs, unit } of [naive, peer, ets]) {
      expect(ratio).toBeCloseTo(theirs / ours, 9);
      expect(unit).toMatch(/seconds/);
    }
    // M = 2, K = 2, I = 2, prompt of 32, answers of 16: all texts go to their full length.
    expect(naive.details.ours).toMatchObject({ prefilled: 32, generated: 2 * 8 + 4 * 8 + 2 * 8 });
    expect(naive.details.theirs).toMatchObject({
      prefilled: 2 * 32 + 4 * 40 + 2 * 40 + 4 * 48,
      generated: naive.details.ours.generated,
    });
    expect(peer.details.ours.tokens).toBe(peer.details.theirs.tokens);
    // The same M, K and I, answers of 32.
    expect(ets.details.one).toMatchObject({ prefilled: 32, generated: 32 });
    expect(ets.details.ets).toMatchObject({ prefilled: 32, generated: 2 * 16 + 4 * 16 + 2 * 16 });
    // 4 texts of 8 tokens, whose first ones come from the prompt's row.
    expect(sampling.details).toMatchObject([{ n: 4, drawn: 4 * 7 }]);
    expect(ets.timesOneSample).toBeCloseTo(ets.details.ets.ms / ets.details.one.ms, 9);
  }, 240_000);

  test.each([
    ["a case that is none", ["--only", "nothing"], /Expected --only to name some of decode/],
    ["an option that is none", ["--onyl", "naive"], /Unknown option '--onyl'/],
    ["a number that is none", ["--threads", "two"], /Expected --threads to be a number, got `two`/],
    [
      "a GPU for a case of the CPU's",
      ["--only", "ets,beam", "--gpu", "cuda"],
      /with --gpu; got `beam`/,
    ],
    ["decode before build:engine", ["--only", "decode"], /\nTry: npx llama-ets build-engine/],
  ])("refuses %s", async (_, args, message) => {
    await expect(bench(...args)).rejects.toThrow(message);
  });
});
