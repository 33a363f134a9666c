/** Servers that are slow, broken or hostile, on the loop-back; and what of ours reaches them. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { loadModel } from "../../src/engine/load-model.js";
import { namesServer } from "../../src/engine/remote/address.js";
import { etsIs } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import { sample } from "../../src/methods/sample.js";

type Handle = (request: IncomingMessage, response: ServerResponse, body: never) => void;

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** Answers by path; what a path lacks is 404. */
async function serverOf(routes: Record<string, Handle>): Promise<string> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const text = Buffer.concat(parts).toString();
    const handle = routes[request.url ?? ""];
    if (handle === undefined) return json(response, { error: { message: "no such path" } }, 404);
    handle(request, response, (text === "" ? undefined : JSON.parse(text)) as never);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  open.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
}

function json(response: ServerResponse, value: unknown, status = 200, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
}

const models: Handle = (_, response) => json(response, { object: "list", data: [{ id: "m" }] });

interface Asked {
  prompt: string;
  n: number;
  max_tokens: number;
  seed: number;
  [field: string]: unknown;
}

/** What a good server answers: a text of "x", one a token. */
function completion({ n, max_tokens }: Asked) {
  const tokens = Array.from({ length: max_tokens }, () => "x");
  const choices = Array.from({ length: n }, (_, index) => ({
    index,
    text: tokens.join(""),
    finish_reason: "length",
    logprobs: { tokens, token_logprobs: tokens.map(() => -1), top_logprobs: null },
  }));
  const usage = { prompt_tokens: 3, completion_tokens: n * max_tokens, total_tokens: 0 };
  return { id: "1", object: "text_completion", choices, usage };
}

const good: Handle = (_, response, body: Asked) => json(response, completion(body));

/** A server that loads, and then answers otherwise. */
async function turning(handle: Handle): Promise<string> {
  let isLoaded = false;
  return serverOf({
    "/v1/models": models,
    "/v1/completions": (request, response, body: Asked) => {
      if (isLoaded) return handle(request, response, body as never);
      isLoaded = true;
      json(response, completion(body));
    },
  });
}

const options = { raw: true, maxTokens: 4, candidates: 3 };
const server = { retries: 1, timeLimit: 5 };

test("addresses of servers are told from files on the web", () => {
  for (const source of ["http://h:1/v1", "https://h/v1/", "http://h:8000", "http://h/x/v1#a/b:c"]) {
    expect(namesServer(source)).toBe(true);
  }
  for (const source of ["https://h/a.gguf", "http://h/x/v1/file.gguf", "hf:a/b", "model", "v1"]) {
    expect(namesServer(source)).toBe(false);
  }
});

describe("an address", () => {
  test.each([
    ["http://me:secret@127.0.0.1:1/v1", "ERR_INVALID_OPTION", /without a user or a password/],
    ["http://127.0.0.1:1/v1?key=secret", "ERR_INVALID_OPTION", /without a query/],
  ])("%s is refused", async (address, code, message) => {
    const refused = await loadModel(address).catch((error: unknown) => error);
    expect(refused).toMatchObject({ code, message: expect.stringMatching(message) });
    expect(String(refused)).not.toContain("secret");
  });

  test("where nothing listens is named, with what was tried", async () => {
    const gone = loadModel("http://127.0.0.1:1/v1", { server: { retries: 1 } });
    await expect(gone).rejects.toMatchObject({
      code: "ERR_ENGINE_UNREACHABLE",
      message: expect.stringMatching(/127\.0\.0\.1:1 .*tried 2 times.*ECONNREFUSED.*\nTry: /s),
    });
  });

  test("takes options of servers alone", async () => {
    for (const own of [
      { gpuLayers: 3 },
      { kv: "q8_0" },
      { threads: 2 },
      { gpu: "cuda" },
    ] as const) {
      await expect(loadModel("http://127.0.0.1:1/v1", own)).rejects.toMatchObject({
        code: "ERR_INVALID_OPTION",
        message: expect.stringContaining(Object.keys(own)[0] as string),
      });
    }
    for (const bad of [{ concurrency: 0 }, { retries: -1 }, { timeLimit: 0 }, { key: "x" }]) {
      const refused = loadModel("http://127.0.0.1:1/v1", { server: bad });
      await expect(refused).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
    }
  });
});

describe("a server's model", () => {
  const several: Handle = (_, response) => json(response, { data: [{ id: "a" }, { id: "b/c" }] });

  test("is named where there are several", async () => {
    const address = await serverOf({ "/v1/models": several, "/v1/completions": good });
    await expect(loadModel(address)).rejects.toMatchObject({
      code: "ERR_MODEL_NOT_FOUND",
      message: expect.stringContaining(`${address}#a, ${address}#b/c`),
    });
    await expect(loadModel(`${address}#z`)).rejects.toMatchObject({ code: "ERR_MODEL_NOT_FOUND" });
    await using model = await loadModel(`${address}#b/c`);
    expect(model.info.description).toContain("b/c");
  });

  test("is sampled by what requests say, and its tokens counted as it counts", async () => {
    const asked: Asked[] = [];
    const address = await serverOf({
      "/v1/models": models,
      "/v1/completions": (_, response, body: Asked) => {
        asked.push(body);
        json(response, completion(body));
      },
    });
    await using model = await loadModel(address);
    asked.length = 0;
    const policy = { temperature: 0.5, topP: 0.9, minP: 0.1, stop: ["END"] };
    const { usage, tokens } = await majority(model, "Hello", { ...options, ...policy, seed: 3 });
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({
      model: "m",
      prompt: "Hello",
      n: 3,
      max_tokens: 4,
      temperature: 0.5,
      top_p: 0.9,
      min_p: 0.1,
      stop: ["END"],
      logprobs: 0,
      stream: false,
    });
    expect(usage).toMatchObject({ generated: 12, prefilled: 3, cached: 0 });
    expect(tokens).toHaveLength(4);
    const seeds = [asked[0]?.seed];
    for (const seed of [3, 4]) {
      asked.length = 0;
      await majority(model, "Hello", { ...options, ...policy, seed });
      seeds.push(asked[0]?.seed);
    }
    expect(seeds[1]).toBe(seeds[0]);
    expect(seeds[2]).not.toBe(seeds[0]);
  });

  test("is asked one text at a time where it takes no more, and without fields it doesn't know", async () => {
    const asked: Asked[] = [];
    const address = await serverOf({
      "/v1/models": models,
      "/v1/completions": (_, response, body: Asked) => {
        if (body.n > 1 || "repetition_penalty" in body) return json(response, { error: "no" }, 400);
        asked.push(body);
        json(response, completion(body));
      },
    });
    await using model = await loadModel(address);
    asked.length = 0;
    await majority(model, "Hello", options);
    expect(asked.map(({ n }) => n)).toEqual([1, 1, 1]);
    expect(new Set(asked.map(({ seed }) => seed)).size).toBe(3);
  });

  test("that tells no log-probabilities is refused by name", async () => {
    const address = await serverOf({
      "/v1/models": models,
      "/v1/completions": (_, response, body: Asked) => {
        const { choices, ...others } = completion(body);
        json(response, {
          ...others,
          choices: choices.map((choice) => ({ ...choice, logprobs: null })),
        });
      },
    });
    await expect(loadModel(address)).rejects.toThrow(/logprobs/);
  });
});

describe("the key", () => {
  const KEY = "sk-of-this-test";

  test("goes to the server that is named, and into no error", async () => {
    const seen: (string | undefined)[] = [];
    const elsewhere = await serverOf({
      "/v1/models": (request, response) => {
        seen.push(request.headers.authorization);
        json(response, { data: [{ id: "m" }] });
      },
    });
    const echo = (request: IncomingMessage) =>
      `Incorrect key: ${request.headers.authorization}\u001b[31m red`;
    const refusing = await serverOf({
      "/v1/models": (request, response) =>
        json(response, { error: { message: echo(request) } }, 401),
    });
    const redirecting = await serverOf({
      "/v1/models": (request, response) => {
        seen.push(request.headers.authorization);
        json(response, {}, 307, { location: elsewhere.replace("/v1", "/v1/models") });
      },
    });
    const before = process.env.LLAMA_ETS_API_KEY;
    process.env.LLAMA_ETS_API_KEY = KEY;
    try {
      const refused = await loadModel(refusing).catch((error: unknown) => error);
      expect(refused).toMatchObject({ code: "ERR_ENGINE_REFUSED" });
      expect(String(refused)).toContain("LLAMA_ETS_API_KEY");
      expect(String(refused)).toContain("Bearer [key] [31m red");
      expect(String(refused)).not.toContain(KEY);
      const moved = await loadModel(redirecting).catch((error: unknown) => error);
      expect(moved).toMatchObject({ code: "ERR_ENGINE_REFUSED" });
      expect(String(moved)).toContain(new URL(elsewhere).origin);
    } finally {
      if (before === undefined) delete process.env.LLAMA_ETS_API_KEY;
      else process.env.LLAMA_ETS_API_KEY = before;
    }
    expect(seen).toEqual([`Bearer ${KEY}`]);
  });
});

describe("an answer is checked", () => {
  const changed =
    (change: (answer: ReturnType<typeof completion>) => unknown): Handle =>
    (_, response, body: Asked) =>
      json(response, change(completion(body)));
  const raw =
    (text: string): Handle =>
    (_, response) =>
      response.end(text);

  test.each<[string, Handle, RegExp]>([
    ["no JSON", raw("<html>"), /Expected JSON/],
    ["half of it", raw('{"choices": [{"index": 0'), /Expected JSON/],
    ["nested without end", raw("[".repeat(1e6)), /JSON/],
    ["something else", raw('"hello"'), /not what it should be/],
    ["no choices", changed(({ choices: _, ...others }) => others), /`choices`/],
    ["too few choices", changed((a) => ({ ...a, choices: a.choices.slice(1) })), /3 cont.* got 2/],
    [
      "NaN",
      raw(JSON.stringify(completion({ n: 3, max_tokens: 4 } as Asked)).replace("-1", "NaN")),
      /JSON/,
    ],
    [
      "a log-probability above 0",
      changed((a) => set(a, "token_logprobs", [5, 5, 5, 5])),
      /token_logprobs/,
    ],
    [
      "texts in their place",
      changed((a) => set(a, "token_logprobs", ["a", "b", "c", "d"])),
      /token_logprobs/,
    ],
    ["too few of them", changed((a) => set(a, "token_logprobs", [-1])), /differ in number/],
    [
      "fewer tokens than its text has",
      changed((a) => ({
        ...a,
        choices: a.choices.map((choice) => ({ ...choice, text: `${choice.text} and more` })),
      })),
      /not those of its text/,
    ],
    [
      "an unknown end",
      changed((a) => ({ ...a, choices: a.choices.map((c) => ({ ...c, finish_reason: "magic" })) })),
      /magic/,
    ],
    [
      "a negative count",
      changed((a) => ({ ...a, usage: { ...a.usage, prompt_tokens: -1 } })),
      /prompt_tokens/,
    ],
  ])("%s", async (_, handle, message) => {
    await using model = await loadModel(await turning(handle), { server });
    await expect(majority(model, "Hello", options)).rejects.toMatchObject({
      code: "ERR_ENGINE_ANSWER",
      message: expect.stringMatching(message),
    });
  });

  test("a body without an end is cut off", async () => {
    const chunk = "x".repeat(2 ** 20);
    const endless: Handle = (_, response) => {
      const write = () => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on("drain", write);
      write();
    };
    await using model = await loadModel(await turning(endless), { server });
    await expect(sample(model, "Hello", { raw: true, maxTokens: 4 })).rejects.toMatchObject({
      code: "ERR_ENGINE_ANSWER",
      message: expect.stringContaining("at most"),
    });
  });
});

function set(answer: ReturnType<typeof completion>, field: string, value: unknown) {
  const choices = answer.choices.map((choice) => ({
    ...choice,
    logprobs: { ...choice.logprobs, [field]: value },
  }));
  return { ...answer, choices };
}

describe("what may pass", () => {
  test("is tried again, when the server says", async () => {
    const statuses = [429, 503];
    const times: number[] = [];
    const address = await turning((_, response, body: Asked) => {
      times.push(performance.now());
      const status = statuses.shift();
      if (status === undefined) return json(response, completion(body));
      json(response, { error: { message: "busy" } }, status, { "retry-after": "0" });
    });
    await using model = await loadModel(address, { server: { retries: 2 } });
    await majority(model, "Hello", options);
    expect(times).toHaveLength(3);
  });

  test("and doesn't, is an error that names the server", async () => {
    const address = await turning((_, response) => response.destroy());
    await using model = await loadModel(address, { server });
    await expect(majority(model, "Hello", options)).rejects.toMatchObject({
      code: "ERR_ENGINE_UNREACHABLE",
      message: expect.stringMatching(/tried 2 times.*--resume/s),
    });
  });

  test("what the server says against a request is not tried again", async () => {
    let count = 0;
    const address = await turning((_, response) => {
      count += 1;
      json(response, { error: { message: "too long" } }, 400);
    });
    await using model = await loadModel(address, { server });
    await expect(majority(model, "Hello", options)).rejects.toMatchObject({
      code: "ERR_ENGINE_REFUSED",
      message: expect.stringContaining("too long"),
    });
    expect(count).toBe(1);
  });
});

describe("requests", () => {
  test("are as many at once as was said, and end with an abort", async () => {
    const waiting: ServerResponse[] = [];
    let closed = 0;
    const address = await serverOf({
      "/v1/models": models,
      "/v1/completions": (_, response, body: Asked) => {
        if (body.n > 1) return json(response, {}, 400);
        if (body.max_tokens === 1) return json(response, completion(body));
        waiting.push(response);
        response.on("close", () => {
          closed += 1;
        });
      },
    });
    await using model = await loadModel(address, { server: { concurrency: 2 } });
    const abort = new AbortController();
    const asked = majority(model, "Hello", { ...options, candidates: 8, signal: abort.signal });
    await expect.poll(() => waiting.length).toBe(2);
    const reason = new Error("enough");
    abort.abort(reason);
    await expect(asked).rejects.toBe(reason);
    await expect.poll(() => closed).toBe(2);
    expect(waiting).toHaveLength(2);
  });

  test("end with a budget of time, which leaves what came before", async () => {
    const address = await turning(() => {});
    await using model = await loadModel(address, { server });
    const { stopReason, text } = await majority(model, "Hello", { ...options, budget: { ms: 30 } });
    expect([stopReason, text]).toEqual(["budget", ""]);
  });

  test("end when the model is disposed of, and none follows", async () => {
    let isAsked = false;
    const address = await turning(() => {
      isAsked = true;
    });
    const model = await loadModel(address, { server });
    const asked = majority(model, "Hello", options);
    const ended = expect(asked).rejects.toMatchObject({ name: "LlamaEtsError" });
    await expect.poll(() => isAsked).toBe(true);
    await model.dispose();
    await ended;
    await expect(majority(model, "Hello", options)).rejects.toMatchObject({
      code: "ERR_DISPOSED",
    });
  });
});

/** What vLLM's documentation says of its answers: each letter is a token, and 0 ends a text. */
describe("a server that speaks as vLLM", () => {
  const END = 0;
  const idsOf = (text: string) => [...text].map((letter) => letter.charCodeAt(0));
  const asked: Completion[] = [];

  interface Completion {
    prompt: number[];
    n?: number;
    max_tokens: number;
    return_token_ids?: boolean;
    prompt_logprobs?: number;
  }

  const open = () =>
    serverOf({
      "/v1/models": (_, response) =>
        json(response, { data: [{ id: "org/m", max_model_len: 64, meta: null }] }),
      "/version": (_, response) => json(response, { version: "0.15.0" }),
      "/tokenize": (
        _,
        response,
        body: { prompt?: string; messages?: { role: string; content: string }[] },
      ) => {
        const chat = body.messages?.map(({ role, content }) => `${role}:${content};`).join("");
        const tokens = idsOf(body.prompt ?? chat ?? "");
        json(response, { tokens, count: tokens.length, max_model_len: 64, token_strs: null });
      },
      "/detokenize": (_, response, { tokens }: { tokens: number[] }) =>
        json(response, { prompt: String.fromCharCode(...tokens) }),
      "/v1/completions": (_, response, body: Completion) => {
        asked.push(body);
        const text = "ok".slice(0, body.max_tokens);
        const ends = body.max_tokens > 2;
        const ids = [...idsOf(text), ...(ends ? [END] : [])];
        const choices = Array.from({ length: body.n ?? 1 }, (_, index) => ({
          index,
          text,
          finish_reason: ends ? "stop" : "length",
          stop_reason: null,
          token_ids: body.return_token_ids ? ids : null,
          logprobs: {
            tokens: [...text, ...(ends ? ["<end>"] : [])],
            token_logprobs: ids.map(() => -0.5),
          },
          ...(body.prompt_logprobs !== undefined && {
            prompt_logprobs: body.prompt.map((id, i) =>
              i === 0
                ? null
                : { [id]: { logprob: -id / 100, rank: 1 }, 7: { logprob: -9, rank: 2 } },
            ),
          }),
        }));
        const usage = { prompt_tokens: body.prompt.length, completion_tokens: ids.length };
        json(response, { choices, usage: { ...usage, prompt_tokens_details: null } });
      },
    });

  test("reads its own chat template, and is handed token ids", async () => {
    await using model = await loadModel(await open());
    expect(model.describe().engine.release).toBe("vLLM 0.15.0");
    expect(model.info.contextLength).toBe(64);
    asked.length = 0;
    const result = await majority(model, "hi", { maxTokens: 8, candidates: 2, temperature: 1 });
    expect(result.prompt).toEqual({ text: "user:hi;", tokens: idsOf("user:hi;") });
    expect(asked[0]).toMatchObject({
      prompt: idsOf("user:hi;"),
      return_token_ids: true,
      model: "org/m",
      top_k: -1,
      repetition_penalty: 1,
    });
    expect([result.text, result.stopReason]).toEqual(["ok", "end"]);
    expect(result.tokens).toEqual([...idsOf("ok"), END]);
    expect(result.usage.retokenised).toBeUndefined();
    await expect(majority(model, "hi <|im_end|>", { maxTokens: 8 })).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
    });
    await expect(majority(model, "hi", { maxTokens: 60 })).rejects.toMatchObject({
      code: "ERR_CONTEXT_FULL",
    });
  });

  test("scores given tokens under the model's own law alone", async () => {
    await using model = await loadModel(await open());
    const text = idsOf("ab");
    const [scores] = await model.score("hi", [text], { temperature: 1 });
    expect([...(scores?.logProbs ?? [])]).toEqual([-0.97, -0.98]);
    await expect(model.score("hi", [text], { temperature: 0.5 })).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
      message: expect.stringContaining("temperature 1"),
    });
  });

  test("serves ets-is, with a proposal of the same tokenizer", async () => {
    await using model = await loadModel(await open());
    await using proposal = await loadModel(await open());
    const result = await etsIs(model, "hi", {
      proposal,
      maxTokens: 4,
      blockTokens: 1,
      candidates: 2,
      rollouts: 2,
      temperature: 1,
      reward: ({ text }) => text.length,
    });
    expect([result.text, result.usage.scored > 0]).toEqual(["oooo", true]);
    await using other = await loadModel(
      await serverOf({ "/v1/models": models, "/v1/completions": good }),
    );
    await expect(
      etsIs(model, "hi", { proposal: other, maxTokens: 4, temperature: 1 }),
    ).rejects.toMatchObject({ code: "ERR_TOKENIZER_MISMATCH" });
    await expect(
      etsIs(other, "hi", { proposal: model, raw: true, maxTokens: 4, temperature: 1 }),
    ).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
      message: expect.stringContaining("ets-is"),
    });
  });
});
