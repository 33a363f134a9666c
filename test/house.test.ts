/** The tool that holds the house's arrows refuses what would break them. */
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { temporary } from "./fixtures/temporary-directory.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const cruiser = path.join(root, "node_modules/.bin/depcruise");

let houses = 0;

/** What the tool says of a house of these files, by the rules of this one. */
async function cruise(files: Record<string, string>): Promise<{ code: number; output: string }> {
  const house = temporary(`house-${houses++}`);
  mkdirSync(house);
  for (const name of [".dependency-cruiser.cjs", "tsconfig.json"]) {
    copyFileSync(path.join(root, name), path.join(house, name));
  }
  writeFileSync(path.join(house, "package.json"), '{ "type": "module" }');
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(house, file)), { recursive: true });
    writeFileSync(path.join(house, file), content);
  }
  const args = ["src", "--config", ".dependency-cruiser.cjs"];
  try {
    const { stdout } = await run(cruiser, args, { cwd: house });
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, output: stdout };
  }
}

describe("npm run lint", () => {
  test("lets a room import those below it", async () => {
    const { code, output } = await cruise({
      "src/engine/errors.ts": "export type ErrorCode = string;\n",
      "src/chain/chain.ts": 'export type { ErrorCode } from "../engine/errors.js";\n',
    });
    expect(output).toContain("no dependency violations");
    expect(code).toBe(0);
  });

  const planted = {
    "src/chain/chain.ts": "export type S = string;\n",
    "src/engine/upwards.ts": 'export type { S } from "../chain/chain.js";\n',
    "src/sandbox/beside.ts": 'export type { S } from "../chain/chain.js";\n',
    "src/methods/a.ts": 'import type { B } from "./b.js";\nexport type A = B | 1;\n',
    "src/methods/b.ts": 'import type { A } from "./a.js";\nexport type B = A[];\n',
    "src/engine/local/model.ts": "export class LocalModel {}\n",
    "src/methods/concrete.ts": 'export type { LocalModel } from "../engine/local/model.js";\n',
    "src/engine-build/main.ts": "export const build = 1;\n",
    "src/evaluate/builds.ts": 'export { build } from "../engine-build/main.js";\n',
  };
  let refused: { code: number; output: string };
  beforeAll(async () => {
    refused = await cruise(planted);
  });

  test.each([
    ["a type from a room above", "engine-imports-no-room-above: src/engine/upwards.ts"],
    ["a room beside", "sandbox-imports-no-room-above: src/sandbox/beside.ts"],
    ["a circle, of types alone", "no-circle: src/methods/a.ts"],
    ["a concrete engine", "the-concrete-engine-is-opened-at-the-top: src/methods/concrete.ts"],
    ["the builder of engines", "only-the-command-line-builds-engines: src/evaluate/builds.ts"],
  ])("refuses %s", (_, violation) => {
    expect(refused.code).toBeGreaterThan(0);
    expect(refused.output).toContain(violation);
  });
});
