/** `build-engine`: prints the directory of the built engine on stdout and progress on stderr. */
import { type Command, InvalidArgumentError } from "commander";
import { checkInteger } from "../../engine/check.js";
import { buildEngine, RPC_SERVER } from "../../engine-build/build-engine.js";
import { ENGINE_NEEDS } from "../../engine-build/toolchain.js";
import { Interrupted, interruptSignal } from "../exit.js";
import { numberOption } from "../numbers.js";
import { progressBar } from "../terminal.js";

interface Flags {
  cuda?: true;
  vulkan?: true;
  metal?: true;
  rpc?: true;
  native?: boolean;
  define?: Map<string, string>;
  out?: string;
  jobs?: number;
  force?: true;
  verbose?: true;
}

export function buildEngineCommand(command: Command): Command {
  return command
    .option("--cuda", "for NVIDIA's GPUs (GGML_CUDA)")
    .option("--vulkan", "for GPUs of any maker (GGML_VULKAN)")
    .option("--metal", "for Apple's GPUs (GGML_METAL)")
    .option("--rpc", "to use other machines' devices, and to lend this one's (GGML_RPC)")
    .option("--native", "for this very processor (GGML_NATIVE; the default)")
    .option("--no-native", "for any processor of this kind")
    .option("-D, --define <NAME=VALUE>", "another CMake option of llama.cpp", define)
    .option("-o, --out <dir>", "build there in place of the user's cache")
    .option("-j, --jobs <n>", "compilations at once (default: one a core)", numberOption)
    .option("--force", "build again what is already there")
    .option("--verbose", "print what CMake and the compiler say")
    .addHelpText(
      "after",
      `
${ENGINE_NEEDS}

Examples:
  llama-ets build-engine
  llama-ets build-engine --cuda -DCMAKE_CUDA_ARCHITECTURES=90
  llama-ets build-engine --rpc --out ~/llama-rpc`,
    )
    .action(build);
}

async function build(flags: Flags): Promise<void> {
  if (flags.jobs !== undefined) checkInteger("--jobs", flags.jobs, 1, 1024);
  const bar = progressBar();
  try {
    const directory = await buildEngine({
      definitions: definitionsOf(flags),
      ...(flags.out !== undefined && { directory: flags.out }),
      ...(flags.jobs !== undefined && { jobs: flags.jobs }),
      ...(flags.force && { force: true }),
      signal: interruptSignal(),
      onProgress: ({ what, share }) => {
        if (share === undefined) bar.say(what);
        else bar.show(share, what);
      },
      ...(flags.verbose && { onOutput: (text) => process.stderr.write(text) }),
    });
    bar.close();
    console.log(directory);
    console.error(`To use it: --engine ${directory}, or LLAMA_ETS_ENGINE=${directory}`);
    if (flags.rpc) {
      console.error(
        `To lend this machine's devices: ${directory}/${RPC_SERVER} --host ADDRESS --port 50052`,
      );
      console.error("Whoever reaches that port may use it: keep it in a network of your own.");
    }
  } catch (error) {
    bar.close();
    if (error instanceof Interrupted) console.error("Interrupted; run it again to go on");
    throw error;
  }
}

function definitionsOf({ define: given, ...flags }: Flags): Map<string, string> {
  const definitions = new Map<string, string>();
  for (const backend of ["cuda", "vulkan", "metal", "rpc"] as const) {
    if (flags[backend]) definitions.set(`GGML_${backend.toUpperCase()}`, "ON");
  }
  if (flags.native === false) definitions.set("GGML_NATIVE", "OFF");
  return new Map([...definitions, ...(given ?? [])]);
}

function define(text: string, before: Map<string, string> = new Map()): Map<string, string> {
  const [, name, value] = /^([A-Za-z_]\w*)(?::\w+)?=(.*)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) {
    throw new InvalidArgumentError("Expected NAME=VALUE, e.g. -DGGML_BLAS=ON.");
  }
  return new Map([...before, [name, value]]);
}
