import path from "node:path";
import type { Command } from "commander";
import { bundledDefaults } from "../../engine/bundled-models.js";
import { addConfigOption } from "../config-file.js";
import { interruptSignal } from "../exit.js";
import { groupOptions } from "../help-groups.js";
import { collectTexts } from "../method-flags.js";
import {
  addModelOptions,
  isolatingOwn,
  loadNamedModel,
  loadProposal,
  type ModelFlags,
  proposalSource,
} from "../model-flags.js";
import { numberOption } from "../numbers.js";

interface ServeFlags extends ModelFlags {
  name?: string;
  proposal?: string;
  host?: string;
  port?: number;
  apiKey?: string;
  cors?: string[];
  parallel?: number;
  queue?: number;
  timeLimit?: number;
  logTexts?: boolean;
}

export function serveCommand(command: Command): Command {
  addConfigOption(addModelOptions(command))
    .option("--name <name>", "what requests call the model (default: the file's name)")
    .option(
      "--proposal <model>",
      "draws the rollouts of ets-is, which requests may then ask for (default: the bundled model's)",
    )
    .option("--host <host>", "address to listen on; others than 127.0.0.1 need a key")
    .option("--port <n>", "port; 0 takes a free one (default: 8080)", numberOption)
    .option("--api-key <key>", "key that requests must have (default: $LLAMA_ETS_API_KEY)")
    .option(
      "--cors <origin>",
      "origin whose pages may ask (default: none); may be given several times",
      collectTexts,
    )
    .option("--parallel <n>", "runs side by side in one context (default: 16)", numberOption)
    .option("--queue <n>", "runs that may wait; more are refused (default: 256)", numberOption)
    .option("--time-limit <s>", "seconds that an answer may take (default: 600)", numberOption)
    .option("--log-texts", "log prompts and answers too")
    .action(run);
  return groupOptions(command, COMMON, () => false, [
    "llama-ets serve -m hf:Qwen/Qwen3-1.7B-GGUF:Q8_0",
    "llama-ets serve -m model.gguf --host 0.0.0.0 --api-key KEY",
  ]);
}

const COMMON = [
  ...["model", "host", "port", "api-key", "cors", "name", "proposal", "config"],
  ...["parallel", "queue", "time-limit"],
];

async function run(flags: ServeFlags): Promise<void> {
  const { checkServeOptions, serve } = await import("../../server/serve.js");
  const { host, port, cors, parallel, queue, timeLimit, logTexts } = flags;
  const apiKey = flags.apiKey ?? process.env.LLAMA_ETS_API_KEY;
  const settings = {
    ...(host !== undefined && { host }),
    ...(port !== undefined && { port }),
    ...(apiKey !== undefined && { apiKey }),
    ...(cors !== undefined && { cors }),
    ...(parallel !== undefined && { parallel }),
    ...(queue !== undefined && { queue }),
    ...(timeLimit !== undefined && { timeLimit }),
    ...(logTexts !== undefined && { logTexts }),
  };
  checkServeOptions(settings);
  const signal = interruptSignal();
  const models = isolatingOwn(flags);
  await using model = await loadNamedModel(models, signal);
  const hasProposal = proposalSource(flags) !== undefined;
  await using proposal = hasProposal ? await loadProposal(models, model, signal) : null;
  const name = flags.name ?? path.basename(model.path, ".gguf");
  const { task: _, ...defaults } = bundledDefaults(flags.model);
  await using server = await serve(model, {
    ...{ ...settings, name, defaults },
    ...(proposal && { proposal }),
  });
  console.error(
    `Serving ${name} at ${server.url} (a page for browsers; OpenAI's API: ${server.url}/v1); Ctrl-C ends it`,
  );
  if (apiKey) console.error("Requests need the key: Authorization: Bearer …");
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
  console.error("Answering what was asked for, then ending; a second Ctrl-C ends at once");
  await server.close();
}
