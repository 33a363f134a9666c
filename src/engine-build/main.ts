/** `npm run build:engine [-- -DGGML_CUDA=ON …]`: prints the engine's directory on stdout. */
import { Command } from "commander";
import { exitWith, Interrupted } from "../cli/exit.js";
import { numberOption } from "../cli/numbers.js";
import { checkInteger } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { buildEngine } from "./build-engine.js";

interface Flags {
  define?: Map<string, string>;
  directory?: string;
  jobs?: number;
  force?: boolean;
}

const program = new Command("build:engine")
  .description("Build llama.cpp from the source that node-llama-cpp ships, in the user's cache.")
  .option("-D, --define <NAME=VALUE>", "CMake option, e.g. -DGGML_CUDA=ON", define)
  .option("-o, --directory <dir>", "build there in place of the cache")
  .option("-j, --jobs <n>", "compilations at once (default: one a core)", numberOption)
  .option("--force", "build also what is already there")
  .exitOverride()
  .action(run);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof Interrupted) console.error("Interrupted; run it again to go on");
  exitWith(error);
}

async function run(flags: Flags): Promise<void> {
  const { define: definitions, jobs, directory, force } = flags;
  if (jobs !== undefined) checkInteger("--jobs", jobs, 1, 1024);
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => interrupt.abort(new Interrupted()));
  }
  const built = await buildEngine({
    ...(definitions && { definitions }),
    ...(jobs !== undefined && { jobs }),
    ...(directory !== undefined && { directory }),
    ...(force && { force }),
    signal: interrupt.signal,
    onProgress: (line) => console.error(line),
  });
  console.log(built);
  console.error(`To use it: --engine ${built}, or LLAMA_ETS_ENGINE=${built}`);
}

function define(text: string, before: Map<string, string> = new Map()): Map<string, string> {
  const [, name, value] = /^([A-Za-z_]\w*)(?::\w+)?=(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `Expected -DNAME=VALUE, got \`-D${text}\``, {
      fix: "-DGGML_CUDA=ON",
    });
  }
  return new Map([...before, [name, value]]);
}
