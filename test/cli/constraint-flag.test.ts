import { expect, test } from "vitest";
import { parseConstraintFlag } from "../../src/cli/constraint-flag.js";
import { temporaryFile as file } from "../fixtures/temporary-directory.js";

test("a constraint of the command line says what one of the library says", () => {
  expect(parseConstraintFlag("words:12")).toEqual({ words: 12 });
  expect(parseConstraintFlag("lines:3")).toEqual({ lines: 3 });
  expect(parseConstraintFlag("regex:a:b|c,d")).toEqual({ regex: "a:b|c,d" });
  expect(parseConstraintFlag("choices:yes, no")).toEqual({ choices: ["yes", "no"] });
  const choices = file("choices.txt", "one, two\r\n\nthree\n");
  expect(parseConstraintFlag(`choices:${choices}`)).toEqual({ choices: ["one, two", "three"] });
  const schema = file("schema.json", '{"type":"null"}');
  expect(parseConstraintFlag(`json:${schema}`)).toEqual({ json: { type: "null" } });
  const grammar = file("g.gbnf", 'root ::= "a"\n');
  expect(parseConstraintFlag(`grammar:${grammar}`)).toEqual({ grammar: 'root ::= "a"\n' });
});

test.each([
  ["", /KIND:VALUE/],
  ["words", /KIND:VALUE.*got `words`/],
  ["words:", /KIND:VALUE/],
  ["words:-1", /whole number, got `-1`/],
  ["words:1.5", /whole number/],
  ["colour:red", /one of json, regex, grammar, choices, words, lines/],
  ["constructor:x", /KIND:VALUE/],
  ["json:no-such-file.json", /no such file/],
  ["grammar:no-such-file.gbnf", /no such file/],
])("--constraint %s is refused before anything is loaded", (given, why) => {
  expect(() => parseConstraintFlag(given)).toThrow(
    expect.objectContaining({ code: "ERR_INVALID_OPTION", message: expect.stringMatching(why) }),
  );
});

test("a file that holds no schema is refused", () => {
  const list = file("list.json", "[1]");
  expect(() => parseConstraintFlag(`json:${list}`)).toThrow(/a JSON schema/);
  const broken = file("broken.json", "{");
  expect(() => parseConstraintFlag(`json:${broken}`)).toThrow(/to hold JSON/);
});
