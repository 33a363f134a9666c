/** Runs one program under its tests: passes the judge's calls to the candidate, and its results back. */
import { type Interpreter, InterpreterGone } from "./interpreter.js";

/** A program with its tests, in Python. */
export interface TestRun {
  /** The whole program, which is not trusted. */
  program: string;
  /** The function under test. */
  entryPoint: string;
  /** Trusted code that the tests need, such as helper functions. Default: none. */
  setup?: string;
  /**
   * Trusted tests. They call `entryPoint` by name, or define `check(candidate)`. Arguments and results are
   * passed by value; a result that isn't plain data becomes a value that equals nothing.
   */
  tests: string;
}

/** The result of a program's tests. */
export interface TestResult {
  /** `blocked`: the program tried something that is not allowed, even if it had no effect. */
  result: "pass" | "fail" | "timeout" | "blocked";
  /** A short reason of the failure. */
  detail: string;
}

const MAX_ATTEMPTS = 8;
const MAX_TEXT = 300;
/** The largest depth of nested lists and objects in a message. */
const MAX_NESTING = 500;
const GONE = '{"gone":true}';

export class Session {
  readonly #judge: Interpreter;
  readonly #candidate: Interpreter;
  /** Whether the candidate has answered. From then on, the end of the judge may be the candidate's fault. */
  hasAnswered = false;
  #attempts: string[] = [];
  #end: string | undefined;

  constructor(judge: Interpreter, candidate: Interpreter) {
    this.#judge = judge;
    this.#candidate = candidate;
  }

  /** Runs the tests. Throws `InterpreterGone` if the judge ends. If the candidate ends, it has failed. */
  async run({ program, entryPoint, setup = "", tests }: TestRun): Promise<TestResult> {
    const defined = parse(await this.#askCandidate(JSON.stringify({ program, entryPoint })));
    if (defined.value !== null) return this.#conclude(false, this.#end ?? describe(defined.error));
    let message = await this.#judge.ask(JSON.stringify({ setup, entryPoint, tests }));
    for (;;) {
      const { passed, detail } = parse(message);
      if (typeof passed === "boolean") return this.#conclude(passed, toText(detail));
      message = await this.#judge.ask(await this.#askCandidate(message));
    }
  }

  /** The candidate's answer in the form that the judge reads, or `GONE` if there is no valid answer. */
  async #askCandidate(message: string): Promise<string> {
    try {
      const answer = await this.#candidate.ask(message);
      this.hasAnswered = true;
      const { attempts, value, error } = parse(answer);
      if (Array.isArray(attempts)) this.#attempts = attempts.slice(0, MAX_ATTEMPTS).map(toText);
      if (error !== undefined) return JSON.stringify({ error: describeError(error) });
      return value === undefined ? GONE : JSON.stringify({ value });
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

/**
 * Parses a message of an interpreter, which is not trusted. Anything except an object becomes an empty
 * object. So does an object that is nested deeper than any result, because it would overflow the judge's
 * stack.
 */
function parse(message: string): Record<string, unknown> {
  try {
    if (nesting(message) > MAX_NESTING) return {};
    const data: unknown = JSON.parse(message);
    return typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** The largest number of brackets that are open at once in a JSON text. */
function nesting(json: string): number {
  let [depth, deepest] = [0, 0];
  for (let i = 0; i < json.length; i++) {
    const char = json[i];
    if (char === '"') i = endOfString(json, i);
    else if (char === "[" || char === "{") deepest = Math.max(deepest, ++depth);
    else if (char === "]" || char === "}") depth--;
  }
  return deepest;
}

function endOfString(json: string, start: number): number {
  for (let i = start + 1; i < json.length; i++) {
    if (json[i] === "\\") i++;
    else if (json[i] === '"') return i;
  }
  return json.length;
}

/** The beginning of a string; "" for other values. */
function toText(value: unknown): string {
  return typeof value === "string" ? value.slice(0, MAX_TEXT) : "";
}

function describeError(error: unknown): { type: string; message: string } {
  const { type, message } = (typeof error === "object" && error !== null ? error : {}) as Record<
    string,
    unknown
  >;
  return { type: toText(type), message: toText(message) };
}

function describe(error: unknown): string {
  const { type, message } = describeError(error);
  return type === "" ? "The program garbled its own answers" : `${type}: ${message}`;
}
