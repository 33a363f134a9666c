/**
 * The exact laws of Metropolis-Hastings on an enumerated policy: of the library's kernel, and of
 * kernels that are wrong in one way each.
 */
import { type EnumeratedPolicy, type Node, wayTo } from "./enumerated-policy.js";

/**
 * Which part of the acceptance ratio is left out; `none` is right. `lengths`: the density of the cut is
 * that of uniform ones, whatever the cuts are.
 */
export type Omission = "none" | "cut density" | "lengths" | "proposal density" | "everything";

export interface Kernel {
  /** Ends are drawn from q ∝ p^power, token by token. */
  power: number;
  /** log π(x), up to a constant, of a text or a beginning of one. */
  logDensity: (node: Node) => number;
  omission: Omission;
  /** Where texts are cut. Default "uniform". */
  cuts?: "uniform" | "entropy";
}

/** The entropy of what comes after a node. */
function entropyOf({ children }: Node): number {
  return -children.reduce((sum, { p }) => sum + p * Math.log(p), 0);
}

/** How often each position of a text is cut, up to a factor. */
function cutWeights(root: Node, text: Node, cuts: Kernel["cuts"]): number[] {
  const before = [root, ...wayTo(root, text)].slice(0, text.path.length);
  return before.map((node) => (cuts === "entropy" ? entropyOf(node) : 1));
}

const sumOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** Finished texts of up to `length` tokens, and unfinished ones of just as many. */
function textsOf(policy: EnumeratedPolicy, length: number): Node[] {
  const visit = (node: Node): Node[] =>
    node.children.length === 0 || node.path.length === length
      ? [node]
      : node.children.flatMap(visit);
  return policy.root.children.flatMap(visit);
}

/** q of a node's last token given those before, by its siblings' p. */
function drawn(siblings: readonly Node[], node: Node, power: number): number {
  return node.p ** power / siblings.reduce((sum, { p }) => sum + p ** power, 0);
}

/** q of what follows the first `cut` tokens of a text. */
function endProbability(root: Node, text: Node, cut: number, power: number): number {
  const way = [root, ...wayTo(root, text)];
  let product = 1;
  for (let depth = cut; depth < text.path.length; depth++) {
    product *= drawn((way[depth] as Node).children, way[depth + 1] as Node, power);
  }
  return product;
}

function agree(a: Node, b: Node, cut: number): boolean {
  return a.path.slice(0, cut).join() === b.path.slice(0, cut).join();
}

function acceptance(kernel: Kernel, root: Node, x: Node, y: Node, cut: number): number {
  const { power, logDensity, omission, cuts } = kernel;
  const counts = omission === "none" || omission === "proposal density" || omission === "lengths";
  const ends = omission === "none" || omission === "cut density" || omission === "lengths";
  const density = omission === "everything" ? 1 : Math.exp(logDensity(y) - logDensity(x));
  const densities = omission === "lengths" ? "uniform" : cuts;
  const total = (text: Node) => sumOf(cutWeights(root, text, densities));
  const lengths = counts ? total(x) / total(y) : 1;
  const proposals = ends
    ? endProbability(root, x, cut, power) / endProbability(root, y, cut, power)
    : 1;
  return Math.min(1, density * lengths * proposals);
}

/** The law after one move of a text of this law, among texts of up to `length` tokens. */
function afterMove(
  policy: EnumeratedPolicy,
  kernel: Kernel,
  texts: readonly Node[],
  law: readonly number[],
): number[] {
  const next = law.map(() => 0);
  const add = (i: number, p: number) => {
    next[i] = (next[i] as number) + p;
  };
  for (const [i, x] of texts.entries()) {
    const weights = cutWeights(policy.root, x, kernel.cuts);
    const total = sumOf(weights);
    for (const [cut, weight] of weights.entries()) {
      for (const [j, y] of texts.entries()) {
        if (y.path.length <= cut || !agree(x, y, cut)) continue;
        const proposed =
          (law[i] as number) * (weight / total) * endProbability(policy.root, y, cut, kernel.power);
        const accepted = acceptance(kernel, policy.root, x, y, cut);
        add(j, proposed * accepted);
        add(i, proposed * (1 - accepted));
      }
    }
  }
  return next;
}

/** The law of the texts drawn from q to begin with, or of shorter ones drawn on. */
function afterDraw(
  policy: EnumeratedPolicy,
  kernel: Kernel,
  texts: readonly Node[],
  before: { texts: readonly Node[]; law: readonly number[] },
): number[] {
  return texts.map((text) =>
    before.texts.reduce((sum, start, i) => {
      const cut = start.path.length;
      if (!agree(start, text, cut)) return sum;
      const end = endProbability(policy.root, text, cut, kernel.power);
      return sum + (before.law[i] as number) * end;
    }, 0),
  );
}

/** The law of a run that grows texts by `block` tokens and makes `moves` moves at each length. */
export function runLaw(
  policy: EnumeratedPolicy,
  kernel: Kernel,
  { block, moves }: { block: number; moves: number },
): number[] {
  const longest = Math.max(...policy.texts.map(({ path }) => path.length));
  let texts: Node[] = [policy.root];
  let law = [1];
  for (let length = block; ; length = Math.min(length + block, longest)) {
    const next = textsOf(policy, Math.min(length, longest));
    law = afterDraw(policy, kernel, next, { texts, law });
    texts = next;
    for (let move = 0; move < moves; move++) law = afterMove(policy, kernel, texts, law);
    if (length >= longest) return law;
  }
}

/** p_ref of a text, or of a beginning. */
export function probabilityOf(policy: EnumeratedPolicy, node: Node): number {
  return wayTo(policy.root, node).reduce((product, { p }) => product * p, 1);
}
