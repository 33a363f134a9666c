/** How runs end: with the text that the chain came to, one of a step's rollouts, or what is left. */
import type { ChainState, Text } from "../chain/chain.js";
import { continuedStream, decidedStream } from "../chain/random-streams.js";
import type { Scored } from "../energy/estimate.js";
import { normalise } from "../energy/log-domain.js";
import type { RewardedText } from "./run/outcome.js";
import type { Run } from "./run/run.js";

/** A step after which a run may end. */
interface FinalStep {
  step: number;
  candidates: readonly ChainState[];
  completions: readonly Scored[];
  /** Index of the candidate that the text goes on from. */
  chosen: number;
}

/**
 * One of the step's texts, drawn with probability ∝ ratio · exp(r / λ): a run that settled, or that
 * resamples, ends with it. A rollout that ended with its answer is drawn on. Where the reference can
 * draw none of the rollouts, the text goes on from the chosen candidate by the reference's own draw.
 */
export async function resampled(run: Run, finalStep: FinalStep): Promise<RewardedText> {
  const { step, candidates, completions } = finalStep;
  if (completions.every(({ logWeight }) => logWeight === Number.NEGATIVE_INFINITY)) {
    return await referencesOwn(run, finalStep);
  }
  return adopt(run, resample(run, completions, step), candidates, step);
}

/** The rest of the chosen candidate, as p_ref draws it. */
async function referencesOwn(run: Run, { step, candidates, chosen }: FinalStep): Promise<Text> {
  const state = candidates[chosen] as ChainState;
  if (state.finishReason !== null) return state;
  return run.chain.finish(state, state, decidedStream(step, run.settings.guidance.candidates));
}

/**
 * The rest of a text whose reward nothing that follows can change, from p_ref, where it and p* agree:
 * one of its own rollouts, if p_ref drew some.
 */
export async function decidedText(run: Run, finalStep: FinalStep): Promise<RewardedText> {
  const { step, candidates, completions, chosen } = finalStep;
  const state = candidates[chosen] as ChainState;
  const own = completions.filter((c) => isSame(candidates[c.candidate], state));
  const [first] = own;
  if (run.proposal === null && first !== undefined) {
    return await adopt(run, resample(run, own, step), candidates, step);
  }
  const text = await referencesOwn(run, finalStep);
  return first === undefined ? text : { ...text, reward: first.reward };
}

/** The most complete of unfinished texts. */
export function longest(states: readonly ChainState[]): ChainState {
  return states.reduce((a, b) => (b.text.length > a.text.length ? b : a));
}

function resample(run: Run, completions: readonly Scored[], step: number): Scored {
  const weights = normalise(completions.map(({ logWeight }) => logWeight));
  return completions[run.choose(weights, step, "rollout")] as Scored;
}

/** A rollout as the text of the run. */
async function adopt(
  run: Run,
  drawn: Scored,
  candidates: readonly ChainState[],
  step: number,
): Promise<RewardedText> {
  const { candidate, rollout, finishReason, reward } = drawn;
  const state = candidates[candidate];
  if (finishReason !== "answered" || rollout === null || state === undefined) return drawn;
  const { rollouts } = run.settings.guidance;
  const proposed = run.proposal === null ? null : rollouts;
  const stream = continuedStream(step, candidate, rollout, proposed);
  return { ...(await run.chain.finish(state, drawn, stream)), reward };
}

function isSame(a: ChainState | undefined, b: ChainState): boolean {
  return a?.tokens.join() === b.tokens.join();
}
