/**
 * The process in which llama.cpp's own code reads templates, answers, schemas and grammars
 * (`native/text/text_process.cc`). A hostile input may crash it. Then it is started again.
 */
import type { ChildProcessByStdio } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import type { Socket } from "node:net";
import path from "node:path";
import type { Readable, Writable } from "node:stream";
import { messageOf } from "../errors.js";
import { compiledFile } from "../package-files.js";
import { startProcess } from "../start-process.js";
import { TextFailure } from "./text-failure.js";

const PROGRAM = "llama_ets_text_process";
const MODULE = "llama_ets_text.node";

/** Limits of the process. */
export interface TextLimits {
  /** CPU time for a request, per started mebibyte of the request. Usual templates take milliseconds. */
  seconds: number;
  /** Total memory of the process. */
  mebibytes: number;
}
const LIMITS: TextLimits = { seconds: 1, mebibytes: 512 };
/** Wall-clock limit, for a process that neither computes nor answers. */
const PATIENCE_MS = 30_000;
/** The most characters of a reply: no prompt is longer. */
const MAX_REPLY = 64 << 20;
/** The most failed requests that are remembered. A request that has ended the process isn't sent again. */
const MAX_REMEMBERED = 1000;

/** Environment variables for the program: the time zone for dates, and the paths of libraries. */
const PASSED_ON = ["TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

// Exit codes of the program.
const OUT_OF_MEMORY = 70;
const NOT_LOADED = 71;

/** A request: the name of an operation, and its arguments. */
export interface TextRequest {
  op: string;
  [name: string]: unknown;
}
export type TextReply = Record<string, unknown>;

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** The path of llama.cpp's library for texts in an engine's directory; undefined if there is none. */
export function textLibraryIn(directory: string): string | undefined {
  if (!existsSync(directory)) return undefined;
  const name = readdirSync(directory).find((file) =>
    /^(lib)?llama-common\.(.*\.)?(so|dylib)$/.test(file),
  );
  return name === undefined ? undefined : path.join(directory, name);
}

/** The process starts with the first request, and answers requests one after another. */
export class TextProcess {
  readonly library: string;
  readonly #limits: TextLimits;
  #child: Child | undefined;
  #last: Promise<unknown> = Promise.resolve();
  readonly #failures = new Map<string, TextFailure>();

  /** @param library llama.cpp's library, of the release that the addon was compiled for */
  constructor(library: string, limits = LIMITS) {
    this.library = library;
    this.#limits = limits;
  }

  /** The id of the process; undefined if none is running. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Sends a request and waits for its reply. Throws `TextFailure`. */
  request(request: TextRequest): Promise<TextReply> {
    const line = JSON.stringify(request, (_, value) =>
      typeof value === "string" ? wellFormed(value) : value,
    );
    const key = createHash("sha256").update(line).digest("base64");
    const reply = this.#last.then(() => this.#answer(line, key));
    this.#last = reply.catch(() => {});
    return reply;
  }

  async #answer(line: string, key: string): Promise<TextReply> {
    const known = this.#failures.get(key);
    if (known !== undefined) throw known;
    try {
      const reply = JSON.parse(await this.#exchange(line)) as TextReply;
      if (typeof reply.error === "string") throw new TextFailure("refused", reply.error);
      return reply;
    } catch (error) {
      if (!(error instanceof TextFailure) || error.kind === "refused") throw error;
      if (this.#failures.size < MAX_REMEMBERED) this.#failures.set(key, error);
      throw error;
    }
  }

  async #exchange(line: string): Promise<string> {
    for (let tries = 0; ; tries++) {
      try {
        this.#child ??= await start(this.library, this.#limits);
        return await exchange(this.#child, line);
      } catch (error) {
        this.#child = undefined;
        if (!(error instanceof Ending)) throw error;
        if (!error.isForeign || tries > 0) throw error.failure(this.#limits);
      }
    }
  }
}

/** The end of the process during a request. */
class Ending extends Error {
  readonly #code: number | null;
  readonly #signal: NodeJS.Signals | "late" | "long" | null;
  readonly #said: string;

  constructor(code: number | null, signal: NodeJS.Signals | "late" | "long" | null, said = "") {
    super();
    this.#code = code;
    this.#signal = signal;
    this.#said = said.trim();
  }

  /** Whether somebody else has killed the process, so that the request isn't the reason. */
  get isForeign(): boolean {
    return this.#signal === "SIGKILL" || this.#signal === "SIGTERM";
  }

  failure({ seconds, mebibytes }: TextLimits): TextFailure {
    if (this.#signal === "SIGPROF" || this.#signal === "late") {
      return new TextFailure("time", `it computes for more than ${seconds} s`);
    }
    if (this.#code === OUT_OF_MEMORY || this.#signal === "long") {
      return new TextFailure("memory", `it takes more than ${mebibytes} MiB`);
    }
    if (this.#code === NOT_LOADED) return new TextFailure("crash", this.#said);
    const how = this.#signal ?? `exit code ${this.#code}`;
    return new TextFailure("crash", `it crashes llama.cpp (${how})`);
  }
}

/** Says which file of the program is missing, as on Windows; undefined if all are there. */
export function missingForTextProcess(): string | undefined {
  const missing = [PROGRAM, MODULE].find((name) => compiledFile(name) === undefined);
  return missing === undefined ? undefined : `${missing} wasn't built`;
}

async function start(library: string, { seconds, mebibytes }: TextLimits): Promise<Child> {
  const limits = [Math.ceil(seconds * 1000), mebibytes].map(String);
  const [program, module] = [PROGRAM, MODULE].map((name) => compiledFile(name) ?? name);
  const child = (await startProcess(program as string, [library, module as string, ...limits], {
    stdio: ["pipe", "pipe", "ignore"],
    env: Object.fromEntries(
      PASSED_ON.flatMap((name) => {
        const value = process.env[name];
        return value === undefined ? [] : [[name, value]];
      }),
    ),
  })) as Child;
  child.stdin.on("error", () => {}); // the process has ended, and its exit event reports that
  child.stdout.setEncoding("utf8");
  const said = await exchange(child);
  if (said === "ready") return child;
  child.kill("SIGKILL");
  throw new TextFailure("crash", said);
}

/** Sends a line and waits for one. The child keeps this process alive only during the exchange. */
async function exchange(child: Child, request?: string): Promise<string> {
  hold(child, true);
  let cleanUp = () => {};
  try {
    return await new Promise<string>((resolve, reject) => {
      const chunks: string[] = [];
      let length = 0;
      const end = (why: "late" | "long") => {
        child.kill("SIGKILL");
        reject(new Ending(null, why));
      };
      const onData = (chunk: string) => {
        length += chunk.length;
        if (length > MAX_REPLY) end("long");
        else if (!chunk.endsWith("\n")) chunks.push(chunk);
        else resolve([...chunks, chunk.slice(0, -1)].join(""));
      };
      const onError = (error: unknown) => reject(new TextFailure("crash", messageOf(error)));
      const onExit = (code: number | null, signal: NodeJS.Signals | null) =>
        reject(new Ending(code, signal, chunks.join("")));
      const patience = setTimeout(end, PATIENCE_MS, "late");
      child.stdout.on("data", onData);
      child.once("error", onError);
      child.once("close", onExit); // comes after all of its output was read
      cleanUp = () => {
        clearTimeout(patience);
        child.stdout.off("data", onData);
        child.off("error", onError);
        child.off("close", onExit);
      };
      const { exitCode, signalCode } = child;
      if (exitCode !== null || signalCode !== null) onExit(exitCode, signalCode);
      else if (request !== undefined) child.stdin.write(`${request}\n`);
    });
  } finally {
    cleanUp();
    hold(child, false);
  }
}

function hold(child: Child, isHeld: boolean): void {
  // Pipes of a child are sockets.
  for (const handle of [child, child.stdin as Socket, child.stdout as Socket]) {
    if (isHeld) handle.ref();
    else handle.unref();
  }
}

/** Replaces lone surrogates, which have no UTF-8, by U+FFFD. The tokenizer does the same. */
function wellFormed(text: string): string {
  return /\p{Surrogate}/u.test(text) ? text.replace(/\p{Surrogate}/gu, "\ufffd") : text;
}
