import type { ChainState } from "../chain/chain.js";
import type { Model } from "../engine/model.js";
import type { Prompt } from "../engine/prompt.js";
import { Metropolis, type Moves } from "./metropolis.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";

/**
 * Samples from p_ref(x | y) · exp(r(y, x) / λ), ETS's target, by Metropolis-Hastings (as Quest,
 * Faria et al. 2024): `moves` times an end of the text is drawn anew from p_ref.
 *
 * Exact in the limit of many moves. `candidates` texts, drawn independently at first, are moved side
 * by side, in one batch; one of them is returned, drawn uniformly. A reward that votes judges each
 * text among those first ones, so that the target stays the same from move to move.
 *
 * @throws as `ets` does
 */
export async function mh(
  model: Model,
  prompt: Prompt,
  options: MethodOptions = {},
): Promise<Result> {
  await using run = await Run.open("mh", model, prompt, options);
  const { candidates, maxTokens, lambda } = run.settings;
  const moves = run.settings.moves ?? 0;
  const metropolis = new Metropolis(run);
  let voters: readonly ChainState[] | undefined;
  let step = 0;
  const toPosterior: Moves = {
    power: 1,
    length: maxTokens,
    async visit(states) {
      voters ??= states;
      const rewards = await run.rewardEach(states, voters, step);
      return states.map((state, i) => {
        const reward = rewards[i] as number;
        const logProb = state.logProbs.reduce((a, b) => a + b, 0);
        return { state, logDensity: logProb + reward / lambda, reward };
      });
    },
  };

  let chosen = 0;
  let goesOn = await metropolis.start(candidates, toPosterior);
  for (; step < moves && goesOn; step++) {
    goesOn = await metropolis.move(toPosterior);
    if (goesOn) chosen = await metropolis.record(step);
  }
  const { acceptanceRate, texts } = metropolis;
  return await run.finish(texts[chosen]?.state as ChainState, { acceptanceRate });
}
