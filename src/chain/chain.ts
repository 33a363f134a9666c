/**
 * The reverse Markov chain x_T → … → x_0 of a language model: the only thing the methods know of
 * how texts are made. An autoregressive model extends a prefix; a diffusion model unmasks.
 */

/** `end`: the model ended the text; `stop`: a stop token or string; `length`: `maxTokens`. */
export type FinishReason = "end" | "stop" | "length";

/** What can be measured of the distribution of each token, at a cost: only when a reward asks. */
export type TokenMetric = "entropies" | "selfCertainties";

/** A text, or the part of it drawn so far. */
export interface Text {
  /** Without the end token, and cut before a stop string or what is still masked. */
  text: string;
  /**
   * What was drawn, the end token included; the prompt is not. While a diffusion model's text is
   * unfinished: all its positions, masked ones with the mask token.
   */
  tokens: readonly number[];
  /** One a token, in nats, under the distribution it was drawn from; 0 for a mask. */
  logProbs: readonly number[];
  /** One a token, in nats: the entropy of the distribution it was drawn from. */
  entropies?: readonly number[];
  /**
   * One a token, in nats: the Kullback-Leibler divergence of the model's own distribution from the
   * uniform one, -1/V Σ_v log (V · p_v).
   */
  selfCertainties?: readonly number[];
  /** `null` while the text is unfinished. */
  finishReason: FinishReason | null;
}

/** A state x_t of the chain; what else it holds is the chain's own. */
export interface ChainState extends Text {}

/** A finished text x_0 drawn from a state. */
export interface Rollout extends Text {
  /** log of the probability, in nats, with which its model drew it from its state. */
  logDrawn: number;
}

/** Tokens since the chain was opened. */
export interface Usage {
  /** Prompt tokens decoded. */
  prefilled: number;
  /** Tokens drawn, of candidates and rollouts together. */
  generated: number;
  /** Drawn tokens fed back to the model: at most once each. */
  decoded: number;
  /** Tokens scored without being drawn. */
  scored: number;
  /** Sequences forked. */
  forks: number;
  /** Batches decoded. */
  decodes: number;
  /** Wall time in milliseconds. */
  ms: number;
}

export interface Chain<S extends ChainState = ChainState> extends AsyncDisposable {
  /** The state before anything is drawn. */
  start(): Promise<S>;
  /**
   * Draws `count` states x_s ~ p_ref(· | x_t), one guidance step further. `step` and, from `first`
   * on, the states' own numbers name the draws: the same numbers give the same states.
   */
  advance(state: S, count: number, step: number, first?: number): Promise<S[]>;
  /**
   * Draws `count` finished texts x_0 ~ p_ref(· | x_s) from each state. `candidates` numbers the
   * states' draws, as `step` does.
   */
  complete(
    states: readonly S[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<Rollout[][]>;
  /**
   * log p_ref of each rollout given its state, in nats, summed in fp64, the end token included;
   * -Infinity outside the policy's support.
   */
  score(states: readonly S[], rollouts: readonly (readonly Rollout[])[]): Promise<number[][]>;
  /** Lets go of states that won't be continued. */
  release(states: readonly S[]): Promise<void>;
  /** Whether the budget has ended; what was being drawn is then cut off, unfinished. */
  readonly isOutOfBudget: boolean;
  usage(): Promise<Usage>;
}

/** A cheaper model of the same tokenizer that draws rollouts of another chain's states. */
export interface Proposal<S extends ChainState = ChainState> extends AsyncDisposable {
  /** As `Chain.complete`; `logDrawn` is the proposal's. */
  complete: Chain<S>["complete"];
  /** As `Chain.score`, under the proposal. */
  score: Chain<S>["score"];
  readonly isOutOfBudget: boolean;
  usage(): Promise<Usage>;
}
