/** Potentials, the best text seen, and rewards that don't vote, on the command line. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { Result } from "../../src/methods/result.js";
import { PROMPT } from "../fixtures/cli-ask.js";
import { expectError } from "../fixtures/cli-error.js";
import { cli, scratch, scratchFile } from "../fixtures/cli-process.js";

/** By its path, a model of which nobody says what its answers are. */
const MODEL = path.resolve("models/mini-gsm-ref.gguf");
const SHORT = ["-m", MODEL, "--max-tokens", "24", "-B", "8", "-M", "3", "--temperature", "1.5"];

test("ask --potential guides by it, and shows rewards in the place of votes", async () => {
  const file = scratchFile(
    "digits.mjs",
    "export default ({ text }) => Math.min(1, (text.match(/\\d/g) ?? []).length / 8);",
  );
  const trace = scratch("potential-trace.json");
  const args = ["--method", "particle", "--potential", `module:${file}`, "--trace", trace];
  const { code, stdout, stderr } = await cli(["ask", PROMPT, ...SHORT, ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const run: Result = JSON.parse(readFileSync(trace, "utf8"));
  expect(run.settings).toMatchObject({
    potential: "digits.mjs",
    reward: "digits.mjs",
    rollouts: 0,
  });
  expect(stdout).toMatch(
    /^ {2}reward {4}[\d.]+ of digits\.mjs; best seen [\d.]+ \(step \d+, cand/m,
  );
  expect(stdout).toContain("by the potential digits.mjs");
  expect(stdout).not.toMatch(/none found|votes/);
  const replayed = await cli(["replay", trace]);
  expect(replayed.stdout).toMatch(/log ψ .*; potential [\d.]+/);
  expect(replayed.stdout).not.toMatch(/no answer|agree/);
});

test("ask --finish best says that its text is no sample", async () => {
  const args = ["--reward", "regex:7", "--finish", "best", "-K", "1"];
  const { stdout } = await cli(["ask", PROMPT, ...SHORT, ...args]);
  expect(stdout).toMatch(
    /reward .* of regex:7; best seen .*\n.*\n.*guidance +ets, .*; the best text seen, no sample/,
  );
});

test("eval gives methods potentials and rewards of their own, and keys samples by them", async () => {
  const out = `${scratch("potentials")}/run`;
  const file = scratchFile("short.mjs", "export default ({ text }) => -text.length / 100;");
  const shortest = `best-of-n:reward=module:${file}`;
  const methods = `best-of-n,particle,particle:potential=module:${file}:M=2,ets:potential=regex:7,${shortest}`;
  const { code, stdout } = await cli([
    ...["eval", "mini-gsm", "--methods", methods, "--reward", "regex:7", "--limit", "1"],
    ...["--max-tokens", "16", "-B", "8", "-M", "3", "-K", "2", "--out", out, "--json"],
  ]);
  expect(code).toBe(0);
  const { methods: summaries } = JSON.parse(stdout);
  const run = JSON.parse(readFileSync(`${out}/run.json`, "utf8"));
  const [best, rolled, judged, guided, short] = run.methods.map(
    (m: { settings: object }) => m.settings,
  );
  expect(best).not.toHaveProperty("potential");
  expect(rolled).toMatchObject({ rollouts: 2 });
  expect(rolled).not.toHaveProperty("potential");
  expect(judged).toMatchObject({
    potential: `module:${file}`,
    rollouts: 0,
    candidates: 2,
    reward: "regex:7",
    potentialFiles: [expect.stringMatching(/^[0-9a-f]{64}$/)],
  });
  expect(guided).toMatchObject({ potential: "regex:7", rollouts: 0 });
  expect(guided).not.toHaveProperty("potentialFiles");
  expect(best.rewardFiles).toBeUndefined();
  expect(short).toMatchObject({ reward: `module:${file}`, rewardFiles: judged.potentialFiles });
  const lines = readFileSync(`${out}/samples.jsonl`, "utf8").trim().split("\n");
  const drawn = lines.map((line) => JSON.parse(line)).find(({ method }) => method === shortest);
  expect(drawn.reward).toBe(-drawn.text.length / 100);
  for (const { name } of run.methods) {
    expect(summaries[name]).toMatchObject({ failed: 0, reward: expect.any(Number) });
    expect(summaries[name].bestReward).toBeGreaterThanOrEqual(summaries[name].reward);
  }
});

// None of these loads a model.
describe.concurrent("is refused before a model is looked for:", () => {
  test.each([
    ["a potential that names nothing", ["--method", "ets", "--potential", "magic"], /`potential`/],
    ["one for another method", ["--method", "mh", "--potential", "regex:7"], /for ets, particle/],
  ])("%s", async (_, flags, says) => {
    const args = ["ask", PROMPT, "-m", "missing.gguf", ...flags];
    await expectError(args, { code: "ERR_INVALID_OPTION", exit: 2, says });
  });

  test.each([
    ["particle:potential=magic", /`potential`.*"magic"/],
    ["ets:finish=resample:potential=regex:7", /needs rollouts/],
    ["ets,best-of-n:reward=verifier", /`reward`.*"verifier"/],
    ["majority:reward=confidence", /`reward` is for .*best-of-n.*, not majority/],
  ])("--methods %s", async (methods, says) => {
    const out = `${scratch("refused")}/run`;
    const args = ["eval", "mini-gsm", "-m", "missing.gguf", "--methods", methods, "--out", out];
    await expectError(args, { code: "ERR_INVALID_OPTION", exit: 2, says });
  });
});
