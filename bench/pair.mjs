// Usage: npm run bench:pair -- --model REFERENCE --proposals FILE[,FILE] [--prompts 20] [--seed 0]
//          [--candidates 4] [--rollouts 4] [--block-tokens 16] [--max-tokens 80]
//          [--resample-every 8] [--temperature 1] [--lambda 0.05] [--json FILE]
import { pair, pairOptions } from "./cases/pair.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...pairOptions, json: "" });
await report({ pair }, options, { json });
