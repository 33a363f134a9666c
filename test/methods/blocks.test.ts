/** Guidance steps that end where the text tells: what runs report and plan, and what is refused. */
import { describe, expect, test } from "vitest";
import { ets } from "../../src/methods/ets.js";
import type { BlockKind } from "../../src/methods/options/common.js";
import { particle } from "../../src/methods/particle.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

const bundled = useModel("mini-gsm-ref");
const proposal = useModel("mini-gsm-proposal");
const reward = ({ text }: { text: string }) => text.length / 100;

describe.each<[string, typeof ets | typeof particle, boolean]>([
  ["ets", ets, false],
  ["ets-is", ets, true],
  ["particle", particle, false],
])("%s", (name, method, isProposed) => {
  test.each<BlockKind>(["line", "sentence", "entropy"])(
    "keeps to its plan with blocks that end at a %s",
    async (block) => {
      const result = await method(bundled(), QUESTION, {
        candidates: 4,
        rollouts: 2,
        blockTokens: 16,
        maxTokens: 60,
        temperature: 1.2,
        block,
        reward,
        seed: 2,
        ...(isProposed && { proposal: proposal() }),
      });
      expect(result.method).toBe(name);
      expect(result.settings.block).toBe(block);
      expect(result.settings.steps).toBe(60 / 4);
      const { usage, proposalUsage, plan, steps } = result;
      expect(usage.generated).toBeLessThanOrEqual(plan.model.tokens.generated);
      expect(usage.scored).toBeLessThanOrEqual(plan.model.tokens.scored);
      const { generated = 0 } = proposalUsage ?? {};
      expect(generated).toBeLessThanOrEqual(plan.proposal?.tokens.generated ?? 0);
      // Each step goes on by 4 to 16 tokens, but where the text ends.
      let before = 0;
      for (const { candidates, chosen } of name === "particle" ? [] : steps) {
        for (const { tokens, finishReason } of candidates) {
          const added = tokens.length - before;
          expect(added).toBeLessThanOrEqual(16);
          if (finishReason === null) expect(added).toBeGreaterThanOrEqual(4);
        }
        before = candidates[chosen]?.tokens.length as number;
      }
    },
  );
});

describe("blocks", () => {
  const table = new TableModel(hashedTable(3));
  const digits = ["1", "5"].map((digit) => table.tokenize(digit)[0] as number);
  const run = (options: object) =>
    ets(table, "q", {
      raw: true,
      temperature: 5,
      maxTokens: 40,
      candidates: 4,
      reward,
      ...options,
    });

  test("of tokens are what settings don't mention", async () => {
    const { settings } = await run({ allowedTokens: digits, blockTokens: 10 });
    expect(settings).not.toHaveProperty("block");
    expect(settings.steps).toBe(4);
  });

  test("that all texts end within guide nothing: the result says so, and what would", async () => {
    const eos = table.info.eos as number;
    const heard: string[] = [];
    const short = { allowedTokens: [eos, ...digits], steps: 2, seed: 1 };
    // Texts of up to some eight tokens, in blocks of 20.
    const { warnings, steps } = await run({ ...short, onWarning: (m: string) => heard.push(m) });
    expect(steps.length).toBe(1);
    expect(warnings).toEqual([
      expect.stringMatching(/^No step was guided: .*Try: blockTokens \(-B\) \d+$/),
    ]);
    expect(heard).toEqual(warnings);
    expect((await run({ ...short, steps: 1 })).warnings).toEqual([]);
    expect((await run({ allowedTokens: digits, steps: 2 })).warnings).toEqual([]);
  });

  test("of a diffusion model end by positions alone", async () => {
    const diffusion = new TableModel(hashedTable(3), { kind: "diffusion" });
    const options = { raw: true, maxTokens: 8, block: "line" as const };
    await expect(ets(diffusion, "q", options)).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: expect.stringContaining("diffusion model's steps can't end at"),
    });
  });

  test("of another kind are refused by name", async () => {
    await expect(run({ block: "page" })).rejects.toThrow(/`block` to be one of "tokens", "line"/);
  });
});
