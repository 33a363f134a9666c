import type { ChainState, RedrawnState } from "../chain/chain.js";
import { logTargetOf } from "../chain/token-values.js";
import { LlamaEtsError } from "../engine/errors.js";
import { redrawDemand } from "../planning/demands.js";
import { boundRedrawn } from "../planning/token-bounds.js";
import { defineMethod, type OptionsOf } from "./define-method.js";
import { CUTS, EndRedraw, metricsOf } from "./end-redraw.js";
import { type Refusal, WHOLE_TEXTS } from "./method.js";
import { Metropolis, MOVES, type Visited } from "./metropolis.js";
import type { ValuesOf } from "./options/option.js";
import type { Result } from "./result.js";
import type { Run } from "./run/run.js";
import { alphaOption, checkSharpened } from "./sharpened.js";

const OWN = {
  /** α of the target p_ref^α, from 1 to 100. Default 4. */
  alpha: alphaOption(4),
  /** Proposals for each text at each block, from 1 to 100000. Default 10. */
  moves: MOVES,
  /** Where texts are cut: where the next token is uncertain ("entropy", the default), or "uniform". */
  cuts: CUTS,
};

type Own = ValuesOf<typeof OWN>;

const DIFFUSION: Refusal = {
  message:
    "power needs an autoregressive model: the p(x) that it raises to α is, for a diffusion model, a sum over all ways to unmask x",
  fix: "ets, mh, particle or another method",
};

/**
 * Samples from p_ref(x | y)^α by Metropolis-Hastings ("Reasoning with Sampling", Karan and Du
 * 2025), without a reward. Texts grow by `steps` blocks. After each block, `moves` proposals draw an end
 * again from p_ref(token | text so far)^α. p_ref is the reference policy, by default at temperature 1.
 *
 * Exact in the limit of many moves. `candidates` texts are run together, in one batch, and one of them,
 * chosen uniformly, is returned.
 *
 * @example
 * const { text, acceptanceRate } = await power(model, "What is 6 * 7?", { alpha: 4, moves: 10 });
 *
 * @throws as `ets` does
 */
export const power = defineMethod<typeof OWN, Omit<OptionsOf<typeof OWN>, "reward">>({
  name: "power",
  summary: "samples from p^α: ends drawn anew, accepted by Metropolis-Hastings",
  own: OWN,
  guidance: ["candidates", "steps", "blockTokens"],
  defaults: { temperature: 1, candidates: 1, steps: 16 },
  fixed: () => ({ rollouts: 1 }),
  metrics: ({ cuts }) => metricsOf(cuts),
  check: checkSharpened,
  demand: redrawDemand,
  bounds: (shape, { moves }) => boundRedrawn(shape, moves, shape.blockTokens),
  refusesDiffusion: () => DIFFUSION,
  weighs: true,
  reports: WHOLE_TEXTS,
  run: grow,
});

async function grow(run: Run<Own>): Promise<Result> {
  const { chain, settings } = run;
  if (chain.kind !== "prefix") {
    throw new LlamaEtsError("ERR_INVALID_OPTION", DIFFUSION.message, DIFFUSION);
  }
  const { candidates, blockTokens } = settings.guidance;
  const { maxTokens } = settings.limits;
  const { alpha, moves, cuts } = settings.own;
  const metropolis = new Metropolis<ChainState & RedrawnState>(run);
  const upTo = (length: number) => ({
    kernel: new EndRedraw(chain, { cuts, power: alpha, length }),
    async visit(states: readonly (ChainState & RedrawnState)[]) {
      return states.map((state) => {
        const logProb = logTargetOf(state, chain.conditions);
        return { state, logDensity: alpha * logProb, reward: logProb };
      });
    },
    logDensityRatio: (y: Visited<ChainState>, x: Visited<ChainState>) =>
      alpha * (y.reward - x.reward),
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
    // If all texts have ended, no blocks are left, and the moves go on at the full length.
    const haveEnded = texts.every(({ state }) => state.finishReason !== null);
    length = haveEnded ? maxTokens : Math.min(length + blockTokens, maxTokens);
    if (!haveEnded) goesOn = await metropolis.extend(upTo(length));
  }
  const { acceptanceRate, texts } = metropolis;
  return await run.finish(texts[0]?.state as ChainState, { acceptanceRate });
}
