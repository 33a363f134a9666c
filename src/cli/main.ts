#!/usr/bin/env node
/** `llama-ets` parses the command line; each command has a file of its own. */
import { Command } from "commander";
import { VERSION } from "../version.js";
import { askCommand } from "./commands/ask.js";
import { buildAddonCommand } from "./commands/build-addon.js";
import { compareCommand } from "./commands/compare.js";
import { diffCommand } from "./commands/diff.js";
import { doctorCommand } from "./commands/doctor.js";
import { evalCommand } from "./commands/eval.js";
import { gradeCommand } from "./commands/grade.js";
import { modelsCommand } from "./commands/models.js";
import { regradeCommand } from "./commands/regrade.js";
import { replayCommand } from "./commands/replay.js";
import { reportCommand } from "./commands/report.js";
import { serveCommand } from "./commands/serve.js";
import { taskCommand } from "./commands/task.js";
import { workerCommand } from "./commands/worker.js";
import { exitWith, printError, watchOutput } from "./exit.js";

const program = new Command("llama-ets")
  .description(
    "Samples from the RL-optimal policy of a local GGUF model at inference time, without training.",
  )
  .version(VERSION)
  .showHelpAfterError("Run with --help for the options.")
  .exitOverride()
  .configureOutput({
    outputError: (text) =>
      printError({ message: text.replace(/^error: /, ""), code: "ERR_INVALID_OPTION" }),
  })
  .addCommand(askCommand())
  .addCommand(evalCommand())
  .addCommand(compareCommand())
  .addCommand(diffCommand())
  .addCommand(reportCommand())
  .addCommand(replayCommand())
  .addCommand(gradeCommand())
  .addCommand(regradeCommand())
  .addCommand(taskCommand())
  .addCommand(workerCommand())
  .addCommand(serveCommand())
  .addCommand(modelsCommand())
  .addCommand(doctorCommand())
  .addCommand(buildAddonCommand());

for (const command of program.commands) {
  command.copyInheritedSettings(program);
  for (const inner of command.commands) inner.copyInheritedSettings(program);
}

watchOutput();
try {
  await program.parseAsync();
} catch (error) {
  exitWith(error);
}
