/** Options from a file, and lists of settings on the command line. */
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { watchTable } from "../../src/cli/commands/eval-output.js";
import { addConfigOption } from "../../src/cli/config-file.js";
import { collectTexts, gridOf, parseMethods } from "../../src/cli/method-flags.js";
import { numberOption } from "../../src/cli/numbers.js";
import { liveText } from "../../src/cli/terminal.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";

async function optionsOf(yaml: string, ...flags: string[]): Promise<Record<string, unknown>> {
  const file = temporaryFile("config.yaml", Buffer.from(yaml));
  let seen: Record<string, unknown> = {};
  const command = addConfigOption(new Command("ask"))
    .exitOverride()
    .option("-m, --model <model>", "", "small")
    .option("--max-tokens <n>", "", numberOption)
    .option("--stop <text>", "", collectTexts)
    .option("--raw", "")
    .option("--no-raw", "")
    .action((given) => {
      seen = { ...given };
    });
  await command.parseAsync(["--config", file, ...flags], { from: "user" });
  const { config: _, ...rest } = seen;
  return rest;
}

describe("--config", () => {
  test("sets options by the names of flags; flags win over it, and it over defaults", async () => {
    const yaml = "model: large\nmax-tokens: 64\nraw: true\nstop: [a, b]\n";
    expect(await optionsOf(yaml)).toEqual({
      model: "large",
      maxTokens: 64,
      raw: true,
      stop: ["a", "b"],
    });
    expect(await optionsOf(yaml, "--max-tokens", "8", "-m", "tiny", "--stop", "c")).toEqual({
      model: "tiny",
      maxTokens: 8,
      raw: true,
      stop: ["c"],
    });
    expect(await optionsOf("")).toEqual({ model: "small" });
    for (const no of ["raw: false", "no-raw: true"]) expect((await optionsOf(no)).raw).toBe(false);
  });

  test.each([
    ["max-token: 8", /`max-token` is no option of ask/],
    ["config: other.yaml", /`config` is no option/],
    ["__proto__: { raw: true }", /`__proto__` is no option/],
    ["maxTokens: 8\nmax-tokens: 9", /`max-tokens` is there twice/],
    ["max-tokens: many", /`max-tokens`: Expected a number/],
    ["max-tokens: [1, 2]", /expected one value, got a list/],
    ["max-tokens: { n: 1 }", /expected a text or a number/],
    ["raw: yes please", /expected true or false/],
    ["- raw", /expected `name: value` lines/],
    ["a: [", /config\.yaml: /],
  ])("refuses %j", async (yaml, why) => {
    await expect(optionsOf(yaml)).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: expect.stringMatching(why),
    });
  });
});

describe("methods with lists", () => {
  const names = (text: string) => parseMethods(text).map(({ name }) => name);

  test("are one method for each combination of values", () => {
    expect(names("sample,ets:M=2,4:K=1,2,majority")).toEqual([
      ...["sample", "ets:M=2:K=1", "ets:M=2:K=2", "ets:M=4:K=1", "ets:M=4:K=2", "majority"],
    ]);
    const [first, second] = parseMethods("ets:lambda=0.1,0.5");
    expect([first?.options, second?.options]).toEqual([{ lambda: 0.1 }, { lambda: 0.5 }]);
    expect(names("ets:M=2,2")).toEqual(["ets:M=2"]);
  });

  test("a misspelt method stays one, and a constraint keeps its commas", () => {
    expect(names("ets:M=2,mojority")).toEqual(["ets:M=2", "mojority"]);
    expect(names("ets:potential=ifeval,auto")).toEqual(["ets:potential=ifeval", "auto"]);
    expect(names("ets:constraint=choices:a,b")).toEqual(["ets:constraint=choices:a,b"]);
  });

  test("flags with lists try each value where a method takes the option and sets none", () => {
    const { methods, flags } = gridOf("sample,majority,ets:M=3,auto", {
      candidates: [2, 4],
      lambda: [0.1, 1],
      rollouts: 2,
    });
    expect(methods).toBe("sample,majority:M=2,4,ets:M=3:lambda=0.1,1,auto:M=2,4");
    expect(flags).toEqual({ rollouts: 2 });
  });
});

test("a watched evaluation shows each method's accuracy with its interval", () => {
  const methods = {
    sample: { n: 20, correct: 10, failed: 1 },
    "ets:M=4": { n: 0, correct: 0, failed: 0 },
  };
  const progress = { done: 21, total: 40, drawn: 20, ms: 2000, generated: 400, methods };
  const lines = watchTable(progress);
  expect(lines[1]).toMatch(/^sample {2,}20 {2,}50\.0% {2,}29\.9% – 70\.1% {2,}1$/);
  expect(lines[2]).toMatch(/^ets:M=4 {2,}0 {2,}– {2,}– {2,}0$/);
  expect(lines[3]).toMatch(/^21 of 40 samples, .* left, 200 tokens\/s$/);
});

test("a watched evaluation fits the terminal: no line is broken, and the last one is how far it is", () => {
  const names = Array.from({ length: 18 }, (_, i) => `ets:candidates=${i}:rollouts=4`);
  const methods = Object.fromEntries(
    names.map((name) => [name, { n: 20, correct: 20, failed: 0 }]),
  );
  const progress = { done: 21, total: 4000, drawn: 20, ms: 2000, generated: 400, methods };
  for (const columns of [24, 39, 79, 200]) {
    for (const rows of [2, 3, 9, 19, 20, 50]) {
      const lines = watchTable(progress, { columns, rows });
      expect(lines.length).toBeLessThanOrEqual(Math.max(rows, 3));
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
      expect(lines.at(-1)).toMatch(/^21 of 4000/);
      if (rows < 20) expect(lines.at(-2)).toMatch(/^and \d+ more$/);
      expect(lines[0]).toMatch(columns < 60 ? /accuracy$/ : /95% interval {2}failed$/);
    }
  }
});

test("what is redrawn is wiped by the rows it takes now, and never more than the screen has", () => {
  const written: string[] = [];
  const terminal = {
    isTTY: true,
    columns: 41,
    rows: 5,
    write: (text: string) => written.push(text),
  };
  const live = liveText(terminal as unknown as NodeJS.WriteStream);
  live.draw((room) => {
    expect(room).toEqual({ columns: 40, rows: 4 });
    return ["x".repeat(40), "y", "z"];
  });
  terminal.columns = 21;
  live.close();
  live.close();
  expect(written).toEqual([`${"x".repeat(40)}\ny\nz\n`, "\x1b[4F\x1b[0J", ""]);
});
