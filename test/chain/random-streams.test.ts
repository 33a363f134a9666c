/** No two draws of a run share their random numbers. */
import { describe, expect, test } from "vitest";
import * as streams from "../../src/chain/random-streams.js";
import type { RandomStream } from "../../src/engine/sequences.js";

const STEPS = [0, 1, 4095];
/** M and K as large as they may be, so that the ends of their ranges are seen. */
const MOST = 4096;
const EDGES = [0, 1, MOST - 1];

/** Streams of every kind of draw of one run, by a name that says which draw it is. */
function streamsOf(proposed: boolean): Map<string, RandomStream> {
  const all = new Map<string, RandomStream>();
  const drawn = proposed ? MOST : null;
  for (const step of STEPS) {
    for (const m of EDGES) {
      all.set(`candidate ${m} of step ${step}`, streams.candidateStream(step, m));
      all.set(`redrawn ${m} of move ${step}`, streams.redrawnStream(step, m));
      for (const k of EDGES) {
        const name = `rollout ${k} of candidate ${m} of step ${step}`;
        all.set(`${name}, p_ref's`, streams.rolloutStream(step, m, k));
        if (!proposed) continue; // p_ref's own goes on with the numbers it began with
        all.set(`${name}, the proposal's`, streams.proposedStream(step, m, k));
        all.set(`rest of ${name}`, streams.continuedStream(step, m, k, drawn));
      }
    }
    if (proposed) all.set(`decided at step ${step}`, streams.decidedStream(step, MOST));
  }
  all.set("search", streams.searchStream());
  return all;
}

describe("random streams", () => {
  test.each([true, false])("of a run (with a proposal: %s) never meet", (proposed) => {
    const all = streamsOf(proposed);
    const byCounter = new Map<string, string>();
    for (const [name, stream] of all) {
      const counter = stream.join("/");
      expect(byCounter.get(counter), `${name} meets`).toBeUndefined();
      byCounter.set(counter, name);
    }
    expect(byCounter.size).toBe(all.size);
  });

  test("are words of 32 bits", () => {
    for (const word of [...streamsOf(true).values()].flat()) {
      expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true);
    }
  });

  test("go on where a rollout of p_ref's own began", () => {
    expect(streams.continuedStream(3, 2, 1, null)).toEqual(streams.rolloutStream(3, 2, 1));
  });

  test("have a key for each seed", () => {
    const seeds = [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
    const keys = seeds.map((seed) => streams.randomKey(seed).join("/"));
    expect(new Set(keys).size).toBe(seeds.length);
  });

  test("of choices have a name for each seed, step and purpose", () => {
    const purposes = ["candidate", "rollout", "move", "resample"] as const;
    const names = [0, 1, 11].flatMap((seed) =>
      [0, 1, 11].flatMap((step) => purposes.map((p) => streams.drawName(seed, step, p))),
    );
    expect(new Set(names).size).toBe(names.length);
  });
});
