import type { ChainState } from "../chain/chain.js";
import type { Estimate } from "../energy/estimate.js";
import { importanceSampling } from "../energy/importance-sampling.js";
import { monteCarlo } from "../energy/monte-carlo.js";
import { resampledRollouts } from "../energy/resampled-rollouts.js";
import { LlamaEtsError } from "../engine/errors.js";
import { chainDemand } from "../planning/demands.js";
import { boundGuided } from "../planning/token-bounds.js";
import { isTextDecided } from "../rewards/reward.js";
import { type DrawnStep, drawInRounds } from "./adaptive.js";
import { defineMethod, type ProposedOptions } from "./define-method.js";
import { divergenceOfChoices } from "./divergence.js";
import { choiceWeights, energiesOf } from "./energies.js";
import { decidedText, longest, resampled } from "./finish.js";
import type { MethodFacts } from "./method.js";
import { POTENTIAL_OPTIONS, type PotentialOptions } from "./options/potential.js";
import { PROPOSAL_OPTIONS } from "./options/proposal.js";
import type { Resolved } from "./options/settings.js";
import type { Result } from "./result.js";
import type { Run } from "./run/run.js";

const GUIDED = {
  own: {},
  guidance: [
    "candidates",
    "rollouts",
    "steps",
    "blockTokens",
    "block",
    "lambda",
    "reward",
    "finish",
    "adaptive",
  ],
  demand: chainDemand,
  bounds: boundGuided,
  weighs: true,
  reports: { continues: true, energies: "log Ê", shows: ["rollouts", "ess"] },
  divergence: divergenceOfChoices,
} as const satisfies Partial<MethodFacts>;

/** ETS with rollouts of a smaller model (Algorithm 2). It is the same as `ets` with a `proposal`. */
export const etsIs = defineMethod<Record<never, never>, ProposedOptions>({
  ...GUIDED,
  name: "ets-is",
  summary: "ETS whose rollouts a smaller model draws, corrected by importance weights",
  proposal: PROPOSAL_OPTIONS,
  run: guide,
});

/**
 * Energy-guided test-time scaling (arXiv 2601.21484): samples from
 * p*(x | y) ∝ p_ref(x | y) · exp(r(y, x) / λ), without training. Energies come from rollouts of the
 * model itself (Algorithm 1), or with `proposal` from a smaller model's, corrected by importance
 * weights (ETS-IS, Algorithm 2).
 *
 * The distribution of the text approaches p* as 1/M, for every K (docs/how-it-works.md). With `adaptive`, a
 * step whose vote is settled ends the run with one of the step's texts, drawn by exp(r / λ). With a
 * `potential`, its ψ replaces the energies. This is cheap, because no rollouts are drawn, but biased, as
 * the result's `law` says. `particle` corrects for the bias.
 *
 * @example
 * const result = await ets(model, "What is 6 * 7?", { candidates: 8, steps: 4 });
 * console.log(result.answer, result.agreement, result.usage.generated);
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`,
 *   `ERR_NO_CHAT_TEMPLATE`, `ERR_REWARD`, `ERR_TOKENIZER_MISMATCH`; the signal's reason when aborted
 */
export const ets = defineMethod<Record<never, never>, ProposedOptions & PotentialOptions>({
  ...GUIDED,
  name: "ets",
  potential: POTENTIAL_OPTIONS,
  check: checkPotential,
  summary:
    "draws candidates, estimates each one's energy from rollouts, goes on from one by weight",
  withProposal: etsIs,
  run: guide,
});

/** Refuses options that need rollouts if there is a potential, which replaces them. */
function checkPotential({ energy, guidance }: Resolved): void {
  if (energy.potential === null) return;
  const refuse = (option: string, fix: string): never => {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `${option} needs rollouts, for which \`potential\` stands`,
      { fix },
    );
  };
  if (guidance.finish === "resample") refuse('`finish: "resample"`', 'finish: "chain" or "best"');
  if (guidance.adaptive !== null) refuse("`adaptive`", "one of the two");
}

async function guide(run: Run): Promise<Result> {
  const { chain, settings } = run;
  const { steps: I, finish, shortcuts } = settings.guidance;

  let state: ChainState = await chain.start();
  for (let step = 0; step < I && state.finishReason === null; step++) {
    // x_s(m) ~ p_ref(· | x_t) and Ê(m) for m = 1 … M
    const { candidates, estimate } = await advance(run, state, step);
    if (estimate === null || run.isOutOfBudget) {
      return await run.finishEarly(longest(candidates), estimate?.completions);
    }
    // P(m) = Ê(m) / Σ_j Ê(j)
    const weights = choiceWeights(candidates, estimate.relativeLogEnergies);
    const chosen = run.choose(weights, step, "candidate");
    await run.record(candidates, estimate, weights, chosen);
    if (!hasWeight(estimate)) run.warn(withoutWeight(step));
    run.warnIfUnguided(candidates);

    const next = candidates[chosen] as ChainState;
    const { completions, isSettled } = estimate;
    const isLastWithRollouts = isLast(run, step, candidates);
    if (isSettled || (finish === "resample" && isLastWithRollouts)) {
      return await run.finish(await resampled(run, { step, candidates, completions, chosen }));
    }
    const isOpen = next.finishReason === null;
    if (shortcuts.decided && isOpen && isTextDecided(settings.energy.reward, next.text, step)) {
      return await run.finish(await decidedText(run, { step, candidates, completions, chosen }));
    }
    run.goOnFrom(next);
    await chain.release([state, ...candidates.filter((c) => c !== next)]);
    state = next;
  }
  return await run.finish(state);
}

/** Whether only one block is left, whose candidates are whole texts without rollouts. */
function isLast({ settings }: Run, step: number, candidates: readonly ChainState[]): boolean {
  const { guidance, limits } = settings;
  if (guidance.block === "tokens") return step === guidance.steps - 2;
  const most = limits.maxTokens - guidance.blockTokens;
  return candidates.every(({ tokens, finishReason }) => {
    return finishReason !== null || tokens.length >= most;
  });
}

/** Whether any candidate has weight. If not, all are equally good, and each is a draw from p_ref. */
function hasWeight({ relativeLogEnergies }: Estimate): boolean {
  return relativeLogEnergies.some((log) => log !== Number.NEGATIVE_INFINITY);
}

function withoutWeight(step: number): string {
  return `Step ${step} has no weight: the reference can draw none of its rollouts, or a constraint lets none live. One of the reference's own candidates was kept unguided. Try: a mixture of .25, a proposal closer to the reference, or no truncation of the reference`;
}

/** A step's candidates and their energies; an adaptive run draws them in rounds. */
function advance(run: Run, state: ChainState, step: number): Promise<DrawnStep<ChainState>> {
  const { chain, settings, earlier } = run;
  const { candidates: most } = settings.guidance;
  return drawInRounds({
    most,
    round: run.round,
    advance: (count, first) => chain.advance(state, count, step, first),
    energies: (candidates, known) =>
      energiesOf(run, rolloutsOf(run), { step, candidates, earlier, known }),
    isOutOfBudget: () => run.isOutOfBudget,
  });
}

/**
 * K rollouts x_0(m, k) of each candidate, and what each weighs in Ê(m) = (1/K) Σ_k w exp(r / λ): 1 where
 * p_ref drew it, w = p_ref / p_proposal where the proposal did.
 */
function rolloutsOf(run: Run) {
  const { chain, proposal, settings } = run;
  const { rollouts: K } = settings.guidance;
  const { proposal: own, metrics } = settings.energy;
  if (proposal === null || own === null) return monteCarlo(chain, K);
  const { weights, mixture, resampleEvery } = own;
  if (resampleEvery !== null && chain.kind === "prefix" && proposal.kind === "prefix") {
    const uniform = (step: number, candidate: number, block: number) =>
      run.uniforms(step, `resample/${candidate}/${block}`, 1)[0] as number;
    const atOnce = Math.floor(run.parallelRollouts / K);
    return resampledRollouts(chain, proposal, {
      rollouts: K,
      resampleEvery,
      atOnce,
      metrics,
      uniform,
    });
  }
  return importanceSampling(chain, proposal, { rollouts: K, weights, mixture, metrics });
}
