/** Divides requests into batches, because the engine takes a limited number of tokens at once. */
import type { Sequence } from "../engine/sequences.js";

/** Tokens to append to a sequence. */
export interface Reading {
  sequence: Sequence;
  tokens: Int32Array;
}

/** Cuts readings into batches of at most `size` tokens, in order. */
export function toBatches(requests: readonly Reading[], size: number): Reading[][] {
  const batches: Reading[][] = [];
  let room = 0;
  for (const { sequence, tokens } of requests) {
    for (let from = 0; from < tokens.length; ) {
      if (room === 0) {
        batches.push([]);
        room = size;
      }
      const part = tokens.subarray(from, from + room);
      batches.at(-1)?.push({ sequence, tokens: part });
      from += part.length;
      room -= part.length;
    }
  }
  return batches;
}

/** Groups consecutive requests. Each group but the last has at least `size` tokens in all. */
export function groupsOf<T extends { tokens: Int32Array }>(
  requests: readonly T[],
  size: number,
): T[][] {
  const groups: T[][] = [];
  let tokens = size;
  for (const request of requests) {
    if (tokens >= size) {
      groups.push([]);
      tokens = 0;
    }
    groups.at(-1)?.push(request);
    tokens += request.tokens.length;
  }
  return groups;
}
