/**
 * Requests to a server that this package doesn't control. Their number at once, their time and the size
 * of answers are limited. Failures that may be temporary are retried. The key is sent only to the named
 * address.
 */
import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, LlamaEtsError, messageOf } from "../errors.js";

/** Limits of requests, and the key. */
export interface HttpOptions {
  /** Requests at once; others wait. */
  concurrency: number;
  /** Time limit of a complete answer. */
  timeoutMs: number;
  /** The most times that a failed request is sent again. */
  retries: number;
  /** The bearer token; null for none. */
  key: string | null;
}

interface Answer {
  status: number;
  body: string;
  retryAfterMs: number | null;
  location: string | null;
}

/** The most bytes of an answer: more than any request can need. */
const MAX_BYTES = 64 * 2 ** 20;
/** The wait before the first retry. It doubles with each further one. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8000;
/** The longest wait that a server may request. */
const LONGEST_RETRY_AFTER_MS = 60_000;
const PASSING = [408, 425, 429, 500, 502, 503, 504];

/** The error of a request that the server refused. */
export class Refusal extends LlamaEtsError {
  constructor(
    message: string,
    readonly status: number,
    options: { fix?: string },
  ) {
    super("ERR_ENGINE_REFUSED", message, options);
  }
}

/** A failure that may be temporary. */
class Passing extends Error {
  constructor(
    message: string,
    readonly waitMs: number | null,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Sends requests to one server. */
export class HttpClient {
  readonly #options: HttpOptions;
  readonly #agents = {
    "http:": new HttpAgent({ keepAlive: true }),
    "https:": new HttpsAgent({ keepAlive: true }),
  };
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /**
   * Sends a request, and returns the JSON of the answer.
   *
   * @param body JSON to post; undefined sends a GET
   * @throws LlamaEtsError `ERR_ENGINE_UNREACHABLE`, `ERR_ENGINE_REFUSED`, `ERR_ENGINE_ANSWER`; the
   *   signal's reason
   */
  async json(url: string, body: unknown, signal?: AbortSignal): Promise<unknown> {
    const leave = await this.#enter(signal);
    try {
      const answer = await this.#repeat(url, body, signal);
      return parse(url, answer.body);
    } finally {
      leave();
    }
  }

  close(): void {
    for (const agent of Object.values(this.#agents)) agent.destroy();
  }

  async #repeat(url: string, body: unknown, signal: AbortSignal | undefined): Promise<Answer> {
    const { retries } = this.#options;
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await this.#once(url, body, signal);
        if (answer.status >= 200 && answer.status < 300) return answer;
        this.#refuse(url, answer);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof Passing)) throw error;
        if (attempt === retries) throw unreachable(url, error, attempt + 1);
        const backOff = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** attempt);
        // Half of the wait is random, so that requests that failed together aren't retried together.
        const wait = error.waitMs ?? backOff * (0.5 + Math.random() / 2);
        await sleep(wait, undefined, { ...(signal && { signal }) }).catch(() => {});
        signal?.throwIfAborted();
      }
    }
  }

  #once(url: string, body: unknown, signal: AbortSignal | undefined): Promise<Answer> {
    const { key, timeoutMs } = this.#options;
    const target = new URL(url);
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const protocol = target.protocol as "http:" | "https:";
      const send = protocol === "https:" ? requestHttps : requestHttp;
      const request = send(target, {
        method: text === undefined ? "GET" : "POST",
        agent: this.#agents[protocol],
        headers: {
          accept: "application/json",
          "accept-encoding": "identity",
          ...(text !== undefined && {
            "content-type": "application/json",
            "content-length": Buffer.byteLength(text),
          }),
          ...(key !== null && { authorization: `Bearer ${key}` }),
        },
      });
      const stop = () => request.destroy(signal?.reason as Error);
      const late = () => {
        request.destroy(new Passing(`no whole answer came in ${timeoutMs / 1000} s`, null));
      };
      const timer = setTimeout(late, timeoutMs);
      signal?.addEventListener("abort", stop, { once: true });
      const end = (settle: () => void) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", stop);
        settle();
      };
      const fail = (error: unknown) => {
        const passing = asPassing(error);
        // A server may close an idle connection just when a request arrives. Then retry at once.
        const isStale = passing instanceof Passing && request.reusedSocket;
        end(() => reject(isStale ? new Passing(passing.message, 0, { cause: error }) : passing));
      };
      request.on("error", fail);
      request.on("response", (response) => {
        readBody(response).then((answer) => end(() => resolve(answer)), fail);
      });
      request.end(text);
    });
  }

  #refuse(url: string, answer: Answer): never {
    const { status, retryAfterMs, location } = answer;
    const said = this.#excerpt(answer.body);
    const message = `${hostOf(url)} answered ${status}${said === "" ? "" : `: ${said}`}`;
    if (PASSING.includes(status)) throw new Passing(message, retryAfterMs);
    throw new Refusal(message, status, fixFor(status, location));
  }

  /** The message of an error answer, on one line and without the key. */
  #excerpt(body: string): string {
    const { key } = this.#options;
    const told = errorIn(body) ?? body;
    const safe = key === null ? told : told.replaceAll(key, "[key]");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal would obey them
    const line = safe.replace(/[\s\u0000-\u001f\u007f-\u009f]+/g, " ").trim();
    return line.length > 300 ? `${line.slice(0, 300)}…` : line;
  }

  /** Waits until the request may run. Returns the function that ends its turn. */
  async #enter(signal: AbortSignal | undefined): Promise<() => void> {
    signal?.throwIfAborted();
    if (this.#running >= this.#options.concurrency) {
      await new Promise<void>((resolve, reject) => {
        const enter = () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        };
        const leave = () => {
          this.#waiting.splice(this.#waiting.indexOf(enter), 1);
          reject(signal?.reason);
        };
        this.#waiting.push(enter);
        signal?.addEventListener("abort", leave, { once: true });
      });
    } else {
      this.#running += 1;
    }
    return () => {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next(); // the next request takes over the turn
    };
  }
}

async function readBody(response: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BYTES) {
      throw new LlamaEtsError(
        "ERR_ENGINE_ANSWER",
        `Expected an answer of at most ${MAX_BYTES} bytes, more came`,
      );
    }
    parts.push(part);
  }
  return {
    status: response.statusCode ?? 0,
    body: Buffer.concat(parts).toString("utf8"),
    retryAfterMs: retryAfter(response.headers["retry-after"]),
    location: response.headers.location ?? null,
  };
}

/** The wait in milliseconds that a `Retry-After` header requests, in seconds or by a date. */
function retryAfter(header: string | undefined): number | null {
  if (header === undefined) return null;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), LONGEST_RETRY_AFTER_MS) : null;
}

function parse(url: string, body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (cause) {
    throw new LlamaEtsError(
      "ERR_ENGINE_ANSWER",
      `Expected JSON from ${hostOf(url)}: ${messageOf(cause).slice(0, 200)}`,
      { fix: "the address of a server with OpenAI's API, such as http://localhost:8000/v1", cause },
    );
  }
}

/** Converts network errors to `Passing`, because they may be temporary. Other errors are unchanged. */
function asPassing(error: unknown): unknown {
  if (error instanceof Passing || error instanceof LlamaEtsError) return error;
  const inner = error instanceof AggregateError ? (error.errors[0] ?? error) : error;
  const code = codeOf(inner);
  const isOfNetwork = code !== undefined || messageOf(inner) === "aborted";
  if (!isOfNetwork) return error;
  return new Passing(messageOf(inner) === "aborted" ? "it hung up" : messageOf(inner), null, {
    cause: error,
  });
}

function unreachable(url: string, failure: Passing, attempts: number): LlamaEtsError {
  return new LlamaEtsError(
    "ERR_ENGINE_UNREACHABLE",
    `${hostOf(url)} can't be used, tried ${attempts} times: ${failure.message}`,
    {
      fix: "the server's log; an evaluation goes on with --resume once it is back",
      cause: failure,
    },
  );
}

function hostOf(url: string): string {
  return new URL(url).host;
}

/** The message of an error answer, in OpenAI's form or another usual one. */
function errorIn(body: string): string | undefined {
  try {
    const { error, message, detail } = Object(JSON.parse(body));
    const told = Object(error).message ?? error ?? message ?? detail;
    return typeof told === "string" ? told : undefined;
  } catch {
    return undefined;
  }
}

function fixFor(status: number, location: string | null): { fix?: string } {
  if (status === 401 || status === 403) {
    return { fix: "the server's key in the environment variable LLAMA_ETS_API_KEY" };
  }
  if (status >= 300 && status < 400 && location !== null && URL.canParse(location)) {
    const { origin } = new URL(location);
    return {
      fix: `the address that it redirects to, which is at ${origin}: the key goes to no other`,
    };
  }
  return status === 404 ? { fix: "an address that ends in /v1, and a model that it has" } : {};
}
