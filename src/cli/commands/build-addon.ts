import { Command } from "commander";
import { ADDON_NEEDS, buildAddon } from "../../engine-build/build-addon.js";

export function buildAddonCommand(): Command {
  return new Command("build-addon")
    .description(
      "Compile the native addon here, for a platform or a system that the prebuilt ones don't fit.",
    )
    .addHelpText("after", `\n${ADDON_NEEDS}\n`)
    .action(async () => {
      console.error(ADDON_NEEDS);
      console.log(await buildAddon());
    });
}
