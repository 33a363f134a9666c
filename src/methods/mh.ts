import type { ChainState } from "../chain/chain.js";
import { logTargetOf } from "../chain/token-values.js";
import { saturated } from "../energy/log-domain.js";
import { redrawDemand } from "../planning/demands.js";
import { boundRedrawn } from "../planning/token-bounds.js";
import { defineMethod } from "./define-method.js";
import { CUTS, EndRedraw, metricsOf } from "./end-redraw.js";
import { oneStep, WHOLE_TEXTS } from "./method.js";
import { type Kernel, Metropolis, MOVES, type Visited } from "./metropolis.js";
import type { ValuesOf } from "./options/option.js";
import type { Result } from "./result.js";
import type { Run } from "./run/run.js";
import { TrajectoryRedraw } from "./trajectory-redraw.js";

const OWN = {
  /** Proposals for each text, from 1 to 100000. Default 10. */
  moves: MOVES,
  /** Where texts are cut: where the next token is uncertain ("entropy", the default), or "uniform". */
  cuts: CUTS,
};

/**
 * Samples from p_ref(x | y) · exp(r(y, x) / λ), the target of ETS, by Metropolis-Hastings (as in Quest,
 * Faria et al. 2024): `moves` times, an end of the text is drawn again from p_ref. For a diffusion model it
 * is the end of the trajectory: the denoising steps from a uniformly picked one on.
 *
 * Exact in the limit of many moves. `candidates` texts are drawn independently and then moved together, in
 * one batch. One of them, chosen uniformly, is returned. A reward that votes judges each text in a pool
 * with the first texts, so that the target stays the same from move to move.
 *
 * @example
 * const { text, acceptanceRate } = await mh(model, "What is 6 * 7?", { candidates: 4, moves: 20 });
 *
 * @throws as `ets` does
 */
export const mh = defineMethod({
  name: "mh",
  summary: "draws ends of whole texts anew, accepted by Metropolis-Hastings",
  own: OWN,
  guidance: ["candidates", "lambda", "reward", "finish"],
  fixed: oneStep,
  metrics: ({ cuts }) => metricsOf(cuts),
  demand: redrawDemand,
  bounds: (shape, { moves }) => boundRedrawn(shape, moves, shape.maxTokens),
  weighs: true,
  reports: WHOLE_TEXTS,
  run: (run) => {
    const { chain, settings } = run;
    if (chain.kind === "trajectory") return moveTexts(run, new TrajectoryRedraw(chain), () => 0);
    const { cuts } = settings.own;
    const ends = new EndRedraw(chain, { cuts, power: 1, length: settings.limits.maxTokens });
    return moveTexts(run, ends, (text) => logTargetOf(text, chain.conditions));
  },
});

/** @param logReference log p_ref of a text, or 0 where the kernel's ratio includes it */
async function moveTexts<S extends ChainState>(
  run: Run<ValuesOf<typeof OWN>>,
  kernel: Kernel<S>,
  logReference: (state: S) => number,
): Promise<Result> {
  const { guidance, energy, own } = run.settings;
  const metropolis = new Metropolis<S>(run);
  let voters: readonly S[] | undefined;
  let step = 0;
  const toPosterior = {
    kernel,
    async visit(states: readonly S[]) {
      voters ??= states.filter(({ finishReason }) => finishReason !== "dead");
      const living = states.filter(({ finishReason }) => finishReason !== "dead");
      const rewards = [...(await run.rewards.rewardEach(living, voters, step))];
      return states.map((state) => {
        const reward = state.finishReason === "dead" ? 0 : (rewards.shift() as number);
        const logDensity = logReference(state) + saturated(reward / energy.lambda);
        return { state, logDensity, reward };
      });
    },
    logDensityRatio: (y: Visited<S>, x: Visited<S>) =>
      (y.reward - x.reward) / energy.lambda + logReference(y.state) - logReference(x.state),
  };

  let chosen = 0;
  let goesOn = await metropolis.start(guidance.candidates, toPosterior);
  for (; step < own.moves && goesOn; step++) {
    goesOn = await metropolis.move(toPosterior);
    if (goesOn) chosen = await metropolis.record(step);
  }
  const { acceptanceRate, texts } = metropolis;
  return await run.finish(texts[chosen]?.state as ChainState, { acceptanceRate });
}
