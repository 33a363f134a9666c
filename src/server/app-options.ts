/** What the HTTP interface is made with. */
import type { HttpBindings } from "@hono/node-server";
import type { Hono } from "hono";
import type { Logger } from "pino";
import type { Model } from "../engine/engine.js";
import type { MethodOptions } from "../methods/registry.js";
import type { Metrics } from "./metrics.js";
import type { Runs } from "./runs.js";

export interface AppOptions {
  model: Model;
  /** What requests call the model. */
  name: string;
  /** Whether requests may ask for methods with a proposal. */
  hasProposal: boolean;
  runs: Runs;
  metrics: Metrics;
  log: Logger;
  host: string;
  apiKey: string | undefined;
  /** Origins whose pages may ask. */
  cors: readonly string[];
  maxBodyBytes: number;
  timeLimitMs: number;
  maxChoices: number;
  defaults: MethodOptions;
  logTexts: boolean;
}

export type Env = { Bindings: HttpBindings };
export type App = Hono<Env>;
