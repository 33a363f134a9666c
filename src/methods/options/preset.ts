/**
 * Settings of the paper (arXiv 2601.21484), by task and family of models: `preset: { name: "paper" }`.
 * They reproduce the published code, but with correct importance ratios: votes pooled over all steps, three
 * rollouts per candidate, log ratios clipped to ±10. The tasks have its few-shot prompts
 * (`task.prompt(item, "paper")`).
 */
import { checkKeys, checkOneOf } from "../../engine/check.js";
import type { Model } from "../../engine/engine.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { selfConsistency } from "../../rewards/self-consistency.js";
import { type CommonOptions, FAMILIES, type ModelFamily, type PresetOptions } from "./common.js";
import { withDefaults } from "./common-specs.js";
import type { ProposalOptions } from "./proposal.js";

const PAPER_TASKS = ["math500", "gsm8k", "gpqa", "humaneval"] as const;
type PaperTask = (typeof PAPER_TASKS)[number];

/** Tasks that use the settings of another task. */
const SAME_SETTINGS: Readonly<Record<string, PaperTask>> = { "mini-gsm": "gsm8k" };

/** M, K, B (a diffusion model: I) and T. */
type Guided = readonly [candidates: number, rollouts: number, cut: number, temperature: number];
/** M and T. */
type Voted = readonly [candidates: number, temperature: number];
type ByTask<T> = Readonly<Record<PaperTask, T>>;

const ETS: Readonly<Record<ModelFamily, ByTask<Guided>>> = {
  "qwen3-1.7b": {
    math500: [15, 3, 64, 0.7],
    gsm8k: [15, 3, 64, 1.5],
    gpqa: [5, 3, 64, 1.5],
    humaneval: [10, 10, 64, 0.25],
  },
  "qwen3-8b": {
    math500: [10, 3, 64, 0.7],
    gsm8k: [15, 3, 128, 1.5],
    gpqa: [15, 3, 64, 0.25],
    humaneval: [20, 3, 64, 0.25],
  },
  "llada-8b": {
    math500: [15, 1, 4, 0.5],
    gsm8k: [10, 1, 4, 1],
    gpqa: [5, 3, 4, 0.5],
    humaneval: [5, 3, 8, 0.25],
  },
};

/** For Qwen3-8B with Qwen3-1.7B as its proposal. */
const ETS_IS: ByTask<Guided> = {
  math500: [15, 3, 128, 0.7],
  gsm8k: [15, 3, 128, 1.5],
  gpqa: [15, 3, 64, 0.25],
  humaneval: [10, 3, 64, 0.25],
};
const ETS_IS_DIFFUSION: ByTask<Guided> = { ...ETS["llada-8b"], math500: [5, 3, 8, 0.5] };

const BEST_OF_N: Readonly<Record<Exclude<ModelFamily, "llada-8b">, ByTask<Voted>>> = {
  "qwen3-1.7b": { math500: [50, 0.7], gsm8k: [20, 1.5], gpqa: [30, 0.5], humaneval: [50, 0.25] },
  "qwen3-8b": { math500: [50, 0.7], gsm8k: [30, 1.5], gpqa: [30, 1.5], humaneval: [50, 0.25] },
};

/** Length and block of a diffusion model's answer. */
const DENOISED: ByTask<readonly [length: number, block: number]> = {
  math500: [256, 32],
  gsm8k: [256, 8],
  gpqa: [64, 8],
  humaneval: [512, 32],
};

/** Throws `ERR_INVALID_OPTION`. */
export function checkPreset(preset: PresetOptions): { task: PaperTask } {
  checkKeys("preset", preset, ["name", "task", "family"]);
  checkOneOf("preset.name", preset.name, ["paper"]);
  if (preset.family !== undefined) checkOneOf("preset.family", preset.family, FAMILIES);
  const task = SAME_SETTINGS[preset.task] ?? preset.task;
  return { task: checkOneOf("preset.task", task, PAPER_TASKS) as PaperTask };
}

/** The options, with those of their preset for what is not given. Throws `ERR_INVALID_OPTION`. */
export function withPreset<T extends CommonOptions>(
  method: string,
  options: T,
  model: Pick<Model, "info">,
): T {
  const { preset } = options;
  if (preset === undefined) return options;
  const { task } = checkPreset(preset);
  const family = preset.family ?? nearestFamily(model);
  if ((family === "llada-8b") !== model.info.isDiffusion) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `The model is not of the family ${family}`);
  }
  const { extract } = options;
  const vote = selfConsistency({
    ...(extract && { extract }),
    pool: "all",
    // In the published code, a majority of one draw earns nothing, but only for diffusion models.
    singleton: family === "llada-8b" ? 0 : 1,
  });
  const settings: CommonOptions = { lambda: 0.1, reward: vote };
  const own = { ...lengthOf(task, family), ...settingsOf(method, task, family) };
  const complete = withDefaults({ ...settings, ...own }, options);
  return { ...complete, preset: { name: "paper", task: preset.task, family } };
}

function nearestFamily({ info }: Pick<Model, "info">): ModelFamily {
  if (info.isDiffusion) return "llada-8b";
  return info.parameters < 4e9 ? "qwen3-1.7b" : "qwen3-8b";
}

/** A diffusion model's length and block. An autoregressive one has the default length. */
function lengthOf(task: PaperTask, family: ModelFamily): CommonOptions {
  if (family !== "llada-8b") return {};
  const [maxTokens, blockLength] = DENOISED[task];
  return { maxTokens, diffusion: { blockLength } };
}

/** Null where the paper ran no such models. */
type PresetSettings = (
  task: PaperTask,
  family: ModelFamily,
) => (CommonOptions & ProposalOptions) | null;

const toVoted: PresetSettings = (task, family) => {
  if (family === "llada-8b") return null;
  const [candidates, temperature] = BEST_OF_N[family][task];
  return { candidates, temperature };
};

/** By method; those that the paper didn't run have none. */
const SETTINGS = new Map<string, PresetSettings>([
  ["ets", (task, family) => toGuided(ETS[family][task], family)],
  [
    "ets-is",
    (task, family) => {
      const guided = family === "llada-8b" ? ETS_IS_DIFFUSION : ETS_IS;
      return { ...toGuided(guided[task], family), weights: "clip" };
    },
  ],
  ["best-of-n", toVoted],
  ["majority", toVoted],
  ["beam", (task) => ({ candidates: task === "gpqa" ? 50 : 20 })],
  ["sample", () => ({ temperature: 0.7, topP: 0.8, topK: 20 })],
  ["greedy", () => ({})],
  ["power", () => ({})],
]);

function settingsOf(method: string, task: PaperTask, family: ModelFamily): CommonOptions {
  const settings = SETTINGS.get(method)?.(task, family) ?? null;
  if (settings !== null) return settings;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `The paper has no settings for ${method} with models like ${family}`,
  );
}

function toGuided([candidates, rollouts, cut, temperature]: Guided, family: ModelFamily) {
  const blocks = family === "llada-8b" ? { steps: cut } : { blockTokens: cut };
  return { candidates, rollouts, temperature, ...blocks };
}
