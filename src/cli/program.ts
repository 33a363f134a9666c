/** The command line's grammar; each command has a file of its own, which is read when it is asked for. */
import { Command } from "commander";
import { VERSION } from "../version.js";
import { COMMANDS } from "./commands.js";
import { printError } from "./exit.js";

/** Parses throw what ends the command: `exitWith` says it. */
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
  // Commander's own help command shows what is defined when it is asked.
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
