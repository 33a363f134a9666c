/**
 * Decides when a vote is settled. There is a sequential test, which may be evaluated after each draw, and
 * the Beta rule of adaptive consistency (Aggarwal et al., "Let's Sample Step by Step", EMNLP 2023), whose
 * error bound holds only for a single evaluation.
 */

/**
 * When a run that draws in rounds may stop. `sequential`: by a test whose error bound holds however often
 * it is evaluated. `beta`: by a posterior probability, whose error grows with each evaluation.
 * `unanimous`: once all texts have the same answer.
 */
export type StoppingRule = "sequential" | "beta" | "unanimous";

/** When a run stops drawing. */
export interface Stopping {
  rule: StoppingRule;
  /** From 0.5 to 1: 1 minus the error of the sequential rule, or the Beta rule's posterior probability. */
  confidence: number;
}

/**
 * The share of the error that the test of the j-th answer (from 0, in order of first occurrence) may use:
 * 3/4 · 4^-j. All shares add up to at most 1, for any number of answers.
 */
function shareOf(order: number): number {
  return 0.75 * 4 ** -order;
}

/**
 * Whether the leader of a vote is the most probable answer, if votes are independent draws. The error of
 * all evaluations together is at most 1 - confidence, however the times of evaluation are chosen.
 *
 * Let a be a wrong leader and m the most probable answer. A vote for one of the two is for a with
 * probability p ≤ 1/2. The likelihood ratio of p ~ Uniform(1/2, 1) against 1/2 is then a supermartingale
 * that starts at 1. By Ville's inequality, the probability that it ever exceeds 1/ε is at most ε. It counts
 * the votes after the first one for a, because that one selected a for the test; ε is a's share of the
 * error. The leader must pass against each rival, so it is tested against the strongest one.
 *
 * @param answers the answers of the draws, in order; null for a draw without an answer
 */
export function isLeaderCertain(answers: readonly (string | null)[], confidence: number): boolean {
  const votes = new Map<string, number>();
  for (const answer of answers) {
    if (answer !== null) votes.set(answer, (votes.get(answer) ?? 0) + 1);
  }
  const leader = [...votes].reduce<[string, number] | null>(
    (a, b) => (a === null || b[1] > a[1] ? b : a),
    null,
  )?.[0];
  if (leader === undefined) return false;
  const since = answers.slice(answers.indexOf(leader) + 1);
  const count = (answer: string) => since.filter((other) => other === answer).length;
  const rivals = [...votes.keys()].filter((answer) => answer !== leader).map(count);
  const order = [...votes.keys()].indexOf(leader);
  const logEvidence = logLeadEvidence(count(leader), Math.max(0, ...rivals));
  return logEvidence >= -Math.log((1 - confidence) * shareOf(order));
}

/**
 * log of ∫ 2 p^a (1 - p)^b dp over 1/2 … 1, divided by (1/2)^(a + b): how many times more probable the
 * votes of two answers are if the first one is more probable than if both are equally probable.
 */
export function logLeadEvidence(leader: number, rival: number): number {
  const n = leader + rival;
  let logBeta = -Math.log(n + 1); // log B(leader + 1, rival + 1)
  for (let k = 1; k <= rival; k++) logBeta += Math.log(k / (leader + k));
  const logLead =
    leader > rival ? Math.log1p(-Math.exp(logLag(rival, leader))) : logLag(leader, rival);
  return (n + 1) * Math.LN2 + logBeta + logLead;
}

/**
 * The posterior probability that the leader is more probable than the runner-up, with a uniform prior:
 * P(p > 1/2), p ~ Beta(leader + 1, runnerUp + 1), from 0.5 to 1. Fractional votes, which come from
 * importance weights, are rounded in the runner-up's favor.
 */
export function leadProbability(leader: number, runnerUp: number): number {
  const [ahead, behind] = [Math.floor(leader), Math.ceil(runnerUp)];
  return behind >= ahead ? Math.exp(logLag(ahead, behind)) : 1 - Math.exp(logLag(behind, ahead));
}

/**
 * log of P(p > 1/2) for p ~ Beta(behind + 1, ahead + 1) with behind ≤ ahead. It is a log because the
 * probability may be too small for a double. The tail of this Beta distribution equals the probability of
 * at most `behind` heads with behind + ahead + 1 fair coins.
 */
function logLag(behind: number, ahead: number): number {
  const coins = behind + ahead + 1;
  let logTerm = -coins * Math.LN2;
  for (let k = 1; k <= behind; k++) logTerm += Math.log((coins - k + 1) / k);
  // Sums the terms relative to the largest one, from the largest on.
  let [term, sum] = [1, 0];
  for (let k = behind; k >= 0 && term > 0; k--) {
    sum += term;
    term *= k / (coins - k + 1);
  }
  return logTerm + Math.log(sum);
}
