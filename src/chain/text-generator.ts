/** Draws and scores texts with one model. An autoregressive chain and its proposal both use this. */

import type { Model } from "../engine/engine.js";
import type {
  Expansion,
  RandomStream,
  Sequence,
  Sequences,
  SequencesStatus,
} from "../engine/sequences.js";
import type { ContextPlan } from "../planning/context-plan.js";
import { type AnswerEnd, answeredPart } from "./answer-end.js";
import { type Reading, toBatches } from "./batches.js";
import type { NextToken, Rollout, Text, Usage } from "./chain.js";
import type { ChainOptions } from "./chain-options.js";
import { liveText } from "./live-text.js";
import { randomKey } from "./random-streams.js";
import { RunLimits } from "./run-limits.js";
import { StopStrings } from "./stop-strings.js";
import { TextScorer } from "./text-scorer.js";
import { type DrawnText, type Prefix, TextWriter } from "./text-writer.js";
import { logDrawnOf, logTargetOf, textBefore } from "./token-values.js";

interface DrawRequest extends Prefix {
  /** Words 0 to 2 of the random counter. */
  stream: RandomStream;
  maxTokens: number;
  keep: boolean;
  /** Also keeps the sequence of a text that ended, without its last token. */
  keepEnded?: boolean;
  /** A kept text may end its block once it has this many tokens. Default: only at `maxTokens`. */
  pauseAfter?: number;
}

const NOTHING = new Int32Array();

/** The counts that come from the context. */
type Counted = Omit<Usage, "passes" | "ms" | "cached" | "retokenised"> &
  Pick<SequencesStatus, "restored">;

export class TextGenerator implements AsyncDisposable {
  readonly #model: Model;
  readonly #options: ChainOptions;
  readonly #stops: StopStrings;
  readonly #writer: TextWriter;
  readonly #started = performance.now();
  readonly #before: Counted;
  readonly #limits: RunLimits;
  readonly context: Sequences;
  readonly scorer: TextScorer;
  /** The number of tokens that ended a text in `append`. The engine never gets and never counts them. */
  #unfed = 0;

  private constructor(model: Model, context: Sequences, before: Counted, options: ChainOptions) {
    this.#model = model;
    this.context = context;
    this.#before = before;
    this.#options = options;
    this.#stops = new StopStrings(model, options.policy.stop);
    this.#writer = new TextWriter(model, this.#stops, options);
    this.#limits = new RunLimits(context, { ...options.limits, onProgress: options.onProgress });
    this.scorer = new TextScorer(context, this.#writer, options, this.#limits);
  }

  /** Leases the planned context for the run. */
  static async open(
    model: Model,
    plan: ContextPlan,
    options: ChainOptions,
  ): Promise<TextGenerator> {
    const context = await model.lease(plan);
    return new TextGenerator(model, context, await context.status(), options);
  }

  get isOutOfBudget(): boolean {
    return this.#limits.isOutOfBudget;
  }

  /** A new sequence with the prompt. It reads only the part that isn't kept from earlier runs. */
  async prefill(prompt: Int32Array): Promise<Sequence> {
    const { prompts } = this.context;
    const kept = this.#options.prefixCache ? prompts : undefined;
    const known = await this.#limits.call(async () => (await kept?.recall(prompt)) ?? null);
    const { sequence, length } = known ?? { sequence: await this.context.create(), length: 0 };
    if (length < prompt.length) await this.read([{ sequence, tokens: prompt.subarray(length) }]);
    // The prompt is kept at once, because methods release the sequence when they have drawn from it. If
    // it can't be kept, later runs read the prompt again.
    if (!this.isOutOfBudget) await kept?.keep(sequence, prompt).catch(() => {});
    return sequence;
  }

  /** Appends tokens to sequences, one batch per call. When the budget is spent, the rest stays unread. */
  async read(requests: readonly Reading[]): Promise<void> {
    for (const batch of toBatches(requests, this.context.batchTokens)) {
      if (this.#limits.isCutOff()) return;
      await this.#limits.call(() => this.context.prefill(batch));
    }
  }

  /**
   * Draws all texts in one native call. When the budget ends the call, texts stay unfinished.
   *
   * @param power tokens are drawn with probability ∝ p_ref^power
   * @param answerEnd texts end once they have answered
   */
  async draw(
    requests: readonly DrawRequest[],
    { power = 1, answerEnd = null }: { power?: number; answerEnd?: AnswerEnd | null } = {},
  ): Promise<DrawnText[]> {
    const { policy, guidance, metrics } = this.#options;
    const { sampling, seed } = policy;
    const { strings, tokens: stopTokens } = this.#stops;
    const { thoughts } = policy;
    const isBound =
      strings.length > 0 ||
      answerEnd !== null ||
      sampling.constraint !== undefined ||
      thoughts !== null;
    const pauses = requests.some(({ pauseAfter }) => pauseAfter !== undefined);
    if (requests.length === 0) return [];
    if (this.#limits.isCutOff()) return requests.map(({ text }) => ({ ...text, sequence: null }));
    const begun = requests[0]?.text.tokens ?? [];
    const look = liveText(this.context, this.#model, { begun, thoughts }, this.#options.onLive);
    const generate = () =>
      this.context.generate({
        draws: requests.map(({ text, sequence, ...draw }) => ({
          ...draw,
          parent: sequence,
          position: text.tokens.length,
          text: isBound ? Int32Array.from(text.tokens) : NOTHING,
        })),
        sampling,
        power,
        metrics,
        key: randomKey(seed),
        stopStrings: strings,
        stopTokens,
        answerEnd,
        ...(thoughts && { thoughts }),
        ...(guidance.blockEnd && pauses && { pause: guidance.blockEnd }),
        sharePrefixes: guidance.sharePrefixes,
        ...this.#limits.left,
      });
    const continuations = await this.#limits.watch(generate, { look });
    this.#limits.spend(continuations.reduce((sum, { tokens }) => sum + tokens.length, 0));
    this.#limits.report();
    if (continuations.some(({ finish }) => finish === "budget")) this.#limits.cutOff();
    return continuations.map((c, i) => this.#writer.extend((requests[i] as DrawRequest).text, c));
  }

  /**
   * Draws up to `tokens` more tokens of each text, with the random numbers of `streamOf`. Texts that did
   * not end can be continued.
   *
   * @param answerEnd texts end once they have answered
   */
  grow(
    prefixes: readonly Prefix[],
    tokens: number,
    streamOf: (prefix: number) => RandomStream,
    answerEnd: AnswerEnd | null = null,
  ): Promise<DrawnText[]> {
    const requests = prefixes.map((prefix, i) => {
      const left = this.#options.limits.maxTokens - prefix.text.tokens.length;
      const maxTokens = Math.min(tokens, left);
      return { ...prefix, stream: streamOf(i), maxTokens, keep: maxTokens < left };
    });
    return this.draw(requests, { answerEnd });
  }

  /** Feeds each text's last token, if there is one, to a fork and ranks the next tokens. */
  async rank(prefixes: readonly Prefix[], count: number): Promise<Expansion[]> {
    if (this.#limits.isCutOff()) return [];
    const { sampling } = this.#options.policy;
    const requests = prefixes.map(({ text, sequence }) => {
      return { parent: sequence, token: text.tokens.at(-1) ?? null, ...textBefore(sampling, text) };
    });
    const ranked = await this.#limits.call(() => this.context.expand(requests, count, sampling));
    this.#limits.spend(requests.filter(({ token }) => token !== null).length);
    this.#limits.reportNowAndThen();
    return ranked.map((expansion, i) => {
      const forced = this.#writer.forcedAfter((prefixes[i] as Prefix).text.tokens);
      if (forced === null) return expansion;
      const { sequence } = expansion;
      const rawLogProbs = Float64Array.of(Number.NaN);
      return { sequence, tokens: Int32Array.of(forced), logProbs: Float64Array.of(0), rawLogProbs };
    });
  }

  /** A text with one more token, which may end it. It has the sequence of the text without the token. */
  append({ text, sequence }: Prefix, next: NextToken): DrawnText {
    const longer = this.#writer.append(text, next);
    if (longer.finishReason === null) return { ...longer, sequence };
    // The engine never gets the last token, so it doesn't count it.
    this.#limits.spend(1);
    this.#unfed += 1;
    return { ...longer, sequence: null };
  }

  /** The first tokens of a text. */
  head(text: Text, count: number): Text {
    return this.#writer.head(text, count);
  }

  /**
   * Draws `count` finished texts from each prefix, with the random numbers of `streamOf`. They end once
   * they have answered.
   */
  async complete(
    prefixes: readonly Prefix[],
    count: number,
    streamOf: (prefix: number, rollout: number) => RandomStream,
  ): Promise<Rollout[][]> {
    const { answerEnd, limits, policy } = this.#options;
    const hasAnswer = prefixes.map(({ text }) => this.hasAnswered(text));
    const drawn = await this.draw(
      prefixes.flatMap((prefix, i) =>
        Array.from({ length: hasAnswer[i] ? 0 : count }, (_, rollout) => ({
          ...prefix,
          stream: streamOf(i, rollout),
          maxTokens: limits.maxTokens - prefix.text.tokens.length,
          keep: false,
        })),
      ),
      { answerEnd },
    );
    return prefixes.map(({ text }, i) => {
      const answered = { ...text, finishReason: "answered" as const, sequence: null };
      const texts = hasAnswer[i]
        ? Array.from({ length: count }, () => answered)
        : drawn.splice(0, count);
      return texts.map(
        (rollout): Rollout => ({
          ...rollout,
          logDrawn: logDrawnOf(rollout, text.tokens.length),
          logTarget: logTargetOf(rollout, policy.conditions === true, text.tokens.length),
        }),
      );
    });
  }

  /** Whether a text has its whole answer, so that its rollouts end at once. */
  hasAnswered({ text }: Text): boolean {
    const { answerEnd } = this.#options;
    return answerEnd !== null && answeredPart(text, answerEnd) !== null;
  }

  /** Draws the rest of a text that was begun from the prefix, with the random numbers of `stream`. */
  async finish({ text, sequence }: Prefix, begun: Text, stream: RandomStream): Promise<Text> {
    const maxTokens = this.#options.limits.maxTokens - begun.tokens.length;
    if (maxTokens === 0) return { ...begun, finishReason: "length" };
    await using head = await sequence.fork();
    const added = Int32Array.from(begun.tokens.slice(text.tokens.length));
    if (added.length > 0) await this.read([{ sequence: head, tokens: added }]);
    const from = { ...begun, finishReason: null };
    const [whole] = await this.draw([
      { text: from, sequence: head, stream, maxTokens, keep: false },
    ]);
    return whole ?? from;
  }

  async usage(): Promise<Usage> {
    const now = await this.context.status();
    const since = (name: keyof Counted) => now[name] - this.#before[name];
    return {
      prefilled: since("prefilled"),
      cached: since("restored"),
      generated: since("generated") + this.#unfed,
      decoded: since("decoded"),
      scored: since("scored"),
      passes: 0,
      forks: since("forks"),
      decodes: since("decodes"),
      ms: performance.now() - this.#started,
      ...(now.retokenised !== undefined && { retokenised: now.retokenised }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#limits[Symbol.dispose]();
    await this.#model.release(this.context);
  }
}
