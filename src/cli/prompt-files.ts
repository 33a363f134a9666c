/** Reads files that flags name: messages, tools, chat templates, schemas, grammars, choices. */
import { statSync } from "node:fs";
import { codeOf, LlamaEtsError, messageOf, whyUnreadable } from "../engine/errors.js";
import { readBytesNow } from "../engine/read-file.js";

/** Reads the JSON in a file. Throws `ERR_INVALID_OPTION`, which names the flag. */
export function readJson(flag: string, file: string): unknown {
  try {
    return JSON.parse(readText(flag, file));
  } catch (error) {
    if (error instanceof LlamaEtsError) throw error;
    throw refusal(`${flag}: expected ${file} to hold JSON: ${messageOf(error)}`, error);
  }
}

/** Reads the JSON array in a file. Throws as `readJson`. */
export function readJsonArray<T>(flag: string, file: string): T[] {
  const value = readJson(flag, file);
  if (Array.isArray(value)) return value as T[];
  throw refusal(`${flag}: expected ${file} to hold a JSON array, as OpenAI's requests have`);
}

/**
 * Parses `--chat-template`: returns the content of the file. If there is no such file, the text is a
 * template's name.
 */
export function chatTemplateOption(given: string): string {
  const isFile = statSync(given, { throwIfNoEntry: false }) !== undefined;
  if (!isFile && !/[/\\]|\.jinja2?$/i.test(given)) return given;
  return readText("--chat-template", given);
}

/** Reads a UTF-8 file. Throws as `readJson`. */
export function readText(flag: string, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(readBytesNow(file));
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
