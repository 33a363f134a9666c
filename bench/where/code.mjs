/** HumanEval: the docstring's examples are the reward, the hidden tests the grade. */
import { bestOfN, humaneval, pythonTests } from "llama-ets";

/** The docstring's `>>> call` with the value below it, as asserts; none where there are no such lines. */
export function exampleTests({ prompt }) {
  const examples = [...prompt.matchAll(/>>>\s*(.+)\n\s*([^\s>].*)/g)];
  return examples.map(([, call, value]) => `assert (${call.trim()}) == (${value.trim()})`);
}

export const code = {
  task: humaneval,
  maxTokens: 160,
  isCounted: false,
  sizes: { pilot: 3, study: 8, held: 0 },
  title: "Python functions (HumanEval)",
  known: "the docstring's examples",
  pick: (item) => exampleTests(item).length > 0 && item.prompt.length < 700,
  grader: { allowCodeExecution: true },
  /** A sandbox for each item, which its reward owns. */
  rewardOf: (item) =>
    pythonTests({
      entryPoint: item.entryPoint,
      tests: exampleTests(item).join("\n"),
      setup: item.prompt,
      timeoutMs: 5000,
      extract: (text) => humaneval.extract(text, item) ?? text,
    }),
  methods: [
    {
      name: "best-of-n, T = .3",
      method: bestOfN,
      options: (reward) => ({ reward, temperature: 0.3 }),
    },
  ],
};
