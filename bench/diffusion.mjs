// Usage: npm run bench:diffusion -- [--limit 200] [--seed 0] [--model mini-gsm-llada]
//          [--temperature 0.7] [--votes 8] [--candidates 4] [--cached-candidates 4]
//          [--width 2] [--out FILE.jsonl] [--json FILE]
// Rows that are already in --out are not measured again.
import { diffusion, diffusionOptions } from "./cases/diffusion.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...diffusionOptions, json: "" });
await report({ diffusion }, options, { json });
