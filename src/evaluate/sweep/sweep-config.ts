/** Reads the file of a sweep: tasks × models × seeds, and methods whose options may be lists. */
import { z } from "zod";
import { LlamaEtsError, messageOf } from "../../engine/errors.js";
import { METHOD_NAMES, type MethodName } from "../../methods/registry.js";
import { GRADING_MODES, PROMPT_FORMS } from "../../tasks/task.js";
import {
  checkMethods,
  type EvaluatedMethod,
  type EvaluatedOptions,
} from "../configured-methods.js";
import { validate } from "../store/checked-json.js";

/** The maximum number of settings, and of runs, so that a typing error can't ask for a million. */
const MAX_SETTINGS = 1000;
const MAX_RUNS = 1000;

const oneOrMore = <T extends z.ZodType>(schema: T) =>
  z.union([schema, z.array(schema).min(1)]).transform((value) => [value].flat() as z.infer<T>[]);

const name = z.string().min(1);
const scalar = z.union([z.string(), z.number(), z.boolean()]);
const taskSchema = z.union([
  name.transform((task) => ({ task })),
  z.strictObject({ task: name, data: name.exactOptional() }),
]);

const methodName = z.enum([...METHOD_NAMES, "auto"]);

const sweepSchema = z.strictObject({
  tasks: oneOrMore(taskSchema),
  models: oneOrMore(name).exactOptional(),
  proposal: name.exactOptional(),
  /** Common options of all methods. */
  options: z.record(name, z.json()).default({}),
  /** An option that is a list makes one setting for each of its values. */
  methods: z
    .array(
      z.union([
        methodName.transform((method) => ({ method })),
        z.looseObject({ method: methodName }).catchall(z.union([scalar, z.array(scalar)])),
      ]),
    )
    .min(1),
  seeds: oneOrMore(z.int().min(0)).default([0]),
  limit: z.int().min(1).exactOptional(),
  samples: z.int().min(1).exactOptional(),
  budgetTokensTotal: z.int().min(1).exactOptional(),
  reward: name.exactOptional(),
  mode: z.enum(GRADING_MODES).exactOptional(),
  form: z.enum(PROMPT_FORMS).exactOptional(),
  concurrency: z.int().min(1).exactOptional(),
  out: name.exactOptional(),
});

/** One setting of a method in the grid. */
export interface SweepMethod extends EvaluatedMethod {
  /** The options that the grid varies, by name. */
  varied: Record<string, string | number | boolean>;
}

export interface SweepConfig extends Omit<z.infer<typeof sweepSchema>, "methods" | "options"> {
  methods: SweepMethod[];
  options: EvaluatedOptions;
}

/**
 * Reads a sweep from YAML (or JSON, which is YAML). Unknown fields, methods and options are refused.
 * Throws `ERR_INVALID_OPTION`, `ERR_INVALID_DATA`.
 */
export async function parseSweep(text: string, where: string): Promise<SweepConfig> {
  const { parse } = await import("yaml");
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 100 });
  } catch (error) {
    throw new LlamaEtsError("ERR_INVALID_DATA", `${where}: ${messageOf(error)}`, { cause: error });
  }
  const config = validate(sweepSchema, value, where);
  // The settings are counted before they are created, because there could be too many.
  const settings = config.methods.reduce((sum, method) => sum + sizeOf(method), 0);
  refuseMany(where, "settings", settings, MAX_SETTINGS);
  const methods = config.methods.flatMap(expand);
  const options = config.options as EvaluatedOptions;
  checkMethods(methods.map(toEvaluated), options);
  const { tasks, models, seeds } = config;
  const distinct = {
    tasks: [...new Map(tasks.map((task) => [JSON.stringify(task), task])).values()],
    ...(models && { models: [...new Set(models)] }),
    seeds: [...new Set(seeds)],
  };
  const runs = distinct.tasks.length * (distinct.models?.length ?? 1) * distinct.seeds.length;
  refuseMany(where, "runs (tasks × models × seeds)", runs, MAX_RUNS);
  return { ...config, ...distinct, methods, options };
}

function refuseMany(where: string, what: string, count: number, most: number): void {
  if (count <= most) return;
  const message = `${where} asks for ${count} ${what}; expected at most ${most}`;
  throw new LlamaEtsError("ERR_INVALID_OPTION", message);
}

/** Returns the number of settings of a method: one for each combination of the values of its lists. */
function sizeOf(method: object): number {
  const lists = Object.values(method).filter((value) => Array.isArray(value));
  return lists.reduce((product, values) => product * new Set(values).size, 1);
}

export function toEvaluated({ name, method, options }: SweepMethod): EvaluatedMethod {
  return { name, method, ...(options && { options }) };
}

/** Returns the settings of a method: one for each combination of the values of its lists. */
function expand({
  method,
  ...options
}: {
  method: MethodName | "auto";
  [option: string]: unknown;
}): SweepMethod[] {
  const entries = Object.entries(options);
  const grid = entries
    .filter((entry): entry is [string, (string | number | boolean)[]] => Array.isArray(entry[1]))
    .map(([option, values]) => [option, [...new Set(values)]] as const);
  const fixed = Object.fromEntries(entries.filter(([, value]) => !Array.isArray(value)));
  let combinations: SweepMethod["varied"][] = [{}];
  for (const [option, values] of grid) {
    combinations = combinations.flatMap((varied) =>
      values.map((value) => ({ ...varied, [option]: value })),
    );
  }
  return combinations.map((varied) => ({
    name: [method, ...Object.entries(varied).map(([option, value]) => `${option}=${value}`)].join(
      ":",
    ),
    method,
    options: { ...fixed, ...varied } as EvaluatedOptions,
    varied,
  }));
}
