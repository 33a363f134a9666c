/** The schemas of a run directory's `run.json`, `samples.jsonl` and `summary.json` (docs/evaluation.md). */
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
  /** The method's name in the samples and the summary, unique within the run. */
  name: z.string().min(1),
  /** The method that runs, by its name in `ask --method`. */
  method: z.string().min(1),
  /** The options of the method. Options that are left out have their defaults. */
  settings: z.record(z.string(), z.json()),
  /** Why `auto` chose the method, and the evidence for this rule. */
  auto: z.object({ because: z.string(), evidence: z.string() }).exactOptional(),
});

/** `run.json`: everything that the keys of the samples depend on, and the machine that drew them. */
export const runSchema = z.object({
  format: z.literal(RUN_FORMAT),
  task: z.string().min(1),
  /** The module of a custom task, which extracts and grades answers. */
  taskFile: z.object({ path: z.string(), sha256 }).exactOptional(),
  data: z.object({ path: z.string(), sha256 }),
  /** The run covers this many first items of the data. */
  items: count,
  methods: z.array(methodSchema).min(1),
  /** Samples of each item and method. With a total budget it is the maximum. */
  samples: z.int().min(1),
  /**
   * A budget of generated tokens for the whole run. Its methods have equal shares, and the samples of an item
   * vote.
   */
  budget: z.object({ tokens: z.int().min(1) }).exactOptional(),
  /** Seed of the run. The seed of each sample derives from it. */
  seed: count,
  /** How answers were graded. */
  mode: z.enum(GRADING_MODES),
  /** The grader that replaced the task's own: `judge:GGUF`, and the hash of its file. */
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
  /** Start time in ISO 8601. */
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
  /** The sample's key: a hash of everything that determines its distribution and its grade. */
  key: sha256,
  task: z.string(),
  item: z.string(),
  method: z.string(),
  /** Number of the sample of this item and method, from 0. */
  sample: count,
  seed: count,
};

/** The values that may be kept of each token of a text. */
const TOKEN_PARTS = ["tokens", "logprobs", "entropies"] as const;
export type TokenPart = (typeof TOKEN_PARTS)[number];

/** What a sample keeps of each complete text that its method drew. */
export const keptSchema = z.union([
  z.enum(["none", "texts"]),
  z.array(z.enum(TOKEN_PARTS)).min(1).readonly(),
]);
export type Kept = z.infer<typeof keptSchema>;

const tokenValues = z.array(z.number().nullable());

/** The values that `keep` names, for each token of a text including the end token. */
const tokenFields = {
  /**
   * For `tokens`: the ids and the texts of the tokens. Joined, the texts are what the model wrote, including
   * special tokens.
   */
  ids: z.array(count).exactOptional(),
  pieces: z.array(z.string()).exactOptional(),
  /**
   * For `logprobs`: log-probabilities in nats under the reference policy. A value is null if a token budget
   * left it unknown.
   */
  logProbs: tokenValues.exactOptional(),
  /**
   * For `entropies`: entropies in nats of the distributions that the tokens were drawn from. Null as for
   * `logProbs`.
   */
  entropies: tokenValues.exactOptional(),
};

const keptTextSchema = z.object({
  text: z.string(),
  /** Its canonical answer. */
  answer: z.string().nullable(),
  /** Null if the reward votes, because a vote depends on the other texts. */
  reward: z.number().nullable(),
  /** Number of drawn tokens, including the end token. */
  generated: count,
  /** Log-probability under the reference policy, in nats. */
  logProb: z.number(),
  ...tokenFields,
});

/** The result of a run of a method. */
export const drawnSchema = z.object({
  text: z.string(),
  /** The canonical answer that the method uses in votes. */
  answer: z.string().nullable(),
  stopReason: z.string(),
  agreement: share,
  /**
   * Only for rewards that don't vote: the reward of the text (null if it has none), and of the best text
   * seen.
   */
  reward: z.number().nullable().exactOptional(),
  bestReward: z.number().nullable().exactOptional(),
  usage: usageSchema,
  proposalUsage: usageSchema.exactOptional(),
  steps: z.array(stepSchema),
  warnings: z.array(z.string()),
  /** The complete texts that `majority` and `best-of-n` chose from, in the order in which they were drawn. */
  texts: z.array(keptTextSchema).exactOptional(),
  /** Without `texts`: the kept values of the tokens of the text itself. */
  ...tokenFields,
});

/** Why a run failed. */
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
  /** The reason for the grade, if the answer and the gold answer don't show it. */
  reason: z.string().exactOptional(),
  /** How the program ended, if the grader runs code. */
  result: z.string().exactOptional(),
  /** Only for answers that may be partly right: the score, and the scores by category. */
  score: share.exactOptional(),
  categories: z.record(z.string(), share).exactOptional(),
  /** IFEval: a verdict for each instruction. */
  strict: z.array(z.boolean()).exactOptional(),
  loose: z.array(z.boolean()).exactOptional(),
  gradedBy: z.enum(GRADING_MODES),
});

/** A sample whose run failed. Resuming tries it again. */
export const failedSampleSchema = z.object({ ...sampleIdentity, error: failureSchema });

const methodSummarySchema = z.object({
  /** Samples that were graded. */
  n: count,
  /** The share of right samples; null if there are none. */
  accuracy: share.nullable(),
  /** Wilson's 95% interval of the accuracy. */
  ci95: z.tuple([share, share]).nullable(),
  /** Failed samples. They are neither right nor wrong. */
  failed: count,
  /** Only for answers that may be partly right: the mean score over the samples, and the mean by category. */
  score: share.exactOptional(),
  categories: z.record(z.string(), share).exactOptional(),
  /** Mean rewards of the texts and of the best texts seen, over the samples that have a reward. */
  reward: z.number().exactOptional(),
  bestReward: z.number().exactOptional(),
  /**
   * Only with a total budget, where `n` counts items and each item is a vote of its samples: the total number
   * of samples drawn, and the number of settled votes.
   */
  votes: z.object({ samples: count, settled: count }).exactOptional(),
  /** Total tokens over the samples, of the model and of a proposal. */
  generated: count,
  prefilled: count,
  scored: count,
  proposal: z.object({ generated: count, prefilled: count, scored: count }).exactOptional(),
  /** Total wall time of the samples in milliseconds. */
  ms: z.number().min(0),
});

/** `summary.json`. A method without samples is left out. */
const summarySchema = z.object({
  task: z.string(),
  methods: z.record(z.string(), methodSummarySchema),
});

/** `run.json`: what determines the keys of the run's samples, and where they were drawn. */
export type RunRecord = z.infer<typeof runSchema>;
export type MethodRecord = z.infer<typeof methodSchema>;
export type ModelRecord = z.infer<typeof modelSchema>;
/** The result of a run of a method, without its grade. */
export type DrawnText = z.infer<typeof drawnSchema>;
export type KeptText = z.infer<typeof keptTextSchema>;
/** A line of `samples.jsonl`: a text, its verdict and its cost. */
export type GradedSample = z.infer<typeof gradedSampleSchema>;
/** A line of `samples.jsonl` whose run failed. It is neither right nor wrong. */
export type FailedSample = z.infer<typeof failedSampleSchema>;
/** A line of `samples.jsonl`. */
export type Sample = GradedSample | FailedSample;
/** What a method reached in a run. Accuracy and interval are shares from 0 to 1. */
export type MethodSummary = z.infer<typeof methodSummarySchema>;
/** `summary.json`: what each method reached. */
export type Summary = z.infer<typeof summarySchema>;

/** Returns the samples that didn't fail, in their order. */
export function gradedOf(samples: readonly Sample[]): GradedSample[] {
  return samples.flatMap((sample) => (isFailed(sample) ? [] : sample));
}

export function isFailed(sample: Sample): sample is FailedSample {
  return "error" in sample;
}
