/** What the texts of one run are worth: their rewards, the votes of their answers, the best of them. */
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

  /** r of each text by itself, as it is seen at a step; one that votes judges it beside `voters`. */
  async rewardEach(
    texts: readonly Text[],
    voters: readonly Text[],
    step: number,
  ): Promise<readonly number[]> {
    return await this.#rewardAs(texts.map(ownCompletion), voters, step);
  }

  /** The reward of a text that the run ends with; null: it has none, or `asks` forbids to ask for it. */
  async rewardAtEnd(text: RewardedText, { asks }: { asks: boolean }): Promise<number | null> {
    const { method, steps } = this.#run;
    if (!seesRewards(method) || text.finishReason === null) return null;
    const known = knownReward(text, steps);
    if (known !== undefined || !asks) return known ?? null;
    // It goes on from the last step's choice.
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
   * Remembers a step's texts, where they are rewarded and the reference can draw them. A step that a
   * budget cut off has too small a pool to elect one in the place of an earlier step's.
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

  /** Share of the votes of the last step for an answer. */
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

  /** The completions' answers, and what each counts. */
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

/** A finished text's reward: as it is known, or as the last step that has the text says. */
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
