/**
 * Metropolis-Hastings on texts. A move draws a text y from a kernel's q(· | x), and replaces x by it with
 * probability
 *
 *   min(1, π(y) · q(x | y) / (π(x) · q(y | x)))
 */
import type { ChainState } from "../chain/chain.js";
import { ownCompletion } from "../energy/candidate-groups.js";
import type { Scored } from "../energy/estimate.js";
import { choiceWeights } from "./energies.js";
import { integerOption } from "./options/option.js";
import type { Run } from "./run/run.js";

/** The option of methods that move texts. */
export const MOVES = integerOption("moves", {
  min: 1,
  max: 100_000,
  fallback: 10,
  flags: "--moves <n>",
  help: "power: proposals at each block; mh: in all (default: 10)",
});

/** A text of a Markov chain. */
export interface Visited<S extends ChainState> {
  state: S;
  /** log π(x), up to a constant, for reports; relative to p_ref if its kernel says so. */
  logDensity: number;
  /** What is reported as its reward. */
  reward: number;
}

export interface Proposed<S extends ChainState> {
  state: S;
  /** log of q(x | y) / q(y | x). */
  logRatio: number;
}

/** How texts are drawn. `step` determines the random numbers. */
export interface Kernel<S extends ChainState> {
  /** The first texts, independent of each other. */
  start(count: number, step: number): Promise<S[]>;
  /** Draws another text for each. `uniforms`, on [0, 1), determine where each departs from the old text. */
  propose(texts: readonly S[], step: number, uniforms: readonly number[]): Promise<Proposed<S>[]>;
}

/** What the moves of one step have in common. */
export interface Moves<S extends ChainState, K extends Kernel<S> = Kernel<S>> {
  kernel: K;
  visit(states: readonly S[]): Promise<Visited<S>[]>;
  /** log π(y) - log π(x), computed from differences, because large densities lose them by rounding. */
  logDensityRatio(y: Visited<S>, x: Visited<S>): number;
}

/** A kernel of texts that can be continued beyond the length to which they were drawn. */
interface Extension<S extends ChainState> extends Kernel<S> {
  extend(texts: readonly S[], step: number): Promise<S[]>;
}

/** Several Markov chains of one run, which are moved together. */
export class Metropolis<S extends ChainState> {
  readonly #run: Run;
  #draws = 0;
  #proposed = 0;
  #accepted = 0;
  texts: Visited<S>[] = [];

  constructor(run: Run) {
    this.#run = run;
  }

  get acceptanceRate(): number {
    return this.#proposed === 0 ? 0 : this.#accepted / this.#proposed;
  }

  /** Draws the first texts. Returns false if the budget cut them off. */
  async start(count: number, moves: Moves<S>): Promise<boolean> {
    const drawn = await moves.kernel.start(count, this.#draws++);
    if (this.#run.isOutOfBudget) {
      this.texts = drawn.map((state) => ({ state, logDensity: 0, reward: 0 }));
      return false;
    }
    this.texts = await moves.visit(drawn);
    return true;
  }

  /** Continues unfinished texts. Returns false if the budget cut them off. */
  async extend(moves: Moves<S, Extension<S>>): Promise<boolean> {
    const open = this.texts.filter(({ state }) => state.finishReason === null);
    const states = open.map(({ state }) => state);
    const drawn = await moves.kernel.extend(states, this.#draws++);
    if (this.#run.isOutOfBudget) return false;
    await this.#run.chain.release(states);
    const visited = await moves.visit(drawn);
    this.texts = this.texts.map((x) => (open.includes(x) ? (visited.shift() as Visited<S>) : x));
    return true;
  }

  /** Makes one move of each text. Returns false if the budget cut it off; the texts are then unchanged. */
  async move(moves: Moves<S>): Promise<boolean> {
    const step = this.#draws++;
    const count = this.texts.length;
    const uniforms = this.#run.uniforms(step, "move", 2 * count);
    const states = this.texts.map(({ state }) => state);
    const proposed = await moves.kernel.propose(states, step, uniforms.slice(0, count));
    if (this.#run.isOutOfBudget) return false;
    const proposals = await moves.visit(proposed.map(({ state }) => state));
    const left: ChainState[] = [];
    this.texts = this.texts.map((x, i) => {
      const y = proposals[i] as Visited<S>;
      const { logRatio } = proposed[i] as Proposed<S>;
      const isImpossible = x.logDensity === Number.NEGATIVE_INFINITY; // anything is better
      const logAccept = isImpossible ? 0 : moves.logDensityRatio(y, x) + logRatio;
      const isAccepted = Math.log(uniforms[count + i] as number) < logAccept;
      this.#proposed += 1;
      this.#accepted += isAccepted ? 1 : 0;
      left.push(isAccepted ? x.state : y.state);
      return isAccepted ? y : x;
    });
    await this.#run.chain.release(left);
    return true;
  }

  /** Records the texts as a step, and chooses one of the texts that are not dead uniformly. */
  async record(step: number): Promise<number> {
    const states = this.texts.map(({ state }) => state);
    const weights = choiceWeights(states, states.map(logOfLife));
    const chosen = this.#run.choose(weights, step, "candidate");
    const completions = this.texts.flatMap(({ state, reward }, i): Scored[] => {
      if (state.finishReason === null || state.finishReason === "dead") return [];
      return [{ ...ownCompletion(state, i), reward, logRatio: 0, logWeight: 0 }];
    });
    const logEnergies = this.texts.map(({ logDensity }) => logDensity);
    const { acceptanceRate } = this;
    await this.#run.record(states, { logEnergies, completions }, weights, chosen, {
      acceptanceRate,
    });
    return chosen;
  }
}

/** The log weight of a text: 0, or -Infinity if it is dead. */
function logOfLife({ finishReason }: ChainState): number {
  return finishReason === "dead" ? Number.NEGATIVE_INFINITY : 0;
}
