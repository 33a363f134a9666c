import { Command } from "commander";
import { ATTENTION_OPTION, ENGINE_OPTION } from "./model-options.js";
import type { DoctorFlags } from "./run-doctor.js";

export function doctorCommand(): Command {
  return new Command("doctor")
    .description(
      "Check the installation: addon, engine, devices, sandbox, and one real generation.",
    )
    .option("--gpu <kind>", "auto, cuda, vulkan, metal or off", "auto")
    .option(...ENGINE_OPTION)
    .option(...ATTENTION_OPTION)
    .option("--json", "print one JSON object")
    .action(async (flags: DoctorFlags) => {
      const { runDoctor } = await import("./run-doctor.js");
      await runDoctor(flags);
    });
}
