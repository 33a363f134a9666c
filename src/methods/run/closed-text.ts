/** `close: true`: texts that `maxTokens` cut off, closed by their constraint. */
import type { Text } from "../../chain/chain.js";
import { firstValues } from "../../chain/token-values.js";
import { ThoughtReader } from "../../engine/thoughts.js";
import type { Opened } from "./open-run.js";

/**
 * The text with an end that meets the constraint. The end replaces as little of the text as possible. The
 * added tokens are forced: their log-probabilities and metrics are 0. Null if the text need not be closed,
 * or if no end fits.
 */
export async function closedText(
  text: Text,
  { model, settings, thoughtRules }: Pick<Opened<unknown>, "model" | "settings" | "thoughtRules">,
): Promise<Text | null> {
  const { policy, limits } = settings;
  const { constraint } = policy.sampling;
  const isCut = text.finishReason === "length" && text.thoughts?.isOpen !== true;
  if (!limits.closes || constraint === undefined || !isCut) return null;
  // The module that reads grammars is loaded only when a text is closed.
  const { closingOf } = await import("../../engine/constraint/closing.js");
  const begin = answerStart(text, { model, thoughtRules });
  const answer = text.tokens.slice(begin);
  const closing = closingOf(model, constraint.grammar, answer, limits.maxTokens - begin);
  // A closing that contains a stop string would be cut, so it can't be used.
  if (closing === null || policy.stop.some((stop) => closing.text.includes(stop))) return null;
  const kept = begin + closing.kept;
  const { logProbs, logMasses, ...metrics } = firstValues(text, kept);
  const zeros = new Array<number>(closing.added.length).fill(0);
  return {
    text: closing.text,
    ...(text.thoughts && { thoughts: text.thoughts }),
    tokens: [...text.tokens.slice(0, kept), ...closing.added],
    logProbs: [...logProbs, ...zeros],
    ...(logMasses && { logMasses: [...logMasses, ...zeros] }),
    ...Object.fromEntries(Object.entries(metrics).map(([name, of]) => [name, [...of, ...zeros]])),
    finishReason: "length",
  };
}

/** The number of tokens before those that the constraint reads. */
function answerStart(
  { tokens }: Text,
  { model, thoughtRules }: Pick<Opened<unknown>, "model" | "thoughtRules">,
): number {
  if (!thoughtRules?.isConstrained) return 0;
  const reader = new ThoughtReader(model, thoughtRules);
  for (const [i, token] of tokens.entries()) {
    if (reader.isInAnswer) return i;
    reader.add(token);
  }
  return tokens.length;
}
