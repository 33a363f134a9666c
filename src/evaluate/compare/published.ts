/** The accuracies that the ETS paper (arXiv 2601.21484) published, shown beside the user's own. */
import type { Comparison } from "./comparison.js";

const TASKS: readonly string[] = ["math500", "gsm8k", "gpqa", "humaneval"];

interface PublishedModel {
  name: string;
  /** Whether a model's file or description names it. */
  pattern: RegExp;
  /** Each method's percentages by task, and its time relative to one sample. */
  rows: readonly (readonly [
    method: string,
    label: string,
    percentages: readonly (number | null)[],
    time: number | null,
  ])[];
}

const MODELS: readonly PublishedModel[] = [
  {
    name: "Qwen3-1.7B",
    pattern: /qwen3[\s_-]?1\.7b/i,
    rows: [
      ["sample", "Base", [37.2, 69.29, 29.8, 39.63], null],
      ["beam", "Beam", [45.8, 70.81, 26.77, 46.34], 1.59],
      ["best-of-n", "Best-of-N", [58.8, 81.58, 27.78, 39.63], 3.47],
      ["power", "Power", [50.6, null, 26.3, 44.51], 40.9],
      ["ets", "ETS", [60.4, 81.88, 29.8, 46.95], 7.18],
      ["rl", "RL-trained", [52.8, 71.57, 25.25, 42.68], null],
    ],
  },
  {
    name: "Qwen3-8B",
    pattern: /qwen3[\s_-]?8b/i,
    rows: [
      ["sample", "Base", [60.0, 89.39, 34.34, 58.54], null],
      ["beam", "Beam", [61.2, 89.46, 32.83, 69.51], 1.99],
      ["best-of-n", "Best-of-N", [65.2, 94.09, 38.89, 67.07], 5.16],
      ["power", "Power", [70.8, null, 28.8, 71.91], 41.8],
      ["ets", "ETS", [72.4, 94.24, 38.38, 71.34], 7.35],
      ["ets-is", "ETS-IS", [66.2, 91.81, 38.89, 68.9], 5.26],
      ["rl", "RL-trained", [69.2, 90.98, 37.88, 65.85], null],
    ],
  },
  {
    name: "LLaDA-8B",
    pattern: /llada[\s_-]?8b/i,
    rows: [
      ["sample", "Base", [42.2, 80.36, 28.28, 35.98], null],
      ["beam", "Beam", [42.8, 82.71, 27.78, 38.41], 17.6],
      ["best-of-n", "Best-of-N", [44.2, 85.82, 28.28, 36.59], 17.4],
      ["ets", "ETS", [45.6, 85.97, 32.83, 39.63], 30.6],
      ["ets-is", "ETS-IS", [43.8, 85.82, 28.79, 39.02], 16.1],
      ["rl", "RL-trained", [40.2, 82.03, 23.74, 39.63], null],
    ],
  },
];

interface PublishedRow {
  /**
   * The method's name in `ask --method`, or `rl` for the trained model, which is not a method of this
   * package.
   */
  method: string;
  /** The method's name in the paper. */
  label: string;
  /** From 0 to 1; null if the paper has none. */
  accuracy: number | null;
  /** Time relative to that of one sample; null if the paper has none. */
  relativeTime: number | null;
}

export interface Published {
  model: string;
  task: string;
  rows: PublishedRow[];
}

/** Finds the paper's numbers for this task and model family; null if it has none. */
function findPublished(task: string, ...modelNames: readonly string[]): Published | null {
  const column = TASKS.indexOf(task);
  const model = MODELS.find(({ pattern }) => modelNames.some((name) => pattern.test(name)));
  if (column < 0 || model === undefined) return null;
  return {
    model: model.name,
    task,
    rows: model.rows.map(([method, label, percentages, relativeTime]) => {
      const percentage = percentages[column] ?? null;
      return {
        method,
        label,
        accuracy: percentage === null ? null : percentage / 100,
        relativeTime,
      };
    }),
  };
}

/** Finds the paper's numbers for the runs of a comparison; null if the runs match none. */
export function publishedFor({ runs }: Comparison): Published | null {
  const found = runs.map(({ task, modelDescription, modelPath }) =>
    findPublished(task, modelDescription, modelPath),
  );
  const [first = null] = found;
  const isOne = found.every((of) => of?.task === first?.task && of?.model === first?.model);
  return isOne ? first : null;
}

/** The models and tasks that the paper has numbers for, in words. */
export const PUBLISHED_SCOPE = `${MODELS.map(({ name }) => name).join(", ")} on ${TASKS.join(", ")}`;
