/** The rewards of one run's texts, the votes for their answers, and the best text. */
import type { Text } from "../../chain/chain.js";
import { ownCompletion } from "../../energy/candidate-groups.js";
import type { Scored } from "../../energy/estimate.js";
import { answerOf, settledAnswer } from "../../rewards/answer.js";
import { type Completion, scoreEach, votesIn } from "../../rewards/reward.js";
import { type Ballot, electMajority, type Majority } from "../../rewards/self-consistency.js";
import type { Step } from "../step.js";
import type { Opened } from "./open-run.js";
import { type RewardedText, seesRewards } from "./outcome.js";
import { type SeenText, SeenTexts } from "./seen-texts.js";

export class RunRewards {
  readonly #run: Pick<Opened<unknown>, "method" | "settings" | "asked" | "steps">;
  readonly #seen = new SeenTexts();

  constructor(run: Pick<Opened<unknown>, "method" | "settings" | "asked" | "steps">) {
    this.#run = run;
  }

  /** The text of highest reward that was seen; null before one was. */
  get best(): SeenText | null {
    return this.#seen.best;
  }

  /** The reward of each text separately at a step. A pooled reward judges it in a pool with `voters`. */
  async rewardEach(
    texts: readonly Text[],
    voters: readonly Text[],
    step: number,
  ): Promise<readonly number[]> {
    return await this.#rewardAs(texts.map(ownCompletion), voters, step);
  }

  /** The reward of the run's final text; null if it has none, or if it is unknown and `asks` is false. */
  async rewardAtEnd(text: RewardedText, { asks }: { asks: boolean }): Promise<number | null> {
    const { method, steps } = this.#run;
    if (!seesRewards(method) || text.finishReason === null) return null;
    const known = knownReward(text, steps);
    if (known !== undefined || !asks) return known ?? null;
    // The text continues the last step's choice.
    const last = steps.at(-1);
    const seen = ownCompletion(text, last?.chosen ?? 0);
    const [reward = null] = await this.#rewardAs([seen], this.#lastVoters, last?.step ?? 0);
    return reward;
  }

  async #rewardAs(
    texts: readonly Completion[],
    voters: readonly Text[],
    step: number,
  ): Promise<readonly number[]> {
    const { settings, asked } = this.#run;
    const { energy, callbacks } = settings;
    const pool = voters.map(ownCompletion);
    const judged = { ...asked, texts, voters: pool };
    const rewards = await scoreEach(energy.reward, judged, step, callbacks.signal);
    this.#seen.add(texts, rewards, { step });
    return rewards;
  }

  /**
   * Remembers a step's texts if they are rewarded and the reference can draw them. If `elects` is false,
   * because a budget cut the step off, its pool is too small to replace the best text of an earlier step.
   */
  see(completions: readonly Scored[], { step, elects }: { step: number; elects: boolean }): void {
    if (!seesRewards(this.#run.method)) return;
    const { isPooled = false } = this.#run.settings.energy.reward;
    this.#seen.addScored(completions, { step, isPooled: isPooled && elects });
  }

  /** The plurality of the completions' answers; a single draw counts. */
  vote(completions: readonly Scored[]): Majority {
    return electMajority(this.#ballotsOf(completions), 1);
  }

  answerOf(text: string): string | null {
    return answerOf(text, this.#run.settings.energy.extract);
  }

  /** The answer of a result's text. If the text was cut off: the answer that nothing could change. */
  answerAtEnd({ text, finishReason }: Text): string | null {
    if (finishReason === null) return settledAnswer(text, this.#run.settings.energy.extract);
    return this.answerOf(text);
  }

  /** The share of the last step's votes that an answer has. */
  agreementWith(answer: string | null): number {
    const ballots = this.#ballotsOf(this.#lastVoters);
    const agreeing = ballots.filter((ballot) => ballot.answer === answer);
    const total = sumOf(ballots);
    if (total === 0) return answer === null ? 0 : 1;
    return sumOf(agreeing) / total;
  }

  get #lastVoters(): readonly Scored[] {
    const last = this.#run.steps.at(-1);
    return last?.candidates.flatMap(({ completions }) => completions) ?? [];
  }

  /** The completions' answers, and the weight of each in a vote. */
  #ballotsOf(completions: readonly Scored[]): Ballot[] {
    const { settings, steps } = this.#run;
    const votes = votesIn(settings.energy.reward, completions, steps.length);
    return completions.map((completion, i) => ({
      samples: completion.samples,
      votes: votes[i] as number,
      answer: this.answerOf(completion.text),
    }));
  }
}

function sumOf(ballots: readonly Ballot[]): number {
  return ballots.reduce((sum, { votes }) => sum + votes, 0);
}

/** A finished text's reward: its own, if known, or the one in the last step that has the text. */
function knownReward(text: RewardedText, steps: readonly Step[]): number | undefined {
  if (text.reward !== undefined) return text.reward;
  const tokens = text.tokens.join();
  for (const { candidates } of steps.toReversed()) {
    const completions = candidates.flatMap((candidate) => candidate.completions);
    const same = completions.find((completion) => completion.tokens.join() === tokens);
    if (same !== undefined) return same.reward;
  }
  return undefined;
}
