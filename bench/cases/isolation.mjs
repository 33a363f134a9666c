import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { ets, evaluate, loadModel, miniGsm } from "llama-ets";
import { mean, meanInterval, median } from "../lib/statistics.mjs";

const MODEL = "mini-gsm-ref";
const PROMPT = "Noah works 2 hours for $16 an hour. A bike costs $103. How much more does he need?";
const TICKS_A_SECOND = 100;
/** A model with more parameters than 100 million draws shorter texts. */
const SIZES = { small: { runs: 4, maxTokens: 128 }, large: { runs: 1, maxTokens: 8 } };

/**
 * Compares an engine in a separate process with one in this process. Both do the same work in turns. It
 * reports the ratios of pairs in CPU seconds of both processes and in wall time, and the start time and
 * memory.
 */
export async function isolation({ quick, threads, rounds, models: named, limit }) {
  const repeats = rounds ?? (quick ? 1 : 15);
  const options = { gpu: false, threads: threads ?? 1 };
  const source = named?.[0] ?? MODEL;
  const loads = { here: [], there: [] };
  const open = async (place) => {
    const started = performance.now();
    const model = await loadModel(source, { ...options, isolate: place === "there" });
    loads[place].push(performance.now() - started);
    return model;
  };
  for (let i = 0; i < Math.min(repeats, 5); i++) {
    for (const place of ["here", "there"]) await (await open(place)).dispose();
  }
  const before = process.memoryUsage.rss();
  const there = await open("there");
  const appBytes = process.memoryUsage.rss() - before;
  const engine = engineProcess();
  const models = { here: await open("here"), there };
  const items = quick ? 1 : Math.max(1, Math.round(Math.min(limit, 100) / repeats));
  const size = SIZES[there.info.parameters > 100e6 ? "large" : "small"];
  const { runs, maxTokens } = quick ? { runs: 1, maxTokens: 8 } : size;
  const figures = {
    "32 texts, one step each": (model, seed) => texts(model, seed, runs, maxTokens),
    "one run of ets": (model, seed) => guided(model, seed, maxTokens),
    [`an evaluation of ${items * repeats} items`]: (model, seed) =>
      evaluated(model, seed, items, maxTokens),
  };
  try {
    const found = {};
    for (const [name, work] of Object.entries(figures)) {
      found[name] = await inTurns(models, work, repeats, engine);
    }
    const [first] = Object.values(found);
    const load = { here: median(loads.here), there: median(loads.there) };
    return {
      title: "Isolation",
      ratio: first.seconds?.mean ?? first.wall.mean,
      ours: first.there,
      theirs: first.here,
      unit: "tokens a processor second, isolated; theirs: in this process",
      note: `${repeats} pairs by turns, ${source}; the ratios' 95% intervals; ${process.platform}.`,
      columns: ["", "in this process", "isolated", "processor time", "wall time"],
      rows: [
        ...Object.entries(found).map(([name, { here, there: apart, seconds, wall }]) => [
          `${name}, tokens a processor second`,
          ...[here, apart].map((rate) => rate?.toFixed(0) ?? ""),
          ...[seconds, wall].map(shown),
        ]),
        ["load, ms", load.here.toFixed(0), load.there.toFixed(0), "", ""],
        ["memory that the app takes for it, MiB", "", (appBytes / 2 ** 20).toFixed(0), "", ""],
        ["memory of the engine's process, MiB", "", engine && residentMiB(engine), "", ""],
      ],
      details: { ...found, load },
    };
  } finally {
    await Promise.all(Object.values(models).map((model) => model.dispose()));
  }
}

/** Returns the ratios of the cost per token of isolated work to that in this process. */
async function inTurns(models, work, repeats, engine) {
  const turns = { here: [], there: [] };
  for (const place of ["here", "there"]) await work(models[place], 0); // warm
  for (let i = 1; i <= repeats; i++) {
    // Each place goes first equally often.
    for (const place of i % 2 === 0 ? ["here", "there"] : ["there", "here"]) {
      const [seconds, started] = [secondsOf(engine), performance.now()];
      const tokens = await work(models[place], i);
      const wall = (performance.now() - started) / 1000;
      turns[place].push({ tokens, seconds: secondsOf(engine) - seconds, wall });
    }
  }
  const rates = (place) => turns[place].map(({ tokens, seconds }) => tokens / seconds);
  const ratioOf = (what) => {
    const costs = (place) => turns[place].map((turn) => turn[what] / turn.tokens);
    const here = costs("here");
    const logs = costs("there").map((cost, i) => Math.log(cost / here[i]));
    const { mean: middle, ci95 } = meanInterval(logs);
    return { mean: Math.exp(middle), ci95: ci95.map(Math.exp) };
  };
  const isKnown = engine !== null;
  return {
    here: isKnown ? mean(rates("here")) : null,
    there: isKnown ? mean(rates("there")) : null,
    seconds: isKnown ? ratioOf("seconds") : null,
    wall: ratioOf("wall"),
  };
}

function shown(ratio) {
  if (ratio === null) return "";
  const { mean: middle, ci95 } = ratio;
  return `${middle.toFixed(3)} [${ci95.map((end) => end.toFixed(3)).join(", ")}]`;
}

/** Returns the CPU seconds of this process and of the engine's process, which only Linux provides. */
function secondsOf(engine) {
  const { user, system } = process.cpuUsage();
  const own = (user + system) / 1e6;
  if (engine === null) return own;
  const stat = readFileSync(`/proc/${engine}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return own + (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** Returns the id of the engine's process; null if the system doesn't provide it. */
function engineProcess() {
  if (process.platform !== "linux") return null;
  const tasks = readdirSync("/proc/self/task");
  const lists = tasks.map((task) => readFileSync(`/proc/self/task/${task}/children`, "utf8"));
  const children = lists.flatMap((list) => list.split(" ").filter((pid) => pid !== ""));
  const isEngine = (pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("engine-process");
  return children.find(isEngine) ?? null;
}

function residentMiB(pid) {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return (Number(kib) / 1024).toFixed(0);
}

async function texts(model, seed, runs, maxTokens) {
  let tokens = 0;
  for (let i = 0; i < runs; i++) {
    const { usage } = await ets(model, PROMPT, {
      candidates: 32,
      rollouts: 1,
      steps: 1,
      maxTokens,
      seed: 100 * seed + i,
      temperature: 1.2,
    });
    tokens += usage.generated;
  }
  return tokens;
}

async function guided(model, seed, maxTokens) {
  const { usage } = await ets(model, PROMPT, {
    candidates: 8,
    rollouts: 4,
    blockTokens: 8,
    maxTokens,
    seed,
    temperature: 1.2,
  });
  return usage.generated;
}

async function evaluated(model, seed, limit, maxTokens) {
  const out = mkdtempSync(path.join(tmpdir(), "llama-ets-bench-"));
  try {
    const { summary } = await evaluate(model, miniGsm, {
      methods: ["ets"],
      limit,
      seed,
      out: path.join(out, "run"),
      options: { candidates: 4, rollouts: 2, maxTokens: Math.min(96, maxTokens) },
    });
    return summary.methods.ets.generated;
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}
