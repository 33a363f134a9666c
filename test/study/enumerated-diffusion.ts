/**
 * A diffusion chain small enough to be enumerated: a few positions, a few allowed tokens, one of
 * which ends the text. The conditionals are a real model's; what follows from them is exact.
 */
import type { Item, Outcome } from "./exact-law.js";

export const MASK = -1;
/** Indices into the allowed tokens, or `MASK`. */
export type Canvas = readonly number[];

/** What one forward pass says of a canvas: for each position and token, by index. */
export interface Prediction {
  /** The distributions drawn from. */
  probabilities: readonly (readonly number[])[];
  /** How confident the model is in each token, by which low-confidence remasking unmasks. */
  confidences: readonly (readonly number[])[];
}

/** One denoising step: the canvases it may lead to, with the tokens' own probabilities apart. */
export interface Move {
  to: Canvas;
  probability: number;
  /** Where the step unmasks, and what. */
  position: number;
  token: number;
}

export interface EnumeratedDiffusion {
  length: number;
  blockLength: number;
  /** The index of the token that ends the text. */
  end: number;
  /** Denoising steps of a guidance step. */
  guidanceLength: number;
  lambda: number;
  /** r of a finished text, cut after its end token. */
  rewardOf: (text: Canvas) => number;
  /** The moves of the reference from an unfinished canvas. */
  moves: (from: Canvas) => readonly Move[];
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

/** A finished canvas is its text: what follows the end token is nothing. */
export function textOf(canvas: Canvas, end: number): Canvas | null {
  const ends = canvas.indexOf(end);
  const text = ends < 0 ? canvas : canvas.slice(0, ends + 1);
  return text.includes(MASK) ? null : text;
}

/** The masked positions of the first block that has some. */
function openPositions(canvas: Canvas, blockLength: number): number[] {
  const from = Math.floor(canvas.indexOf(MASK) / blockLength) * blockLength;
  const block = canvas.slice(from, from + blockLength);
  return block.flatMap((token, i) => (token === MASK ? [from + i] : []));
}

function unmask(canvas: Canvas, position: number, token: number): Canvas {
  return canvas.map((old, i) => (i === position ? token : old));
}

/** Random remasking: any open position alike, and a token of its distribution. */
export function randomMoves(
  canvas: Canvas,
  { probabilities }: Prediction,
  blockLength: number,
): Move[] {
  const open = openPositions(canvas, blockLength);
  return open.flatMap((position) =>
    (probabilities[position] as number[]).map((p, token) => ({
      to: unmask(canvas, position, token),
      probability: p / open.length,
      position,
      token,
    })),
  );
}

/**
 * Low-confidence remasking: a token is drawn for every open position, and the one of the greatest
 * confidence stays, the first of equals.
 */
export function lowConfidenceMoves(
  canvas: Canvas,
  { probabilities, confidences }: Prediction,
  blockLength: number,
): Move[] {
  const open = openPositions(canvas, blockLength);
  const confidenceOf = (position: number, token: number) =>
    confidences[position]?.[token] as number;
  return open.flatMap((position) =>
    (probabilities[position] as number[]).map((p, token) => {
      const own = confidenceOf(position, token);
      const others = open.filter((other) => other !== position);
      const isLess = others.map((other) =>
        sum(
          (probabilities[other] as number[]).map((q, t) => {
            const rival = confidenceOf(other, t);
            return rival < own || (rival === own && position < other) ? q : 0;
          }),
        ),
      );
      const probability = isLess.reduce((a, b) => a * b, p);
      return { to: unmask(canvas, position, token), probability, position, token };
    }),
  );
}

/** A canvas as its chain's state has it: finished ones are their texts. */
export interface Reached {
  canvas: Canvas;
  probability: number;
}

function merge(policy: EnumeratedDiffusion, reached: readonly Reached[]): Reached[] {
  const merged = new Map<string, Reached>();
  for (const { canvas, probability } of reached) {
    if (probability === 0) continue;
    const state = textOf(canvas, policy.end) ?? canvas;
    const key = state.join();
    const before = merged.get(key)?.probability ?? 0;
    merged.set(key, { canvas: state, probability: before + probability });
  }
  return [...merged.values()];
}

function isFinished(policy: EnumeratedDiffusion, canvas: Canvas): boolean {
  return textOf(canvas, policy.end) !== null;
}

/** p_ref(x_s | x_t) for `steps` denoising steps. */
export function kernel(policy: EnumeratedDiffusion, from: Canvas, steps: number): Reached[] {
  let now: Reached[] = merge(policy, [{ canvas: from, probability: 1 }]);
  for (let i = 0; i < steps; i++) {
    now = merge(
      policy,
      now.flatMap(({ canvas, probability }) =>
        isFinished(policy, canvas)
          ? [{ canvas, probability }]
          : policy.moves(canvas).map((move) => ({
              canvas: move.to,
              probability: probability * move.probability,
            })),
      ),
    );
  }
  return now;
}

/** p_ref(x_0 | x_s). */
export function textsFrom(policy: EnumeratedDiffusion, from: Canvas): Reached[] {
  return kernel(policy, from, policy.length);
}

export function boltzmann(policy: EnumeratedDiffusion, text: Canvas): number {
  return Math.exp(policy.rewardOf(text) / policy.lambda);
}

/** E(x_s), exactly. */
export function energy(policy: EnumeratedDiffusion, from: Canvas): number {
  return sum(
    textsFrom(policy, from).map(
      ({ canvas, probability }) => probability * boltzmann(policy, canvas),
    ),
  );
}

/** One way from a canvas to a finished text, step by step. */
export interface Path {
  moves: readonly Move[];
  /** The canvases before each move. */
  from: readonly Canvas[];
  text: Canvas;
  probability: number;
}

/** Every way to a finished text. `moves` is told where the path began: caches are as of there. */
export function pathsFrom(
  policy: EnumeratedDiffusion,
  start: Canvas,
  moves: (from: Canvas, since: readonly Canvas[]) => readonly Move[] = policy.moves,
): Path[] {
  const visit = (
    canvas: Canvas,
    before: readonly Canvas[],
    made: readonly Move[],
    p: number,
  ): Path[] => {
    const text = textOf(canvas, policy.end);
    if (text !== null) return [{ moves: made, from: before, text, probability: p }];
    return moves(canvas, before)
      .filter(({ probability }) => probability > 0)
      .flatMap((move) =>
        visit(move.to, [...before, canvas], [...made, move], p * move.probability),
      );
  };
  return visit(start, [], [], 1);
}

/** The values of Ê with K = 1, plain Monte Carlo. */
export function estimates(policy: EnumeratedDiffusion, from: Canvas): Outcome[] {
  return textsFrom(policy, from).map(({ canvas, probability }) => ({
    value: boltzmann(policy, canvas),
    probability,
  }));
}

export type EstimatesOf = (from: Canvas) => readonly Outcome[];

/** The candidates of a step, with their estimates. */
function itemsOf(
  policy: EnumeratedDiffusion,
  from: Canvas,
  estimatesOf: EstimatesOf,
): (Item & Reached)[] {
  return kernel(policy, from, policy.guidanceLength).map((reached) => ({
    ...reached,
    estimates: estimatesOf(reached.canvas),
  }));
}

/** The law of the text that a whole run ends in. */
export function runLaw(
  policy: EnumeratedDiffusion,
  choose: (items: readonly Item[]) => number[],
  estimatesOf: EstimatesOf,
): Map<string, number> {
  const start: Canvas = Array.from({ length: policy.length }, () => MASK);
  let now: Reached[] = [{ canvas: start, probability: 1 }];
  while (now.some(({ canvas }) => !isFinished(policy, canvas))) {
    now = merge(
      policy,
      now.flatMap((reached) => {
        if (isFinished(policy, reached.canvas)) return [reached];
        const items = itemsOf(policy, reached.canvas, estimatesOf);
        return choose(items).map((q, i) => ({
          canvas: (items[i] as Reached).canvas,
          probability: reached.probability * q,
        }));
      }),
    );
  }
  return new Map(now.map(({ canvas, probability }) => [canvas.join(), probability]));
}

/** p* ∝ p_ref · exp(r / λ) over texts. */
export function targetLaw(policy: EnumeratedDiffusion): Map<string, number> {
  const start: Canvas = Array.from({ length: policy.length }, () => MASK);
  const weights = textsFrom(policy, start).map(
    ({ canvas, probability }) => [canvas.join(), probability * boltzmann(policy, canvas)] as const,
  );
  const total = sum(weights.map(([, w]) => w));
  return new Map(weights.map(([key, w]) => [key, w / total]));
}
