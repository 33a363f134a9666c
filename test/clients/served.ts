/** A server of a bundled model, for the tests of one file. */
import { pino } from "pino";
import { afterAll, beforeAll } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import { type LoadModelOptions, loadModel } from "../../src/engine/load-model.js";
import type { ServedModel } from "../../src/server/open-models.js";
import { type RunningServer, type ServeOptions, serve } from "../../src/server/serve.js";

export const NAME = "mini-gsm-ref";
export const QUESTION = "Sam has 12 apples and eats 5. How many are left?";

/** Another model, once the tests run. */
export function useModelOf(name: string): () => Model {
  let model: Model;
  beforeAll(async () => {
    model = await loadModel(name, { threads: 1 });
  });
  afterAll(() => model.dispose());
  return () => model;
}

/** Options of the server, of its bundled model, and other models beside that. */
type Settings = ServeOptions &
  Pick<Partial<ServedModel>, "proposal" | "defaults"> & { beside?: readonly ServedModel[] };

/** Its address, once the tests run. */
export function useServer(
  options: Settings | (() => Settings) = {},
  loading: LoadModelOptions = {},
): () => RunningServer {
  let server: RunningServer;
  let close: () => Promise<void>;
  beforeAll(async () => {
    const model = await loadModel(NAME, { threads: 1, ...loading });
    const log = pino({ level: "silent" });
    const own = typeof options === "function" ? options() : options;
    const { beside = [], proposal, defaults = { blockTokens: 16 }, ...settings } = own;
    const first = { name: NAME, model, defaults, ...(proposal && { proposal }) };
    server = await serve([first, ...beside], { port: 0, log, ...settings });
    close = async () => {
      await server.close();
      await model.dispose();
    };
  });
  afterAll(() => close());
  return () => server;
}
