import type { ChainState, PrefixChain } from "../chain/chain.js";
import { ownCompletion } from "../energy/candidate-groups.js";
import type { Scored } from "../energy/estimator.js";
import type { Model } from "../engine/model.js";
import type { Prompt } from "../engine/prompt.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";

/** A text, or the beginning of one, and log p_ref of it. */
interface Hypothesis {
  state: ChainState;
  logProb: number;
}

/**
 * Beam search: the `candidates` most probable beginnings are extended token by token; of the texts
 * that ended it returns the one with the largest log p(x) / length^`lengthPenalty`. p is the
 * reference policy, by default at temperature 1: the model's own distribution.
 *
 * Nothing is drawn. The search ends with `candidates` finished texts, at `maxTokens`, or once no
 * beginning can do better; one as wide as there are texts is exhaustive.
 *
 * @throws as `ets` does
 */
export async function beam(
  model: Model,
  prompt: Prompt,
  options: Omit<MethodOptions, "reward"> = {},
): Promise<Result> {
  await using run = await Run.open("beam", model, prompt, options);
  const { prefixChain: chain, settings } = run;
  const { candidates: width, blockTokens, maxTokens } = settings;
  const penalty = settings.lengthPenalty ?? 0;
  const scoreOf = ({ state, logProb }: Hypothesis) => logProb / state.tokens.length ** penalty;
  const byScore = (a: Hypothesis, b: Hypothesis) => scoreOf(b) - scoreOf(a);

  let live: Hypothesis[] = [{ state: await chain.start(), logProb: 0 }];
  let finished: Hypothesis[] = [];
  for (let length = 1; live.length > 0; length++) {
    const grown = await grow(chain, live, width);
    if (grown === null) break; // out of budget
    const ended = grown.filter(({ state }) => state.finishReason !== null);
    finished = [...finished, ...ended].sort(byScore);
    live = grown.filter(({ state }) => state.finishReason === null);
    const best = finished[0];
    // log p only falls, and weighs least at the greatest length.
    const canWin = ({ logProb }: Hypothesis) =>
      best === undefined || logProb / maxTokens ** penalty > scoreOf(best);
    if (finished.length >= width || !live.some(canWin)) live = [];
    if (length % blockTokens === 0 || live.length === 0) {
      const kept = [...finished, ...live].sort(byScore).slice(0, width);
      await record(run, kept, kept.map(scoreOf));
    }
  }
  const [best = live[0]] = finished;
  if (best === undefined) throw new Error("unreachable: a search has hypotheses until one ended");
  return await run.finish(best.state);
}

/** The most probable one-token extensions: `width` that go on, and those above them that end. */
async function grow(
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
    grown.push({ state: child, logProb });
    if (child.finishReason !== null) continue;
    extended.add(state);
    going++;
  }
  await chain.release(ranked.map(({ state }) => state).filter((state) => !extended.has(state)));
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
