/** How the hypotheses of a beam search grow: by tokens, or by denoising steps. */
import type { ChainState, Hypothesis, PrefixChain, TrajectoryChain } from "../chain/chain.js";

export interface Growth {
  /**
   * Of what the hypotheses may become, the `width` most probable that go on, and those above them
   * that ended, of which there need be no more than `wanted`; null when out of budget. The
   * hypotheses are let go of.
   */
  grow(live: readonly Hypothesis[], width: number, wanted: number): Promise<Hypothesis[] | null>;
}

/** By one token. */
export class TokenGrowth implements Growth {
  readonly #chain: PrefixChain;

  constructor(chain: PrefixChain) {
    this.#chain = chain;
  }

  async grow(live: readonly Hypothesis[], width: number): Promise<Hypothesis[] | null> {
    const parents = live.map(({ state }) => state);
    // Twice as many as go on, since some may end.
    const ranked = await this.#chain.rank(parents, 2 * width);
    if (ranked.length === 0) return null;
    await this.#chain.release(parents);
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
      const child = this.#chain.extend(state, token);
      grown.push({ state: child, logProb, length: child.tokens.length });
      if (child.finishReason !== null) continue;
      extended.add(state);
      going++;
    }
    const spent = ranked.map(({ state }) => state).filter((state) => !extended.has(state));
    await this.#chain.release(spent);
    return grown;
  }
}

/** By the denoising steps of one guidance step. */
export class StepGrowth implements Growth {
  readonly #chain: TrajectoryChain;

  constructor(chain: TrajectoryChain) {
    this.#chain = chain;
  }

  grow(live: readonly Hypothesis[], width: number, wanted: number): Promise<Hypothesis[] | null> {
    return this.#chain.search(live, width, wanted);
  }
}
