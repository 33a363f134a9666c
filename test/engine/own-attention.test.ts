/** Who computes attention: the option, the environment variable, and what follows for contexts. */
import { afterEach, describe, expect, test, vi } from "vitest";
import type { FlashAttention } from "../../src/engine/engine.js";
import { loadModel } from "../../src/engine/local/load-model.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { addon } from "../../src/engine/local/native.js";
import {
  type AttentionChoice,
  attentionOfContext,
  chooseAttention,
  describeAttention,
  refuseMissingAttention,
} from "../../src/engine/local/own-attention.js";
import { plan } from "../../src/methods/plan.js";
import { QUESTION, useModel } from "../fixtures/models.js";

const VARIABLE = "LLAMA_ETS_ATTENTION";
const automatic = useModel();

/** As on a processor without the kernel. */
function pretendThereIsNone(reason = "the processor lacks AVX2, FMA or F16C") {
  vi.spyOn(addon(), "attention").mockReturnValue({ isThere: false, reason, milliseconds: 0.1 });
}

async function loadWith(attention: AttentionChoice): Promise<LocalModel> {
  return (await loadModel("mini-gsm-ref", { gpu: false, attention })) as LocalModel;
}

/** Whether contexts of the model compute attention by our kernel. */
async function usesOwn(model: LocalModel, flashAttention: FlashAttention): Promise<boolean> {
  const context = await model.lease({ cells: 512, sequences: 2, flashAttention });
  try {
    const sequence = await context.create();
    await sequence.prefill((await model.encodePrompt(QUESTION)).tokens);
    return (await context.status()).attentionNs > 0;
  } finally {
    await model.release(context);
  }
}

afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe("the choice", () => {
  test("is the option, else LLAMA_ETS_ATTENTION, else auto", () => {
    vi.stubEnv(VARIABLE, "");
    expect(chooseAttention()).toEqual({ choice: "auto" });
    vi.stubEnv(VARIABLE, "engine");
    expect(chooseAttention()).toEqual({ choice: "engine", by: VARIABLE });
    expect(chooseAttention("own")).toEqual({ choice: "own", by: "attention" });
  });

  test("of another value is refused by the name of what made it, before the model is read", async () => {
    const refused = { code: "ERR_INVALID_OPTION" };
    for (const value of ["mine", "", 1, null, {}]) {
      const loading = loadModel("missing.gguf", { attention: value as AttentionChoice });
      await expect(loading, JSON.stringify(value)).rejects.toMatchObject(refused);
      await expect(loading).rejects.toThrow(/^Expected `attention` to be one of "auto", "engine"/);
    }
    vi.stubEnv(VARIABLE, "ours");
    const loading = loadModel("missing.gguf");
    await expect(loading).rejects.toMatchObject(refused);
    await expect(loading).rejects.toThrow(/`LLAMA_ETS_ATTENTION` to be one of .*, got `"ours"`$/);
  });

  test("of our own where there is none is refused, with the reason", async () => {
    pretendThereIsNone();
    const loading = loadWith("own");
    await expect(loading).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
    await expect(loading).rejects.toThrow(
      /^`attention` asks for .*: the processor lacks AVX2, FMA or F16C\nTry: "auto"/,
    );
    vi.stubEnv(VARIABLE, "own");
    expect(() => refuseMissingAttention(chooseAttention())).toThrow(VARIABLE);
    await using model = await loadWith("auto");
    expect(model.attention).toBe("auto");
  });

  test("is described with its reason", () => {
    const reason = "backend API 2 expected, found 3";
    const there = { isThere: true, reason: "AVX2; self-test agrees", milliseconds: 1.04 };
    const spy = vi.spyOn(addon(), "attention").mockReturnValue(there);
    expect(describeAttention({ choice: "auto" })).toBe("own: AVX2; self-test agrees (1.0 ms)");
    expect(describeAttention({ choice: "own", by: VARIABLE })).toBe(
      "own: AVX2; self-test agrees (1.0 ms), chosen by LLAMA_ETS_ATTENTION",
    );
    expect(describeAttention({ choice: "engine", by: VARIABLE })).toBe(
      "engine's: chosen by LLAMA_ETS_ATTENTION",
    );
    spy.mockRestore();
    pretendThereIsNone(reason);
    for (const choice of ["auto", "engine"] as const) {
      expect(describeAttention({ choice })).toBe(`engine's: ${reason}`);
    }
    expect(() => describeAttention({ choice: "own", by: "--attention" })).toThrow(reason);
  });
});

describe("what a context is asked for", () => {
  const ASKED = ["auto", true, "shared", "engine", false] as const;
  const given = (choice: AttentionChoice) =>
    ASKED.map((wanted) => attentionOfContext(choice, wanted));

  test("stays as it is under auto", () => {
    expect(given("auto")).toEqual(ASKED);
  });

  test("is our own under own, but where llama.cpp's is named", () => {
    expect(given("own")).toEqual(["own", "own", "own", "engine", false]);
  });

  test("is llama.cpp's under engine, and its product where log-probabilities are compared", () => {
    vi.spyOn(addon(), "attention").mockReturnValue({ isThere: true, reason: "", milliseconds: 1 });
    expect(given("engine")).toEqual(["engine", "engine", false, "engine", false]);
    vi.restoreAllMocks();
    pretendThereIsNone();
    expect(given("engine")).toEqual(ASKED);
  });
});

describe("models", () => {
  test("of one process that choose differently have each their own", async () => {
    const isThere = addon().attention().isThere;
    await using engines = await loadWith("engine");
    expect(engines.attention).toBe("engine");
    for (const wanted of ["auto", true, "shared"] as const) {
      expect(await usesOwn(engines, wanted)).toBe(false);
      expect(await usesOwn(automatic(), wanted)).toBe(isThere);
    }
    if (!isThere) return;
    await using own = await loadWith("own");
    expect(await usesOwn(own, "auto")).toBe(true);
    expect(await usesOwn(own, "engine")).toBe(false);
  });

  test("are planned with what they chose", async () => {
    const isThere = addon().attention().isThere;
    const planOf = async (model: LocalModel, method: "ets" | "ets-is") => {
      const options = { candidates: 4, blockTokens: 16, maxTokens: 32 };
      const proposal = method === "ets-is" ? { proposal: model } : {};
      return (await plan(model, QUESTION, { method, ...options, ...proposal })).model;
    };
    await using engines = await loadWith("engine");
    expect((await planOf(engines, "ets")).flashAttention).not.toBe("shared");
    expect((await planOf(engines, "ets-is")).flashAttention).toBe(false);
    if (!isThere) return;
    await using own = await loadWith("own");
    expect((await planOf(own, "ets")).flashAttention).toBe("auto");
    expect((await planOf(own, "ets-is")).flashAttention).toBe("shared");
  });
});
