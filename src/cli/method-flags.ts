/** The options that shape a method's run, for a command's help. */
import type { Command } from "commander";
import type { WeightTreatment } from "../energy/importance-sampling.js";
import { DEFAULT_REWARD, REWARD_NAMES } from "../rewards/named.js";
import { addDiffusionOptions, type DiffusionFlags } from "./diffusion-flags.js";
import type { ModelFlags } from "./model-flags.js";
import { numberOption } from "./numbers.js";

export interface MethodFlags extends ModelFlags, DiffusionFlags {
  proposal?: string;
  proposalTemperature?: number;
  weights?: WeightTreatment;
  mixture?: number;
  candidates?: number;
  rollouts?: number;
  steps?: number;
  blockTokens?: number;
  lambda?: number;
  lengthPenalty?: number;
  alpha?: number;
  moves?: number;
  preset?: string;
  maxTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  reward: string;
  finish?: "chain" | "resample";
  adaptive?: boolean;
  stop?: string[];
  system?: string;
  raw?: boolean;
  thinking?: boolean;
  budgetTokens?: number;
  budgetMs?: number;
}

export function addMethodOptions(command: Command): Command {
  command
    .option(
      "-M, --candidates <n>",
      "candidates drawn at each step (default: 8); beam: its width; power: its texts, 1",
      numberOption,
    )
    .option("-K, --rollouts <n>", "rollouts for each candidate (default: 1)", numberOption)
    .option("-I, --steps <n>", "guidance steps, blocks of max-tokens / n; power: 16", numberOption)
    .option(
      "-B, --block-tokens <n>",
      "tokens of a guidance step (default: 64; bundled models: 16)",
      numberOption,
    )
    .option("--lambda <x>", "λ of the target p·exp(reward/λ) (default: 0.1)", numberOption)
    .option(
      "--length-penalty <x>",
      "beam: compares log p / length^x (default: 1, the mean)",
      numberOption,
    )
    .option("--alpha <x>", "power: samples from p^x (default: 4)", numberOption)
    .option("--moves <n>", "power: proposals at each block; mh: in all (default: 10)", numberOption)
    .option(
      "--max-tokens <n>",
      "longest answer (default: 512, or what the context leaves)",
      numberOption,
    )
    .option("--temperature <x>", "0 is greedy (default: 0.7); beam, power: 1", numberOption)
    .option("--top-k <n>", "keep the n most probable tokens", numberOption)
    .option("--top-p <x>", "keep tokens up to this probability", numberOption)
    .option("--min-p <x>", "drop tokens below this share of the most probable one's", numberOption)
    .option("--proposal <model>", "ets-is: the smaller model that draws the rollouts")
    .option(
      "--proposal-temperature <x>",
      "ets-is: its temperature (default: --temperature)",
      numberOption,
    )
    .option("--weights <how>", "ets-is: exact, psis or clip (default: exact)")
    .option(
      "--mixture <x>",
      "ets-is: share of rollouts the model draws itself (default: 0)",
      numberOption,
    )
    .option(
      "--reward <reward>",
      `${REWARD_NAMES.join(", ")}, or a sum: self-consistency+0.5*confidence`,
      DEFAULT_REWARD,
    )
    .option("--adaptive", "draw until the vote is settled, in one step of at most 32 candidates")
    .option("--finish <how>", "chain, or resample among the last rollouts (default: chain)")
    .option("--stop <text>", "end the answer before this text; may be given several times", collect)
    .option("--system <text>", "system message")
    .option("--raw", "no chat template: the prompt is the text to continue")
    .option("--thinking", "leave thinking on, where the template has the switch")
    .option("--preset <name>", "paper: its settings for the task, for what is not given")
    .option("--budget-tokens <n>", "end with the best answer after this many tokens", numberOption)
    .option("--budget-ms <n>", "end with the best answer after this time", numberOption);
  return addDiffusionOptions(command);
}

/** Not a variadic option: that would take the question too. */
function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}
