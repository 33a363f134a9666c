import { afterAll, expect, test } from "vitest";
import { pythonTests } from "../../src/rewards/python-tests.js";
import { scoreOf } from "../fixtures/completions.js";

const reward = pythonTests({
  entryPoint: "double",
  tests: "assert double(2) == 4\nassert double(-1) == -2",
  timeoutMs: 3000,
});
afterAll(() => reward[Symbol.asyncDispose]?.());

test("programs earn 1 when they pass their tests, and 0 otherwise", async () => {
  const fenced = "Here it is:\n```python\ndef double(x):\n    return 2 * x\n```\nDone.";
  const texts = [
    "def double(x):\n    return 2 * x",
    fenced,
    "def double(x):\n    return x + 2",
    "def double(x): return 2 *",
    "def double(x):\n    while True: pass",
    "",
  ];
  expect(await scoreOf(reward, texts)).toEqual([1, 1, 0, 0, 0, 0]);
});

test("misspelt options are refused", () => {
  expect(() => pythonTests({ entrypoint: "f", tests: "" } as never)).toThrowError(/entryPoint/);
});
