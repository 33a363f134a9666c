/** `--help`: what commands and methods take. */
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { askCommand } from "../../src/cli/commands/ask.js";
import { asFlags } from "../../src/cli/exit.js";
import { GUIDANCE_OPTIONS } from "../../src/methods/options/common-specs.js";
import type { OptionSpec } from "../../src/methods/options/option.js";
import { METHOD_NAMES, METHODS, type MethodName } from "../../src/methods/registry.js";
import { taskNames } from "../../src/tasks/index.js";
import { VERSION } from "../../src/version.js";
import { cli } from "../fixtures/cli-process.js";

describe.concurrent("help", () => {
  test.each([["--help"], ["-h"], ["help"]])("%s lists the commands", async (flag) => {
    const { code, stdout, stderr } = await cli([flag]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    for (const command of ["ask", "models", "doctor", "help", "compare", "report", "replay"]) {
      expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, "m"));
    }
  });

  const flagsOf = (specs: Readonly<Record<string, OptionSpec>>) =>
    Object.values(specs).flatMap(({ flags }) => flags.map(({ flags }) => flags));
  const ownFlags = (name: MethodName) => [
    ...flagsOf(METHODS[name].own),
    ...flagsOf(METHODS[name].potential ?? {}),
    ...(METHODS[name].proposal ? ["--proposal <model>", ...flagsOf(METHODS[name].proposal)] : []),
  ];
  const allOwn = [...new Set(METHOD_NAMES.flatMap(ownFlags))];
  const listedIn = (help: string) =>
    [...help.matchAll(/^ +(-.*?)(?: {2}|$)/gm)].map((row) => row[1] as string);

  test("ask --help lists every common option, with what it takes, and names every method and task", async () => {
    const { code, stdout } = await cli(["ask", "--help"]);
    expect(code).toBe(0);
    const options = askCommand(new Command("ask")).options.filter(
      ({ flags }) => !allOwn.includes(flags),
    );
    expect(listedIn(stdout)).toEqual([...options.map(({ flags }) => flags), "-h, --help"]);
    for (const option of options) expect(option.description).not.toBe("");
    const flags = options.flatMap(({ short, long }) => [short, long]);
    expect(flags).toEqual(
      expect.arrayContaining([
        ...["-m", "--model", "--method", "-M", "--candidates", "-K", "--rollouts", "-I", "--steps"],
        ...["--block-tokens", "--lambda", "--max-tokens", "--temperature", "--top-k", "--top-p"],
        ...["--min-p", "--reward", "--task", "--finish", "--stop", "--system", "--raw", "--seed"],
        ...[
          "--gpu",
          "--engine",
          "--threads",
          "--budget-tokens",
          "--budget-ms",
          "--json",
          "--quiet",
          "--trace",
        ],
      ]),
    );
    for (const name of [...METHOD_NAMES, ...taskNames()]) expect(stdout).toContain(name);
  });

  test.each([
    [
      ["ask", "--help"],
      ["Common:", "Guidance:", "The text:", "Diffusion models:"],
    ],
    [
      ["eval", "--help"],
      ["Common:", "Guidance:", "The text:", "Diffusion models:"],
    ],
    [
      ["serve", "--help"],
      ["Common:", "The machine:"],
    ],
    [
      ["ask", "--method", "particle", "--help"],
      ["Common:", "Guidance:", "The method's own:"],
    ],
  ])(
    "%j lists them in groups, the common ones first, and ends with examples",
    async (args, groups) => {
      const { stdout } = await cli(args);
      const headings = stdout.match(/^\S[^:\n]*:$/gm) ?? [];
      const own = headings.filter((heading) => heading !== "Arguments:");
      expect(own.slice(0, groups.length)).toEqual(groups);
      expect(own.slice(-2)).toEqual(["Output:", "Examples:"]);
      expect(own).not.toContain("Options:");
      if (args[0] !== "eval") expect(own).not.toContain("The evaluation:");
      expect(own).not.toContain("More:");
      expect(stdout).toMatch(/\n {2}llama-ets \w+ .*\n$/);
    },
  );

  test("fixes name the flag alone", () => {
    expect(asFlags("Try: `raw: true` (--raw), or a `chatTemplate` (--chat-template)")).toBe(
      "Try: --raw, or a --chat-template",
    );
    expect(asFlags("Try: blockTokens (-B) 8")).toBe("Try: -B 8");
    expect(asFlags("Try: gpu: false (--gpu off), or a model (of yours) that does (-m)")).toBe(
      "Try: --gpu off, or a model (of yours) that does (-m)",
    );
  });

  test.each(METHOD_NAMES)(
    "ask --method %s --help lists what it takes, and no other's",
    async (name) => {
      const { stdout } = await cli(["ask", "--method", name, "--help"]);
      const listed = listedIn(stdout);
      expect(listed.filter((flags) => allOwn.includes(flags)).sort()).toEqual(
        ownFlags(name).sort(),
      );
      const { guidance } = METHODS[name];
      for (const [option, { flags }] of Object.entries<OptionSpec>(GUIDANCE_OPTIONS)) {
        const isTaken = (guidance as readonly string[]).includes(option);
        for (const { flags: flag } of flags) expect(listed.includes(flag)).toBe(isTaken);
      }
      expect(listed.includes("--reward <reward>")).toBe(guidance.includes("reward"));
      expect(listed).toContain("--max-tokens <n>");
    },
  );

  test("without a command is shown on standard error, as bad usage", async () => {
    const { code, stdout, stderr } = await cli([]);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("Usage: llama-ets");
  });

  test.each([["models"], ["ask"], ["models rm"]])(
    "help %s shows what %s --help does",
    async (names) => {
      const command = names.split(" ");
      const [help, flag] = await Promise.all([
        cli(["help", ...command]),
        cli([...command, "--help"]),
      ]);
      expect(help).toMatchObject({ code: 0, stderr: "", stdout: flag.stdout });
      expect(help.stdout).toContain(`Usage: llama-ets ${names} `);
      if (names === "models") expect(help.stdout).toMatch(/^ {2}rm /m);
    },
  );

  test("help of an unknown command suggests one", async () => {
    const { code, stdout, stderr } = await cli(["help", "modles"]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/unknown command 'modles'[\s\S]*Did you mean models/);
  });

  test("--version prints the package's version", async () => {
    expect(await cli(["--version"])).toMatchObject({ code: 0, stdout: `${VERSION}\n`, stderr: "" });
  });
});
