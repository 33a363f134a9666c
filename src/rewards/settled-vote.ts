/**
 * When a vote is settled: the Beta rule of adaptive consistency (Aggarwal et al., "Let's Sample
 * Step by Step", EMNLP 2023).
 */

/**
 * The posterior probability that the leader beats the runner-up, under a uniform prior on their
 * duel: P(p > 1/2), p ~ Beta(leader + 1, runnerUp + 1), from .5 to 1. Broken votes, as importance
 * weights give them, are rounded in the runner-up's favour.
 */
export function leadProbability(leader: number, runnerUp: number): number {
  const ahead = Math.floor(leader);
  const trials = ahead + Math.ceil(runnerUp) + 1;
  // The Beta's tail is a binomial's: 1 - P(more than `ahead` heads of `trials` fair coins).
  let logTerm = -trials * Math.LN2;
  for (let k = 1; k <= ahead + 1; k++) logTerm += Math.log((trials - k + 1) / k);
  let term = Math.exp(logTerm);
  let tail = 0;
  for (let k = ahead + 1; k <= trials && term > 0; k++) {
    tail += term;
    term *= (trials - k) / (k + 1);
  }
  return 1 - tail;
}
