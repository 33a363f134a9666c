/** What `ask` prints and writes: the answer, its evidence, the JSON and the trace. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import type { Result } from "../../src/methods/result.js";
import { VERSION } from "../../src/version.js";
import { askJson, GUIDED, PROMPT, withoutTimes } from "../fixtures/cli-ask.js";
import { cli, scratch, scratchFile } from "../fixtures/cli-process.js";
import { drawnIn } from "../fixtures/drawn-tokens.js";

let guided: Result;
beforeAll(async () => {
  guided = await askJson(GUIDED);
});

describe("on a terminal", () => {
  test("prints the answer's text, and below it answer, agreement, ESS, tokens and time", async () => {
    const { text, answer, agreement, steps, usage } = await askJson([]);
    const { code, stdout, stderr } = await cli(["ask", PROMPT]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    expect(stdout.startsWith(`${text.trim()}\n\n`)).toBe(true);
    const rows = stdout.slice(text.trim().length).trim().split("\n");
    const [vote, guidance, tokens, time] = rows.map((row) => row.trim().replace(/\s+/g, " "));
    expect(vote).toMatch(
      new RegExp(`^answer ${answer ?? "none found"} ${Math.round(agreement * 100)}% of 8 votes`),
    );
    const ess = steps.map((step) => step.ess.toFixed(1)).join(" → ");
    expect(guidance).toMatch(new RegExp(`^guidance ets, .* 8 candidates × 1 rollout; ESS ${ess}$`));
    expect(tokens).toContain(`tokens ${usage.generated} generated, ${usage.prefilled} prefilled`);
    expect(time).toMatch(
      /^time \d+\.\d\d s \(\d+ tokens\/s\) \+ \d+\.\d\d s loading mini-gsm-ref; /,
    );
    expect(rows).toHaveLength(4);
  });

  test("says so when the text was cut off and gives no answer", async () => {
    const { stdout } = await cli(["ask", PROMPT, "--max-tokens", "2"]);
    expect(stdout).toContain("none found");
    expect(stdout).not.toContain("agree");
    expect(stdout).toContain("(cut off: length)");
  });

  test("--quiet prints the answer's text alone", async () => {
    const { code, stdout, stderr } = await cli(["ask", PROMPT, "--quiet", ...GUIDED]);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${guided.text}\n`, stderr: "" });
  });
});

describe("--verbose", () => {
  test("prints the plan to standard error before work starts, the answer as ever", async () => {
    const { text, plan } = guided;
    const { stdout, stderr } = await cli(["ask", PROMPT, "--quiet", "-v", ...GUIDED]);
    expect(stdout).toBe(`${text}\n`);
    const rows = stderr.trim().split("\n");
    const shown = rows.map((row) => row.trim().replace(/\s+/g, " "));
    expect(shown[0]).toMatch(/^plan ets: 4 steps of 6 tokens, 4 candidates × 2 rollouts; /);
    expect(shown[1]).toContain(
      `cells (f16, unified), ${plan.model.sequences} sequences; batches of`,
    );
    expect(shown[2]).toBe(`draws ${plan.model.parallel} side by side, 1 wave a step`);
    expect(shown[3]).toMatch(/^memory weights .* KV cache .* logits .* compute [\d.]+ MiB$/);
    expect(shown[4]).toContain(`at most ${plan.model.tokens.generated} generated`);
    expect(shown[5]).toMatch(/^peak [\d.]+ MiB expected; [\d.]+ GiB free/);
    expect(rows).toHaveLength(6);
  });

  test("does so with --json, and for the proposal's context", async () => {
    const args = ["ask", PROMPT, "--json", "-v", "--method", "ets-is", ...GUIDED];
    const { stdout, stderr } = await cli(args);
    const { plan } = JSON.parse(stdout);
    expect(plan.proposal.tokens.generated).toBeGreaterThan(0);
    expect(stderr).toMatch(/^ +proposal's context +[\d,]+ cells/m);
  });
});

describe("--json", () => {
  test("prints one JSON object on one line, and nothing else", async () => {
    const { code, stdout, stderr } = await cli(["ask", PROMPT, "--json", ...GUIDED]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^\{.*\}\n$/); // "." takes no line break
    expect(Object.keys(JSON.parse(stdout))).toEqual(
      expect.arrayContaining([
        ...["method", "text", "answer", "tokens", "logProbs", "agreement", "steps", "usage"],
        ...["stopReason", "seed", "plan", "settings", "prompt", "model", "versions"],
      ]),
    );
  });

  test("holds every step: candidates, energies, weights, the choice and its ESS", () => {
    const { steps, settings } = guided;
    expect(steps.length).toBeGreaterThan(1);
    for (const step of steps) {
      const { candidates, logEnergies, weights, chosen, ess } = step;
      expect(candidates).toHaveLength(settings.candidates);
      expect(logEnergies).toHaveLength(settings.candidates);
      expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      const energies = logEnergies.map(Math.exp);
      const total = energies.reduce((a, b) => a + b, 0);
      expect(weights).toEqual(energies.map((e) => expect.closeTo(e / total, 12)));
      expect(weights[chosen]).toBeGreaterThan(0);
      expect(ess).toBeCloseTo(1 / weights.reduce((sum, w) => sum + w ** 2, 0), 9);
    }
  });

  test("goes from each step's chosen candidate to the text", () => {
    const { steps, tokens, text, stopReason } = guided;
    let before: readonly number[] = [];
    for (const { candidates, chosen } of steps) {
      for (const candidate of candidates) {
        expect(candidate.tokens.slice(0, before.length)).toEqual(before);
      }
      before = candidates[chosen]?.tokens ?? [];
    }
    expect(tokens).toEqual(before);
    expect(text).toBe(steps.at(-1)?.candidates[steps.at(-1)?.chosen ?? -1]?.text);
    expect(["end", "length"]).toContain(stopReason);
  });

  test("names the model, the prompt as the model read it, and all versions", async () => {
    const { model, prompt, versions } = await askJson(["-m", "mini-gsm-proposal"]);
    expect(model.path).toMatch(/models.mini-gsm-proposal\.gguf$/);
    expect(model.parameters).toBeGreaterThan(1e5);
    expect(prompt.text).toContain(PROMPT);
    expect(prompt.text).not.toBe(PROMPT); // within the chat template
    expect(versions).toEqual({
      llamaEts: VERSION,
      llamaCpp: expect.stringMatching(/\d/),
      node: process.versions.node,
    });
  });
});

test("usage counts every token that the steps show", () => {
  const { usage, prompt, steps } = guided;
  expect(usage.prefilled).toBe(prompt.tokens.length);
  expect(usage.generated).toBe(drawnIn(steps));
});

describe("--seed", () => {
  test("gives the same text, tokens, weights and rollouts again", async () => {
    expect(withoutTimes(await askJson(GUIDED))).toEqual(withoutTimes(guided));
  });

  test("another seed gives other rollouts", async () => {
    const rolloutsOf = ({ steps }: Result) =>
      steps[0]?.candidates.flatMap((c) => c.completions.map(({ tokens }) => tokens));
    const other = await askJson([...GUIDED, "--seed", "2"]);
    expect(rolloutsOf(other)).not.toEqual(rolloutsOf(guided));
  });
});

describe("the prompt", () => {
  test("is read from standard input with -, and without an argument", async () => {
    for (const args of [["ask", "-"], ["ask"]]) {
      const { code, stdout } = await cli([...args, "--json", ...GUIDED], { input: `${PROMPT}\n` });
      expect(code).toBe(0);
      expect(withoutTimes(JSON.parse(stdout))).toEqual(withoutTimes(guided));
    }
  });

  test("may come before or after options that take several values", async () => {
    const { settings, prompt } = await askJson(["--stop", "####", "--stop", "\n\n"]);
    expect(settings.stop).toEqual(["####", "\n\n"]);
    const { code, stdout } = await cli(["ask", "--json", "--stop", "####", PROMPT]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).prompt).toEqual(prompt);
  });
});

describe("--trace", () => {
  test("writes the whole run, every step in it, besides the answer", async () => {
    const file = scratch("trace.json");
    const { stdout } = await cli(["ask", PROMPT, "--json", "--trace", file, ...GUIDED]);
    const { format, question, ...trace } = JSON.parse(readFileSync(file, "utf8"));
    expect(format).toBe("llama-ets-trace/1");
    expect(question).toBe(PROMPT);
    expect(trace.steps.length).toBeGreaterThan(1);
    expect(trace).toEqual(JSON.parse(stdout));
  });

  test("is refused before anything is drawn where it can't be written", async () => {
    for (const file of [scratch("missing/trace.json"), scratch(".")]) {
      const { code, stdout, stderr } = await cli(["ask", PROMPT, "--trace", file]);
      expect(stderr).toMatch(/The trace can't be written: .*\(ERR_WRITE\)/);
      expect([code, stdout]).toEqual([1, ""]);
    }
  });

  test("replaces the trace that was there", async () => {
    const file = scratchFile("replaced.json", "longer than any trace ".repeat(1e5));
    await cli(["ask", PROMPT, "-q", "--trace", file, "-M", "2"]);
    expect(JSON.parse(readFileSync(file, "utf8")).settings.candidates).toBe(2);
  });
});
