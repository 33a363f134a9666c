/** The ways in which runs end: with the chain's text, with one of a step's rollouts, or early. */
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
 * One of the step's texts, drawn with probability ∝ ratio · exp(r / λ). A run that is settled or that
 * resamples ends with it. A rollout that ended with its answer is continued. If the reference can draw none
 * of the rollouts, it draws the rest of the chosen candidate itself.
 */
export async function resampled(run: Run, finalStep: FinalStep): Promise<RewardedText> {
  const { step, candidates, completions } = finalStep;
  if (completions.every(({ logWeight }) => logWeight === Number.NEGATIVE_INFINITY)) {
    return await referencesOwn(run, finalStep);
  }
  return adopt(run, resample(run, completions, step), candidates, step);
}

/** The chosen candidate with its rest drawn by p_ref. */
async function referencesOwn(run: Run, { step, candidates, chosen }: FinalStep): Promise<Text> {
  const state = candidates[chosen] as ChainState;
  if (state.finishReason !== null) return state;
  return run.chain.finish(state, state, decidedStream(step, run.settings.guidance.candidates));
}

/**
 * Completes a text whose reward can't change any more. For its rest p_ref and p* are equal, so it is drawn
 * from p_ref: one of the candidate's own rollouts, if p_ref drew some.
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

/** The longest of some unfinished texts. */
export function longest(states: readonly ChainState[]): ChainState {
  return states.reduce((a, b) => (b.text.length > a.text.length ? b : a));
}

function resample(run: Run, completions: readonly Scored[], step: number): Scored {
  const weights = normalise(completions.map(({ logWeight }) => logWeight));
  return completions[run.choose(weights, step, "rollout")] as Scored;
}

/** Makes a rollout the text of the run, and continues it if it ended with its answer. */
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
