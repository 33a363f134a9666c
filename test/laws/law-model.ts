import type { Model } from "../../src/engine/engine.js";
import { useModel } from "../fixtures/models.js";
import { IS_STUDY } from "../study/form.js";

/** The model whose laws are tested: a table in `npm test`, a bundled one in `npm run test:study`. */
export function useLawModel(table: Model, bundled: string): () => Model {
  return IS_STUDY ? useModel(bundled) : () => table;
}

/** How often a test of a law may refuse a right library: a table's many draws allow for less. */
export const FALSE_ALARM = IS_STUDY ? 1e-4 : 1e-6;
/** |z| of a two-sided test with that false alarm. */
export const MAX_Z = IS_STUDY ? 3.89 : 4.89;
