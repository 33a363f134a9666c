/**
 * Which draw uses which random numbers. Every draw of a run has its own random numbers. They depend on the
 * purpose of the draw, and not on when it happens, on batches or on other runs.
 *
 * Tokens are drawn with a counter-based generator (Philox 4x32) whose key is the seed. Its counter has
 * four words. The first three are the draw's *stream*, and the last one is the token's position, or
 * for a diffusion model the denoising step and the position.
 *
 * | draw                                     | word 0 | word 1    | word 2           |
 * | ---------------------------------------- | ------ | --------- | ---------------- |
 * | candidate m of a step                    | step   | m         | 2^32 - 1         |
 * | text i of a move that redraws its end    | move   | i         | 2^32 - 2         |
 * | rollout k of candidate m, by p_ref       | step   | m         | k                |
 * | rollout k of candidate m, by a proposal  | step   | m         | 2^31 + k         |
 * | rest of p_ref's rollout k                | step   | m         | k, as it began   |
 * | rest of a proposal's rollout k, by p_ref | step   | m         | K + k            |
 * | rest of a decided text, by p_ref         | step   | M         | 0                |
 * | positions of a search                    | 0      | 0         | 2^32 - 3         |
 *
 * M is the number of candidates, K the number of rollouts of each; both are at most 4,096. The sixth row
 * never collides with the third, also in mixtures: its numbers K + k are above those of all rollouts that
 * p_ref draws.
 *
 * Choices are drawn with `seedrandom`, whose seed is a name made of the seed, the step and the purpose.
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

/** For a text whose end is drawn again. */
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
 * For the rest of a rollout that ended with its answer. A rollout of p_ref continues with its own stream,
 * as if it had not been cut. For the rest of a proposal's rollout, p_ref uses numbers that no rollout has
 * used.
 *
 * @param proposed K if a proposal draws rollouts, null if p_ref draws them all
 */
export function continuedStream(
  step: number,
  candidate: number,
  rollout: number,
  proposed: number | null,
): RandomStream {
  return [step, candidate, proposed === null ? rollout : proposed + rollout];
}

/** For the rest of a decided text. The number of candidates, M, keeps it apart from all rollouts. */
export function decidedStream(step: number, candidates: number): RandomStream {
  return [step, candidates, 0];
}

/** For the positions that random remasking unmasks in a search, in all of its texts. */
export function searchStream(): RandomStream {
  return [0, 0, SEARCH];
}

/** The purposes of the uniform numbers with which a run makes choices. */
export type DrawPurpose =
  | "candidate"
  | "rollout"
  | "move"
  | "resample"
  /** A candidate's rollouts are resampled after one of their blocks. */
  | `resample/${number}/${number}`;

/** The name of a choice, which seeds its random numbers. */
export function drawName(seed: number, step: number, purpose: DrawPurpose): string {
  return `${seed}/${step}/${purpose}`;
}
