import type { Command } from "commander";
import type { DifferentSample } from "../../evaluate/compare/diff-runs.js";
import { printable } from "../printable.js";

interface DiffFlags {
  all?: boolean;
  json?: boolean;
}

export function diffCommand(command: Command): Command {
  return command
    .argument("<before>", "a run directory")
    .argument("<after>", "a later one")
    .option("--all", "list samples with another text or answer too, where the grade is the same")
    .option("--json", "print one JSON object, with the texts")
    .action(diff);
}

async function diff(before: string, after: string, { all, json }: DiffFlags): Promise<void> {
  const { diffRuns } = await import("../../evaluate/compare/diff-runs.js");
  const difference = await diffRuns(before, after);
  if (json) {
    console.log(JSON.stringify(difference));
    return;
  }
  const { changed, warnings, common, onlyBefore, onlyAfter } = difference;
  for (const warning of warnings) console.error(printable(`caution: ${warning}`));
  for (const sample of changed) {
    if (all || sample.before?.correct !== sample.after?.correct) console.log(lineOf(sample));
  }
  console.log(
    `${common} samples in common: ${difference.becameRight} became right, ${difference.becameWrong} wrong; ${difference.otherText} texts differ`,
  );
  if (onlyBefore + onlyAfter > 0) {
    console.log(`${onlyBefore} samples are in the first alone, ${onlyAfter} in the second`);
  }
}

function lineOf({ item, method, sample, before, after }: DifferentSample): string {
  const which = sample === 0 ? "" : ` (sample ${sample})`;
  return printable(`${item} ${method}${which}: ${wordOf(before)} → ${wordOf(after)}`);
}

function wordOf(side: DifferentSample["before"]): string {
  if (side === null) return "failed";
  return `${side.correct ? "right" : "wrong"} (${side.extracted ?? "no answer"})`;
}
