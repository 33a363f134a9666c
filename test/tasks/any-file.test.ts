/** Questions of any file, without a task of its own: `choices:FILE`, `answers:FILE`, and AIME. */
import { describe, expect, test } from "vitest";
import { findTask, isBuiltIn } from "../../src/tasks/index.js";
import type { Task, TaskItem } from "../../src/tasks/task.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";

let files = 0;
const fileOf = (text: string, extension: string) =>
  temporaryFile(`any-${files++}.${extension}`, Buffer.from(text));
const csv = (...lines: string[]) => fileOf(`${lines.join("\n")}\n`, "csv");
const jsonl = (...rows: object[]) =>
  fileOf(rows.map((row) => JSON.stringify(row)).join("\n"), "jsonl");
const load = async (name: string) => (await findTask(name)).load();
const isRight = async (task: Task, item: TaskItem, text: string) => {
  await using grader = await task.openGrader();
  return (await grader.grade(item, text)).correct;
};

const QUESTION = { question: "Which is a prime?" };
const NUMBERS = ["4", "7", "8", "9"];

describe("choices:FILE", () => {
  test.each<[string, object, string]>([
    ["a letter", { ...QUESTION, choices: NUMBERS, answer: "B" }, "B"],
    ["a letter in brackets", { ...QUESTION, options: NUMBERS, answerKey: "(b)" }, "B"],
    ["a number from 0", { ...QUESTION, choices: ["x", "y", "z"], answer: 2 }, "C"],
    ["an option's text", { Problem: "?", choices: NUMBERS, gold: "7" }, "B"],
    [
      "a label of its own",
      { ...QUESTION, choices: { text: ["x", "y"], label: ["1", "2"] }, answerKey: "2" },
      "B",
    ],
    ["options by letter", { ...QUESTION, options: { A: "x", B: "y" }, answer: "B" }, "B"],
    ["columns of one option each", { prompt: "?", A: "x", B: "y", C: "z", target: "C" }, "C"],
    ["numbered columns", { ...QUESTION, option_1: "x", option_2: "y", label: 0 }, "A"],
    [
      "lettered columns, the last empty",
      { q: 1, prompt: "?", A: "x", B: "y", C: "", answer: "b" },
      "B",
    ],
    ["equal options", { ...QUESTION, choices: ["x", "y", "x"], answer: 2 }, "A\nC"],
    ["options with their letters", { ...QUESTION, options: ["A)x", "B)y"], correct: "B" }, "B"],
    ["options in one text", { Problem: "?", options: "a ) 1,000 , b ) 7", correct: "a" }, "A"],
    [
      "options of a text and a label each",
      {
        ...QUESTION,
        choices: [
          { text: "x", label: "1" },
          { text: "y", label: "2" },
        ],
        answerKey: "1",
      },
      "A",
    ],
    [
      "a question that holds its options",
      {
        question: {
          stem: "?",
          choices: [
            { text: "x", label: "A" },
            { text: "y", label: "B" },
          ],
        },
        answerKey: "B",
      },
      "B",
    ],
    ["true and false", { ...QUESTION, choices: ["No", "Yes"], answer: true }, "B"],
    ["six options", { ...QUESTION, choices: [..."uvwxyz"], answer: "F" }, "F"],
    [
      "a list as Python writes it",
      { ...QUESTION, choices: `['it\\'s', "it's\\nso"]`, answer: "it's" },
      "A",
    ],
    ["an array as numpy writes it", { ...QUESTION, choices: `['a b'\n "c"]`, answer: "c" }, "B"],
  ])("takes %s for the answer", async (_, row, gold) => {
    const [item] = await load(`choices:${jsonl(row)}`);
    expect(item?.gold).toBe(gold);
  });

  test("takes right and wrong columns, in an order that the item's name fixes", async () => {
    const file = csv(
      "id,Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2",
      "q1,Which?,right,wrong,worse",
      "q2,Which?,right,wrong,worse",
    );
    const items = await load(`choices:${file}`);
    for (const { gold, choices = [] } of items) {
      expect(choices["ABC".indexOf(gold)]).toBe("right");
      expect(choices.toSorted()).toEqual(["right", "worse", "wrong"]);
    }
    expect(await load(`choices:${file}`)).toEqual(items);
  });

  test("takes columns by name, and numbers from 1", async () => {
    const file = csv("nr,Frage,a1,a2,Antwort,answer", "7,Was?,ja,nein,1,no", "8,Was?,ja,nein,2,no");
    const name = `choices:question=Frage:choices=a1,a2:answer=Antwort:id=nr:first=1`;
    const items = await load(`${name}:${file}`);
    expect(items.map(({ id, gold }) => [id, gold])).toEqual([
      ["7", "A"],
      ["8", "B"],
    ]);
    const task = await findTask(`${name}:${file}`);
    expect(await (await findTask(task.name)).load(file)).toEqual(items);
  });

  test.each<[string, object, RegExp]>([
    [
      "no question",
      { choices: NUMBERS, answer: "A" },
      /line 1: expected a column for the question/,
    ],
    ["no options", { ...QUESTION, answer: "A" }, /line 1: expected a column `choices`/],
    ["no answer", { ...QUESTION, choices: NUMBERS }, /line 1: expected a column for the answer/],
    ["one option", { ...QUESTION, choices: ["x"], answer: "A" }, /from 2 to 26 options, got 1/],
    ["too many", { ...QUESTION, choices: [...Array(27).keys()], answer: 0 }, /got 27/],
    [
      "equal options alone",
      { ...QUESTION, choices: ["x", "x"], answer: "A" },
      /differ, got `x` 2 t/,
    ],
    [
      "a number that is a column's",
      { ...QUESTION, option1: "x", option2: "y", answer: "1" },
      /got `1`, which is A as a label and B as a number\nTry: by=label or by=number/,
    ],
    [
      "an answer that is right and wrong",
      { ...QUESTION, correct_answer: "x", distractor1: "y", distractor2: "x" },
      /got `x` as both/,
    ],
    [
      "true without yes",
      { ...QUESTION, choices: ["x", "y"], answer: true },
      /\nTry: labels=no,yes/,
    ],
    [
      "rows within a row",
      { title: "t", paragraphs: [{ qas: [] }] },
      /rows that `paragraphs` holds/,
    ],
    ["an empty option", { ...QUESTION, choices: ["x", " "], answer: "A" }, /got an empty one/],
    ["a letter of no option", { ...QUESTION, choices: NUMBERS, answer: "E" }, /one of 4 options/],
    ["a number of none", { ...QUESTION, choices: ["x", "y"], answer: 2 }, /one of 2 options/],
    [
      "a number that is another one's text",
      { ...QUESTION, choices: ["3", "2", "1"], answer: "1" },
      /got `1`, which is C as a text and B as a number\nTry: by=text or by=number/,
    ],
    ["an escape of Python's", { ...QUESTION, choices: "['\\x41', 'b']", answer: 0 }, /a list/],
    ["options that are no list", { ...QUESTION, choices: "x y", answer: "A" }, /a list of texts/],
  ])("refuses %s, by line", async (_, row, why) => {
    await expect(load(`choices:${jsonl(row)}`)).rejects.toMatchObject({
      code: "ERR_INVALID_DATA",
      message: expect.stringMatching(why),
    });
  });

  test.each([
    ["by=text", "C"],
    ["by=number", "B"],
    ["first=1", "A"],
    ["by=number:first=1", "A"],
  ])("%s says what an answer is that could name two", async (settings, gold) => {
    const file = jsonl({ ...QUESTION, choices: ["3", "2", "1"], answer: "1" });
    expect((await load(`choices:${settings}:${file}`))[0]?.gold).toBe(gold);
  });

  test("asks about the row's text, and the same options in each row where a setting has them", async () => {
    const file = jsonl({ passage: "Ice is cold.", question: "Is it hot?", label: 0 });
    const [item] = await load(`choices:labels=no,yes:${file}`);
    expect(item).toMatchObject({ gold: "A", prompt: "Ice is cold.\n\nIs it hot?" });
    const [bare] = await load(`choices:labels=no,yes:context=-:id=-:${file}`);
    expect(bare).toMatchObject({ id: "choices/1", prompt: "Is it hot?" });
  });

  test("takes the targets of TruthfulQA, of which the right ones come first", async () => {
    const file = jsonl({
      ...QUESTION,
      mc1_targets: { choices: ["7", "4", "8"], labels: [1, 0, 0] },
      mc2_targets: { choices: ["7", "5", "8", "6"], labels: [1, 1, 0, 0] },
    });
    const rightOf = async (name: string) => {
      const [item] = await load(`${name}:${file}`);
      const letters = item?.gold.split("\n") ?? [];
      return letters.map((letter) => item?.choices?.["ABCD".indexOf(letter)]).toSorted();
    };
    expect(await rightOf("choices")).toEqual(["7"]);
    expect(await rightOf("choices:choices=mc2_targets")).toEqual(["5", "7"]);
  });

  test("takes either letter of equal options, and no other one", async () => {
    const task = await findTask(
      `choices:${jsonl({ ...QUESTION, choices: ["x", "y", "x"], answer: "x" })}`,
    );
    const [item] = await task.load();
    const verdicts = ["(A)", "(B)", "(C)", "So it is x."].map((text) =>
      isRight(task, item as TaskItem, text),
    );
    expect(await Promise.all(verdicts)).toEqual([true, false, true, true]);
  });

  test("grades letters up to the last option, and no further", async () => {
    const task = await findTask("choices");
    const item = { id: "q", prompt: "?", gold: "F", choices: [..."uvwxyz"] };
    expect(await isRight(task, item, "The answer is (F).")).toBe(true);
    expect(await isRight(task, item, "I chose F")).toBe(true);
    expect(await isRight(task, item, "The answer is (A).")).toBe(false);
    const four = { ...item, gold: "D", choices: [..."uvwx"] };
    expect(await isRight(task, four, "The answer is (F). So (D)")).toBe(true);
  });
});

describe("answers:FILE", () => {
  test.each<[unknown, string, boolean]>([
    [42, "So there are 6 * 7 of them.\nThe answer is 42 apples.", true],
    ["1,200", "$1200.00", true],
    ["42", "The answer is 42 or 43", false],
    ["Paris", "**Paris**.", true],
    ["Paris", "The answer is the city of Paris", false],
    [["Paris", "City of Paris"], "The answer is the city of Paris.", true],
    ["the Nile", "Answer: Nile", true],
    ["Nile", "The answer is White Nile.", false],
    ["0", "", false],
    ["3 km", "3", false],
    [true, "Yes, it is.\nIce has 0 degrees.", true],
    [true, "The answer is true.", true],
    [true, "yes and no", false],
    [false, "The answer is yes.", false],
    ["False", "No.", true],
    ["No", "nothing", false],
    ["We add.\n#### 1,800", "The answer is 1800.", true],
    ["We get $\\boxed{2}$.", "3", false],
    [{ text: ["Rome", "in Rome"], answer_start: [1, 2] }, "In Rome.", true],
    [{ text: [], answer_start: [] }, "The answer is unanswerable.", true],
    [{ text: [], answer_start: [] }, "Rome", false],
    [{ value: "Paris", aliases: ["City of Light"], type: "x" }, "the city of light", true],
    [[{ text: "Rome", answer_start: 3 }], "Rome", true],
  ])("%j: %j is %s", async (answer, text, expected) => {
    const task = await findTask(`answers:${jsonl({ ...QUESTION, answer })}`);
    const [item] = await task.load();
    expect(await isRight(task, item as TaskItem, text)).toBe(expected);
  });

  test.each<[string, object, RegExp]>([
    ["an empty answer", { ...QUESTION, answer: " " }, /hold an answer/],
    ["an empty list", { ...QUESTION, answer: [] }, /hold an answer/],
    ["an empty question", { question: "", answer: "x" }, /`question` to hold text/],
  ])("refuses %s, by line", async (_, row, why) => {
    await expect(load(`answers:${jsonl(row)}`)).rejects.toThrow(why);
  });

  test("says in each question that some have no answer", async () => {
    const file = jsonl(
      { ...QUESTION, answers: { text: [], answer_start: [] } },
      { question: "Where?", context: "In Rome.", answers: { text: ["Rome"], answer_start: [3] } },
    );
    for (const { prompt } of await load(`answers:${file}`)) {
      expect(prompt).toMatch(/\n\nWhere the text doesn't say it, the answer is `unanswerable`\.$/);
    }
  });

  test("asks what several spans mean, and takes them together in any order or each", async () => {
    const file = jsonl({
      ...QUESTION,
      answers_spans: { spans: ["Ann", "Bea Lee"], types: ["s", "s"] },
    });
    await expect(load(`answers:${file}`)).rejects.toThrow(/one answer, got 2\nTry: several=all/);
    const right = async (several: string) => {
      const task = await findTask(`answers:several=${several}:${file}`);
      const [item] = await task.load();
      const texts = [
        "Bea Lee and Ann",
        "Ann, Bea Lee",
        "Ann",
        "Ann, Bea Lee and Cy",
        "Ann\nBea Lee",
      ];
      return Promise.all(
        texts.map((text) => isRight(task, item as TaskItem, `The answer is ${text}.`)),
      );
    };
    expect(await right("all")).toEqual([true, true, false, false, false]);
    expect(await right("any")).toEqual([false, false, true, false, true]);
  });

  test.each([
    [
      "answers:questoin=Frage:x.csv",
      /question, .*id, several, template, each once, got `questoin`/,
    ],
    ["answers:several=some:x.csv", /`several` to be one of "any", "all"/],
    ["answers:question=a:question=b:x.csv", /each once, got `question`/],
    ["choices:first=2:x.csv", /`first` to be one of "0", "1"/],
    ["choices:by=word:x.csv", /`by` to be one of "letter", "text", "label", "number"/],
    ["answers:template=/does/not/exist:x.csv", /template .* could not be read/],
  ])("%s is refused", async (name, why) => {
    await expect(findTask(name)).rejects.toThrow(why);
  });

  test("a column that isn't there is refused with those that are", async () => {
    const file = csv("Frage,answer", "x,y");
    await expect(load(`answers:question=Farge:${file}`)).rejects.toThrow(
      /line 2: expected a column `Farge`, got Frage, answer/,
    );
    await expect(load("answers")).rejects.toThrow(/needs a data file/);
  });
});

describe("a prompt's template", () => {
  test("has the row's fields, the question and the lettered options", async () => {
    const template = fileOf(
      "{{ topic | upper }}: {{ question }}{% for c in choices %}{{ '\\n' + letters[loop.index0] }}) {{ c }}{% endfor %}",
      "jinja",
    );
    const file = jsonl({ ...QUESTION, topic: "maths", choices: ["4", "7"], answer: "B" });
    const task = await findTask(`choices:template=${template}:${file}`);
    const [item] = await task.load();
    const { prompt } = task.prompt(item as TaskItem, "chat");
    expect(prompt).toBe("MATHS: Which is a prime?\nA) 4\nB) 7");
  });

  test.each([
    ["{{ question", /line 1: the prompt's template fails/],
    ["{{ nothing }}", /its text is empty/],
  ])("%j is refused, by line", async (source, why) => {
    const template = fileOf(source, "jinja");
    const file = jsonl({ ...QUESTION, answer: "x" });
    await expect(load(`answers:template=${template}:${file}`)).rejects.toThrow(why);
  });
});

test("names that open a file of their own are no built-in ones", () => {
  expect(["gsm8k", "choices", "answers:question=Frage"].map(isBuiltIn)).toEqual([true, true, true]);
  expect(["module:x", "choices:template=x", "none"].map(isBuiltIn)).toEqual([false, false, false]);
});

describe("AIME", () => {
  test.each<[string, string, boolean]>([
    ["073", "So m + n = \\boxed{73}", true],
    ["73", "\\boxed{073}", true],
    ["73", "\\boxed{730}", false],
    ["204", "The answer is $204$.", true],
    ["0", "\\boxed{000}", true],
    ["25", "", false],
  ])("%s: %j is %s", async (Answer, text, expected) => {
    const task = await findTask("aime");
    const [item] = await task.load(jsonl({ ID: "2024-I-1", Problem: "Find it.", Answer }));
    expect(item?.id).toBe("2024-I-1");
    expect(await isRight(task, item as TaskItem, text)).toBe(expected);
  });

  test.each(["1000", "-1", "7.5", "x", ""])("%j is no answer", async (answer) => {
    const task = await findTask("aime");
    await expect(task.load(jsonl({ problem: "?", answer }))).rejects.toThrow(/from 0 to 999/);
  });
});
