/**
 * HumanEval: 164 Python functions to be written (github.com/openai/human-eval, MIT). Rows
 * `{task_id, prompt, entry_point, canonical_solution, test}`; the tests run in the sandbox.
 */
import { LlamaEtsError } from "../engine/errors.js";
import { openSandbox } from "../sandbox/open.js";
import { defineTask } from "./define-task.js";
import { download } from "./download.js";
import type { Grader, GraderOptions, TaskItem } from "./task.js";

const SOURCE = {
  url: "https://raw.githubusercontent.com/openai/human-eval/6d43fb980f9fee3c892a914eda09951f772ad10d/data/HumanEval.jsonl.gz",
  sha256: "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef",
  name: "HumanEval.jsonl.gz",
};

/** Where a raw completion goes on to something else. */
const STOP = ["\nclass ", "\ndef ", "\n#", "\nif __name__", "\nprint(", "\n```"];

/** The code in an output: the fenced block that defines the function, or else all of it. */
function extractCode(output: string, item?: TaskItem): string | null {
  const text = output.replace(/^[\s\S]*<\/think>/, "").replace(/\r\n/g, "\n");
  const blocks = [
    ...text.matchAll(/^[ \t]*(```+|~~~+)[^\n]*\n([\s\S]*?)(?:^[ \t]*\1|$(?![\s\S]))/gm),
  ]
    .map((match) => match[2] ?? "")
    .filter((block) => block.trim() !== "");
  const definesIt = (code: string) => isDefinedIn(code, item?.entryPoint ?? "\\w+");
  const code = blocks.findLast(definesIt) ?? blocks.at(-1) ?? text;
  return code.trim() === "" ? null : code;
}

function isDefinedIn(code: string, entryPoint: string): boolean {
  return new RegExp(String.raw`^(?:async\s+)?def\s+${entryPoint}\b`, "m").test(code);
}

/** A program from the prompt and a completion that goes on from it, or defines it anew. */
function toProgram(code: string, { prompt, entryPoint = "" }: TaskItem): string {
  if (isDefinedIn(code, entryPoint)) return `${prompt}\n    pass\n\n${code}\n`;
  return `${prompt}${prompt.endsWith("\n") ? "" : "\n"}${indented(code)}\n`;
}

/** Indents a body that lost the indentation of its first line, or of all its lines. */
function indented(body: string): string {
  const lines = body.replace(/^\s*\n/, "").split("\n");
  const [first = "", ...rest] = lines;
  if (/^\s/.test(first) || first.trim() === "") return lines.join("\n");
  const isFirstAlone = rest.some((line) => /^ {4}/.test(line)) && !/:\s*$/.test(first);
  const indent = (line: string) => (line.trim() === "" ? line : `    ${line}`);
  return isFirstAlone ? [indent(first), ...rest].join("\n") : lines.map(indent).join("\n");
}

async function openGrader(options: GraderOptions = {}): Promise<Grader> {
  const { mode = "fair", allowCodeExecution = false, signal } = options;
  if (!allowCodeExecution) {
    const { detectIsolation } = await import("../sandbox/isolation.js");
    const { description } = await detectIsolation();
    throw new LlamaEtsError("ERR_INVALID_OPTION", "HumanEval runs generated programs", {
      fix: `--allow-code-execution; here they would be confined by ${description}`,
    });
  }
  const sandbox = await openSandbox(signal ? { signal } : {});
  return {
    isolation: sandbox.isolation.description,
    async grade(item, text, form = "output") {
      const isRaw = mode === "compat" || form === "answer";
      const extracted = isRaw ? text : extractCode(text, item);
      if (extracted === null) return { extracted, correct: false, result: "fail" };
      const program = isRaw ? `${item.prompt}${text}\n` : toProgram(extracted, item);
      const { result } = await sandbox.check({
        program,
        entryPoint: item.entryPoint ?? "",
        setup: `${item.prompt}\n    pass\n`,
        tests: item.gold,
      });
      return { extracted, correct: result === "pass", result };
    },
    [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
  };
}

export const humaneval = defineTask({
  name: "humaneval",
  runsCode: true,
  extract: extractCode,
  locate: (options) => download(SOURCE, options),
  parse(row) {
    const entryPoint = row.text("entry_point");
    if (!/^[A-Za-z_]\w*$/.test(entryPoint)) row.refuse("entry_point", "be a Python name");
    const prompt = row.text("prompt");
    return { id: row.text("task_id"), prompt, gold: row.text("test"), entryPoint };
  },
  prompt({ prompt, entryPoint }, form) {
    if (form === "paper") return { prompt, raw: true, stop: [...STOP], maxTokens: 512 };
    const how = `Complete the Python function \`${entryPoint}\`. Answer with the whole function in one \`\`\`python block.`;
    const question = `${how}\n\n\`\`\`python\n${prompt.trimEnd()}\n\`\`\``;
    return { prompt: question, raw: false, stop: [], maxTokens: 512 };
  },
  openGrader,
});
