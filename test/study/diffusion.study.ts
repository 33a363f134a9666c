/**
 * Energies of ETS-IS with Fast-dLLM's caches as the proposal, on the enumerated diffusion chain:
 * unbiased under random remasking, biased by so much under low-confidence remasking. Each z test
 * fails a right library with probability 1e-4 over seeds, which are fixed. The twin: the same rollouts
 * without their ratios; of the one-pass ratio the bias is measured. The proposal has a temperature of its own, which makes them matter.
 */
import { expect, test } from "vitest";
import type { ImportanceRatio } from "../../src/chain/denoising.js";
import { ets } from "../../src/methods/ets.js";
import { useModel } from "../fixtures/models.js";
import {
  type DiffusionPolicy,
  enumerateDiffusion,
  PROMPT,
  TEMPERATURE,
} from "./diffusion-policy.js";
import { zScore } from "./draws.js";
import { energy } from "./enumerated-diffusion.js";

const RUNS = 3;
const CANDIDATES = 4000;
/** Two-sided 1e-4 over the eight states of the first step. */
const MAX_Z = 4.37;
const model = useModel("mini-gsm-llada");

interface StateEnergy {
  state: string;
  count: number;
  z: number;
  /** As z, of the estimates without ratios. */
  twin: number;
  /** The ratio of the mean estimate to the exact energy. */
  relativeError: number;
}

async function measure(
  policy: DiffusionPolicy,
  cache: "prefix" | "dual",
  ratio?: ImportanceRatio,
): Promise<StateEnergy[]> {
  const energies = new Map<string, { weighted: number[]; plain: number[] }>();
  for (let seed = 0; seed < RUNS; seed++) {
    const cancel = new AbortController();
    await ets(model(), PROMPT, {
      ...policy.options,
      candidates: CANDIDATES,
      seed,
      proposal: model(),
      proposalDiffusion: { cache },
      ...(ratio && { ratio }),
      proposalSampling: { temperature: TEMPERATURE.proposal },
      signal: cancel.signal,
      onStep({ candidates, logEnergies }) {
        for (const [m, { tokens, finishReason, completions }] of candidates.entries()) {
          if (finishReason !== null) continue;
          const key = policy.keyOf(tokens);
          const drawn = energies.get(key) ?? { weighted: [], plain: [] };
          drawn.weighted.push(Math.exp(logEnergies[m] as number));
          drawn.plain.push(Math.exp((completions[0]?.reward as number) / policy.lambda));
          energies.set(key, drawn);
        }
        cancel.abort();
      },
    }).catch((error) => {
      if (!cancel.signal.aborted) throw error;
    });
  }
  return [...energies].flatMap(([state, { weighted: values, plain }]) => {
    const exact = energy(policy, state.split(",").map(Number));
    const z = zScore(values, exact);
    const twin = zScore(plain, exact);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return z === null || twin === null
      ? []
      : [{ state, count: values.length, z, twin, relativeError: mean / exact - 1 }];
  });
}

test.each(["prefix", "dual"] as const)(
  "%s cache: unbiased under random remasking",
  async (cache) => {
    const measured = await measure(await enumerateDiffusion(model(), "random"), cache);
    console.table(measured);
    expect(measured.length).toBeGreaterThan(1);
    for (const { z } of measured) expect(Math.abs(z)).toBeLessThan(MAX_Z);
    expect(Math.max(...measured.map(({ twin }) => Math.abs(twin)))).toBeGreaterThan(MAX_Z);
  },
);

test("dual cache: the bias of the approximate ratio under low-confidence remasking", async () => {
  const measured = await measure(await enumerateDiffusion(model(), "low-confidence"), "dual");
  console.table(measured);
  expect(Math.max(...measured.map(({ z }) => Math.abs(z)))).toBeGreaterThan(MAX_Z);
});

test.each(["random", "low-confidence"] as const)(
  "dual cache: the bias of the one-pass ratio under %s remasking",
  async (remasking) => {
    const measured = await measure(
      await enumerateDiffusion(model(), remasking),
      "dual",
      "one-pass",
    );
    console.table(measured);
    expect(Math.max(...measured.map(({ z }) => Math.abs(z)))).toBeGreaterThan(MAX_Z);
  },
);
