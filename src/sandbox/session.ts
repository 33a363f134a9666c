/** One program under its tests: the judge's calls go to the candidate, and its values back. */
import { type Interpreter, InterpreterGone } from "./interpreter.js";

/** A program with its tests, all Python. */
export interface TestRun {
  /** The whole program, hostile. */
  program: string;
  /** The function under test. */
  entryPoint: string;
  /** Trusted code that the tests need, such as helper functions. Default: none. */
  setup?: string;
  /**
   * Trusted tests: they call `entryPoint` by name, or define `check(candidate)`. Arguments and
   * results are passed by value; what isn't plain data comes back equal to nothing.
   */
  tests: string;
}

export interface TestResult {
  /** `blocked`: it tried what is not allowed, whatever came of it. */
  result: "pass" | "fail" | "timeout" | "blocked";
  /** Why it failed, in short. */
  detail: string;
}

const GONE = '{"gone":true}';

export class Session {
  readonly #judge: Interpreter;
  readonly #candidate: Interpreter;
  #attempts: string[] = [];
  #end: string | undefined;

  constructor(judge: Interpreter, candidate: Interpreter) {
    this.#judge = judge;
    this.#candidate = candidate;
  }

  /** Throws `InterpreterGone` when the judge ends; a candidate that does has failed. */
  async run({ program, entryPoint, setup = "", tests }: TestRun): Promise<TestResult> {
    const defined = parse(await this.#askCandidate(JSON.stringify({ program, entryPoint })));
    if (defined.value !== null) return this.#conclude(false, this.#end ?? describe(defined.error));
    let message = await this.#judge.ask(JSON.stringify({ setup, entryPoint, tests }));
    for (;;) {
      const { passed, detail } = parse(message);
      if (typeof passed === "boolean") return this.#conclude(passed, String(detail));
      message = await this.#judge.ask(await this.#askCandidate(message));
    }
  }

  async #askCandidate(message: string): Promise<string> {
    try {
      const answer = await this.#candidate.ask(message);
      const { attempts } = parse(answer);
      if (Array.isArray(attempts)) this.#attempts = attempts.map(String);
      return answer;
    } catch (error) {
      if (!(error instanceof InterpreterGone)) throw error;
      this.#end ??= "The program ended its interpreter";
      return GONE;
    }
  }

  #conclude(passed: boolean, detail: string): TestResult {
    if (this.#attempts.length > 0) return { result: "blocked", detail: this.#attempts.join(", ") };
    return passed
      ? { result: "pass", detail: "" }
      : { result: "fail", detail: this.#end ?? detail };
  }
}

/** What comes from an interpreter is hostile: anything but an object is an empty one. */
function parse(message: string): Record<string, unknown> {
  try {
    const data: unknown = JSON.parse(message);
    return typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function describe(error: unknown): string {
  const { type, message } = (error ?? {}) as Record<string, unknown>;
  return type === undefined ? "The program garbled its own answers" : `${type}: ${message}`;
}
