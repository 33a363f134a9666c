/** The schedule of a diffusion model is checked before anything is loaded or drawn. */
import { describe, expect, test } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import { LlamaEtsError } from "../../src/engine/errors.js";
import { resolveSampling } from "../../src/engine/sampling.js";
import { resolveDiffusion } from "../../src/methods/options/diffusion.js";
import { resolveProposal } from "../../src/methods/options/proposal.js";
import { checkOptions, resolveOptions } from "../../src/methods/options/resolve.js";
import { settingsOf as recordOf, type Settings } from "../../src/methods/options/settings.js";
import { METHODS, type MethodOptions } from "../../src/methods/registry.js";

const model = (isDiffusion: boolean, contextLength = 4096) =>
  ({
    info: { isDiffusion, contextLength, vocabSize: 896 },
    matchTokenizer: () => 896,
    async [Symbol.asyncDispose]() {},
  }) as unknown as Model;

const settingsOf = (options: MethodOptions, contextLength?: number): Settings =>
  recordOf(resolveOptions(METHODS.ets, options, model(true, contextLength), 40));

describe("a diffusion model's defaults", () => {
  test("are the published ones: blocks of 32, one token a step, low-confidence remasking", () => {
    expect(settingsOf({})).toMatchObject({
      maxTokens: 256,
      steps: 4,
      blockTokens: 64,
      diffusion: {
        blockLength: 32,
        denoisingSteps: 256,
        remasking: "low-confidence",
        cfgScale: 0,
        cache: "none",
        parallel: null,
      },
      proposalDiffusion: null,
      ratio: "exact",
    });
  });

  test("fill a short context with whole blocks", () => {
    expect(settingsOf({}, 140).maxTokens).toBe(96);
    expect(settingsOf({ diffusion: { blockLength: 10 } }, 140).maxTokens).toBe(100);
    expect(settingsOf({}, 60)).toMatchObject({ maxTokens: 20, diffusion: { blockLength: 20 } });
  });

  test("are none of other models'", () => {
    expect(resolveOptions(METHODS.ets, {}, model(false), 40).denoising).toBeNull();
  });
});

describe("guidance steps are whole denoising steps", () => {
  test.each([
    [{ maxTokens: 64, steps: 4 }, 4, 16],
    [{ maxTokens: 64, blockTokens: 24 }, 3, 24],
    [{ maxTokens: 64, steps: 4, diffusion: { denoisingSteps: 8 } }, 4, 16],
    [{ maxTokens: 64, steps: 5, diffusion: { denoisingSteps: 8 } }, 4, 16],
    [{ maxTokens: 64, steps: 64, diffusion: { denoisingSteps: 8 } }, 8, 8],
    [{ maxTokens: 64, steps: 1 }, 1, 64],
  ])("%j", (options, steps, blockTokens) => {
    expect(settingsOf(options)).toMatchObject({ steps, blockTokens });
  });
});

/** What ETS-IS asks for, as it is checked before a proposal is loaded. */
const withProposal = (options: MethodOptions) => () =>
  checkOptions(METHODS["ets-is"], { maxTokens: 64, diffusion: {}, ...options });
const alone = (options: MethodOptions) => () =>
  checkOptions(METHODS.ets, { maxTokens: 64, ...options });

const voted = (options: MethodOptions) => () =>
  checkOptions(METHODS.majority, { maxTokens: 56, ...options });

describe("lengths of blocks that texts take turns with", () => {
  const settingsOf = (blockLengths: readonly number[] | string) =>
    recordOf(
      resolveOptions(
        METHODS.majority,
        { maxTokens: 56, diffusion: { blockLength: 5, blockLengths } },
        model(true),
        40,
      ),
    ).diffusion;

  test("take the place of one length, as numbers or as text", () => {
    const expected = { blockLength: 14, blockLengths: [4, 14, 8] };
    for (const given of [[4, 14, 8], "4+14+8", " 4, 14 ,8"]) {
      expect(settingsOf(given)).toMatchObject(expected);
    }
    expect(settingsOf([8, 8])).toMatchObject({ blockLength: 8, blockLengths: [8, 8] });
  });

  test.each<[string, () => void, RegExp]>([
    ["one", voted({ diffusion: { blockLengths: [8] } }), /2 to 64 lengths.*\[8\]/],
    ["holes", voted({ diffusion: { blockLengths: new Array(2) } }), /2 to 64 lengths/],
    ["a number", voted({ diffusion: { blockLengths: 8 as unknown as [] } }), /2 to 64 lengths/],
    [
      "no numbers",
      voted({ diffusion: { blockLengths: "8+x" } }),
      /blockLengths\[1\]` to be an int/,
    ],
    ["a gap", voted({ diffusion: { blockLengths: "8++14" } }), /blockLengths\[1\]` to be an int/],
    ["too long a one", voted({ diffusion: { blockLengths: [8, 57] } }), /from 1 to 56, got `57/],
    [
      "one that leaves a rest, with a length of the answer for all",
      voted({ diffusion: { blockLengths: [8, 12] } }),
      /blockLengths\[1\]` to divide `maxTokens`, got 12 and 56\n.*72/,
    ],
    [
      "steps that are not whole for each",
      voted({ diffusion: { blockLengths: [28, 4], denoisingSteps: 16 } }),
      /multiple of the 14 blocks, got 16/,
    ],
    [
      "texts that go on from others",
      alone({ diffusion: { blockLengths: [8, 16] } }),
      /for majority and best-of-n.*ets goes on/,
    ],
    [
      "a stopping rule for texts of one law",
      voted({ diffusion: { blockLengths: [8, 14] }, adaptive: true }),
      /rule "sequential".*several\n.*unanimous/,
    ],
  ])("refuse %s", (_, check, message) => {
    expect(check).toThrow(message);
    expect(check).toThrow(LlamaEtsError);
  });

  test("are no matter of the rule that all texts agree", () => {
    voted({ diffusion: { blockLengths: [8, 14] }, adaptive: { rule: "unanimous" } })();
    checkOptions(METHODS["best-of-n"], { maxTokens: 56, diffusion: { blockLengths: [8, 14] } });
  });
});

describe("refuses", () => {
  test.each<[string, () => void, RegExp]>([
    [
      "blocks that don't fill the answer",
      alone({ diffusion: { blockLength: 24 } }),
      /24 and 64.*\n.*72/,
    ],
    [
      "half blocks of steps",
      alone({ diffusion: { denoisingSteps: 3 } }),
      /multiple of the 2 blocks/,
    ],
    ["fewer steps than blocks", alone({ diffusion: { denoisingSteps: 1 } }), /from 2 to 64/],
    ["more steps than tokens", alone({ diffusion: { denoisingSteps: 65 } }), /from 2 to 64/],
    ["an unknown rule", alone({ diffusion: { remasking: "best" as "random" } }), /one of "low-/],
    ["an unknown option", alone({ diffusion: { genLength: 3 } as object }), /genLength/],
    [
      "both parallel rules",
      alone({ diffusion: { parallel: { threshold: 1, factor: 1 } } }),
      /either/,
    ],
    ["no parallel rule", alone({ diffusion: { parallel: {} as { factor: 1 } } }), /either/],
    [
      "parallel decoding without confidence",
      alone({ diffusion: { remasking: "random", parallel: { threshold: 0.9 } } }),
      /by confidence/,
    ],
    ["a proposal's options without one", alone({ proposalDiffusion: {} }), /needs a `proposal`/],
    [
      "an approximated reference under importance sampling",
      withProposal({ diffusion: { cache: "dual" } }),
      /only its proposal/,
    ],
    [
      "an exact ratio under low-confidence remasking",
      withProposal({ ratio: "exact" }),
      /don't depend on the drawn tokens\n.*approximate/,
    ],
    [
      "an exact ratio of parallel rollouts",
      withProposal({ ratio: "exact", proposalDiffusion: { parallel: { factor: 1 } } }),
      /don't depend/,
    ],
    [
      "a schedule of the proposal's own",
      withProposal({ proposalDiffusion: { blockLength: 8 } as object }),
      /blockLength/,
    ],
  ])("%s", (_, check, message) => {
    expect(check).toThrow(message);
    expect(check).toThrow(LlamaEtsError);
  });

  test("a schedule for a model that has none", () => {
    const check = () => resolveOptions(METHODS.ets, { diffusion: {} }, model(false), 40);
    expect(check).toThrow(/for diffusion models/);
  });
});

describe("before a model is loaded", () => {
  test.each<MethodOptions>([
    { ratio: "approximate" },
    { ratio: "one-pass" },
    { proposalDiffusion: { cache: "none" } },
  ])("%j may be for a diffusion model", (options) => {
    checkOptions(METHODS["ets-is"], options);
    const check = () =>
      resolveOptions(METHODS["ets-is"], { ...options, proposal: model(false) }, model(false), 40);
    expect(check).toThrow(/is for diffusion models/);
  });
});

describe("the ratio of importance sampling", () => {
  test.each<[MethodOptions, string]>([
    [{ diffusion: { remasking: "random" } }, "exact"],
    [{ diffusion: { remasking: "random" }, ratio: "exact" }, "exact"],
    [{}, "approximate"],
    [{ ratio: "approximate" }, "approximate"],
    [{ diffusion: { remasking: "entropy" } }, "approximate"],
    [{ ratio: "one-pass" }, "one-pass"],
  ])("%j is labelled %s", (options, ratio) => {
    const schedule = resolveDiffusion(options.diffusion, 64);
    const resolved = resolveProposal(options, resolveSampling({}, 896), schedule, 1);
    expect(resolved).toMatchObject({ ratio, denoising: { ...schedule, cache: "dual" } });
  });
});
