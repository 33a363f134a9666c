/**
 * IFEval: 541 prompts with instructions that programs can check (Zhou et al., 2023; Apache-2.0). Rows
 * `{key, prompt, instruction_id_list, kwargs}`.
 */
import { LlamaEtsError } from "../engine/errors.js";
import { judgeInstructions, readInstructions } from "../rewards/ifeval/ifeval.js";
import { defineTask } from "./define-task.js";
import { download } from "./download.js";
import { withoutThoughts } from "./outputs.js";
import type { Grader, TaskItem } from "./task.js";

const SOURCE = {
  url: "https://raw.githubusercontent.com/google-research/google-research/19638399cc9e03623c5b9087a1d6fa8813974ce9/instruction_following_eval/data/input_data.jsonl",
  sha256: "67ffeee0fcb87c317c5b08a2de85557b4a7e96ada6178aa645b4954fe4b53d49",
  name: "ifeval-input_data.jsonl",
};

function openGrader(): Grader {
  return {
    async grade(item, output, form = "output") {
      const text = form === "answer" ? output : withoutThoughts(output);
      const { strict, loose } = await judgeInstructions(item.row ?? {}, text, refuseItem(item));
      return {
        extracted: text,
        correct: strict.every((follows) => follows),
        score: share(strict),
        categories: categoriesOf(item, strict),
        strict,
        loose,
      };
    },
    async [Symbol.asyncDispose]() {},
  };
}

function share(verdicts: readonly boolean[]): number {
  return verdicts.filter((follows) => follows).length / verdicts.length;
}

/** Returns the share of followed instructions for each kind of instruction. */
function categoriesOf({ row }: TaskItem, verdicts: readonly boolean[]): Record<string, number> {
  const kinds = row?.instruction_id_list as readonly string[];
  return Object.fromEntries(
    kinds.map((kind) => [kind, share(verdicts.filter((_, i) => kinds[i] === kind))]),
  );
}

function refuseItem({ id }: TaskItem) {
  return (field: string, expected: string): never => {
    throw new LlamaEtsError("ERR_INVALID_DATA", `${id}: expected \`${field}\` to ${expected}`);
  };
}

/** IFEval (Zhou et al. 2023, arXiv 2311.07911): 541 prompts whose instructions a program can check. */
export const ifeval = defineTask({
  name: "ifeval",
  rowKey: "key",
  /** The whole response without thoughts is the answer. */
  extract: withoutThoughts,
  isWhole: true,
  locate: (options) => download(SOURCE, options),
  parse(row) {
    readInstructions(row.fields, (field, expected) => row.refuse(field, expected));
    return { id: row.scalar("key"), prompt: row.text("prompt"), gold: "" };
  },
  prompt: ({ prompt }) => ({ prompt, raw: false, stop: [], maxTokens: 1280 }),
  openGrader: async () => openGrader(),
});
