import { Command, Option } from "commander";
import { REWARD_NAMES } from "../rewards/named.js";
import { taskNames } from "../tasks/index.js";
import { type AskFlags, METHOD_NAMES } from "./ask-flags.js";
import { addDiffusionOptions } from "./diffusion-options.js";
import { addModelOptions } from "./model-options.js";
import { numberOption } from "./numbers.js";

export function askCommand(): Command {
  const command = new Command("ask")
    .description("Answer one question by guided sampling.")
    .argument("[prompt]", "the question; - or nothing reads it from standard input");
  addModelOptions(command)
    .option("--method <name>", METHOD_NAMES.join(", "), "ets")
    .option("-M, --candidates <n>", "candidates drawn at each step (default: 8)", numberOption)
    .option("-K, --rollouts <n>", "rollouts for each candidate (default: 1)", numberOption)
    .option("-I, --steps <n>", "guidance steps, blocks of max-tokens / n", numberOption)
    .option(
      "--block-tokens <n>",
      "tokens of a guidance step (default: 64; bundled models: 16)",
      numberOption,
    )
    .option("--lambda <x>", "λ of the target p·exp(reward/λ) (default: 0.1)", numberOption)
    .option(
      "--max-tokens <n>",
      "longest answer (default: 512, or what the context leaves)",
      numberOption,
    )
    .option("--temperature <x>", "0 is greedy (default: 0.7)", numberOption)
    .option("--top-k <n>", "keep the n most probable tokens", numberOption)
    .option("--top-p <x>", "keep tokens up to this probability", numberOption)
    .option("--min-p <x>", "drop tokens below this share of the most probable one's", numberOption)
    .option("--proposal <model>", "ets-is: the smaller model that draws the rollouts")
    .option(
      "--proposal-temperature <x>",
      "ets-is: its temperature (default: --temperature)",
      numberOption,
    )
    .addOption(refused("--proposal-top-k <n>"))
    .addOption(refused("--proposal-top-p <x>"))
    .addOption(refused("--proposal-min-p <x>"))
    .option("--weights <how>", "ets-is: exact, psis or clip (default: exact)")
    .option(
      "--mixture <x>",
      "ets-is: share of rollouts the model draws itself (default: 0)",
      numberOption,
    )
    .option(
      "--reward <reward>",
      `${REWARD_NAMES.join(", ")}, or a sum: self-consistency+0.5*confidence`,
      "self-consistency",
    )
    .option(
      "--task <name>",
      `how answers are found: ${taskNames().join(", ")}, module:FILE (default: any form)`,
    )
    .option("--adaptive", "draw until the vote is settled, in one step of at most 32 candidates")
    .option("--finish <how>", "chain, or resample among the last rollouts (default: chain)")
    .option("--stop <text>", "end the answer before this text; may be given several times", collect)
    .option("--system <text>", "system message")
    .option("--raw", "no chat template: the prompt is the text to continue")
    .option("--thinking", "leave thinking on, where the template has the switch")
    .option("--seed <n>", "the same seed gives the same answer (default: 0)", numberOption)
    .option("--budget-tokens <n>", "end with the best answer after this many tokens", numberOption)
    .option("--budget-ms <n>", "end with the best answer after this time", numberOption)
    .option("-v, --verbose", "print the plan before work starts: context, memory, tokens")
    .option("--json", "print the whole result as one JSON object")
    .option("-q, --quiet", "print the answer's text alone")
    .option("--trace <file>", "write the run, every candidate and rollout, as JSON")
    .action(async (prompt: string | undefined, flags: AskFlags) => {
      const { ask } = await import("./run-ask.js");
      await ask(prompt, flags);
    });
  return addDiffusionOptions(command);
}

/** Taken only to say why it is refused: a truncated proposal biases the energies. */
function refused(flags: string): Option {
  return new Option(flags).argParser(numberOption).hideHelp();
}

/** Not a variadic option: that would take the question too. */
function collect(text: string, before: string[] = []): string[] {
  return [...before, text];
}
