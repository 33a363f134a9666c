/** The options that all methods share by name, with their flags. */
import { given } from "../../engine/given.js";
import type { CommonOptions } from "./common.js";
import { DIFFUSION_FLAGS } from "./diffusion.js";
import type { Flag, OptionSpec } from "./option.js";

const number = (path: string, flags: string, help: string): Flag => {
  return { path, flags, help, kind: "number" };
};
const text = (path: string, flags: string, help: string): Flag => {
  return { path, flags, help, kind: "text" };
};
const toggle = (path: string, flags: string, help: string): Flag => {
  return { path, flags, help, kind: "switch" };
};
const forPrograms: OptionSpec = { flags: [] };

/** The options of guided runs, of which each method uses some. */
export const GUIDANCE_OPTIONS = {
  candidates: {
    flags: [
      number("candidates", "-M, --candidates <n>", "candidates drawn at each step (default: 8)"),
    ],
    letter: "M",
  },
  rollouts: {
    flags: [number("rollouts", "-K, --rollouts <n>", "rollouts for each candidate (default: 1)")],
    letter: "K",
  },
  steps: {
    flags: [
      number(
        "steps",
        "-I, --steps <n>",
        "guidance steps of the longest text: blocks of max-tokens / n; prefer -B",
      ),
    ],
    letter: "I",
  },
  blockTokens: {
    flags: [
      number(
        "blockTokens",
        "-B, --block-tokens <n>",
        "tokens of a guidance step, a quarter of an answer (default: 64; bundled models: 16)",
      ),
    ],
    letter: "B",
  },
  block: {
    flags: [
      text(
        "block",
        "--block <end>",
        "end a step at -B tokens, or before at a line, sentence or entropy (default: tokens)",
      ),
    ],
  },
  lambda: {
    flags: [number("lambda", "--lambda <x>", "λ of the target p·exp(reward/λ) (default: 0.1)")],
  },
  /** Its flag names a reward, and the commands handle it themselves. */
  reward: forPrograms,
  finish: {
    flags: [
      text(
        "finish",
        "--finish <how>",
        "chain; resample among the last rollouts (ets); best text seen (default: chain)",
      ),
    ],
  },
  adaptive: {
    flags: [
      toggle(
        "adaptive",
        "--adaptive",
        "draw until the vote is settled, in one step of at most 32 candidates",
      ),
    ],
  },
} as const satisfies Record<string, OptionSpec>;

export type GuidanceOption = keyof typeof GUIDANCE_OPTIONS;

/** The options that mean the same to every method. */
export const COMMON_OPTIONS = {
  maxTokens: {
    flags: [
      number(
        "maxTokens",
        "--max-tokens <n>",
        "longest answer (default: 512, or what the context leaves)",
      ),
    ],
  },
  temperature: {
    flags: [
      number("temperature", "--temperature <x>", "0 is greedy (default: 0.7); beam, power: 1"),
    ],
  },
  topK: { flags: [number("topK", "--top-k <n>", "keep the n most probable tokens")] },
  topP: { flags: [number("topP", "--top-p <x>", "keep the most probable tokens, up to this sum")] },
  minP: {
    flags: [
      number("minP", "--min-p <x>", "drop tokens below this share of the most probable one's"),
    ],
  },
  allowedTokens: forPrograms,
  constraint: {
    flags: [
      {
        path: "constraint",
        flags: "--constraint <kind:value>",
        help: "what answers must be: json:FILE, regex:…, grammar:FILE, choices:a,b (or a file), words:12, lines:3",
        kind: "constraint",
      },
    ],
  },
  constraintLaw: {
    flags: [
      text(
        "constraintLaw",
        "--constraint-law <law>",
        "masked, token by token, or conditioned, by weights (default: conditioned where a method has weights)",
      ),
    ],
  },
  close: {
    flags: [
      toggle("close", "--close", "close answers that are cut off, as their constraint allows"),
    ],
  },
  stop: {
    flags: [
      {
        path: "stop",
        flags: "--stop <text>",
        help: "end the answer before this text; may be given several times",
        kind: "texts",
      },
    ],
  },
  system: { flags: [text("system", "--system <text>", "system message")] },
  raw: {
    flags: [toggle("raw", "--raw", "no chat template: the prompt is the text to continue")],
  },
  reasoning: {
    flags: [
      text(
        "reasoning",
        "--reasoning <how>",
        "auto, off, low, high, or at most this many tokens of thoughts (default: the template's switch off)",
      ),
    ],
  },
  chatTemplate: {
    flags: [
      {
        path: "chatTemplate",
        flags: "--chat-template <template>",
        help: "Jinja file, or llama.cpp's name of one, such as chatml (default: the model's)",
        kind: "template",
      },
    ],
  },
  date: {
    flags: [
      text(
        "date",
        "--date <day>",
        "the day, YYYY-MM-DD, that a template which prints the date takes for today",
      ),
    ],
  },
  /** Their flags name a file and a function, and the command handles them itself. */
  tools: forPrograms,
  toolChoice: forPrograms,
  preset: {
    flags: [
      text("preset", "--preset <name>", "paper: its settings for the task, for what is not given"),
    ],
  },
  budget: {
    flags: [
      number(
        "budget.tokens",
        "--budget-tokens <n>",
        "end with the best answer after this many tokens",
      ),
      number("budget.ms", "--budget-ms <n>", "end with the best answer after this time"),
    ],
  },
  diffusion: { flags: DIFFUSION_FLAGS },
  metrics: forPrograms,
  /** The commands handle its flag themselves, because an evaluation derives its seeds from it. */
  seed: forPrograms,
  extract: forPrograms,
  voteFields: {
    flags: [
      {
        path: "voteFields",
        flags: "--vote-field <path>",
        help: "vote on this part of JSON or of a call, such as city or arguments.city; may be given several times",
        kind: "texts",
      },
    ],
  },
  voteExcept: {
    flags: [
      {
        path: "voteExcept",
        flags: "--vote-except <path>",
        help: "leave this part of JSON or of a call out of votes; may be given several times",
        kind: "texts",
      },
    ],
  },
  shortcuts: forPrograms,
  prefixCache: {
    flags: [
      toggle(
        "prefixCache",
        "--prefix-cache",
        "keep what was read of prompts for later samples; results may differ by rounding",
      ),
    ],
  },
  signal: forPrograms,
  onPlan: forPrograms,
  onStep: forPrograms,
  onText: forPrograms,
  onWarning: forPrograms,
  onProgress: forPrograms,
} as const satisfies Record<string, OptionSpec>;

/** The options with defaults for those not given. A given `steps` or `blockTokens` replaces the other. */
export function withDefaults<T extends CommonOptions>(defaults: CommonOptions, options: T): T {
  const own = given(options) as T;
  if (!("steps" in own) && !("blockTokens" in own)) return { ...defaults, ...own };
  const { steps: _, blockTokens: __, ...rest } = defaults;
  return { ...rest, ...own };
}
