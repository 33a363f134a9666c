// Usage: npm run bench:vote-trials -- [--limit 200] [--level 1] [--seed 0] [--model mini-gsm-ref]
//          [--temperature 1] [--texts 32] [--max-tokens 120] [--redraws]
//          [--minutes 0] [--json FILE]
import { voteTrials, voteTrialsOptions } from "./cases/vote-trials.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...voteTrialsOptions, json: "" });
await report({ "vote-trials": voteTrials }, options, { json });
