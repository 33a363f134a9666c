/** One run as the page knows it: while it comes, when it has ended, or from a trace. */

export interface Completion {
  text: string;
  answer?: string | null;
  finishReason: string | null;
  /** Its number among the candidate's rollouts; null: it is the candidate, which has ended. */
  rollout: number | null;
  votes: number;
  reward: number;
}

export interface Candidate {
  text: string;
  finishReason: string | null;
  potential?: number;
  completions: Completion[];
}

/** A guidance step; infinities came as null. */
export interface Step {
  candidates: Candidate[];
  logEnergies: (number | null)[];
  weights: number[];
  chosen: number;
  ess: number;
  agreement: number;
  generated: number;
  ms: number;
}

export interface Token {
  token: string;
  /** In nats. */
  logprob: number;
  top_logprobs: { token: string; logprob: number }[];
}

export interface Vote {
  answer: string | null;
  votes: number;
}

/** What the server says of an answer in its `ets` field. */
export interface Guidance {
  answer: string | null;
  agreement: number;
  reward: number | null;
  law: string;
  votes: Vote[];
  tokens: { generated: number; decoded: number; prefilled: number };
  ms: number;
  seed: number;
  warnings: string[];
}

export interface Run {
  method: string;
  question: string;
  /** What it thought before the answer, told apart by the model's template. */
  thoughts: string;
  /** What is final of the text. */
  text: string;
  /** What follows at the moment. */
  draft: string;
  steps: Step[];
  tokens: Token[];
  state: "waiting" | "running" | "done" | "cancelled" | "failed";
  /** Why it failed. */
  error: string | null;
  /** The field of the request that is at fault; null where it is none. */
  param: string | null;
  guidance: Partial<Guidance> | null;
}

export function newRun(method: string, question: string): Run {
  return {
    method,
    question,
    thoughts: "",
    text: "",
    draft: "",
    steps: [],
    tokens: [],
    state: "waiting",
    error: null,
    param: null,
    guidance: null,
  };
}

/** How often the texts give each answer, the most frequent first. */
export function votesOf(candidates: readonly Candidate[]): Vote[] {
  const votes = new Map<string | null, number>();
  for (const { completions } of candidates) {
    for (const { answer = null, votes: own } of completions) {
      votes.set(answer, (votes.get(answer) ?? 0) + own);
    }
  }
  return [...votes]
    .map(([answer, count]) => ({ answer, votes: count }))
    .sort((a, b) => b.votes - a.votes);
}

/** The candidates of a step that have one text. */
export interface Branch {
  text: string;
  weight: number;
  logEnergy: number | null;
  count: number;
  isChosen: boolean;
  hasEnded: boolean;
  potential: number | undefined;
  candidates: Candidate[];
}

/** By weight, the heaviest first. */
export function branchesOf({ candidates, weights, logEnergies, chosen }: Step): Branch[] {
  const branches = new Map<string, Branch>();
  for (const [i, candidate] of candidates.entries()) {
    const { text, finishReason, potential } = candidate;
    const key = JSON.stringify([text, finishReason]);
    const branch = branches.get(key) ?? {
      text,
      potential,
      weight: 0,
      logEnergy: logEnergies[i] ?? null,
      count: 0,
      isChosen: false,
      hasEnded: finishReason !== null,
      candidates: [],
    };
    branch.weight += weights[i] ?? 0;
    branch.count++;
    branch.isChosen ||= i === chosen;
    branch.candidates.push(candidate);
    branches.set(key, branch);
  }
  return [...branches.values()].sort((a, b) => b.weight - a.weight);
}
