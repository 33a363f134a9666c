/**
 * Small models of random weights of every architecture that llama.cpp's own test of architectures can
 * write. The test is compiled from the bundled source and runs on the prebuilt libraries.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { locateEngine } from "../../src/engine/local/locate-engine.js";
import { extractSource } from "../../src/engine-build/source-bundle.js";
import { readGguf, u32, writeGguf } from "../fixtures/gguf-writer.js";

const run = promisify(execFile);
const PROGRAM = fileURLToPath(new URL("../fixtures/engine-families.cpp", import.meta.url));
const INCLUDES = [".", "include", "ggml/include", "common", "src", "vendor"];
const LIBRARIES = /^lib(llama|llama-common|ggml|ggml-base)(\..*)?\.so$/;
/** Without experts, and with. */
const KINDS = ["dense", "moe"];
/** The standard deviation of the weights. It is large enough that earlier tokens affect later ones. */
const DEVIATION = "0.3";

interface Families {
  files: string[];
  /** Architectures that the test can't describe. */
  missing: string[];
}

/** Creates the models in a directory unless they exist. Needs git, g++ and a minute. */
export async function makeFamilies(directory: string): Promise<Families> {
  const source = path.join(directory, "source");
  await extractSource(source);
  const { directory: engine } = await locateEngine(false);
  const libraries = (await readdir(engine)).filter((name) => LIBRARIES.test(name));
  const program = path.join(directory, "families");
  if (!existsSync(program)) {
    await run("g++", [
      ...["-std=c++17", "-O1", "-w", "-rdynamic", `-Wl,-rpath,${engine}`, "-o", program],
      ...INCLUDES.map((name) => `-I${path.join(source, name)}`),
      // node-llama-cpp changes the loader so that it refuses models which are not in a file; the
      // program's own, unchanged, comes before the library's.
      ...[PROGRAM, path.join(source, "src/llama-model-loader.cpp")],
      ...libraries.map((name) => path.join(engine, name)),
    ]);
  }
  const env = { ...process.env, ENGINE: engine, GGML_NO_BACKTRACE: "1" };
  const models = path.join(directory, "models");
  await mkdir(models, { recursive: true });
  const { stdout } = await run(program, [], { env });
  const families: Families = { files: [], missing: [] };
  for (const architecture of stdout.trim().split("\n")) {
    const names = KINDS.map((kind) => path.join(models, `${architecture}-${kind}.gguf`));
    if (!names.some((name) => existsSync(name))) {
      const args = ["-a", architecture, "-s", "1", "-d", DEVIATION, "-o", models];
      await run(program, args, { env, timeout: 60_000 }).catch(() => {});
      names.filter((name) => existsSync(name)).forEach(nameMask);
    }
    const made = names.filter((name) => existsSync(name));
    if (made.length === 0) families.missing.push(architecture);
    families.files.push(...made);
  }
  return families;
}

/** Adds the mask token to the metadata of diffusion models, which the test leaves out. */
function nameMask(file: string): void {
  const model = readGguf(file);
  const tokens = model.metadata.get("tokenizer.ggml.tokens");
  const last = tokens?.type === "array" ? tokens.values.length - 1 : 0;
  model.metadata.set("tokenizer.ggml.mask_token_id", u32(last));
  writeGguf(file, model);
}
