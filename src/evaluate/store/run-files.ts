/**
 * What a run directory holds: `run.json`, `samples.jsonl` and `summary.json` (docs/evaluation.md).
 */
import { z } from "zod";
import { GRADING_MODES } from "../../tasks/task.js";

export const RUN_FORMAT = "llama-ets-run/1";

export const RUN_FILE = "run.json";
export const SAMPLES_FILE = "samples.jsonl";
export const SUMMARY_FILE = "summary.json";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected a SHA-256 in hexadecimal");
const count = z.int().min(0);
const share = z.number().min(0).max(1);

const modelSchema = z.object({
  path: z.string(),
  sha256,
  description: z.string(),
  parameters: count,
});

const methodSchema = z.object({
  /** The samples and the summary call it so; it is unique within the run. */
  name: z.string().min(1),
  /** The method it runs, as `ask --method` names it. */
  method: z.string().min(1),
  /** The options it was given; those left out have their defaults. */
  settings: z.record(z.string(), z.json()),
  /** Why `auto` chose the method, and what the rule stands on. */
  auto: z.object({ because: z.string(), evidence: z.string() }).exactOptional(),
});

/** `run.json`: all that the samples' keys rest on, and where they were drawn. */
export const runSchema = z.object({
  format: z.literal(RUN_FORMAT),
  task: z.string().min(1),
  /** A task of one's own: the module that answers are found and graded by. */
  taskFile: z.object({ path: z.string(), sha256 }).exactOptional(),
  data: z.object({ path: z.string(), sha256 }),
  /** The run covers this many items of the data, the first ones. */
  items: count,
  methods: z.array(methodSchema).min(1),
  /** Samples of each item and method; with a total budget the most of them. */
  samples: z.int().min(1),
  /** A budget of generated tokens for the whole run: its methods have equal shares, and its items vote. */
  budget: z.object({ tokens: z.int().min(1) }).exactOptional(),
  /** Seed of the run; each sample's own derives from it. */
  seed: count,
  /** How answers were graded. */
  mode: z.enum(GRADING_MODES),
  /** What graded in the place of the task's own grader: `judge:GGUF`, and the file. */
  grader: z.object({ path: z.string(), sha256 }).exactOptional(),
  /** The prompts' form. */
  form: z.string(),
  model: modelSchema,
  /** ETS-IS: the model that draws the rollouts. */
  proposal: modelSchema.exactOptional(),
  versions: z.object({ llamaEts: z.string(), llamaCpp: z.string(), node: z.string() }),
  machine: z.object({
    cpu: z.string(),
    cores: z.int().min(1),
    /** The machine's memory in bytes. */
    memory: count,
    gpu: z.union([z.string(), z.literal(false)]),
  }),
  /** ISO 8601. */
  startedAt: z.iso.datetime(),
});

export const usageSchema = z.object({
  prefilled: count,
  generated: count,
  decoded: count,
  scored: count,
  /** Wall time in milliseconds. */
  ms: z.number().min(0),
});

const stepSchema = z.object({
  /** The effective sample size of the candidates' weights. */
  ess: z.number().min(0),
  /** ETS-IS: the effective sample size of the rollouts' importance weights. */
  rolloutEss: z.number().min(0).exactOptional(),
  /** ETS-IS: the Pareto shape of the importance weights; null when there are too few. */
  khat: z.number().nullable().exactOptional(),
  agreement: share,
});

const sampleIdentity = {
  /** Names the sample: a hash of everything that decides its law and its grade. */
  key: sha256,
  task: z.string(),
  item: z.string(),
  method: z.string(),
  /** Number of the sample of this item and method, from 0. */
  sample: count,
  seed: count,
};

/** What may be kept of each token of a text. */
const TOKEN_PARTS = ["tokens", "logprobs", "entropies"] as const;
export type TokenPart = (typeof TOKEN_PARTS)[number];

/** What a sample keeps of each whole text that its method drew. */
export const keptSchema = z.union([
  z.enum(["none", "texts"]),
  z.array(z.enum(TOKEN_PARTS)).min(1).readonly(),
]);
export type Kept = z.infer<typeof keptSchema>;

const tokenValues = z.array(z.number().nullable());

/** What `keep` names of each token of a text, its end token included. */
const tokenFields = {
  /** `tokens`: ids and texts, which together are what the model wrote, special tokens written out. */
  ids: z.array(count).exactOptional(),
  pieces: z.array(z.string()).exactOptional(),
  /** `logprobs`: in nats, under the reference policy; null where a budget left it unknown. */
  logProbs: tokenValues.exactOptional(),
  /** `entropies`: of the distributions that the tokens were drawn from, in nats; null likewise. */
  entropies: tokenValues.exactOptional(),
};

const keptTextSchema = z.object({
  text: z.string(),
  /** Its canonical answer. */
  answer: z.string().nullable(),
  /** Null where the reward votes, as that hangs on the other texts. */
  reward: z.number().nullable(),
  /** Tokens drawn, its end token included. */
  generated: count,
  /** Under the reference policy, in nats. */
  logProb: z.number(),
  ...tokenFields,
});

/** What a run of a method gave. */
export const drawnSchema = z.object({
  text: z.string(),
  /** The method's own canonical answer, which it votes by. */
  answer: z.string().nullable(),
  stopReason: z.string(),
  agreement: share,
  /** Where the reward doesn't vote: the text's, null where it has none, and that of the best seen. */
  reward: z.number().nullable().exactOptional(),
  bestReward: z.number().nullable().exactOptional(),
  usage: usageSchema,
  proposalUsage: usageSchema.exactOptional(),
  steps: z.array(stepSchema),
  warnings: z.array(z.string()),
  /** The whole texts that `majority` and `best-of-n` chose from, in the order of their drawing. */
  texts: z.array(keptTextSchema).exactOptional(),
  /** Where there are none: what is kept of the tokens of the text itself. */
  ...tokenFields,
});

/** Why a run gave nothing. */
export const failureSchema = z.object({ code: z.string(), message: z.string() });

/** A sample that was drawn and graded. */
export const gradedSampleSchema = z.object({
  ...sampleIdentity,
  gold: z.string(),
  ...drawnSchema.shape,
  texts: z.array(keptTextSchema.extend({ correct: z.boolean() })).exactOptional(),
  /** The answer that was graded. */
  extracted: z.string().nullable(),
  correct: z.boolean(),
  /** Why it was graded so, where the answer and the gold don't tell. */
  reason: z.string().exactOptional(),
  /** How the program ended, where the grader runs code. */
  result: z.string().exactOptional(),
  /** Where an answer may be right in part: its score, and those of its parts. */
  score: share.exactOptional(),
  categories: z.record(z.string(), share).exactOptional(),
  /** IFEval: a verdict for each instruction. */
  strict: z.array(z.boolean()).exactOptional(),
  loose: z.array(z.boolean()).exactOptional(),
  gradedBy: z.enum(GRADING_MODES),
});

/** A sample whose run failed; resuming tries it again. */
export const failedSampleSchema = z.object({ ...sampleIdentity, error: failureSchema });

const methodSummarySchema = z.object({
  /** Samples that were graded. */
  n: count,
  /** The share of them that is right; null where there is none. */
  accuracy: share.nullable(),
  /** Wilson's 95% interval of the accuracy. */
  ci95: z.tuple([share, share]).nullable(),
  /** Samples that failed: they are neither right nor wrong. */
  failed: count,
  /** Means over the samples, where answers may be right in part, and by what the parts are of. */
  score: share.exactOptional(),
  categories: z.record(z.string(), share).exactOptional(),
  /** Means over the samples that have one: of the texts' rewards, and of the best texts seen. */
  reward: z.number().exactOptional(),
  bestReward: z.number().exactOptional(),
  /**
   * With a total budget `n` are items, each a vote of its samples: these were drawn of them in all, and so
   * many of the votes are settled.
   */
  votes: z.object({ samples: count, settled: count }).exactOptional(),
  /** Totals over the samples: tokens of the model, and of a proposal. */
  generated: count,
  prefilled: count,
  scored: count,
  proposal: z.object({ generated: count, prefilled: count, scored: count }).exactOptional(),
  /** Wall time of the samples in milliseconds, summed. */
  ms: z.number().min(0),
});

/** `summary.json`; a method that has no sample yet is left out. */
const summarySchema = z.object({
  task: z.string(),
  methods: z.record(z.string(), methodSummarySchema),
});

/** `run.json`: what the run is of, by which its samples are keyed. */
export type RunRecord = z.infer<typeof runSchema>;
export type MethodRecord = z.infer<typeof methodSchema>;
export type ModelRecord = z.infer<typeof modelSchema>;
/** What a run of a method gave, but for its grade. */
export type DrawnText = z.infer<typeof drawnSchema>;
export type KeptText = z.infer<typeof keptTextSchema>;
/** A line of `samples.jsonl`: a text, its verdict and what it cost. */
export type GradedSample = z.infer<typeof gradedSampleSchema>;
/** A line of `samples.jsonl` whose run failed: it is neither right nor wrong. */
export type FailedSample = z.infer<typeof failedSampleSchema>;
/** A line of `samples.jsonl`. */
export type Sample = GradedSample | FailedSample;
/** What a method reached in a run. Accuracy and interval are shares from 0 to 1. */
export type MethodSummary = z.infer<typeof methodSummarySchema>;
/** `summary.json`: what each method reached. */
export type Summary = z.infer<typeof summarySchema>;

/** The samples that didn't fail, in their order. */
export function gradedOf(samples: readonly Sample[]): GradedSample[] {
  return samples.flatMap((sample) => (isFailed(sample) ? [] : sample));
}

export function isFailed(sample: Sample): sample is FailedSample {
  return "error" in sample;
}
