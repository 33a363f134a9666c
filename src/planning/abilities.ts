/** What a run does with an engine's sequences, and who can't do it. */
import type { Abilities, Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";

/** Cutting back isn't among them: what is kept of a text can be read again. */
export type Ability = Exclude<keyof Abilities, "cut">;

const WORDS: Record<Ability, string> = {
  score: "give the log-probabilities of texts",
  fork: "go on from one text in several ways",
  rank: "rank the tokens that come next",
  metrics: "measure the distributions of tokens",
};

/** Throws `ERR_UNSUPPORTED_MODEL`, naming who needs it, for what a model's engine can't do. */
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
