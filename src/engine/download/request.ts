/** Requests to a hub or a web server. Handles redirects, the token, silence, and error statuses. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { homeDirectory } from "../cache-directory.js";
import { LlamaEtsError, messageOf } from "../errors.js";
import { hubEndpoint } from "./address.js";
import { PassingFailure } from "./patience.js";

const MOST_REDIRECTS = 10;

/** The purpose of a request, for error messages. */
export interface Subject {
  /** The source as the caller named it. */
  source: string;
  /** The page of the repository on the hub. */
  page?: string;
}

/** A server's answer, and what the hub's headers say about the file. */
export interface Answer {
  response: Response;
  /** The file's SHA-256 in hexadecimal, and its size; absent if the hub doesn't give them. */
  sha256?: string;
  size?: number;
}

/** Fewest bytes that must arrive within twice the time of silence. Otherwise the transfer is too slow. */
const LEAST_BYTES = 2 ** 16;

/** Aborts a request that is silent for too long or too slow, or when the outer signal is aborted. */
export class Watchdog {
  readonly #controller = new AbortController();
  readonly #silence: NodeJS.Timeout;
  readonly #drip: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  /** Bytes since the timer for slow transfers was started. */
  #bytes = 0;
  readonly #onAbort = () => this.#controller.abort(this.#outer?.reason);

  constructor(silentMs: number, outer: AbortSignal | undefined) {
    const after = (ms: number, what: () => string) =>
      setTimeout(() => this.#controller.abort(new Error(`${what()} for ${ms / 1000} s`)), ms);
    this.#silence = after(silentMs, () => "nothing came");
    this.#drip = after(2 * silentMs, () => `no more than ${this.#bytes} bytes came`);
    this.#outer = outer;
    outer?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Restarts both timers: the server has answered. */
  answered(): void {
    this.#bytes = 0;
    this.#silence.refresh();
    this.#drip.refresh();
  }

  /** Restarts the timer of silence: bytes have arrived. */
  heard(bytes: number): void {
    this.#bytes += bytes;
    this.#silence.refresh();
    if (this.#bytes >= LEAST_BYTES) this.answered();
  }

  /** Stops the timers, and aborts the request if it is still open. */
  close(): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#drip);
    this.#outer?.removeEventListener("abort", this.#onAbort);
    this.#controller.abort();
  }
}

/**
 * Sends a request, and returns the answer after all redirects; its status is 2xx or 416. It follows
 * redirects itself, because the hub gives a file's checksum in the headers of a redirect, which `fetch`
 * would hide. Throws `PassingFailure`, or `ERR_DOWNLOAD` for an error that a retry can't fix.
 */
export async function request(
  url: string,
  headers: Record<string, string>,
  subject: Subject,
  watchdog: Watchdog,
): Promise<Answer> {
  let current = new URL(url);
  let linked: Pick<Answer, "sha256" | "size"> = {};
  const token = await hubToken();
  for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
    // Send the token only to the hub.
    const isHub = current.origin === new URL(hubEndpoint()).origin;
    const response = await fetch(current, {
      headers: {
        // Without this, a server may compress the file. A range would then refer to compressed bytes.
        "Accept-Encoding": "identity",
        ...headers,
        ...(isHub && token !== undefined && { Authorization: `Bearer ${token}` }),
      },
      redirect: "manual",
      signal: watchdog.signal,
    }).catch((error: unknown) => {
      const message = `${current.host}: ${failureOf(error, watchdog)}`;
      throw new PassingFailure(message, { cause: error });
    });
    watchdog.answered();
    linked = { ...linked, ...linkedBy(response) };
    const location = response.headers.get("location");
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel().catch(() => {});
      current = new URL(location, current);
      continue;
    }
    if (response.ok || response.status === 416) return { response, ...linked };
    await response.body?.cancel().catch(() => {});
    throw refusal(response, current, subject, token !== undefined);
  }
  throw new LlamaEtsError("ERR_DOWNLOAD", `${subject.source}: ${url} redirects without end`);
}

/** The message for a failed fetch, or for a body that broke off. */
export function failureOf(error: unknown, { signal }: Watchdog): string {
  if (signal.aborted) return messageOf(signal.reason);
  // fetch says only "fetch failed". The reason is in its cause, or in the errors of an AggregateError.
  let inner: unknown = error;
  while (inner instanceof Error && inner.cause !== undefined) inner = inner.cause;
  if (inner instanceof AggregateError) inner = inner.errors[0];
  return messageOf(inner);
}

function linkedBy({ headers }: Response): Pick<Answer, "sha256" | "size"> {
  const sha256 = /^(?:W\/)?"?([0-9a-f]{64})"?$/i.exec(headers.get("x-linked-etag") ?? "")?.[1];
  const size = Number(headers.get("x-linked-size") ?? Number.NaN);
  return { ...(sha256 && { sha256: sha256.toLowerCase() }), ...(size >= 0 && { size }) };
}

function refusal(response: Response, url: URL, subject: Subject, hasToken: boolean): Error {
  const { status, statusText, headers } = response;
  const answered = `${url.host} answered ${status}${statusText && ` ${statusText}`}`;
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const seconds = Number(headers.get("retry-after") ?? 0);
    return new PassingFailure(answered, { waitMs: seconds > 0 ? seconds * 1000 : 0 });
  }
  return new LlamaEtsError(
    "ERR_DOWNLOAD",
    `${subject.source} could not be downloaded: ${answered}`,
    { fix: fixFor(status, subject, hasToken) },
  );
}

function fixFor(status: number, { page }: Subject, hasToken: boolean): string {
  if (page === undefined) return "check the URL, or download the file and give its path";
  if (status === 401 || status === 403) {
    // The hub gives these statuses for gated and private repositories, and for unknown names.
    const token = hasToken
      ? "check that HF_TOKEN is a valid token of an account that has access"
      : "set HF_TOKEN to a token of your account (huggingface.co/settings/tokens)";
    return `accept the model's licence on ${page}, and ${token}; check the name`;
  }
  return `look at ${page} for the names of its files and quantizations`;
}

/** The hub's token. It is looked for in the same places as by Hugging Face's own tools. */
async function hubToken(): Promise<string | undefined> {
  const { HF_TOKEN, HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME } = process.env;
  if (HF_TOKEN !== undefined && HF_TOKEN.trim() !== "") return HF_TOKEN.trim();
  try {
    const cache = () => XDG_CACHE_HOME || path.join(homeDirectory(), ".cache");
    const file = HF_TOKEN_PATH || path.join(HF_HOME || path.join(cache(), "huggingface"), "token");
    return (await readFile(file, "utf8")).trim() || undefined;
  } catch {
    return undefined;
  }
}
