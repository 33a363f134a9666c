/** Each kind of bad input has its own error code, its exit code, and no stack trace. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { writeOutput } from "../../src/cli/write-output.js";
import { bundledModels } from "../../src/engine/bundled-models.js";
import { ENGINE_METADATA, locateEngine } from "../../src/engine/local/locate-engine.js";
import { PROMPT } from "../fixtures/cli-ask.js";
import { expectError } from "../fixtures/cli-error.js";
import { cli, scratch, scratchFile } from "../fixtures/cli-process.js";

const gguf = readFileSync(bundledModels()[0]?.path ?? "");
const noTemplate = Buffer.from(gguf);
noTemplate.write("x", gguf.indexOf("tokenizer.chat_template"));

const models = {
  page: scratchFile("page.gguf", "<!DOCTYPE html><html><body>Sign in</body></html>"),
  pointer: scratchFile(
    "pointer.gguf",
    "version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
  ),
  empty: scratchFile("empty.gguf", ""),
  header: scratchFile("header.gguf", gguf.subarray(0, 100)),
  half: scratchFile("half.gguf", gguf.subarray(0, gguf.length / 2)),
  short: scratchFile("short.gguf", gguf.subarray(0, -1)),
  noTemplate: scratchFile("no-template.gguf", noTemplate),
};
const reward = (name: string, source: string) => `module:${scratchFile(`${name}.mjs`, source)}`;

// None of these draws: two at once are safe.
describe.concurrent("a model", () => {
  test.each([
    ["that is missing", "missing.gguf", "ERR_MODEL_NOT_FOUND", /There is no file .*missing\.gguf/],
    [
      "that lacks the hf: of a repository",
      "Qwen/Qwen3-1.7B-GGUF:Q8_0",
      "ERR_MODEL_NOT_FOUND",
      "Try: hf:Qwen/Qwen3-1.7B-GGUF:Q8_0, if",
    ],
    ["that is a directory", ".", "ERR_MODEL_NOT_FOUND", "is a directory"],
    ["that is no regular file", "/dev/null", "ERR_MODEL_NOT_FOUND", "is not a file"],
    ["that is a web page", models.page, "ERR_NOT_GGUF", "is a web page"],
    ["that is a Git LFS pointer", models.pointer, "ERR_NOT_GGUF", "git lfs pull"],
    ["that is empty", models.empty, "ERR_NOT_GGUF", "is empty"],
    ["cut off in its header", models.header, "ERR_NOT_GGUF", "could not be loaded"],
    ["cut off in its tensors", models.half, "ERR_MODEL_TRUNCATED", "download it again"],
    ["one byte short", models.short, "ERR_MODEL_TRUNCATED", "download it again"],
    ["without a chat template", models.noTemplate, "ERR_NO_CHAT_TEMPLATE", "--raw"],
  ])("%s", async (_, model, code, says) => {
    await expectError(["ask", PROMPT, "-m", model], { code, exit: 1, says });
  });

  test("that is missing, as --proposal", async () => {
    await expectError(["ask", PROMPT, "--method", "ets-is", "--proposal", "missing.gguf"], {
      code: "ERR_MODEL_NOT_FOUND",
      exit: 1,
      says: "missing.gguf",
    });
  });
});

test("a model without a chat template answers with --raw", async () => {
  const args = ["ask", PROMPT, "--raw", "--method", "sample", "-m", models.noTemplate];
  const { code, stderr } = await cli(args);
  expect(stderr).toBe("");
  expect(code).toBe(0);
});

test("a raw prompt from standard input keeps its white space", async () => {
  const input = "  2 + 2 =\n\n";
  const { code, stdout } = await cli(["ask", "--raw", "--json", "--max-tokens", "1"], { input });
  expect(code).toBe(0);
  expect(JSON.parse(stdout).prompt.text).toBe(input);
});

// None of these draws.
describe.concurrent("an option that only a model can tell to be wrong", () => {
  test.each([
    ["-M 300 -I 2 --max-tokens 20", /301 texts .*\n.*candidates: 254 or steps: 1/],
    ["--method ets-is -m mini-gsm-proposal", "Expected --proposal"],
  ])("%s", async (flags, says) => {
    const args = ["ask", PROMPT, ...flags.split(" ")];
    await expectError(args, { code: "ERR_INVALID_OPTION", exit: 2, says });
  });
});

// None of these draws.
describe.concurrent("a prompt", () => {
  const empty = { code: "ERR_INVALID_OPTION", exit: 2, says: "`prompt`" } as const;

  test.each([
    ["that is empty", [""], ""],
    ["of spaces", ["  "], ""],
    ["that is empty on standard input", [], ""],
    ["of line breaks on standard input", ["-"], "\n\n"],
    ["that is empty, with --raw", ["", "--raw"], ""],
  ])("%s", async (_, args, input) => {
    await expectError(["ask", ...args], empty, { input });
  });

  test("longer than the context", async () => {
    await expectError(
      ["ask", "-"],
      {
        code: "ERR_CONTEXT_FULL",
        exit: 1,
        says: /The prompt has \d+ tokens .* context holds \d+/,
      },
      { input: "word ".repeat(3000) },
    );
  });

  test("that leaves too little of the context for --max-tokens", async () => {
    await expectError(["ask", PROMPT, "--max-tokens", "100000"], {
      code: "ERR_CONTEXT_FULL",
      exit: 1,
      says: /Try: maxTokens: \d+/,
    });
  });
});

describe("a reward", () => {
  const expectRefused = (name: string, says: RegExp | string) =>
    expectError(["ask", PROMPT, "--temperature", "1.5", "--reward", name], {
      code: "ERR_REWARD",
      exit: 1,
      says,
    });

  test.each([
    [
      "that is NaN",
      reward("nan", "export default () => NaN;"),
      /finite number, got `NaN` for .*candidate 0 at step 0/,
    ],
    ["that is infinite", reward("infinite", "export default () => -1 / 0;"), "got `-Infinity`"],
    ["that is no number", reward("text", 'export default () => "good";'), 'got `"good"`'],
    [
      "that throws",
      reward("throws", 'export default () => { throw new Error("no score today"); };'),
      "no score today",
    ],
    [
      "that rejects",
      reward("rejects", 'export default async () => { throw new Error("server down"); };'),
      "server down",
    ],
    [
      "that never comes",
      reward("never", "export default () => new Promise(() => {});"),
      "never settled",
    ],
    [
      "with too few numbers",
      reward("few", 'export default { name: "few", score: () => [1] };'),
      /`few` to return \d+ numbers .* got 1/,
    ],
  ])("%s", (_, name, says) => expectRefused(name, says));

  // None of these draws.
  test.concurrent.each([
    ["whose module is missing", "module:missing.mjs", "missing.mjs"],
    ["whose module has a syntax error", reward("syntax", "export default ("), "syntax.mjs"],
    ["whose module throws", reward("loads", 'throw new Error("no licence");'), "no licence"],
    ["whose module exports none", reward("none", "export const score = 1;"), "export default"],
  ])("%s", (_, name, says) => expectRefused(name, says));
});

// None of these draws.
describe.concurrent("an engine", () => {
  test("that is missing", async () => {
    await expectError(
      ["ask", PROMPT],
      {
        code: "ERR_ENGINE_NOT_FOUND",
        exit: 1,
        says: /\/nonexistent.*\n.*Try: /,
      },
      { env: { LLAMA_ETS_ENGINE: "/nonexistent" } },
    );
  });

  test("of another release than the addon was built for", async () => {
    const metadata = { buildOptions: { llamaCpp: { release: "b1" } } };
    scratchFile("_nlcBuildMetadata.json", JSON.stringify(metadata));
    await expectError(
      ["ask", PROMPT],
      {
        code: "ERR_ENGINE_MISMATCH",
        exit: 1,
        says: /built for llama\.cpp .* is b1/,
      },
      { env: { LLAMA_ETS_ENGINE: scratch(".") } },
    );
  });
});

test("an engine for Vulkan that finds no device is no GPU, and refused where one is asked for", async () => {
  const { directory } = await locateEngine(false);
  mkdirSync(scratch("vulkan"));
  for (const name of readdirSync(directory)) {
    symlinkSync(path.join(directory, name), scratch(`vulkan/${name}`));
  }
  const metadata = JSON.parse(readFileSync(path.join(directory, ENGINE_METADATA), "utf8"));
  metadata.buildOptions.gpu = "vulkan";
  rmSync(scratch(`vulkan/${ENGINE_METADATA}`));
  scratchFile(`vulkan/${ENGINE_METADATA}`, JSON.stringify(metadata));
  const env = { LLAMA_ETS_ENGINE: scratch("vulkan") };
  await expectError(
    ["ask", PROMPT, "--gpu", "vulkan"],
    {
      code: "ERR_ENGINE_NOT_FOUND",
      exit: 1,
      says: /No vulkan engine works on this machine: (`libvulkan\.so\.1`|.* finds no device).*\nTry: /,
    },
    { env },
  );
  expect((await cli(["doctor"], { env })).stdout).toMatch(/^ok +engine +CPU, /m);
});

describe.concurrent("a misspelt name is told before a model is loaded:", () => {
  test.each([
    [["eval", "gsm8kk"], /got `"gsm8kk"`.*\nTry: gsm8k\n$/],
    // In a process that hasn't read a CSV before, where the file is asked for first.
    [
      ["eval", "choices:no.csv", "--out", "no-run"],
      /^error no\.csv could not be read: there is no/,
    ],
    [["report", "no-such-run"], /^error Could not read no-such-run: there is no such file/],
    [["models", "chek"], /Unknown command: models chek .*\nTry: llama-ets models check\n$/],
  ])("%j", async (args, says) => {
    const { code, stdout, stderr } = await cli(args);
    expect(code).toBeGreaterThan(0);
    expect(stdout).toBe("");
    expect(stderr).toMatch(says);
  });
});

const pipe = scratch("pipe");

describe.skipIf(spawnSync("mkfifo", [pipe]).status !== 0)("output to a named pipe", () => {
  test("waits for whoever reads it, and is whole", async () => {
    const text = "more than a pipe holds\n".repeat(20_000);
    const [read] = await Promise.all([readFile(pipe, "utf8"), writeOutput("trace", pipe, text)]);
    expect(read).toBe(text);
  });

  test("that nobody reads is given up with the run, and fails once that has ended", async () => {
    const abort = new AbortController();
    const writing = writeOutput("trace", pipe, "x", abort.signal);
    setTimeout(() => abort.abort(new Error("enough")), 5);
    await expect(writing).rejects.toThrow("enough");
    await expect(writeOutput("trace", pipe, "x", abort.signal)).rejects.toMatchObject({
      code: "ERR_WRITE",
      message: expect.stringMatching(/trace was not written: nobody reads the named pipe/),
    });
  });
});

describe("a file that is there already", () => {
  const file = scratchFile("older.json", "older");
  chmodSync(file, 0o640);
  const link = scratch("link.json");
  symlinkSync(file, link);
  const names = () => readdirSync(path.dirname(file)).toSorted();

  test("stays as it was where writing fails in the middle, and a new one is not begun", async () => {
    const before = names();
    const broken = function* () {
      yield "newer";
      throw new Error("no space left");
    };
    for (const target of [file, link, scratch("half.json")]) {
      await expect(writeOutput("trace", target, broken())).rejects.toMatchObject({
        code: "ERR_WRITE",
        message: expect.stringContaining("no space left"),
      });
    }
    expect(readFileSync(file, "utf8")).toBe("older");
    expect(names()).toEqual(before);
  });

  test("gives way as a whole, with its permissions, and links to it stay links", async () => {
    const before = names();
    await writeOutput("trace", link, ["new", "er"]);
    expect(readFileSync(file, "utf8")).toBe("newer");
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(names()).toEqual(before);
  });
});

describe("output that can't be written", () => {
  test.each([
    ["a directory that is missing", "missing/trace.json", "there is no directory missing"],
    ["a directory", ".", "is a directory"],
  ])("a trace in %s is refused before the run", async (_, file, reason) => {
    await expectError(["ask", PROMPT, "-m", "missing.gguf", "--json", "--trace", file], {
      code: "ERR_WRITE",
      exit: 1,
      says: reason,
    });
  });

  test.runIf(existsSync("/dev/full"))(
    "a trace on a full disk: the answer is printed, and the run fails",
    async () => {
      const { code, stdout, stderr } = await cli(["ask", PROMPT, "--json", "--trace", "/dev/full"]);
      expect(JSON.parse(stdout).text).not.toBe("");
      expect(stderr).toContain("(ERR_WRITE)");
      expect(stderr).toContain("ENOSPC");
      expect(code).toBe(1);
    },
  );

  test
    .runIf(existsSync("/dev/full"))
    .each([[["ask", PROMPT]], [["ask", PROMPT, "--json"]], [["models"]], [["--help"]]])(
    "on a full disk %j fails and says so once",
    async (args) => {
      const { code, stderr } = await cli(args, { stdout: openSync("/dev/full", "w") });
      expect(stderr.match(/ERR_WRITE/g)).toHaveLength(1);
      expect(code).toBe(1);
    },
  );
});
