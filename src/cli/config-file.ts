/** `--config FILE`: a command's options from a file in YAML. Flags win over it. */
import type { Command, Option } from "commander";
import { codeOf, LlamaEtsError, messageOf, whyUnreadable } from "../engine/errors.js";
import { readTextFile } from "../engine/read-file.js";

/** Adds `--config`. Its file is read before the command's action runs. */
export function addConfigOption(command: Command): Command {
  return command
    .option("--config <file>", "options in YAML, by the names of flags; flags win over it")
    .hook("preAction", async (_, acting) => {
      const { config } = acting.opts<{ config?: string }>();
      if (config !== undefined) applyConfig(acting, config, await readConfig(config));
    });
}

async function readConfig(file: string): Promise<Record<string, unknown>> {
  const { parse } = await import("yaml");
  let value: unknown;
  try {
    value = parse(await readTextFile(file), { maxAliasCount: 100 });
  } catch (error) {
    throw refusal(file, whyUnreadable(error), error);
  }
  if (value === null) return {};
  if (typeof value === "object" && !Array.isArray(value)) return value as Record<string, unknown>;
  throw refusal(file, "expected `name: value` lines");
}

function applyConfig(command: Command, file: string, values: Record<string, unknown>): void {
  const seen = new Set<string>();
  for (const [key, value] of Object.entries(values)) {
    const option = command.options.find(
      (known) => known.long === `--${key}` || known.attributeName() === key,
    );
    if (option === undefined || option.attributeName() === "config") {
      throw refusal(file, `\`${key}\` is no option of ${command.name()}`);
    }
    const name = option.attributeName();
    if (seen.has(name)) throw refusal(file, `\`${key}\` is there twice`);
    seen.add(name);
    const isNegated = option.negate && option.long === `--${key}` && typeof value === "boolean";
    const meant = isNegated ? !value : value;
    const read = readValue(option, meant, (why) => refusal(file, `\`${key}\`: ${why}`));
    if (command.getOptionValueSource(name) === "cli") continue;
    command.setOptionValueWithSource(name, read, "config");
  }
}

/** Reads a value as its flag would be read. A list sets a flag several times. */
function readValue(option: Option, value: unknown, refuse: (why: string) => Error): unknown {
  if (option.isBoolean() || option.negate) {
    if (typeof value === "boolean") return value;
    throw refuse("expected true or false");
  }
  const texts = (Array.isArray(value) ? value : [value]).map((one: unknown) => {
    if (typeof one === "string" || typeof one === "number") return String(one);
    throw refuse("expected a text or a number");
  });
  try {
    let read: unknown;
    for (const text of texts) read = option.parseArg ? option.parseArg(text, read as never) : text;
    if (!Array.isArray(value) || Array.isArray(read)) return read;
  } catch (error) {
    throw error instanceof LlamaEtsError ? error : refuse(messageOf(error));
  }
  throw refuse("expected one value, got a list");
}

function refusal(file: string, what: string, cause?: unknown): LlamaEtsError {
  return new LlamaEtsError("ERR_INVALID_OPTION", `${file}: ${what}`, {
    fix:
      codeOf(cause) === undefined
        ? "the options that --help lists, such as max-tokens: 256"
        : "the path of a YAML file, with lines such as max-tokens: 256",
    ...(cause !== undefined && { cause }),
  });
}
