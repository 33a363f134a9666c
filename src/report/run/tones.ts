/** How a page tells texts apart: by their answers, or where these don't count by their rewards. */
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

  /** Whether texts are told apart by their answers. */
  get byAnswer(): boolean {
    return this.#byAnswer;
  }

  ofCompletion({ answer, reward }: Pick<TraceCompletion, "answer" | "reward">): string {
    return this.#byAnswer ? this.answers.of(answer) : this.rewards.of(reward);
  }

  /** By what most of its rollouts came to; by their mean reward, or its potential. */
  ofBranch({ votes, rewards, potential }: Branch): string {
    if (this.#byAnswer) return this.answers.of(votes[0]?.answer ?? null);
    return this.rewards.of(rewards?.mean ?? potential);
  }

  /** What the chosen text of a figure is called. */
  labelOf(story: Story, { rewards, potential }: Branch): string {
    if (this.#byAnswer) return nameOf(story.answers[0] ?? null);
    const worth = rewards?.mean ?? potential;
    return worth === null ? "" : number(worth);
  }
}
