import type { ChainState } from "../chain/chain.js";
import type { Model } from "../engine/local/model.js";
import type { Prompt } from "../engine/prompt.js";
import { EndRedraw } from "./end-redraw.js";
import { type Kernel, Metropolis } from "./metropolis.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";
import { TrajectoryRedraw } from "./trajectory-redraw.js";

/**
 * Samples from p_ref(x | y) · exp(r(y, x) / λ), ETS's target, by Metropolis-Hastings (as Quest,
 * Faria et al. 2024): `moves` times an end of the text is drawn anew from p_ref. Of a diffusion
 * model, the end of its trajectory: the denoising steps from a uniformly picked one on.
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
  if (run.settings.diffusion !== null) {
    return await moveTexts(run, new TrajectoryRedraw(run.trajectoryChain), () => 0);
  }
  const ends = new EndRedraw(run.prefixChain, { power: 1, length: run.settings.maxTokens });
  return await moveTexts(run, ends, ({ logProbs }) => logProbs.reduce((a, b) => a + b, 0));
}

/** @param logReference log p_ref of a text, or 0 where the kernel's ratio includes it */
async function moveTexts<S extends ChainState>(
  run: Run,
  kernel: Kernel<S>,
  logReference: (state: S) => number,
): Promise<Result> {
  const { candidates, lambda } = run.settings;
  const moves = run.settings.moves ?? 0;
  const metropolis = new Metropolis<S>(run);
  let voters: readonly S[] | undefined;
  let step = 0;
  const toPosterior = {
    kernel,
    async visit(states: readonly S[]) {
      voters ??= states;
      const rewards = await run.rewardEach(states, voters, step);
      return states.map((state, i) => {
        const reward = rewards[i] as number;
        return { state, logDensity: logReference(state) + reward / lambda, reward };
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
