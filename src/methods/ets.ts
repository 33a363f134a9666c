import type { ChainState } from "../chain/chain.js";
import type { Scored } from "../energy/estimator.js";
import { normalise } from "../energy/log-domain.js";
import { monteCarlo } from "../energy/monte-carlo.js";
import type { Model } from "../engine/model.js";
import type { Prompt } from "../engine/prompt.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";

/**
 * Energy-guided test-time scaling (arXiv 2601.21484, Algorithm 1): samples from
 * p*(x | y) ∝ p_ref(x | y) · exp(r(y, x) / λ), without training.
 *
 * The law of the text approaches p* as 1/M, for every K (METHOD §2).
 *
 * @example
 * const result = await ets(model, "What is 6 * 7?", { candidates: 8, steps: 4 });
 * console.log(result.answer, result.agreement, result.usage.generated);
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`,
 *   `ERR_NO_CHAT_TEMPLATE`, `ERR_REWARD`; the signal's reason when aborted
 */
export async function ets(
  model: Model,
  prompt: Prompt,
  options: MethodOptions = {},
): Promise<Result> {
  await using run = await Run.open("ets", model, prompt, options);
  const { candidates: M, rollouts, steps: I, lambda, finish, shortcuts } = run.settings;
  const { chain, reward } = run;
  const estimateEnergies = monteCarlo({
    rollouts,
    reward,
    lambda,
    prompt: run.promptText,
    shareDuplicates: shortcuts.duplicates,
  });

  let state: ChainState = await chain.start();
  for (let step = 0; step < I && state.finishReason === null; step++) {
    // x_s(m) ~ p_ref(· | x_t)
    const candidates = await chain.advance(state, M, step);
    if (chain.isOutOfBudget) return await run.finishEarly(longest(candidates));
    // Ê(m) ≈ E[exp(r(x_0) / λ)], x_0 ~ p_ref(· | x_s(m))
    const estimate = await estimateEnergies(chain, candidates, step);
    if (chain.isOutOfBudget)
      return await run.finishEarly(longest(candidates), estimate.completions);
    // P(m) = Ê(m) / Σ_j Ê(j)
    const weights = normalise(estimate.logEnergies);
    const chosen = run.choose(weights, step, "candidate");
    await run.record(candidates, estimate, weights, chosen);

    const next = candidates[chosen] as ChainState;
    const isLastWithRollouts = step === I - 2;
    if (finish === "resample" && isLastWithRollouts) {
      return await run.finish(resample(run, estimate.completions, step));
    }
    // Nothing that follows can change the reward: p* and p_ref agree on the rest, and a rollout of
    // the chosen candidate is a draw of it.
    if (shortcuts.decided && next.finishReason === null && reward.isDecided?.(next.text)) {
      const own = estimate.completions.filter((c) => isContinuation(c, next));
      return await run.finish(resample(run, own, step));
    }
    await chain.release([state, ...candidates.filter((c) => c !== next)]);
    state = next;
  }
  return await run.finish(state);
}

/** Draws among finished texts with probability ∝ votes · exp(r / λ). */
function resample(run: Run, completions: readonly Scored[], step: number): Scored {
  const { lambda } = run.settings;
  const weights = normalise(completions.map((c) => Math.log(c.votes) + c.reward / lambda));
  return completions[run.choose(weights, step, "rollout")] as Scored;
}

function isContinuation(completion: Scored, prefix: ChainState): boolean {
  return prefix.tokens.every((token, i) => completion.tokens[i] === token);
}

/** The most complete of unfinished texts. */
function longest(states: readonly ChainState[]): ChainState {
  return states.reduce((a, b) => (b.tokens.length > a.tokens.length ? b : a));
}
