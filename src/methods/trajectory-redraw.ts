/**
 * Moves of a diffusion model, on trajectories x_N → … → x_0 of N scheduled denoising steps: a step
 * is picked uniformly, the text goes back to before it, and the reference policy draws the rest
 * anew. A text that has ended stays what it is in the steps that are left: each counts, and those
 * moves change nothing, so that N is the same for all.
 *
 * Let the target be π(x) ∝ p_ref(x) exp(r(x_0) / λ), of trajectories: the law of their x_0 is then
 * p_ref(x_0) exp(r(x_0) / λ). Going back to before step s keeps what x and y have in common, and
 *
 *   p_ref(x) = p_ref(kept) q_s(x | y),   p_ref(y) = p_ref(kept) q_s(y | x)
 *
 * where q_s draws the steps from s on, with their positions as with their tokens. So
 *
 *   π(y) q_s(x | y) / (π(x) q_s(y | x)) = exp((r(y) - r(x)) / λ)
 *
 * for any remasking, without a log-probability: each s leaves π as it is, and so does their mixture,
 * whose weights don't depend on x. That s = 0 draws whole texts makes it ergodic.
 *
 * All texts of a move go back to the same step, and are denoised in one batch: that step depends on
 * no text, so each of them is a Markov chain of its own, with these moves.
 *
 * A cached step depends on the block's first one, and parallel decoding has no schedule within a
 * block: there s is a block's first step, of as many as there are blocks.
 */
import type { ChainState, TrajectoryChain } from "../chain/chain.js";
import type { Kernel, Proposed } from "./metropolis.js";

export class TrajectoryRedraw implements Kernel<ChainState> {
  readonly #chain: TrajectoryChain;

  constructor(chain: TrajectoryChain) {
    this.#chain = chain;
  }

  async start(count: number, step: number): Promise<ChainState[]> {
    const start = await this.#chain.start();
    return this.#chain.redrawFrom(new Array<ChainState>(count).fill(start), 0, step);
  }

  /** `logRatio` is p_ref(y) q(x | y) / (p_ref(x) q(y | x)): densities are relative to p_ref. */
  async propose(
    texts: readonly ChainState[],
    step: number,
    [uniform = 0]: readonly number[],
  ): Promise<Proposed<ChainState>[]> {
    const { returns } = this.#chain;
    const from = returns[Math.floor(uniform * returns.length)] as number;
    const drawn = await this.#chain.redrawFrom(texts, from, step);
    return drawn.map((state) => ({ state, logRatio: 0 }));
  }
}
