/** One run of a method: its chain, its draws and the record of its steps. */

import seedrandom from "seedrandom";
import type { Chain, ChainState, Proposal, Text } from "../../chain/chain.js";
import { type DrawPurpose, drawName } from "../../chain/random-streams.js";
import type { Estimate, EstimateOptions, Scored } from "../../energy/estimate.js";
import { drawIndex, effectiveSampleSize } from "../../energy/log-domain.js";
import type { RunParts } from "../../planning/run-plan.js";
import { stoppingOf } from "../adaptive.js";
import type { OwnOptions, ValuesOf } from "../options/option.js";
import type { Resolved } from "../options/settings.js";
import type { Result } from "../result.js";
import type { Candidate, MethodDiagnostics, Step } from "../step.js";
import type { AskedRun } from "./ask-run.js";
import { closedText } from "./closed-text.js";
import { type Opened, openRun } from "./open-run.js";
import { type Law, lawOf, type RewardedText } from "./outcome.js";
import { allDied, lostMassWarning, resultOf } from "./result-of.js";
import { RunRewards } from "./run-rewards.js";
import { cutOffWarning, unansweredWarning, unguidedWarning, weightWarning } from "./warnings.js";

export class Run<Own = unknown> implements AsyncDisposable {
  readonly #opened: Opened<Own>;
  /** The rewards of its texts. */
  readonly rewards: RunRewards;

  private constructor(opened: Opened<Own>) {
    this.#opened = opened;
    this.rewards = new RunRewards(opened);
  }

  /**
   * Plans a run, and opens what it draws with.
   *
   * @param within what it may take of shared contexts; default: contexts as memory allows
   * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`,
   *   `ERR_NO_CHAT_TEMPLATE`, `ERR_TOKENIZER_MISMATCH`; the signal's reason
   */
  static async open<O extends OwnOptions>(
    asked: AskedRun<O>,
    within?: RunParts,
  ): Promise<Run<ValuesOf<O>>> {
    return new Run(await openRun(asked, within));
  }

  get chain(): Chain {
    return this.#opened.chain;
  }

  /** Draws the rollouts of ETS-IS; null where the reference draws them. */
  get proposal(): Proposal | null {
    return this.#opened.proposal;
  }

  get settings(): Readonly<Resolved<Own>> {
    return this.#opened.settings;
  }

  /** Whether the budget has ended, in the chain or in its proposal. */
  get isOutOfBudget(): boolean {
    return this.chain.isOutOfBudget || (this.proposal?.isOutOfBudget ?? false);
  }

  /** The run's options for estimates of energies. */
  get estimateOptions(): EstimateOptions {
    const { guidance, energy, callbacks } = this.settings;
    return {
      rollouts: guidance.rollouts,
      reward: energy.reward,
      lambda: energy.lambda,
      asked: this.#opened.asked,
      stopping: stoppingOf(guidance.adaptive),
      shareDuplicates: guidance.shortcuts.duplicates,
      conditions: this.chain.conditions,
      signal: callbacks.signal,
    };
  }

  /** The completions of the steps that were recorded, oldest first. */
  get earlier(): Scored[] {
    return this.#opened.steps.flatMap(({ candidates }) =>
      candidates.flatMap(({ completions }) => completions),
    );
  }

  /**
   * The number of candidates that a step draws between two evaluations. If the reward never settles, the
   * step draws all candidates at once, so that the reward is not asked about the same texts repeatedly.
   */
  get round(): number {
    const { guidance, energy } = this.settings;
    const { adaptive, candidates } = guidance;
    if (adaptive === null) return candidates;
    return energy.reward.isSettled === undefined ? candidates : adaptive.round;
  }

  /** Rollouts that run side by side, in both models' contexts. */
  get parallelRollouts(): number {
    const { model, proposal } = this.#opened.plan;
    return Math.min(model.parallel, proposal?.parallel ?? Number.POSITIVE_INFINITY);
  }

  /** Draws an index with the probabilities `weights`. `purpose` and `step` determine the random number. */
  choose(weights: readonly number[], step: number, purpose: "candidate" | "rollout"): number {
    return drawIndex(weights, this.uniforms(step, purpose, 1)[0] as number);
  }

  /** Independent numbers on [0, 1), determined by `purpose` and `step`. */
  uniforms(step: number, purpose: DrawPurpose, count: number): number[] {
    const random = seedrandom(drawName(this.settings.policy.seed, step, purpose));
    return Array.from({ length: count }, () => random());
  }

  /** Records a step with the method's own diagnostics, and calls the caller's `onStep`. */
  async record(
    candidates: readonly ChainState[],
    estimate: Pick<Estimate, "logEnergies" | "completions" | "potentials" | "importance">,
    weights: number[],
    chosen: number,
    own: MethodDiagnostics = {},
  ): Promise<void> {
    const { steps, settings } = this.#opened;
    const { generated, ms } = await this.chain.usage();
    const step: Step = {
      step: steps.length,
      candidates: candidates.map((state, m): Candidate => {
        const { text, thoughts, tokens, logProbs, finishReason } = state;
        const completions = estimate.completions
          .filter(({ candidate }) => candidate === m)
          .map((completion) => ({ ...completion, answer: this.rewards.answerOf(completion.text) }));
        const potential = estimate.potentials?.[m] ?? null;
        return {
          text,
          tokens,
          logProbs,
          finishReason,
          ...(thoughts && { thoughts }),
          ...(potential !== null && { potential }),
          completions,
        };
      }),
      logEnergies: estimate.logEnergies,
      weights,
      chosen,
      ess: effectiveSampleSize(weights),
      agreement: this.rewards.vote(estimate.completions).share,
      ...estimate.importance,
      ...own,
      generated,
      ms,
    };
    this.rewards.see(estimate.completions, { step: step.step, elects: true });
    steps.push(step);
    // The caller gets a copy, so that it can't change the run.
    settings.callbacks.onStep?.(structuredClone(step));
    this.#opened.stream?.show(candidates[chosen]?.text ?? "");
    this.#warnIf(weightWarning(step, this.settings.energy.proposal));
  }

  /** Called when the run has chosen a text to continue, which makes that text final. */
  goOnFrom({ text, thoughts }: Text): void {
    const { settings, model, stream, thoughtRules } = this.#opened;
    const { guidance, limits } = settings;
    // The best text seen or a closed text may still replace this text.
    const mayDepart = guidance.finish === "best" || !limits.budget.isUnlimited || limits.closes;
    if (mayDepart || model.info.isDiffusion) return;
    // A tag that is not whole may be in a text: what is answer and what is thought is known behind it.
    const isKnown =
      thoughtRules === null || (thoughts?.isOpen === false && !thoughtRules.opensAnywhere);
    if (isKnown) stream?.commit(text, thoughts?.text);
  }

  /** Warns after the first of several steps if all texts have ended, so that no step is left to guide. */
  warnIfUnguided(texts: readonly Text[]): void {
    if (this.#opened.steps.length > 1) return;
    this.#warnIf(unguidedWarning(texts, this.settings.guidance));
  }

  /** Keeps a warning for the result, and tells the caller. */
  warn(message: string): void {
    this.#opened.warnings.push(message);
    this.settings.callbacks.onWarning?.(message);
  }

  #warnIf(message: string | null): void {
    if (message !== null) this.warn(message);
  }

  /**
   * Ends the run with a text that is finished or that the budget cut off. With `finish: "best"`, the best
   * text seen replaces it.
   */
  async finish(text: RewardedText, own: MethodDiagnostics = {}): Promise<Result> {
    const { method, settings } = this.#opened;
    const { best } = this.rewards;
    if (settings.guidance.finish === "best" && best !== null) return this.#end(best, "none", own);
    const isCut = this.isOutOfBudget; // read now, because the reward may use up the rest of the time
    const law = isCut ? "none" : lawOf(method, settings);
    const reward = await this.rewards.rewardAtEnd(text, { asks: !isCut });
    return await this.#end({ text, reward }, law, own);
  }

  /** Ends the run because its budget is spent: with the best text seen, or else with the text so far. */
  async finishEarly(soFar: Text, last: readonly Scored[] = []): Promise<Result> {
    this.rewards.see(last, { step: this.#opened.steps.length, elects: false });
    return await this.#end(this.rewards.best ?? { text: soFar, reward: null }, "none");
  }

  /** The result of a run that ends with the text. */
  async #end(
    drawn: { text: Text; reward: number | null },
    law: Law,
    own: MethodDiagnostics = {},
  ): Promise<Result> {
    if (drawn.text.finishReason === "dead") throw allDied();
    const { settings, steps } = this.#opened;
    this.#warnIf(lostMassWarning(drawn.text, settings, steps, own));
    const closed = await closedText(drawn.text, this.#opened);
    if (closed === null) {
      this.#warnIf(unansweredWarning(drawn.text) ?? cutOffWarning(drawn.text, settings));
    }
    const text = closed ?? drawn.text;
    return await resultOf(this.#opened, {
      text,
      own,
      rewards: this.rewards,
      reward: closed === null ? drawn.reward : null,
      law: closed === null ? law : "none",
      isClosed: closed !== null,
      isOutOfBudget: this.isOutOfBudget,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proposal?.[Symbol.asyncDispose]();
    await this.chain[Symbol.asyncDispose]();
  }
}
