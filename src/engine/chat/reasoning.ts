/** Reasoning as it is asked for, and the switches that chat templates have for it. */

import { checkBoolean, checkInteger, checkKeys, checkOneOf, optional, refuse } from "../check.js";
import { LlamaEtsError } from "../errors.js";
import { given } from "../given.js";

const REASONING_EFFORTS = ["auto", "off", "low", "high"] as const;
/** How much a model is to think, as far as its chat template can say so. */
export type ReasoningEffort = (typeof REASONING_EFFORTS)[number];

/** How a model's thoughts are asked for and ended; all are optional. */
export interface ReasoningOptions {
  /**
   * `off`: no thoughts, by the template's switch, else closed at once. `low`, `high`: the template's own
   * efforts; without such a switch `low` is a budget of 512 tokens. `auto` (default): as the template
   * thinks by itself.
   */
  effort?: ReasoningEffort;
  /** Tokens of all thoughts of a text, from 0; default: any number, or what `effort` says. */
  budget?: number;
  /**
   * What the budget's end does, and a loop: `close` (default) forces the template's closing tag, and the
   * answer follows; `stop` ends the text, whose `stopReason` is then `length`.
   */
  end?: "close" | "stop";
  /** Whether the command line shows thoughts beside the answer. Default false. */
  show?: boolean;
}

/** A number is a budget, a text an effort. */
export type ReasoningOption = ReasoningOptions | ReasoningEffort | number;

export interface Reasoning {
  effort: ReasoningEffort;
  budget: number | null;
  end: "close" | "stop";
  show: boolean;
}

const MAX_BUDGET = 2 ** 24;
const LOW_BUDGET = 512;

/** Throws `ERR_INVALID_OPTION`. A number may be given as its digits, as the command line has it. */
export function resolveReasoning(option: ReasoningOption): Reasoning {
  const options = toOptions(option);
  checkKeys("reasoning", options, ["effort", "budget", "end", "show"]);
  const { effort = "auto", end = "close", show = false } = options;
  const budget = optional(
    (name, value: number) => checkInteger(name, value, end === "stop" ? 1 : 0, MAX_BUDGET),
    "reasoning.budget",
    options.budget,
  );
  checkOneOf("reasoning.end", end, ["close", "stop"]);
  if (checkOneOf("reasoning.effort", effort, REASONING_EFFORTS) === "off") {
    if (budget === undefined && end === "close") return { effort, budget: 0, end, show };
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      '`reasoning.effort: "off"` leaves no thoughts that a `budget` or `end` could be for',
      { fix: "one of the two" },
    );
  }
  return { effort, budget: budget ?? null, end, show: checkBoolean("reasoning.show", show) };
}

function toOptions(option: ReasoningOption): ReasoningOptions {
  if (typeof option === "number") return { budget: option };
  if (typeof option === "object" && option !== null) return option;
  if (typeof option === "string" && /^\d+$/.test(option)) return { budget: Number(option) };
  if (REASONING_EFFORTS.includes(option)) return { effort: option };
  return refuse("reasoning", `${REASONING_EFFORTS.join(", ")} or a number of tokens`, option);
}

/** What a template may ask its caller for, and what it gets for each effort; undefined: nothing. */
interface Switch {
  name: string;
  /** Whether a template asks for it: others may use the name for something of their own. */
  isAsked(template: string): boolean;
  valueFor(reasoning: Reasoning | null, template: string): unknown;
}

const named = (name: string) => (template: string) =>
  new RegExp(`(?<![\\w.'"])${name}(?![\\w'"])`).test(template);
/** As a variable that may be undefined. */
const tested = (name: string) => (template: string) =>
  new RegExp(`(?<![\\w.'"])${name} is (not )?(un)?defined`).test(template);
const isOn = (reasoning: Reasoning | null) => reasoning !== null && reasoning.effort !== "off";
const effortOf = (reasoning: Reasoning | null) =>
  reasoning?.effort === "low" || reasoning?.effort === "high" ? reasoning.effort : undefined;

/** Words by which templates are told, as their efforts, not to think. */
const NO_EFFORT = ["none", "no_think", "minimal"];

const SWITCHES: readonly Switch[] = [
  // Always given, as transformers' callers do.
  { name: "enable_thinking", isAsked: () => true, valueFor: isOn },
  // DeepSeek, Granite, Kimi.
  {
    name: "thinking",
    isAsked: (template) =>
      tested("thinking")(template) || /\{%-?\s*(el)?if (not )?thinking\s*-?%\}/.test(template),
    valueFor: isOn,
  },
  // gpt-oss, Hunyuan, Solar, Command A. One that doesn't think by itself is given an effort.
  {
    name: "reasoning_effort",
    isAsked: tested("reasoning_effort"),
    valueFor: (reasoning, template) => {
      const none = NO_EFFORT.find((word) => new RegExp(`['"]${word}['"]`).test(template));
      if (!isOn(reasoning)) return none;
      return effortOf(reasoning) ?? (none === "no_think" ? "high" : undefined);
    },
  },
  { name: "thinking_effort", isAsked: tested("thinking_effort"), valueFor: effortOf },
  { name: "reasoning_strength", isAsked: tested("reasoning_strength"), valueFor: effortOf },
  // Seed-OSS.
  {
    name: "thinking_budget",
    isAsked: tested("thinking_budget"),
    valueFor: (reasoning) => {
      if (!isOn(reasoning)) return 0;
      return reasoning?.budget ?? (reasoning?.effort === "low" ? LOW_BUDGET : undefined);
    },
  },
  // MiniMax M3.
  {
    name: "thinking_mode",
    isAsked: tested("thinking_mode"),
    valueFor: (reasoning) => (isOn(reasoning) ? "enabled" : "disabled"),
  },
  // Ling.
  {
    name: "thinking_option",
    isAsked: tested("thinking_option"),
    valueFor: (reasoning) => (isOn(reasoning) ? "on" : "off"),
  },
];

/** The variables that a template gets for reasoning; without any asked for, those of no thoughts. */
export function templateSwitches(
  template: string,
  reasoning: Reasoning | null,
): Record<string, unknown> {
  const values = SWITCHES.filter(({ isAsked }) => isAsked(template)).map(
    ({ name, valueFor }) => [name, valueFor(reasoning, template)] as const,
  );
  return given(Object.fromEntries(values));
}

/** The names of the switches that a template asks for. */
export function switchesIn(template: string): string[] {
  const asked = SWITCHES.filter(({ name, isAsked }) =>
    name === "enable_thinking" ? named(name)(template) : isAsked(template),
  );
  return asked.map(({ name }) => name);
}

/** Whether a template has efforts of its own. */
export function hasEfforts(template: string): boolean {
  return switchesIn(template).some((name) =>
    ["reasoning_effort", "thinking_effort", "reasoning_strength", "thinking_budget"].includes(name),
  );
}

/** What `low` is where a template has no efforts. */
export function withBudget(reasoning: Reasoning, template: string): Reasoning {
  const isLow = reasoning.effort === "low" && reasoning.budget === null && !hasEfforts(template);
  return isLow ? { ...reasoning, budget: LOW_BUDGET } : reasoning;
}
