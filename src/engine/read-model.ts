/** Describes models without loading their weights, from their files or from known numbers. */
import { LlamaEtsError } from "./errors.js";
import type { KnownModel } from "./popular-models.js";
import { namesServer } from "./remote/address.js";
import type { PlaceOptions, UnloadedModel } from "./unloaded-model.js";

/** Reads a model's header and vocabulary. Throws as `loadModel` does if there is no model. */
export async function readModel(source: string, options: PlaceOptions): Promise<UnloadedModel> {
  if (namesServer(source)) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `${source} is a model on a server: it needs no memory here`,
      {
        fix: "a GGUF file, or a bundled name",
      },
    );
  }
  const { readLocalModel } = await import("./local/read-model.js");
  return readLocalModel(source, options);
}

/** Describes a model from its numbers; its file needn't be on this machine. */
export async function imagineModel(
  known: KnownModel,
  options: PlaceOptions,
): Promise<UnloadedModel> {
  const { imagineLocalModel } = await import("./local/read-model.js");
  return imagineLocalModel(known, options);
}
