/** HumanEval with the docstring's examples as the reward and the hidden tests as the grade. */
import { bestOfN, humaneval, pythonTests } from "llama-ets";

/**
 * Converts each `>>> call` of the docstring and the value below it to an assert. The result is empty without
 * such lines.
 */
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
  /** The reward of an item owns a separate sandbox. */
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
