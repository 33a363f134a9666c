// Usage: npm run bench:rivals -- --model FILE.gguf [--genlm VENV/bin/python] [--genlm-cache runs/rivals/weights]
//          [--its-hub VENV/bin/python] [--only sentences,topics,json,keywords,records,counts] [--items 12]
//          [--topics 20] [--particles 8] [--seed 0] [--file runs/rivals/lines.jsonl]
//
// Runs the same prompts, weights, constraints and potentials in this library and in others, one item after
// another. Outcomes in --file are not drawn again. The others are Python libraries, each in its own
// environment: pip install genlm-control==0.4.1 gguf accelerate, and
// pip install its-hub==1.2.0 aiohttp backoff certifi.
import { loadModel, particle } from "llama-ets";
import { parseOptions } from "./lib/arguments.mjs";
import { keptLines } from "./lib/kept-lines.mjs";
import { showProgress } from "./lib/progress.mjs";
import { mean } from "./lib/statistics.mjs";
import { fixed, markdownTable } from "./lib/table.mjs";
import { openPeer, openServer } from "./rivals/peers.mjs";
import { TASKS } from "./rivals/tasks.mjs";

const TEMPERATURE = 0.7;
const options = parseOptions({
  model: "",
  genlm: "",
  genlmCache: "runs/rivals/weights",
  itsHub: "",
  only: Object.keys(TASKS).join(","),
  items: 12,
  topics: 20,
  particles: 8,
  seed: 0,
  file: "runs/rivals/lines.jsonl",
});
if (options.model === "") throw new Error("Expected --model, an instruct model's GGUF file");

/** The libraries. A run of an item gives a text, log Ẑ, tokens and CPU seconds. */
const LIBRARIES = {
  "llama-ets": { isOf: () => true, open: openOurs },
  "genlm-control": { isOf: () => options.genlm !== "", open: openGenlm },
  "its-hub, best of n": {
    isOf: ({ asked }) => options.itsHub !== "" && asked !== undefined,
    open: openItsHub,
  },
};

async function openOurs() {
  const model = await loadModel(options.model, { threads: 1, gpu: false });
  return {
    model,
    async run(task, item, seed) {
      const { regex, schema } = item;
      const constraint = regex === undefined ? schema && { json: schema } : { regex };
      const guided = task.reward && {
        reward: (state) => task.reward(item, state),
        potential: (state) => task.potential(item, state),
        lambda: task.lambda,
        finish: "best",
      };
      const before = process.cpuUsage();
      const { text, logProbs, logNormaliser, usage } = await particle(model, task.prompt(item), {
        candidates: options.particles,
        blockTokens: task.blockTokens,
        seed,
        maxTokens: task.maxTokens,
        temperature: TEMPERATURE,
        prefixCache: false,
        ...(constraint && { constraint }),
        ...guided,
      });
      const { user, system } = process.cpuUsage(before);
      const logProb = logProbs.reduce((a, b) => a + b, 0);
      return {
        text,
        logProb,
        logNormaliser,
        tokens: usage.generated,
        cpu: (user + system) / 1e6,
      };
    },
    close: () => model.dispose(),
  };
}

async function openGenlm({ model }) {
  const peer = await openPeer(options.genlm, "genlm_control.py", [
    options.model,
    options.genlmCache,
  ]);
  const ends = model.specialTokens().filter(({ token }) => token === model.info.eos);
  return {
    async run(task, item, seed) {
      const { regex, schema } = item;
      const { tokens } = await model.encodePrompt(task.prompt(item));
      const { texts, ...counted } = await peer.ask({
        prompt: [...tokens],
        ends: ends.map(({ text }) => text),
        seed,
        regex,
        schema,
        asked: task.asked?.(item),
        lambda: task.lambda,
        maxTokens: task.maxTokens,
        particles: options.particles,
        temperature: TEMPERATURE,
      });
      return { ...counted, text: "", logProb: null, ...chosen(task, item, texts, seed) };
    },
    close: () => peer.close(),
  };
}

/**
 * Chooses the best of the living particles, as our own runs do. Without a reward it draws one in proportion
 * to the weights.
 */
function chosen(task, item, texts, seed) {
  if (texts.length === 0) return {};
  const heaviest = Math.max(...texts.map(({ logWeight }) => logWeight));
  const weights = texts.map(({ logWeight }) => Math.exp(logWeight - heaviest));
  if (task.reward === undefined) {
    // A low-discrepancy draw that depends only on the seed.
    let left = ((seed + 1) * 0.618034) % 1;
    left *= weights.reduce((a, b) => a + b, 0);
    return texts.find((_, i) => {
      left -= weights[i];
      return left <= 0;
    });
  }
  const worth = texts.map((state) => task.reward(item, { ...state, finishReason: "end" }));
  const best = Math.max(...worth);
  const order = texts.map((_, i) => i).filter((i) => worth[i] === best);
  return texts[order.toSorted((a, b) => weights[b] - weights[a])[0]];
}

async function openItsHub() {
  const server = await openServer(options.model);
  const peer = await openPeer(options.itsHub, "its_hub_best_of_n.py", []);
  const { data } = await (await fetch(`${server.url}/v1/models`)).json();
  return {
    async run(task, item) {
      const before = server.cpu();
      const { text, tokens, cpu } = await peer.ask({
        endpoint: `${server.url}/v1`,
        model: data[0].id,
        prompt: task.prompt(item),
        asked: task.asked(item),
        particles: options.particles,
        maxTokens: task.maxTokens,
        temperature: TEMPERATURE,
      });
      return { text, tokens, cpu: cpu + server.cpu() - before, logProb: null, logNormaliser: null };
    },
    close() {
      peer.close();
      server.close();
    },
  };
}

const kept = await keptLines(options.file);
const open = new Map();
async function library(name) {
  if (!open.has(name)) open.set(name, await LIBRARIES[name].open(open.get("llama-ets")));
  return open.get(name);
}
await library("llama-ets");
const rows = [];
try {
  for (const taskName of options.only.split(",")) {
    const task = TASKS[taskName];
    if (task === undefined) throw new Error(`Expected --only ${Object.keys(TASKS).join(",")}`);
    const names = Object.keys(LIBRARIES).filter((name) => LIBRARIES[name].isOf(task));
    const outcomes = new Map(names.map((name) => [name, []]));
    const isOfTopics = ["sentences", "topics"].includes(taskName);
    for (const [i, item] of task.rows(isOfTopics ? options.topics : options.items).entries()) {
      for (const name of names) {
        const key = [taskName, name, item.id, options.particles, options.seed].join("|");
        const outcome = await kept.get(key, async () => {
          const opened = await library(name); // a library that can't be opened ends the study
          const failed = ({ message }) => ({ text: "", error: message });
          return opened.run(task, item, options.seed + i).catch(failed);
        });
        outcomes.get(name).push({ ...outcome, isRight: task.isRight(item, outcome.text) });
        showProgress(`${taskName} ${i + 1} ${name}`);
      }
    }
    for (const [name, all] of outcomes) rows.push([task.title, ...cells(name, all)]);
  }
} finally {
  showProgress("", true);
  for (const one of [...open.values()].reverse()) await one.close();
}

function cells(name, all) {
  const of = (key) => {
    const values = all.map((one) => one[key]).filter((value) => Number.isFinite(value));
    return values.length === 0 ? null : mean(values);
  };
  const right = all.filter(({ isRight }) => isRight).length;
  const failed = all.filter(({ error }) => error !== undefined).length;
  const drawn = `${right} of ${all.length - failed}${failed > 0 ? `, ${failed} failed` : ""}`;
  return [
    ...[name, drawn, fixed(of("tokens"), 0), fixed(of("cpu"), 2)],
    ...[fixed(of("logProb"), 1), fixed(of("logNormaliser"), 1)],
  ];
}

const columns = ["task", "library", "right", "tokens", "CPU s", "mean log p_ref", "mean log Ẑ"];
console.log(markdownTable(columns, rows));
