import type { ChainState, RedrawnState } from "../chain/chain.js";
import type { Model } from "../engine/local/model.js";
import type { Prompt } from "../engine/prompt.js";
import { EndRedraw } from "./end-redraw.js";
import { Metropolis } from "./metropolis.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";

/**
 * Samples from p_ref(x | y)^α by Metropolis-Hastings ("Reasoning with Sampling", Karan and Du
 * 2025), without a reward. Texts grow by `steps` blocks; at each, `moves` proposals draw an end
 * anew at temperature 1/α. p_ref is the reference policy, by default at temperature 1.
 *
 * Exact in the limit of many moves. `candidates` texts are run side by side, in one batch, and one
 * of them is returned, drawn uniformly.
 *
 * @throws as `ets` does
 */
export async function power(
  model: Model,
  prompt: Prompt,
  options: Omit<MethodOptions, "reward"> = {},
): Promise<Result> {
  await using run = await Run.open("power", model, prompt, options);
  const { candidates, blockTokens, maxTokens } = run.settings;
  const [alpha, moves] = [run.settings.alpha ?? 1, run.settings.moves ?? 0];
  const metropolis = new Metropolis<ChainState & RedrawnState>(run);
  const upTo = (length: number) => ({
    kernel: new EndRedraw(run.prefixChain, { power: alpha, length }),
    async visit(states: readonly (ChainState & RedrawnState)[]) {
      return states.map((state) => {
        const logProb = logProbOf(state);
        return { state, logDensity: alpha * logProb, reward: logProb };
      });
    },
  });

  let length = Math.min(blockTokens, maxTokens);
  let goesOn = await metropolis.start(candidates, upTo(length));
  for (let step = 0; goesOn; step++) {
    for (let move = 0; move < moves && goesOn; move++) goesOn = await metropolis.move(upTo(length));
    if (!goesOn) break;
    const chosen = await metropolis.record(step);
    const { acceptanceRate, texts } = metropolis;
    const text = texts[chosen]?.state;
    if (length === maxTokens && text) return await run.finish(text, { acceptanceRate });
    // Once all have ended no block is left to draw, but those that are longer than this one.
    const haveEnded = texts.every(({ state }) => state.finishReason !== null);
    length = haveEnded ? maxTokens : Math.min(length + blockTokens, maxTokens);
    if (!haveEnded) goesOn = await metropolis.extend(upTo(length));
  }
  const { acceptanceRate, texts } = metropolis;
  return await run.finish(texts[0]?.state as ChainState, { acceptanceRate });
}

function logProbOf({ logProbs }: ChainState): number {
  return logProbs.reduce((a, b) => a + b, 0);
}
