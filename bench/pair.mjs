// Usage: npm run bench:pair -- --model REFERENCE --proposals FILE[,FILE] [--prompts 10] [--seed 0]
//          [--candidates 4] [--rollouts 8] [--block-tokens 10] [--max-tokens 30]
//          [--resample-every 2] [--temperature 1] [--lambda 0.05] [--file runs/pair.jsonl]
//          [--json FILE]
import { pair, pairOptions } from "./cases/pair.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...pairOptions, json: "" });
await report({ pair }, options, { json });
