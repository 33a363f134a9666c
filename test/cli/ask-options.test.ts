/** That each option of `ask` does what it says. */
import { copyFileSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { bundledModels } from "../../src/engine/bundled-models.js";
import { METHOD_NAMES } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import type { Step } from "../../src/methods/step.js";
import { askJson, GUIDED, PROMPT } from "../fixtures/cli-ask.js";
import { cli, scratch, scratchFile } from "../fixtures/cli-process.js";

const completionsOf = (step: Step | undefined) =>
  step?.candidates.flatMap(({ completions }) => completions) ?? [];

describe("the settings of the result", () => {
  test("are those that --help states when none is given", async () => {
    const [{ stdout: help }, { settings, seed, method }] = await Promise.all([
      cli(["ask", "--help"]),
      askJson([]),
    ]);
    const text = help.replace(/\s+/g, " ");
    const stated = (flag: string) =>
      text.split(` ${flag} `)[1]?.match(/\(default: "?([^")]*)/)?.[1];
    expect(Number(stated("--candidates"))).toBe(settings.candidates);
    expect(Number(stated("--rollouts"))).toBe(settings.rollouts);
    expect(stated("--block-tokens")).toContain(`bundled models: ${settings.blockTokens}`);
    expect(Number(stated("--lambda"))).toBe(settings.lambda);
    expect(Number(stated("--temperature"))).toBe(settings.sampling.temperature);
    expect(Number(stated("--seed"))).toBe(seed);
    expect(stated("--finish")).toBe(settings.finish);
    expect(stated("--reward")).toBe(settings.reward);
    expect(stated("--method")).toBe("auto");
    expect(method).toBe("ets"); // of a word problem to the bundled model
  });

  test("hold every option that was given", async () => {
    const { settings, seed, method } = await askJson([
      ...["--method", "ets", "-M", "3", "-K", "2", "--block-tokens", "7", "--max-tokens", "40"],
      ...["--lambda", "0.5", "--temperature", "0.9", "--top-k", "50", "--top-p", "0.8"],
      ...["--min-p", "0.05", "--finish", "resample", "--stop", "@@", "--system", "Be brief."],
      ...["--seed", "11", "--budget-tokens", "5000", "--budget-ms", "60000", "--reasoning", "64"],
    ]);
    expect(method).toBe("ets");
    expect(seed).toBe(11);
    expect(settings).toMatchObject({
      candidates: 3,
      rollouts: 2,
      blockTokens: 7,
      steps: 6,
      maxTokens: 40,
      lambda: 0.5,
      finish: "resample",
      stop: ["@@"],
      system: "Be brief.",
      raw: false,
      reasoning: { effort: "auto", budget: 64, end: "close", show: false },
      sampling: { temperature: 0.9, topK: 50, topP: 0.8, minP: 0.05 },
      budget: { tokens: 5000, ms: 60000 },
      reward: "self-consistency",
    });
  });

  test("hold the options of ets-is too, and divide --max-tokens by --steps", async () => {
    const { settings, method } = await askJson([
      ...["--method", "ets-is", "--proposal", "mini-gsm-proposal", "--weights", "psis"],
      ...["--proposal-temperature", "0.8", "--mixture", "0.25", "-I", "3", "--max-tokens", "40"],
    ]);
    expect(method).toBe("ets-is");
    expect(settings).toMatchObject({
      proposal: expect.stringMatching(/mini-gsm-proposal\.gguf$/),
      weights: "psis",
      proposalSampling: { temperature: 0.8 },
      mixture: 0.25,
      steps: 3,
      blockTokens: 14,
      maxTokens: 40,
    });
  });
});

describe("guidance", () => {
  test("draws -M candidates of --block-tokens tokens, -K rollouts of each", async () => {
    const { steps } = await askJson([
      ...["-M", "5", "-K", "3", "--block-tokens", "4", "--max-tokens", "16"],
      ...["--temperature", "100"], // no two candidates alike
    ]);
    expect(steps.length).toBeGreaterThan(1);
    for (const [i, { candidates }] of steps.entries()) {
      expect(candidates).toHaveLength(5);
      for (const { tokens, completions, finishReason } of candidates) {
        const hasEnded = finishReason !== null;
        if (hasEnded) expect(tokens.length).toBeLessThanOrEqual(4 * (i + 1));
        else expect(tokens).toHaveLength(4 * (i + 1));
        const rollouts = completions.map(({ rollout }) => rollout);
        expect(rollouts).toEqual(hasEnded ? [null] : [0, 1, 2]);
        for (const c of completions) expect(c.tokens.slice(0, tokens.length)).toEqual(tokens);
      }
    }
  });

  test("runs more candidates and rollouts than the engine has sequences, in waves", async () => {
    const { steps } = await askJson([
      ...["-M", "100", "-K", "4", "--max-tokens", "6", "--steps", "2", "--temperature", "100"],
    ]);
    expect(steps).toHaveLength(2);
    expect(completionsOf(steps[0]).length).toBeGreaterThan(256);
    for (const step of steps) {
      expect(step.candidates).toHaveLength(100);
      // A candidate that has ended votes for its four rollouts.
      expect(completionsOf(step).reduce((sum, { votes }) => sum + votes, 0)).toBe(400);
    }
  });

  test("gives a candidate its rollouts, whatever others run beside it", async () => {
    const args = [...GUIDED, "--temperature", "100", "--max-tokens", "8"];
    const few = await askJson([...args, "-M", "3", "-K", "2"]);
    const many = await askJson([...args, "-M", "40", "-K", "8"]);
    for (const [m, candidate] of few.steps[0]?.candidates.entries() ?? []) {
      const same = many.steps[0]?.candidates[m];
      expect(same?.tokens).toEqual(candidate.tokens);
      const tokens = same?.completions.slice(0, 2).map((c) => c.tokens);
      expect(tokens).toEqual(candidate.completions.map((c) => c.tokens));
    }
  });

  test("follows the reward more strictly the smaller --lambda is", async () => {
    const reward = scratchFile("shorter.mjs", "export default ({ tokens }) => -tokens.length;");
    const essAt = async (lambda: string) => {
      const args = ["--reward", `module:${reward}`, "--lambda", lambda, "--temperature", "1.5"];
      return (await askJson(args)).steps[0]?.ess;
    };
    expect(await essAt("1e9")).toBeCloseTo(8, 5);
    expect(await essAt("1e-9")).toBeLessThan(8);
  });

  test("--finish resample ends with one of the last step's rollouts", async () => {
    const { text, steps } = await askJson([...GUIDED, "--finish", "resample"]);
    const last = steps.at(-1);
    expect(completionsOf(last).map((c) => c.text)).toContain(text);
  });
});

describe("the reference policy", () => {
  let greedy: Result;
  beforeAll(async () => {
    greedy = await askJson(["--method", "greedy"]);
  });

  test.each([
    ["--top-k", "1"],
    ["--temperature", "0"],
    ["--top-p", "1e-9"],
    ["--min-p", "1"],
  ])("%s %s leaves the most probable text alone", async (...args) => {
    const { steps } = await askJson([...args, "--max-tokens", "20", "--method", "majority"]);
    expect(steps[0]?.candidates).not.toHaveLength(0);
    for (const { tokens } of steps[0]?.candidates ?? []) {
      expect(tokens).toEqual(greedy.tokens.slice(0, 20));
    }
  });

  test("--max-tokens bounds every text, candidates and rollouts", async () => {
    const { tokens, steps, stopReason } = await askJson([
      ...[...GUIDED, "--max-tokens", "9", "--temperature", "100"],
    ]);
    if (stopReason === "length") expect(tokens).toHaveLength(9);
    else expect(tokens.length).toBeLessThanOrEqual(9);
    for (const step of steps) {
      for (const c of completionsOf(step)) expect(c.tokens.length).toBeLessThanOrEqual(9);
    }
  });

  test("--stop ends the text before the string", async () => {
    const stop = greedy.text.slice(10, 14);
    const { text, stopReason } = await askJson(["--method", "greedy", "--stop", stop]);
    expect(text).toBe(greedy.text.slice(0, greedy.text.indexOf(stop)));
    expect(stopReason).toBe("stop");
  });

  test("--messages asks a conversation, by --chat-template's template with --tools", async () => {
    const messages = [
      { role: "user", content: [{ type: "text", text: "7 + 5?" }] },
      { role: "assistant", content: "It is " },
    ];
    const tool = { type: "function", function: { name: "add_up" } };
    const source =
      "{{ tools[0].function.name }}|{% for m in messages %}{{ m.content }} {% endfor %}";
    const chat = scratchFile("chat.json", JSON.stringify(messages));
    const tools = scratchFile("tools.json", JSON.stringify([tool]));
    const template = scratchFile("own.jinja", source);
    const { code, stdout } = await cli([
      ...["ask", "--json", "--method", "sample", "--max-tokens", "4", "--messages", chat],
      ...["--tools", tools, "--chat-template", template],
    ]);
    expect(code).toBe(0);
    const result: Result = JSON.parse(stdout);
    expect(result.prompt.text).toBe("add_up|7 + 5? It is ");
    expect(result.toolCalls).toEqual([]);
    expect(result.settings).toMatchObject({ tools: [tool], chatTemplate: source });
  });

  test("--raw gives the model the prompt as it is, --system a message before it", async () => {
    const raw = await askJson(["--raw", "--max-tokens", "4"]);
    expect(raw.prompt.text).toBe(PROMPT);
    const led = await askJson(["--system", "Be brief.", "--max-tokens", "4"]);
    expect(led.prompt.text.indexOf("Be brief.")).toBeGreaterThan(-1);
    expect(led.prompt.text.indexOf("Be brief.")).toBeLessThan(led.prompt.text.indexOf(PROMPT));
  });
});

describe("--method", () => {
  const ask = (method: string, ...args: string[]): Promise<Result> =>
    askJson(["--method", method, "--temperature", "1.5", ...args]);

  test.each(METHOD_NAMES)("%s answers", async (method) => {
    const trace = scratch(`${method}.json`);
    const { code, stdout } = await cli(["ask", PROMPT, "--method", method, "--trace", trace]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`guidance +${method}`));
    const result: Result = JSON.parse(readFileSync(trace, "utf8"));
    expect(result.method).toBe(method);
    expect(result.tokens.length).toBeGreaterThan(0);
    expect(result.logProbs).toHaveLength(result.tokens.length);
  });

  test("best-of-n returns the text with the highest reward", async () => {
    const reward = scratchFile("longest.mjs", "export default ({ text }) => text.length;");
    const { text, steps } = await ask("best-of-n", "--reward", `module:${reward}`, "-M", "12");
    const lengths = completionsOf(steps[0]).map((c) => c.text.length);
    expect(lengths).toHaveLength(12);
    expect(text).toHaveLength(Math.max(...lengths));
  });

  test("majority returns the most frequent answer", async () => {
    const { answer, agreement, steps } = await ask("majority", "-M", "16", "--temperature", "0.8");
    const counts = new Map<string, number>();
    for (const { text } of completionsOf(steps[0])) {
      const found = /####\s*(-?[\d.,]*\d)/.exec(text)?.[1]?.replace(/,/g, "");
      if (found !== undefined) counts.set(found, (counts.get(found) ?? 0) + 1);
    }
    expect(counts.size).toBeGreaterThan(0);
    expect(counts.get(answer ?? "")).toBe(Math.max(...counts.values()));
    expect(agreement).toBeCloseTo(Math.max(...counts.values()) / 16, 12);
  });
});

describe("the model", () => {
  test("may be named by its path, with the task named too", async () => {
    const [model] = bundledModels();
    copyFileSync(model?.path ?? "", scratch("copy.gguf"));
    const byName = await askJson(["--method", "sample", "--seed", "5"]);
    const args = ["-m", "copy.gguf", "--task", "mini-gsm", "--threads", "1", "--gpu", "off"];
    const byPath = await askJson(["--method", "sample", "--seed", "5", ...args]);
    expect(byPath.model.path).toMatch(/copy\.gguf$/);
    expect([byPath.tokens, byPath.answer]).toEqual([byName.tokens, byName.answer]);
  });
});

describe("a budget", () => {
  test("ends the run with the best text so far: a result, not an error", async () => {
    const { stopReason, usage } = await askJson([
      ...["--budget-tokens", "200", "-M", "8", "-K", "4", "--block-tokens", "4"],
      ...["--temperature", "100"],
    ]);
    expect(stopReason).toBe("budget");
    expect(usage.generated).toBeLessThan(400);
  });
});

describe("--reward module:FILE", () => {
  test("is given every completion, and decides", async () => {
    const reward = scratchFile(
      "even.mjs",
      `export default {
        name: "even",
        async score({ pool, prompt }) {
          if (!prompt.includes("apples")) throw new Error("no prompt");
          return pool.map(({ tokens }) => (tokens.length % 2 === 0 ? 1 : 0));
        },
      };`,
    );
    const { settings, steps } = await askJson([
      ...["--reward", `module:${reward}`, "--lambda", "0.001", "--temperature", "1.5"],
    ]);
    expect(settings.reward).toBe("even");
    const [step] = steps;
    expect(completionsOf(step).length).toBeGreaterThan(0);
    for (const c of completionsOf(step)) expect(c.reward).toBe(c.tokens.length % 2 === 0 ? 1 : 0);
    if (completionsOf(step).some((c) => c.reward === 1)) {
      expect(step?.logEnergies[step.chosen]).toBeCloseTo(1000, 0);
    }
  });
});
