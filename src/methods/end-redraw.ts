/**
 * Moves of an autoregressive model: a text of L tokens is cut at one of its L positions, and
 * another end is drawn from a distribution q. The new text y, of L' tokens, and the old one x have
 *
 *   q(x | y) / q(y | x) = 1/L' · q(x's end | kept) / (1/L · q(y's end | kept))
 *
 * Both texts have been cut at the same position, so the densities of the cut are 1/L and 1/L':
 * without them short texts would come up too often, or too rarely.
 */
import type { ChainState, PrefixChain, RedrawnState } from "../chain/chain.js";
import type { Kernel, Proposed } from "./metropolis.js";

type Ended = ChainState & RedrawnState;

export interface EndRedrawOptions {
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
    const cuts = texts.map((x, i) => Math.floor((uniforms[i] as number) * x.tokens.length));
    const redraws = texts.map((state, i) => ({ state, cut: cuts[i] as number }));
    const drawn = await this.#chain.redraw(redraws, { ...this.#options, step });
    return drawn.map((state, i) => {
      return { state, logRatio: logRatio(texts[i] as Ended, state, cuts[i] as number) };
    });
  }

  /** Draws unfinished texts on, up to `length` tokens. */
  extend(texts: readonly Ended[], step: number): Promise<Ended[]> {
    const ends = texts.map((state) => ({ state, cut: state.tokens.length }));
    return this.#chain.redraw(ends, { ...this.#options, step });
  }
}

function logRatio(x: Ended, y: Ended, cut: number): number {
  return Math.log(x.tokens.length / y.tokens.length) + logEnd(x, cut) - logEnd(y, cut);
}

/** log q(end | the tokens before the cut). */
function logEnd({ drawnLogProbs }: RedrawnState, cut: number): number {
  return drawnLogProbs.slice(cut).reduce((a, b) => a + b, 0);
}
