/**
 * `doctor -m MODEL [--proposal MODEL]`: measures the rounding of a model's log-probabilities, and how close a
 * proposal is to it.
 */
import { bundledModels } from "../../engine/bundled-models.js";
import { type LoadModelOptions, loadModel } from "../../engine/local/load-model.js";
import { measureRounding, type Rounding } from "../../engine/rounding.js";
import { percent } from "../../report/format.js";

/** The question for the bundled models. Other pairs get it too if no prompt is given. */
export const QUESTION = "Sam has 12 apples and eats 5. How many apples are left?";
const STORY = "Write a short story about a lantern.";
/** The length in tokens of the rollouts that measure a pair. */
const PAIR_ROLLOUT = 64;

const PASSED = ["gpu", "engine", "attention", "gpuLayers", "threads"] as const;
type Given = { [Name in (typeof PASSED)[number]]?: LoadModelOptions[Name] | undefined };

/** Measures how far drawn and scored log-probabilities differ, since importance ratios inherit this error. */
export async function describeRounding(source: string, given: Given): Promise<string> {
  await using model = await loadModel(source, toLoadOptions(given));
  if (model.kind === "diffusion" || model.info.labels.length > 0) {
    return "not measured: it extends no text";
  }
  const nats = ({ median, percentile99 }: Rounding) =>
    `${Number(median.toPrecision(2))} nats a token (99th percentile ${Number(percentile99.toPrecision(2))})`;
  const [four, one] = [await measureRounding(model, 4), await measureRounding(model, 1)];
  return `drawn and scored log-probabilities differ by ${nats(four)} in texts drawn 4 at once, by ${nats(one)} in one alone`;
}

/** Measures how close a proposal is to the model, on the given prompts. */
export async function describePair(
  reference: string,
  proposed: string,
  { prompt, ...given }: Given & { prompt?: readonly string[] },
): Promise<string> {
  const { checkProposal } = await import("../../methods/check-proposal.js");
  const { forecast } = await import("../../planning/pair.js");
  const options = toLoadOptions(given);
  await using model = await loadModel(reference, options);
  await using proposal = await loadModel(proposed, options);
  const asked = isBundled(reference) ? [QUESTION] : [QUESTION, STORY];
  const pair = await checkProposal(model, proposal, prompt ?? asked);
  const rollout = Math.min(PAIR_ROLLOUT, model.info.contextLength);
  const { tokens, acceptance, advice } = forecast(pair, rollout);
  return `${advice} (by ${tokens} tokens, of which speculative sampling would accept ${percent(acceptance)})`;
}

function isBundled(name: string): boolean {
  return bundledModels().some((model) => model.name === name);
}

export function toLoadOptions(given: Given): LoadModelOptions {
  return Object.fromEntries(
    PASSED.flatMap((name) => (given[name] === undefined ? [] : [[name, given[name]]])),
  );
}
