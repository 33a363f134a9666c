/** What is said of a step whose importance weights can't be trusted. */
import { weightConcerns } from "../energy/diagnostics.js";
import type { ProposalSettings } from "./settings.js";
import type { Step } from "./step.js";

/** Null where they can. */
export function warningOf(step: Step, proposal: ProposalSettings | null): string | null {
  const reasons = weightConcerns(step);
  if (reasons.length === 0) return null;
  const distance = proposal === null ? "" : distanceBy(step, proposal);
  return `The importance weights of step ${step.step} are unreliable: ${reasons.join(" and ")}.${distance} Try: a proposal closer to the reference, more rollouts, a mixture of .25, or shorter answers`;
}

/** How far the proposal is, where a step's ratios are those of all that the proposal drew. */
function distanceBy({ candidates }: Step, proposal: ProposalSettings): string {
  const { denoising, resampleEvery, weights, mixture } = proposal;
  if (denoising !== null || resampleEvery !== null || weights !== "exact" || mixture > 0) return "";
  const drawn = candidates.flatMap(({ tokens, completions }) =>
    completions
      .filter(({ rollout, logRatio }) => rollout !== null && Number.isFinite(logRatio))
      .map((c) => ({ logRatio: c.logRatio, length: c.tokens.length - tokens.length })),
  );
  const length = drawn.reduce((sum, rollout) => sum + rollout.length, 0);
  if (length === 0) return "";
  const klPerToken = -drawn.reduce((sum, { logRatio }) => sum + logRatio, 0) / length;
  const tokens = Math.round(length / drawn.length);
  return ` The proposal is ${klPerToken.toPrecision(2)} nats a token from the reference, over rollouts of ${tokens} tokens; \`llama-ets doctor -m … --proposal …\` says how many count at which length.`;
}
