/**
 * The reverse Markov chain x_T → … → x_0 of a language model. Methods make texts only through this
 * interface. An autoregressive model extends a prefix; a diffusion model unmasks positions.
 */

import type { RandomStream } from "../engine/sequences.js";

/**
 * `end`: the model ended the text. `stop`: it reached a stop token or string. `length`: it has `maxTokens`
 * tokens, or its thoughts had no budget left. `answered`: a rollout that has its answer, so its reward
 * needs no more. `dead`: the constraint allows no token to follow, so the text has probability 0.
 */
export type FinishReason = "end" | "stop" | "length" | "answered" | "dead";

/** A token that was forced to end thoughts: the policy allowed no other. */
export interface ForcedToken {
  /** Its index in the text's tokens. */
  at: number;
  /** In nats, under p_ref without the forcing; null if it wasn't measured. */
  logProb: number | null;
}

/** The thoughts in a text, and their cost. */
export interface TextThoughts {
  text: string;
  /** The number of tokens in the thoughts, without tags. */
  tokens: number;
  /** Why the thoughts were ended before the model ended them; null: they weren't. */
  ended: "budget" | "loop" | null;
  /** Whether the text ends inside a thought. */
  isOpen: boolean;
  /** The forced tokens of closing tags. */
  forced: readonly ForcedToken[];
}

/** A text, or the part of it drawn so far. */
export interface Text {
  /** Without thoughts and the end token. It is cut before the first stop string and the first mask. */
  text: string;
  /** Absent if the text has no thoughts, or if the template's tags are unknown. */
  thoughts?: TextThoughts;
  /**
   * The drawn tokens, without the prompt but with the end token. An unfinished text of a diffusion model
   * has all its positions, and the masked ones hold the mask token.
   */
  tokens: readonly number[];
  /** One number per token, in nats, under p_ref; 0 for masks and forced tokens. */
  logProbs: readonly number[];
  /**
   * Under a constraint, one number per token: the log of the total probability, under p_ref, of all
   * tokens that the constraint allows there. Texts are drawn from q = Π p_ref / mass.
   */
  logMasses?: readonly number[];
  /** One number per token, in nats: the entropy of the p_ref distribution at the token. */
  entropies?: readonly number[];
  /**
   * One number per token, in nats: the Kullback-Leibler divergence of the uniform distribution from the
   * model's own one, -1/V Σ_v log (V · p_v).
   */
  selfCertainties?: readonly number[];
  /** `null` while the text is unfinished. */
  finishReason: FinishReason | null;
}

/** A state x_t of the chain. Each chain adds its own data. */
export interface ChainState extends Text {}

/** A finished text x_0 drawn from a state. */
export interface Rollout extends Text {
  /** log of the probability, in nats, with which the model that drew it draws it from its state. */
  logDrawn: number;
  /**
   * The same under the distribution that the model's texts are to have. It differs from `logDrawn` if a
   * constraint conditions texts as a whole (`Chain.conditions`), and it is -Infinity for a dead text.
   */
  logTarget?: number;
}

/** Counts since the chain was opened. */
export interface Usage {
  /**
   * Decoded prompt tokens, and tokens read again before the end of a text is drawn again. For a
   * diffusion model: computed prompt positions, counted in every pass that reads the prompt.
   */
  prefilled: number;
  /** Prompt tokens that were not read, because an earlier run on the model had read them. */
  cached: number;
  /** Drawn tokens, of candidates and rollouts together. */
  generated: number;
  /**
   * Drawn tokens that were fed back to the model, each at most once. For a diffusion model: computed
   * positions of the answer, counted in every pass.
   */
  decoded: number;
  /** Tokens that were scored without being drawn. */
  scored: number;
  /** Passes of a diffusion model over texts, counted for each text; 0 for other models. */
  passes: number;
  /** Forks of sequences. */
  forks: number;
  /** Decoded batches. */
  decodes: number;
  /** Wall time in milliseconds. */
  ms: number;
  /**
   * Continued texts that a server may have tokenized differently from the tokens that were drawn. Absent
   * if the engine gets tokens and not texts.
   */
  retokenised?: number;
}

/** The common part of the chains of all kinds of models. */
interface CommonChain<S extends ChainState> extends AsyncDisposable {
  /**
   * Whether texts are to have the distribution p_ref conditioned on the constraint. Their masses are then
   * weights that correct the distribution from which tokens are drawn. If false, texts are to have the
   * distribution from which tokens are drawn.
   */
  readonly conditions: boolean;
  /** The state before anything is drawn. */
  start(): Promise<S>;
  /**
   * Draws `count` states x_s ~ p_ref(· | x_t), one guidance step further. `step` and the states' numbers,
   * which begin with `first`, determine the random numbers.
   */
  advance(state: S, count: number, step: number, first?: number): Promise<S[]>;
  /**
   * Draws one further state from each state; a state may occur several times. `step` and the states'
   * order determine the random numbers.
   */
  advanceEach(states: readonly S[], step: number): Promise<S[]>;
  /**
   * Draws `count` finished texts x_0 ~ p_ref(· | x_s) from each state. `step` and the numbers in
   * `candidates`, one per state, determine the random numbers.
   */
  complete(
    states: readonly S[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<Rollout[][]>;
  /**
   * Draws the rest of a text that was begun from the state and is unfinished or `answered`. Returns a whole
   * text x_0 ~ p_ref(· | begun), drawn with the random numbers of `stream`.
   */
  finish(state: S, begun: Text, stream: RandomStream): Promise<Text>;
  /**
   * Scores rollouts that another model may have drawn. Returns them with this chain's values of their
   * tokens, and with `logDrawn` and `logTarget` under this chain, given the state and including the end
   * token (-Infinity outside the policy's support).
   */
  score(states: readonly S[], rollouts: readonly (readonly Rollout[])[]): Promise<Rollout[][]>;
  /** Frees states that won't be continued. */
  release(states: readonly S[]): Promise<void>;
  /** Whether the budget is spent. The texts that were being drawn are then cut off, unfinished. */
  readonly isOutOfBudget: boolean;
  usage(): Promise<Usage>;
}

/**
 * A text with the log-probabilities under the distribution that it was drawn from. Its end can be drawn
 * again, also when it is finished.
 */
export interface RedrawnState extends ChainState {
  /** Like `logProbs`, but under the distribution from which the tokens were drawn instead of p_ref. */
  drawnLogProbs: readonly number[];
}

export interface Redraw<S> {
  state: S;
  /** The number of tokens to keep, from 0 to all of the state's. */
  cut: number;
}

export interface RedrawOptions {
  /** Tokens are drawn with probability ∝ p_ref(token | text so far)^power. */
  power: number;
  /** Texts end at this many tokens. They are then unfinished, unless this is the longest length. */
  length: number;
  /** Determines the random numbers, together with the texts' order. */
  step: number;
}

/** A token that may come next, and its log-probability under p_ref. */
export interface NextToken {
  token: number;
  logProb: number;
  /** Under a constraint: see `logMasses` of `Text`. */
  logMass?: number;
}

export interface Ranked<S> {
  /** The ranked state, which `extend` takes. */
  state: S;
  next: NextToken[];
}

/** The chain of a model that writes from left to right. Texts can be cut, and next tokens be ranked. */
export interface PrefixChain<S extends ChainState = ChainState> extends CommonChain<S> {
  readonly kind: "prefix";
  /**
   * Like `advanceEach`, but each token is drawn with probability ∝ p_ref(token | text so far)^power.
   */
  advanceSharpened(
    states: readonly S[],
    step: number,
    power: number,
  ): Promise<(S & RedrawnState)[]>;
  /** Keeps the first tokens of each text and draws the tokens after them. */
  redraw(texts: readonly Redraw<S>[], options: RedrawOptions): Promise<(S & RedrawnState)[]>;
  /** The `count` most probable next tokens of unfinished states, in descending order. */
  rank(states: readonly S[], count: number): Promise<Ranked<S>[]>;
  /** A ranked state with one more token, which may finish it. */
  extend(ranked: S, next: NextToken): S;
  /**
   * Takes over texts with which another model has continued the states. Each of the `grown` texts begins
   * with its state's text. Returns them with this chain's values of the new tokens. Unfinished ones can be
   * followed further.
   */
  follow(states: readonly S[], grown: readonly Text[]): Promise<S[]>;
}

/** A text, or the beginning of one, that a search found. */
export interface Hypothesis<S extends ChainState = ChainState> {
  state: S;
  /** log p_ref of its tokens, in nats. */
  logProb: number;
  /** The number of tokens in `logProb`; for a diffusion model all unmasked ones, also those after the end. */
  length: number;
}

/**
 * The chain of a diffusion model. A text can be taken back to before a step of its trajectory, and the
 * most probable trajectories can be searched.
 */
export interface TrajectoryChain<S extends ChainState = ChainState> extends CommonChain<S> {
  readonly kind: "trajectory";
  /**
   * The denoising steps to before which a text can be taken back, ascending from 0. These are all steps,
   * or only the first step of each block if a step's distribution depends on earlier steps (caches) or if
   * the number of steps isn't that of the schedule (parallel decoding).
   */
  readonly returns: readonly number[];
  /**
   * Takes each text back to before a step and draws all steps from there on again. `draw` and the texts'
   * order determine the random numbers. A text that ended before the step does not change.
   */
  redrawFrom(texts: readonly S[], step: number, draw: number): Promise<S[]>;
  /**
   * One guidance step of a beam search. The hypotheses are unfinished texts at the same step. Returns the
   * `width` most probable extensions that go on, and the more probable ones that ended. A denoising step
   * unmasks the positions that its rule chooses if each has its most probable token; with random
   * remasking, the seed chooses them. The search ends once `wanted` texts have ended. Returns null if the
   * budget is spent before.
   */
  search(
    hypotheses: readonly Hypothesis<S>[],
    width: number,
    wanted: number,
  ): Promise<Hypothesis<S>[] | null>;
}

/** The chain of a model, by its kind. */
export type Chain<S extends ChainState = ChainState> = PrefixChain<S> | TrajectoryChain<S>;

/**
 * The common part of all kinds of proposals. A proposal is a cheaper model with the same tokenizer that
 * draws the rollouts of a chain.
 */
interface CommonProposal<S extends ChainState> extends AsyncDisposable {
  /** Like `Chain.complete`; `logDrawn` is under the proposal. */
  complete: CommonChain<S>["complete"];
  /** Like `Chain.score`, under the proposal. */
  score: CommonChain<S>["score"];
  readonly isOutOfBudget: boolean;
  usage(): Promise<Usage>;
}

/** The numbers that determine the random numbers of a rollout. */
export interface RolloutName {
  step: number;
  candidate: number;
  rollout: number;
}

/** The proposal of a chain that writes from left to right. Its rollouts can be drawn in blocks. */
export interface PrefixProposal<S extends ChainState = ChainState> extends CommonProposal<S> {
  readonly kind: "prefix";
  /** The texts from which rollouts of the states begin, as the proposal holds them; finished if answered. */
  begin(states: readonly S[], step: number): Promise<ChainState[]>;
  /**
   * Draws up to `tokens` more tokens of each unfinished text, but none after its answer. A text may occur
   * several times.
   */
  grow(
    texts: readonly ChainState[],
    tokens: number,
    names: readonly RolloutName[],
  ): Promise<ChainState[]>;
  /** Frees texts that `grow` returned. */
  release(texts: readonly ChainState[]): Promise<void>;
}

/** The proposal of a diffusion model. */
export interface TrajectoryProposal<S extends ChainState = ChainState> extends CommonProposal<S> {
  readonly kind: "trajectory";
}

/** The proposal of a chain, by its kind. */
export type Proposal<S extends ChainState = ChainState> = PrefixProposal<S> | TrajectoryProposal<S>;
