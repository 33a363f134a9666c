/** The paper's settings, as its tables have them, and what they mean for a run. */
import { describe, expect, test } from "vitest";
import { logMeanExp } from "../../src/energy/log-domain.js";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { ets } from "../../src/methods/ets.js";
import { mh } from "../../src/methods/mh.js";
import { withPreset } from "../../src/methods/options/preset.js";
import { plan } from "../../src/methods/plan.js";
import { sample } from "../../src/methods/sample.js";
import type { Completion } from "../../src/rewards/reward.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { endlessTokens, usePreciseModel } from "../fixtures/precise-model.js";

const model = useModel();
const proposal = useModel("mini-gsm-proposal");
const precise = usePreciseModel();
const sized = (parameters: number, isDiffusion = false) =>
  ({ info: { parameters, isDiffusion } }) as Parameters<typeof withPreset>[2];

describe("the paper's preset", () => {
  test.each([
    ["ets", "math500", 1.7e9, { candidates: 15, rollouts: 3, blockTokens: 64, temperature: 0.7 }],
    ["ets", "humaneval", 1.7e9, { candidates: 10, rollouts: 10, blockTokens: 64 }],
    ["ets", "gsm8k", 8e9, { candidates: 15, rollouts: 3, blockTokens: 128, temperature: 1.5 }],
    ["ets", "mini-gsm", 4e6, { candidates: 15, blockTokens: 64, temperature: 1.5 }],
    ["ets-is", "math500", 8e9, { candidates: 15, blockTokens: 128, weights: "clip" }],
    ["best-of-n", "gsm8k", 8e9, { candidates: 30, temperature: 1.5 }],
    ["beam", "gpqa", 8e9, { candidates: 50 }],
    ["sample", "gpqa", 8e9, { temperature: 0.7, topP: 0.8, topK: 20 }],
  ] as const)("of %s on %s with %d parameters", (method, task, parameters, expected) => {
    const options = withPreset(method, { preset: { name: "paper", task } }, sized(parameters));
    expect(options).toMatchObject({ ...expected, lambda: 0.1 });
  });

  test("of diffusion models counts steps, and has their lengths", () => {
    const preset = { name: "paper", task: "humaneval" } as const;
    expect(withPreset("ets", { preset }, sized(8e9, true))).toMatchObject({
      candidates: 5,
      rollouts: 3,
      steps: 8,
      temperature: 0.25,
      maxTokens: 512,
      diffusion: { blockLength: 32 },
      preset: { family: "llada-8b" },
    });
  });

  test("leaves what is given as it is, and says so in the result", async () => {
    const preset = { name: "paper", task: "mini-gsm" } as const;
    const options = { preset, candidates: 3, rollouts: 1, maxTokens: 40, steps: 2 };
    const { settings } = await ets(model(), QUESTION, options);
    expect(settings).toMatchObject({
      candidates: 3,
      rollouts: 1,
      steps: 2,
      blockTokens: 20,
      lambda: 0.1,
      preset: { name: "paper", task: "mini-gsm", family: "qwen3-1.7b" },
    });
    expect(settings.sampling.temperature).toBe(1.5);
    expect((await sample(model(), QUESTION, { maxTokens: 5 })).settings.preset).toBeNull();
  });

  test("pools the votes of all steps; without it each step votes by itself", async () => {
    // The first step's four texts give one answer, most of a later step's another.
    const order = new Map<string, number>();
    const extract = (text: string) => {
      if (!order.has(text)) order.set(text, order.size);
      const n = order.get(text) as number;
      return n < 4 || n % 4 === 0 ? "7" : "8";
    };
    const options = {
      extract,
      candidates: 4,
      rollouts: 1,
      steps: 2,
      maxTokens: 40,
      temperature: 3,
      allowedTokens: endlessTokens(precise()),
    };
    const preset = { name: "paper", task: "gsm8k" } as const;
    const countEarned = (completions: Completion[][], rewards: number[][], pooled: boolean) =>
      completions.every((own, step) => {
        const voters = pooled ? completions.slice(0, step + 1).flat() : own;
        const votes = new Map<string, number>();
        for (const { text, votes: n } of voters) {
          votes.set(extract(text), (votes.get(extract(text)) ?? 0) + n);
        }
        const [winner] = [...votes].reduce((a, b) => (b[1] > a[1] ? b : a));
        return own.every(
          ({ text }, i) => rewards[step]?.[i] === (extract(text) === winner ? 1 : 0),
        );
      });
    const { steps } = await ets(precise(), QUESTION, { ...options, preset });
    const completions = steps.map((s) => s.candidates.flatMap((c) => c.completions));
    const rewards = completions.map((own) => own.map(({ reward }) => reward));
    expect(countEarned(completions, rewards, true)).toBe(true);
    expect(countEarned(completions, rewards, false)).toBe(false);
  });

  test("has the energies of the paper's worked example: c of 3 rollouts rewarded, λ = .1", async () => {
    const preset = { name: "paper", task: "gsm8k" } as const;
    // Candidate m earns with m of its rollouts.
    const reward = ({ candidate, rollout }: Completion) =>
      (rollout as number) < candidate ? 1 : 0;
    const { steps } = await ets(precise(), QUESTION, {
      preset,
      reward,
      candidates: 4,
      blockTokens: 8,
      maxTokens: 16,
      temperature: 3,
      allowedTokens: endlessTokens(precise()),
      shortcuts: { duplicates: false },
    });
    const energies = steps[0]?.logEnergies.map((log) => Math.exp(log).toFixed(2));
    expect(energies).toEqual(["1.00", "7342.82", "14684.64", "22026.47"]);
    expect(Math.exp(logMeanExp([10, 0, 0]))).toBeCloseTo(7342.82, 2);
  });

  test("clips log ratios to ±10 under ETS-IS", async () => {
    const planned = await plan(model(), QUESTION, {
      preset: { name: "paper", task: "gsm8k" },
      proposal: proposal(),
      maxTokens: 64,
    });
    expect(planned).toMatchObject({ method: "ets-is", candidates: 15, rollouts: 3 });
  });

  test("is refused where the paper has none, and when it is misspelt", async () => {
    const preset = { name: "paper", task: "gsm8k" } as const;
    for (const [run, message] of [
      [mh(model(), QUESTION, { preset }), /no settings for mh/],
      [bestOfN(model(), QUESTION, { preset: { ...preset, task: "math" } }), /preset.task/],
      [ets(model(), QUESTION, { preset: { ...preset, family: "llada-8b" } }), /not of the family/],
      [ets(model(), QUESTION, { preset: { ...preset, name: "papers" as "paper" } }), /preset.name/],
    ] as const) {
      await expect(run).rejects.toMatchObject({
        code: "ERR_INVALID_OPTION",
        message: expect.stringMatching(message),
      });
    }
  });
});
