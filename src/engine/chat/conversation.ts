/** The types of prompts, of their options, and of encoded prompts. */
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

/** Options for the text that the model reads for a prompt. */
export interface PromptOptions {
  /** Whether a string prompt is used unchanged, without the chat template. Default false. */
  raw?: boolean;
  /** A system message, which is put before all other messages. */
  system?: string;
  /**
   * How the model thinks before it answers: `auto`, `off`, `low`, `high`, a budget in tokens, or an
   * object with these. Default: the template's switches for thinking are off, and thoughts of a model
   * that thinks anyway have no limit.
   */
  reasoning?: ReasoningOption;
  /** Tools that the model may call, in OpenAI's form. The result's `toolCalls` are its calls. */
  tools?: readonly Tool[];
  /**
   * Restricts the calls of `tools`. With `auto`, calls have the right form and valid arguments, and other
   * text is free. With `required`, or a function's name, the answer consists of calls. `none` leaves the
   * tools out of the prompt. Default: nothing is restricted. See docs/constraints.md.
   */
  toolChoice?: ToolChoice;
  /**
   * Replaces the model's chat template: Jinja source, or the name of one of llama.cpp's own templates,
   * such as `chatml`.
   */
  chatTemplate?: string;
  /**
   * The day, YYYY-MM-DD, that templates print as today's date. Default: today. An evaluation keeps the
   * day on which it began.
   */
  date?: string;
}

/** A template and its variables, other than the conversation. */
export interface TemplateSettings {
  /** Jinja source, or the name of one of llama.cpp's templates. */
  template: string;
  /** Texts of the vocabulary's BOS and EOS tokens; "" if it has none. */
  bos: string;
  eos: string;
  /** Values of the template's switches, such as `enable_thinking`. */
  variables: Readonly<Record<string, unknown>>;
  /** The day that the template uses as today, YYYY-MM-DD. Default: today. */
  date?: string;
}

/** The messages and the tools of a prompt. */
export interface Conversation {
  messages: readonly PlainMessage[];
  tools: readonly PlainTool[];
}

/** The conversation and template of a prompt, which are needed to parse its answers. */
export interface Chat extends Conversation {
  settings: TemplateSettings;
  /** The given beginning of the answer; "" if there is none. */
  prefill: string;
}

/** `text` and `specials` are empty for a prompt of token ids. */
export interface EncodedPrompt extends ReadText {
  /** The conversation; null for a raw prompt and for token ids. */
  chat: Chat | null;
  /** How thoughts are recognized in answers; null if answers have none. */
  thoughts: ThoughtRules | null;
  /** Notes for the user about requested features that the template lacks. */
  notes: readonly string[];
}
