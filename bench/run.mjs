// Usage: npm run bench -- [--only decode,naive] [--quick] [--json FILE] [--markdown FILE]
//          [--engine DIR] [--threads N] [--rounds N] [--counts 1,8] [--scale 0.25]
//          [--sweeps parallel,prompt,steps,fork] [--limit 500] [--plot FILE] [--models A,B]
//          [--gpu cuda]
//
// Measures ratios of our speed to others', with both sides back to back in one run. The file of each case
// says what it compares. Prints Markdown tables; --json writes { NAME: { ratio, ours, theirs, unit, … } },
// where a ratio above 1 is good for us.
//
// --quick     a model without a body and a few tokens: shows that all of it works, measures nothing
// --engine    decode, server: a directory of `llama-ets build-engine`; default: the one in the cache
// --threads   default: what `loadModel` chooses
// --rounds    repetitions of decode, attention, scoring, sampling, denoising and overheads
// --counts    decode, attention, sampling: sequences side by side; server: clients at once
// --sweeps    scaling: which of its parts
// --limit     frontier: items; --plot writes its figure
// --models    decode: a model's file in place of the random one; draft: the target and its draft;
//             isolation, server: a model in place of mini-gsm-ref
// --scale     peer, naive, ets: prompt and texts this much shorter, for slow machines
// --gpu       decode, sampling, peer, naive, ets: cuda, vulkan, metal or auto; default: off. They take
//             some minutes on a GPU: npm run bench -- --only decode,sampling,peer,naive,ets --gpu cuda
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const CASES = [
  ...[
    "decode",
    "attention",
    "scoring",
    "sampling",
    "denoising",
    "peer",
    "naive",
    "ets",
    "scaling",
    "overheads",
    "beam",
    "isolation",
  ],
  ...["frontier", "draft", "server"],
];
const ON_GPU = ["decode", "sampling", "peer", "naive", "ets"];

const { only, json, markdown, ...options } = parseOptions({
  only: CASES.filter((name) => name !== "server").join(","), // the server case needs llama-server
  quick: false,
  json: "",
  markdown: "",
  engine: "",
  threads: 0,
  rounds: 0,
  counts: "",
  scale: 1,
  sweeps: "parallel,prompt,steps,fork",
  limit: 500,
  plot: "",
  models: "",
  gpu: "off",
});
const settings = {
  ...options,
  threads: options.threads || null,
  rounds: options.rounds || null,
  sweeps: options.sweeps.split(","),
  models: options.models === "" ? null : options.models.split(","),
  counts: options.counts === "" ? null : options.counts.split(",").map(Number),
  gpu: options.gpu === "off" || options.gpu === "false" ? false : options.gpu,
};

const names = only.split(",");
const unknown = names.find((name) => !CASES.includes(name));
if (unknown !== undefined) {
  throw new Error(`Expected --only to name some of ${CASES.join(", ")}; got \`${unknown}\``);
}
const onCpu = names.find((name) => !ON_GPU.includes(name));
if (settings.gpu !== false && onCpu !== undefined) {
  throw new Error(
    `Expected --only to name some of ${ON_GPU.join(", ")} with --gpu; got \`${onCpu}\``,
  );
}
const cases = {};
for (const name of names) cases[name] = (await import(`./cases/${name}.mjs`))[name];
await report(cases, settings, { json, markdown });
