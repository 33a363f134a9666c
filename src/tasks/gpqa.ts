/**
 * GPQA: graduate-level multiple choice (Idavidrein/gpqa, CC BY 4.0). The authors ask not to publish it in
 * plain text, so there is no download and users bring the CSV file.
 */
import { LlamaEtsError } from "../engine/errors.js";
import { askWithLetters, extractLetter, letterGrader, shuffled } from "./choice-letters.js";
import { defineTask } from "./define-task.js";
import { CHOICE_PROBLEMS } from "./few-shot.js";
import { LETTERS } from "./task.js";

const WRONG = ["Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"];

/**
 * GPQA (Rein et al. 2023, arXiv 2311.12022): graduate-level multiple choice. The user provides the file of
 * items.
 */
export const gpqa = defineTask({
  name: "gpqa",
  extract: (text, item) => extractLetter(text, item),
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
      return {
        prompt: `${askWithLetters(prompt, choices)}\n\n${how}`,
        raw: false,
        stop: [],
        maxTokens: 512,
      };
    }
    const shots = CHOICE_PROBLEMS.map(
      (p) =>
        `Question: ${askWithLetters(p.question, p.choices)}\nAnswer: ${p.reasoning} The answer is (${p.letter}).\n\n`,
    );
    const text = `${shots.join("")}Question: ${askWithLetters(prompt, choices)}\nAnswer:`;
    return { prompt: text, raw: true, stop: ["\nQuestion:"], maxTokens: 512 };
  },
  openGrader: async ({ mode = "fair" } = {}) => letterGrader(mode),
});
