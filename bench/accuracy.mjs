// Usage: npm run bench:accuracy -- [--limit 200] [--seed 0] [--model mini-gsm-ref] [--json FILE]
//
// Accuracy on held-out mini-gsm items of sample, majority, best-of-n and ETS at equal generated
// tokens: ETS runs first, and N of the one-step methods is what its mean number of tokens buys.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { bestOfN, ets, loadModel, majority, miniGsm, sample, selfConsistency } from "llama-ets";

const { values } = parseArgs({
  options: {
    limit: { type: "string", default: "200" },
    seed: { type: "string", default: "0" },
    model: { type: "string", default: "mini-gsm-ref" },
    json: { type: "string" },
    "max-tokens": { type: "string", default: "120" },
    candidates: { type: "string", default: "8" },
    "block-tokens": { type: "string", default: "16" },
  },
});

const model = await loadModel(values.model);
const items = (await miniGsm.load()).slice(0, Number(values.limit));
const shared = { extract: miniGsm.extract, maxTokens: Number(values["max-tokens"]) };
const reward = selfConsistency({ extract: miniGsm.extract, isFinal: miniGsm.isFinal });
const guided = {
  ...shared,
  reward,
  candidates: Number(values.candidates),
  blockTokens: Number(values["block-tokens"]),
};

const rows = [];
rows.push(await measure("sample", sample, shared));
rows.push(await measure("ets", ets, guided));
rows.push(await measure("ets, resample", ets, { ...guided, finish: "resample" }));
const n = Math.max(1, Math.round(tokensOf("ets") / tokensOf("sample")));
rows.push(await measure(`majority@${n}`, majority, { ...shared, candidates: n }));
rows.push(await measure(`best-of-${n}`, bestOfN, { ...shared, reward, candidates: n }));
await model.dispose();

print(rows);
if (values.json !== undefined) await writeFile(values.json, JSON.stringify(rows, null, 2));

function tokensOf(name) {
  return rows.find((row) => row.method === name).tokensPerItem;
}

async function measure(name, method, options) {
  let right = 0;
  let tokens = 0;
  let ms = 0;
  for (const [i, item] of items.entries()) {
    // One seed for the study, one stream an item.
    const seed = Number(values.seed) * 1_000_003 + i;
    const { answer, usage } = await method(model, item.prompt, { ...options, seed });
    if (answer === item.gold) right++;
    tokens += usage.generated;
    ms += usage.ms;
    if (process.stderr.isTTY) process.stderr.write(`\r${name} ${i + 1}/${items.length}   `);
  }
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  return {
    method: name,
    n: items.length,
    accuracy: right / items.length,
    ci95: wilson(right, items.length),
    tokensPerItem: tokens / items.length,
    msPerItem: ms / items.length,
  };
}

/** Wilson's 95% interval of a proportion. */
function wilson(right, n) {
  const z = 1.959964;
  const p = right / n;
  const centre = p + (z * z) / (2 * n);
  const spread = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [(centre - spread) / (1 + (z * z) / n), (centre + spread) / (1 + (z * z) / n)];
}

function print(results) {
  const percent = (x) => (100 * x).toFixed(1).padStart(5);
  console.log(`mini-gsm, ${items.length} held-out items, seed ${values.seed}, ${values.model}`);
  console.log("method           accuracy %   95% interval    tokens/item   ms/item");
  for (const r of results) {
    const interval = `[${percent(r.ci95[0])}, ${percent(r.ci95[1])}]`;
    const cost = `${r.tokensPerItem.toFixed(0).padStart(11)} ${r.msPerItem.toFixed(0).padStart(9)}`;
    console.log(`${r.method.padEnd(16)} ${percent(r.accuracy).padStart(10)}   ${interval} ${cost}`);
  }
}
