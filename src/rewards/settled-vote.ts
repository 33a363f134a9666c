/**
 * When a vote is settled: a sequential test that may be looked at after each draw, and the Beta rule
 * of adaptive consistency (Aggarwal et al., "Let's Sample Step by Step", EMNLP 2023), which may be
 * looked at once.
 */

/**
 * How a run that draws in rounds knows that it may stop. `sequential`: by a test whose error holds
 * however often it is looked at; `beta`: by a posterior probability, whose error grows with the
 * looks; `unanimous`: once all texts give one answer.
 */
export type StoppingRule = "sequential" | "beta" | "unanimous";

/** When a run stops drawing. */
export interface Stopping {
  rule: StoppingRule;
  /** From .5 to 1: 1 - the error of the sequential rule, or the Beta rule's posterior probability. */
  confidence: number;
}

/**
 * The share of the error that the answer seen as j-th, from 0, may use up, 3/4 · 4^-j: together 1, for
 * any number of answers.
 */
function shareOf(order: number): number {
  return 0.75 * 4 ** -order;
}

/**
 * Whether the leader of a vote is its most probable answer, with an error of at most 1 - confidence
 * over all looks together, however the moment to look is chosen: votes are independent draws.
 *
 * Let a be a wrong leader and m the most probable answer: a vote for one of the two is for a with
 * probability p ≤ 1/2. The likelihood ratio of p ~ Uniform(1/2, 1) against 1/2 is then a
 * supermartingale that starts at 1, and by Ville's inequality exceeds 1/ε ever with probability at
 * most ε. It counts the votes after the first one for a, which chose a to be looked at; ε is a's
 * share of the error. The leader must pass against each rival, the strongest of which is tested.
 *
 * @param answers of the draws, in their order; null: none given
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
 * log of ∫ 2 p^a (1 - p)^b dp over 1/2 … 1, over (1/2)^(a + b): how many times more probable the votes
 * of a duel are where the first one leads than where both are equal.
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
 * The posterior probability that the leader beats the runner-up, under a uniform prior on their
 * duel: P(p > 1/2), p ~ Beta(leader + 1, runnerUp + 1), from .5 to 1. Broken votes, as importance
 * weights give them, are rounded in the runner-up's favour.
 */
export function leadProbability(leader: number, runnerUp: number): number {
  const [ahead, behind] = [Math.floor(leader), Math.ceil(runnerUp)];
  return behind >= ahead ? Math.exp(logLag(ahead, behind)) : 1 - Math.exp(logLag(behind, ahead));
}

/**
 * log of P(p > 1/2), p ~ Beta(behind + 1, ahead + 1) of no more behind than ahead: it may be less than a
 * double holds. The Beta's tail is a binomial's, at most `behind` heads of behind + ahead + 1 fair coins.
 */
function logLag(behind: number, ahead: number): number {
  const coins = behind + ahead + 1;
  let logTerm = -coins * Math.LN2;
  for (let k = 1; k <= behind; k++) logTerm += Math.log((coins - k + 1) / k);
  // The terms, from the largest on, over the largest.
  let [term, sum] = [1, 0];
  for (let k = behind; k >= 0 && term > 0; k--) {
    sum += term;
    term *= k / (coins - k + 1);
  }
  return logTerm + Math.log(sum);
}
