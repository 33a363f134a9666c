// Usage: npm run bench:rewards -- [--limit 200] [--seed 0] [--temperature 0.7] [--file KEPT.jsonl]
//          [--json FILE]
import { rewards, rewardsOptions } from "./cases/rewards.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...rewardsOptions, json: "" });
await report({ rewards }, options, { json });
