// Usage: npm run bench:ets-is -- [--limit 200] [--seed 0] [--candidates 8] [--rollouts 1]
//          [--block-tokens 16] [--temperature 0.7] [--json FILE]
//
// ETS against ETS-IS on held-out mini-gsm items at the same M, K and I: what each costs, how far
// the importance weights can be trusted, and accuracy. Then the speed of scoring: packed, against
// decoding one token by one.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { ets, loadModel, miniGsm, sample, selfConsistency } from "llama-ets";

const { values } = parseArgs({
  options: {
    limit: { type: "string", default: "200" },
    seed: { type: "string", default: "0" },
    model: { type: "string", default: "mini-gsm-ref" },
    proposal: { type: "string", default: "mini-gsm-proposal" },
    json: { type: "string" },
    "max-tokens": { type: "string", default: "120" },
    temperature: { type: "string", default: "0.7" },
    candidates: { type: "string", default: "8" },
    rollouts: { type: "string", default: "1" },
    "block-tokens": { type: "string", default: "16" },
  },
});

const model = await loadModel(values.model);
const proposal = await loadModel(values.proposal);
const items = (await miniGsm.load()).slice(0, Number(values.limit));
const shared = {
  extract: miniGsm.extract,
  reward: selfConsistency({ extract: miniGsm.extract, isFinal: miniGsm.isFinal }),
  maxTokens: Number(values["max-tokens"]),
  temperature: Number(values.temperature),
  candidates: Number(values.candidates),
  rollouts: Number(values.rollouts),
  blockTokens: Number(values["block-tokens"]),
};
const methods = {
  ets: shared,
  "ets-is": { ...shared, proposal },
  "ets-is, mixture .25": { ...shared, proposal, mixture: 0.25 },
  "ets-is, psis": { ...shared, proposal, weights: "psis" },
};
if (Math.round(shared.rollouts * 0.25) === 0) delete methods["ets-is, mixture .25"];

// Item by item, so that whatever else the machine does falls on all methods alike.
const rows = Object.keys(methods).map((method) => ({
  ...{ method, right: 0, ms: 0, generated: 0, scored: 0, proposed: 0 },
  ...{ essShares: [], khats: [], logRatios: [] },
}));
for (const [i, item] of items.entries()) {
  for (const row of rows) {
    const seed = Number(values.seed) * 1_000_003 + i;
    const result = await ets(model, item.prompt, { ...methods[row.method], seed });
    if (result.answer === item.gold) row.right++;
    row.ms += result.usage.ms;
    row.generated += result.usage.generated;
    row.scored += result.usage.scored;
    row.proposed += result.proposalUsage?.generated ?? 0;
    for (const { rolloutEss, rolloutCount, khat, candidates } of result.steps) {
      if (rolloutCount > 1) row.essShares.push(rolloutEss / rolloutCount);
      if (typeof khat === "number") row.khats.push(khat);
      const drawn = candidates.flatMap((c) => c.completions).filter((c) => c.rollout !== null);
      row.logRatios.push(...drawn.map(({ logRatio }) => logRatio));
    }
  }
  if (process.stderr.isTTY) process.stderr.write(`\r${i + 1}/${items.length}   `);
}
if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");

const table = rows.map(({ essShares, khats, logRatios, right, ...row }) => ({
  method: row.method,
  n: items.length,
  msPerItem: row.ms / items.length,
  generatedPerItem: row.generated / items.length,
  scoredPerItem: row.scored / items.length,
  proposedPerItem: row.proposed / items.length,
  medianEssShare: row.proposed > 0 ? median(essShares) : null,
  medianKhat: khats.length > 0 ? median(khats) : null,
  beyondClip:
    row.proposed > 0 ? logRatios.filter((x) => Math.abs(x) > 10).length / logRatios.length : null,
  accuracy: right / items.length,
  ci95: wilson(right, items.length),
}));
const speed = await scoringSpeed();
await proposal.dispose();
await model.dispose();

print();
if (values.json !== undefined) {
  await writeFile(values.json, JSON.stringify({ options: values, table, speed }, null, 2));
}

/** Tokens a second of 32 texts of 32 tokens: scored, and decoded token by token. */
async function scoringSpeed() {
  const [count, length] = [32, 32];
  const all = Array.from({ length: model.info.vocabSize }, (_, id) => id);
  const allowedTokens = all.filter((id) => !model.isEndToken(id)); // all of one length
  const sampling = { temperature: 1, allowedTokens };
  const { tokens: prompt } = await model.encodePrompt(items[0].prompt);
  const options = { ...sampling, maxTokens: length };
  const texts = [];
  for (let seed = 0; seed < count; seed++) {
    texts.push((await sample(model, items[0].prompt, { ...options, seed })).tokens);
  }
  const demand = { promptTokens: prompt.length, maxTokens: length, parallel: count, held: 1 };
  const context = await model.lease(model.plan({ ...demand, heldTokens: 0 }), false);
  const parent = await context.create();
  await parent.prefill(prompt);
  const perSecond = (ms) => (count * length) / (ms / 1000);

  const decode = async (batch) => {
    let ms = 0;
    for (let from = 0; from < count; from += batch) {
      const sequences = [];
      for (let i = 0; i < batch; i++) sequences.push(await parent.fork());
      const started = performance.now();
      for (let at = 0; at < length; at++) {
        await context.prefill(
          sequences.map((sequence, i) => {
            return { sequence, tokens: Int32Array.of(texts[from + i][at]) };
          }),
        );
      }
      ms += performance.now() - started;
      for (const sequence of sequences) await sequence[Symbol.asyncDispose]();
    }
    return perSecond(ms);
  };
  const oneByOne = await decode(1);
  const sideBySide = await decode(8);
  await model.release(context);
  await model.score(items[0].prompt, texts, sampling); // warm
  const started = performance.now();
  await model.score(items[0].prompt, texts, sampling);
  return { scored: perSecond(performance.now() - started), oneByOne, sideBySide };
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Wilson's 95% interval of a proportion. */
function wilson(right, n) {
  const z = 1.959964;
  const p = right / n;
  const centre = p + (z * z) / (2 * n);
  const spread = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [(centre - spread) / (1 + (z * z) / n), (centre + spread) / (1 + (z * z) / n)];
}

function print() {
  const { candidates, rollouts, blockTokens, temperature } = shared;
  console.log(
    `mini-gsm, ${items.length} held-out items, seed ${values.seed}; M = ${candidates}, K = ${rollouts}, blocks of ${blockTokens}, temperature ${temperature}`,
  );
  console.log(
    "| method | ms/item | generated | scored | proposed | ESS share | k̂ | beyond ±10 | accuracy % | 95% interval |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  const orDash = (x, digits) => (x === null ? "–" : x.toFixed(digits));
  const percent = (x) => (100 * x).toFixed(1);
  for (const r of table) {
    const cells = [
      ...[r.method, r.msPerItem.toFixed(0), r.generatedPerItem.toFixed(0)],
      ...[r.scoredPerItem.toFixed(0), r.proposedPerItem.toFixed(0)],
      ...[orDash(r.medianEssShare, 2), orDash(r.medianKhat, 2), orDash(r.beyondClip, 4)],
      ...[percent(r.accuracy), `[${percent(r.ci95[0])}, ${percent(r.ci95[1])}]`],
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
  const { scored, oneByOne, sideBySide } = speed;
  const compared = (other) => `${other.toFixed(0)} (${(scored / other).toFixed(1)} times slower)`;
  console.log(
    `tokens/s: scored, prompt included, ${scored.toFixed(0)}; decoded one by one ${compared(oneByOne)}, 8 side by side ${compared(sideBySide)}`,
  );
}
