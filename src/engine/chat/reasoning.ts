/** The option `reasoning`, and the variables by which chat templates switch thinking on and off. */

import { checkBoolean, checkInteger, checkKeys, checkOneOf, optional, refuse } from "../check.js";
import { LlamaEtsError } from "../errors.js";
import { given } from "../given.js";

const REASONING_EFFORTS = ["auto", "off", "low", "high"] as const;
/** How much a model should think, as far as its chat template can express it. */
export type ReasoningEffort = (typeof REASONING_EFFORTS)[number];

/** How a model's thoughts are requested and ended. */
export interface ReasoningOptions {
  /**
   * `off`: no thoughts, by the template's switch; without a switch, thoughts are closed at once. `low` and
   * `high`: the template's own efforts; without them, `low` is a budget of 512 tokens. `auto` (default):
   * thinking is on, with the template's default effort.
   */
  effort?: ReasoningEffort;
  /** Limit of the tokens of all thoughts of a text, from 0. Default: none, or that of `effort`. */
  budget?: number;
  /**
   * What happens at the end of the budget, or in a loop. `close` (default) forces the template's closing
   * tag, and the answer follows. `stop` ends the text, and its `stopReason` is `length`.
   */
  end?: "close" | "stop";
  /** Whether the command line shows thoughts beside the answer. Default false. */
  show?: boolean;
}

/** A number is a budget, and a text is an effort. */
export type ReasoningOption = ReasoningOptions | ReasoningEffort | number;

/** The option `reasoning`, with all defaults filled in. */
export interface Reasoning {
  effort: ReasoningEffort;
  budget: number | null;
  end: "close" | "stop";
  show: boolean;
}

const MAX_BUDGET = 2 ** 24;
const LOW_BUDGET = 512;

/** Checks the option and fills in defaults. A budget may be a text of digits. Throws `ERR_INVALID_OPTION`. */
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

/** A variable that templates may read for thinking, and its value for an effort; undefined if unset. */
interface Switch {
  name: string;
  /** Whether a template reads the variable. Other templates may use the name for something else. */
  isAsked(template: string): boolean;
  valueFor(reasoning: Reasoning | null, template: string): unknown;
}

const named = (name: string) => (template: string) =>
  new RegExp(`(?<![\\w.'"])${name}(?![\\w'"])`).test(template);
/** Whether a template tests if a variable of this name is defined. */
const tested = (name: string) => (template: string) =>
  new RegExp(`(?<![\\w.'"])${name} is (not )?(un)?defined`).test(template);
const isOn = (reasoning: Reasoning | null) => reasoning !== null && reasoning.effort !== "off";
const effortOf = (reasoning: Reasoning | null) =>
  reasoning?.effort === "low" || reasoning?.effort === "high" ? reasoning.effort : undefined;

/** Efforts that mean no thinking in some templates. */
const NO_EFFORT = ["none", "no_think", "minimal"];

const SWITCHES: readonly Switch[] = [
  // Callers of transformers always set this one.
  { name: "enable_thinking", isAsked: () => true, valueFor: isOn },
  // DeepSeek, Granite, Kimi.
  {
    name: "thinking",
    isAsked: (template) =>
      tested("thinking")(template) || /\{%-?\s*(el)?if (not )?thinking\s*-?%\}/.test(template),
    valueFor: isOn,
  },
  // gpt-oss, Hunyuan, Solar, Command A. A template that doesn't think by default gets an effort.
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

/** The variables that a template gets for thinking. Without the option `reasoning`, they switch it off. */
export function templateSwitches(
  template: string,
  reasoning: Reasoning | null,
): Record<string, unknown> {
  const values = SWITCHES.filter(({ isAsked }) => isAsked(template)).map(
    ({ name, valueFor }) => [name, valueFor(reasoning, template)] as const,
  );
  return given(Object.fromEntries(values));
}

/** The names of the switches that a template reads. */
export function switchesIn(template: string): string[] {
  const asked = SWITCHES.filter(({ name, isAsked }) =>
    name === "enable_thinking" ? named(name)(template) : isAsked(template),
  );
  return asked.map(({ name }) => name);
}

/** Whether a template supports efforts. */
export function hasEfforts(template: string): boolean {
  return switchesIn(template).some((name) =>
    ["reasoning_effort", "thinking_effort", "reasoning_strength", "thinking_budget"].includes(name),
  );
}

/** Gives the effort `low` a budget if the template doesn't support efforts. */
export function withBudget(reasoning: Reasoning, template: string): Reasoning {
  const isLow = reasoning.effort === "low" && reasoning.budget === null && !hasEfforts(template);
  return isLow ? { ...reasoning, budget: LOW_BUDGET } : reasoning;
}
