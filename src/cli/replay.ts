import { Command } from "commander";

export function replayCommand(): Command {
  return new Command("replay")
    .description("Print a trace of ask step by step; no model is loaded.")
    .argument("<trace>", "a trace file, as ask --trace wrote it")
    .action(async (file: string) => {
      const { runReplay } = await import("./run-replay.js");
      await runReplay(file);
    });
}
