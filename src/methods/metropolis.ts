/**
 * Metropolis-Hastings on texts. A move cuts a text of L tokens at one of its L positions, draws
 * another end from a distribution q, and accepts the new text y, of L' tokens, in the place of x
 * with probability
 *
 *   min(1, π(y) · 1/L' · q(x's end | kept) / (π(x) · 1/L · q(y's end | kept)))
 *
 * Both texts have been cut at the same position, so the densities of the cut are 1/L and 1/L':
 * without them short texts would come up too often, or too rarely.
 */
import type { ChainState, RedrawnState } from "../chain/chain.js";
import { ownCompletion } from "../energy/candidate-groups.js";
import type { Scored } from "../energy/estimator.js";
import type { Run } from "./run.js";

/** A text of a Markov chain. */
export interface Visited {
  state: ChainState & RedrawnState;
  /** log π(x), up to a constant. */
  logDensity: number;
  /** What is reported as its reward. */
  reward: number;
}

/** What the moves of one step have in common. */
export interface Moves {
  /** Ends are drawn from q ∝ p_ref^power, token by token. */
  power: number;
  /** Longest text, in tokens. */
  length: number;
  visit(states: readonly (ChainState & RedrawnState)[]): Promise<Visited[]>;
}

/** The log of what the acceptance probability is the smaller of, 1 or it; may be infinite. */
function logAcceptance(
  x: Pick<Visited, "logDensity" | "state">,
  y: Pick<Visited, "logDensity" | "state">,
  cut: number,
): number {
  if (x.logDensity === Number.NEGATIVE_INFINITY) return 0; // anything is better
  const ratio = y.logDensity - x.logDensity;
  const cuts = Math.log(x.state.tokens.length / y.state.tokens.length);
  return ratio + cuts + logEnd(x.state, cut) - logEnd(y.state, cut);
}

/** log q(end | the tokens before the cut). */
function logEnd({ drawnLogProbs }: RedrawnState, cut: number): number {
  return drawnLogProbs.slice(cut).reduce((a, b) => a + b, 0);
}

/** Several Markov chains of one run, moved side by side. */
export class Metropolis {
  readonly #run: Run;
  #draws = 0;
  #proposed = 0;
  #accepted = 0;
  texts: Visited[] = [];

  constructor(run: Run) {
    this.#run = run;
  }

  get acceptanceRate(): number {
    return this.#proposed === 0 ? 0 : this.#accepted / this.#proposed;
  }

  /** The first texts, of up to `length` tokens; false: the budget cut them off. */
  async start(count: number, moves: Moves): Promise<boolean> {
    const { prefixChain: chain } = this.#run;
    const start = await chain.start();
    const whole = Array.from({ length: count }, () => ({ state: start, cut: 0 }));
    const drawn = await chain.redraw(whole, { ...moves, step: this.#draws++ });
    if (this.#run.isOutOfBudget) {
      this.texts = drawn.map((state) => ({ state, logDensity: 0, reward: 0 }));
      return false;
    }
    this.texts = await moves.visit(drawn);
    return true;
  }

  /** Draws unfinished texts on, up to `length` tokens; false: the budget cut them off. */
  async extend(moves: Moves): Promise<boolean> {
    const open = this.texts.filter(({ state }) => state.finishReason === null);
    const ends = open.map(({ state }) => ({ state, cut: state.tokens.length }));
    const { prefixChain: chain } = this.#run;
    const drawn = await chain.redraw(ends, { ...moves, step: this.#draws++ });
    if (this.#run.isOutOfBudget) return false;
    await chain.release(open.map(({ state }) => state));
    const visited = await moves.visit(drawn);
    this.texts = this.texts.map((x) => (open.includes(x) ? (visited.shift() as Visited) : x));
    return true;
  }

  /** One move of each text; false: the budget cut it off, and the texts are as they were. */
  async move(moves: Moves): Promise<boolean> {
    const { prefixChain: chain } = this.#run;
    const step = this.#draws++;
    const uniforms = this.#run.uniforms(step, "move", 2 * this.texts.length);
    const cuts = this.texts.map(({ state }) =>
      Math.floor((uniforms.shift() as number) * state.tokens.length),
    );
    const drawn = await chain.redraw(
      this.texts.map(({ state }, i) => ({ state, cut: cuts[i] as number })),
      { ...moves, step },
    );
    if (this.#run.isOutOfBudget) return false;
    const proposals = await moves.visit(drawn);
    const left: ChainState[] = [];
    this.texts = this.texts.map((x, i) => {
      const y = proposals[i] as Visited;
      const isAccepted = Math.log(uniforms[i] as number) < logAcceptance(x, y, cuts[i] as number);
      this.#proposed += 1;
      this.#accepted += isAccepted ? 1 : 0;
      left.push(isAccepted ? x.state : y.state);
      return isAccepted ? y : x;
    });
    await chain.release(left);
    return true;
  }

  /** Records the texts as a step, one of them chosen uniformly. */
  async record(step: number): Promise<number> {
    const weights = this.texts.map(() => 1 / this.texts.length);
    const chosen = this.#run.choose(weights, step, "candidate");
    const completions = this.texts.flatMap(({ state, reward }, i): Scored[] => {
      if (state.finishReason === null) return [];
      return [{ ...ownCompletion(state, i), reward, logRatio: 0, logWeight: 0 }];
    });
    const logEnergies = this.texts.map(({ logDensity }) => logDensity);
    const { acceptanceRate } = this;
    await this.#run.record(
      this.texts.map(({ state }) => state),
      { logEnergies, completions, isSettled: false },
      weights,
      chosen,
      { acceptanceRate },
    );
    return chosen;
  }
}
