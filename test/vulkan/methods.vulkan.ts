/** Methods and the doctor where a device decodes: small runs, held to what holds for any draw. */
import { expect, test } from "vitest";
import { METHODS, type MethodOptions } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import { cli } from "../fixtures/cli-process.js";
import { QUESTION } from "../fixtures/models.js";
import { describeOnVulkan, useOnVulkan } from "./device.js";

const sumOf = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

describeOnVulkan("methods on a Vulkan device", () => {
  const model = useOnVulkan("mini-gsm-ref");
  const proposal = useOnVulkan("mini-gsm-proposal");
  const options: MethodOptions = {
    candidates: 2,
    maxTokens: 3,
    seed: 1,
    reward: ({ text }) => text.length,
  };
  const guided = { ...options, rollouts: 2, steps: 2 };
  const runs: [string, () => Promise<Result>][] = [
    ["ets", () => METHODS.ets(model(), QUESTION, guided)],
    [
      "ets-is",
      () => METHODS["ets-is"](model(), QUESTION, { ...guided, rollouts: 1, proposal: proposal() }),
    ],
    ["mh", () => METHODS.mh(model(), QUESTION, { ...options, moves: 1 })],
  ];

  test.each(runs)(
    "%s returns a text with the log-probabilities that score gives it",
    async (_, run) => {
      const { tokens, logProbs, steps, usage, plan } = await run();
      expect(tokens.length).toBeGreaterThan(0);
      expect(usage.generated).toBeLessThanOrEqual(plan.model.tokens.generated);
      for (const { weights } of steps) expect(sumOf(weights)).toBeCloseTo(1, 9);
      const [scores] = await model().score(QUESTION, [tokens]);
      const gaps = logProbs.map((x, i) => Math.abs(x - (scores?.logProbs[i] as number)));
      expect(sumOf(gaps) / gaps.length).toBeLessThan(0.2); // another text: whole nats
    },
  );
});

describeOnVulkan("a diffusion model on a Vulkan device", () => {
  const model = useOnVulkan("mini-gsm-llada");

  test("unmasks a text", async () => {
    const { tokens, logProbs, usage } = await METHODS.sample(model(), QUESTION, {
      maxTokens: 8,
      seed: 1,
      diffusion: { blockLength: 8, denoisingSteps: 4 },
    });
    expect(tokens).not.toContain(model().info.mask);
    expect(logProbs).toHaveLength(tokens.length);
    expect(usage.passes).toBeGreaterThan(0);
  });
});

describeOnVulkan("doctor --gpu vulkan", () => {
  test("finds the device, and generates on it", async () => {
    const { code, stdout } = await cli(["doctor", "--gpu", "vulkan"]);
    expect(stdout).toMatch(/^ok +engine +vulkan, /m);
    expect(stdout).toMatch(/^ok +devices +Vulkan0 .*GiB free/m);
    expect(stdout).toMatch(/^ok +attention +engine's: a GPU is there/m);
    expect(stdout).toMatch(/^ok +generation .* on the GPU; answer/m);
    expect(code).toBe(0);
  });
});
