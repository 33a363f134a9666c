/** What starting loads: the modules that an entry imports before anything is asked of it. */
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";

const SOURCES = fileURLToPath(new URL("../../src", import.meta.url));

/** The package's modules that an entry loads at once, dynamic imports left out. */
async function loadedBy(entry: string): Promise<string[]> {
  const { metafile } = await build({
    entryPoints: [entry],
    absWorkingDir: SOURCES,
    outdir: "unwritten",
    write: false,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    packages: "external",
    metafile: true,
    logLevel: "silent",
  });
  const start = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === entry);
  const chunks = new Set([start?.[0] ?? ""]);
  for (const chunk of chunks) {
    for (const { path, kind } of metafile.outputs[chunk]?.imports ?? []) {
      if (kind === "import-statement" && path in metafile.outputs) chunks.add(path);
    }
  }
  return [...chunks].flatMap((chunk) => Object.keys(metafile.outputs[chunk]?.inputs ?? {}));
}

test("the command line loads no command, method, task or engine for its own help", async () => {
  const loaded = await loadedBy("cli/main.ts");
  expect(loaded).toContain("cli/commands.ts");
  expect(loaded.filter((file) => !/^cli\/[a-z]+\.ts$/.test(file)).sort()).toEqual([
    "engine/errors.ts",
    "version.ts",
  ]);
});

test("importing the package loads no engine, server, compiler of constraints, or run", async () => {
  const loaded = await loadedBy("index.ts");
  expect(loaded).toContain("methods/ets.ts");
  const heavy =
    /^(server|cli|engine-build|engine\/(local\/(model|context|load-model)|constraint\/json|download\/(?!address)|isolated)|evaluate\/(store|queue\/(worker|protocol))|methods\/run\/(run|open-run))\b/;
  expect(loaded.filter((file) => heavy.test(file))).toEqual([]);
});
