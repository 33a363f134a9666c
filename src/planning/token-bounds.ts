/**
 * Upper bounds of the tokens that a run's models handle, computed from the run's shape. Savings
 * (docs/how-it-works.md) and early ends lower the actual numbers.
 */
import type { DenoisingShape, RunShape } from "./run-shape.js";

/** Upper bounds of the tokens that a model handles. */
export interface TokenBounds {
  prefilled: number;
  generated: number;
  scored: number;
  /** Passes of a diffusion model over texts, counted for each text; 0 for other models. */
  passes: number;
}

/** Bounds for the model, and for the proposal if there is one. */
export type RunBounds = readonly [TokenBounds] | readonly [TokenBounds, TokenBounds];

/**
 * The bounds of M candidates over I steps of B tokens, up to d tokens in all: M·d tokens, and K rollouts of
 * each candidate except those of the last step, M·K·Σ (d - i·B). With d = I·B that is
 * M·d·(1 + K·(I - 1)/2). If the text decides where blocks end, blocks may be shorter, and I is the largest
 * number of steps.
 */
export function boundGuided(shape: RunShape): RunBounds {
  return shape.denoising === null ? boundDrawn(shape) : boundDenoised(shape, shape.denoising, 1);
}

/**
 * The bounds of texts whose ends are drawn again: `moves` times for each text at each block, or, for a
 * diffusion model, `moves` times for each text in all.
 */
export function boundRedrawn(shape: RunShape, moves: number, blockTokens: number): RunBounds {
  const { promptTokens, candidates, maxTokens, denoising } = shape;
  if (denoising !== null) return boundDenoised(shape, denoising, 1 + moves);
  const lengths = blockEnds(maxTokens, blockTokens);
  const all = candidates * moves;
  const drawn = lengths.reduce((a, b) => a + b, 0);
  // Each text that is drawn again or extended reads its last kept token again, or its whole kept part.
  const read = shape.cuts ? lengths.length : drawn;
  const prefilled = promptTokens + (all + candidates) * read;
  const generated = candidates * maxTokens + all * drawn;
  return [{ prefilled, generated, scored: 0, passes: 0 }];
}

/** The bounds of M hypotheses that grow by tokens or by denoising steps, and of those that end. */
export function boundRanked({ denoising, ...shape }: RunShape): RunBounds {
  const { promptTokens, candidates, maxTokens } = shape;
  if (denoising === null) {
    // One more token for each hypothesis that ended; at most M of them count.
    const generated = candidates * (maxTokens + 1);
    return [{ prefilled: promptTokens, generated, scored: 0, passes: 0 }];
  }
  // At each denoising step except one, fewer than M hypotheses end.
  const pace = Math.ceil(maxTokens / denoising.denoisingSteps);
  const generated = candidates * (maxTokens + 2 * pace);
  const passes = viewsOf(denoising) * candidates * denoising.denoisingSteps;
  return [{ prefilled: passes * promptTokens, generated, scored: 0, passes }];
}

/** The bounds with a budget, which is checked between batches of `atOnce` texts. */
export function withinBudget(
  bounds: TokenBounds,
  { denoising, maxTokens }: Pick<RunShape, "denoising" | "maxTokens">,
  budgetTokens: number,
  atOnce: number,
): TokenBounds {
  const pace = denoising === null ? 1 : mostUnmasked(denoising, maxTokens);
  return { ...bounds, generated: Math.min(bounds.generated, budgetTokens + atOnce * pace - 1) };
}

function boundDrawn(shape: RunShape): RunBounds {
  const { promptTokens, candidates, rollouts, steps, blockTokens, maxTokens, proposal } = shape;
  const { leastTokens } = shape;
  const prefilled = promptTokens + (shape.rereads ? maxTokens : 0);
  // If blocks have different lengths, the drawn ones may be long and the chosen ones short.
  const most = (step: number) => Math.min(blockTokens, maxTokens - step * leastTokens);
  const drawn =
    candidates * Array.from({ length: steps }, (_, i) => most(i)).reduce((a, b) => a + b, 0);
  const rest = Array.from({ length: steps - 1 }, (_, i) => maxTokens - (i + 1) * leastTokens);
  const tokensOf = (count: number) => candidates * count * rest.reduce((a, b) => a + b, 0);
  if (proposal === null) {
    const generated = drawn + tokensOf(rollouts);
    return [{ prefilled, generated, scored: 0, passes: 0 }];
  }
  const byModel = tokensOf(proposal.ownRollouts);
  const byProposal = tokensOf(rollouts - proposal.ownRollouts);
  const read = promptTokens + candidates * blockTokens * (steps - 1);
  const scored = proposal.scoresOwn ? byProposal : byModel;
  return [
    { prefilled, generated: drawn + byModel, scored: byProposal, passes: 0 },
    { prefilled: read, generated: byProposal, scored, passes: 0 },
  ];
}

/** @param draws how many times all texts may be drawn from their start */
function boundDenoised(shape: RunShape, denoising: DenoisingShape, draws: number): RunBounds {
  const { promptTokens, candidates, maxTokens } = shape;
  // Each pass unmasks or scores at least the number of tokens that the schedule says.
  const pace = Math.floor(maxTokens / denoising.denoisingSteps);
  const withPasses = (bounds: TokenBounds): TokenBounds => {
    const passes = viewsOf(denoising) * Math.ceil((bounds.generated + bounds.scored) / pace);
    return { ...bounds, passes, prefilled: passes * promptTokens };
  };
  const [model, proposal] = boundDrawn({ ...shape, candidates: draws * candidates });
  return proposal === undefined ? [withPasses(model)] : [withPasses(model), withPasses(proposal)];
}

/** How many times a text goes through the model in one pass. */
function viewsOf({ guidance }: DenoisingShape): number {
  return guidance ? 2 : 1;
}

/** The largest number of positions of one text that a pass unmasks. */
function mostUnmasked(
  { parallel, blockLength, denoisingSteps }: DenoisingShape,
  maxTokens: number,
) {
  return parallel ? blockLength : Math.ceil(maxTokens / denoisingSteps);
}

function blockEnds(maxTokens: number, blockTokens: number): number[] {
  const blocks = Math.ceil(maxTokens / blockTokens);
  return Array.from({ length: blocks }, (_, i) => Math.min((i + 1) * blockTokens, maxTokens));
}
