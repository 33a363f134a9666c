/**
 * The reverse Markov chain x_T → … → x_0 of a language model: the only thing the methods know of
 * how texts are made. An autoregressive model extends a prefix; a diffusion model unmasks.
 */

import type { RandomStream } from "../engine/sequences.js";

/**
 * `end`: the model ended the text; `stop`: a stop token or string; `length`: `maxTokens`;
 * `answered`: a rollout, which goes no further than its reward needs; `dead`: a constraint allows nothing
 * that could follow, and the text has probability 0.
 */
export type FinishReason = "end" | "stop" | "length" | "answered" | "dead";

/** A token that the policy left alone, to end thoughts. */
export interface ForcedToken {
  /** Its place in the text, from 0. */
  at: number;
  /** In nats, under p_ref without the forcing; null where it wasn't measured. */
  logProb: number | null;
}

/** What a text says in its thoughts, and what they cost. */
export interface TextThoughts {
  text: string;
  /** Its tokens, without tags. */
  tokens: number;
  /** Why they ended before the model ended them; null: they didn't. */
  ended: "budget" | "loop" | null;
  /** Whether the text ends inside them. */
  isOpen: boolean;
  /** The tokens of closing tags that were forced. */
  forced: readonly ForcedToken[];
}

/** A text, or the part of it drawn so far. */
export interface Text {
  /** Without thoughts and the end token, and cut before a stop string or what is still masked. */
  text: string;
  /** Absent where it has none that the template's tags tell. */
  thoughts?: TextThoughts;
  /**
   * What was drawn, the end token included; the prompt is not. While a diffusion model's text is
   * unfinished: all its positions, masked ones with the mask token.
   */
  tokens: readonly number[];
  /** One a token, in nats, under the distribution it was drawn from; 0 for a mask, and if forced. */
  logProbs: readonly number[];
  /**
   * Under a constraint, one a token: log of the probability, under p_ref, of all that it allows in the
   * token's place. Texts are drawn from q = Π p_ref / mass; `logProbs` are p_ref's.
   */
  logMasses?: readonly number[];
  /** One a token, in nats: the entropy of p_ref's distribution of it. */
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
  /** log of the probability, in nats and fp64, with which its model draws it from its state. */
  logDrawn: number;
  /**
   * That under the law that the model's own texts are to have, where it differs: where masses weigh, and
   * of a dead text, of which it is -Infinity.
   */
  logTarget?: number;
}

/** Tokens since the chain was opened. */
export interface Usage {
  /**
   * Prompt tokens decoded, and tokens read again before a text is drawn anew from a cut. Of a
   * diffusion model: prompt positions computed, in every pass that reads the prompt.
   */
  prefilled: number;
  /** Prompt tokens that an earlier run on the model had read, and that were not read again. */
  cached: number;
  /** Tokens drawn, of candidates and rollouts together. */
  generated: number;
  /**
   * Drawn tokens fed back to the model: at most once each. Of a diffusion model: positions of the
   * answer computed, in every pass.
   */
  decoded: number;
  /** Tokens scored without being drawn. */
  scored: number;
  /** Texts that went through a diffusion model, once for each pass; 0 of other models. */
  passes: number;
  /** Sequences forked. */
  forks: number;
  /** Batches decoded. */
  decodes: number;
  /** Wall time in milliseconds. */
  ms: number;
  /**
   * Texts that were continued, and whose tokens a server may have read otherwise than they were drawn.
   * Absent where tokens are handed over, not texts.
   */
  retokenised?: number;
}

/** What the chains of all kinds of models do. */
interface CommonChain<S extends ChainState> extends AsyncDisposable {
  /**
   * Whether the law of texts is p_ref conditioned on a constraint, which their masses as weights make of
   * what is drawn; else it is the law that tokens are drawn from.
   */
  readonly conditions: boolean;
  /** The state before anything is drawn. */
  start(): Promise<S>;
  /**
   * Draws `count` states x_s ~ p_ref(· | x_t), one guidance step further. `step` and, from `first`
   * on, the states' own numbers name the draws: the same numbers give the same states.
   */
  advance(state: S, count: number, step: number, first?: number): Promise<S[]>;
  /** Draws one state further from each, which may repeat; `step` and their order name the draws. */
  advanceEach(states: readonly S[], step: number): Promise<S[]>;
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
   * Draws what follows a text that was begun from the state and isn't finished, or answered: a whole
   * text x_0 ~ p_ref(· | begun), with the random numbers of `stream`.
   */
  finish(state: S, begun: Text, stream: RandomStream): Promise<Text>;
  /**
   * Rollouts that another may have drawn, as this chain would have: with its own values of their
   * tokens, and log p_ref of each given its state, the end token included, as `logDrawn`
   * (-Infinity outside the policy's support), and as `logTarget`.
   */
  score(states: readonly S[], rollouts: readonly (readonly Rollout[])[]): Promise<Rollout[][]>;
  /** Lets go of states that won't be continued. */
  release(states: readonly S[]): Promise<void>;
  /** Whether the budget has ended; what was being drawn is then cut off, unfinished. */
  readonly isOutOfBudget: boolean;
  usage(): Promise<Usage>;
}

/** A text that knows what it was drawn from; its end can be drawn anew, also once it has ended. */
export interface RedrawnState extends ChainState {
  /** As `logProbs`, which are p_ref's, under the distribution that the tokens were drawn from. */
  drawnLogProbs: readonly number[];
}

export interface Redraw<S> {
  state: S;
  /** Tokens to keep, from 0 to the state's number. */
  cut: number;
}

export interface RedrawOptions {
  /** Tokens are drawn with probability ∝ p_ref(token | text so far)^power. */
  power: number;
  /** Texts end, unfinished unless it is the longest, at this many tokens. */
  length: number;
  /** Names the draws, with their order. */
  step: number;
}

/** A token that may come next, and its log-probability under p_ref. */
export interface NextToken {
  token: number;
  logProb: number;
  /** Under a constraint: as of `Text`. */
  logMass?: number;
}

export interface Ranked<S> {
  /** The state that was ranked, to be extended. */
  state: S;
  next: NextToken[];
}

/** The chain of a model that writes from left to right: texts can be cut, and tokens ranked. */
export interface PrefixChain<S extends ChainState = ChainState> extends CommonChain<S> {
  readonly kind: "prefix";
  /**
   * As `advanceEach`, but each token is drawn with probability ∝ p_ref(token | text so far)^power.
   */
  advanceSharpened(
    states: readonly S[],
    step: number,
    power: number,
  ): Promise<(S & RedrawnState)[]>;
  /** Keeps the first tokens of each text and draws what follows. */
  redraw(texts: readonly Redraw<S>[], options: RedrawOptions): Promise<(S & RedrawnState)[]>;
  /** The `count` most probable next tokens of unfinished states, in descending order. */
  rank(states: readonly S[], count: number): Promise<Ranked<S>[]>;
  /** A ranked state one token further; it may have ended with it. */
  extend(ranked: S, next: NextToken): S;
  /**
   * States drawn further by another, as this chain would have: each of the `grown` texts begins with
   * its state's, and has this chain's values of what follows. Unfinished ones can be followed on.
   */
  follow(states: readonly S[], grown: readonly Text[]): Promise<S[]>;
}

/** A text, or the beginning of one, that a search found. */
export interface Hypothesis<S extends ChainState = ChainState> {
  state: S;
  /** log p_ref of its tokens, in nats. */
  logProb: number;
  /** The tokens that it is of: of a diffusion model all that are unmasked, after the end too. */
  length: number;
}

/**
 * The chain of a diffusion model: a text can go back to before a step of its trajectory, and the
 * most probable trajectories be searched.
 */
export interface TrajectoryChain<S extends ChainState = ChainState> extends CommonChain<S> {
  readonly kind: "trajectory";
  /**
   * Denoising steps before which a text can be taken up, in ascending order, the first 0: all, or
   * the blocks' first ones where a step's law depends on those before it (caches) or their number
   * isn't the schedule's (parallel decoding).
   */
  readonly returns: readonly number[];
  /**
   * Takes each text back to before a step, and draws the steps from there on anew, to its end;
   * `draw` and their order name the draws. A text that ended before the step stays what it is.
   */
  redrawFrom(texts: readonly S[], step: number, draw: number): Promise<S[]>;
  /**
   * Beam search, one guidance step further: of what unfinished texts that are equally far may become,
   * the `width` most probable that go on, and those above them that ended. The positions that a
   * denoising step unmasks are those that its rule chooses if each has its most probable token; of
   * random remasking, what the seed says. Ends once `wanted` texts have ended; null when out of budget
   * before.
   */
  search(
    hypotheses: readonly Hypothesis<S>[],
    width: number,
    wanted: number,
  ): Promise<Hypothesis<S>[] | null>;
}

/** The chain of a model, by its kind. */
export type Chain<S extends ChainState = ChainState> = PrefixChain<S> | TrajectoryChain<S>;

/** What proposals of all kinds do: a cheaper model of the same tokenizer draws another's rollouts. */
interface CommonProposal<S extends ChainState> extends AsyncDisposable {
  /** As `Chain.complete`; `logDrawn` is the proposal's. */
  complete: CommonChain<S>["complete"];
  /** As `Chain.score`, under the proposal. */
  score: CommonChain<S>["score"];
  readonly isOutOfBudget: boolean;
  usage(): Promise<Usage>;
}

/** Names the random numbers of a rollout. */
export interface RolloutName {
  step: number;
  candidate: number;
  rollout: number;
}

/** The proposal of a chain that writes from left to right: its rollouts can be drawn in blocks. */
export interface PrefixProposal<S extends ChainState = ChainState> extends CommonProposal<S> {
  readonly kind: "prefix";
  /** Where rollouts of the states begin: the states as the proposal holds them, or answered. */
  begin(states: readonly S[], step: number): Promise<ChainState[]>;
  /** Draws up to `tokens` more of each unfinished text, which may repeat, no further than its answer. */
  grow(
    texts: readonly ChainState[],
    tokens: number,
    names: readonly RolloutName[],
  ): Promise<ChainState[]>;
  /** Lets go of texts that were grown. */
  release(texts: readonly ChainState[]): Promise<void>;
}

/** The proposal of a diffusion model. */
export interface TrajectoryProposal<S extends ChainState = ChainState> extends CommonProposal<S> {
  readonly kind: "trajectory";
}

/** The proposal of a chain, by its kind. */
export type Proposal<S extends ChainState = ChainState> = PrefixProposal<S> | TrajectoryProposal<S>;
