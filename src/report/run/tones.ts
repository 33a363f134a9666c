/** Colours that distinguish texts: by their answers, or by their rewards if answers don't count. */
import { number } from "../format.js";
import type { TraceCompletion } from "../trace.js";
import { AnswerColors, nameOf } from "./answer-colors.js";
import { RewardColors } from "./rewards.js";
import type { Branch, Story } from "./story.js";

export class Tones {
  readonly answers: AnswerColors;
  readonly rewards: RewardColors;
  readonly #byAnswer: boolean;

  constructor({ answers, rewards, evidence }: Story) {
    this.answers = new AnswerColors(answers);
    this.rewards = new RewardColors(rewards);
    this.#byAnswer = evidence.answers || !evidence.rewards;
  }

  /** Whether the colours show answers. */
  get byAnswer(): boolean {
    return this.#byAnswer;
  }

  ofCompletion({ answer, reward }: Pick<TraceCompletion, "answer" | "reward">): string {
    return this.#byAnswer ? this.answers.of(answer) : this.rewards.of(reward);
  }

  /**
   * Returns the colour of a branch: by the most frequent answer of its rollouts, by their mean reward, or by
   * its potential.
   */
  ofBranch({ votes, rewards, potential }: Branch): string {
    if (this.#byAnswer) return this.answers.of(votes[0]?.answer ?? null);
    return this.rewards.of(rewards?.mean ?? potential);
  }

  /** Returns the label of the chosen text in a figure. */
  labelOf(story: Story, { rewards, potential }: Branch): string {
    if (this.#byAnswer) return nameOf(story.answers[0] ?? null);
    const worth = rewards?.mean ?? potential;
    return worth === null ? "" : number(worth);
  }
}
