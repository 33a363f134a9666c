/**
 * The commands of the command line. Each command has its own file, which is loaded only when it is needed.
 */
import { Command } from "commander";
import { VERSION } from "../version.js";
import { COMMANDS } from "./commands.js";
import { printError } from "./exit.js";

/** Creates the program. Parsing throws what ends the command, which `exitWith` prints. */
export function createProgram(): Command {
  const program = new Command("llama-ets")
    .description(
      "Samples from the RL-optimal policy of a local GGUF model at inference time, without training.",
    )
    .version(VERSION)
    .showHelpAfterError("Try: llama-ets --help")
    .exitOverride()
    .configureOutput({
      outputError: (text) =>
        printError({ message: text.replace(/^error: /, ""), code: "ERR_INVALID_OPTION" }),
    })
    .hook("preSubcommand", async (_, command) => {
      await COMMANDS.find(({ name }) => name === command.name())?.define(command);
      command.showHelpAfterError(`Try: llama-ets ${command.name()} --help`);
      for (const inner of command.commands) {
        inner
          .copyInheritedSettings(program)
          .showHelpAfterError(`Try: llama-ets ${command.name()} ${inner.name()} --help`);
      }
    });

  for (const { name, group, description } of COMMANDS) {
    program.command(name).helpGroup(group).description(description);
  }
  // Commander's own help command would show only the commands that are already defined.
  program
    .command("help")
    .argument("[command...]")
    .description("Show a command's help.")
    .helpGroup("This machine:")
    .action(async (names: string[]) => {
      const isCommand = program.commands.some((command) => command.name() === names[0]);
      const asked = isCommand || names.length === 0 ? [...names, "--help"] : names;
      await program.parseAsync(asked, { from: "user" });
    });
  return program;
}
