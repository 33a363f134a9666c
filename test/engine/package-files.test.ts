/** Which files are taken in a checkout, an installation and an Electron app, on fake layouts. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "vitest";
import { tooNew } from "../../scripts/check-prebuilds.mjs";
import { belowFloor, FLOOR } from "../../src/engine/local/load-addon.js";
import { compilePackage } from "../fixtures/package-copy.js";
import { temporary } from "../fixtures/temporary-directory.js";

const PLATFORM = `${process.platform}-${process.arch}`;
let packages = 0;

/** The package's own answers where it has these files, below a directory of this name. */
async function packageWith(files: readonly string[], below = "") {
  const top = temporary(`layout-${packages++}`);
  const root = path.join(top, below);
  compilePackage(root);
  for (const file of files) {
    mkdirSync(path.dirname(path.join(top, file)), { recursive: true });
    writeFileSync(path.join(top, file), "");
  }
  const url = pathToFileURL(path.join(root, "dist/engine/package-files.js")).href;
  const { compiledFile, packageFile } = (await import(
    url
  )) as typeof import("../../src/engine/package-files.js");
  const inside = (file: string | undefined) => file && path.relative(top, file);
  return {
    compiled: (name: string) => inside(compiledFile(name)),
    file: (name: string) => inside(packageFile(name)),
  };
}

describe("a compiled file", () => {
  const prebuilt = `prebuilds/${PLATFORM}/llama_ets.node`;
  const built = "build/Release/llama_ets.node";

  test("is the prebuilt one of this platform", async () => {
    const { compiled } = await packageWith([prebuilt, "prebuilds/win32-ia32/llama_ets.node"]);
    expect(compiled("llama_ets.node")).toBe(path.normalize(prebuilt));
  });

  test("is the one that was built here where there are both", async () => {
    const { compiled } = await packageWith([prebuilt, built]);
    expect(compiled("llama_ets.node")).toBe(path.normalize(built));
  });

  test("of another platform is none", async () => {
    const { compiled } = await packageWith(["prebuilds/win32-ia32/llama_ets.node"]);
    expect(compiled("llama_ets.node")).toBeUndefined();
  });
});

describe("in an Electron app's archive", () => {
  const inside = "resources/app.asar/node_modules/llama-ets";
  const outside = inside.replace("app.asar", "app.asar.unpacked");

  test("the addon and the models are those that lie unpacked beside it", async () => {
    const addon = `prebuilds/${PLATFORM}/llama_ets.node`;
    const model = "models/mini-gsm-ref.gguf";
    const files = [`${inside}/${addon}`, `${outside}/${addon}`, `${outside}/${model}`];
    const { compiled, file } = await packageWith(files, inside);
    expect(compiled("llama_ets.node")).toBe(path.normalize(`${outside}/${addon}`));
    expect(file(model)).toBe(path.normalize(`${outside}/${model}`));
  });

  test("a file that nobody unpacked keeps its path", async () => {
    const { file } = await packageWith([], inside);
    expect(file("models/x.gguf")).toBe(path.normalize(`${inside}/models/x.gguf`));
  });

  test("a folder that only looks like an archive is left alone", async () => {
    const { file } = await packageWith([], "my.asar.backup/app");
    expect(file("models/x.gguf")).toBe(path.normalize("my.asar.backup/app/models/x.gguf"));
  });
});

describe("a system below the floor", () => {
  test("is named with the glibc that it has", () => {
    expect(belowFloor("2.31", "version `GLIBC_2.34' not found")).toContain(
      `need glibc ${FLOOR.GLIBC} or later (Debian 12, Ubuntu 22.04, RHEL 9); this system has 2.31`,
    );
    expect(belowFloor(undefined, "")).toContain("musl");
  });

  test("is named where only libstdc++ is too old", () => {
    const said = "/lib/libstdc++.so.6: version `GLIBCXX_3.4.29' not found";
    expect(belowFloor("2.35", said)).toContain(`GLIBCXX_${FLOOR.GLIBCXX}`);
  });

  test("isn't blamed for what has another cause", () => {
    expect(belowFloor(FLOOR.GLIBC, "invalid ELF header")).toBeUndefined();
    expect(belowFloor("2.100", "file too short")).toBeUndefined();
  });
});

describe("the check of prebuilt files", () => {
  const symbol = (version: string) =>
    `0000000000000000      DF *UND*\t0000000000000000 (${version}) _ZNSt18condition_variable4waitE`;

  test("refuses a symbol that is newer than the floor", () => {
    expect(tooNew(symbol("GLIBCXX_3.4.30"))).toEqual([
      { library: "GLIBCXX", version: "3.4.30", symbol: "_ZNSt18condition_variable4waitE" },
    ]);
    expect(tooNew(`${symbol("GLIBC_2.2.5")}\n${symbol("GLIBC_2.35")}`)).toHaveLength(1);
  });

  test("takes those of the floor, and older ones", () => {
    expect(tooNew(symbol(`GLIBC_${FLOOR.GLIBC}`))).toEqual([]);
    expect(tooNew(`${symbol("GLIBCXX_3.4.9")}\n${symbol("CXXABI_1.3.9")}`)).toEqual([]);
  });
});
