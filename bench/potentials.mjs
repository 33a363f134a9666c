// Usage: npm run bench:potentials -- --model FILE.gguf [--prompts 100-119,200-1150/50] [--timed 5]
//          [--seed 0] [--threads 1] [--file runs/potentials.jsonl] [--json FILE]
import { potentials, potentialsOptions } from "./cases/potentials.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...potentialsOptions, json: "" });
await report({ potentials }, options, { json });
