/**
 * HumanEval+ and MBPP+ (github.com/evalplus/evalplus, Apache-2.0): the problems of HumanEval and MBPP with
 * many more test inputs. Rows `{task_id, prompt, entry_point, canonical_solution, base_input, plus_input,
 * atol}`: a program is right if it returns the same as the reference solution.
 */
import { defineTask } from "./define-task.js";
import { type DataSource, download } from "./download.js";
import { differentialTests } from "./evalplus-tests.js";
import { codePrompt, extractCode, humanEvalProgram, openCodeGrader } from "./humaneval.js";
import { definition, hoistFuture } from "./python-code.js";
import type { Task, TaskItem } from "./task.js";

/** The authors don't publish checksums of their releases. */
const HUMANEVAL: DataSource = {
  url: "https://github.com/evalplus/humanevalplus_release/releases/download/v0.1.10/HumanEvalPlus.jsonl.gz",
  sha256: null,
  name: "HumanEvalPlus-v0.1.10.jsonl.gz",
};
const MBPP: DataSource = {
  url: "https://github.com/evalplus/mbppplus_release/releases/download/v0.2.0/MbppPlus.jsonl.gz",
  sha256: null,
  name: "MbppPlus-v0.2.0.jsonl.gz",
};
/** A long limit, because there are many inputs and the reference solution runs too. */
const TIMEOUT_MS = 60_000;

type Kind = "humaneval+" | "mbpp+";

/** @param source the source of the data's download */
export function evalPlus(kind: Kind, source: DataSource): Task {
  return defineTask({
    name: kind,
    runsCode: true,
    extract: extractCode,
    locate: (options) => download(source, options),
    parse(row) {
      const entryPoint = row.text("entry_point");
      if (!/^[A-Za-z_]\w*$/.test(entryPoint)) row.refuse("entry_point", "be a Python name");
      const prompt = row.text("prompt");
      const solution = row.text("canonical_solution");
      for (const field of ["base_input", "plus_input"]) {
        if (!Array.isArray(row.fields[field])) row.refuse(field, "be an array of inputs");
      }
      return {
        id: row.text("task_id"),
        prompt,
        gold: solution,
        entryPoint,
        tests: differentialTests({ kind, source: row.source, prompt, solution, entryPoint }),
      };
    },
    prompt: kind === "mbpp+" ? askForFunction : codePrompt,
    openGrader: (options) =>
      openCodeGrader(kind, TIMEOUT_MS, options, kind === "mbpp+" ? wholeProgram : humanEvalProgram),
  });
}

export const humanevalPlus = evalPlus("humaneval+", HUMANEVAL);
export const mbppPlus = evalPlus("mbpp+", MBPP);

/**
 * Returns a prompt for MBPP+. The item's prompt is a description with an assertion, without the head of a
 * function.
 */
function askForFunction({ prompt, entryPoint }: TaskItem, form: "chat" | "paper") {
  const how = `Write the Python function \`${entryPoint}\`. Answer with the whole function in one \`\`\`python block.`;
  if (form === "chat") {
    return { prompt: `${prompt.trim()}\n\n${how}`, raw: false, stop: [], maxTokens: 512 };
  }
  const stop = ["\nassert ", '\n"""', "\nif __name__", "\nprint(", "\n```"];
  return { prompt: `${prompt.trimEnd()}\n`, raw: true, stop, maxTokens: 512 };
}

/** Returns a complete program. A class that solves the problem is wrapped as the required function. */
function wholeProgram(extracted: string, { entryPoint = "" }: TaskItem): string {
  const { future, rest } = hoistFuture(extracted);
  const owner =
    definition(rest, entryPoint) === "method" ? /^class\s+(\w+)/m.exec(rest)?.[1] : undefined;
  const call = owner === undefined ? "" : `\n${entryPoint} = ${owner}().${entryPoint}\n`;
  return `${future}${rest}\n${call}`;
}
