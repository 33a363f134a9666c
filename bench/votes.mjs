// Usage: npm run bench:votes -- [--first 0] [--limit 1000] [--seed 0] [--model mini-gsm-ref]
//          [--temperatures 0.7,1] [--max-tokens 120] [--only probability@4,…]
//          [--choices 0] [--file runs/votes.jsonl] [--json FILE]
import { votes, votesOptions } from "./cases/votes.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...votesOptions, json: "" });
await report({ votes }, options, { json });
