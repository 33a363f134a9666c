/** The commands and programs that README.md and docs/ show, and those of examples/. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Command } from "commander";
import { transform } from "esbuild";
import { afterAll, expect, test } from "vitest";
import { COMMANDS } from "../../src/cli/commands.js";
import * as api from "../../src/index.js";
import { cli, startCli } from "../fixtures/cli-process.js";
import { QUESTION } from "../fixtures/models.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MODEL = path.join(ROOT, "models/mini-gsm-ref.gguf");
const run = promisify(execFile);
// In the package, so that programs find it by its name.
const directory = mkdtempSync(path.join(ROOT, "build", "snippets-"));
afterAll(() => rmSync(directory, { recursive: true }));

interface Snippet {
  name: string;
  /** Whether no comment before it says that it isn't. */
  isRun: boolean;
  language: string;
  text: string;
}

const documents = [
  "README.md",
  ...readdirSync(path.join(ROOT, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const snippets: Snippet[] = documents.flatMap((file) => {
  const document = readFileSync(path.join(ROOT, file), "utf8");
  const fences = document.matchAll(/^(<!-- not run: .+ -->\n+)?```(sh|js)\n(.*?)^```/gms);
  return [...fences].map((found) => ({
    name: `${file}:${document.slice(0, found.index).split("\n").length}`,
    isRun: found[1] === undefined,
    language: found[2] as string,
    text: found[3] as string,
  }));
});
const shell = snippets.filter(({ language }) => language === "sh");
const programs = snippets.filter(({ language }) => language === "js");

/** The command lines of a snippet, without comments; a line's end in \ goes on. */
function linesOf({ text }: Snippet): string[] {
  return text
    .replace(/\\\n/g, " ")
    .split(/\n|&&/)
    .map((line) => line.replace(/(^|\s)#.*$/, "").trim())
    .filter((line) => line !== "");
}

/** The words of a command line; quoted ones are one word. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? "",
  );
}

/** What the command line does not know in a command. */
async function unknownIn(line: string): Promise<string[]> {
  const words = wordsOf(line.replace(/^npx /, "")).slice(1);
  const entry = COMMANDS.find(({ name }) => name === words[0]);
  if (entry === undefined) return [words[0] ?? ""];
  const command = await entry.define(new Command(entry.name));
  const known = [command, ...command.commands].flatMap(({ options }) =>
    options.flatMap(({ short, long }) => [short, long]),
  );
  const flags = words.filter((word) => /^--?[a-zA-Z]/.test(word));
  return flags.filter((flag) => !known.includes(flag.split("=")[0]));
}

const commands = shell.flatMap((snippet) =>
  linesOf(snippet)
    .filter((line) => /^(npx )?llama-ets /.test(line))
    .map((line) => [snippet.name, line] as const),
);

test("the documents have commands and programs", () => {
  expect(commands.length).toBeGreaterThan(15);
  expect(programs.length).toBeGreaterThan(8);
});

test.each(commands)("%s: %s has flags that the command knows", async (_, line) => {
  expect(await unknownIn(line)).toEqual([]);
});

test("a flag and a command that nobody knows are found", async () => {
  expect(await unknownIn('npx llama-ets ask --lamda 1 "a -z question"')).toEqual(["--lamda"]);
  expect(await unknownIn("llama-ets aks")).toEqual(["aks"]);
});

test.each(shell.map((each) => [each.name, each] as const))(
  "%s runs scripts that exist",
  (_, snippet) => {
    const { scripts } = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8"));
    const named = [...snippet.text.matchAll(/npm run ([\w:-]+)/g)].map(
      (found) => found[1] as string,
    );
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  },
);

test.each(programs.map((each) => [each.name, each] as const))(
  "%s parses, and imports what the package exports",
  async (_, { text }) => {
    await transform(text, { loader: "js", format: "esm", target: "es2024" });
    const imported = [...text.matchAll(/import \{([^}]*)\} from "llama-ets"/g)].flatMap((found) =>
      (found[1] as string).split(",").map((name) => name.trim()),
    );
    expect(imported.filter((name) => !(name in api))).toEqual([]);
  },
);

/** Runs a program as its own process, in the package. */
async function output(text: string, name: string): Promise<string> {
  const file = path.join(directory, name);
  writeFileSync(file, text);
  return (await run(process.execPath, [file], { cwd: directory })).stdout;
}

/** What the documents speak of without saying where it is from. */
const GIVEN: Readonly<Record<string, string>> = {
  model: 'const model = await loadModel("mini-gsm-ref");',
  question: `const question = ${JSON.stringify(QUESTION)};`,
  prompt: `const prompt = ${JSON.stringify(QUESTION)};`,
  words: 'const words = ["apples", "left"];',
};

/** A program whole: with what it is given, fewer items, and its model disposed of. */
function whole(text: string): string {
  const imported = [...text.matchAll(/import \{([^}]*)\} from/g)].flatMap(([, names = ""]) =>
    names.split(",").map((name) => name.trim()),
  );
  const uses = (name: string) => new RegExp(`(?<![.\\w"'])${name}\\b`).test(text);
  const declares = (name: string) =>
    new RegExp(`(const|let) (${name}\\b|\\{[^}]*\\b${name}\\b[^}]*\\} =)`).test(text);
  const given = Object.entries(GIVEN).filter(([name]) => uses(name) && !declares(name));
  const ownsModel = given.some(([name]) => name === "model");
  const names = Object.keys(api).filter((name) => !imported.includes(name));
  const wanted = names.filter((name) => uses(name) || (ownsModel && name === "loadModel"));
  const disposal = uses("model") && !text.includes("model.dispose") ? "await model.dispose();" : "";
  return [
    `import { ${wanted.join(", ")} } from "llama-ets";`,
    'import { writeFile } from "node:fs/promises";',
    ...given.map(([, line]) => line),
    text.replace(/limit: \d+/, "limit: 2").replace('"model.gguf"', JSON.stringify(MODEL)),
    disposal,
  ].join("\n");
}

/** In this order: comparing.md reads what evaluation.md writes. */
const runnable = programs
  .filter(({ isRun }) => isRun)
  .sort((a, b) => Number(a.name.includes("comparing")) - Number(b.name.includes("comparing")));

test("programs that aren't run say why, and they are few", () => {
  expect(programs.length - runnable.length).toBeLessThan(6);
});

test.each(runnable.map((each) => [each.name, each] as const))("%s runs", async (name, { text }) => {
  if (name.includes("comparing")) {
    const trace = path.join(directory, "answer.json");
    expect((await cli(["ask", "--trace", trace, QUESTION])).code).toBe(0);
  }
  await output(whole(text), `${name.replace(/\W/g, "-")}.mjs`);
});

test("README's program prints its answer, docs/constraints.md's a grammar", async () => {
  const textOf = (file: string) => programs.find(({ name }) => name.startsWith(file))?.text ?? "";
  expect(await output(textOf("README.md"), "readme.mjs")).toMatch(/^\d+ [\d.]+ \d+ \d+\n$/);
  const constraints = textOf("docs/constraints.md");
  expect(await output(constraints, "constraints.mjs")).toMatch(/^root ::= /m);
});

test("README's first question to the bundled model is answered", async () => {
  const line = commands.find(([, each]) => /ask "Eric /.test(each))?.[1] ?? "";
  const { code, stdout } = await cli(wordsOf(line).slice(2));
  expect(code).toBe(0);
  expect(stdout).toMatch(/answer/);
});

const EXAMPLES: Readonly<Record<string, RegExp>> = {
  "diffusion.mjs": /^answer: .*\ndenoising passes decoded \d+ tokens\n$/,
  "evaluation.mjs": /^sample: \d+% of 5 items are right\nmajority-4: \d+% of 5 items are right\n$/,
  "guided-answer.mjs": /^answer: .*\nshare of the texts that agree: [\d.]+\ntokens: \d+\n$/,
  "json-answer.mjs": /^\{ animal: '(hen|duck)', isBird: (true|false) \}\n$/,
  "own-reward.mjs": /reward: -[\d.]+\n$/,
  "server-client.mjs": /^mini-gsm-ref\+ets: .*\ntokens: \d+\n$/,
};

test("every example has a test", () => {
  const names = readdirSync(path.join(ROOT, "examples")).filter((name) => name.endsWith(".mjs"));
  expect(names.sort()).toEqual(Object.keys(EXAMPLES));
});

test.each(Object.entries(EXAMPLES))("examples/%s", async (name, prints) => {
  const file = path.join(ROOT, "examples", name);
  const server = name.startsWith("server-") ? startCli(["serve", "--port", "0"]) : undefined;
  try {
    const [address] = /http:\/\/[\d.]+:\d+/.exec((await server?.says("Ctrl-C")) ?? "") ?? [];
    const given = address === undefined ? [] : [address];
    const { stdout } = await run(process.execPath, [file, ...given], { cwd: directory });
    expect(stdout).toMatch(prints);
  } finally {
    server?.child.kill();
    await server?.finished;
  }
});
