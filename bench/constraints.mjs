// Usage: npm run bench:constraints -- --model FILE.gguf [--topics 20] [--schemas 10] [--candidates 8]
//          [--block-tokens 1,2,4] [--max-tokens 60] [--seed 0] [--rounds 5]
//          [--only free,words,potential,json,speed] [--json FILE]
import { constraints, constraintsOptions } from "./cases/constraints.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...constraintsOptions, json: "" });
await report({ constraints }, options, { json });
