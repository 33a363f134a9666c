/** The commands that look around: `models`, `doctor`. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { describe, expect, test, vi } from "vitest";
import { cacheDirectory } from "../../src/engine/cache-directory.js";
import { locateEngine } from "../../src/engine/local/locate-engine.js";
import type { ListedModels } from "../../src/methods/inspect-models.js";
import { cli, scratch, scratchFile } from "../fixtures/cli-process.js";
import { encodeGguf } from "../fixtures/gguf-writer.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyNemotronH } from "../fixtures/tiny-recurrent-models.js";

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

  test("says what this machine can run, by which memory, and who could draw rollouts", async () => {
    const { stdout } = await cli(["models", "--json", "--gpu", "off"]);
    const { bundled, popular } = JSON.parse(stdout) as ListedModels;
    const named = (name: string) => bundled.find((model) => model.name === name);
    const memory = named("mini-gsm-ref")?.inspected?.memory;
    expect(memory).toMatchObject({ fits: true, place: "cpu", longestText: 512 });
    expect(memory?.plannedBytes).toBeGreaterThan(4e6);
    expect(named("mini-gsm-ref")?.proposals).toEqual([
      { source: "mini-gsm-proposal", sizeBytes: 962944, isHere: true },
    ]);
    expect(named("mini-gsm-verifier")?.inspected).toMatchObject({
      kind: "classifier",
      memory: null,
    });
    // Larger models of one family take more.
    const qwen = popular.filter(({ source }) => source.includes("Qwen3"));
    const taken = qwen.map((model) => model.memory?.plannedBytes as number);
    expect(taken.length).toBeGreaterThan(3);
    expect(taken).toEqual(taken.toSorted((a, b) => a - b));
  });

  test("lists the files all the same where there is no engine, and says what isn't known", async () => {
    const { code, stdout } = await cli(["models", "--engine", "/nonexistent"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}mini-gsm-ref +\d+\.\d MiB /m);
    expect(stdout).toMatch(/what this machine can run is unknown: .*\/nonexistent/);
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

/** An empty cache, but for what the sandbox keeps: making that takes seconds. */
function cacheWithSandbox(): string {
  const cache = scratch("cache");
  const sandbox = path.join(cacheDirectory(), "sandbox");
  for (const directory of [sandbox, path.join(cache, "llama-ets")]) {
    mkdirSync(directory, { recursive: true });
  }
  symlinkSync(sandbox, path.join(cache, "llama-ets", "sandbox"));
  return cache;
}

describe("models rm and models check", () => {
  function home(name: string): { env: Record<string, string>; models: string } {
    const HOME = scratch(name);
    const models = `${HOME}/.node-llama-cpp/models`;
    mkdirSync(models, { recursive: true });
    return { env: { HOME, USERPROFILE: HOME, XDG_CACHE_HOME: "" }, models };
  }
  const bundled = new URL("../../models/mini-gsm-proposal.gguf", import.meta.url);

  test("check finds what is broken, and names how to remove it", async () => {
    const { env, models } = home("check");
    const whole = readFileSync(bundled);
    writeFileSync(`${models}/good.gguf`, whole);
    writeFileSync(`${models}/cut.gguf`, whole.subarray(0, whole.length - 999));
    const { code, stdout, stderr } = await cli(["models", "check"], { env });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ {2}ok +good\.gguf +whole; the hub gave no SHA-256/m);
    expect(stdout).toMatch(/^ {2}broken +cut\.gguf: The file ends inside tensor/m);
    expect(stderr).toMatch(/1 of 2 are broken.*\nTry: llama-ets models rm cut\.gguf/);
    const one = await cli(["models", "check", "good", "--json"], { env });
    expect(one.code).toBe(0);
    expect(JSON.parse(one.stdout)).toMatchObject({
      models: [{ name: "good.gguf", checksum: null }],
    });
  });

  test("rm removes what is named, and nothing where a name isn't one of its own", async () => {
    const { env, models } = home("rm");
    writeFileSync(`${models}/a.gguf`, "GGUF");
    writeFileSync(`${models}/b.gguf`, "GGUF");
    for (const wrong of ["mini-gsm-ref", `${models}/b.gguf`]) {
      const { code, stderr } = await cli(["models", "rm", "a.gguf", wrong], { env });
      expect(code).toBe(wrong === "mini-gsm-ref" ? 2 : 1);
      expect(stderr).toMatch(/Try: a name that `llama-ets models` lists under Downloaded/);
    }
    expect(readdirSync(models)).toEqual(["a.gguf", "b.gguf"]);
    const { code, stdout } = await cli(["models", "rm", "a", "--json"], { env });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ removed: [{ name: "a.gguf" }] });
    expect(readdirSync(models)).toEqual(["b.gguf"]);
    expect((await cli(["models", "remove", "b"], { env })).code).toBe(2);
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
    ["a proposal without a reference", ["--proposal", "mini-gsm-proposal"]],
    ["prompts without a pair", ["--prompt", "Why?"]],
  ])("refuses %s as bad usage", async (_, args) => {
    const { code, stdout, stderr } = await cli(["doctor", ...args]);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("--proposal");
  });

  test("--json prints one object, with what -m names: its forks are proven, which is kept", async () => {
    const { directory } = await locateEngine(false);
    const file = temporaryFile("hybrid.gguf", encodeGguf(tinyNemotronH("nemotron_h_moe")));
    const env = { XDG_CACHE_HOME: cacheWithSandbox() };
    const args = ["doctor", "--json", "--gpu", "off", "--engine", directory, "-m", file];
    const { code, stdout } = await cli(args, { env });
    expect(code).toBe(0);
    const { ok, findings } = JSON.parse(stdout);
    expect(ok).toBe(true);
    const all = [...checks, "model", "forks", "memory", "speed", "rounding", "proposal"];
    expect(findings.map(({ check }: { check: string }) => check)).toEqual(all);
    expect(detailOf(findings, "engine")).toMatch(`${directory} (--engine)`);
    expect(detailOf(findings, "model")).toContain("architecture nemotron_h_moe");
    expect(detailOf(findings, "forks")).toMatch(/^proven: 19 texts/);
    expect(detailOf(findings, "memory")).toMatch(/^a run with 8 candidates takes [\d.]+ MiB of /);
    expect(detailOf(findings, "speed")).toMatch(
      /^[\d.]+ tokens\/s of one text, [\d.]+ of 8 at once$/,
    );
    const ask = ["ask", "Hi", "-m", file, "--gpu", "off", "--max-tokens", "2", "--raw"];
    expect(await cli(ask, { env })).toMatchObject({ code: 0 });
  });

  test("says of a model that ends the process that it did", async () => {
    const { examineModel } = await import("../../dist/cli/commands/doctor-model.js");
    const kill = "if (process.argv[1].endsWith('fork-probe-process.js')) process.kill(process.pid)";
    vi.stubEnv("NODE_OPTIONS", `--import=data:text/javascript,${encodeURIComponent(kill)}`);
    const findings = await examineModel("any.gguf", { gpu: false });
    vi.unstubAllEnvs();
    const detail = expect.stringMatching(/^any\.gguf ended the process that tried it \(SIGTERM\)/);
    expect(findings).toEqual([{ check: "model", ok: false, detail }]);
  });

  test("shows the engine and who computes attention, as variables chose them", async () => {
    const { directory } = await locateEngine(false);
    const env = { LLAMA_ETS_ENGINE: directory, LLAMA_ETS_ATTENTION: "engine" };
    const { stdout } = await cli(["doctor"], { env });
    expect(stdout).toMatch(`${directory} (LLAMA_ETS_ENGINE)\n`);
    expect(stdout).toMatch(/^ok +attention +engine's: /m);
  });

  test.each([
    ["mini-gsm-ref", /^drawn and scored log-probabilities differ by [\d.e-]+ nats a token \(99th/],
    ["mini-gsm-llada", /^not measured: it extends no text$/],
  ])(
    "-m %s says how its log-probabilities are rounded; options come first",
    async (model, detail) => {
      const args = ["doctor", "--json", "-m", model, "--gpu", "off", "--attention", "auto"];
      const { code, stdout } = await cli(args, { env: { LLAMA_ETS_ATTENTION: "engine" } });
      const { findings } = JSON.parse(stdout);
      expect(detailOf(findings, "rounding")).toMatch(detail);
      expect(detailOf(findings, "attention")).toMatch(/^(own: AVX2; self-test agrees|engine's: )/);
      expect(detailOf(findings, "attention")).not.toContain("LLAMA_ETS_ATTENTION");
      if (model === "mini-gsm-ref") {
        expect(detailOf(findings, "proposal")).toMatch(
          /^mini-gsm-proposal \([\d.]+ MiB\) has its tokenizer: `llama-ets doctor -m mini-gsm-ref --proposal mini-gsm-proposal`/,
        );
      }
      expect(code).toBe(0);
    },
  );

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
