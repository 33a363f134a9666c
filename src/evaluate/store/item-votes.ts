/**
 * Runs with a total budget: their samples of an item vote, as the number of them hangs on how the vote
 * stood. A mean over such samples would say more of the items that are hard to decide.
 */
import { isLeaderCertain } from "../../rewards/settled-vote.js";
import { groupBy } from "../group-by.js";
import { type GradedSample, gradedOf, type RunRecord, type Sample } from "./run-files.js";

/** How sure a vote must be of its leader to end before the last sample. */
const CONFIDENCE = 0.95;

/**
 * Whether more samples of an item would hardly change its vote: no other answer could still overtake the
 * first by `most` samples, or the first one is the most probable answer, with an error of at most 5% over
 * all looks.
 */
export function isVoteSettled(samples: readonly Sample[], most: number): boolean {
  const answers = inOrder(samples).map(({ answer }) => answer);
  return !mayTurn(countOf(answers), most - answers.length) || isLeaderCertain(answers, CONFIDENCE);
}

/** Whether so many more votes could elect another answer: of equals that seen first stays. */
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
 * The samples of an item and method as one: the first with the most frequent answer, of equals that seen
 * first, at the cost of all. Failed where all have failed.
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

/** What a run's samples are measured by: themselves, or with a total budget a vote for each item. */
export function measuredSamples(
  { budget }: Pick<RunRecord, "budget">,
  samples: readonly Sample[],
): Sample[] {
  if (budget === undefined) return [...samples];
  const votes = groupBy(samples, ({ item, method }) => JSON.stringify([item, method]));
  return [...votes.values()].flatMap((own) => votedSample(own) ?? []);
}

/** Tokens that a sample took, its proposal's included; those of a failed one aren't known. */
export function tokensOf(sample: Sample): number {
  if ("error" in sample) return 0;
  return sample.usage.generated + (sample.proposalUsage?.generated ?? 0);
}

function inOrder(samples: readonly Sample[]): GradedSample[] {
  return gradedOf(samples).sort((a, b) => a.sample - b.sample);
}

/** Votes by answer, in the order in which they were seen. */
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
