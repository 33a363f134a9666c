/** One run of a method: its chain, its draws and the record of its steps. */
import seedrandom from "seedrandom";
import type {
  Chain,
  ChainState,
  FinishReason,
  PrefixChain,
  Proposal,
  Text,
  TrajectoryChain,
} from "../chain/chain.js";
import { openChain, openProposal } from "../chain/open.js";
import { ownCompletion } from "../energy/candidate-groups.js";
import type { Estimate, EstimatorOptions, Scored } from "../energy/estimator.js";
import { drawIndex, effectiveSampleSize } from "../energy/log-domain.js";
import type { Model } from "../engine/local/model.js";
import type { Prompt } from "../engine/prompt.js";
import { answerOf } from "../rewards/answer.js";
import { type Completion, scorePool } from "../rewards/reward.js";
import { electMajority, type Majority } from "../rewards/self-consistency.js";
import { VERSION } from "../version.js";
import { checkOwnOptions, type MethodName } from "./method-names.js";
import type { MethodOptions, ResolvedOptions, Settings } from "./options.js";
import { type Plan, planRun } from "./plan.js";
import { withPreset } from "./preset.js";
import { checkOptionNames, promptOptions } from "./resolve-options.js";
import type { Result, StopReason } from "./result.js";
import type { Candidate, MethodDiagnostics, Step } from "./step.js";

/** Above this Pareto shape, and below this effective sample size, weights can't be trusted. */
const MAX_KHAT = 0.7;
const MIN_ESS = 2;

export class Run implements AsyncDisposable {
  readonly #model: Model;
  readonly #plan: Plan;
  readonly #prompt: Result["prompt"];
  readonly #options: ResolvedOptions;
  readonly #steps: Step[] = [];
  readonly #warnings: string[];
  readonly chain: Chain;
  /** Draws the rollouts, under ETS-IS. */
  readonly proposal: Proposal | null;

  private constructor(
    model: Model,
    plan: Plan,
    prompt: Result["prompt"],
    options: ResolvedOptions,
    chain: Chain,
    proposal: Proposal | null,
    warnings: string[],
  ) {
    this.#warnings = warnings;
    this.#model = model;
    this.#plan = plan;
    this.#prompt = prompt;
    this.#options = options;
    this.chain = chain;
    this.proposal = proposal;
  }

  static async open(
    method: MethodName,
    model: Model,
    prompt: Prompt,
    given: MethodOptions,
  ): Promise<Run> {
    checkOptionNames(given);
    checkOwnOptions(method, given);
    const options = withPreset(method, given, model);
    options.signal?.throwIfAborted();
    const encoded = await model.encodePrompt(prompt, promptOptions(options));
    const { plan, resolved } = planRun(method, model, options, encoded.tokens.length);
    const { settings, onPlan, onProgress } = resolved;
    onPlan?.(plan);
    const { proposal: proposalModel } = options;
    const warnings: string[] = [];
    const chainOptions = {
      ...settings,
      ...resolved,
      prompt: encoded.tokens,
      metrics: resolved.reward.metrics ?? [],
      onWarning: (message: string) => {
        warnings.push(message);
        resolved.onWarning?.(message);
      },
      onProgress:
        onProgress &&
        ((generated: number, shown?: string) =>
          onProgress({
            ...{ step: run.#steps.length, steps: settings.steps, generated },
            ...(shown !== undefined && { shown }),
          })),
    };
    const chain = await openChain(model, plan.model, chainOptions);
    let proposal: Proposal | null = null;
    try {
      if (proposalModel && plan.proposal) {
        proposal = await openProposal(proposalModel, plan.proposal, chainOptions);
      }
    } catch (error) {
      await chain[Symbol.asyncDispose]();
      throw error;
    }
    const record = { text: encoded.text, tokens: [...encoded.tokens] };
    const run = new Run(model, plan, record, resolved, chain, proposal, warnings);
    return run;
  }

  /** Whether the budget has ended, in the chain or in its proposal. */
  get isOutOfBudget(): boolean {
    return this.chain.isOutOfBudget || (this.proposal?.isOutOfBudget ?? false);
  }

  get settings(): Readonly<Settings> {
    return this.#options.settings;
  }

  get reward() {
    return this.#options.reward;
  }

  /** What an estimator of the energy needs to know of the run. */
  get estimatorOptions(): EstimatorOptions {
    const { reward, signal, settings } = this.#options;
    const { rollouts, lambda, shortcuts, adaptive } = settings;
    const prompt = this.#prompt.text;
    const shareDuplicates = shortcuts.duplicates;
    const confidence = adaptive?.confidence ?? null;
    return { rollouts, reward, lambda, prompt, confidence, shareDuplicates, signal };
  }

  /** The chain, of a method whose plan is refused for models that don't write left to right. */
  get prefixChain(): PrefixChain {
    return this.chain as PrefixChain;
  }

  /** The chain, of a diffusion model. */
  get trajectoryChain(): TrajectoryChain {
    return this.chain as TrajectoryChain;
  }

  /** Draws an index with probability `weights`; `purpose` and `step` name the draw. */
  choose(weights: readonly number[], step: number, purpose: "candidate" | "rollout"): number {
    return drawIndex(weights, this.uniforms(step, purpose, 1)[0] as number);
  }

  /** Independent numbers on [0, 1) for draws that `purpose` and `step` name. */
  uniforms(step: number, purpose: string, count: number): number[] {
    const random = seedrandom(`${this.#options.seed}/${step}/${purpose}`);
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
    const { reward, signal } = this.#options;
    const prompt = this.#prompt.text;
    const score = (pool: Completion[]) =>
      scorePool(reward, { prompt, pool, earlier: [] }, step, signal);
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
    estimate: Estimate,
    weights: number[],
    chosen: number,
    own: MethodDiagnostics = {},
  ): Promise<void> {
    const { generated, ms } = await this.chain.usage();
    const step: Step = {
      step: this.#steps.length,
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
    this.#steps.push(step);
    this.#options.onStep?.(step);
    this.#warn(step);
  }

  /** Says when a step's importance weights can't be trusted. */
  #warn({ step, khat, rolloutEss = MIN_ESS, rolloutCount = 0 }: Step): void {
    const reasons = [
      typeof khat === "number" && khat > MAX_KHAT && `Pareto k̂ is ${khat.toFixed(2)}`,
      rolloutEss < MIN_ESS && rolloutCount >= 2 * MIN_ESS && `the ESS is ${rolloutEss.toFixed(1)}`,
    ].filter((reason) => reason !== false);
    if (reasons.length === 0) return;
    const message = `The importance weights of step ${step} are unreliable: ${reasons.join(" and ")}. Try: a proposal closer to the reference, more rollouts, a mixture of .25, or shorter answers`;
    this.#warnings.push(message);
    this.#options.onWarning?.(message);
  }

  /** The plurality of the completions' answers; a single draw counts. */
  vote(completions: readonly Scored[]): Majority {
    return electMajority(
      completions.map((c) => ({ ...c, answer: this.answerOf(c.text) })),
      1,
    );
  }

  answerOf(text: string): string | null {
    return answerOf(text, this.#options.extract);
  }

  /** The result, for a text that has ended or that the budget cut off. */
  async finish(text: Text, own: MethodDiagnostics = {}): Promise<Result> {
    const { info, path, engine } = this.#model;
    const stopReason: StopReason = this.isOutOfBudget
      ? "budget"
      : (text.finishReason as FinishReason);
    const answer = this.answerOf(text.text);
    return {
      method: this.#plan.method,
      text: text.text,
      answer,
      tokens: text.tokens,
      logProbs: text.logProbs,
      agreement: this.#agreementWith(answer),
      steps: this.#steps,
      usage: await this.chain.usage(),
      ...(this.proposal && { proposalUsage: await this.proposal.usage() }),
      stopReason,
      ...own,
      warnings: this.#warnings,
      seed: this.#options.seed,
      plan: this.#plan,
      settings: this.settings,
      prompt: this.#prompt,
      model: { path, description: info.description, parameters: info.parameters },
      versions: { llamaEts: VERSION, llamaCpp: engine.release, node: process.versions.node },
    };
  }

  /** The best of what a budget left: highest reward, first of equals; else the text so far. */
  async finishEarly(soFar: Text, last: readonly Scored[] = []): Promise<Result> {
    const earlier = this.#steps.flatMap(({ candidates }) =>
      candidates.flatMap((c) => c.completions),
    );
    const all = [...earlier, ...last];
    const best = all.reduce<Scored | undefined>(
      (a, b) => (a === undefined || b.reward > a.reward ? b : a),
      undefined,
    );
    return this.finish(best ?? soFar);
  }

  /** Share of the votes for an answer in the last step whose completions are known. */
  #agreementWith(answer: string | null): number {
    const pool = this.#steps.at(-1)?.candidates.flatMap((c) => c.completions) ?? [];
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
