/** The methods by name: what `ask` and evaluations run. */
import type { Model } from "../engine/local/model.js";
import type { Prompt } from "../engine/prompt.js";
import { beam } from "./beam.js";
import { bestOfN } from "./best-of-n.js";
import { ets } from "./ets.js";
import { majority } from "./majority.js";
import { type MethodName, takesOption } from "./method-names.js";
import { mh } from "./mh.js";
import type { MethodOptions } from "./options.js";
import { particle } from "./particle.js";
import { power } from "./power.js";
import type { Result } from "./result.js";
import { greedy, sample } from "./sample.js";

/** What all methods look like. */
export type Method = (model: Model, prompt: Prompt, options?: MethodOptions) => Promise<Result>;

export const METHODS: Readonly<Record<MethodName, Method>> = {
  ets,
  "ets-is": ets,
  "best-of-n": bestOfN,
  majority,
  beam,
  power,
  mh,
  particle,
  sample,
  greedy,
};

/** Of options meant for several methods, those that one of them takes. */
export function optionsFor(method: MethodName, options: MethodOptions): MethodOptions {
  const taken = Object.entries(options).filter(([name]) => takesOption(method, name));
  return Object.fromEntries(taken);
}
