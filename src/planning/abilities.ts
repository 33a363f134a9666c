/** Checks whether an engine can do what a run needs. */
import type { Abilities, Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";

/** Without `cut`, which no run requires: instead of cutting a text, its kept part can be read again. */
export type Ability = Exclude<keyof Abilities, "cut">;

const WORDS: Record<Ability, string> = {
  score: "give the log-probabilities of texts",
  fork: "go on from one text in several ways",
  rank: "rank the tokens that come next",
  metrics: "measure the distributions of tokens",
};

/** Throws `ERR_UNSUPPORTED_MODEL` if the model's engine lacks an ability. `who` names what needs it. */
export function refuseUnable(
  who: string,
  model: Pick<Model, "can" | "path">,
  uses: readonly Ability[],
): void {
  const missing = uses.find((ability) => !model.can[ability]);
  if (missing === undefined) return;
  throw new LlamaEtsError(
    "ERR_UNSUPPORTED_MODEL",
    `${who} needs a model that can ${WORDS[missing]}; the engine of ${model.path} can't`,
    { fix: "a model that is loaded from a file, or the method `majority`" },
  );
}
