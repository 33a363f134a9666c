/** Reads the prompt of `ask`: a question or a conversation. */
import { text as readAll } from "node:stream/consumers";
import { type ChatMessage, readMessages } from "../../engine/chat/messages.js";
import { LlamaEtsError } from "../../engine/errors.js";
import type { Task, TaskPrompt } from "../../tasks/task.js";
import type { MethodFlags } from "../method-flags.js";
import { readJsonArray } from "../prompt-files.js";

const EXAMPLE = 'llama-ets ask "Sam has 12 apples and eats 5. How many are left?"';

export interface AskedPrompt extends Pick<TaskPrompt, "prompt" | "stop" | "raw"> {
  /** The question that reports show. */
  question: string;
}

/**
 * Returns the prompt for the model: the question, with a preset the question within the task's few-shot text,
 * or a conversation. Reports show the last question of a conversation.
 */
export async function readAsked(
  given: string | undefined,
  { preset, messages: file }: Pick<MethodFlags, "preset"> & { messages?: string },
  task: Task | undefined,
  isRaw: boolean,
): Promise<AskedPrompt> {
  if (file !== undefined) {
    if (given !== undefined || preset !== undefined) {
      const other = given === undefined ? "a --preset, which asks one question" : "a question";
      throw new LlamaEtsError("ERR_INVALID_OPTION", `Expected --messages or ${other}, got both`);
    }
    const messages = readJsonArray<ChatMessage>("--messages", file);
    const [last] = readMessages(messages)
      .filter(({ role }) => role === "user")
      .slice(-1);
    return { prompt: messages, question: last?.content ?? "", stop: [], raw: false };
  }
  const question = await readPrompt(given, isRaw);
  // The engine checks whether a raw prompt is empty, since it may add a first token.
  if (!isRaw && question.trim() === "") {
    const message = "Expected `prompt` to hold text, got nothing";
    throw new LlamaEtsError("ERR_INVALID_OPTION", message, { fix: EXAMPLE });
  }
  if (task === undefined || preset === undefined) {
    return { prompt: question, question, stop: [], raw: false };
  }
  return { ...task.prompt({ id: "asked", prompt: question, gold: "" }, "paper"), question };
}

/** A raw prompt keeps every byte of standard input. */
async function readPrompt(prompt: string | undefined, isRaw: boolean): Promise<string> {
  if (prompt !== undefined && prompt !== "-") return prompt;
  if (prompt === undefined && process.stdin.isTTY) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected a question, got none", {
      fix: EXAMPLE,
    });
  }
  const text = await readAll(process.stdin);
  return isRaw ? text : text.trim();
}
