/** Votes on data: JSON and tool calls, or parts of them. */
import { describe, expect, test } from "vitest";
import type { CallForm } from "../../src/engine/constraint/calls/call-form.js";
import { answerOf } from "../../src/rewards/answer.js";
import { callVotes, jsonVotes, votedParts } from "../../src/rewards/vote-value.js";

const seen = (text: string, fields?: string[], except?: string[]) =>
  answerOf(text, jsonVotes(votedParts(fields, except)));

describe("votes on JSON", () => {
  test("are on the value, whatever its blanks and the order of its fields, and keep its case", () => {
    expect(seen('{"b": [1.0, "X."],\n"a": null}')).toBe('{"a":null,"b":[1,"X."]}');
    expect(seen('"Yes"')).not.toBe(seen('"yes"'));
    expect(seen('{"a": 1')).toBeNull();
  });

  test.each([
    [["a"], undefined, '{"a":1}'],
    [["items.*.id", "a"], undefined, '{"a":1,"items":[{"id":1},{"id":2}]}'],
    [undefined, ["items.*.note", "a"], '{"items":[{"id":1},{"id":2}]}'],
    [["items"], ["items.1"], '{"items":[{"id":1,"note":"x"}]}'],
    [["none"], undefined, null],
  ])("look at %j without %j", (fields, except, expected) => {
    const text = '{"items": [{"id": 1, "note": "x"}, {"note": "y", "id": 2}], "a": 1}';
    expect(seen(text, fields, except)).toBe(expected);
  });

  test.each([[[]], [["a..b"]], ["a" as never]])("refuse %j as paths", (fields) => {
    expect(() => votedParts(fields)).toThrow(/voteFields/);
  });
});

describe("votes on tool calls", () => {
  const head = String.raw`<call>(?:f),(?: |\n){0,3}`;
  const tagged = [
    { name: "x", heads: ["<x>"], tail: "</x>", isText: true },
    { name: "n", heads: ["<n>"], tail: "</n>", isText: false },
  ];
  const forms: CallForm[] = [
    { name: "f", heads: [head], tagged: null },
    { name: "g", heads: ["<call>g"], tagged },
  ];
  const voted = (text: string, except?: string[]) =>
    answerOf(text, callVotes(forms, votedParts(undefined, except)));

  test("are on names and arguments, without what is left out", () => {
    const one = 'So:<call>f, {"b": "<call>g", "a": 1}</call>';
    expect(voted(one)).toBe('[{"arguments":{"a":1,"b":"<call>g"},"name":"f"}]');
    expect(voted(one, ["arguments.b"])).toBe(voted('<call>f,{"a":1}'));
    expect(voted("<call>g<n>[1, {}]</n><x>{</x><call>g")).toBe(
      '[{"arguments":{"n":[1,{}],"x":"{"},"name":"g"},{"arguments":{},"name":"g"}]',
    );
  });

  test("are on a text's answer where it makes none", () => {
    expect(voted("The answer is 42.")).toBe("42");
    expect(voted('<call>f, {"a": ')).toBeNull();
  });
});
