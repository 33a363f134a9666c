/** The options of the HTTP interface. */
import type { HttpBindings } from "@hono/node-server";
import type { Hono } from "hono";
import type { Logger } from "pino";
import type { Metrics } from "./metrics.js";
import type { Served } from "./model-names.js";
import type { RunQueue } from "./run-queue.js";
import type { Runs } from "./runs.js";

/** A model that requests may name, and its runs. */
export interface Serving extends Served {
  runs: Runs;
}

export interface AppOptions {
  /** The served models, at least one. */
  models: readonly Serving[];
  runQueue: RunQueue;
  metrics: Metrics;
  log: Logger;
  host: string;
  apiKey: string | undefined;
  /** Origins whose pages may send requests. */
  cors: readonly string[];
  maxBodyBytes: number;
  timeLimitMs: number;
  maxChoices: number;
  logTexts: boolean;
}

/** The variables of a request: the model that it names, once this is known. */
export type Env = { Bindings: HttpBindings; Variables: { model?: string } };
export type App = Hono<Env>;
