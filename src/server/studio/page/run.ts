/** The page's state of one run, which is in progress, has ended, or comes from a trace. */

export interface Completion {
  text: string;
  answer?: string | null;
  finishReason: string | null;
  /** The number of the rollout of its candidate; null if the text is the finished candidate itself. */
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

/** A guidance step. Infinite numbers are null, as in JSON. */
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
  /** Log-probability in nats. */
  logprob: number;
  top_logprobs: { token: string; logprob: number }[];
}

export interface Vote {
  answer: string | null;
  votes: number;
}

/** The `ets` field of an answer. */
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
  /** The thoughts before the answer, as separated by the model's template. */
  thoughts: string;
  /** The final part of the text. */
  text: string;
  /** The current draft after the final part. */
  draft: string;
  steps: Step[];
  tokens: Token[];
  state: "waiting" | "running" | "done" | "cancelled" | "failed";
  /** Why the run failed. */
  error: string | null;
  /** The wrong field of the request; null if no field is wrong. */
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

/** Counts how often the texts give each answer, the most frequent first. */
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

/** The candidates of a step with the same text. */
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

/** Returns the branches by weight in descending order. */
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
