/** Files that flags name: messages, tools, chat templates, schemas, grammars, choices. */
import { readFileSync, statSync } from "node:fs";
import { codeOf, LlamaEtsError, messageOf, whyUnreadable } from "../engine/errors.js";

/** Far more than any conversation that fits a model's context. */
const MAX_BYTES = 64 << 20;

/** The JSON in a file. Throws `ERR_INVALID_OPTION`, naming the flag. */
export function readJson(flag: string, file: string): unknown {
  try {
    return JSON.parse(readText(flag, file));
  } catch (error) {
    if (error instanceof LlamaEtsError) throw error;
    throw refusal(`${flag}: expected ${file} to hold JSON: ${messageOf(error)}`, error);
  }
}

/** The JSON array in a file. Throws likewise. */
export function readJsonArray<T>(flag: string, file: string): T[] {
  const value = readJson(flag, file);
  if (Array.isArray(value)) return value as T[];
  throw refusal(`${flag}: expected ${file} to hold a JSON array, as OpenAI's requests have`);
}

/** `--chat-template`: what the file of this name holds; without one, it names a template. */
export function chatTemplateOption(given: string): string {
  const isFile = statSync(given, { throwIfNoEntry: false }) !== undefined;
  if (!isFile && !/[/\\]|\.jinja2?$/i.test(given)) return given;
  return readText("--chat-template", given);
}

/** The text in a file, of UTF-8. Throws likewise. */
export function readText(flag: string, file: string): string {
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES) throw refusal(`${flag}: ${file} has ${size} bytes`);
    return new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file));
  } catch (error) {
    if (error instanceof LlamaEtsError) throw error;
    throw refusal(`${flag}: ${file} could not be read: ${whyUnreadable(error)}`, error);
  }
}

function refusal(message: string, cause?: unknown): LlamaEtsError {
  return new LlamaEtsError("ERR_INVALID_OPTION", message, {
    cause,
    ...(codeOf(cause) !== undefined && { fix: "the path of a file that is there" }),
  });
}
