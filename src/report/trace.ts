/**
 * Traces: every step of one answer, as `ask --trace` writes them. They are checked before use, since they may
 * come from an untrusted source. Unknown fields are ignored.
 */
import { z } from "zod";
import { LlamaEtsError, whyUnreadable } from "../engine/errors.js";
import { readTextFile } from "../engine/read-file.js";
import { parseJson, validate } from "../evaluate/store/checked-json.js";
import { usageSchema } from "../evaluate/store/run-files.js";
import { answerOf, extractAnswer } from "../rewards/answer.js";
import { TRACE_FORMAT } from "./trace-format.js";

/**
 * The maximum size of a trace file in bytes. The longest runs stay far below it, and Node can't hold a much
 * longer string.
 */
const MAX_BYTES = 256 * 2 ** 20;

const count = z.int().min(0);
const share = z.number().min(0).max(1);
/** JSON has no infinity: -Infinity, the logarithm of 0, is written as null. */
const logarithm = z.number().nullable();

const completionSchema = z.object({
  text: z.string(),
  /** The canonical answer; null if the text has none. Older traces lack this field. */
  answer: z.string().nullable().optional(),
  finishReason: z.string().nullable(),
  rollout: count.nullable(),
  votes: z.number().min(0),
  reward: z.number(),
  logRatio: logarithm,
  logWeight: logarithm,
});

const candidateSchema = z.object({
  text: z.string(),
  finishReason: z.string().nullable(),
  potential: z.number().optional(),
  completions: z.array(completionSchema).transform((all) =>
    all.map(({ answer, ...completion }) => ({
      ...completion,
      answer: answer === undefined ? answerOf(completion.text, extractAnswer) : answer,
    })),
  ),
});

const stepSchema = z
  .object({
    candidates: z.array(candidateSchema).min(1),
    logEnergies: z.array(logarithm),
    weights: z.array(share),
    chosen: count,
    ess: z.number().min(0),
    agreement: share,
    rolloutEss: z.number().min(0).optional(),
    khat: z.number().nullable().optional(),
    acceptanceRate: share.optional(),
    logNormaliser: logarithm.optional(),
    generated: count,
    ms: z.number().min(0),
  })
  .refine(({ candidates, chosen }) => chosen < candidates.length, {
    path: ["chosen"],
    message: "expected the index of a candidate",
  })
  .refine(({ candidates, weights }) => weights.length === candidates.length, {
    path: ["weights"],
    message: "expected one for each candidate",
  })
  .refine(({ candidates, logEnergies }) => logEnergies.length === candidates.length, {
    path: ["logEnergies"],
    message: "expected one for each candidate",
  });

const traceSchema = z.object({
  format: z.literal(TRACE_FORMAT),
  method: z.string(),
  /** The question without the model's chat template. Older traces lack this field. */
  question: z.string().optional(),
  prompt: z.object({ text: z.string() }),
  /** The fields from here to `usage` are absent if the run was interrupted. */
  text: z.string().optional(),
  answer: z.string().nullable().optional(),
  agreement: share.optional(),
  /** Older traces lack the fields from here to `evidence`. */
  law: z.string().optional(),
  reward: z.number().nullable().optional(),
  best: z
    .object({
      text: z.string(),
      answer: z.string().nullable(),
      reward: z.number(),
      step: count,
      candidate: count,
      rollout: count.nullable(),
    })
    .nullable()
    .optional(),
  divergence: z.number().min(0).nullable().optional(),
  evidence: z.object({ answers: z.boolean(), rewards: z.boolean() }).optional(),
  usage: usageSchema.extend({ retokenised: z.number().min(0).optional() }).optional(),
  proposalUsage: usageSchema.optional(),
  settings: z.record(z.string(), z.json()).optional(),
  model: z
    .object({ path: z.string(), description: z.string(), parameters: z.number().min(0) })
    .optional(),
  seed: count.optional(),
  stopReason: z.string(),
  steps: z.array(stepSchema),
  warnings: z.array(z.string()).default([]),
  plan: z.record(z.string(), z.json()).optional(),
  versions: z.record(z.string(), z.string()).default({}),
});

/** The content of a trace file, as `ask --trace` writes it. */
export type Trace = z.infer<typeof traceSchema>;
export type TraceStep = Trace["steps"][number];
export type TraceCompletion = TraceStep["candidates"][number]["completions"][number];

const TRACE_FIX = "a file that `llama-ets ask --trace` wrote";

/**
 * Reads a trace file.
 *
 * @throws LlamaEtsError `ERR_INVALID_DATA`, with the file and the field
 */
export async function readTrace(file: string): Promise<Trace> {
  let text: string;
  try {
    text = await readTextFile(file, { maxBytes: MAX_BYTES });
  } catch (error) {
    throw new LlamaEtsError("ERR_INVALID_DATA", `Could not read ${file}: ${whyUnreadable(error)}`, {
      fix: TRACE_FIX,
      cause: error,
    });
  }
  return parseTrace(parseJson(text, file, TRACE_FIX), file);
}

/** Checks a trace. `source` names it in errors. Throws `ERR_INVALID_DATA`. */
export function parseTrace(value: unknown, source: string): Trace {
  const format = (value as { format?: unknown } | null)?.format;
  if (format !== TRACE_FORMAT) {
    const isOther = typeof format === "string" && /^llama-ets-trace\/\d{1,4}$/.test(format);
    throw new LlamaEtsError(
      "ERR_INVALID_DATA",
      `${source}, \`format\`: expected "${TRACE_FORMAT}", got ${isOther ? `"${format}"` : "something else"}`,
      {
        fix: isOther
          ? "the version of llama-ets that wrote it"
          : "a file that `llama-ets ask --trace` wrote",
      },
    );
  }
  return validate(traceSchema, value, source);
}
