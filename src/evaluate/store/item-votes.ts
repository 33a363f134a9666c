/**
 * Votes in runs with a total budget. The number of an item's samples depends on how the vote stands, so a
 * mean over samples would give more weight to items that are hard to decide. The samples of an item vote
 * instead.
 */
import { isLeaderCertain } from "../../rewards/settled-vote.js";
import { groupBy } from "../group-by.js";
import { type GradedSample, gradedOf, type RunRecord, type Sample } from "./run-files.js";

/** The confidence in its leader that a vote needs to end before the last sample. */
const CONFIDENCE = 0.95;

/**
 * Returns whether the vote on an item is settled. Either no other answer can still overtake the leader within
 * `most` samples, or the leader is the most probable answer, with an error probability of at most 5% over all
 * looks.
 */
export function isVoteSettled(samples: readonly Sample[], most: number): boolean {
  const answers = inOrder(samples).map(({ answer }) => answer);
  return !mayTurn(countOf(answers), most - answers.length) || isLeaderCertain(answers, CONFIDENCE);
}

/** Returns whether `left` more votes could elect another answer. On a tie the answer seen first wins. */
function mayTurn(votes: ReadonlyMap<string, number>, left: number): boolean {
  const counts = [...votes.values()];
  const lead = Math.max(0, ...counts);
  const leader = counts.indexOf(lead);
  return (
    left > lead ||
    counts.some((count, i) => count + left > lead - (i < leader ? 1 : 0) && i !== leader)
  );
}

/**
 * Merges the samples of an item and method into one: the first sample with the most frequent answer (on a
 * tie, the answer seen first), with the cost of all samples. The result has failed if all samples have
 * failed.
 */
export function votedSample(samples: readonly Sample[]): Sample | undefined {
  const graded = inOrder(samples);
  const votes = countOf(graded.map(({ answer }) => answer));
  const most = Math.max(...votes.values());
  const elected = [...votes].find(([, count]) => count === most)?.[0];
  const chosen = graded.find(({ answer }) => answer === elected) ?? graded[0];
  if (chosen === undefined) return samples[0];
  const { texts: _, proposalUsage: __, ...rest } = chosen;
  const proposals = graded.flatMap(({ proposalUsage }) => proposalUsage ?? []);
  return {
    ...rest,
    usage: sumOf(graded.map(({ usage }) => usage)),
    ...(proposals.length > 0 && { proposalUsage: sumOf(proposals) }),
  };
}

/** Returns the samples that measure a run: all samples, or with a total budget one vote per item. */
export function measuredSamples(
  { budget }: Pick<RunRecord, "budget">,
  samples: readonly Sample[],
): Sample[] {
  if (budget === undefined) return [...samples];
  const votes = groupBy(samples, ({ item, method }) => JSON.stringify([item, method]));
  return [...votes.values()].flatMap((own) => votedSample(own) ?? []);
}

/**
 * Returns the generated tokens of a sample, including its proposal's; 0 for a failed sample, whose tokens
 * aren't known.
 */
export function tokensOf(sample: Sample): number {
  if ("error" in sample) return 0;
  return sample.usage.generated + (sample.proposalUsage?.generated ?? 0);
}

function inOrder(samples: readonly Sample[]): GradedSample[] {
  return gradedOf(samples).sort((a, b) => a.sample - b.sample);
}

/** Counts the votes by answer, in the order in which the answers were seen. */
function countOf(answers: readonly (string | null)[]): Map<string, number> {
  const votes = new Map<string, number>();
  for (const answer of answers) {
    if (answer !== null) votes.set(answer, (votes.get(answer) ?? 0) + 1);
  }
  return votes;
}

function sumOf(usages: readonly GradedSample["usage"][]): GradedSample["usage"] {
  const total = (name: keyof GradedSample["usage"]) =>
    usages.reduce((sum, usage) => sum + usage[name], 0);
  return {
    prefilled: total("prefilled"),
    generated: total("generated"),
    decoded: total("decoded"),
    scored: total("scored"),
    ms: total("ms"),
  };
}
