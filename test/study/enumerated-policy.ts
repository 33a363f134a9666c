/**
 * A reference and a proposal small enough to be enumerated: four allowed tokens, one of which ends
 * the text, and at most three of them. Every probability is a real model's, by `model.score`.
 */
import type { Model } from "../../src/engine/engine.js";
import type { Completion } from "../../src/rewards/reward.js";

export const PROMPT = "Noah has 4";
/** The proposal differs from the reference in its weights and in its temperature. */
export const TEMPERATURE = { reference: 6, proposal: 5 };

/** A prefix, with the probability of its last token given the ones before. */
export interface Node {
  /** Indices into the allowed tokens. */
  path: number[];
  /** Under the reference's sampling distribution, and the proposal's. */
  p: number;
  q: number;
  /** log-probabilities at temperature 1 over the whole vocabulary. */
  rawP: number;
  rawQ: number;
  /** None for a finished text. */
  children: Node[];
}

export interface EnumeratedPolicy {
  tokens: number[];
  lambda: number;
  root: Node;
  texts: Node[];
  /** r(x). */
  rewardOf: (text: Node) => number;
  /** The index among `texts` of what a run ended in. */
  textIndex: (tokens: readonly number[]) => number;
  /** The option of `ets` that its settings make. */
  options: {
    temperature: number;
    allowedTokens: number[];
    raw: true;
    maxTokens: number;
    blockTokens: number;
    lambda: number;
    reward: (completion: Completion) => number;
  };
}

const END = 3;
/** r of a text by its first token, apart from what `setRewards` adds. */
const BASE = [0.1, 0.8, 0, 0.5];

/**
 * A dense reward, set against the wrong estimators: after some first tokens it favours the texts
 * that the proposal draws too rarely, after the others those that it draws too often.
 */
function setRewards(root: Node, texts: readonly Node[]): Map<string, number> {
  const rewards = new Map<string, number>();
  for (const child of root.children) {
    const [a = 0] = child.path;
    const below = textsBelow(child).map((text) => ({ text, logRatio: logRatioOf(child, text) }));
    below.sort((x, y) => (a % 2 === 0 ? x.logRatio - y.logRatio : y.logRatio - x.logRatio));
    for (const [rank, { text }] of below.entries()) {
      const isFavoured = rank >= below.length / 2;
      const dense = ((7 * a + 11 * (text.path[1] ?? 0) + 5 * (text.path[2] ?? 0)) % 13) / 40;
      rewards.set(text.path.join(), (BASE[a] as number) + (isFavoured ? 1 : 0) + dense);
    }
  }
  if (rewards.size !== texts.length) throw new Error("Expected a reward for each text");
  return rewards;
}

/** Siblings are scored in different rows of a batch, whose rounding differs by some 1e-5. */
function normaliseBelow(node: Node): void {
  for (const name of ["p", "q"] as const) {
    const total = node.children.reduce((sum, child) => sum + child[name], 0);
    for (const child of node.children) child[name] /= total;
  }
  node.children.forEach(normaliseBelow);
}

function logRatioOf(from: Node, text: Node): number {
  return wayTo(from, text).reduce((sum, { p, q }) => sum + Math.log(p / q), 0);
}

export async function enumeratePolicy(
  reference: Model,
  proposal: Model,
  { horizon = 3, lambda = 0.5 }: { horizon?: number; lambda?: number } = {},
): Promise<EnumeratedPolicy> {
  const digits = ["1", "5", "7"].map((digit) => reference.tokenize(digit)[0] as number);
  const tokens = [...digits, reference.info.eos as number];
  const root: Node = { path: [], p: 1, q: 1, rawP: 0, rawQ: 0, children: [] };
  const grow = (node: Node): Node[] => {
    if (node.path.length === horizon || node.path.at(-1) === END) return [node];
    node.children = tokens.map((_, i) => ({
      path: [...node.path, i],
      p: 0,
      q: 0,
      rawP: 0,
      rawQ: 0,
      children: [],
    }));
    return node.children.flatMap(grow);
  };
  const texts = grow(root);
  const continuations = texts.map(({ path }) => path.map((i) => tokens[i] as number));
  const scoreUnder = (model: Model, temperature: number) =>
    model.score(PROMPT, continuations, { temperature, allowedTokens: tokens }, { raw: true });
  const ps = await scoreUnder(reference, TEMPERATURE.reference);
  const qs = await scoreUnder(proposal, TEMPERATURE.proposal);
  for (const [t, text] of texts.entries()) {
    let node = root;
    for (const [depth, i] of text.path.entries()) {
      node = node.children[i] as Node;
      node.p = Math.exp(ps[t]?.logProbs[depth] as number);
      node.q = Math.exp(qs[t]?.logProbs[depth] as number);
      node.rawP = ps[t]?.rawLogProbs[depth] as number;
      node.rawQ = qs[t]?.rawLogProbs[depth] as number;
    }
  }
  normaliseBelow(root);
  const rewards = setRewards(root, texts);
  const indexByPath = new Map(texts.map(({ path }, i) => [path.join(), i]));
  const pathOf = (ids: readonly number[]) => ids.map((id) => tokens.indexOf(id));
  const reward = (completion: Pick<Completion, "tokens">) =>
    rewards.get(pathOf(completion.tokens).join()) as number;
  return {
    tokens,
    lambda,
    root,
    texts,
    rewardOf: ({ path }) => rewards.get(path.join()) as number,
    textIndex: (ids) => indexByPath.get(pathOf(ids).join()) as number,
    options: {
      temperature: TEMPERATURE.reference,
      allowedTokens: tokens,
      raw: true,
      maxTokens: horizon,
      blockTokens: 1,
      lambda,
      reward,
    },
  };
}

/** The nodes on the way from a prefix to a text below it, the prefix itself not included. */
export function wayTo(node: Node, text: Node): Node[] {
  const way: Node[] = [];
  for (const i of text.path.slice(node.path.length)) {
    way.push((way.at(-1) ?? node).children[i] as Node);
  }
  return way;
}

export function textsBelow(node: Node): Node[] {
  return node.children.length === 0 ? [node] : node.children.flatMap(textsBelow);
}
