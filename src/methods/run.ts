/** One run of a method: its chain, its draws and the record of its steps. */
import seedrandom from "seedrandom";
import type { Chain, ChainState, Proposal, Text } from "../chain/chain.js";
import { openChain, openProposal } from "../chain/open.js";
import { type DrawPurpose, drawName } from "../chain/random-streams.js";
import { ownCompletion } from "../energy/candidate-groups.js";
import { weightConcerns } from "../energy/diagnostics.js";
import type { Estimate, EstimateOptions, Scored } from "../energy/estimate.js";
import { drawIndex, effectiveSampleSize } from "../energy/log-domain.js";
import { toolCallsIn } from "../engine/chat/answer.js";
import type { EncodedPrompt, Prompt } from "../engine/chat/conversation.js";
import type { Model } from "../engine/engine.js";
import type { Plan } from "../planning/run-plan.js";
import { answerOf } from "../rewards/answer.js";
import { type Completion, scorePool } from "../rewards/reward.js";
import { electMajority, type Majority } from "../rewards/self-consistency.js";
import { VERSION } from "../version.js";
import type { MethodFacts } from "./method.js";
import type { OwnOptions, ValuesOf } from "./option.js";
import { planRun } from "./plan-run.js";
import { checkNames, type GivenOptions, promptOptions } from "./resolve-options.js";
import type { Result, StopReason } from "./result.js";
import { type Resolved, settingsOf } from "./settings.js";
import type { Candidate, MethodDiagnostics, Step } from "./step.js";

/** What a run was opened with. */
interface Opened<Own> {
  model: Model;
  plan: Plan;
  prompt: Result["prompt"];
  /** What rewards are told of the prompt. */
  asked: EstimateOptions["asked"];
  /** What the prompt was made of. */
  chat: EncodedPrompt["chat"];
  settings: Resolved<Own>;
  chain: Chain;
  proposal: Proposal | null;
  steps: Step[];
  warnings: string[];
}

export class Run<Own = unknown> implements AsyncDisposable {
  readonly #opened: Opened<Own>;

  private constructor(opened: Opened<Own>) {
    this.#opened = opened;
  }

  /**
   * Checks and plans a run, and opens what it draws with.
   *
   * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`,
   *   `ERR_NO_CHAT_TEMPLATE`, `ERR_TOKENIZER_MISMATCH`; the signal's reason
   */
  static async open<O extends OwnOptions>(
    method: MethodFacts<O>,
    model: Model,
    prompt: Prompt,
    options: GivenOptions,
  ): Promise<Run<ValuesOf<O>>> {
    checkNames(method, options);
    const shaped = promptOptions(options);
    options.signal?.throwIfAborted?.();
    const encoded = await model.encodePrompt(prompt, shaped);
    const { plan, resolved } = planRun(method, model, options, encoded.tokens.length);
    resolved.callbacks.onPlan?.(plan);
    const steps: Step[] = [];
    const warnings: string[] = [];
    const onWarning = (message: string) => {
      warnings.push(message);
      resolved.callbacks.onWarning?.(message);
    };
    const chainOptions = { ...chainOptionsOf(resolved, encoded.tokens, steps), onWarning };
    const chain = await openChain(model, plan.model, chainOptions);
    let proposal: Proposal | null = null;
    try {
      const { proposal: settings } = resolved.energy;
      if (options.proposal && plan.proposal && settings) {
        proposal = await openProposal(options.proposal, plan.proposal, chainOptions, settings);
      }
    } catch (error) {
      await chain[Symbol.asyncDispose]();
      throw error;
    }
    const record = { text: encoded.text, tokens: [...encoded.tokens] };
    const { text, specials, chat } = encoded;
    const asked = { prompt: text, specials };
    const opened = { model, plan, prompt: record, asked, chat, settings: resolved };
    return new Run({ ...opened, chain, proposal, steps, warnings });
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

  /** What an estimate of energies needs to know of the run. */
  get estimateOptions(): EstimateOptions {
    const { guidance, energy, callbacks } = this.settings;
    return {
      rollouts: guidance.rollouts,
      reward: energy.reward,
      lambda: energy.lambda,
      asked: this.#opened.asked,
      confidence: guidance.adaptive?.confidence ?? null,
      shareDuplicates: guidance.shortcuts.duplicates,
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
   * Candidates that a step draws between two looks. A reward that never settles would only be asked
   * about the same texts again and again: its step draws all of them at once.
   */
  get round(): number {
    const { guidance, energy } = this.settings;
    const { adaptive, candidates } = guidance;
    const isAdaptive = adaptive !== null && energy.reward.isSettled !== undefined;
    return isAdaptive ? adaptive.round : candidates;
  }

  /** Draws an index with probability `weights`; `purpose` and `step` name the draw. */
  choose(weights: readonly number[], step: number, purpose: "candidate" | "rollout"): number {
    return drawIndex(weights, this.uniforms(step, purpose, 1)[0] as number);
  }

  /** Independent numbers on [0, 1) for draws that `purpose` and `step` name. */
  uniforms(step: number, purpose: DrawPurpose, count: number): number[] {
    const random = seedrandom(drawName(this.settings.policy.seed, step, purpose));
    return Array.from({ length: count }, () => random());
  }

  /**
   * r of each text by itself. A reward that votes judges each in the pool of `voters` and the text:
   * a function of the text alone while the voters stay the same.
   */
  async rewardEach(
    texts: readonly Text[],
    voters: readonly Text[],
    step: number,
  ): Promise<readonly number[]> {
    const { reward, asked, signal } = this.estimateOptions;
    const score = (pool: Completion[]) =>
      scorePool(reward, { ...asked, pool, earlier: [] }, step, signal);
    if (!reward.isPooled) return score(texts.map(ownCompletion));
    const rewards: number[] = [];
    for (const text of texts) {
      const scores = await score([...voters, text].map(ownCompletion));
      rewards.push(scores.at(-1) as number);
    }
    return rewards;
  }

  /** Records a step, with what its method alone has to say of it, and tells the caller. */
  async record(
    candidates: readonly ChainState[],
    estimate: Pick<Estimate, "logEnergies" | "completions" | "importance">,
    weights: number[],
    chosen: number,
    own: MethodDiagnostics = {},
  ): Promise<void> {
    const { steps, settings } = this.#opened;
    const { generated, ms } = await this.chain.usage();
    const step: Step = {
      step: steps.length,
      candidates: candidates.map((state, m): Candidate => {
        const { text, tokens, logProbs, finishReason } = state;
        const completions = estimate.completions
          .filter(({ candidate }) => candidate === m)
          .map((completion) => ({ ...completion, answer: this.answerOf(completion.text) }));
        return { text, tokens, logProbs, finishReason, completions };
      }),
      logEnergies: estimate.logEnergies,
      weights,
      chosen,
      ess: effectiveSampleSize(weights),
      agreement: this.vote(estimate.completions).share,
      ...estimate.importance,
      ...own,
      generated,
      ms,
    };
    steps.push(step);
    settings.callbacks.onStep?.(step);
    this.#warn(step);
  }

  /** Says when a step's importance weights can't be trusted. */
  #warn(step: Step): void {
    const reasons = weightConcerns(step);
    if (reasons.length === 0) return;
    const message = `The importance weights of step ${step.step} are unreliable: ${reasons.join(" and ")}. Try: a proposal closer to the reference, more rollouts, a mixture of .25, or shorter answers`;
    this.#opened.warnings.push(message);
    this.settings.callbacks.onWarning?.(message);
  }

  /** The plurality of the completions' answers; a single draw counts. */
  vote(completions: readonly Scored[]): Majority {
    return electMajority(
      completions.map((c) => ({ ...c, answer: this.answerOf(c.text) })),
      1,
    );
  }

  answerOf(text: string): string | null {
    return answerOf(text, this.settings.energy.extract);
  }

  /** The result, for a text that has ended or that the budget cut off. */
  async finish(text: Text, own: MethodDiagnostics = {}): Promise<Result> {
    const { model, plan, prompt, chat, settings, steps, warnings } = this.#opened;
    const { info, path } = model;
    const { engine } = model.describe();
    const stopReason = this.isOutOfBudget ? "budget" : (text.finishReason as StopReason);
    const answer = this.answerOf(text.text);
    const isPartial = stopReason === "length" || stopReason === "budget";
    const toolCalls =
      chat?.tools.length && (await toolCallsIn(model, chat, { ...text, isPartial }));
    return {
      method: plan.method,
      text: text.text,
      ...(toolCalls && { toolCalls }),
      answer,
      tokens: text.tokens,
      logProbs: text.logProbs,
      agreement: this.#agreementWith(answer),
      steps,
      usage: await this.chain.usage(),
      ...(this.proposal && { proposalUsage: await this.proposal.usage() }),
      stopReason,
      ...own,
      warnings,
      seed: settings.policy.seed,
      plan,
      settings: settingsOf(settings),
      prompt,
      model: { path, description: info.description, parameters: info.parameters },
      versions: { llamaEts: VERSION, llamaCpp: engine.release, node: process.versions.node },
    };
  }

  /** The best of what a budget left: highest reward, first of equals; else the text so far. */
  async finishEarly(soFar: Text, last: readonly Scored[] = []): Promise<Result> {
    const best = [...this.earlier, ...last].reduce<Scored | undefined>(
      (a, b) => (a === undefined || b.reward > a.reward ? b : a),
      undefined,
    );
    return this.finish(best ?? soFar);
  }

  /** Share of the votes for an answer in the last step whose completions are known. */
  #agreementWith(answer: string | null): number {
    const last = this.#opened.steps.at(-1);
    const pool = last?.candidates.flatMap(({ completions }) => completions) ?? [];
    const total = pool.reduce((sum, { votes }) => sum + votes, 0);
    if (total === 0) return answer === null ? 0 : 1;
    const agreeing = pool.filter(({ text }) => this.answerOf(text) === answer);
    return agreeing.reduce((sum, { votes }) => sum + votes, 0) / total;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proposal?.[Symbol.asyncDispose]();
    await this.chain[Symbol.asyncDispose]();
  }
}

/** What a chain needs to know of a run, whose steps so far are `steps`. */
function chainOptionsOf(
  { policy, guidance, energy, denoising, limits, callbacks }: Resolved,
  prompt: Int32Array,
  steps: readonly Step[],
) {
  const { onProgress } = callbacks;
  return {
    prompt,
    policy: { sampling: policy.sampling, stop: policy.stop, seed: policy.seed },
    guidance: { blockTokens: guidance.blockTokens, sharePrefixes: guidance.shortcuts.prefixes },
    denoising,
    ratio: energy.proposal?.ratio ?? ("exact" as const),
    metrics: energy.reward.metrics ?? [],
    answerEnd: energy.answerEnd,
    limits: { maxTokens: limits.maxTokens, budget: limits.budget, signal: callbacks.signal },
    onProgress:
      onProgress &&
      ((generated: number, shown?: string) =>
        onProgress({
          ...{ step: steps.length, steps: guidance.steps, generated },
          ...(shown !== undefined && { shown }),
        })),
  };
}
