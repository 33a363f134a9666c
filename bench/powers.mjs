// Usage: npm run bench:powers -- [--first 0] [--limit 1000] [--skip 600-639] [--seed 0] [--runs 1]
//          [--methods "power, entropy;particle, 64"] [--file runs/powers.jsonl] [--json FILE]
import { powers, powersOptions } from "./cases/powers.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...powersOptions, json: "" });
await report({ powers }, options, { json });
