import { chainDemand } from "../planning/demands.js";
import { boundGuided } from "../planning/token-bounds.js";
import { defineMethod, type OptionsOf } from "./define-method.js";
import { type MethodFacts, oneStep, WHOLE_TEXTS } from "./method.js";
import type { Result } from "./result.js";
import type { Run } from "./run/run.js";

const ONE_TEXT = {
  own: {},
  guidance: [],
  fixed: (maxTokens: number) => ({ ...oneStep(maxTokens), candidates: 1 }),
  demand: chainDemand,
  bounds: boundGuided,
  reports: WHOLE_TEXTS,
  drawsOneText: true,
} as const satisfies Partial<MethodFacts>;

type Own = typeof ONE_TEXT.own;

/**
 * Draws one text from the reference policy.
 *
 * @example
 * const { text, logProbs } = await sample(model, "What is 6 * 7?", { temperature: 1, maxTokens: 64 });
 *
 * @throws as `ets` does
 */
export const sample = defineMethod<Own, Omit<OptionsOf<Own>, "reward">>({
  ...ONE_TEXT,
  name: "sample",
  summary: "draws one text from the reference policy",
  run: drawOne,
});

/**
 * Takes the most probable token each time: `sample` at temperature 0.
 *
 * @throws as `ets` does
 */
export const greedy = defineMethod<Own, Omit<OptionsOf<Own>, "reward" | "temperature">>({
  ...ONE_TEXT,
  name: "greedy",
  summary: "takes the most probable token each time",
  overrides: { temperature: 0 },
  picks: true,
  run: drawOne,
});

async function drawOne(run: Run): Promise<Result> {
  const [text] = await run.chain.advance(await run.chain.start(), 1, 0);
  if (text === undefined) throw new Error("unreachable: one text was asked for");
  return await run.finish(text);
}
