import type { ChainState, Hypothesis, PrefixChain } from "../chain/chain.js";
import { ownCompletion } from "../energy/candidate-groups.js";
import type { Scored } from "../energy/estimator.js";
import type { Model } from "../engine/local/model.js";
import type { Prompt } from "../engine/prompt.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";

/**
 * Beam search: the `candidates` most probable beginnings are extended token by token; of the texts
 * that ended it returns the one with the largest log p(x) / length^`lengthPenalty`. p is the
 * reference policy, by default at temperature 1: the model's own distribution.
 *
 * Of a diffusion model they are extended by denoising steps, each of which unmasks the positions that
 * its rule chooses if each has its most probable token; p and length are then of all tokens unmasked.
 *
 * Nothing is drawn, but the positions of random remasking. The search ends with `candidates` finished
 * texts, at `maxTokens`, or once no beginning can do better; one as wide as there are texts is
 * exhaustive.
 *
 * @throws as `ets` does
 */
export async function beam(
  model: Model,
  prompt: Prompt,
  options: Omit<MethodOptions, "reward"> = {},
): Promise<Result> {
  await using run = await Run.open("beam", model, prompt, options);
  const { candidates: width, blockTokens, maxTokens, diffusion } = run.settings;
  const penalty = run.settings.lengthPenalty ?? 0;
  const grow = (live: readonly Hypothesis[], wanted: number) =>
    diffusion === null
      ? growByToken(run.prefixChain, live, width)
      : run.trajectoryChain.search(live, width, wanted);
  /** How often hypotheses grow in a guidance step. */
  const pace = diffusion === null ? blockTokens : 1;
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
    const best = finished[0];
    // log p only falls, and weighs least at the greatest length.
    const canWin = ({ logProb }: Hypothesis) =>
      best === undefined || logProb / maxTokens ** penalty > scoreOf(best);
    if (finished.length >= width || !live.some(canWin)) live = [];
    if (grownBy % pace === 0 || live.length === 0) {
      const kept = [...finished, ...live].sort(byScore).slice(0, width);
      await record(run, kept, kept.map(scoreOf));
    }
  }
  const [best = live[0]] = finished;
  if (best === undefined) throw new Error("unreachable: a search has hypotheses until one ended");
  return await run.finish(best.state);
}

/** The most probable one-token extensions: `width` that go on, and those above them that end. */
async function growByToken(
  chain: PrefixChain,
  live: readonly Hypothesis[],
  width: number,
): Promise<Hypothesis[] | null> {
  const parents = live.map(({ state }) => state);
  // Twice as many as go on, since some may end.
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
  let going = 0;
  for (const { state, token, logProb } of extensions) {
    if (going === width) break;
    const child = chain.extend(state, token);
    grown.push({ state: child, logProb, length: child.tokens.length });
    if (child.finishReason !== null) continue;
    extended.add(state);
    going++;
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
  const estimate = { logEnergies: [...scores], completions, isSettled: false };
  const weights = kept.map((_, i) => (i === 0 ? 1 : 0));
  await run.record(
    kept.map(({ state }) => state),
    estimate,
    weights,
    0,
  );
}
