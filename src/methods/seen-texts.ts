/** The finished texts that a run has seen: what each earned, and the best of them. */
import type { Text } from "../chain/chain.js";
import type { Scored } from "../energy/estimate.js";
import type { Completion } from "../rewards/reward.js";

/** Where a run has seen a text. */
export interface Sighting {
  /** The step's number, from 0; of mh the move that proposed it. */
  step: number;
  candidate: number;
  /** Its number among the candidate's rollouts; null for the candidate itself. */
  rollout: number | null;
}

/** A finished text, its reward, and where it was seen. */
export interface SeenText extends Sighting {
  text: Text;
  reward: number;
}

export class SeenTexts {
  #best: SeenText | null = null;

  /** The text of highest reward, the first of equals; null before one was seen. */
  get best(): SeenText | null {
    return this.#best;
  }

  /** @param rewards one for each completion */
  add(completions: readonly Completion[], rewards: readonly number[], step: number): void {
    for (const [i, text] of completions.entries()) {
      const reward = rewards[i] as number;
      if (this.#best !== null && reward <= this.#best.reward) continue;
      const { candidate, rollout } = text;
      this.#best = { text, reward, step, candidate, rollout };
    }
  }

  /** Adds a step's texts, but for those that the reference policy can't write. */
  addScored(completions: readonly Scored[], step: number): void {
    const possible = completions.filter(({ logRatio }) => logRatio !== Number.NEGATIVE_INFINITY);
    this.add(
      possible,
      possible.map(({ reward }) => reward),
      step,
    );
  }
}
