/** Arranges a trace for its report: how each step's candidates and rollouts led to the answer. */
import { groupBy } from "../../evaluate/group-by.js";
import { reportTermsOf } from "../../methods/by-name.js";
import { divergenceOfChoice } from "../../methods/divergence.js";
import type { Trace, TraceCompletion, TraceStep } from "../trace.js";
import { type RewardRange, rangeOf } from "./rewards.js";

/** The rollouts with the same answer. */
export interface Vote {
  /** Null for rollouts without an answer. */
  answer: string | null;
  votes: number;
  /** Their share of the step's votes, from 0 to 1. */
  share: number;
  /** The mean reward of these rollouts. */
  reward: number;
}

/** Candidates of a step with the same text. */
export interface Branch {
  /** What the step added to the text. */
  block: string;
  count: number;
  /** The probability that one of the candidates is chosen. */
  weight: number;
  /** log Ê of each candidate, or the value by which the method compares texts; null for -∞. */
  logEnergy: number | null;
  isChosen: boolean;
  hasEnded: boolean;
  votes: Vote[];
  /** The rewards of the rollouts, or of the branch itself; null if no text has ended. */
  rewards: RewardRange | null;
  /** The value of the run's potential; null without a potential, and for a branch that has ended. */
  potential: number | null;
  completions: TraceCompletion[];
}

export interface StoryStep
  extends Pick<
    TraceStep,
    "ess" | "agreement" | "rolloutEss" | "khat" | "acceptanceRate" | "logNormaliser"
  > {
  /** The number of the step, from 1. */
  number: number;
  /** The text that the candidates continue. */
  before: string;
  candidates: number;
  /** The branches, most probable first. */
  branches: Branch[];
  chosen: Branch;
  votes: Vote[];
  rewards: RewardRange | null;
  /** The divergence in nats of the choice among the candidates from p_ref; null if there was no choice. */
  divergence: number | null;
  /** Tokens and milliseconds of only this step. */
  generated: number;
  ms: number;
}

/** A part of the final text with the step that drew it. Text after the last step has no step. */
interface Segment {
  text: string;
  step?: number;
}

export interface Story {
  question: string;
  /** Whether each step's candidates continue the candidate kept before, as in ETS. */
  isGuided: boolean;
  /** The name of the value by which candidates are compared. */
  energyName: string;
  steps: StoryStep[];
  segments: Segment[];
  /** Answers by their votes over all steps, after the final answer. */
  answers: (string | null)[];
  /** The evidence for the quality of the texts: answers, rewards or both. */
  evidence: NonNullable<Trace["evidence"]>;
  /** The minimum and maximum of all rewards and potentials; null if there are none. */
  rewards: Pick<RewardRange, "min" | "max"> | null;
}

export function tellStory(trace: Trace): Story {
  const terms = reportTermsOf(trace.method);
  const steps = trace.steps.map((step, i) => ({
    ...tellStep(step, i, trace.steps[i - 1]),
    divergence: terms.continues ? divergenceOfChoice(step.weights) : null,
  }));
  const totals = tally(steps.flatMap(({ branches }) => branches.flatMap((b) => b.completions)));
  const others = totals.map(({ answer }) => answer).filter((answer) => answer !== trace.answer);
  return {
    question: trace.question ?? trace.prompt.text,
    isGuided: terms.continues,
    energyName: trace.settings?.potential === undefined ? terms.energies : "log ψ",
    steps,
    segments: segment(trace),
    answers: trace.answer === undefined ? others : [trace.answer, ...others],
    evidence: trace.evidence ?? evidenceOf(trace),
    rewards: rangeOf(
      steps.flatMap(({ branches }) =>
        branches.flatMap(({ completions, potential }) => [
          ...completions,
          ...(potential === null ? [] : [{ reward: potential }]),
        ]),
      ),
    ),
  };
}

/**
 * Derives the evidence of a trace that doesn't name it. It has answers if the reward votes or any text has an
 * answer.
 */
function evidenceOf({ settings, steps }: Trace): Story["evidence"] {
  const { reward } = settings ?? {};
  const votes = typeof reward !== "string" || reward.includes("self-consistency");
  const completions = steps.flatMap(({ candidates }) => candidates.flatMap((c) => c.completions));
  return { answers: votes || completions.some(({ answer }) => answer !== null), rewards: !votes };
}

function tellStep(
  step: TraceStep,
  index: number,
  previous: TraceStep | undefined,
): Omit<StoryStep, "divergence"> {
  const before = previous?.candidates[previous.chosen]?.text ?? "";
  const { candidates, logEnergies: _, weights: __, chosen: ___, ...measured } = step;
  const branches = branchesOf(step, before);
  return {
    ...measured,
    number: index + 1,
    before,
    candidates: candidates.length,
    branches,
    chosen: branches.find(({ isChosen }) => isChosen) as Branch,
    votes: tally(candidates.flatMap(({ completions }) => completions)),
    rewards: rangeOf(candidates.flatMap(({ completions }) => completions)),
    generated: step.generated - (previous?.generated ?? 0),
    ms: step.ms - (previous?.ms ?? 0),
  };
}

function branchesOf(step: TraceStep, before: string): Branch[] {
  const members = step.candidates.map((candidate, index) => ({ candidate, index }));
  const byText = groupBy(members, ({ candidate: { text, finishReason } }) =>
    JSON.stringify([text, finishReason]),
  );
  const branches = [...byText.values()].map((members): Branch => {
    const [first] = members as [(typeof members)[number]];
    const completions = members.flatMap(({ candidate }) => candidate.completions);
    const { text, finishReason } = first.candidate;
    return {
      block: text.startsWith(before) ? text.slice(before.length) : text,
      count: members.length,
      weight: members.reduce((sum, { index }) => sum + (step.weights[index] as number), 0),
      logEnergy: step.logEnergies[first.index] ?? null,
      isChosen: members.some(({ index }) => index === step.chosen),
      hasEnded: finishReason !== null,
      votes: tally(completions),
      rewards: rangeOf(completions),
      potential: first.candidate.potential ?? null,
      completions,
    };
  });
  return branches.sort((a, b) => b.weight - a.weight || Number(b.isChosen) - Number(a.isChosen));
}

/** Counts the votes by answer, the most frequent first. */
function tally(completions: readonly TraceCompletion[]): Vote[] {
  const total = completions.reduce((sum, { votes }) => sum + votes, 0);
  const byAnswer = groupBy(completions, ({ answer }) => answer);
  return [...byAnswer]
    .map(([answer, own]) => {
      const votes = own.reduce((sum, c) => sum + c.votes, 0);
      const reward = own.reduce((sum, c) => sum + c.reward, 0) / own.length;
      return { answer, votes, share: total === 0 ? 0 : votes / total, reward };
    })
    .sort((a, b) => b.votes - a.votes);
}

/** Splits the final text into the parts that each step drew. */
function segment({ steps, text: final }: Trace): Segment[] {
  const last = steps.at(-1);
  const text = final ?? last?.candidates[last.chosen]?.text ?? "";
  const segments: Segment[] = [];
  let from = 0;
  for (const [i, { candidates, chosen }] of steps.entries()) {
    const drawn = candidates[chosen]?.text ?? "";
    if (drawn.length <= from || !text.startsWith(drawn)) break;
    segments.push({ text: text.slice(from, drawn.length), step: i + 1 });
    from = drawn.length;
  }
  return from < text.length ? [...segments, { text: text.slice(from) }] : segments;
}
