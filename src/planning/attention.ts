/** Decides which kind of attention is the fastest for a context on a CPU. */

/** Our own attention, llama.cpp's flash attention, or llama.cpp's product of matrices. */
export type AttentionKind = "shared" | "flash" | "product";

/** The sizes that determine what one decode of a step's continuations attends to. */
export interface AttentionShape {
  promptTokens: number;
  /** Continuations that run at the same time. */
  parallel: number;
  /** Sequences kept in addition: the prefix and its candidates. */
  held: number;
  /** Tokens that the held sequences have beyond the prompt. */
  heldTokens: number;
  /** The largest number of tokens that a continuation adds. */
  continuedTokens: number;
  /** The number of heads that share keys and values. */
  group: number;
}

/** From this number of rows in a batch on, flash attention works in tiles. */
const TILED = 64;
/** How many times faster a product of matrices handles a cell than flash attention. */
const PRODUCT_SPEED = 2.5;

/**
 * Whether flash attention is faster than the product. The product multiplies every row with every cell of
 * the cache, including those of other texts. Flash attention is slower per cell, but each row handles only
 * the cells of its own text. So shared cells favor the product, and unshared cells or a single text favor
 * flash attention. The numbers were measured with `npm run bench -- --only attention`.
 */
function paysFlashAttention(shape: AttentionShape): boolean {
  const { promptTokens, parallel, held, heldTokens, continuedTokens } = shape;
  if (parallel === 1 || parallel >= TILED) return true;
  const drawn = continuedTokens / 2; // on average over the texts' growth
  const all = promptTokens + heldTokens + parallel * drawn;
  const own = promptTokens + heldTokens / held + drawn;
  return all > PRODUCT_SPEED * own;
}

/** From this number of tokens on, the product reads a single text faster than our attention. */
const LONG = 1024;

/**
 * Whether the keys and values of a single long text are shared by no other text or head. Then every kind
 * reads them once, and the product does so in a better order. In all other cases our attention is the
 * fastest: by 1.1 to 18 times, for models of seven shapes, 1 to 64 texts and prompts of 32 to 2,048 tokens.
 */
function sharesNothing({ parallel, group, promptTokens, heldTokens }: AttentionShape): boolean {
  return parallel === 1 && group === 1 && promptTokens + heldTokens >= LONG;
}

/** The fastest of the given kinds. */
export function fastestAttention(
  shape: AttentionShape,
  kinds: readonly AttentionKind[],
): AttentionKind {
  const isAlone = !kinds.includes("product");
  if (kinds.includes("shared") && (isAlone || !sharesNothing(shape))) return "shared";
  if (sharesNothing(shape)) return "product";
  return kinds.includes("flash") && paysFlashAttention(shape) ? "flash" : "product";
}
