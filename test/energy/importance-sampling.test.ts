/** Runs of ETS-IS with two models: what they cost and report, and what is refused. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { loadModel } from "../../src/engine/local/load-model.js";
import { ets } from "../../src/methods/ets.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";
import { type Gguf, readGguf, type Tensor, text, u32, writeGguf } from "../fixtures/gguf-writer.js";
import { QUESTION, useModel } from "../fixtures/models.js";

const reference = useModel("mini-gsm-ref");
const proposal = useModel("mini-gsm-proposal");
describe("a run of ETS-IS", () => {
  const base: MethodOptions = {
    extract: miniGsm.extract,
    maxTokens: 40,
    temperature: 1,
    candidates: 6,
    rollouts: 2,
    steps: 4,
    seed: 3,
  };
  const run = (options: MethodOptions = {}) =>
    ets(reference(), QUESTION, { ...base, proposal: proposal(), ...options });

  test("prefills the prompt once in both models, and decodes no token twice", async () => {
    const { usage, proposalUsage, prompt, steps } = await run();
    expect(usage.prefilled).toBe(prompt.tokens.length);
    expect(usage.decoded).toBeLessThanOrEqual(usage.generated);
    expect(proposalUsage?.decoded).toBeLessThanOrEqual(proposalUsage?.generated as number);
    // Each rollout's tokens are scored once; each candidate's block is prefilled once.
    let [scored, blocks, from] = [0, 0, 0];
    for (const { candidates, chosen } of steps) {
      for (const { tokens, completions } of candidates) {
        const rollouts = completions.filter(({ rollout }) => rollout !== null);
        for (const r of rollouts) scored += r.tokens.length - tokens.length;
        if (rollouts.length > 0) blocks += tokens.length - from;
      }
      from = candidates[chosen]?.tokens.length ?? 0;
    }
    expect(proposalUsage?.generated).toBe(scored);
    expect(usage.scored).toBe(scored);
    expect(proposalUsage?.prefilled).toBe(prompt.tokens.length + blocks);
  });

  test("gives the same result for the same seed", async () => {
    const plain = ({ tokens, logProbs, steps }: Result) => ({
      tokens,
      logProbs,
      steps: steps.map((step) => ({ ...step, ms: 0 })),
    });
    expect(plain(await run())).toEqual(plain(await run()));
  });

  test("reports how far its weights can be trusted", async () => {
    const { steps, settings } = await run({ temperature: 3, candidates: 10, rollouts: 4 });
    expect(settings).toMatchObject({ weights: "exact", mixture: 0, proposal: proposal().path });
    const [first] = steps;
    expect(first?.rolloutCount).toBeGreaterThan(4);
    expect(first?.rolloutEss).toBeGreaterThanOrEqual(1);
    expect(first?.rolloutEss).toBeLessThanOrEqual(first?.rolloutCount as number);
    expect(first?.maxWeightShare).toBeGreaterThan(0);
    expect(first?.maxWeightShare).toBeLessThanOrEqual(1);
  });

  test("warns, with advice, when the proposal is far from the reference", async () => {
    const heard: string[] = [];
    // So cold a proposal draws one text a candidate, again and again; the reference hardly ever.
    const { warnings, steps } = await run({
      temperature: 3,
      proposalSampling: { temperature: 0.01 },
      candidates: 8,
      rollouts: 4,
      onWarning: (message) => heard.push(message),
    });
    expect(heard).toEqual(warnings);
    expect(warnings[0]).toMatch(/step 0 .*ESS.* rollouts are \d+ texts?, .*Try: /);
    const [{ rolloutCount = 0, distinctRollouts = 0, rolloutEss, meanRatio } = {}] = steps;
    expect(distinctRollouts).toBeLessThanOrEqual(rolloutCount / 2);
    expect(rolloutEss).toBeLessThanOrEqual(distinctRollouts);
    expect(meanRatio).toBeLessThan(0.01);
  });

  test("doesn't warn when the reference is its own proposal, however few its texts are", async () => {
    const { warnings, steps } = await run({
      proposal: reference(),
      temperature: 0.05,
      rollouts: 8,
    });
    expect(steps.length).toBeGreaterThan(0);
    expect(warnings).toEqual([]);
  });

  test("gives weight 0 to what a truncated reference can't draw", async () => {
    // So hot a proposal draws nearly any token, of which the reference can draw two.
    const { steps } = await run({
      topK: 2,
      temperature: 2,
      proposalSampling: { temperature: 50 },
      rollouts: 4,
      mixture: 0.5,
      steps: 8,
    });
    const [first] = steps.map(({ candidates }) => candidates.flatMap((c) => c.completions));
    const rollouts = first?.filter(({ rollout }) => rollout !== null) ?? [];
    expect(rollouts.length).toBeGreaterThan(0);
    for (const { logRatio, rollout } of rollouts) {
      // The first two of four are the proposal's.
      if ((rollout as number) < 2) expect(logRatio).toBe(Number.NEGATIVE_INFINITY);
      else expect(logRatio).toBeCloseTo(Math.log(2), 6);
    }
    for (const { weights } of steps) {
      expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 10);
    }
  });
});

describe("is refused with ERR_INVALID_OPTION and the reason:", () => {
  const isProposed = { proposed: true };
  test.each<[string, MethodOptions, RegExp, { proposed?: boolean }]>([
    ["a proposal cut by topK", { proposalSampling: { topK: 5 } }, /truncated.*bias/, isProposed],
    ["a proposal cut by topP", { proposalSampling: { topP: 0.9 } }, /truncated.*bias/, isProposed],
    ["a proposal cut by minP", { proposalSampling: { minP: 0.1 } }, /truncated.*bias/, isProposed],
    ["a greedy proposal", { proposalSampling: { temperature: 0 } }, /temperature/, isProposed],
    ["weights without a proposal", { weights: "psis" }, /`weights` needs a `proposal`/, {}],
    ["a mixture without a proposal", { mixture: 0.5 }, /`mixture` needs a `proposal`/, {}],
    ["proposalSampling without one", { proposalSampling: {} }, /needs a `proposal`/, {}],
    ["unknown weights", { weights: "best" as "psis" }, /weights/, isProposed],
    ["a mixture above 1", { mixture: 1.5 }, /mixture/, isProposed],
    ["a mixture of NaN", { mixture: Number.NaN }, /mixture/, isProposed],
    ["K = 0", { rollouts: 0 }, /rollouts/, isProposed],
    ["λ = 0", { lambda: 0 }, /lambda/, isProposed],
    ["λ < 0", { lambda: -1 }, /lambda/, isProposed],
    ["something else as proposal", { proposal: {} as never }, /loaded model/, {}],
  ])("%s", async (_, options, message, { proposed = false }) => {
    const given = { ...options, ...(proposed && { proposal: proposal() }) };
    const error = await ets(reference(), QUESTION, given).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: expect.stringMatching(message),
    });
  });
});

describe("a proposal whose tokenizer", () => {
  const folder = mkdtempSync(join(tmpdir(), "llama-ets-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The bundled proposal with something changed. */
  async function changedProposal(name: string, change: (model: Gguf) => void) {
    const model = readGguf(proposal().path);
    change(model);
    const path = join(folder, `${name}.gguf`);
    writeGguf(path, model);
    return loadModel(path, { gpu: false });
  }
  const listOf = (model: Gguf, key: string) => {
    const value = model.metadata.get(key);
    if (value?.type !== "array") throw new Error(`Expected a list at ${key}`);
    return value.values;
  };
  const short: MethodOptions = { maxTokens: 12, candidates: 3, steps: 3, seed: 1 };

  test.each<[string, (model: Gguf) => void, RegExp]>([
    [
      "has another token",
      (model) => {
        listOf(model, "tokenizer.ggml.tokens")[300] = "llama";
      },
      /token 300 is ".*" in the reference and "llama" in the proposal/,
    ],
    [
      "ends texts otherwise",
      (model) => model.metadata.set("tokenizer.ggml.eos_token_id", u32(1)),
      /(eos is \d+ in the reference and 1 in the proposal|token \d+ .* ends the text)/,
    ],
    [
      "splits words otherwise",
      (model) => model.metadata.set("tokenizer.ggml.pre", text("llama-bpe")),
      /`tokenizer.ggml.pre` is .* in the reference and llama-bpe in the proposal/,
    ],
  ])("%s is refused, naming the first difference", async (name, change, message) => {
    await using other = await changedProposal(name.replaceAll(" ", "-"), change);
    const run = ets(reference(), QUESTION, { ...short, proposal: other });
    await expect(run).rejects.toMatchObject({
      code: "ERR_TOKENIZER_MISMATCH",
      message: expect.stringMatching(message),
    });
  });

  test("has padding at its end is accepted, and draws as without", async () => {
    await using padded = await changedProposal("padded", (model) => {
      const size = listOf(model, "tokenizer.ggml.tokens").push("<|padding a|>", "<|padding b|>");
      for (const [key, value] of [
        ["token_type", 5],
        ["scores", 0],
      ] as const) {
        if (model.metadata.has(`tokenizer.ggml.${key}`)) {
          listOf(model, `tokenizer.ggml.${key}`).push(value, value);
        }
      }
      for (const key of model.metadata.keys()) {
        if (key.endsWith(".vocab_size")) model.metadata.set(key, u32(size));
      }
      for (const tensor of model.tensors.filter(isPerToken)) addRows(tensor, 2);
    });
    expect(padded.info.vocabSize).toBe(reference().info.vocabSize + 2);
    const options = { ...short, temperature: 2 };
    const a = await ets(reference(), QUESTION, { ...options, proposal: padded });
    const b = await ets(reference(), QUESTION, { ...options, proposal: proposal() });
    expect(a.tokens).toEqual(b.tokens);
  });
});

const isPerToken = ({ name }: Tensor) => name === "token_embd.weight" || name === "output.weight";

/** Rows like the last one, so that the added tokens would be drawn if nothing forbade it. */
function addRows(tensor: Tensor, count: number): void {
  const [length, rows] = tensor.shape as [number, number];
  const bytes = Math.floor(tensor.data.length / rows);
  const exact = tensor.data.subarray(0, bytes * rows);
  const row = exact.subarray(bytes * (rows - 1));
  tensor.data = Buffer.concat([exact, ...Array.from({ length: count }, () => row)]);
  tensor.shape = [length, rows + count];
}
