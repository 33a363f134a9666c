/**
 * Who draws which random numbers. Every draw of a run has numbers of its own, named by what it is for
 * and not by when it comes: they don't depend on batches, on waves or on what runs beside.
 *
 * Tokens are drawn by a counter-based generator (Philox 4x32) whose key is the seed. Its counter has
 * four words. The first three are the draw's *stream*, and the last one is the token's position, or
 * for a diffusion model the denoising step and the position.
 *
 * | draw                                     | word 0 | word 1    | word 2           |
 * | ---------------------------------------- | ------ | --------- | ---------------- |
 * | candidate m of a step                    | step   | m         | 2^32 - 1         |
 * | text i of a move whose end is drawn anew | move   | i         | 2^32 - 2         |
 * | rollout k of candidate m, by p_ref       | step   | m         | k                |
 * | rollout k of candidate m, by a proposal  | step   | m         | 2^31 + k         |
 * | rest of p_ref's rollout k                | step   | m         | k, as it began   |
 * | rest of a proposal's rollout k, by p_ref | step   | m         | K + k            |
 * | rest of a decided text, by p_ref         | step   | M         | 0                |
 * | positions of a search                    | 0      | 0         | 2^32 - 3         |
 *
 * There are at most 4,096 candidates, M, and as many rollouts of each, K. Mixtures never meet the
 * fifth row: where a proposal draws, the K + k of that row begin behind all rollouts of p_ref's own.
 *
 * Choices are drawn by `seedrandom` with a name: the seed, the step and the purpose.
 */

import type { RandomKey, RandomStream } from "../engine/sequences.js";

const CANDIDATE = 2 ** 32 - 1;
const REDRAWN = 2 ** 32 - 2;
const SEARCH = 2 ** 32 - 3;
const PROPOSAL = 2 ** 31;

/** Words 0 and 1 of the random key. */
export function randomKey(seed: number): RandomKey {
  return [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
}

export function candidateStream(step: number, candidate: number): RandomStream {
  return [step, candidate, CANDIDATE];
}

/** For a text whose end is drawn anew. */
export function redrawnStream(move: number, text: number): RandomStream {
  return [move, text, REDRAWN];
}

export function rolloutStream(step: number, candidate: number, rollout: number): RandomStream {
  return [step, candidate, rollout];
}

/** For a rollout that a proposal draws. */
export function proposedStream(step: number, candidate: number, rollout: number): RandomStream {
  return [step, candidate, PROPOSAL + rollout];
}

/**
 * For what follows a rollout that ended with its answer: p_ref's own goes on as it would have; where
 * a proposal drew it, p_ref has numbers that no rollout has used.
 *
 * @param proposed K where a proposal draws rollouts, null where p_ref draws them all
 */
export function continuedStream(
  step: number,
  candidate: number,
  rollout: number,
  proposed: number | null,
): RandomStream {
  return [step, candidate, proposed === null ? rollout : proposed + rollout];
}

/** For the rest of a decided text, where M candidates have rollouts of others. */
export function decidedStream(step: number, candidates: number): RandomStream {
  return [step, candidates, 0];
}

/** For the positions that random remasking unmasks in a search, in all of its texts. */
export function searchStream(): RandomStream {
  return [0, 0, SEARCH];
}

/** What uniform numbers of a run's own choices are for. */
export type DrawPurpose =
  | "candidate"
  | "rollout"
  | "move"
  | "resample"
  /** A candidate's rollouts are resampled after one of their blocks. */
  | `resample/${number}/${number}`;

/** The name of a choice, of which its numbers are made. */
export function drawName(seed: number, step: number, purpose: DrawPurpose): string {
  return `${seed}/${step}/${purpose}`;
}
