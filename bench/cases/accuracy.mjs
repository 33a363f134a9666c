import { bestOfN, ets, loadModel, majority, miniGsm, sample, selfConsistency } from "llama-ets";
import { showProgress } from "../lib/progress.mjs";
import { wilson } from "../lib/statistics.mjs";
import { fixed, interval, percent } from "../lib/table.mjs";

export const accuracyOptions = {
  limit: 200,
  seed: 0,
  model: "mini-gsm-ref",
  maxTokens: 120,
  candidates: 8,
  blockTokens: 16,
};

/**
 * Accuracy on held-out mini-gsm items of sample, majority, best-of-n and ETS at equal generated tokens: ETS
 * runs first, and the one-step methods get as many texts N as its mean number of tokens pays for.
 */
export async function accuracy(given) {
  const options = { ...accuracyOptions, ...given };
  const { maxTokens, candidates, blockTokens } = options;
  const model = await loadModel(options.model);
  const items = (await miniGsm.load()).slice(0, options.limit);
  const shared = { extract: miniGsm.extract, maxTokens };
  const reward = selfConsistency({ extract: miniGsm.extract, answerEnd: miniGsm.answerEnd });
  const guided = { ...shared, reward, candidates, blockTokens };
  const measure = (name, method, settings) =>
    answerAll(name, items, (item, i) => {
      // The study has one seed, and each item its own stream.
      const seed = options.seed * 1_000_003 + i;
      return method(model, item.prompt, { ...settings, seed });
    });

  const one = await measure("sample", sample, shared);
  const steps = await measure("ets", ets, guided);
  const resampled = await measure("ets, resample", ets, { ...guided, finish: "resample" });
  const n = Math.max(1, Math.round(steps.tokensPerItem / one.tokensPerItem));
  const most = await measure(`majority@${n}`, majority, { ...shared, candidates: n });
  const best = await measure(`best-of-${n}`, bestOfN, { ...shared, reward, candidates: n });
  await model.dispose();
  const rows = [one, steps, resampled, most, best];
  return {
    title: "Accuracy at equal tokens",
    ratio: steps.accuracy / most.accuracy,
    ours: 100 * steps.accuracy,
    theirs: 100 * most.accuracy,
    unit: `% right: ets, majority@${n}`,
    note: `mini-gsm, ${items.length} held-out items, seed ${options.seed}, ${options.model}.`,
    columns: ["method", "accuracy %", "95% interval", "tokens/item", "ms/item"],
    rows: rows.map((r) => [
      ...[r.method, percent(r.accuracy), interval(r.ci95)],
      ...[fixed(r.tokensPerItem, 0), fixed(r.msPerItem, 0)],
    ]),
    details: rows,
  };
}

async function answerAll(name, items, answer) {
  let right = 0;
  let tokens = 0;
  let ms = 0;
  for (const [i, item] of items.entries()) {
    const { answer: given, usage } = await answer(item, i);
    if (given === item.gold) right++;
    tokens += usage.generated;
    ms += usage.ms;
    showProgress(`${name} ${i + 1}/${items.length}`, i + 1 === items.length);
  }
  return {
    method: name,
    n: items.length,
    accuracy: right / items.length,
    ci95: wilson(right, items.length),
    tokensPerItem: tokens / items.length,
    msPerItem: ms / items.length,
  };
}
