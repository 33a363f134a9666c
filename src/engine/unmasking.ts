/** Scores the denoising trajectory of a finished text, step by step. */
import type { Denoiser, ScoredState, UnmaskedText } from "./denoiser.js";
import type { TokenPolicy } from "./denoising-request.js";
import { LlamaEtsError } from "./errors.js";

/**
 * Computes the reference's log-probability of each unmasked token, in the state just before the token
 * was unmasked. This takes one full pass for each denoising step of each text; all states are known
 * beforehand, so that the passes are batched. The result is NaN if `order` is -1. The sum over the
 * positions is the log-probability of the trajectory's tokens, given the order of the positions. Under
 * `random` remasking it is the log-probability of the whole trajectory, up to a term that doesn't
 * depend on the model.
 *
 * With `isOnePass`, all tokens are scored in the finished text instead, by one pass for each text: the
 * model sees the token that it predicts. This is the paper's approximation.
 */
export async function scoreUnmasking(
  denoiser: Pick<Denoiser, "maskToken" | "scoreStates">,
  prompt: Int32Array,
  texts: readonly UnmaskedText[],
  policy: TokenPolicy,
  isOnePass = false,
): Promise<Float64Array[]> {
  const trajectories = texts.map((text) =>
    isOnePass ? [finalStateOf(text)] : statesOf(text, denoiser.maskToken),
  );
  // Trajectories that began in the same state share states, which are scored once.
  const keyOf = ({ tokens, targets }: ScoredState) => `${tokens}/${targets}`;
  const distinct = new Map(trajectories.flat().map((state) => [keyOf(state), state]));
  const scored = await denoiser.scoreStates(prompt, [...distinct.values()], policy);
  const scores = new Map([...distinct.keys()].map((key, i) => [key, scored[i]]));
  return texts.map(({ tokens }, i) => {
    const result = new Float64Array(tokens.length).fill(Number.NaN);
    for (const state of trajectories[i] ?? []) {
      const score = scores.get(keyOf(state)) as Float64Array;
      for (const [position, target] of state.targets.entries()) {
        if (target >= 0) result[position] = score[position] as number;
      }
    }
    return result;
  });
}

/** The state before each step of a trajectory, and the tokens that the step unmasked. */
function statesOf({ tokens, order }: UnmaskedText, maskToken: number): ScoredState[] {
  checkOrder(tokens, order);
  const steps = [...new Set(order)].filter((step) => step >= 0).sort((a, b) => a - b);
  return steps.map((step) => ({
    tokens: tokens.map((token, i) => ((order[i] as number) >= step ? maskToken : token)),
    targets: tokens.map((token, i) => (order[i] === step ? token : -1)),
  }));
}

/** The finished text as a state, with all unmasked tokens as targets. */
function finalStateOf({ tokens, order }: UnmaskedText): ScoredState {
  checkOrder(tokens, order);
  return { tokens, targets: tokens.map((token, i) => ((order[i] as number) < 0 ? -1 : token)) };
}

function checkOrder(tokens: Int32Array, order: Int32Array): void {
  if (order.length !== tokens.length) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected \`order\` to have ${tokens.length} elements, one a position, got ${order.length}`,
    );
  }
}
