/** Several models behind one address: each asked by its name, by methods that suit it. */
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { METHOD_NAMES, METHODS } from "../../src/methods/registry.js";
import type { ServedModel } from "../../src/server/open-models.js";
import { checkNames, serve } from "../../src/server/serve.js";
import { cli, scratchFile } from "../fixtures/cli-process.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";
import { NAME, QUESTION, useModelOf, useServer } from "./served.js";

const [SMALL, MASKED] = ["small/word problems", "mini-gsm-llada"];
const messages = [{ role: "user" as const, content: QUESTION }];

describe("three models", () => {
  const small = useModelOf("mini-gsm-proposal");
  const masked = useModelOf("mini-gsm-llada");
  const ofSmall = useModelOf("mini-gsm-proposal");
  const beside = (): ServedModel[] => [
    { name: SMALL, model: small(), proposal: ofSmall(), defaults: { blockTokens: 8 } },
    { name: MASKED, model: masked(), defaults: { maxTokens: 56, diffusion: { blockLength: 8 } } },
  ];
  const server = useServer(() => ({ beside: beside() }));
  const client = () => new OpenAI({ baseURL: `${server().url}/v1`, apiKey: "none", maxRetries: 0 });
  const ask = (model: string | undefined, more: object = {}) =>
    client().chat.completions.create({
      ...{ messages, max_tokens: 16, seed: 1, ...more },
      model: model as string,
    });
  const metrics = async () => (await fetch(`${server().url}/metrics`)).text();

  test("are listed with the methods that each can be asked by", async () => {
    const ids = (await client().models.list()).data.map(({ id }) => id);
    const free = [...METHOD_NAMES.filter((name) => METHODS[name].proposal === undefined), "auto"];
    expect(ids).toEqual([
      ...[NAME, ...free.map((name) => `${NAME}+${name}`)],
      ...[SMALL, ...[...METHOD_NAMES, "auto"].map((name) => `${SMALL}+${name}`)],
      ...[MASKED, ...free.map((name) => `${MASKED}+${name}`)],
    ]);
    expect((await client().models.retrieve(`${SMALL}+ets`)).id).toBe(`${SMALL}+ets`);
    const health = await (await fetch(`${server().url}/health`)).json();
    expect(health).toMatchObject({ models: [NAME, SMALL, MASKED] });
  });

  test("answer side by side, each by its own name, as a stream and by a method too", async () => {
    const names = [NAME, SMALL, MASKED].flatMap((name) => [
      name,
      `${name}+majority`,
      `${name}+ets`,
    ]);
    const more = { max_tokens: 12, ets: { candidates: 2 } };
    const answers = await Promise.all(
      names.map(async (name, i) => {
        const asked = { ...more, ...(i % 3 === 0 && { ets: undefined }) };
        const whole = await ask(name, asked);
        const stream = client().chat.completions.stream({
          ...{ model: name, messages, seed: 1, ...asked },
        });
        return [whole.model, (await stream.finalChatCompletion()).model];
      }),
    );
    expect(answers).toEqual(names.map((name) => [name, name]));
    const counted = await metrics();
    for (const name of [NAME, SMALL, MASKED]) {
      expect(counted).toContain(`llama_ets_runs_total{model="${name}",method="majority"} 2`);
    }
    expect(counted).toContain("llama_ets_runs_running 0");
    expect(counted).toContain("llama_ets_cells_used 0");
  });

  test("draw what each of them draws alone", async () => {
    const alone = await ask(SMALL, { temperature: 0 });
    const beside = await Promise.all(
      [SMALL, NAME].map((name) => ask(name, { temperature: 0, top_logprobs: 1, logprobs: true })),
    );
    expect(beside[0]?.choices[0]?.message.content).toBe(alone.choices[0]?.message.content);
    for (const { choices } of beside) {
      const [{ logprobs } = expect.fail()] = choices;
      // What is most probable is what was drawn: each is read again by its own model.
      for (const { token, top_logprobs: top } of logprobs?.content ?? []) {
        expect(top[0]?.token).toBe(token);
      }
    }
  });

  test("keep their own proposals and kinds", async () => {
    expect((await ask(`${SMALL}+ets-is`)).choices).toHaveLength(1);
    await expect(ask(`${NAME}+ets-is`)).rejects.toMatchObject({ status: 400, param: "model" });
    const format = { response_format: { type: "json_object" } };
    await expect(ask(MASKED, format)).rejects.toMatchObject({
      ...{ status: 400, param: "response_format" },
    });
    expect((await ask(SMALL, format)).choices).toHaveLength(1);
  });

  test("answer in whole blocks within any bound, where blocks are the server's own", async () => {
    for (const bound of [1, 5, 12, 20]) {
      const { usage } = await ask(MASKED, { max_tokens: bound });
      expect(usage?.completion_tokens).toBeLessThanOrEqual(bound);
    }
    const own = { max_tokens: 12, ets: { method: "sample", diffusion: { blockLength: 8 } } };
    await expect(ask(MASKED, own)).rejects.toMatchObject({ status: 400 });
  });

  test("are told apart by name: an unknown one is refused with those that are there", async () => {
    const { url } = server();
    for (const name of ["other", `${NAME}x`, "+ets", `other+ets`]) {
      const refused = ask(name);
      await expect(refused).rejects.toBeInstanceOf(OpenAI.NotFoundError);
      await expect(refused).rejects.toMatchObject({
        ...{ status: 404, code: "model_not_found", param: "model", type: "invalid_request_error" },
        message: expect.stringContaining(SMALL),
      });
      const retrieved = await fetch(`${url}/v1/models/${encodeURIComponent(name)}`);
      expect(retrieved.status).toBe(404);
      expect(await retrieved.json()).toMatchObject({ error: { code: "model_not_found" } });
    }
    for (const name of [undefined, null, 7, `${NAME}+other`]) {
      await expect(ask(name as string)).rejects.toMatchObject({ status: 400, param: "model" });
    }
    const text = await client().completions.create({ model: SMALL, prompt: "Sam", max_tokens: 4 });
    expect(text.model).toBe(SMALL);
  });
});

describe("models that can't be served together are refused", () => {
  test("by their names", () => {
    checkNames(["a", "a+b", "b"]);
    for (const names of [["a", "a"], ["a", "a+ets"], ["mh+ets", "mh"], [" "]]) {
      expect(() => checkNames(names)).toThrow(
        expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
      );
    }
  });

  test("by flags that don't belong together, before a model is loaded", async () => {
    const two = ["-m", "mini-gsm-ref", "-m", "mini-gsm-llada"];
    const config = scratchFile("twice.yaml", "model: [mini-gsm-ref, mini-gsm-ref]\n");
    for (const [flags, message] of [
      [[...two, "--lora", "a.gguf"], "`--lora` is for one model"],
      [["-m", "mini-gsm-ref", "--name", "a", "--name", "b"], "Expected at most 1 names"],
      [[...two, "--name", "a", "--name", "a+mh"], "Two models would be called a+mh"],
      [[...two, "--proposal", "mini-gsm-proposal"], "--proposal mini-gsm-llada=FILE"],
      [["--config", config], "Two models would be called mini-gsm-ref"],
    ] as const) {
      const { code, stderr } = await cli(["serve", ...flags, "--port", "0"]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(message)]);
    }
  });

  test("by their memory, before a context is made", async () => {
    const made: string[] = [];
    class Watched extends TableModel {
      override share(...args: Parameters<TableModel["share"]>) {
        made.push("context");
        return super.share(...args);
      }
    }
    const of = (name: string, bytes: number) => {
      return { name, model: new Watched(hashedTable(1), { memory: { bytes } }) };
    };
    const alone = async (bytes: number) => {
      await using server = await serve([of("a", bytes)], { port: 0 });
      return server.port;
    };
    // The least that one of them needs, by halving.
    let [least, most] = [0, 2 ** 40];
    while (most - least > 2 ** 10) {
      const middle = (least + most) / 2;
      const fits = await alone(middle).then(
        () => true,
        () => false,
      );
      if (fits) most = middle;
      else least = middle;
    }
    made.length = 0;
    const together = serve([of("a", most * 1.5), of("b", most * 1.5)], { port: 0 });
    await expect(together).rejects.toMatchObject({
      code: "ERR_OUT_OF_MEMORY",
      message: expect.stringContaining("The models a and b don't fit beside each other"),
    });
    expect(made).toEqual([]);
    await using both = await serve([of("a", most * 2.5), of("b", most * 2.5)], { port: 0 });
    expect(both.port).toBeGreaterThan(0);
  });
});
