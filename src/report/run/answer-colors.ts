/** Each answer has one colour in every figure; answers beyond the palette share a grey. */
import { SERIES, seriesColor } from "../style.js";
import type { Vote } from "./story.js";

const GREY = "var(--dim)";
const OTHERS = "others";
/** The number of answers with their own colour. The grey of the palette is kept for the other answers. */
const COLOURED = SERIES - 2;

export interface MergedVote extends Omit<Vote, "answer" | "reward"> {
  label: string;
}

export function nameOf(answer: string | null): string {
  if (answer === null) return "no answer";
  return answer.length > 24 ? `${answer.slice(0, 23)}…` : answer;
}

export class AnswerColors {
  readonly #ranked: string[];

  /** @param answers in the order of their importance */
  constructor(answers: readonly (string | null)[]) {
    this.#ranked = answers.filter((answer) => answer !== null).slice(0, COLOURED);
  }

  of(answer: string | null): string {
    const rank = answer === null ? -1 : this.#ranked.indexOf(answer);
    return rank < 0 ? GREY : seriesColor(rank);
  }

  byLabel(label: string): string {
    const rank = this.#ranked.findIndex((answer) => nameOf(answer) === label);
    return rank < 0 ? GREY : seriesColor(rank);
  }

  /** Merges the votes for all answers without their own colour. */
  merge(votes: readonly Vote[]): MergedVote[] {
    const merged: MergedVote[] = [];
    for (const { answer, votes: n, share } of votes) {
      const isOther = answer !== null && !this.#ranked.includes(answer);
      const label = isOther ? OTHERS : nameOf(answer);
      const same = merged.find((vote) => vote.label === label);
      if (same === undefined) merged.push({ label, votes: n, share });
      else Object.assign(same, { votes: same.votes + n, share: same.share + share });
    }
    return merged;
  }
}
