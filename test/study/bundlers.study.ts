/** Jest, Vite and webpack of a pinned version, with the external list of docs/installing.md. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { temporary } from "../fixtures/temporary-directory.js";
import { ROOT } from "../package/installed.js";

const TOOLS = ["jest@29.7.0", "vite@6.4.1", "webpack@5.112.2"];
const run = promisify(execFile);
const project = temporary("bundled app");
mkdirSync(project);
writeFileSync(path.join(project, "package.json"), '{ "private": true }');

/** Whether npm brought the tools: there may be no registry. */
function hasTools(): boolean {
  try {
    const args = ["install", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=0"];
    execFileSync("npm", [...args, ...TOOLS], { cwd: project, stdio: "ignore", timeout: 200_000 });
    symlinkSync(ROOT, path.join(project, "node_modules/llama-ets"));
    return true;
  } catch {
    return false;
  }
}

const RUN = `const model = await loadModel("mini-gsm-ref");
  const { usage } = await ets(model, new Uint32Array([1, 2, 3]), { candidates: 2, steps: 1, maxTokens: 8 });
  await model.dispose();
  return usage.generated > 0;`;
const APP = `import { ets, loadModel } from "llama-ets";
async function main() { ${RUN} }
main().then((drew) => console.log(drew ? "drew" : "nothing"));`;

function write(name: string, code: string): void {
  writeFileSync(path.join(project, name), code);
}

async function node(...args: string[]): Promise<string> {
  const { stdout, stderr } = await run(process.execPath, args, { cwd: project });
  return stdout + stderr;
}

describe.skipIf(!hasTools())("with the tools from npm", () => {
  test("Jest 29 runs it as an ES module", async () => {
    write(
      "app.test.mjs",
      `import { ets, loadModel } from "llama-ets";
      test("draws", async () => {
        expect(await (async () => { ${RUN} })()).toBe(true);
      }, 60000);`,
    );
    const jest = ["--experimental-vm-modules", "node_modules/jest/bin/jest.js"];
    expect(await node(...jest, "--testMatch", "**/*.test.mjs")).toMatch(/1 passed/);
  });

  test("Vite 6 builds a server with it", async () => {
    write("app.mjs", APP);
    write("vite.config.mjs", 'export default { ssr: { external: ["llama-ets"] } };');
    await node("node_modules/vite/bin/vite.js", "build", "--ssr", "app.mjs", "--outDir", "vite");
    expect(await node("vite/app.mjs")).toBe("drew\n");
  });

  test("webpack 5 bundles an app with it", async () => {
    write("app.mjs", APP);
    write(
      "build.cjs",
      `require("webpack")({
        mode: "production", target: "node", entry: "./app.mjs", context: __dirname,
        externals: { "llama-ets": "commonjs llama-ets" },
        output: { path: __dirname + "/webpack", filename: "app.cjs" },
      }, (error, stats) => {
        if (error || stats.hasErrors()) throw error ?? new Error(stats.toString());
      });`,
    );
    await node("build.cjs");
    expect(await node("webpack/app.cjs")).toBe("drew\n");
  });
});
