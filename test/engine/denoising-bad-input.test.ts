/** Requests that don't fit, and contexts that are aborted or disposed of while they run. */
import { describe, expect, test } from "vitest";
import { loadModel } from "../../src/engine/local/load-model.js";
import { type Changes, LENGTH, openDream, requestFor, useDream } from "../fixtures/dream.js";
import { loadLocal, useModel } from "../fixtures/models.js";

const bundled = useModel("mini-gsm-llada");
useDream();

describe("refused, with the context left as it was:", () => {
  const tokens = (length: number, token = 881) => new Int32Array(length).fill(token);
  const text = (ids: Int32Array) => [{ tokens: ids, stream: [0, 0, 0] as const }];
  const halfDone = tokens(LENGTH).fill(7, 0, 3);
  const cases: [string, Changes, string][] = [
    [
      "texts of two lengths",
      { texts: [...text(tokens(24)), ...text(tokens(16))] },
      "ERR_INVALID_ARGUMENT",
    ],
    [
      "a text longer than the context",
      { texts: text(tokens(32)), schedule: { steps: 32 } },
      "ERR_CONTEXT_FULL",
    ],
    ["an empty prompt", { prompt: new Int32Array() }, "ERR_INVALID_ARGUMENT"],
    ["a token that is none", { texts: text(tokens(24, 5000)) }, "ERR_INVALID_ARGUMENT"],
    ["a negative token", { texts: text(tokens(24, -1)) }, "ERR_INVALID_ARGUMENT"],
    ["masks that another step leaves", { texts: text(halfDone) }, "ERR_INVALID_ARGUMENT"],
    [
      "a block that doesn't divide the text",
      { schedule: { blockLength: 7 } },
      "ERR_INVALID_OPTION",
    ],
    [
      "steps that the blocks don't divide",
      { schedule: { steps: 23, to: 23 } },
      "ERR_INVALID_OPTION",
    ],
    ["a step beyond the last", { schedule: { to: 25 } }, "ERR_INVALID_OPTION"],
    [
      "parallel decoding to within a block",
      { parallel: { threshold: 0.5 }, schedule: { to: 5 } },
      "ERR_INVALID_OPTION",
    ],
    [
      "parallel decoding of random positions",
      { parallel: { factor: 1 }, remasking: "random" },
      "ERR_INVALID_OPTION",
    ],
    ["a threshold above 1", { parallel: { threshold: 1.5 } }, "ERR_INVALID_OPTION"],
    ["a guidance that is none", { cfgScale: Number.NaN }, "ERR_INVALID_OPTION"],
    ["a remasking that is none", { remasking: "sudden" as never }, "ERR_INVALID_OPTION"],
  ];
  test.each(cases)("%s", async (_, changes, code) => {
    await using context = await openDream();
    const attempt = async () => context.denoise(requestFor(context, changes));
    await expect(attempt()).rejects.toMatchObject({ name: "LlamaEtsError", code });
    const [whole] = await context.denoise(requestFor(context));
    expect(whole?.finish).toBe("length");
  });

  test("guidance in a context without room for it", async () => {
    await using context = await openDream({ guidance: false });
    const attempt = context.denoise(requestFor(context, { cfgScale: 1 }));
    await expect(attempt).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
  });

  test("denoising with an autoregressive model, and extending texts with a diffusion model", async () => {
    const { refusals } = await autoregressiveRefusals();
    expect(refusals).toEqual(["ERR_UNSUPPORTED_MODEL", "ERR_UNSUPPORTED_MODEL"]);
    expect(bundled().kind).toBe("diffusion");
    const tooLong = bundled().openDenoiser({ length: 513, texts: 1 });
    await expect(tooLong).rejects.toMatchObject({ code: "ERR_CONTEXT_FULL" });
  });
});

async function autoregressiveRefusals() {
  const codeOfRejection = (work: Promise<unknown>) =>
    work.then(
      () => "none",
      (error: { code: string }) => error.code,
    );
  const other = await loadModel("mini-gsm-ref", { gpu: false });
  const refusals = [
    await codeOfRejection(other.openDenoiser({ length: 64, texts: 1 })),
    await codeOfRejection(bundled().score("text", [[1]], {}, { raw: true })),
  ];
  await other.dispose();
  return { refusals };
}

describe("what runs", () => {
  test("is aborted at once, and the context goes on", async () => {
    await using context = await openDream({ texts: 16 });
    const request = requestFor(context, { count: 2000 });
    const running = context.denoise(request);
    const waiting = context.denoise(requestFor(context));
    while (context.progress === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    context.abort();
    await expect(running).rejects.toMatchObject({ code: "ERR_ABORTED" });
    await expect(waiting).rejects.toMatchObject({ code: "ERR_ABORTED" });
    expect((await context.denoise(requestFor(context)))[0]?.finish).toBe("length");
  });

  test("is waited for by a disposal, after which calls are refused", async () => {
    const context = await openDream({ cache: "dual" });
    const running = context.denoise(requestFor(context, { count: 20 }));
    const closing = context[Symbol.asyncDispose]();
    await expect(context.denoise(requestFor(context))).rejects.toMatchObject({
      code: "ERR_DISPOSED",
    });
    expect(await running).toHaveLength(20);
    await closing;
    await context[Symbol.asyncDispose]();
  });

  test("is waited for by the model's disposal", async () => {
    const model = await loadLocal("mini-gsm-llada", { gpu: false });
    const context = await model.openDenoiser({ length: 40, texts: 2, cache: "prefix" });
    const running = context.denoise(requestFor(context, { schedule: { to: 2 } }));
    await model.dispose();
    expect(await running).toHaveLength(1);
  });
});
