/** The option that says whether an answer calls tools, in the form of OpenAI's requests. */
import { checkKeys, checkOneOf, checkString } from "../check.js";
import { LlamaEtsError } from "../errors.js";
import type { Tool } from "./messages.js";

const CHOICES = ["auto", "required", "none"] as const;

/**
 * `auto`: calls in the answer have the right form, and arguments that are valid by the tool's schema.
 * `required`: the answer consists of calls. A function: the answer consists of calls of this function.
 * `none`: the prompt doesn't mention the tools.
 */
export type ToolChoice =
  | (typeof CHOICES)[number]
  | { type: "function"; function: { name: string } };

/** Checks a choice against the tools. Throws `ERR_INVALID_OPTION`. */
export function checkToolChoice(choice: ToolChoice, tools: readonly Tool[] = []): ToolChoice {
  if (typeof choice !== "object" || choice === null) {
    checkOneOf("toolChoice", choice, CHOICES);
    if (choice !== "required" || tools.length > 0) return choice;
    throw new LlamaEtsError("ERR_INVALID_OPTION", '`toolChoice: "required"` needs `tools`');
  }
  checkKeys("toolChoice", choice, ["type", "function"]);
  checkOneOf("toolChoice.type", choice.type, ["function"]);
  checkKeys("toolChoice.function", choice.function, ["name"]);
  const name = checkString("toolChoice.function.name", choice.function.name);
  const names = tools.map((tool) => tool.function.name);
  if (names.includes(name)) return choice;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `\`toolChoice\` names the function \`${name}\`, which isn't one of the tools: ${names.join(", ") || "there are none"}`,
  );
}

/** Whether a choice restricts answers. */
export function restrictsCalls(
  choice: ToolChoice | undefined,
): choice is Exclude<ToolChoice, "none"> {
  return choice !== undefined && choice !== "none";
}
