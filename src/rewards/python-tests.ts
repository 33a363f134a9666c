import { checkFunction, checkKeys, checkString, optional } from "../engine/check.js";
import { openSandbox } from "../sandbox/open.js";
import type { Sandbox } from "../sandbox/sandbox.js";
import { resolveSandboxOptions } from "../sandbox/sandbox-options.js";
import type { Reward } from "./reward.js";
import { verifier } from "./verifier.js";

/** The unit tests that a text's program must pass. */
export interface PythonTestsOptions {
  /** The function under test. */
  entryPoint: string;
  /** Python that calls it by name, or defines `check(candidate)`. */
  tests: string;
  /** Trusted code that the tests need. Default: none. */
  setup?: string;
  /** How long a program may run, from 100 to 600,000. Default 10,000. */
  timeoutMs?: number;
  /** The program in a text. Default: its last fenced block, or else the whole text. */
  extract?: (text: string) => string;
}

/**
 * 1 for texts whose Python program passes the unit tests. Programs run in a sandbox, which the reward opens
 * on first use; disposing the reward closes it. Programs that time out or try what isn't allowed earn 0.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`; `score` throws `ERR_SANDBOX`
 */
export function pythonTests(options: PythonTestsOptions): Reward {
  checkKeys("pythonTests", options, ["entryPoint", "tests", "setup", "timeoutMs", "extract"]);
  const { extract = programIn } = options;
  checkFunction("extract", extract);
  const setup = optional(checkString, "setup", options.setup);
  const { timeoutMs } = resolveSandboxOptions(
    options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs },
  );
  const entryPoint = checkString("entryPoint", options.entryPoint);
  const tests = checkString("tests", options.tests);
  let opening: Promise<Sandbox> | undefined;
  const judge = verifier(async ({ text }) => {
    opening ??= openSandbox({ timeoutMs });
    const sandbox = await opening;
    const run = {
      program: extract(text),
      entryPoint,
      tests,
      ...(setup !== undefined && { setup }),
    };
    return (await sandbox.check(run)).result === "pass";
  }, "python-tests");
  return {
    ...judge,
    async [Symbol.asyncDispose]() {
      await (await opening)?.[Symbol.asyncDispose]();
    },
  };
}

function programIn(text: string): string {
  const blocks = [...text.matchAll(/```(?:python|py)?[ \t]*\n(.*?)```/gs)];
  return blocks.at(-1)?.[1] ?? text;
}
