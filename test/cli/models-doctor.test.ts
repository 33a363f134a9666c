/** The commands that look around: `models`, `doctor`. */
import { existsSync, mkdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { locateEngine } from "../../src/engine/local/locate-engine.js";
import { cli, scratch, scratchFile } from "../fixtures/cli-process.js";

describe.concurrent("models", () => {
  test("lists the bundled models, with sizes", async () => {
    const { code, stdout, stderr } = await cli(["models"]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^ {2}mini-gsm-ref +\d+\.\d MiB /m);
    expect(stdout).toMatch(/^ {2}mini-gsm-proposal +\d+\.\d MiB /m);
  });

  test("--json prints one object, with files that exist", async () => {
    const { code, stdout } = await cli(["models", "--json"]);
    expect(code).toBe(0);
    const { default: name, bundled, downloaded } = JSON.parse(stdout);
    expect(bundled.map((model: { name: string }) => model.name)).toContain(name);
    for (const model of bundled) {
      expect(existsSync(model.path)).toBe(true);
      expect(model.sizeBytes).toBeGreaterThan(1e5);
    }
    expect(downloaded).toBeInstanceOf(Array);
  });

  test("lists what was downloaded, and how to when there is nothing", async () => {
    const HOME = scratch("home");
    mkdirSync(`${HOME}/.node-llama-cpp/models`, { recursive: true });
    const env = { HOME, USERPROFILE: HOME };
    expect((await cli(["models"], { env })).stdout).toContain("llama-ets ask -m hf:");
    scratchFile("home/.node-llama-cpp/models/hf_some_model.gguf", "GGUF");
    scratchFile("home/.node-llama-cpp/models/hf_other.gguf.part", "GG");
    const { stdout } = await cli(["models", "--json"], { env });
    const { downloaded } = JSON.parse(stdout);
    expect(downloaded).toMatchObject([{ name: "hf_some_model.gguf", sizeBytes: 4 }]);
  });
});

describe("models says of a downloaded file that it is broken:", () => {
  const files: [string, string | Buffer, string][] = [
    ["page.gguf", "<!doctype html><title>Sign in</title>", "a web page, not GGUF"],
    ["nothing.gguf", "", "empty, not GGUF"],
    ["cut.gguf", "GGUF\u0003", "it is cut off"],
  ];
  test.each(files)("%s", async (name, content, what) => {
    const HOME = scratch(`home-${name}`);
    mkdirSync(`${HOME}/.node-llama-cpp/models`, { recursive: true });
    scratchFile(`home-${name}/.node-llama-cpp/models/${name}`, content);
    const env = { HOME, USERPROFILE: HOME };
    const { stdout } = await cli(["models"], { env });
    expect(stdout).toMatch(new RegExp(`^ +${name} +${content.length} B +broken: ${what}; /`, "m"));
    expect(stdout).not.toContain("0.0 MiB");
    const { downloaded } = JSON.parse((await cli(["models", "--json"], { env })).stdout);
    expect(downloaded).toMatchObject([{ name, sizeBytes: content.length, broken: what }]);
  });
});

describe("doctor", () => {
  const checks = [
    ...[
      "llama-ets",
      "machine",
      "addon",
      "engine",
      "devices",
      "attention",
      "models",
      "sandbox",
      "generation",
    ],
  ];
  const detailOf = (findings: { check: string; detail: string }[], name: string) =>
    findings.find(({ check }) => check === name)?.detail;

  test("finds a working installation well, down to a real generation", async () => {
    const { code, stdout, stderr } = await cli(["doctor"]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    const rows = stdout.trimEnd().split("\n");
    expect(rows.map((row) => row.split(/ +/).slice(0, 2))).toEqual(checks.map((c) => ["ok", c]));
    expect(rows.at(-1)).toMatch(/[1-9]\d* tokens, \d+ tokens\/s/);
  });

  test.each([
    ["a reference without a proposal", ["-m", "mini-gsm-ref"]],
    ["a proposal without a reference", ["--proposal", "mini-gsm-proposal"]],
    ["prompts without a pair", ["--prompt", "Why?"]],
  ])("refuses %s as bad usage", async (_, args) => {
    const { code, stdout, stderr } = await cli(["doctor", ...args]);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("--proposal");
  });

  test("--json prints one object", async () => {
    const { directory } = await locateEngine(false);
    const args = ["doctor", "--json", "--gpu", "off", "--engine", directory];
    const { code, stdout } = await cli(args);
    expect(code).toBe(0);
    const { ok, findings } = JSON.parse(stdout);
    expect(ok).toBe(true);
    expect(findings.map(({ check }: { check: string }) => check)).toEqual(checks);
    expect(detailOf(findings, "engine")).toMatch(`${directory} (--engine)`);
  });

  test("shows the engine that LLAMA_ETS_ENGINE chose", async () => {
    const { directory } = await locateEngine(false);
    const { stdout } = await cli(["doctor"], { env: { LLAMA_ETS_ENGINE: directory } });
    expect(stdout).toMatch(`${directory} (LLAMA_ETS_ENGINE)\n`);
  });

  test("shows who computes attention, and what chose it", async () => {
    const env = { LLAMA_ETS_ATTENTION: "engine" };
    const [chosen, byOption] = [
      await cli(["doctor"], { env }),
      await cli(["doctor", "--json", "--attention", "auto"], { env }),
    ];
    expect(chosen.stdout).toMatch(/^ok +attention +engine's: /m);
    const { findings } = JSON.parse(byOption.stdout);
    expect(detailOf(findings, "attention")).toMatch(/^(own: AVX2; self-test agrees|engine's: )/);
    expect(detailOf(findings, "attention")).not.toContain("LLAMA_ETS_ATTENTION");
  });

  test("refuses a wrong choice of attention by the name of what made it", async () => {
    const option = await cli(["doctor", "--attention", "mine"]);
    expect(option).toMatchObject({ code: 2, stdout: "" });
    expect(option.stderr).toContain("`--attention`");
    const variable = await cli(["doctor"], { env: { LLAMA_ETS_ATTENTION: "mine" } });
    expect(variable.code).toBe(1);
    expect(variable.stdout).toMatch(
      /^FAIL attention +Expected `LLAMA_ETS_ATTENTION` to be one of/m,
    );
  });

  // Neither generates: two at once are safe.
  test("names what is broken, and its code, and exits with 1", async () => {
    const [plain, json] = await Promise.all([
      cli(["doctor", "--engine", "/nonexistent"]),
      cli(["doctor", "--json"], { env: { LLAMA_ETS_ENGINE: "/nonexistent" } }),
    ]);
    expect(plain.code).toBe(1);
    expect(plain.stdout).toMatch(/^FAIL engine .*\/nonexistent[\s\S]*?ERR_ENGINE_NOT_FOUND/m);
    expect(plain.stdout).toMatch(/^FAIL generation [\s\S]*ERR_ENGINE_NOT_FOUND/m);
    expect(plain.stdout).toMatch(/^ok +models /m);
    expect(json.code).toBe(1);
    const { ok, findings } = JSON.parse(json.stdout);
    expect(ok).toBe(false);
    for (const check of ["engine", "generation"]) {
      expect(detailOf(findings, check)).toContain("ERR_ENGINE_NOT_FOUND");
    }
  });
});
