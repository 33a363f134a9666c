/**
 * Moves of an autoregressive model. A text is cut at one of its positions, and another end is drawn from a
 * distribution q. A position c is picked with probability proportional to a weight h_c, which depends only
 * on the tokens before it. It is 1, or the entropy of p_ref's distribution there, so that texts are cut
 * where other continuations are likely. For the new text y and the old text x,
 *
 *   q(x | y) / q(y | x) = (h_c / Σ_y h) · q(x's end | kept) / ((h_c / Σ_x h) · q(y's end | kept))
 *
 * Both are cut at the same position, where h_c is the same, so the factor Σ_x h / Σ_y h remains. With
 * weights of 1 it is the ratio of the texts' lengths. Without it, texts with a smaller sum of weights would
 * occur with the wrong probability.
 */
import type { ChainState, PrefixChain, RedrawnState } from "../chain/chain.js";
import { drawIndex } from "../energy/log-domain.js";
import type { TokenMetric } from "../engine/sequences.js";
import type { Kernel, Proposed } from "./metropolis.js";
import { choiceOption } from "./options/option.js";

type Ended = ChainState & RedrawnState;

/** Where texts are cut: anywhere, or where the next token is uncertain. */
export const CUTS = choiceOption("cuts", {
  choices: ["entropy", "uniform"] as const,
  fallback: "entropy",
  flags: "--cuts <where>",
  help: "power, mh: cut texts by entropy, or uniform (default: entropy)",
});

export type Cuts = (typeof CUTS)["fallback"];

/** The metrics of texts that a way of cutting needs. */
export function metricsOf(cuts: Cuts): readonly TokenMetric[] {
  return cuts === "entropy" ? ["entropies"] : [];
}

export interface EndRedrawOptions {
  cuts: Cuts;
  /** Ends are drawn from q ∝ p_ref^power, token by token. */
  power: number;
  /** Longest text, in tokens. */
  length: number;
}

export class EndRedraw implements Kernel<Ended> {
  readonly #chain: PrefixChain;
  readonly #options: EndRedrawOptions;

  constructor(chain: PrefixChain, options: EndRedrawOptions) {
    this.#chain = chain;
    this.#options = options;
  }

  async start(count: number, step: number): Promise<Ended[]> {
    const start = await this.#chain.start();
    const whole = Array.from({ length: count }, () => ({ state: start, cut: 0 }));
    return this.#chain.redraw(whole, { ...this.#options, step });
  }

  async propose(
    texts: readonly Ended[],
    step: number,
    uniforms: readonly number[],
  ): Promise<Proposed<Ended>[]> {
    const cuts = texts.map((x, i) => this.#cut(x, uniforms[i] as number));
    const redraws = texts.map((state, i) => ({ state, cut: cuts[i] as number }));
    const drawn = await this.#chain.redraw(redraws, { ...this.#options, step });
    return drawn.map((state, i) => {
      return { state, logRatio: this.#logRatio(texts[i] as Ended, state, cuts[i] as number) };
    });
  }

  /**
   * The weights h of all positions. If every token is certain, no cut gives another text, so any position
   * will do. A text that is dead before its first token is cut at its beginning.
   */
  #weights({ tokens, entropies = [] }: Ended): readonly number[] {
    if (tokens.length === 0) return [1];
    const isCertain = entropies.every((entropy) => entropy === 0);
    return this.#options.cuts === "uniform" || isCertain ? tokens.map(() => 1) : entropies;
  }

  #cut(text: Ended, uniform: number): number {
    const weights = this.#weights(text);
    const total = sumOf(weights);
    return drawIndex(
      weights.map((weight) => weight / total),
      uniform,
    );
  }

  #logRatio(x: Ended, y: Ended, cut: number): number {
    const logCuts = Math.log(sumOf(this.#weights(x)) / sumOf(this.#weights(y)));
    return logCuts + logEnd(x, cut) - logEnd(y, cut);
  }

  /** Continues unfinished texts up to `length` tokens. */
  extend(texts: readonly Ended[], step: number): Promise<Ended[]> {
    const ends = texts.map((state) => ({ state, cut: state.tokens.length }));
    return this.#chain.redraw(ends, { ...this.#options, step });
  }
}

/** log q(end | the tokens before the cut). */
function logEnd({ drawnLogProbs }: RedrawnState, cut: number): number {
  return sumOf(drawnLogProbs.slice(cut));
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
