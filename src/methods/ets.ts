import type { ChainState, Text } from "../chain/chain.js";
import type { Estimate, Scored } from "../energy/estimator.js";
import { importanceSampling } from "../energy/importance-sampling.js";
import { normalise } from "../energy/log-domain.js";
import { monteCarlo } from "../energy/monte-carlo.js";
import type { Model } from "../engine/local/model.js";
import type { Prompt } from "../engine/prompt.js";
import { drawStep } from "./draw-step.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";

/**
 * Energy-guided test-time scaling (arXiv 2601.21484): samples from
 * p*(x | y) ∝ p_ref(x | y) · exp(r(y, x) / λ), without training. Energies come from rollouts of the
 * model itself (Algorithm 1), or with `proposal` from a smaller model's, corrected by importance
 * weights (ETS-IS, Algorithm 2).
 *
 * The law of the text approaches p* as 1/M, for every K (METHOD §2). With `adaptive` a step whose
 * vote is settled ends the run, with one of the step's texts drawn by exp(r / λ).
 *
 * @example
 * const result = await ets(model, "What is 6 * 7?", { candidates: 8, steps: 4 });
 * console.log(result.answer, result.agreement, result.usage.generated);
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`,
 *   `ERR_NO_CHAT_TEMPLATE`, `ERR_REWARD`, `ERR_TOKENIZER_MISMATCH`; the signal's reason when aborted
 */
export async function ets(
  model: Model,
  prompt: Prompt,
  options: MethodOptions = {},
): Promise<Result> {
  await using run = await Run.open(options.proposal ? "ets-is" : "ets", model, prompt, options);
  const { chain, proposal, reward, settings } = run;
  const { steps: I, finish, shortcuts, weights: treatment, mixture } = settings;
  const estimator = run.estimatorOptions;
  const estimateEnergies =
    proposal === null
      ? monteCarlo(estimator)
      : importanceSampling({ ...estimator, proposal, weights: treatment, mixture });

  let state: ChainState = await chain.start();
  for (let step = 0; step < I && state.finishReason === null; step++) {
    const { candidates, estimate } = await drawStep(run, state, step, estimateEnergies);
    if (estimate === null || run.isOutOfBudget) {
      return await run.finishEarly(longest(candidates), estimate?.completions);
    }
    // P(m) = Ê(m) / Σ_j Ê(j)
    const weights = normalise(estimate.logEnergies);
    const chosen = run.choose(weights, step, "candidate");
    await run.record(candidates, estimate, weights, chosen);

    const next = candidates[chosen] as ChainState;
    const isLastWithRollouts = step === I - 2;
    if (estimate.isSettled || (finish === "resample" && isLastWithRollouts)) {
      const drawn = resample(run, estimate.completions, step);
      return await run.finish(await adopt(run, drawn, candidates, step));
    }
    // Nothing that follows can change the reward: p* and p_ref agree on the rest of the text.
    if (shortcuts.decided && next.finishReason === null && reward.isDecided?.(next.text)) {
      return await run.finish(await drawRest(run, chosen, candidates, estimate, step));
    }
    await chain.release([state, ...candidates.filter((c) => c !== next)]);
    state = next;
  }
  return await run.finish(state);
}

/** Draws among finished texts with probability ∝ ratio · exp(r / λ). */
function resample(run: Run, completions: readonly Scored[], step: number): Scored {
  const weights = normalise(completions.map(({ logWeight }) => logWeight));
  return completions[run.choose(weights, step, "rollout")] as Scored;
}

/** A rollout as the text of the run: one that ended with its answer is drawn on. */
async function adopt(
  run: Run,
  drawn: Scored,
  candidates: readonly ChainState[],
  step: number,
): Promise<Text> {
  const { candidate, rollout, finishReason } = drawn;
  const state = candidates[candidate];
  if (finishReason !== "answered" || rollout === null || state === undefined) return drawn;
  // Numbers that no rollout of the reference's has used, where others drew some.
  const number = run.proposal === null ? rollout : run.settings.rollouts + rollout;
  return run.chain.finish(state, drawn, { step, candidate, rollout: number });
}

/** The rest of a decided text, from p_ref: one of its own rollouts, if p_ref drew them. */
async function drawRest(
  run: Run,
  chosen: number,
  candidates: readonly ChainState[],
  { completions }: Estimate,
  step: number,
): Promise<Text> {
  const state = candidates[chosen] as ChainState;
  if (run.proposal === null) {
    const own = completions.filter((c) => isSame(candidates[c.candidate], state));
    return adopt(run, resample(run, own, step), candidates, step);
  }
  const afterLast = run.settings.candidates; // a random stream of its own
  return run.chain.finish(state, state, { step, candidate: afterLast, rollout: 0 });
}

function isSame(a: ChainState | undefined, b: ChainState): boolean {
  return a?.tokens.join() === b.tokens.join();
}

/** The most complete of unfinished texts. */
function longest(states: readonly ChainState[]): ChainState {
  return states.reduce((a, b) => (b.text.length > a.text.length ? b : a));
}
