/** Requests to a hub or a web server: redirects, the token, silence, and what a status means. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { homeDirectory } from "../cache-directory.js";
import { LlamaEtsError, messageOf } from "../errors.js";
import { hubEndpoint } from "./address.js";
import { PassingFailure } from "./patience.js";

const MOST_REDIRECTS = 10;

/** What a request is for, in errors. */
export interface Subject {
  /** As the caller named it. */
  source: string;
  /** The page of the repository on the hub. */
  page?: string;
}

export interface Answer {
  response: Response;
  /** SHA-256 in hexadecimal and size of the file, where the hub gives them. */
  sha256?: string;
  size?: number;
}

/** Bytes that have to come within twice the time of silence: a server that sends less drips. */
const LEAST_BYTES = 2 ** 16;

/** Aborts what is silent for too long, or drips, or when the signal does. */
export class Watchdog {
  readonly #controller = new AbortController();
  readonly #silence: NodeJS.Timeout;
  readonly #drip: NodeJS.Timeout;
  readonly #outer: AbortSignal | undefined;
  /** Since the timer of dripping was set. */
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

  /** The server has answered. */
  answered(): void {
    this.#bytes = 0;
    this.#silence.refresh();
    this.#drip.refresh();
  }

  /** Bytes have come. */
  heard(bytes: number): void {
    this.#bytes += bytes;
    this.#silence.refresh();
    if (this.#bytes >= LEAST_BYTES) this.answered();
  }

  /** Ends the request, if it is still open. */
  close(): void {
    clearTimeout(this.#silence);
    clearTimeout(this.#drip);
    this.#outer?.removeEventListener("abort", this.#onAbort);
    this.#controller.abort();
  }
}

/**
 * The answer behind all redirects, its status being 2xx or 416. The hub tells a file's checksum in a
 * redirect's headers, which fetch would follow unseen. Throws `PassingFailure`, and `ERR_DOWNLOAD`
 * for what repeating doesn't mend.
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
    // No other server sees the token.
    const isHub = current.origin === new URL(hubEndpoint()).origin;
    const response = await fetch(current, {
      headers: {
        // Without it, servers may pack the file, and a range would be one of the packed bytes.
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

/** What a failed fetch, or a body that broke off, is told as. */
export function failureOf(error: unknown, { signal }: Watchdog): string {
  if (signal.aborted) return messageOf(signal.reason);
  // fetch says "fetch failed"; why is in its cause, and of several addresses in their causes.
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
    // The hub answers so for gated and private repositories, and for names that don't exist.
    const token = hasToken
      ? "check that HF_TOKEN is a valid token of an account that has access"
      : "set HF_TOKEN to a token of your account (huggingface.co/settings/tokens)";
    return `accept the model's licence on ${page}, and ${token}; check the name`;
  }
  return `look at ${page} for the names of its files and quantizations`;
}

/** As Hugging Face's own tools find it. */
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
