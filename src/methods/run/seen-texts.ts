/** The finished texts that a run has seen, with their rewards, and the best of them. */
import type { Text } from "../../chain/chain.js";
import type { Scored } from "../../energy/estimate.js";
import type { Completion } from "../../rewards/reward.js";

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

  /** The text of highest reward; null before one was seen. */
  get best(): SeenText | null {
    return this.#best;
  }

  /**
   * Adds texts: of equals the first is the best. Where rewards come from a pool of the step's own
   * (`isPooled`), as votes do, each step elects its best text, and of equals the last step's counts: it
   * is what the run has come to.
   *
   * @param rewards one for each completion
   */
  add(
    completions: readonly Completion[],
    rewards: readonly number[],
    { step, isPooled = false }: { step: number; isPooled?: boolean },
  ): void {
    for (const [i, text] of completions.entries()) {
      const reward = rewards[i] as number;
      const best = this.#best;
      const isElected = isPooled && reward === best?.reward && step !== best.step;
      if (best !== null && reward <= best.reward && !isElected) continue;
      const { candidate, rollout } = text;
      this.#best = { text, reward, step, candidate, rollout };
    }
  }

  /** Adds a step's texts, but for those that the reference policy can't write. */
  addScored(completions: readonly Scored[], of: { step: number; isPooled: boolean }): void {
    const possible = completions.filter(({ logRatio }) => logRatio !== Number.NEGATIVE_INFINITY);
    this.add(
      possible,
      possible.map(({ reward }) => reward),
      of,
    );
  }
}
