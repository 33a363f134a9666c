/** The groups, and their order, in which `--help` lists the options of `ask`, `eval` and `serve`. */
import { type Command, Option } from "commander";

const OWN = "The method's own:";
const MORE = "More:";
/** The last group, which also contains --help. */
const LAST_GROUP = "Output:";

/** Options by their long names. Options in no group belong to the method, or to `MORE`. */
const GROUPS: readonly (readonly [string, readonly string[]])[] = [
  [
    "Guidance:",
    ["steps", "block", "lambda", "finish", "adaptive", "preset", "budget-tokens", "budget-ms"],
  ],
  [OWN, []],
  [
    "The text:",
    [
      "max-tokens",
      "temperature",
      "top-k",
      "top-p",
      "min-p",
      "stop",
      "system",
      "raw",
      "constraint",
      "constraint-law",
      "close",
      "reasoning",
      "thinking",
      "chat-template",
      "date",
      "messages",
      "tools",
      "tool-choice",
      "vote-field",
      "vote-except",
    ],
  ],
  [
    "Diffusion models:",
    [
      "denoising-steps",
      "block-length",
      "block-lengths",
      "remasking",
      "cfg-scale",
      "cache",
      "parallel-threshold",
      "parallel-factor",
    ],
  ],
  [
    "The machine:",
    [
      "gpu",
      "gpu-layers",
      "threads",
      "engine",
      "attention",
      "kv",
      "sampling",
      "lora",
      "prefix-cache",
      "isolate",
      "no-isolate",
      "rpc",
      "concurrency",
      "queue",
    ],
  ],
  ["The evaluation:", ["grader", "max-failures", "keep", "budget-tokens-total"]],
  [MORE, []],
  [
    LAST_GROUP,
    ["verbose", "quiet", "show-reasoning", "json", "watch", "trace", "report", "log-texts", "help"],
  ],
];

/**
 * Groups a command's options, after all have been added.
 *
 * @param common the long names of the options that come first
 * @param isOwn whether only some methods take an option
 * @param examples command lines, shown at the end
 */
export function groupOptions(
  command: Command,
  common: readonly string[],
  isOwn: (flags: string) => boolean,
  examples: readonly string[],
): Command {
  const groups = [["Common:", common] as const, ...GROUPS];
  const placeOf = (option: Option): [group: number, place: number] => {
    const name = option.long?.replace(/^--/, "") ?? "";
    const listed = groups.findIndex(([, names]) => names.includes(name));
    const other = groups.findIndex(([heading]) => heading === (isOwn(option.flags) ? OWN : MORE));
    const group = listed < 0 ? other : listed;
    return [group, groups[group]?.[1].indexOf(name) ?? -1];
  };
  const placed = command.options.map((option) => ({ option, place: placeOf(option) }));
  placed.sort((a, b) => a.place[0] - b.place[0] || a.place[1] - b.place[1]);
  const grouped = placed.map(({ option }) => option);
  for (const { option, place } of placed) option.helpGroup(groups[place[0]]?.[0] ?? MORE);
  // Commander lists groups in the order of their first options.
  (command.options as Option[]).splice(0, grouped.length, ...grouped);
  const help = new Option("-h, --help", "display help for command").helpGroup(LAST_GROUP);
  return command
    .addHelpOption(help)
    .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}`);
}
