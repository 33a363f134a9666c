/** What a prompt may be, and what becomes of it. */
import type { ReadText } from "../literal-text.js";
import type { ThoughtRules } from "../thoughts.js";
import type { ChatMessage, PlainMessage, PlainTool, Tool } from "./messages.js";
import type { ReasoningOption } from "./reasoning.js";
import type { ToolChoice } from "./tool-choice.js";

/** A user's message (or plain text with `raw`), chat messages, or token ids. */
export type Prompt = string | readonly ChatMessage[] | TokenIds;

/** Token ids of the model's vocabulary, each an integer from 0. */
export type TokenIds =
  | readonly number[]
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array;

/** What shapes the text that the model reads for a prompt. */
export interface PromptOptions {
  /** Takes a string prompt as it is, without the chat template. Default false. */
  raw?: boolean;
  /** A system message put before the others. */
  system?: string;
  /**
   * How the model thinks before it answers: `auto`, `off`, `low`, `high`, a budget in tokens, or an
   * object of these. Default: the template's switches are off, and thoughts that come all the same are
   * left to themselves.
   */
  reasoning?: ReasoningOption;
  /** What the model may call, in OpenAI's form; its calls are the result's `toolCalls`. */
  tools?: readonly Tool[];
  /**
   * Restricts the calls of `tools`: `auto`, to their form and to arguments that are valid, from where one
   * begins; `required`, or a function by its name, to calls alone. `none` leaves the tools out of the
   * prompt. Default: nothing is restricted. `docs/constraints.md`.
   */
  toolChoice?: ToolChoice;
  /**
   * In place of the model's chat template: Jinja source, or the name of one of llama.cpp's own, such
   * as `chatml`.
   */
  chatTemplate?: string;
  /**
   * The day, YYYY-MM-DD, that a template which prints today's date takes for today. Default: today;
   * an evaluation keeps the day it was begun on.
   */
  date?: string;
}

/** What a template is given, beside its conversation. */
export interface TemplateSettings {
  /** Jinja source, or one of llama.cpp's names. */
  template: string;
  /** Texts of the vocabulary's tokens; "" without. */
  bos: string;
  eos: string;
  /** Its switches, such as `enable_thinking`. */
  variables: Readonly<Record<string, unknown>>;
  /** The day that it takes for today, YYYY-MM-DD. Default: today. */
  date?: string;
}

export interface Conversation {
  messages: readonly PlainMessage[];
  tools: readonly PlainTool[];
}

/** What a prompt was made of, by which its answers are read. */
export interface Chat extends Conversation {
  settings: TemplateSettings;
  /** What the answer was given to begin with; "" where it begins anew. */
  prefill: string;
}

/** `text` and `specials` are empty for a prompt of token ids. */
export interface EncodedPrompt extends ReadText {
  /** The conversation; null for a raw prompt and for token ids. */
  chat: Chat | null;
  /** How thoughts are told from answers; null: they aren't. */
  thoughts: ThoughtRules | null;
  /** What the template can't do of what was asked for. */
  notes: readonly string[];
}
