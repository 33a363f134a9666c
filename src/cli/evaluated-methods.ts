import { LlamaEtsError } from "../engine/errors.js";
import type { EvaluatedMethod, EvaluatedOptions } from "../evaluate/configured-methods.js";
import type { MethodName } from "../methods/method-names.js";

const SHORT: Record<string, keyof EvaluatedOptions> = {
  M: "candidates",
  K: "rollouts",
  I: "steps",
};

/** `ets,ets:M=4:K=2`: names of methods, each with options of its own. What they are is checked later. */
export function parseMethods(text: string): EvaluatedMethod[] {
  return text.split(",").map((entry) => {
    const name = entry.trim();
    const [method = "", ...settings] = name.split(":");
    return {
      ...{ name, method: method as MethodName },
      options: Object.fromEntries(settings.map((setting) => parseSetting(name, setting))),
    };
  });
}

function parseSetting(method: string, setting: string): [string, unknown] {
  const [key = "", value = "", ...more] = setting.split("=");
  if (key === "" || value === "" || more.length > 0) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected \`${method}\` to set options as in ets:M=4:K=2, got \`${setting}\``,
    );
  }
  return [SHORT[key] ?? key, parseValue(value)];
}

function parseValue(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}
