/** Options that are refused before a model is loaded, each by its name. */
import { existsSync, mkdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { PROMPT } from "../fixtures/cli-ask.js";
import { expectError } from "../fixtures/cli-error.js";
import { scratch, scratchFile } from "../fixtures/cli-process.js";
import { expectRefusal } from "../fixtures/cli-refusal.js";

describe("an option is refused before a model is looked for", () => {
  test.each([
    ["-M 1.5", /`candidates` .*`1.5`/],
    ["-K 0", /`rollouts` .* integer from 1 .*`0`/],
    ["-I 0", /`steps` .*`0`/],
    ["--block-tokens 0", /`blockTokens` .*`0`/],
    ["-B 0", /`blockTokens` .*`0`/],
    ["--steps 2 --block-tokens 3", /`steps` or `blockTokens`, got both/],
    ["--max-tokens 0", /`maxTokens` .*`0`/],
    ["--top-k -1", /`topK` .*`-1`/],
    ["--top-p 0", /`topP` .*`0`/],
    ["--top-p 1.1", /`topP` .*`1.1`/],
    ["--min-p 2", /`minP` .*`2`/],
    ["--seed -1", /`seed` .*`-1`/],
    ["--threads 0", /`threads` .*`0`/],
    ["--threads many", /--threads.*'many'/],
    ["--gpu-layers x", /--gpu-layers.*'x'/],
    ["--kv q9", /`kv` .*"q8_0".*"q9"/],
    ["--lora adapter.gguf:2000", /`loras\[i\]\.scale` .* from -1000 to 1000, got `2000`/],
    ["--gpu abacus", /`--gpu` .*"off".*"abacus"/],
    ["--gpu cudda", /\nTry: cuda\n$/],
    ["--task poetry", /`task` .*"mini-gsm".*"poetry"/],
    ["--method magic", /`--method` .*"ets".*"magic"/],
    ["--method etss", /\nTry: ets\n$/],
    ["--reward magic", /`--reward` .*"self-consistency".*"magic"/],
    ["--reward regx:a.b", /\nTry: regex:a\.b\n$/],
    ["--budget-tokens 0", /`budget.tokens` .*`0`/],
    ["--method ets-is --weights heavy", /`weights` .*"exact".*"heavy"/],
    ["--method ets-is --mixture 2", /`mixture` .*`2`/],
    ["--method ets-is --proposal-temperature 0", /`proposalSampling.temperature` .*`0`/],
    ["--method ets-is --proposal-top-k 5", /unknown option '--proposal-top-k'/],
    ["--raw --system S", /`system` \(--system\) needs a chat template/],
    ["--raw --reasoning low", /`reasoning` \(--reasoning\) needs a chat template/],
    ["--reasoning much", /`reasoning` .*auto, off, low, high or .*"much"/],
    ["--reasoning -1", /`reasoning` .*"-1"/],
    ["--raw --chat-template chatml", /`chatTemplate` \(--chat-template\) needs a chat template/],
    ["--chat-template missing.jinja", /--chat-template: missing.jinja .*no such file/],
    ["--tools missing.json", /--tools: missing.json .*no such file/],
    ["--messages chat.json", "Expected --messages or a question, got both"],
    ["-M 0", /`candidates` .* integer from 1 .*`0`/],
    ["--lambda -1", /`lambda` .* from 1e-100 to 1e\+100, got `-1`/],
    ["--temperature -1", /`temperature` .*`-1`/],
    ["--mixture 0.5", "`mixture` needs a `proposal`"],
    ["--budget-ms 0", /`budget.ms` .*`0`/],
  ])("%s", async (flags, says) => {
    await expectRefusal(["ask", PROMPT, "-m", "missing.gguf", ...flags.split(" ")], says);
  });

  test.each([
    ["sample,ets:lamda=0.5", /`lamda` .*\n.*`lambda`/],
    ["ets:constructor=1", "`constructor`"],
    ["ets:__proto__=1", "`__proto__`"],
    ["ets:B=0", /`blockTokens` .*`0`/],
    ["ets:B=16:I=2", /`steps` or `blockTokens`, got both/],
    ["ets:M=many", /`candidates` .*"many"/],
    ["ets:alpha=4", "`alpha`"],
    ["sample:M=4", "`candidates` is for ets,"],
    ["majority:lambda=0.5", /`lambda` is for .*, not majority/],
    ["ets:M=2:candidates=4", /`candidates` once/],
    ["ets:seed=4", /sets `seed` itself/],
    ["ets:M", /M=4:K=2, got `M`/],
    ["ets,ets", /`ets` twice/],
    ["magic", /`method` .*"ets".*"magic"/],
  ])("--methods %s", async (methods, says) => {
    const out = `${scratch("refused")}/run`;
    const args = ["eval", "mini-gsm", "-m", "missing.gguf", "--methods", methods, "--out", out];
    await expectRefusal(args, says);
    expect(existsSync(out)).toBe(false);
  });
});

describe.concurrent("a command", () => {
  test.each([
    ["-M abc", /--candidates.*'abc'/],
    ["--lambda 0", /`lambda` .* from 1e-100 to 1e\+100, got `0`/],
    ["--lambda abc", /--lambda.*'abc'/],
    ["--finish soon", /`finish` .*"soon"/],
    ["--proposal mini-gsm-proposal", "--proposal needs --method ets-is"],
    ["--thinking", /unknown option '--thinking'/],
    ["--unknown", /unknown option '--unknown'/],
    ["--unknown", /\nTry: llama-ets ask --help\n$/],
    ["--lamda 1", /unknown option '--lamda'\s.*\n.*Did you mean --lambda/],
    ["--lambda", /--lambda.* argument missing/],
    ["another prompt", /too many arguments/],
  ])("%s", async (flags, says) => {
    const args = ["ask", PROMPT, ...flags.split(" ")];
    await expectError(args, { code: "ERR_INVALID_OPTION", exit: 2, says });
  });

  test("eval --config with a flag that the file's sweep would pass over", async () => {
    await expectError(["eval", "--config", "sweep.yaml", "--out", "x", "--limit", "5"], {
      code: "ERR_INVALID_OPTION",
      exit: 2,
      says: "--limit has no effect on a sweep",
    });
  });

  test("eval --config with --model beside models in the file", async () => {
    const file = scratchFile("models.yaml", "tasks: mini-gsm\nmodels: a.gguf\nmethods: [sample]\n");
    await expectError(["eval", "--config", file, "--out", "x", "-m", "missing.gguf"], {
      code: "ERR_INVALID_OPTION",
      exit: 2,
      says: "Expected --model or `models` in the file, got both",
    });
  });

  test.each([
    ["abc", { code: "ERR_INVALID_OPTION", exit: 2 }, "to be a Redis URL, got abc"],
    ["redis://127.0.0.1:1", { code: "ERR_QUEUE", exit: 1 }, "No Redis at 127.0.0.1:1"],
  ] as const)(
    "worker --queue %s is refused before a model is looked for",
    async (queue, how, says) => {
      await expectError(["worker", "-m", "missing.gguf", "--queue", queue], { ...how, says });
    },
  );

  test.skipIf(process.platform === "win32").each([
    ["ask 1 -m ./model.gguf", "ERR_MODEL_NOT_FOUND", 1],
    ["ask 1 --isolate", "ERR_ENGINE_FAILED", 1],
    ["compare run", "ERR_INVALID_OPTION", 2],
  ] as const)("%s says that the working directory was removed", async (args, code, exit) => {
    const place = scratch(`removed-${code}`);
    mkdirSync(place);
    const through = ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', place];
    const says = "the working directory was removed";
    await expectError(args.split(" "), { code, exit, says }, { through });
  });

  test.each([
    ["--tools", "{}", /--tools: expected .* to hold a JSON array/],
    ["--tools", "[", /--tools: expected .* to hold JSON/],
    ["--tools", "[3]", /`tools\[0\]` to be an object/],
    ["--chat-template", "", /`chatTemplate` \(--chat-template\) to hold a template/],
  ])("%s FILE with %j is refused before a model is looked for", async (flag, content, says) => {
    const file = scratchFile(`refused${content.length}${flag}`, content);
    const args = ["ask", PROMPT, "-m", "missing.gguf", flag, file];
    await expectError(args, { code: "ERR_INVALID_OPTION", exit: 2, says });
  });

  test("an unknown command", async () => {
    await expectError(["aks"], {
      code: "ERR_INVALID_OPTION",
      exit: 2,
      says: /unknown command 'aks'.*\n.*Did you mean ask/,
    });
  });

  test("doctor --gpu abacus", async () => {
    await expectError(["doctor", "--gpu", "abacus"], {
      code: "ERR_INVALID_OPTION",
      exit: 2,
      says: '"abacus"',
    });
  });
});
