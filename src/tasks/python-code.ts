/** The Python in a model's output: fenced blocks, or code between prose. */
import { withoutThoughts } from "./outputs.js";

interface Block {
  code: string;
  /** Whether the fence was closed. */
  closed: boolean;
}

/** A line at the left margin that can begin a statement; prose can't, and headings are comments there. */
const STATEMENT =
  /^(?:@|(?:async\s+)?(?:def|class|for|with)\b|(?:from|import|if|elif|else|while|try|except|finally|match|assert|return|raise|global|del|pass|print)\b[^.]|pass$|else:|try:|finally:|["'()[\]{}#]|[A-Za-z_][\w.]*(?:\[[^\]]*\])?\s*(?::[^=\n]+)?(?:[-+*/%&|^]|\/\/|\*\*)?=(?!=)|[A-Za-z_][\w.]*\()/;
/** `[PYTHON]`, `<code>`: the tags of models that use them in place of fences. */
const TAG_LINE = /^(?:\[\/?(?:PYTHON|CODE)\]|<\/?(?:code|python)>)[ \t]*$/gim;
/** A block in a quotation of Markdown. */
const QUOTED = /^> ?(?:`{3}|~{3})[\s\S]*?^> ?(?:`{3}|~{3})[ \t]*$/gm;
const FENCE_LINE = /^[ \t]*(?:`{3}|~{3})/m;
const FENCE = /^([ \t]*)(`{3,}|~{3,})([^\n`]*)$/;

/**
 * The blocks of an output, without their fences and without the indentation of a fence in a list. A
 * fence that is only closed has the text before it.
 */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: { indent: number; mark: string; lines: string[] } | null = null;
  const lines = text.split("\n");
  const isOdd = lines.filter((line) => FENCE.test(line)).length % 2 === 1;
  for (const [at, line] of lines.entries()) {
    const [, indent = "", mark = "", info = ""] = FENCE.exec(line) ?? [];
    if (open === null) {
      if (mark === "") continue;
      const mayClose = blocks.length === 0 && info.trim() === "";
      const before = mayClose ? lines.slice(0, at).join("\n") : "";
      if (isCode(before) || (isOdd && isBody(before))) blocks.push({ code: before, closed: true });
      else open = { indent: indent.length, mark, lines: [] };
      continue;
    }
    // A fence in a docstring stands further in than the block's own.
    const closes =
      mark.startsWith(open.mark) && info.trim() === "" && indent.length < open.indent + 4;
    if (closes) {
      blocks.push({ code: unindented(open.lines, open.indent), closed: true });
      open = null;
    } else open.lines.push(line);
  }
  if (open !== null) blocks.push({ code: unindented(open.lines, open.indent), closed: false });
  return blocks.filter(({ code }) => code.trim() !== "");
}

/** The lines without the fence's indentation, and without one that all of them share. */
function unindented(lines: readonly string[], indent: number): string {
  const bare = lines.map((line) => line.replace(new RegExp(`^[ \\t]{0,${indent}}`), ""));
  const filled = bare.filter((line) => line.trim() !== "");
  const isFunction = filled.some((line) => /^[ \t]+(?:async\s+def|def|class)\b/.test(line));
  const shared = Math.min(...filled.map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0));
  // A body alone keeps the indentation that it has in its function.
  if (!isFunction || filled.length === 0 || shared === 0) return bare.join("\n");
  return bare.map((line) => line.slice(shared)).join("\n");
}

function isCode(text: string): boolean {
  return /^(?:async\s+def|def|class|import|from)\b/m.test(text);
}

/** Whether the text begins with a statement, as the body of a function does. */
function isBody(text: string): boolean {
  const first = text.trimStart().split("\n")[0] as string;
  return STATEMENT.test(first) && !isSentence(first);
}

/** Whether the code defines this function: by def, as a lambda, or as a method of a class. */
export function definition(code: string, name: string): "function" | "method" | null {
  if (
    new RegExp(
      String.raw`^(?:(?:async\s+)?def\s+${name}\b|${name}\s*(?::[^=\n]*)?=(?!=))`,
      "m",
    ).test(code)
  )
    return "function";
  const first = /^class\s+\w+[^\n]*:/m.exec(code);
  if (first === null) return null;
  const method = new RegExp(
    String.raw`^[ \t]+def\s+${name}\s*\(\s*(?:self|cls)\b|^[ \t]+@staticmethod\n[ \t]+def\s+${name}\b`,
    "m",
  );
  return method.test(code.slice(first.index + first[0].length)) ? "method" : null;
}

/**
 * The code that an output means: the last block that defines the function, behind the imports and
 * helpers of the blocks around it; without blocks, the output from its first statement to its last.
 * `null` when there is none.
 */
export function codeOf(output: string, name: string): string | null {
  const text = withoutThoughts(output)
    .replace(/^\ufeff/, "")
    .replace(/\r\n?/g, "\n")
    .replace(QUOTED, (quote) => quote.replace(/^> ?/gm, ""));
  const blocks = blocksOf(FENCE_LINE.test(text) ? text : text.replace(TAG_LINE, "```")).map(
    ({ code }) => code,
  );
  const main = blocks.findLastIndex((code) => definition(code, name) !== null);
  if (main >= 0) {
    const helpers = blocks.filter((code, i) => i !== main && isHelper(code, name));
    return [...helpers, blocks[main]].join("\n\n");
  }
  const inline = new RegExp(`\`((?:def ${name}\\b|${name} = lambda\\b)[^\`\\n]*)\``).exec(
    text,
  )?.[1];
  const code = blocks.at(-1) ?? inline ?? withoutProse(indentedBlock(text, name));
  return code.trim() === "" ? null : code;
}

/** Imports and definitions alone: no examples of use, which may fail. */
function isHelper(code: string, name: string): boolean {
  const lines = code.split("\n").filter((line) => /^\S/.test(line));
  const isDefinition = /^(?:from|import|@|(?:async\s+)?def|class|#|[)\]}]|[A-Z_][A-Z\d_]*\s*=)/;
  return (
    definition(code, name) === null && lines.length > 0 && lines.every((l) => isDefinition.test(l))
  );
}

/** A block of Markdown that is one by its indentation, behind prose at the margin; else the text. */
function indentedBlock(text: string, name: string): string {
  if (isCode(text)) return text;
  const lines = text.split("\n");
  const head = new RegExp(String.raw`^(?: {4}|\t)(?:async\s+)?def\s+${name}\b`);
  const isInside = (line: string) => /^(?: {4}|\t|\s*$)/.test(line);
  const at = lines.findIndex((line) => head.test(line));
  const before = lines.slice(0, at).findLastIndex((line) => !isInside(line));
  if (at < 0 || before < 0) return text;
  const behind = lines.slice(at).findIndex((line) => !isInside(line));
  const block = lines.slice(before + 1, behind < 0 ? undefined : at + behind);
  return block.map((line) => line.replace(/^(?: {4}|\t)/, "")).join("\n");
}

/** Without the prose before the first statement and behind the last one. */
function withoutProse(text: string): string {
  const lines = text.split("\n");
  const starts = lines.findIndex(
    (line) => /^(?:async\s+def|def|class|from|import|@)\b|^@/.test(line) && !isSentence(line),
  );
  const from = starts > 0 && lines.slice(0, starts).every((l) => !/^[ \t]/.test(l)) ? starts : 0;
  const kept: string[] = [];
  let quote: string | null = null;
  for (const line of lines.slice(from)) {
    const isInside = quote !== null || /^\s|^$/.test(line) || kept.length === 0;
    // Brackets that are open go on at the margin; those are rare, and begin with a closing one.
    if (!isInside && (!STATEMENT.test(line) || isSentence(line))) break;
    kept.push(line);
    for (const [mark] of line.matchAll(/"""|'''/g)) {
      quote = quote === null ? mark : quote === mark ? null : quote;
    }
  }
  return kept.join("\n");
}

/** "from the list we take the first." begins like a statement. */
function isSentence(line: string): boolean {
  return (
    /^(?:from|import|if|for|with|while|class|assert|return|print)\s+(?:[a-z']+\s+){3,}[a-z']+.*[.:!]?$/i.test(
      line,
    ) && !/[=()[\]{}]|\bimport\b.*\w$|:\s*$/.test(line)
  );
}

/** Imports from `__future__` must stand before all else: they, and the code without them. */
export function hoistFuture(code: string): { future: string; rest: string } {
  const future = code.match(/^from\s+__future__\s+import\s+[^\n]*$/gm) ?? [];
  return {
    future: future.map((line) => `${line}\n`).join(""),
    rest: code.replace(/^from\s+__future__\s+import\s+[^\n]*$/gm, ""),
  };
}

/** Indents a body that lost the indentation of its first line, or of all its lines. */
export function indentedBody(body: string): string {
  const lines = body
    .replace(/^\s*\n/, "")
    .replace(/^\t+/gm, (tabs) => "    ".repeat(tabs.length))
    .split("\n");
  const [first = "", ...rest] = lines;
  const margin = /^ {1,3}(?! )/.exec(first)?.[0].length;
  if (margin !== undefined) {
    return lines
      .map((line) => (line.trim() === "" ? line : " ".repeat(4 - margin) + line))
      .join("\n");
  }
  if (/^\s/.test(first) || first.trim() === "") return lines.join("\n");
  const depths = rest
    .filter((line) => line.trim() !== "")
    .map((line) => /^[ \t]*/.exec(line)?.[0].length ?? 0);
  // Behind "if x:" the next line is two levels in, unless all lines lost one.
  const isFirstAlone =
    depths.length > 0 &&
    Math.min(...depths) >= 4 &&
    (!/:\s*(?:#.*)?$/.test(first) || (depths[0] ?? 0) >= 8);
  const indent = (line: string) => (line.trim() === "" ? line : `    ${line}`);
  return isFirstAlone ? [indent(first), ...rest].join("\n") : lines.map(indent).join("\n");
}
