/** Who computes attention on a CPU: a kernel of our own, where there is one, or llama.cpp. */
import { checkOneOf } from "../check.js";
import type { FlashAttention, Place } from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { addon } from "./native.js";

/** "auto": whichever is the faster one for a run; "own" is refused where there is none. */
export type AttentionChoice = "auto" | "engine" | "own";

export const ATTENTION_CHOICES = ["auto", "engine", "own"] as const;

const VARIABLE = "LLAMA_ETS_ATTENTION";

/** A choice, and the name of the option or variable that made it, if any did. */
export interface ChosenAttention {
  choice: AttentionChoice;
  by?: string;
}

/**
 * The option, else the environment variable `LLAMA_ETS_ATTENTION`, else "auto". Throws
 * `ERR_INVALID_OPTION`.
 */
export function chooseAttention(option?: AttentionChoice, name = "attention"): ChosenAttention {
  if (option !== undefined)
    return { choice: checkOneOf(name, option, ATTENTION_CHOICES), by: name };
  const value = process.env[VARIABLE];
  if (value === undefined || value === "") return { choice: "auto" };
  return { choice: checkOneOf(VARIABLE, value, ATTENTION_CHOICES), by: VARIABLE };
}

/** Once the engine is open: throws `ERR_INVALID_OPTION` for "own" where there is none. */
export function refuseMissingAttention({ choice, by = "attention" }: ChosenAttention): void {
  const { isThere, reason } = addon().attention();
  if (choice !== "own" || isThere) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `\`${by}\` asks for attention of our own, which isn't there: ${reason}`,
    { fix: `"auto", which takes the engine's instead` },
  );
}

/** Which attention contexts have, and why. Once the engine is open. */
export function describeAttention(chosen: ChosenAttention): string {
  refuseMissingAttention(chosen);
  const { isThere, reason, milliseconds } = addon().attention();
  if (isThere && chosen.choice === "engine") return `engine's: chosen by ${chosen.by}`;
  if (!isThere) return `engine's: ${reason}`;
  const by = chosen.choice === "own" ? `, chosen by ${chosen.by}` : "";
  return `own: ${reason} (${milliseconds.toFixed(1)} ms)${by}`;
}

/** Whether a model's contexts may have attention of our own. */
export function mayBeOwn(choice: AttentionChoice, place: Place): boolean {
  return place === "cpu" && choice !== "engine" && addon().attention().isThere;
}

/** What a context is opened with, of a model that has this attention. */
export function attentionOfContext(
  choice: AttentionChoice,
  wanted: FlashAttention,
): FlashAttention {
  if (choice === "auto" || wanted === false || wanted === "engine") return wanted;
  if (choice === "own") return "own";
  if (!addon().attention().isThere) return wanted; // "auto" means more on a GPU
  return wanted === "shared" ? false : "engine";
}
