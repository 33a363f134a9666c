/** What users of the packed package do with it, without a compiler. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { checkPrebuild } from "../../scripts/check-prebuilds.mjs";
import { temporary } from "../fixtures/temporary-directory.js";
import { install, node, type Packed, PLATFORM, pack, ROOT } from "./installed.js";

const run = promisify(execFile);
/** A path that shells and makefiles trip over. */
const PROJECT = temporary("my project (1) ünï");
const CLI = "node_modules/llama-ets/dist/cli/main.js";
const QUESTION =
  "Eric drives 13 km an hour for 2 hours and then 14 km more. How many km is it now?";
/** A run, by whatever name the library was imported. */
const RUN = `
  const model = await loadModel("mini-gsm-ref");
  const { text, usage } = await ets(model, new Uint32Array([1, 2, 3]), { candidates: 2, steps: 1, maxTokens: 8 });
  await model.dispose();
  if (usage.generated > 0) console.log("done", typeof text);
`;

let packed: Packed;
beforeAll(async () => {
  packed = await pack();
  await install(packed.tarball, PROJECT);
});

/** Writes a program into the project, and runs it. */
function program(name: string, code: string, before: readonly string[] = []) {
  writeFileSync(path.join(PROJECT, name), code);
  return node(PROJECT, [...before, name]);
}

describe("the package", () => {
  test("stays below 30 MB, and holds no tests, sources or maps", () => {
    expect(packed.bytes).toBeLessThan(30e6);
    const strange = /^(test|src|bench|build|scripts|\.)|\.map$|\.test\./;
    expect(packed.files.filter((file) => strange.test(file))).toEqual([]);
    for (const file of ["NOTICE", "LICENSE", "binding.gyp", "models/mini-gsm-ref.gguf"]) {
      expect(packed.files).toContain(file);
    }
  });

  test("runs nothing when it is installed", async () => {
    const { default: manifest } = await import(path.join(ROOT, "package.json"), {
      with: { type: "json" },
    });
    expect(manifest.gypfile).toBe(false);
    for (const script of ["preinstall", "install", "postinstall"]) {
      expect(manifest.scripts).not.toHaveProperty(script);
    }
  });

  test.skipIf(process.platform !== "linux")("asks for no newer system than the engine", () => {
    const built = path.join(PROJECT, "node_modules/llama-ets/prebuilds", PLATFORM);
    expect(() => checkPrebuild(PLATFORM, built)).not.toThrow();
    expect(() => checkPrebuild(PLATFORM, temporary("nowhere"))).toThrow(/^Missing: /);
  });

  test("is clean for publint and attw", async () => {
    const bin = (name: string) => path.join(ROOT, "node_modules/.bin", name);
    await run(bin("publint"), [packed.tarball, "--strict"]);
    await run(bin("attw"), [packed.tarball]);
  });
});

describe("without compiler, git and python", () => {
  test("ask answers, and doctor finds nothing wrong", async () => {
    const asked = await node(PROJECT, [CLI, "ask", "--json", QUESTION]);
    expect(asked.stderr).toBe("");
    expect(JSON.parse(asked.stdout).usage.generated).toBeGreaterThan(0);
    const { code, stdout } = await node(PROJECT, [CLI, "doctor", "--json"]);
    expect(JSON.parse(stdout).findings.filter(({ ok }: { ok: boolean }) => !ok)).toEqual([]);
    expect(stdout).toContain(`prebuilt for ${PLATFORM}`);
    expect(code).toBe(0);
  });

  test("the template's process runs", async () => {
    const { stdout } = await program(
      "text.mjs",
      `import { textProcess } from "./node_modules/llama-ets/dist/engine/text/text-requests.js";
       console.log((await textProcess()).missing ?? "there");`,
    );
    expect(stdout).toBe("there\n");
  });

  test("answers in mathematics are graded, by the algebra system that is bundled", async () => {
    const rows = ['{"answer":"2(k+1)","gold":"2k+2"}', '{"answer":"2(k+2)","gold":"2k+2"}'];
    const { stdout } = await node(PROJECT, [CLI, "grade", "math500", "-"], rows.join("\n"));
    const verdicts = stdout.trim().split("\n");
    expect(verdicts.map((line) => JSON.parse(line).correct)).toEqual([true, false]);
  });

  test("build-addon says what it misses, and why it is needed", async () => {
    const { code, stderr } = await node(PROJECT, [CLI, "build-addon"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/git.* reads llama\.cpp's headers/);
    expect(stderr).toMatch(/git was not found.*\(ERR_TOOL_NOT_FOUND\)/);
  });
});

describe("a program", () => {
  test("imports it", async () => {
    const code = `import { ets, loadModel } from "llama-ets";${RUN}`;
    expect(await program("esm.mjs", code)).toMatchObject({ stdout: "done string\n" });
  });

  test("requires it, and gets what import gives", async () => {
    const code = `const { ets, loadModel, LlamaEtsError } = require("llama-ets");
      (async () => {
        if ((await import("llama-ets")).LlamaEtsError !== LlamaEtsError) throw new Error("twice");
        ${RUN}
      })();`;
    expect(await program("common.cjs", code)).toMatchObject({ stdout: "done string\n" });
  });

  test("runs it in a worker thread", async () => {
    const code = `import { isMainThread, Worker } from "node:worker_threads";
      import { ets, loadModel } from "llama-ets";
      if (isMainThread) new Worker(new URL(import.meta.url));
      else {${RUN}}`;
    expect(await program("worker.mjs", code)).toMatchObject({ stdout: "done string\n" });
  });

  test("runs it in a realm without the symbols of `await using`, as Jest's", async () => {
    const realm = `const whole = globalThis.Symbol;
      const bare = function (name) { return whole(name); };
      for (const name of Object.getOwnPropertyNames(whole)) {
        if (/ispose$/.test(name) || name in bare) continue;
        Object.defineProperty(bare, name, { value: whole[name] });
      }
      globalThis.Symbol = bare;`;
    writeFileSync(path.join(PROJECT, "realm.mjs"), realm);
    const code = `import { ets, loadModel } from "llama-ets";${RUN}`;
    const finished = await program("bare.mjs", code, ["--import", "./realm.mjs"]);
    expect(finished).toMatchObject({ stdout: "done string\n" });
  });

  test("gives it typed arrays of another realm", async () => {
    const code = `import vm from "node:vm";
      import { ets, loadModel } from "llama-ets";
      ${RUN.replace("new Uint32Array([1, 2, 3])", 'vm.runInNewContext("Int32Array.of(1, 2, 3)")')}`;
    expect(await program("realms.mjs", code)).toMatchObject({ stdout: "done string\n" });
  });

  test.each(["esm", "cjs"] as const)(
    "is bundled by esbuild to %s, with it as an external",
    async (format) => {
      const { build } = await import("esbuild");
      const source = path.join(PROJECT, "app.ts");
      writeFileSync(
        source,
        `import { ets, loadModel } from "llama-ets";\nvoid (async () => {${RUN}})();`,
      );
      const outfile = path.join(PROJECT, `app.${format === "esm" ? "mjs" : "cjs"}`);
      const external = ["llama-ets"];
      await build({
        entryPoints: [source],
        bundle: true,
        platform: "node",
        format,
        external,
        outfile,
      });
      expect(await node(PROJECT, [outfile])).toMatchObject({ stdout: "done string\n" });
    },
  );

  test.each([
    ["node16", "node16"],
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ])(
    "is strict TypeScript of module %s, without lib dom, every declaration checked",
    async (module, resolution) => {
      const code = `import { ets, loadModel, type Result } from "llama-ets";
      export async function answer(question: string): Promise<string> {
        const model = await loadModel("mini-gsm-ref");
        const result: Result = await ets(model, question, { candidates: 4 });
        // @ts-expect-error: the types are those of the library, not any
        result.nothing;
        return result.text;
      }`;
      const files = resolution === "bundler" ? ["a.mts"] : ["a.mts", "a.cts"];
      for (const file of files) writeFileSync(path.join(PROJECT, file), code);
      const options = ["--noEmit", "--strict", "--skipLibCheck", "false", "--types", "node"];
      const target = ["--target", "es2022", "--lib", "es2022"];
      const modules = ["--module", module, "--moduleResolution", resolution];
      const tsc = path.join(ROOT, "node_modules/.bin/tsc");
      await run(tsc, [...options, ...target, ...modules, ...files], { cwd: PROJECT });
    },
  );
});
