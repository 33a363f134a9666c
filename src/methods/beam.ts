import type { Chain, ChainState, Hypothesis, PrefixChain } from "../chain/chain.js";
import { ownCompletion } from "../energy/candidate-groups.js";
import type { Scored } from "../energy/estimate.js";
import { checkInteger } from "../engine/check.js";
import { rankDemand } from "../planning/demands.js";
import { boundRanked } from "../planning/token-bounds.js";
import { defineMethod, type OptionsOf } from "./define-method.js";
import { numberOption, type ValuesOf } from "./options/option.js";
import type { Result } from "./result.js";
import { allDied } from "./run/result-of.js";
import type { Run } from "./run/run.js";

const OWN = {
  /**
   * Hypotheses are compared by log p(x) / length^penalty. From 0 (the log-probability itself) to 4.
   * Default 1 (the mean over the tokens).
   */
  lengthPenalty: numberOption("lengthPenalty", {
    min: 0,
    max: 4,
    fallback: 1,
    flags: "--length-penalty <x>",
    help: "beam: compares log p / length^x (default: 1, the mean)",
  }),
};

/** The largest number of hypotheses. Each needs two sequences at a time. */
const MAX_WIDTH = 64;

/**
 * Beam search. It extends the `candidates` most probable beginnings token by token, and returns the
 * finished text with the largest log p(x) / length^`lengthPenalty`. p is the reference policy, by default
 * at temperature 1: the model's own distribution.
 *
 * For a diffusion model, beginnings are extended by denoising steps. Each step unmasks the positions that
 * its rule chooses if each has its most probable token; p and length then cover all unmasked tokens.
 *
 * Nothing is random except the positions of random remasking. The search ends with `candidates` finished
 * texts, at `maxTokens`, or once no beginning can become better. If the width is at least the number of
 * possible texts, the search is exhaustive.
 *
 * @example
 * const { text } = await beam(model, "What is 6 * 7?", { candidates: 8, lengthPenalty: 1 });
 *
 * @throws as `ets` does
 */
export const beam = defineMethod<typeof OWN, Omit<OptionsOf<typeof OWN>, "reward">>({
  name: "beam",
  summary: "extends the most probable beginnings token by token",
  own: OWN,
  guidance: ["candidates", "steps", "blockTokens"],
  defaults: { temperature: 1 },
  fixed: () => ({ rollouts: 1 }),
  check: ({ guidance }) => {
    checkInteger("candidates", guidance.candidates, 1, MAX_WIDTH);
  },
  demand: rankDemand,
  bounds: boundRanked,
  // In addition to the hypotheses that go on, the same number may end.
  drawnAtOnce: ({ candidates }) => 2 * candidates,
  refusesDiffusion: ({ parallel }) =>
    parallel && {
      message:
        "beam compares texts of which as many tokens are known, which `diffusion.parallel` leaves to each",
      fix: "fewer `diffusion.denoisingSteps`",
    },
  keepsAllTexts: true,
  reports: { continues: false, energies: "log weight", shows: [] },
  expands: true,
  picks: true,
  run: search,
});

/** Extends hypotheses at the same step: returns `width` that go on, and the more probable ones that end. */
type Grow = (live: readonly Hypothesis[], wanted: number) => Promise<Hypothesis[] | null>;

async function search(run: Run<ValuesOf<typeof OWN>>): Promise<Result> {
  const { guidance, limits, own } = run.settings;
  const { candidates: width, blockTokens } = guidance;
  const { lengthPenalty: penalty } = own;
  const { kind } = run.chain;
  const grow = growOf(run.chain, width);
  /** The number of times that hypotheses grow in a guidance step. */
  const pace = kind === "prefix" ? blockTokens : 1;
  const scoreOf = ({ logProb, length }: Hypothesis) => logProb / length ** penalty;
  const byScore = (a: Hypothesis, b: Hypothesis) => scoreOf(b) - scoreOf(a);

  let live: Hypothesis[] = [{ state: await run.chain.start(), logProb: 0, length: 0 }];
  let finished: Hypothesis[] = [];
  for (let grownBy = 1; live.length > 0; grownBy++) {
    const grown = await grow(live, width - finished.length);
    if (grown === null) break; // out of budget
    const ended = grown.filter(({ state }) => state.finishReason !== null);
    finished = [...finished, ...ended].sort(byScore);
    live = grown.filter(({ state }) => state.finishReason === null);
    if (finished.length + live.length === 0) throw allDied();
    const best = finished[0];
    // log p can only fall, and the score of a given log p is highest at the greatest length.
    const canWin = ({ logProb }: Hypothesis) =>
      best === undefined || logProb / limits.maxTokens ** penalty > scoreOf(best);
    if (finished.length >= width || !live.some(canWin)) live = [];
    if (grownBy % pace === 0 || live.length === 0) {
      const kept = [...finished, ...live].sort(byScore).slice(0, width);
      await record(run, kept, kept.map(scoreOf));
    }
  }
  const [best = live[0]] = finished;
  return await run.finish((best as Hypothesis).state);
}

function growOf(chain: Chain, width: number): Grow {
  return chain.kind === "prefix"
    ? (live) => growByToken(chain, live, width)
    : (live, wanted) => chain.search(live, width, wanted);
}

/** The most probable one-token extensions: `width` that go on, and the more probable ones that end. */
async function growByToken(
  chain: PrefixChain,
  live: readonly Hypothesis[],
  width: number,
): Promise<Hypothesis[] | null> {
  const parents = live.map(({ state }) => state);
  // Twice the width, because some extensions may end.
  const ranked = await chain.rank(parents, 2 * width);
  if (ranked.length === 0) return null;
  await chain.release(parents);
  const extensions = ranked
    .flatMap(({ state, next }, i) => {
      const { logProb } = live[i] as Hypothesis;
      return next.map((token) => ({ state, token, logProb: logProb + token.logProb }));
    })
    .sort((a, b) => b.logProb - a.logProb);
  const grown: Hypothesis[] = [];
  const extended = new Set<ChainState>();
  let [going, ended] = [0, 0];
  for (const { state, token, logProb } of extensions) {
    // All extensions are equally long, so after `width` ended ones all others are worse than these.
    if (going === width || ended === width) break;
    const child = chain.extend(state, token);
    grown.push({ state: child, logProb, length: child.tokens.length });
    if (child.finishReason !== null) {
      ended++;
    } else {
      extended.add(state);
      going++;
    }
  }
  const spent = ranked.map(({ state }) => state).filter((state) => !extended.has(state));
  await chain.release(spent);
  return grown;
}

async function record(
  run: Run,
  kept: readonly Hypothesis[],
  scores: readonly number[],
): Promise<void> {
  const completions = kept.flatMap(({ state }, i): Scored[] => {
    if (state.finishReason === null) return [];
    const reward = scores[i] as number;
    return [{ ...ownCompletion(state, i), reward, logRatio: 0, logWeight: reward }];
  });
  const states = kept.map(({ state }) => state);
  const weights = kept.map((_, i) => (i === 0 ? 1 : 0));
  await run.record(states, { logEnergies: [...scores], completions }, weights, 0);
}
