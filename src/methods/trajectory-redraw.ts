/**
 * Moves of a diffusion model, on trajectories x_N → … → x_0 of N scheduled denoising steps. A step is
 * picked uniformly, the text goes back to before it, and the reference policy draws the rest again. A text
 * that has ended does not change in the remaining steps. These steps still count, and moves to them change
 * nothing, so N is the same for all texts.
 *
 * Let the target be π(x) ∝ p_ref(x) exp(r(x_0) / λ) on trajectories. The distribution of x_0 is then
 * ∝ p_ref(x_0) exp(r(x_0) / λ). Going back to before step s keeps the common part of x and y, and
 *
 *   p_ref(x) = p_ref(kept) q_s(x | y),   p_ref(y) = p_ref(kept) q_s(y | x)
 *
 * where q_s draws the steps from s on, both their positions and their tokens. So
 *
 *   π(y) q_s(x | y) / (π(x) q_s(y | x)) = exp((r(y) - r(x)) / λ)
 *
 * for any remasking, and no log-probability is needed. Each s leaves π invariant, and so does their mixture,
 * because its weights don't depend on x. The chain is ergodic because s = 0 draws whole texts.
 *
 * All texts of a move go back to the same step and are denoised in one batch. The step depends on no text,
 * so each text is a separate Markov chain with these moves.
 *
 * With a cache, a step depends on its block's first step, and parallel decoding has no schedule within a
 * block. In both cases s is always the first step of a block.
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
