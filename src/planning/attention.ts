/** Which attention a context is faster with on a CPU. */

/** Our own, llama.cpp's flash attention, or its product of matrices. */
export type AttentionKind = "shared" | "flash" | "product";

/** What one decode of a step's continuations attends to. */
export interface AttentionShape {
  promptTokens: number;
  /** Continuations that run side by side. */
  parallel: number;
  /** Sequences kept besides them: the prefix and its candidates. */
  held: number;
  /** Tokens that the held sequences have beyond the prompt. */
  heldTokens: number;
  /** The most tokens that a continuation adds. */
  continuedTokens: number;
  /** Heads that share keys and values. */
  group: number;
}

/** Rows of a batch from which on flash attention works in tiles. */
const TILED = 64;
/** How much faster a product of matrices goes through a cell than flash attention does. */
const PRODUCT_SPEED = 2.5;

/**
 * Whether flash attention is the faster one. Without it a decode multiplies every row with every
 * cell of the cache, other texts' too; with it each row goes, more slowly, through its own text's
 * cells alone. So what texts share favours the product, and what they don't flash attention, as
 * does a single text. Measured by `npm run bench -- --only attention`.
 */
function paysFlashAttention(shape: AttentionShape): boolean {
  const { promptTokens, parallel, held, heldTokens, continuedTokens } = shape;
  if (parallel === 1 || parallel >= TILED) return true;
  const drawn = continuedTokens / 2; // on average over the texts' growth
  const all = promptTokens + heldTokens + parallel * drawn;
  const own = promptTokens + heldTokens / held + drawn;
  return all > PRODUCT_SPEED * own;
}

/** Tokens from which on the product reads one text faster than our attention does. */
const LONG = 1024;

/**
 * Whether our own is not the fastest: what one text's heads have in common with nothing is read once
 * by all kinds, and by the product in the better order. Of the others ours is, by 1.1 to 18 times in
 * the attention of models of seven shapes, 1 to 64 texts and prompts of 32 to 2,048 tokens.
 */
function sharesNothing({ parallel, group, promptTokens, heldTokens }: AttentionShape): boolean {
  return parallel === 1 && group === 1 && promptTokens + heldTokens >= LONG;
}

/** The fastest of some kinds. */
export function fastestAttention(
  shape: AttentionShape,
  kinds: readonly AttentionKind[],
): AttentionKind {
  const isAlone = !kinds.includes("product");
  if (kinds.includes("shared") && (isAlone || !sharesNothing(shape))) return "shared";
  if (sharesNothing(shape)) return "product";
  return kinds.includes("flash") && paysFlashAttention(shape) ? "flash" : "product";
}
