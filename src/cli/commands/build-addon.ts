import type { Command } from "commander";
import { ADDON_NEEDS, buildAddon } from "../../engine-build/build-addon.js";

export function buildAddonCommand(command: Command): Command {
  return command.addHelpText("after", `\n${ADDON_NEEDS}\n`).action(async () => {
    console.error(ADDON_NEEDS);
    console.log(await buildAddon());
  });
}
