// Usage: npm run bench:ets-is -- [--limit 200] [--seed 0] [--candidates 8] [--rollouts 1]
//          [--block-tokens 16] [--temperature 0.7] [--json FILE]
import { etsIs, etsIsOptions } from "./cases/ets-is.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...etsIsOptions, json: "" });
await report({ "ets-is": etsIs }, options, { json });
