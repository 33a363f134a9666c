/**
 * The exact laws of ETS and ETS-IS on an enumerated policy, and those of samplers that are wrong in
 * one way each.
 */
import { type EnumeratedPolicy, type Node, textsBelow, wayTo } from "./enumerated-policy.js";

/** A value a random variable takes, and how often. */
export interface Outcome {
  value: number;
  probability: number;
}

/** How one rollout estimates its candidate's energy; all but the first three are wrong. */
export type Estimator =
  | "monte carlo"
  | "importance sampling"
  | "exact energy"
  | "ratio over the candidate too"
  | "temperature ignored"
  | "clipped"
  | "no ratio";

/** The published bound, 10, never binds on texts this short: the twin's is small. */
export const CLIP = 0.2;

export const WRONG: readonly Estimator[] = [
  "ratio over the candidate too",
  "temperature ignored",
  "clipped",
  "no ratio",
];

const product = (numbers: number[]) => numbers.reduce((a, b) => a * b, 1);
const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);

/** E(x_s), exactly. */
export function energy(policy: EnumeratedPolicy, node: Node, lambda = policy.lambda): number {
  return sum(
    textsBelow(node).map((text) => {
      const probability = product(wayTo(node, text).map(({ p }) => p));
      return probability * Math.exp(policy.rewardOf(text) / lambda);
    }),
  );
}

/** The values that Ê takes with K = 1. */
export function estimates(
  policy: EnumeratedPolicy,
  node: Node,
  estimator: Estimator,
  lambda = policy.lambda,
): Outcome[] {
  const isFinished = node.children.length === 0;
  if (
    estimator === "exact energy" ||
    (isFinished && estimator !== "ratio over the candidate too")
  ) {
    return [{ value: energy(policy, node, lambda), probability: 1 }];
  }
  return textsBelow(node).map((text) => {
    const way = wayTo(node, text);
    const boltzmann = Math.exp(policy.rewardOf(text) / lambda);
    const p = product(way.map((n) => n.p));
    const q = product(way.map((n) => n.q));
    if (estimator === "monte carlo") return { value: boltzmann, probability: p };
    const logRatio = Math.log(p / q);
    const ratio = {
      "importance sampling": p / q,
      // A finished candidate has no rollout and no ratio in the published code either.
      "ratio over the candidate too": isFinished ? 1 : ((p / q) * node.p) / node.q,
      "temperature ignored": Math.exp(sum(way.map((n) => n.rawP - n.rawQ))),
      clipped: Math.exp(Math.min(Math.max(logRatio, -CLIP), CLIP)),
      "no ratio": 1,
    }[estimator];
    return { value: ratio * boltzmann, probability: q };
  });
}

/** Ê of K = 2, one rollout from each model, by the balance heuristic. */
export function mixtureEstimates(policy: EnumeratedPolicy, node: Node): Outcome[] {
  if (node.children.length === 0) return estimates(policy, node, "exact energy");
  const rows = textsBelow(node).map((text) => {
    const way = wayTo(node, text);
    const [p, q] = [product(way.map((n) => n.p)), product(way.map((n) => n.q))];
    const value = (p / (0.5 * p + 0.5 * q)) * Math.exp(policy.rewardOf(text) / policy.lambda);
    return { p, q, value };
  });
  return rows.flatMap((a) =>
    rows.map((b) => ({ value: (a.value + b.value) / 2, probability: a.q * b.p })),
  );
}

/** How Ê of two resampled rollouts is made; all but the first are wrong. */
export type Resampling = "resampled" | "a block's mean forgotten" | "weights kept";

export const WRONG_RESAMPLING: readonly Resampling[] = ["a block's mean forgotten", "weights kept"];

/** Ê of K = 2 rollouts that are resampled, systematically, after every token. */
export function resampledEstimates(
  policy: EnumeratedPolicy,
  start: Node,
  resampling: Resampling = "resampled",
): Outcome[] {
  type Pair = readonly [{ node: Node; w: number }, { node: Node; w: number }];
  const probabilities = new Map<number, number>();
  const visit = (pair: Pair, means: number, probability: number): void => {
    const isOpen = pair.some(({ node }) => node.children.length > 0);
    if (!isOpen) {
      const boltzmann = (node: Node) => Math.exp(policy.rewardOf(node) / policy.lambda);
      const value = (means * sum(pair.map(({ node, w }) => w * boltzmann(node)))) / 2;
      probabilities.set(value, (probabilities.get(value) ?? 0) + probability);
      return;
    }
    const [firsts, seconds] = pair.map(({ node, w }) =>
      node.children.length === 0
        ? [{ node, w, q: 1 }]
        : node.children.map((child) => ({ node: child, w: (w * child.p) / child.q, q: child.q })),
    ) as [{ node: Node; w: number; q: number }[], { node: Node; w: number; q: number }[]];
    for (const a of firsts) {
      for (const b of seconds) resample([a, b], means, probability * a.q * b.q);
    }
  };
  const resample = (pair: Pair, means: number, probability: number): void => {
    if (pair.every(({ node }) => node.children.length === 0)) {
      visit(pair, means, probability);
      return;
    }
    const [{ w: w0 }, { w: w1 }] = pair;
    const mean = resampling === "a block's mean forgotten" ? 1 : (w0 + w1) / 2;
    const after = pair.map((particle) =>
      resampling === "weights kept" ? particle : { ...particle, w: 1 },
    );
    // Points u / 2 and (1 + u) / 2 fall on the first one's share, or not.
    const share = w0 / (w0 + w1);
    const both = [Math.max(0, 2 * share - 1), Math.max(0, 1 - 2 * share)] as const;
    const outcomes: [number, number, number][] = [
      [0, 0, both[0]],
      [1, 1, both[1]],
      [0, 1, 1 - both[0] - both[1]],
    ];
    for (const [i, j, chance] of outcomes) {
      if (chance <= 0) continue;
      const next = [after[i], after[j]] as unknown as Pair;
      visit(next, means * mean, probability * chance);
    }
  };
  visit(
    [
      { node: start, w: 1 },
      { node: start, w: 1 },
    ],
    1,
    1,
  );
  return [...probabilities].map(([value, probability]) => ({ value, probability }));
}

/** The law of one step whose candidates have two resampled rollouts each. */
export function resampledStepLaw(
  policy: EnumeratedPolicy,
  node: Node,
  M: number,
  resampling: Resampling = "resampled",
): number[] {
  const items = node.children.map((child) => ({
    probability: child.p,
    estimates: resampledEstimates(policy, child, resampling),
  }));
  return choiceLaw(items, M);
}

export const mean = (outcomes: readonly Outcome[]) =>
  outcomes.reduce((s, o) => s + o.probability * o.value, 0);

export interface Item {
  /** How often a candidate is this one. */
  probability: number;
  /** Its estimate from one rollout; K of them are averaged. */
  estimates: readonly Outcome[];
}

/**
 * The law of one choice among M independent candidates, by 1/S = ∫ exp(-uS) du:
 * q(a) = M p(a) ∫ E[W_a e^{-u W_a}] (Σ_b p(b) E[e^{-u W_b}])^{M-1} du.
 */
export function choiceLaw(items: readonly Item[], M: number, K = 1): number[] {
  const scale = 1 / (M * sum(items.map((item) => item.probability * mean(item.estimates))));
  const laplace = (outcomes: readonly Outcome[], u: number) =>
    outcomes.reduce((s, o) => s + o.probability * Math.exp(-u * o.value), 0);
  const slope = (outcomes: readonly Outcome[], u: number) =>
    outcomes.reduce((s, o) => s + o.probability * o.value * Math.exp(-u * o.value), 0);
  const law = items.map(() => 0);
  // Midpoints in t, u = scale · t / (1 - t), which maps [0, 1) to [0, ∞).
  const points = 2000;
  for (let i = 0; i < points; i++) {
    const t = (i + 0.5) / points;
    const u = (scale * t) / (1 - t);
    const du = scale / (1 - t) ** 2 / points;
    const one = items.map((item) => laplace(item.estimates, u / K));
    const others = sum(items.map((item, a) => item.probability * (one[a] as number) ** K));
    for (const [a, item] of items.entries()) {
      const own = slope(item.estimates, u / K) * (one[a] as number) ** (K - 1);
      law[a] = (law[a] as number) + M * item.probability * own * others ** (M - 1) * du;
    }
  }
  return law;
}

/** The same by enumerating all draws, for small M and K = 1. */
export function choiceLawByEnumeration(items: readonly Item[], M: number): number[] {
  const law = items.map(() => 0);
  const visit = (drawn: { a: number; value: number }[], probability: number): void => {
    if (drawn.length === M) {
      const total = sum(drawn.map(({ value }) => value));
      for (const { a, value } of drawn) law[a] = (law[a] as number) + (probability * value) / total;
      return;
    }
    for (const [a, item] of items.entries()) {
      for (const outcome of item.estimates) {
        const next = { a, value: outcome.value };
        visit([...drawn, next], probability * item.probability * outcome.probability);
      }
    }
  };
  visit([], 1);
  return law;
}

export function itemsOf(policy: EnumeratedPolicy, node: Node, estimator: Estimator): Item[] {
  return node.children.map((child) => ({
    probability: child.p,
    estimates: estimates(policy, child, estimator),
  }));
}

/** The law of one step: of the child that is chosen. */
export function stepLaw(
  policy: EnumeratedPolicy,
  node: Node,
  estimator: Estimator,
  M: number,
  K = 1,
): number[] {
  return choiceLaw(itemsOf(policy, node, estimator), M, K);
}

/** The law of the text that a whole run ends in, in the order of `policy.texts`. */
export function runLaw(
  policy: EnumeratedPolicy,
  estimator: Estimator,
  M: number,
  K = 1,
  lawOfStep = (node: Node) => stepLaw(policy, node, estimator, M, K),
): number[] {
  const visit = (node: Node, probability: number): number[] => {
    if (node.children.length === 0) return [probability];
    const law = lawOfStep(node);
    return node.children.flatMap((child, i) => visit(child, probability * (law[i] as number)));
  };
  return visit(policy.root, 1);
}

/** p_ref of each text. */
export function referenceLaw(policy: EnumeratedPolicy): number[] {
  return policy.texts.map((text) => product(wayTo(policy.root, text).map(({ p }) => p)));
}

/** p* ∝ p_ref · exp(r / λ) of each text. */
export function targetLaw(policy: EnumeratedPolicy, lambda = policy.lambda): number[] {
  const weights = referenceLaw(policy).map(
    (p, i) => p * Math.exp(policy.rewardOf(policy.texts[i] as Node) / lambda),
  );
  return weights.map((w) => w / sum(weights));
}

/** p* of the first token. */
export function targetOfStep(policy: EnumeratedPolicy, lambda = policy.lambda): number[] {
  const weights = policy.root.children.map((child) => child.p * energy(policy, child, lambda));
  return weights.map((w) => w / sum(weights));
}

/** Total variation distance: half the sum of the differences. */
export function totalVariation(a: readonly number[], b: readonly number[]): number {
  return a.reduce((s, x, i) => s + Math.abs(x - (b[i] as number)), 0) / 2;
}

/**
 * The law of one choice when identical candidates share one estimate (K = 1), by enumerating how
 * often each is drawn.
 */
export function choiceLawSharing(items: readonly Item[], M: number): number[] {
  const law = items.map(() => 0);
  const counts = items.map(() => 0);
  const values = items.map(() => 0);
  const visitValues = (a: number, probability: number): void => {
    if (a === items.length) {
      const total = sum(counts.map((n, i) => n * (values[i] as number)));
      for (const [i, n] of counts.entries()) {
        law[i] = (law[i] as number) + (probability * n * (values[i] as number)) / total;
      }
      return;
    }
    if (counts[a] === 0) {
      visitValues(a + 1, probability);
      return;
    }
    for (const { value, probability: share } of (items[a] as Item).estimates) {
      values[a] = value;
      visitValues(a + 1, probability * share);
    }
  };
  const visitCounts = (a: number, left: number, probability: number): void => {
    const p = (items[a] as Item).probability;
    if (a === items.length - 1) {
      counts[a] = left;
      visitValues(0, probability * p ** left);
      return;
    }
    let ways = 1; // left choose n
    for (let n = 0; n <= left; n++) {
      counts[a] = n;
      visitCounts(a + 1, left - n, probability * ways * p ** n);
      ways = (ways * (left - n)) / (n + 1);
    }
  };
  visitCounts(0, M, 1);
  return law;
}
