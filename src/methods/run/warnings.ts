/** The warnings of a run. */
import type { Text, Usage } from "../../chain/chain.js";
import { weightConcerns } from "../../energy/diagnostics.js";
import { largestOf } from "../../energy/log-domain.js";
import type { Guidance, ProposalSettings, Resolved } from "../options/settings.js";
import type { Step } from "../step.js";

/** A warning that a step's importance weights can't be trusted; null if they can. */
export function weightWarning(step: Step, proposal: ProposalSettings | null): string | null {
  const reasons = weightConcerns(step);
  if (reasons.length === 0) return null;
  const distance = proposal === null ? "" : distanceBy(step, proposal);
  return `The importance weights of step ${step.step} are unreliable: ${reasons.join(" and ")}.${distance} Try: a proposal closer to the reference, more rollouts, a mixture of .25, or shorter answers`;
}

/** How far the proposal is from the reference; "" unless a step has exact ratios of whole rollouts. */
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

/**
 * A warning that all texts ended within the first of several steps, so that nothing was guided. This
 * happens to short answers if `steps` divides the longest text. Null if some texts go on.
 */
export function unguidedWarning(
  texts: readonly Text[],
  { steps, blockTokens }: Pick<Guidance, "steps" | "blockTokens">,
): string | null {
  if (steps <= 1 || texts.some(({ finishReason }) => finishReason === null)) return null;
  const longest = largestOf(texts.map(({ tokens }) => tokens.length));
  return `No step was guided: all ${texts.length} texts ended within the first block of ${blockTokens} tokens, so that the run chose among whole texts. Try: blockTokens (-B) ${Math.max(1, Math.ceil(longest / 4))}`;
}

/** Below this log mass, in nats, a constraint has changed the model's text too much. */
const LITTLE_MASS = -20;

/** @param logMass log of the share of p_ref that a constraint leaves, as far as it is known */
export function massWarning(logMass: number): string | null {
  if (logMass >= LITTLE_MASS) return null;
  const shown = logMass.toFixed(1);
  return `The constraint leaves exp(${shown}) of the reference's probability: texts that meet it are hardly the model's own. Try: a prompt that asks for what the constraint says, more candidates with particle, or a wider constraint`;
}

/**
 * A warning that `maxTokens` cut off an answer that may not meet its constraint; null if it ended or was
 * closed.
 */
export function cutOffWarning(
  { finishReason, thoughts, tokens }: Text,
  { policy, limits }: Pick<Resolved, "policy" | "limits">,
): string | null {
  const { constraint } = policy.sampling;
  const isCut = finishReason === "length" && thoughts?.isOpen !== true;
  if (constraint === undefined || !isCut) return null;
  const why = limits.closes ? ", and no end that meets it fits" : "";
  const canClose = !limits.closes && constraint.kind !== "tools";
  const close = canClose ? "`close: true` (--close), which ends it as the constraint allows, " : "";
  return `The answer was cut off at ${tokens.length} tokens, so that it may lack what its constraint asks for${why}. Try: ${close}a larger maxTokens, or bounds in the constraint such as maxItems and maxLength`;
}

/** A warning that thoughts took all of `maxTokens`, so that no answer began; null if one did. */
export function unansweredWarning({ finishReason, thoughts, tokens }: Text): string | null {
  if (finishReason !== "length" || thoughts?.isOpen !== true || thoughts.ended !== null)
    return null;
  return `All ${tokens.length} tokens went into thoughts, so that there is no answer. Try: a budget of thoughts below maxTokens (--reasoning N), a larger maxTokens, or --reasoning off where the template can`;
}

/** A warning that a server may have tokenized texts differently than it drew them; null if it did not. */
export function retokenisedWarning({ retokenised = 0 }: Usage): string | null {
  if (retokenised === 0) return null;
  const texts = retokenised === 1 ? "1 text" : `${retokenised} texts`;
  return `The server takes texts in place of token ids, and may have read ${texts} as other tokens than it drew before it went on: the law is near the method's. Try: a server that takes token ids (vLLM, llama-server), or one step`;
}
