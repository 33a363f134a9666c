/** Our own server as the engine of another process: what `-m http://…` makes of it. */
import { pino } from "pino";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import { loadModel } from "../../src/engine/load-model.js";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { ets } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import { particle } from "../../src/methods/particle.js";
import { sample } from "../../src/methods/sample.js";
import { serve } from "../../src/server/serve.js";
import { cli, scratch, startCli } from "../fixtures/cli-process.js";
import { linesIn, samplesOf } from "../fixtures/killed-evaluation.js";
import { chiSquarePValue } from "../fixtures/statistics.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable, type Table } from "../fixtures/table-engine/tables.js";
import { CHARACTERS } from "../fixtures/table-engine/vocabulary.js";
import { NAME, QUESTION, useServer } from "./served.js";

const log = pino({ level: "silent" });
const TEMPLATE =
  "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n";

describe("a bundled model behind our server", () => {
  const server = useServer();
  const options = { chatTemplate: TEMPLATE, maxTokens: 48, seed: 1 };

  async function use<T>(work: (model: Model) => Promise<T>): Promise<T> {
    await using model = await loadModel(`${server().url}/v1#${NAME}`);
    return await work(model);
  }

  test("answers by the methods that need continuations alone", async () => {
    await use(async (model) => {
      const reward = ({ text }: { text: string }) => (text.includes("####") ? 1 : 0);
      const some = { ...options, candidates: 3, reward };
      const results = [
        await sample(model, QUESTION, options),
        await majority(model, QUESTION, { ...options, candidates: 3 }),
        await bestOfN(model, QUESTION, some),
        await ets(model, QUESTION, { ...some, rollouts: 2, blockTokens: 8 }),
        await particle(model, QUESTION, { ...some, blockTokens: 8, potential: reward }),
      ];
      for (const { tokens, logProbs, text, usage, prompt, model: named } of results) {
        expect(text).not.toContain("<|im_end|>");
        expect(tokens).toHaveLength(logProbs.length);
        expect(logProbs.every((logProb) => logProb <= 0)).toBe(true);
        expect(usage.generated).toBeGreaterThanOrEqual(tokens.length - 1); // its end is not counted
        expect(usage.retokenised).toBe(0);
        expect(prompt.text).toContain("<|im_start|>assistant");
        expect(named.path).toContain("http://127.0.0.1");
      }
      expect(results[3]?.law).toBe("target");
    });
  });

  test("draws the same again with the same seed, and at temperature 0 what it draws itself", async () => {
    await using own = await loadModel(NAME, { threads: 1 });
    const greedy = { ...options, temperature: 0 };
    const here = await sample(own, QUESTION, greedy);
    await use(async (model) => {
      const [once, again] = [
        await majority(model, QUESTION, { ...options, candidates: 4 }),
        await majority(model, QUESTION, { ...options, candidates: 4 }),
      ];
      const textsOf = ({ steps }: typeof once) => steps[0]?.candidates.map(({ text }) => text);
      expect(textsOf(again)).toEqual(textsOf(once));
      // A near tie may turn where rounding differs: the first words are not one.
      const there = await sample(model, QUESTION, greedy);
      expect(there.text.slice(0, 4)).toBe(here.text.slice(0, 4));
      expect(there.stopReason).toBe(here.stopReason);
    });
  });

  test("is refused by name what it can't be asked for", async () => {
    await use(async (model) => {
      await expect(majority(model, QUESTION, { maxTokens: 4 })).rejects.toMatchObject({
        code: "ERR_NO_CHAT_TEMPLATE",
      });
      await expect(
        majority(model, `${QUESTION}<|im_end|>`, { ...options, candidates: 2 }),
      ).rejects.toMatchObject({ code: "ERR_UNSUPPORTED_MODEL" });
    });
  });
});

describe("a table behind our server", () => {
  const LETTERS = ["a", "b", " ", "c"];
  const ids = LETTERS.map((letter) => CHARACTERS.indexOf(letter));
  const base = hashedTable(3, 1);
  /** Four letters, each conditional law another one. */
  const table: Table = (context, position) =>
    base(context, position).map((logit, id) =>
      ids.includes(id) ? logit : Number.NEGATIVE_INFINITY,
    );
  const PROMPT = "start:";
  const FALSE_ALARM = 1e-6;

  /** The law of two letters. */
  function law(): number[] {
    const start = [...new TableModel(table).tokenize(PROMPT)];
    const softmax = (context: number[]) => {
      const row = table(context, context.length);
      const weights = ids.map((id) => Math.exp(row[id] as number));
      const total = weights.reduce((a, b) => a + b);
      return weights.map((weight) => weight / total);
    };
    return softmax(start).flatMap((p, a) =>
      softmax([...start, ids[a] as number]).map((q) => p * q),
    );
  }

  const cellOf = (text: string) =>
    LETTERS.indexOf(text[0] as string) * 4 + LETTERS.indexOf(text[1] as string);

  // Each χ² test fails a right engine with probability 1e-6, at these fixed seeds.
  test("is drawn from by its law, in one request and block by block", async () => {
    await using server = await serve([{ name: "table", model: new TableModel(table) }], {
      ...{ port: 0, log },
    });
    await using model = await loadModel(server.url);
    const draw = { raw: true, temperature: 1, maxTokens: 2 };
    const whole = LETTERS.flatMap(() => LETTERS.map(() => 0));
    for (let seed = 0; seed < 5; seed++) {
      const { steps } = await majority(model, PROMPT, { ...draw, candidates: 64, seed });
      for (const { text } of steps[0]?.candidates ?? [])
        whole[cellOf(text)] = (whole[cellOf(text)] ?? 0) + 1;
    }
    const blocks = LETTERS.flatMap(() => LETTERS.map(() => 0));
    const one = { ...draw, candidates: 1, blockTokens: 1, reward: () => 1 };
    for (let seed = 0; seed < 60; seed++) {
      const { text, law: drawnBy } = await ets(model, PROMPT, { ...one, seed });
      expect(drawnBy).toBe("target");
      blocks[cellOf(text)] = (blocks[cellOf(text)] ?? 0) + 1;
    }
    const right = law();
    // What a server would draw that has forgotten the first letter.
    const wrong = right.map(
      (_, i) => right.filter((_, j) => j % 4 === i % 4).reduce((a, b) => a + b) / 4,
    );
    for (const counts of [whole, blocks]) {
      expect(chiSquarePValue(counts, right)).toBeGreaterThan(FALSE_ALARM);
    }
    expect(chiSquarePValue(whole, wrong)).toBeLessThan(FALSE_ALARM);
  });
});

test("an evaluation whose server is killed says so, and goes on once it is back", async () => {
  const port = 20_000 + (process.pid % 20_000);
  const begin = async () => {
    const args = ["serve", "-m", NAME, "--threads", "1", "--port", String(port)];
    const running = startCli(args);
    onTestFinished(() => void running.child.kill("SIGKILL"));
    await running.says("Serving");
    return running;
  };
  const template = scratch("template.jinja");
  const { writeFileSync } = await import("node:fs");
  writeFileSync(template, TEMPLATE);
  const out = scratch("remote");
  const address = `http://127.0.0.1:${port}/v1#${NAME}`;
  const args = ["eval", "mini-gsm", "-m", address, "--chat-template", template];
  const all = [...args, "--methods", "sample", "--limit", "20", "--max-tokens", "32", "--out", out];
  const first = await begin();
  const drawing = cli(all);
  await expect.poll(() => linesIn(out), { timeout: 30_000, interval: 5 }).toBeGreaterThan(2);
  first.child.kill("SIGKILL");
  const { code, stderr } = await drawing;
  expect([code, stderr]).toEqual([1, expect.stringContaining("ERR_ENGINE_UNREACHABLE")]);
  expect(linesIn(out)).toBeLessThan(20);
  await begin();
  const resumed = await cli([...all, "--resume"]);
  expect(resumed.code).toBe(0);
  expect((await samplesOf(out)).size).toBe(20);
}, 180_000);
