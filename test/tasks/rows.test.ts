/** Data files as they come: lines end at LF, and whatever can't be read is named, with its line. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { describe, expect, test } from "vitest";
import { LlamaEtsError } from "../../src/engine/errors.js";
import { readTextFile } from "../../src/engine/read-file.js";
import { gradeRows } from "../../src/tasks/grade-rows.js";
import { findTask } from "../../src/tasks/index.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";
import { type Row, readRows } from "../../src/tasks/rows.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";

async function rowsOf(file: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of readRows(file)) rows.push(row);
  return rows;
}

async function fieldOf(file: string, field: string): Promise<[number, string][]> {
  return (await rowsOf(file)).map((row) => [row.line, row.string(field)]);
}

async function refusalOf(file: string): Promise<LlamaEtsError> {
  const error: unknown = await rowsOf(file).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LlamaEtsError);
  expect(error).toMatchObject({ code: "ERR_INVALID_DATA" });
  expect((error as Error).message).toContain(file);
  return error as LlamaEtsError;
}

const jsonLines = (...texts: string[]) => texts.map((q) => `${JSON.stringify({ q })}\n`).join("");
const SEPARATORS = "a\u2028b\u2029c\u0085d\u000be";

describe("lines end at LF:", () => {
  test("separators of other kinds inside a JSON string are part of it", async () => {
    const file = temporaryFile("separators.jsonl", jsonLines(SEPARATORS, "next"));
    expect(await fieldOf(file, "q")).toEqual([
      [1, SEPARATORS],
      [2, "next"],
    ]);
  });

  test("and inside a field of a CSV", async () => {
    const file = temporaryFile("separators.csv", `q\n${SEPARATORS}\n"two\nlines"\nnext\n`);
    expect(await fieldOf(file, "q")).toEqual([
      [2, SEPARATORS],
      [3, "two\nlines"],
      [5, "next"],
    ]);
  });

  test.each(["jsonl", "csv"])(
    "a CR before them, a BOM and a missing last one do no harm (%s)",
    async (extension) => {
      const lines = extension === "csv" ? ["q", '"1"', '"2"'] : ['{"q":"1"}', "", '{"q":"2"}'];
      const file = temporaryFile(`windows.${extension}`, `\uFEFF${lines.join("\r\n")}`);
      expect((await rowsOf(file)).map((row) => row.string("q"))).toEqual(["1", "2"]);
      const ended = temporaryFile(`ended.${extension}`, `${lines.join("\r\n")}\r\n`);
      expect((await rowsOf(ended)).map((row) => row.string("q"))).toEqual(["1", "2"]);
    },
  );

  test.each([
    ["semicolons", 'q;gold\n"a;b, c";1\n'],
    ["tabs", "q\tgold\na;b, c\t1\n"],
    ["commas within a quoted name", 'q;"gold, silver, bronze, copper"\n"a;b, c";1\n'],
  ])("the header says what separates fields: %s", async (_, text) => {
    const [row] = await rowsOf(temporaryFile("separated.csv", text));
    expect(Object.values(row?.fields ?? {})).toEqual(["a;b, c", "1"]);
  });

  test("empty lines, rows of empty fields and line ends of several kinds do no harm", async () => {
    const text = 'q,gold\r\n\r\na,1\n"b\r\nc",2\n\n,\nd,3\r\n\r\n';
    const rows = await rowsOf(temporaryFile("gaps.csv", text));
    expect(rows.map(({ line, fields }) => [line, ...Object.values(fields)])).toEqual([
      [3, "a", "1"],
      [4, "b\nc", "2"],
      [8, "d", "3"],
    ]);
  });

  test("a line and a character may be cut by the pieces that a file is read in", async () => {
    const texts = ["ü".repeat(70_001), "", "€".repeat(99_999)];
    const file = temporaryFile("long.jsonl", jsonLines(...texts));
    expect((await rowsOf(file)).map((row) => row.string("q"))).toEqual(texts);
  });
});

describe("extensions are read without case:", () => {
  const read = { "Q.CSV": "q\nx\n", "Q.JSONL": jsonLines("x"), plain: jsonLines("x") };
  test.each(Object.entries(read))("%s", async (name, content) => {
    const expected = [[name === "Q.CSV" ? 2 : 1, "x"]];
    expect(await fieldOf(temporaryFile(name, content), "q")).toEqual(expected);
    const packed = temporaryFile(`${name}.GZ`, gzipSync(content));
    expect(await fieldOf(packed, "q")).toEqual(expected);
  });

  test.each(["rows.txt", "rows.xlsx", "rows.arrow.gz"])("%s is refused", async (name) => {
    const { message } = await refusalOf(temporaryFile(name, jsonLines("x")));
    expect(message).toMatch(
      /expected a \.jsonl, \.json, \.csv, \.tsv or \.parquet file, .*got `\.\w+`\nTry: /,
    );
  });
});

describe("files that are read as a whole:", () => {
  const rows = [{ q: "a" }, { q: 'b, {"[\\' }];
  test.each([
    ["an array", JSON.stringify(rows, null, 1)],
    ["an array on one line", `\uFEFF${JSON.stringify(rows)}`],
    ["an object that holds one", JSON.stringify({ version: [1], 'da"ta': rows, x: { y: [] } })],
    ["JSON lines", rows.map((row) => JSON.stringify(row)).join("\r\n\n")],
    ["Windows line ends", JSON.stringify(rows, null, 2).replaceAll("\n", "\r\n")],
  ])("%s", async (name, text) => {
    const file = temporaryFile(`${name}.json`, text);
    expect((await rowsOf(file)).map(({ fields }) => fields)).toEqual(rows);
    const packed = temporaryFile(`${name}.json.gz`, gzipSync(text));
    expect((await rowsOf(packed)).map(({ fields }) => fields)).toEqual(rows);
  });

  test("one object is one row, and an empty array has none", async () => {
    expect(await fieldOf(temporaryFile("one.json", '{\n "q": "x"\n}'), "q")).toEqual([[1, "x"]]);
    expect(await rowsOf(temporaryFile("none.json", "[ ]\n"))).toEqual([]);
  });

  test.each([
    ["two", '{"a":[{"q":1}],"b":[{"q":2}]}', /one array of rows, got `a`, `b`\nTry: .*jq/],
    ["columns", '{"q":["x"],"a":["y"]}', /an array of objects, .*`q`, `a`\nTry: .*records/],
    ["pandas", '{"q":{"0":"x"},"a":{"0":"y"}}', /columns: `q`, `a`/],
    ["text", '"x"', /an array of objects, one a row, got "x"/],
    ["cut", '[{"q":"x"},', /expected JSON: /],
    ["list", '[{"q":"x"},[1]]', /row 2: expected a JSON object/],
    ["again", '[{"q":"x"},{"q":1,"q":2}]', /row 2: expected every key once/],
  ])("%s.json is refused", async (name, text, what) => {
    expect((await refusalOf(temporaryFile(`${name}.json`, text))).message).toMatch(what);
  });

  test("of an array within JSON lines the fix is another name", async () => {
    const error = await refusalOf(temporaryFile("array-in.jsonl", '[\n{"q":"x"}\n]'));
    expect(error.message).toMatch(/line 1: expected JSON.*\nTry: a name that ends in \.json/s);
  });

  test("Parquet: lists, structs and integers are JSON's", async () => {
    const buffer = parquetWriteBuffer({
      columnData: [
        { name: "q", data: ["a", "b"], type: "STRING" },
        { name: "n", data: [7n, 2n ** 60n], type: "INT64" },
        { name: "choices", data: [{ text: ["x", "y"] }, { text: [] }], type: "JSON" },
      ],
    });
    const file = temporaryFile("rows.parquet", Buffer.from(buffer));
    expect((await rowsOf(file)).map(({ line, unit, fields }) => [line, unit, fields])).toEqual([
      [1, "row", { q: "a", n: 7, choices: { text: ["x", "y"] } }],
      [2, "row", { q: "b", n: String(2n ** 60n), choices: { text: [] } }],
    ]);
    const cut = temporaryFile("cut.parquet", Buffer.from(buffer).subarray(0, 60));
    expect((await refusalOf(cut)).message).toMatch(/expected Parquet: .*\nTry: /);
  });

  test("Parquet that keeps its reader busy without an end can be given up", async () => {
    const columnData = [{ name: "n", data: [1, 2, 3], type: "INT32" as const }];
    const buffer = Buffer.from(parquetWriteBuffer({ columnData }));
    buffer[12] = 254; // within the size of the first page
    const signal = AbortSignal.timeout(300);
    const rows = readRows(temporaryFile("busy.parquet", buffer), signal);
    await expect(rows.next()).rejects.toThrow(/timeout/);
  });
});

test("a TSV may have quotes within its fields", async () => {
  const file = temporaryFile("quotes.tsv", 'q\tgold\nis 5" wide?\t2\n"so" he said\t3\n"a\tb"\t4\n');
  expect((await rowsOf(file)).map(({ fields }) => Object.values(fields))).toEqual([
    ['is 5" wide?', "2"],
    ['"so" he said', "3"],
    ["a\tb", "4"],
  ]);
});

describe("is ERR_INVALID_DATA, with the path:", () => {
  const packed = gzipSync(jsonLines(...Array.from({ length: 999 }, (_, i) => `${i} ${i ** 7}`)));
  const flipped = Buffer.from(packed);
  flipped[packed.length - 6] = (flipped[packed.length - 6] as number) ^ 1;

  test.each(["missing.jsonl", "missing.csv", "missing.jsonl.gz", "no/such/place.jsonl"])(
    "%s",
    async (name) => {
      expect((await refusalOf(temporary(name))).message).toMatch(
        /could not be read: there is no such file/,
      );
    },
  );

  test.each(["directory", "directory.csv", "directory.jsonl.gz"])("%s", async (name) => {
    mkdirSync(temporary(name));
    expect((await refusalOf(temporary(name))).message).toMatch(
      /could not be read: it is a directory/,
    );
  });

  const cuts: [string, Buffer, RegExp][] = [
    ["a gzip file that is cut off", packed.subarray(0, packed.length / 2), /is cut off/],
    ["one cut in its header", packed.subarray(0, 7), /is cut off/],
    ["one with a wrong checksum", flipped, /incorrect data check/],
    ["one that is none", Buffer.from(jsonLines("x")), /is not gzip/],
    ["one that is a web page", Buffer.from("<!doctype html><title>Sign in"), /is not gzip/],
  ];
  test.each(cuts)("%s", async (name, content, what) => {
    expect((await refusalOf(temporaryFile(`${name}.jsonl.gz`, content))).message).toMatch(what);
  });

  test("a missing file that a task is loaded from", async () => {
    await expect(miniGsm.load(temporary("nowhere.jsonl"))).rejects.toMatchObject({
      code: "ERR_INVALID_DATA",
      message: expect.stringContaining("nowhere.jsonl"),
    });
  });
});

describe("is refused with file and line:", () => {
  const latin1 = (text: string) => Buffer.from(text, "latin1");
  const cases: [string, string | Buffer, RegExp][] = [
    ["latin1.jsonl", latin1('{"q":"a"}\n{"q":"caf\xe9"}\n'), /line 2: expected UTF-8\nTry: /],
    ["latin1.csv", latin1("q,a\nx,1\ny,2\ncaf\xe9,3\n"), /line 4: expected UTF-8\nTry: /],
    ["cut-character.jsonl", Buffer.from('{"q":"€"}').subarray(0, 8), /line 1: expected UTF-8/],
    ["utf16.csv", Buffer.from("\uFEFFq\nx\n", "utf16le"), /line 1: expected UTF-8/],
    ["packed.jsonl", gzipSync(jsonLines("x")), /line 1: expected text, got gzip\nTry: .*\.gz/],
    ["twice.csv", "q,gold,gold\nx,1,2\n", /line 1: expected every column once, `gold` is there/],
    [
      "ragged.csv",
      "q,gold\nx,1\ny\n",
      /line 3: expected 2 fields, as the header has, got 1\nTry: /,
    ],
    ["long.csv", "q\nx\ny,z\n", /line 3: expected 1 field, as the header has, got 2\nTry: /],
    ["open.csv", 'q,gold\n"x,1\n', /line 2: expected a quoted field to end with its quote\nTry: /],
    ["behind.csv", 'q,gold\n"x"y,1\n', /line 2: expected a quoted field to end/],
    ["within.csv", 'q,gold\nx"y,1\n', /line 2: expected a quoted field to end/],
    [
      "deep.jsonl",
      `{"q":${"[".repeat(1e5)}${"]".repeat(1e5)}}\n`,
      /line 1: expected values nested/,
    ],
    ["array.jsonl", '{"q":"x"}\n[1]\n', /line 2: expected a JSON object/],
    ["whole.jsonl", '[{"q":"x"}]', /line 1: expected a JSON object, got an array\nTry: /],
    ["cut.jsonl", '{"q":"x"}\n\n{"q":"', /line 3: expected JSON: /],
    ["again.jsonl", '{"q":"x"}\n{"q":"y","q":"z"}\n', /line 2: expected every key once, `q` is/],
    ["again-inside.jsonl", '{"q":{"A":"1","\\u0041":"2"}}', /line 1: .*every key once, `A` is/],
  ];
  test.each(cases)("%s", async (name, content, what) => {
    expect((await refusalOf(temporaryFile(name, content))).message).toMatch(what);
  });

  test("a line that has no end", async () => {
    const file = temporaryFile("endless.jsonl", Buffer.alloc(2 ** 26 + 2 ** 17, "x"));
    expect((await refusalOf(file)).message).toMatch(/line 1: expected lines of at most/);
  });
});

describe("what is no file on a disk", () => {
  const named = (name: string) => {
    const pipe = temporary(name);
    return spawnSync("mkfifo", [pipe]).status === 0 ? pipe : undefined;
  };
  const pipe = named("pipe.jsonl");

  test.skipIf(pipe === undefined)("a named pipe is read as long as someone writes", async () => {
    const rows = fieldOf(pipe as string, "q");
    await writeFile(pipe as string, jsonLines("first", "second"));
    expect(await rows).toEqual([
      [1, "first"],
      [2, "second"],
    ]);
  });

  test.skipIf(pipe === undefined)("an abort ends the wait for someone who writes", async () => {
    const read = [
      (signal: AbortSignal) => readRows(pipe as string, signal).next(),
      (signal: AbortSignal) => readTextFile(pipe as string, { signal }),
    ];
    for (const begin of read) {
      const abort = new AbortController();
      const reading = begin(abort.signal);
      setTimeout(() => abort.abort(new Error("enough")), 5);
      await expect(reading).rejects.toThrow("enough");
    }
  });

  test.skipIf(!existsSync("/dev/zero"))("an endless one is refused", async () => {
    expect((await refusalOf("/dev/zero")).message).toMatch(/line 1: expected lines of at most/);
    await expect(readTextFile("/dev/zero", { maxBytes: 2 ** 20 })).rejects.toThrow(
      "it has more than 1048576 bytes",
    );
  });
});

describe("rows to be graded", () => {
  async function graded(task: string, row: object): Promise<unknown> {
    await using grader = await (await findTask(task)).openGrader();
    const file = temporaryFile("graded.jsonl", `${JSON.stringify(row)}\n`);
    return (await gradeRows(grader, file, new Map()).next()).value;
  }

  const fourChoices = { choices: ["1 s", "2 s", "3 s", "4 s"] };
  test.each([
    [
      "gsm8k",
      { output: "18", gold: "eighteen" },
      /`gold` to be a number, such as 18, got `eighteen`/,
    ],
    ["gsm8k", { output: "18", gold: " " }, /`gold` to hold an answer/],
    [
      "gsm8k",
      { output: "18", gold: 2 ** 60 },
      /`gold` to be a string where a number has more than/,
    ],
    ["gsm8k", { output: "18", answer: "18", gold: "18" }, /`answer` to be left out where `output`/],
    [
      "gpqa",
      { output: "E", gold: "E", ...fourChoices },
      /`gold` to be a letter from A to D, got `E`/,
    ],
    ["gpqa", { output: "B", gold: "2 s", ...fourChoices }, /`gold` to be a letter from A to D/],
    ["math500", { output: "x", gold: "\\frac{1}{2" }, /`gold` to close the braces that it opens/],
    ["aime", { output: "1000", gold: "1000" }, /`gold` to be an integer from 0 to 999/],
  ])("%s refuses %j", async (task, row, what) => {
    await expect(graded(task, row)).rejects.toMatchObject({
      code: "ERR_INVALID_DATA",
      message: expect.stringMatching(what),
    });
  });

  test.each([
    ["gsm8k", { output: "18", gold: "$1,800" }],
    ["gpqa", { output: "B", gold: "(b)", ...fourChoices }],
  ])("%s takes %j", async (task, row) => {
    expect(await graded(task, row)).toMatchObject({ id: null });
  });
});
