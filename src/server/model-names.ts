/** Finds the served models by the names in requests. */
import { METHOD_NAMES, METHODS, type MethodName, type MethodOptions } from "../methods/registry.js";
import { ApiError, invalid } from "./errors.js";

/** What a request may name: a method, or `auto`, which chooses one. */
export type Asked = MethodName | "auto";
export const ASKED_METHODS: readonly string[] = [...METHOD_NAMES, "auto"];

export function isAsked(name: unknown): name is Asked {
  return typeof name === "string" && ASKED_METHODS.includes(name);
}

/** A model that requests may name. */
export interface Served {
  name: string;
  kind: "autoregressive" | "diffusion";
  /** Whether requests may name methods with a proposal. */
  hasProposal: boolean;
  /** Options that suit the model, for those that a request doesn't set. */
  defaults: MethodOptions;
}

/** Returns the names that a request may give as `model`. */
export function modelNames({ name: model, hasProposal }: Pick<Served, "name" | "hasProposal">) {
  const methods = METHOD_NAMES.filter(
    (name) => hasProposal || METHODS[name].proposal === undefined,
  );
  return [model, ...[...methods, "auto"].map((name) => `${model}+${name}`)];
}

/**
 * Reads the field `model`. `NAME` means plain sampling, and `NAME+METHOD` another method. A server with one
 * model needs no name.
 */
export function readModel<S extends Served>(
  model: unknown,
  models: readonly S[],
): { name: string; method: Asked; served: S } {
  const name = model ?? (models.length === 1 ? models[0]?.name : undefined);
  if (typeof name !== "string") {
    throw invalid("model", `Expected \`model\` to be a string: ${namesOf(models)}`, "invalid_type");
  }
  const plain = models.find((served) => served.name === name);
  if (plain !== undefined) return { name, method: "sample", served: plain };
  const begun = models.filter((served) => name.startsWith(`${served.name}+`));
  for (const served of begun) {
    const method = name.slice(served.name.length + 1);
    if (isAsked(method)) return { name, method, served };
  }
  if (begun.length === 0) throw unknownModel(name, models);
  throw invalid("model", `Expected a method after the +, one of ${ASKED_METHODS.join(", ")}`);
}

export function unknownModel(name: string, models: readonly Served[]): ApiError {
  return new ApiError(
    404,
    "model_not_found",
    `Expected \`model\` to be ${namesOf(models)}, got ${JSON.stringify(name.slice(0, 200))}`,
    { param: "model" },
  );
}

function namesOf(models: readonly Served[]): string {
  const each = models.length > 1 ? "each " : "";
  return `${models.map(({ name }) => name).join(" or ")}, ${each}also with +METHOD`;
}
