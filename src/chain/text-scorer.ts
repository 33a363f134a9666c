/** Scores texts that another model drew with one model: whole rollouts, or parts of them. */
import type { Sequences } from "../engine/sequences.js";
import { groupsOf } from "./batches.js";
import type { Rollout, Text } from "./chain.js";
import type { ChainOptions } from "./chain-options.js";
import type { RunLimits } from "./run-limits.js";
import type { DrawnText, Prefix, TextWriter } from "./text-writer.js";
import { logDrawnOf, logTargetOf, textBefore, unknownValues } from "./token-values.js";

export class TextScorer {
  readonly #context: Sequences;
  readonly #writer: TextWriter;
  readonly #options: ChainOptions;
  readonly #limits: RunLimits;

  constructor(context: Sequences, writer: TextWriter, options: ChainOptions, limits: RunLimits) {
    this.#context = context;
    this.#writer = writer;
    this.#options = options;
    this.#limits = limits;
  }

  /**
   * The rollouts with this model's values of their tokens. Those that the budget leaves unscored have
   * probability 0.
   */
  async score(
    prefixes: readonly Prefix[],
    rollouts: readonly (readonly Rollout[])[],
  ): Promise<Rollout[][]> {
    const { policy, metrics } = this.#options;
    const requests = prefixes.flatMap(({ text: state, sequence }, i) =>
      (rollouts[i] ?? []).map((rollout) => ({
        state,
        rollout,
        parent: sequence,
        tokens: Int32Array.from(rollout.tokens.slice(state.tokens.length)),
        ...textBefore(policy.sampling, state),
      })),
    );
    const unscored = requests.filter(({ tokens }) => tokens.length > 0);
    const scores = await this.#inBatches(unscored, (batch) =>
      this.#context.score(
        batch.map(({ state: _, rollout: __, ...request }) => request),
        policy.sampling,
        metrics,
      ),
    );
    const rescored = requests.map(({ state, rollout, tokens }): Rollout => {
      const added = (tokens.length > 0 && scores.shift()) || unknownValues(tokens.length);
      const values = this.#writer.revalue(state, rollout.tokens, added);
      const from = state.tokens.length;
      return {
        ...rollout,
        ...values,
        logDrawn: logDrawnOf(values, from),
        logTarget: logTargetOf({ ...rollout, ...values }, policy.conditions === true, from),
      };
    });
    return prefixes.map((_, i) => rescored.splice(0, rollouts[i]?.length ?? 0));
  }

  /**
   * The grown texts with this model's values of their new tokens. Each begins with its prefix's text, and
   * unfinished ones can be followed further. Equal texts are read once and become the same object. Texts
   * that the budget leaves unread have probability 0 and no sequence.
   */
  async follow(prefixes: readonly Prefix[], grown: readonly Text[]): Promise<DrawnText[]> {
    const { policy, metrics } = this.#options;
    const requests = prefixes.map(({ text, sequence: parent }, i) => {
      const { tokens, finishReason } = grown[i] as Text;
      const added = Int32Array.from(tokens.slice(text.tokens.length));
      const before = textBefore(policy.sampling, text);
      return { parent, tokens: added, keep: finishReason === null, ...before };
    });
    const firsts = requests.map(({ parent, tokens }) =>
      requests.findIndex(
        (other) => other.parent === parent && other.tokens.join() === tokens.join(),
      ),
    );
    const distinct = [...new Set(firsts)];
    const read = await this.#inBatches(
      distinct.map((i) => requests[i] as (typeof requests)[number]),
      (batch) => this.#context.follow(batch, policy.sampling, metrics),
    );
    const texts = distinct.map((i, n): DrawnText => {
      const { text } = prefixes[i] as Prefix;
      const followed = read[n];
      const added = followed ?? unknownValues(requests[i]?.tokens.length ?? 0);
      const whole = grown[i] as Text;
      const values = this.#writer.revalue(text, whole.tokens, added);
      return { ...whole, ...values, sequence: followed?.sequence ?? null };
    });
    return firsts.map((first) => texts[distinct.indexOf(first)] as DrawnText);
  }

  /**
   * Calls the engine with all requests at once, which packs them best. With a deadline, each call has only
   * as many as fill a batch. When the budget is spent, the rest has no result.
   */
  async #inBatches<T extends { tokens: Int32Array }, R>(
    requests: readonly T[],
    call: (batch: readonly T[]) => Promise<readonly R[]>,
  ): Promise<R[]> {
    const { msLeft } = this.#options.limits.budget;
    const perCall = msLeft === null ? Number.POSITIVE_INFINITY : this.#context.outputs;
    const results: R[] = [];
    for (const batch of groupsOf(requests, perCall)) {
      if (this.#limits.isCutOff()) break;
      results.push(...(await this.#limits.call(() => call(batch))));
    }
    return results;
  }
}
