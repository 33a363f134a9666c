/** Chooses who computes attention on a CPU: this package's own kernel or llama.cpp's. */
import { checkOneOf } from "../check.js";
import type { FlashAttention, Place } from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { addon } from "./native.js";

/** "auto" takes the faster one for each run. "own" is refused if the own kernel isn't available. */
export type AttentionChoice = "auto" | "engine" | "own";

export const ATTENTION_CHOICES = ["auto", "engine", "own"] as const;

const VARIABLE = "LLAMA_ETS_ATTENTION";

/** A choice, and the name of the option or variable that made it; without `by` it is the default. */
export interface ChosenAttention {
  choice: AttentionChoice;
  by?: string;
}

/**
 * Returns the option, or else the environment variable `LLAMA_ETS_ATTENTION`, or else "auto". Throws
 * `ERR_INVALID_OPTION`.
 */
export function chooseAttention(option?: AttentionChoice, name = "attention"): ChosenAttention {
  if (option !== undefined)
    return { choice: checkOneOf(name, option, ATTENTION_CHOICES), by: name };
  const value = process.env[VARIABLE];
  if (value === undefined || value === "") return { choice: "auto" };
  return { choice: checkOneOf(VARIABLE, value, ATTENTION_CHOICES), by: VARIABLE };
}

/** Throws `ERR_INVALID_OPTION` if "own" was chosen and isn't available. The engine must be open. */
export function refuseMissingAttention({ choice, by = "attention" }: ChosenAttention): void {
  const { isThere, reason } = addon().attention();
  if (choice !== "own" || isThere) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `\`${by}\` asks for attention of our own, which isn't there: ${reason}`,
    { fix: `"auto", which takes the engine's instead` },
  );
}

/** Describes for people which attention contexts use, and why. The engine must be open. */
export function describeAttention(chosen: ChosenAttention): string {
  refuseMissingAttention(chosen);
  const { isThere, reason, milliseconds } = addon().attention();
  if (isThere && chosen.choice === "engine") return `engine's: chosen by ${chosen.by}`;
  if (!isThere) return `engine's: ${reason}`;
  const by = chosen.choice === "own" ? `, chosen by ${chosen.by}` : "";
  return `own: ${reason} (${milliseconds.toFixed(1)} ms)${by}`;
}

/** Whether a model's contexts may use this package's own attention. */
export function mayBeOwn(choice: AttentionChoice, place: Place): boolean {
  return place === "cpu" && choice !== "engine" && addon().attention().isThere;
}

/** The `flashAttention` to open a context with, from the model's choice and the run's wish. */
export function attentionOfContext(
  choice: AttentionChoice,
  wanted: FlashAttention,
): FlashAttention {
  if (choice === "auto" || wanted === false || wanted === "engine") return wanted;
  if (choice === "own") return "own";
  if (!addon().attention().isThere) return wanted; // on a GPU, "auto" has another meaning
  return wanted === "shared" ? false : "engine";
}
