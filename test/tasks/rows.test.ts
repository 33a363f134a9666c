/** Data files as they come: lines end at LF, and whatever can't be read is named, with its line. */
import { mkdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { LlamaEtsError } from "../../src/engine/errors.js";
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

  test.each(["rows.json", "rows.txt", "rows.parquet", "rows.json.gz"])(
    "%s is refused",
    async (name) => {
      const { message } = await refusalOf(temporaryFile(name, jsonLines("x")));
      expect(message).toMatch(
        /expected a \.jsonl, \.jsonl\.gz, \.csv or \.tsv file, got `\.\w+`\nTry: /,
      );
    },
  );
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
    ["cut.jsonl", '{"q":"x"}\n\n{"q":"', /line 3: expected JSON: /],
  ];
  test.each(cases)("%s", async (name, content, what) => {
    expect((await refusalOf(temporaryFile(name, content))).message).toMatch(what);
  });

  test("a line that has no end", async () => {
    const file = temporaryFile("endless.jsonl", Buffer.alloc(2 ** 26 + 2 ** 17, "x"));
    expect((await refusalOf(file)).message).toMatch(/line 1: expected lines of at most/);
  });
});
