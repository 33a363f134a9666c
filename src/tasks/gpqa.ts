/**
 * GPQA: graduate-level multiple choice (Idavidrein/gpqa, CC BY 4.0). The authors ask that it isn't
 * spread in plain text, so there is no download: users bring the CSV file.
 */
import { createHash } from "node:crypto";
import { LlamaEtsError } from "../engine/errors.js";
import { answerGrader, defineTask } from "./define-task.js";
import { CHOICE_PROBLEMS } from "./few-shot.js";
import type { TaskItem } from "./task.js";

const LETTERS = ["A", "B", "C", "D"] as const;
const WRONG = ["Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"];
const LETTER = String.raw`\(?\s*([A-Z]|[a-z](?=\s*[).,:]?\s*(?:$|\n)))\s*(?![\p{L}\d'])`;

/** The letter A to D that the output settles on. */
function extractLetter(output: string, item?: TaskItem): string | null {
  const text = output
    .normalize("NFKC")
    .replace(/\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}/g, "$1")
    .replace(/[*_`$]/g, "")
    .trim();
  const boxed = [...text.matchAll(/\\boxed\s*\{([^{}]*)\}/g)].at(-1)?.[1];
  if (boxed !== undefined) {
    return (
      asLetter(/^\s*\(?([A-Za-z])\)?\s*(?:[.):].*)?$/.exec(boxed)?.[1]) ?? ofChoice(boxed, item)
    );
  }
  const statements = text.matchAll(
    new RegExp(
      String.raw`\b(?:[Aa]nswer|ANSWER|[Oo]ption|OPTION|[Cc]hoice|CHOICE)\b(?:\s+(?:is|IS|must\s+be))?\s*[:\u2014\u2013-]?\s*${LETTER}`,
      "gu",
    ),
  );
  const stated = [...statements].at(-1)?.[1];
  if (stated !== undefined) return asLetter(stated);
  const quoted = [...text.matchAll(/\banswer(?:\s+is\b|\s*:)\s*([^\n]+)/gi)].at(-1)?.[1];
  return (
    (quoted && ofChoice(quoted, item)) ||
    asLetter(text.match(/\(([A-D])\)/g)?.at(-1)?.[1]) ||
    asLetter(/^[:(]?\s*([A-D])(?:[).:]|\s*$|\s+\p{Lu})/mu.exec(text)?.[1]) ||
    asLetter(lastStandalone(text))
  );
}

/** The last capital letter by itself, unless it is the article or "I". */
function lastStandalone(text: string): string | undefined {
  const found = text.matchAll(/(?<![\p{L}\d'-])([A-D])(?![\p{L}\d'-])(?!\s+\p{Ll})/gu);
  return [...found].at(-1)?.[1];
}

function asLetter(letter: string | undefined): string | null {
  const upper = letter?.toUpperCase();
  return LETTERS.find((known) => known === upper) ?? null;
}

function ofChoice(text: string, item?: TaskItem): string | null {
  const bare = (words: string) =>
    words
      .toLowerCase()
      .replace(/[\s.]+/g, " ")
      .trim();
  const index = item?.choices?.findIndex((choice) => bare(choice) === bare(text)) ?? -1;
  return LETTERS[index] ?? null;
}

/**
 * lm-evaluation-harness's `flexible-extract`: the last letter in brackets, else the last choice
 * that is quoted, else the last letter behind a colon.
 */
function extractFlexible(output: string, item?: TaskItem): string | null {
  const bracketed = output.match(/\([A-Z]\)/g)?.at(-1)?.[1];
  if (bracketed !== undefined) return bracketed;
  const quoted = (item?.choices ?? []).map((choice) =>
    output.toLowerCase().lastIndexOf(choice.toLowerCase()),
  );
  const last = Math.max(...quoted);
  if (quoted.length > 0 && last >= 0) return LETTERS[quoted.indexOf(last)] ?? null;
  return [...output.matchAll(/:\s*([A-D])/g)].at(-1)?.[1] ?? null;
}

/** Where the right answer goes among the wrong ones, 0 to 3: fixed by the question's own id. */
function shuffled(id: string, choices: readonly string[]): string[] {
  const rank = (choice: string) => createHash("sha256").update(`${id}\n${choice}`).digest("hex");
  return choices.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

function ask(question: string, choices: readonly string[]): string {
  const options = choices.map((choice, i) => `(${LETTERS[i]}) ${choice}`);
  return `${question}\n${options.join("\n")}`;
}

export const gpqa = defineTask({
  name: "gpqa",
  extract: extractLetter,
  locate() {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "GPQA is handed out by its authors alone", {
      fix: "--data gpqa_diamond.csv, from huggingface.co/datasets/Idavidrein/gpqa",
    });
  },
  parse(row) {
    const id = row.has("Record ID") ? row.text("Record ID") : `gpqa/${row.line}`;
    const right = row.text("Correct Answer").trim();
    const choices = shuffled(id, [right, ...WRONG.map((field) => row.text(field).trim())]);
    const gold = LETTERS[choices.indexOf(right)] as string;
    return { id, prompt: row.text("Question").trim(), gold, choices };
  },
  prompt({ prompt, choices = [] }, form) {
    if (form === "chat") {
      const how = "Think step by step. End with a line `The answer is (X)`, X being the letter.";
      return { prompt: `${ask(prompt, choices)}\n\n${how}`, raw: false, stop: [], maxTokens: 512 };
    }
    const shots = CHOICE_PROBLEMS.map(
      (p) =>
        `Question: ${ask(p.question, p.choices)}\nAnswer: ${p.reasoning} The answer is (${p.letter}).\n\n`,
    );
    const text = `${shots.join("")}Question: ${ask(prompt, choices)}\nAnswer:`;
    return { prompt: text, raw: true, stop: ["\nQuestion:"], maxTokens: 512 };
  },
  async openGrader({ mode = "fair" } = {}) {
    const extract = mode === "fair" ? extractLetter : extractFlexible;
    return answerGrader(extract, (answer, { gold }) => asLetter(answer) === letterOf(gold));
  },
});

/** Golds elsewhere are written `A` or `(A)`. */
function letterOf(gold: string): string | null {
  return asLetter(/^\s*\(?([A-Za-z])\)?\s*$/.exec(gold)?.[1]);
}
