/** The commands by name. The file of a command is loaded only when its options are needed. */
import type { Command } from "commander";

interface CommandEntry {
  name: string;
  /** The command's heading in the top-level help. */
  group: "Answers:" | "Evaluations:" | "This machine:";
  description: string;
  /** Adds the command's arguments, options and action. */
  define(command: Command): Promise<Command>;
}

/** The commands in the order of the top-level help. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "ask",
    group: "Answers:",
    description: "Answer one question by guided sampling.",
    define: async (command) => (await import("./commands/ask.js")).askCommand(command),
  },
  {
    name: "replay",
    group: "Answers:",
    description: "Print a trace of ask step by step; no model is loaded.",
    define: async (command) => (await import("./commands/replay.js")).replayCommand(command),
  },
  {
    name: "serve",
    group: "Answers:",
    description:
      "Serve models to OpenAI clients: /v1/chat/completions, /v1/completions; model NAME+ets guides.",
    define: async (command) => (await import("./commands/serve.js")).serveCommand(command),
  },
  {
    name: "eval",
    group: "Evaluations:",
    description: "Evaluate methods on a task, into a run directory that can be resumed.",
    define: async (command) => (await import("./commands/eval.js")).evalCommand(command),
  },
  {
    name: "worker",
    group: "Evaluations:",
    description: "Draw samples for evaluations on other machines (eval --queue), until stopped.",
    define: async (command) => (await import("./commands/worker.js")).workerCommand(command),
  },
  {
    name: "compare",
    group: "Evaluations:",
    description: "Compare the methods of evaluation runs: accuracy, tokens, seconds, paired tests.",
    define: async (command) => (await import("./commands/compare.js")).compareCommand(command),
  },
  {
    name: "diff",
    group: "Evaluations:",
    description: "Show what changed between two runs, item by item.",
    define: async (command) => (await import("./commands/diff.js")).diffCommand(command),
  },
  {
    name: "report",
    group: "Evaluations:",
    description: "Write a trace of ask, or evaluation runs, as one HTML page.",
    define: async (command) => (await import("./commands/report.js")).reportCommand(command),
  },
  {
    name: "grade",
    group: "Evaluations:",
    description: "Grade outputs made elsewhere: one JSON verdict a line, in the rows' order.",
    define: async (command) => (await import("./commands/grade.js")).gradeCommand(command),
  },
  {
    name: "regrade",
    group: "Evaluations:",
    description: "Grade the stored texts of a run anew, without a model; nothing is drawn.",
    define: async (command) => (await import("./commands/regrade.js")).regradeCommand(command),
  },
  {
    name: "task",
    group: "Evaluations:",
    description: "Look at tasks without a model.",
    define: async (command) => (await import("./commands/task.js")).taskCommand(command),
  },
  {
    name: "models",
    group: "This machine:",
    description: "List the bundled models and those downloaded before, remove or check them.",
    define: async (command) => (await import("./commands/models.js")).modelsCommand(command),
  },
  {
    name: "doctor",
    group: "This machine:",
    description:
      "Check the installation: addon, engine, devices, sandbox, one real generation, and a model.",
    define: async (command) => (await import("./commands/doctor.js")).doctorCommand(command),
  },
  {
    name: "build-engine",
    group: "This machine:",
    description:
      "Build llama.cpp here from the source that comes along, e.g. with --cuda or --rpc.",
    define: async (command) =>
      (await import("./commands/build-engine.js")).buildEngineCommand(command),
  },
  {
    name: "build-addon",
    group: "This machine:",
    description:
      "Compile the native addon here, for a platform or a system that the prebuilt ones don't fit.",
    define: async (command) =>
      (await import("./commands/build-addon.js")).buildAddonCommand(command),
  },
];
