/** Lets modules import this package by its name even if Node doesn't find it from their folder. */
import type { InitializeHook, ResolveHook } from "node:module";

const NAME = "llama-ets";
let ownIndex: string;

export const initialize: InitializeHook<string> = (url) => {
  ownIndex = url;
};

export const resolve: ResolveHook = async (specifier, context, nextResolve) => {
  if (specifier !== NAME) return nextResolve(specifier, context);
  try {
    return await nextResolve(specifier, context);
  } catch {
    return { url: ownIndex, format: "module", shortCircuit: true };
  }
};
