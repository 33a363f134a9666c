/**
 * Guidance steps that end where the text tells: blocks are then stopping times of each candidate, and the
 * candidates of unequal lengths. The law of a run is known all the same, by enumeration, on a table in
 * which some tokens are nearly certain and others aren't. False alarms: 1e-6 for each test, over seeds,
 * which are fixed; each has twins that the same draws refuse.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { ets } from "../../src/methods/ets.js";
import { particle } from "../../src/methods/particle.js";
import type { Result } from "../../src/methods/result.js";
import { chiSquarePValue, meanZ } from "../fixtures/statistics.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable, unevenTable } from "../fixtures/table-engine/tables.js";
import {
  type EnumeratedPolicy,
  enumeratePolicy,
  type Node,
  PROMPT,
  textsBelow,
  wayTo,
} from "../study/enumerated-policy.js";
import { probabilityOf } from "../study/kernel-law.js";

const FALSE_ALARM = 1e-6;
const MAX_Z = 4.89;
const [M, B, LAMBDA] = [3, 3, 0.25];

const [FOUR = 0, FIVE = 0] = new TableModel(hashedTable(7)).tokenize("45");
/** Little is uncertain of the first token, behind the prompt's "4", and next to nothing behind a "5". */
const model = new TableModel(unevenTable(unevenTable(hashedTable(7), FIVE, 4), FOUR, 3.5));
let policy: EnumeratedPolicy;
beforeAll(async () => {
  policy = await enumeratePolicy(model, model, { lambda: LAMBDA });
});

type EndsBlock = (before: Node, size: number) => boolean;
const byEntropy: EndsBlock = (before) =>
  -before.children.reduce((sum, { p }) => sum + p * Math.log(p), 0) >= Math.LN2;

/** Where a block that begins at a node ends, with the probabilities. */
function stopsOf(from: Node, ends: EndsBlock): { node: Node; probability: number }[] {
  const visit = (node: Node, probability: number): ReturnType<typeof stopsOf> => {
    const size = node.path.length - from.path.length;
    return node.children.flatMap((child) => {
      const reached = probability * child.p;
      const isOver = child.children.length === 0 || size + 1 === B || ends(node, size + 1);
      return isOver ? [{ node: child, probability: reached }] : visit(child, reached);
    });
  };
  return visit(from, 1);
}

/** What one rollout may make of an energy. */
function estimatesOf(node: Node): { energy: number; probability: number }[] {
  return textsBelow(node).map((text) => ({
    energy: Math.exp(policy.rewardOf(text) / LAMBDA),
    probability: wayTo(node, text).reduce((product, { p }) => product * p, 1),
  }));
}

/**
 * The law of the choice among M stops, each of its own energy: q(a) = M p(a) E[W_a / (W_a + others)],
 * the others' sum by enumeration.
 */
function lawOfChoice(stops: ReturnType<typeof stopsOf>, power: number): number[] {
  const one = stops.flatMap(({ node, probability }, stop) =>
    estimatesOf(node).map((e) => ({ stop, w: e.energy ** power, p: probability * e.probability })),
  );
  /** Equal energies are one. */
  const merged = new Map<string, { w: number; p: number }>();
  for (const { w, p } of one) {
    const key = w.toPrecision(12);
    merged.set(key, { w, p: p + (merged.get(key)?.p ?? 0) });
  }
  let others = [{ w: 0, p: 1 }];
  for (let m = 1; m < M; m++) {
    others = others.flatMap((a) =>
      [...merged.values()].map((b) => ({ w: a.w + b.w, p: a.p * b.p })),
    );
  }
  const law = stops.map(() => 0);
  for (const { stop, w, p } of one) {
    for (const rest of others) {
      law[stop] = (law[stop] as number) + (M * p * rest.p * w) / (w + rest.w);
    }
  }
  return law;
}

/** The law of the texts of a run whose energies are raised to a power. */
function lawOfRun(ends: EndsBlock, power = 1): number[] {
  const law = policy.texts.map(() => 0);
  const visit = (node: Node, probability: number) => {
    if (node.children.length === 0) {
      const i = policy.texts.indexOf(node);
      law[i] = (law[i] as number) + probability;
      return;
    }
    const stops = stopsOf(node, ends);
    for (const [i, q] of lawOfChoice(stops, power).entries())
      visit(stops[i]?.node as Node, probability * q);
  };
  visit(policy.root, 1);
  return law;
}

const options = () => ({ ...policy.options, blockTokens: B, block: "entropy" as const });

describe("ets with blocks that end by entropy", () => {
  test("chooses, and ends in texts, with the frequencies of their laws", async () => {
    const stops = stopsOf(policy.root, byEntropy);
    const pathOf = (ids: readonly number[]) => ids.map((id) => policy.tokens.indexOf(id)).join();
    const stopAt = new Map(stops.map(({ node }, i) => [node.path.join(), i]));
    const chosen = stops.map(() => 0);
    const counts = policy.texts.map(() => 0);
    for (let seed = 0; seed < 900; seed++) {
      const own = { candidates: M, shortcuts: { duplicates: false }, seed };
      const { tokens, steps } = await ets(model, PROMPT, { ...options(), ...own });
      const [first] = steps;
      const stop = stopAt.get(pathOf(first?.candidates[first.chosen]?.tokens ?? [])) as number;
      chosen[stop] = (chosen[stop] as number) + 1;
      const i = policy.textIndex(tokens);
      counts[i] = (counts[i] as number) + 1;
    }
    // Candidates of unequal lengths, unfinished ones among them.
    const open = stops.filter(({ node }) => node.children.length > 0);
    expect(new Set(open.map(({ node }) => node.path.length)).size).toBeGreaterThan(0);
    expect(new Set(stops.map(({ node }) => node.path.length))).toEqual(new Set([1, 2, 3]));
    expect(chiSquarePValue(chosen, lawOfChoice(stops, 1))).toBeGreaterThan(FALSE_ALARM);
    expect(chiSquarePValue(counts, lawOfRun(byEntropy))).toBeGreaterThan(FALSE_ALARM);
    // Twins: unguided, and guided too little.
    for (const power of [0, 0.3]) {
      expect(chiSquarePValue(counts, lawOfRun(byEntropy, power))).toBeLessThan(FALSE_ALARM);
    }
  });

  test("resamples among the rollouts of the last step that has some", async () => {
    for (let seed = 0; seed < 40; seed++) {
      const own = { candidates: M, finish: "resample" as const, seed };
      const { steps, tokens, stopReason } = await ets(model, PROMPT, { ...options(), ...own });
      expect(["end", "length"]).toContain(stopReason);
      const last = steps.at(-1)?.candidates.flatMap(({ completions }) => completions) ?? [];
      expect(last.map((completion) => completion.tokens.join())).toContain(tokens.join());
    }
  });
});

test("particle with blocks that end by entropy weighs texts properly", async () => {
  const results: Result[] = [];
  for (let seed = 0; seed < 400; seed++) {
    results.push(await particle(model, PROMPT, { ...options(), candidates: 6, seed }));
  }
  const boltzmann = (text: Node, lambda = LAMBDA) => Math.exp(policy.rewardOf(text) / lambda);
  const expected = (lambda: number) =>
    policy.texts.reduce((sum, t) => sum + probabilityOf(policy, t) * boltzmann(t, lambda), 0);
  const estimates = results.map(({ logNormaliser = 0 }) => Math.exp(logNormaliser));
  expect(Math.abs(meanZ(estimates, expected(LAMBDA)))).toBeLessThan(MAX_Z);
  expect(Math.abs(meanZ(estimates, expected(0.9 * LAMBDA)))).toBeGreaterThan(MAX_Z);
});
