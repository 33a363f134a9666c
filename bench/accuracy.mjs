// Usage: npm run bench:accuracy -- [--limit 200] [--seed 0] [--model mini-gsm-ref]
//          [--max-tokens 120] [--candidates 8] [--block-tokens 16] [--json FILE]
import { accuracy, accuracyOptions } from "./cases/accuracy.mjs";
import { parseOptions } from "./lib/arguments.mjs";
import { report } from "./lib/report.mjs";

const { json, ...options } = parseOptions({ ...accuracyOptions, json: "" });
await report({ accuracy }, options, { json });
