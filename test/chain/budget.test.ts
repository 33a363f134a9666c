/** Budgets are looked at between batches: of the prompt, of prefixes, of scoring, and of tokens. */
import { afterEach, describe, expect, test } from "vitest";
import { AutoregressiveChain } from "../../src/chain/autoregressive.js";
import { AutoregressiveProposal } from "../../src/chain/autoregressive-proposal.js";
import { Budget } from "../../src/chain/budget.js";
import type { ChainState } from "../../src/chain/chain.js";
import type { ChainOptions } from "../../src/chain/chain-options.js";
import { resolveSampling } from "../../src/engine/sampling.js";
import { ets } from "../../src/methods/ets.js";
import { sample } from "../../src/methods/sample.js";
import type { ContextPlan, Demand } from "../../src/planning/context-plan.js";
import { planTogether } from "../../src/planning/contexts.js";
import { chainDemand, proposalDemand } from "../../src/planning/demands.js";
import type { RunShape } from "../../src/planning/run-shape.js";
import { QUESTION, useModel } from "../fixtures/models.js";

const model = useModel();
const opened: AsyncDisposable[] = [];
afterEach(() => Promise.all(opened.splice(0).map((owner) => owner[Symbol.asyncDispose]())));

/** Ends after it was looked at so many times. */
class Looks extends Budget {
  left: number;

  constructor(left = Number.POSITIVE_INFINITY) {
    super({ ms: 1e9 });
    this.left = left;
  }

  override get isSpent(): boolean {
    return this.left-- <= 0;
  }
}

const prompt = Int32Array.from({ length: 150 }, (_, i) => 20 + i);
const shape: RunShape = {
  promptTokens: prompt.length,
  maxTokens: 80,
  blockTokens: 8,
  leastTokens: 8,
  steps: 10,
  candidates: 4,
  rollouts: 1,
  rereads: false,
  cuts: true,
  denoising: null,
  proposal: { ownRollouts: 0, scoresOwn: false, resamples: false, denoising: null },
};

const optionsOf = (budget: Budget): ChainOptions => ({
  prompt,
  policy: {
    // Without the end tokens: all texts go on to their last token.
    sampling: resolveSampling(
      { temperature: 100, allowedTokens: [...prompt] },
      model().info.vocabSize,
    ),
    stop: [],
    seed: 1,
    thoughts: null,
  },
  guidance: { blockTokens: 8, leastTokens: 8, blockEnd: null, sharePrefixes: true },
  prefixCache: false,
  denoising: null,
  ratio: "exact",
  metrics: [],
  answerEnd: null,
  onProgress: undefined,
  onLive: undefined,
  onWarning: undefined,
  limits: { maxTokens: shape.maxTokens, budget, signal: undefined },
});

const planFor = (demand: Demand) =>
  planTogether([{ model: model(), demand }]).contexts[0] as ContextPlan;

async function openChain(budget: Budget, batchTokens?: number) {
  const plan = planFor(chainDemand(shape));
  const chain = await AutoregressiveChain.open(
    model(),
    { ...plan, batchTokens: batchTokens ?? plan.batchTokens },
    optionsOf(budget),
  );
  opened.push(chain);
  return chain;
}

describe("time that ends", () => {
  test("while the prompt is read leaves the rest unread", async () => {
    const chain = await openChain(new Looks(1), 64);
    const state = await chain.start();
    expect(chain.isOutOfBudget).toBe(true);
    expect((await chain.usage()).prefilled).toBe(64);
    const [candidate] = await chain.advance(state, 1, 0);
    expect(candidate).toMatchObject({ text: "", tokens: [], finishReason: null });
  });

  test("while rollouts are scored leaves the rest unscored", async () => {
    const budget = new Looks();
    const chain = await openChain(budget);
    const states = await chain.advance(await chain.start(), 4, 0);
    const rollouts = await chain.complete(states, 1, 0, [0, 1, 2, 3]);
    const all = await chain.score(states, rollouts);
    expect(chain.isOutOfBudget).toBe(false);
    for (const [i, score] of all.flat().entries()) {
      expect(score.logDrawn).toBeCloseTo(rollouts[i]?.[0]?.logDrawn as number, 1);
    }
    budget.left = 1;
    const [first, ...rest] = (await chain.score(states, rollouts)).flat();
    expect(first).toEqual(all[0]?.[0]);
    expect(rest.at(-1)?.logDrawn).toBe(Number.NEGATIVE_INFINITY);
    expect(chain.isOutOfBudget).toBe(true);
  });

  test("while a proposal reads the candidates ends its rollouts too", async () => {
    const budget = new Looks();
    const chain = await openChain(budget);
    const states: ChainState[] = await chain.advance(await chain.start(), 4, 0);
    const plan = planFor(proposalDemand(shape));
    const proposal = await AutoregressiveProposal.open(model(), plan, optionsOf(budget));
    opened.push(proposal);
    budget.left = 1; // the prompt is one batch, the candidates the next
    const rollouts = await proposal.complete(states, 1, 0, [0, 1, 2, 3]);
    expect(proposal.isOutOfBudget).toBe(true);
    expect((await proposal.usage()).prefilled).toBe(prompt.length);
    expect(rollouts.flat().map(({ finishReason }) => finishReason)).toEqual(Array(4).fill(null));
  });

  test("before anything is drawn gives an empty text", async () => {
    const result = await sample(model(), QUESTION, { budget: { ms: 1e-9 } });
    expect(result).toMatchObject({ stopReason: "budget", text: "", tokens: [] });
    expect(result.usage).toMatchObject({ prefilled: 0, generated: 0 });
  });
});

describe("tokens that end", () => {
  // The block's last tokens are drawn, and not yet decoded to be gone on from.
  test.each([31, 32, 33])("where a block does, with %i, end the run", async (tokens) => {
    const result = await ets(model(), QUESTION, {
      candidates: 4,
      blockTokens: 8,
      maxTokens: 40,
      budget: { tokens },
      reward: ({ text }) => text.length,
    });
    expect(result.stopReason).toBe("budget");
    expect(result.usage.generated).toBeLessThan(tokens + 4);
  });
});
