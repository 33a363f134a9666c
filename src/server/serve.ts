/** Serves models over HTTP until it is closed. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { type Logger, pino } from "pino";
import { checkBoolean, checkInteger, checkStrings, refuse } from "../engine/check.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { createApp } from "./app.js";
import { isLoopback } from "./guards.js";
import { Metrics } from "./metrics.js";
import { modelNames } from "./model-names.js";
import { type OpenedModel, openModels, type ServedModel } from "./open-models.js";
import { Runs } from "./runs.js";

export interface ServeOptions {
  /** The host to listen on. Default 127.0.0.1. A host that other machines can reach needs a key. */
  host?: string;
  /** The port. 0 means any free port. Default 8080. */
  port?: number;
  apiKey?: string;
  /** Origins whose pages may send requests. Default: only the server's own origin. */
  cors?: readonly string[];
  /** Maximum number of concurrent runs, from 1 to 128. Default 16. */
  parallel?: number;
  /** Maximum number of waiting runs, from 0 to 100,000. Default 256. */
  queue?: number;
  /** Time limit of an answer in seconds. Default 600. */
  timeLimit?: number;
  /** Maximum size of a request's body in bytes. Default 4 MiB. */
  maxBodyBytes?: number;
  /** Whether the log contains prompts and answers. Default false. */
  logTexts?: boolean;
  /** The log. Default: JSON lines on stderr. */
  log?: Logger;
}

export interface RunningServer extends AsyncDisposable {
  url: string;
  port: number;
  /** Refuses new requests, waits for the answers to accepted ones, and closes the server. */
  close(): Promise<void>;
}

/** Time limits in milliseconds for receiving a request's headers, and the whole request. */
const HEADERS_MS = 10_000;
const REQUEST_MS = 30_000;
/**
 * Longer than clients keep idle connections, so that they don't send a request on a connection that is
 * closing.
 */
const KEEP_ALIVE_MS = 65_000;
const MAX_CHOICES = 128;

/** Checks the options and fills in defaults. Throws `ERR_INVALID_OPTION`. */
export function checkServeOptions(options: ServeOptions) {
  const { host = "127.0.0.1", port = 8080, parallel = 16, queue = 256 } = options;
  const { timeLimit = 600, maxBodyBytes = 4 * 2 ** 20, cors = [], logTexts = false } = options;
  if (!isLoopback(host) && (options.apiKey ?? "") === "") {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected an API key for the host ${host}, which other machines can reach`,
      { fix: "--api-key KEY, LLAMA_ETS_API_KEY, or --host 127.0.0.1" },
    );
  }
  return {
    host,
    cors: checkStrings("cors", cors),
    port: checkInteger("port", port, 0, 65_535),
    parallel: checkInteger("parallel", parallel, 1, 128),
    queue: checkInteger("queue", queue, 0, 100_000),
    timeLimitMs: checkInteger("timeLimit", timeLimit, 1, 86_400) * 1000,
    maxBodyBytes: checkInteger("maxBodyBytes", maxBodyBytes, 1, 2 ** 30),
    logTexts: checkBoolean("logTexts", logTexts),
    apiKey: options.apiKey === "" ? undefined : options.apiKey,
  };
}

/**
 * Checks the models' names. Throws `ERR_INVALID_OPTION` if requests couldn't distinguish models and methods
 * by them.
 */
export function checkNames(names: readonly string[]): void {
  const taken = new Set<string>();
  for (const name of names) {
    if (name.trim() === "") refuse("name", "a model's name that isn't empty", name);
    for (const one of modelNames({ name, hasProposal: true })) {
      if (!taken.has(one)) taken.add(one);
      else {
        throw new LlamaEtsError("ERR_INVALID_OPTION", `Two models would be called ${one}`, {
          fix: "a --name for each -m, in their order",
        });
      }
    }
  }
}

/**
 * Serves the models. The caller keeps ownership of them.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_OUT_OF_MEMORY`, and `ERR_WRITE` if the server can't listen
 *   on the port
 */
export async function serve(
  models: readonly ServedModel[],
  options: ServeOptions = {},
): Promise<RunningServer> {
  const checked = checkServeOptions(options);
  checkNames(models.map(({ name }) => name));
  const { log = pino({ base: null }, pino.destination(2)) } = options;
  const {
    opened,
    runQueue,
    [Symbol.asyncDispose]: closeModels,
  } = await openModels(models, checked);
  const app = createApp({
    ...checked,
    models: models.map(({ name, model, proposal, defaults = {} }, i) => ({
      name,
      kind: model.kind,
      hasProposal: proposal !== undefined,
      defaults,
      runs: new Runs(i, opened[i] as OpenedModel, runQueue),
    })),
    runQueue,
    metrics: new Metrics(runQueue),
    log,
    maxChoices: MAX_CHOICES,
  });
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      connectionsCheckingInterval: 2000,
      keepAliveTimeout: KEEP_ALIVE_MS,
    },
    getRequestListener(app.fetch, { overrideGlobalObjects: false }),
  );
  try {
    await listen(server, checked);
  } catch (error) {
    await closeModels();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  const close = () => {
    closing ??= (async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await runQueue.close();
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), 1000).unref();
      await closed;
      await closeModels();
    })();
    return closing;
  };
  const host = checked.host.includes(":") ? `[${checked.host}]` : checked.host;
  return { url: `http://${host}:${port}`, port, close, [Symbol.asyncDispose]: close };
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      const message = `The server can't listen on ${host}:${port}: ${messageOf(error)}`;
      reject(new LlamaEtsError("ERR_WRITE", message, { fix: "another --port", cause: error }));
    });
    server.listen(port, host, () => resolve());
  });
}
