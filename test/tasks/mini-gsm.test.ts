import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { answeredPart } from "../../src/chain/answer-end.js";
import { findTask } from "../../src/tasks/index.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";

describe("mini-gsm", () => {
  test("loads the 1,000 bundled held-out items, each with its own id and a gold answer", async () => {
    const items = await miniGsm.load();
    expect(items).toHaveLength(1000);
    expect(new Set(items.map(({ id }) => id)).size).toBe(1000);
    expect(items.every(({ gold, prompt }) => /^-?\d/.test(gold) && prompt.length > 20)).toBe(true);
  });

  test("finds the first answer line, and nothing without one", () => {
    expect(miniGsm.extract("a\n#### 1,250\n#### 12.5\n")).toBe("1,250");
    expect(miniGsm.extract("12 apples")).toBeNull();
    expect(miniGsm.extract("#### none\n#### 7")).toBeNull();
  });

  test("knows where an answer ends: what follows doesn't change it", () => {
    const answerEnd = miniGsm.answerEnd ?? { mark: "", end: "" };
    expect(answeredPart("So #### 12", answerEnd)).toBeNull(); // a digit may follow
    const part = answeredPart("So #### 12\nOr 13\n#### 14\n", answerEnd);
    expect(part).toBe("So #### 12\n");
    expect(miniGsm.extract(`${part}#### 14`)).toBe("12");
  });

  test.each([
    ["not JSON", "expected JSON"],
    ['{"question": 3, "answer": "#### 1"}', "`question`"],
    ['{"question": "?"}', "`answer`"],
    ['{"question": "?", "answer": "no mark"}', "####"],
    ["null", "object"],
    ['{"question": " ", "answer": "#### 1"}', "`question`"],
  ])("names file, line and field of the bad row %j", async (row, what) => {
    const directory = await mkdtemp(path.join(tmpdir(), "llama-ets-"));
    const file = path.join(directory, "items.jsonl");
    await writeFile(file, `{"question": "?", "answer": "#### 1"}\n\n${row}\n`);
    const error = await miniGsm.load(file).catch((e: Error) => e);
    expect(error).toMatchObject({ code: "ERR_INVALID_DATA" });
    expect((error as Error).message).toContain(`${file}, line 3`);
    expect((error as Error).message).toContain(what);
    await rm(directory, { recursive: true });
  });

  test("is found by name, and no other name is", async () => {
    expect(await findTask("mini-gsm")).toBe(miniGsm);
    await expect(findTask("mini")).rejects.toThrowError(/mini-gsm/);
  });
});
