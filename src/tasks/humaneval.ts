/**
 * HumanEval: 164 Python functions to write (github.com/openai/human-eval, MIT). Rows `{task_id, prompt,
 * entry_point, canonical_solution, test}`; the tests run in the sandbox.
 */
import { LlamaEtsError } from "../engine/errors.js";
import { openSandbox } from "../sandbox/open.js";
import { defineTask } from "./define-task.js";
import { download } from "./download.js";
import { codeOf, definition, hoistFuture, indentedBody } from "./python-code.js";
import type { Grader, GraderOptions, PromptForm, TaskItem, TaskPrompt } from "./task.js";

const SOURCE = {
  url: "https://raw.githubusercontent.com/openai/human-eval/6d43fb980f9fee3c892a914eda09951f772ad10d/data/HumanEval.jsonl.gz",
  sha256: "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef",
  name: "HumanEval.jsonl.gz",
};

const TIMEOUT_MS = 10_000;
/** Strings that show that a raw completion continues beyond the function. */
const STOP = ["\nclass ", "\ndef ", "\n#", "\nif __name__", "\nprint(", "\n```"];

export function extractCode(output: string, item?: TaskItem): string | null {
  return codeOf(output, item?.entryPoint ?? "\\w+");
}

/**
 * Makes a program from the prompt and a completion, which continues the prompt or defines the function again.
 */
export function humanEvalProgram(extracted: string, { prompt, entryPoint = "" }: TaskItem): string {
  const { future, rest } = hoistFuture(extracted);
  const kind = definition(rest, entryPoint);
  if (kind === null) {
    return `${future}${prompt}${prompt.endsWith("\n") ? "" : "\n"}${indentedBody(rest)}\n`;
  }
  // A class that solves the problem is wrapped as the required function.
  const name = new RegExp(
    String.raw`^class\s+(\w+)(?=[^\n]*:(?:(?!^class\b)[\s\S])*?^[ \t]+def\s+${entryPoint}\s*\()`,
    "m",
  );
  const owner = kind === "method" ? name.exec(rest)?.[1] : undefined;
  const call = owner === undefined ? "" : `\n${entryPoint} = ${owner}().${entryPoint}\n`;
  return `${future}${prompt}\n    pass\n\n${rest}\n${call}`;
}

/**
 * Runs programs under the tests of their items.
 *
 * @param what the task's name in errors
 * @param timeoutMs the time limit of a program with all its tests
 * @param toProgram converts the extracted code to a complete program
 */
export async function openCodeGrader(
  what: string,
  timeoutMs: number,
  options: GraderOptions = {},
  toProgram = humanEvalProgram,
): Promise<Grader> {
  const { mode = "fair", allowCodeExecution = false, signal } = options;
  if (!allowCodeExecution) {
    const { detectIsolation } = await import("../sandbox/isolation.js");
    const { description } = await detectIsolation();
    throw new LlamaEtsError("ERR_INVALID_OPTION", `${what} runs generated programs`, {
      fix: `--allow-code-execution; here they would be confined by ${description}`,
    });
  }
  const sandbox = await openSandbox({ timeoutMs, ...(signal && { signal }) });
  // A raw completion continues a prompt that ends in a function's head.
  const rawProgram = (text: string, item: TaskItem) =>
    toProgram === humanEvalProgram ? `${item.prompt}${text}\n` : `${text}\n`;
  return {
    isolation: sandbox.isolation.description,
    async grade(item, text, form = "output") {
      const isRaw = mode === "compat" || form === "answer";
      const extracted = isRaw ? text : extractCode(text, item);
      if (extracted === null) return { extracted, correct: false, result: "fail" };
      const program = isRaw ? rawProgram(text, item) : toProgram(extracted, item);
      const { result } = await sandbox.check({
        program,
        entryPoint: item.entryPoint ?? "",
        setup: item.tests === undefined ? `${item.prompt}\n    pass\n` : "",
        tests: item.tests ?? item.gold,
      });
      return { extracted, correct: result === "pass", result };
    },
    [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
  };
}

/** Returns a prompt to complete the head of a function. */
export function codePrompt({ prompt, entryPoint }: TaskItem, form: PromptForm): TaskPrompt {
  if (form === "paper") return { prompt, raw: true, stop: [...STOP], maxTokens: 512 };
  const how = `Complete the Python function \`${entryPoint}\`. Answer with the whole function in one \`\`\`python block.`;
  const question = `${how}\n\n\`\`\`python\n${prompt.trimEnd()}\n\`\`\``;
  return { prompt: question, raw: false, stop: [], maxTokens: 512 };
}

/**
 * HumanEval (Chen et al. 2021, arXiv 2107.03374): 164 Python functions, graded by their tests in
 * the sandbox.
 */
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
  prompt: codePrompt,
  openGrader: (options) => openCodeGrader("HumanEval", TIMEOUT_MS, options),
});
