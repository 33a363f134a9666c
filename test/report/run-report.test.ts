/** The report of one answer: complete, escaped, with the figures' data, whatever the trace holds. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { LlamaEtsError } from "../../src/engine/errors.js";
import { ets } from "../../src/methods/ets.js";
import { METHODS } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import { runReport as reportOf } from "../../src/report/for-programs.js";
import { runReport } from "../../src/report/run/run-report.js";
import { tellStory } from "../../src/report/run/story.js";
import { parseTrace, readTrace, type Trace } from "../../src/report/trace.js";
import { TRACE_FORMAT } from "../../src/report/trace-format.js";
import { checkPage } from "../fixtures/html-page.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";

const model = useModel();
let result: Result;
/** As a file holds it. */
const toJson = (run: object) =>
  JSON.parse(JSON.stringify({ format: TRACE_FORMAT, question: QUESTION, ...run }));
const traceOf = (run: object): Trace => parseTrace(toJson(run), "trace");

beforeAll(async () => {
  const options = { candidates: 6, rollouts: 2, blockTokens: 12, maxTokens: 60, temperature: 1.2 };
  result = await ets(model(), QUESTION, { ...options, seed: 5 });
});

describe("the story of a trace", () => {
  test("has every candidate, weight, vote and token of the run", () => {
    const { steps, segments, answers } = tellStory(traceOf(result));
    expect(steps).toHaveLength(result.steps.length);
    for (const [i, step] of steps.entries()) {
      const of = result.steps[i] as Result["steps"][number];
      const total = (values: number[]) => values.reduce((a, b) => a + b, 0);
      expect(total(step.branches.map(({ count }) => count))).toBe(of.candidates.length);
      expect(total(step.branches.map(({ weight }) => weight))).toBeCloseTo(1, 9);
      expect(step.branches.filter(({ isChosen }) => isChosen)).toHaveLength(1);
      expect(step.before + step.chosen.block).toBe(of.candidates[of.chosen]?.text);
      const completions = of.candidates.flatMap((candidate) => candidate.completions);
      expect(total(step.votes.map(({ votes }) => votes))).toBeCloseTo(
        total(completions.map(({ votes }) => votes)),
        9,
      );
    }
    expect(steps.reduce((sum, { generated }) => sum + generated, 0)).toBe(
      result.steps.at(-1)?.generated,
    );
    expect(segments.map(({ text }) => text).join("")).toBe(result.text);
    expect(answers[0]).toBe(result.answer);
  });

  test("of a trace without answers finds them in the texts", () => {
    const old = toJson(result);
    for (const { candidates } of old.steps) {
      for (const { completions } of candidates) for (const c of completions) delete c.answer;
    }
    expect(tellStory(parseTrace(old, "old"))).toEqual(tellStory(traceOf(result)));
  });
});

describe("the page", () => {
  test("shows the question, the answer, and a circle for each different candidate", async () => {
    const trace = traceOf(result);
    const document = checkPage(await runReport(trace));
    expect(document.querySelector(".question")?.textContent).toBe(QUESTION);
    expect(document.querySelector(".answer .value")?.textContent).toBe(result.answer);
    const story = tellStory(trace);
    const branches = story.steps.flatMap((step) => step.branches);
    const circles = document.querySelectorAll(".path circle");
    expect(circles).toHaveLength(branches.length + story.steps.length); // and a ring a step
    expect(document.querySelectorAll(".branch")).toHaveLength(branches.length);
    expect(document.querySelectorAll(".branch.chosen")).toHaveLength(story.steps.length);
    const rollouts = result.steps.flatMap((s) => s.candidates.flatMap((c) => c.completions));
    expect(document.querySelectorAll(".rollouts > li")).toHaveLength(rollouts.length);
    expect(document.querySelectorAll("figure svg")).toHaveLength(3);
    expect(document.querySelectorAll("script")).toHaveLength(0);
  });

  test("keeps what models wrote as text", async () => {
    const hostile = `</style></title><script>alert(1)</script><img src="http://evil.example/x" onerror='alert(2)'>\u202e\u0000`;
    const spread = (value: unknown): unknown => {
      if (typeof value === "string") return hostile;
      if (Array.isArray(value)) return value.map(spread);
      if (typeof value !== "object" || value === null) return value;
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, spread(v)]));
    };
    const everywhere = { ...(spread(result) as object), question: hostile, method: "ets" };
    const page = await runReport(traceOf(everywhere));
    const document = checkPage(page);
    expect(document.querySelectorAll("script")).toHaveLength(0);
    expect(document.querySelector(".question")?.textContent).toContain("<script>alert(1)</script>");
    // The twin: one value that is not escaped is seen.
    expect(() => checkPage(page.replace("&lt;img src", "<img src"))).toThrow();
  });

  describe("of a run whose reward doesn't vote", () => {
    const reward = ({ text }: { text: string }) => ((text.match(/\d/g) ?? []).length % 8) / 8;
    const guided = { candidates: 4, maxTokens: 40, blockTokens: 12, temperature: 1.2, seed: 2 };
    const pageOf = async (run: Result) => {
      const trace = traceOf(run);
      return { trace, story: tellStory(trace), document: checkPage(await runReport(trace)) };
    };

    test("tells of rewards, and of no answers or votes", async () => {
      const run = await ets(model(), QUESTION, { ...guided, reward });
      const { story, document } = await pageOf(run);
      expect(story.evidence).toEqual({ answers: false, rewards: true });
      const value = document.querySelector(".answer .value")?.textContent;
      expect(Number(value)).toBeCloseTo(run.reward as number, 2);
      const card = document.querySelector(".answer")?.textContent ?? "";
      expect(card).toContain(`best seen ${Number(run.best?.reward.toPrecision(3))}`);
      expect(card).toMatch(/nats? from p_ref/);
      const text = document.querySelector("main")?.textContent ?? "";
      expect(text).not.toMatch(/no answer|votes|agree/);
      const fills = [...document.querySelectorAll(".path circle[fill]")].map((c) =>
        c.getAttribute("fill"),
      );
      expect(fills.some((fill) => /^var\(--reward-\d\)$/.test(fill ?? ""))).toBe(true);
      expect(document.querySelector('[aria-label^="Rewards of the finished"]')).not.toBeNull();
      expect(document.querySelector('[aria-label^="Share of each answer"]')).toBeNull();
    });

    test("has answers too where the caller says where they are", async () => {
      const extract = (text: string) => /\d+/.exec(text)?.[0] ?? null;
      const { document } = await pageOf(
        await ets(model(), QUESTION, { ...guided, reward, extract }),
      );
      expect(document.querySelector('[aria-label^="Rewards of the finished"]')).not.toBeNull();
      expect(document.querySelector('[aria-label^="Share of each answer"]')).not.toBeNull();
    });

    test("shows what a potential said, and what the text is a sample of", async () => {
      const run = await ets(model(), QUESTION, { ...guided, potential: reward });
      const { document } = await pageOf(run);
      const text = document.querySelector("main")?.textContent ?? "";
      expect(text).toContain("a potential stands for the energies");
      expect(text).toMatch(/log ψ.*potential 0/s);
      const best = await ets(model(), QUESTION, { ...guided, reward, finish: "best" });
      expect((await pageOf(best)).document.querySelector(".answer")?.textContent).toContain(
        "no sample of the law",
      );
    });

    test("of an older version, which says nothing of rewards, is drawn by what it has", async () => {
      const run = await ets(model(), QUESTION, {
        ...guided,
        reward: { name: "regex:9", score: ({ pool }) => pool.map(() => 0) },
        extract: () => null,
      });
      const { law: _, reward: __, best: ___, divergence: ____, evidence: _____, ...old } = run;
      const { story, document } = await pageOf(old as Result);
      expect(story.evidence).toEqual({ answers: false, rewards: true });
      expect(document.querySelector(".answer .value")?.textContent).toBe("none");
      const { evidence: ______, ...voted } = result;
      expect(tellStory(traceOf(voted)).evidence).toEqual({ answers: true, rewards: false });
    });
  });

  test.each([["sample"], ["best-of-n"], ["beam"], ["particle"], ["mh"]] as const)(
    "is drawn for %s, too",
    async (method) => {
      const options = { maxTokens: 24, seed: 1 };
      const several = method === "sample" ? {} : { candidates: 3 };
      const run = await METHODS[method](model(), QUESTION, { ...options, ...several });
      checkPage(await reportOf(run));
    },
  );

  test("is drawn for a run that was interrupted, before and after its first step", async () => {
    for (const steps of [[], result.steps.slice(0, 1)]) {
      const partial = { method: "ets", stopReason: "interrupted", steps, prompt: { text: "why" } };
      const document = checkPage(await runReport(traceOf(partial)));
      expect(document.querySelectorAll(".step")).toHaveLength(steps.length);
    }
  });

  test("of forty steps with long texts stays below a megabyte", async () => {
    const [step] = toJson(result).steps;
    const text = "word ".repeat(100);
    const long = (of: { text: string }) => ({ ...of, text: of.text + text });
    const steps = Array.from({ length: 40 }, () => ({
      ...step,
      candidates: step.candidates.map((c: { text: string; completions: { text: string }[] }) => ({
        ...long(c),
        completions: c.completions.map(long),
      })),
    }));
    const page = await runReport(traceOf({ ...result, steps }));
    checkPage(page);
    expect(page.length).toBeLessThan(1_000_000);
  });
});

describe("a trace that is none", () => {
  const refused = (value: unknown) => {
    try {
      parseTrace(value, "file.json");
    } catch (error) {
      if (error instanceof LlamaEtsError) return error.message;
      throw error;
    }
    return "accepted";
  };

  test("of another version is refused by name", () => {
    expect(refused({ ...toJson(result), format: "llama-ets-trace/2" })).toMatch(
      /^file\.json, `format`: expected "llama-ets-trace\/1", got "llama-ets-trace\/2"\nTry: the version/,
    );
    for (const value of [null, 3, [], {}, { format: 7 }]) {
      expect(refused(value)).toMatch(/got something else\nTry: a file that/);
    }
  });

  test.each([
    ["steps.0.chosen", (t: Trace) => Object.assign(t.steps[0] as object, { chosen: 99 })],
    ["steps.0.weights", (t: Trace) => t.steps[0]?.weights.pop()],
    ["steps.0.logEnergies", (t: Trace) => t.steps[0]?.logEnergies.push(0)],
    [
      "steps.0.candidates.0.text",
      (t: Trace) => Object.assign(t.steps[0]?.candidates[0] as object, { text: 1 }),
    ],
    ["prompt", (t: Trace) => Object.assign(t, { prompt: undefined })],
    ["usage.generated", (t: Trace) => Object.assign(t.usage as object, { generated: -1 })],
  ])("names the field: %s", (field, damage) => {
    const json = toJson(result);
    damage(json);
    expect(refused(json)).toContain(`file.json, \`${field}\`: `);
    expect(refused(toJson(result))).toBe("accepted");
  });

  test("or not to be read is an error with the file's name", async () => {
    const cut = temporaryFile("cut.json", JSON.stringify(toJson(result)).slice(0, 500));
    await expect(readTrace(cut)).rejects.toThrow(/cut\.json: expected JSON/);
    await expect(readTrace(temporary("missing.json"))).rejects.toMatchObject({
      code: "ERR_INVALID_DATA",
    });
    const whole = temporaryFile("whole.json", JSON.stringify(toJson(result)));
    expect(await readTrace(whole)).toEqual(traceOf(result));
    expect(readFileSync(whole, "utf8")).toContain(TRACE_FORMAT);
  });

  test("is refused or drawn, however it is damaged", async () => {
    const json = JSON.stringify(toJson({ ...result, steps: result.steps.slice(0, 1), plan: {} }));
    const numbers = [...json.matchAll(/-?\d+(\.\d+)?(e-?\d+)?/g)];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(numbers.length - 1),
        fc.constantFrom("-1", "0", "1e308", "-1e308", "null", '"x"', "1e-320", "[]"),
        async (which, put) => {
          const { index, 0: number } = numbers[which] as RegExpMatchArray & { index: number };
          const damaged = json.slice(0, index) + put + json.slice(index + number.length);
          let value: unknown;
          try {
            value = JSON.parse(damaged);
          } catch {
            return; // within a text
          }
          if (refused(value) === "accepted") checkPage(await runReport(parseTrace(value, "t")));
        },
      ),
      { numRuns: 25 },
    );
  });
});
