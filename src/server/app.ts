/** The HTTP interface: OpenAI's routes, health, metrics and the studio. */
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import { VERSION } from "../version.js";
import { type Asked, answerStreaming, answerWhole } from "./answering.js";
import type { App, AppOptions, Env } from "./app-options.js";
import { readJson } from "./body.js";
import { ApiError, toApiError } from "./errors.js";
import type { Form } from "./fields.js";
import { isLoopback, requireKey, requireLocalHost, requireOrigin } from "./guards.js";
import { modelNames, unknownModel } from "./model-names.js";
import { readRequest } from "./request.js";
import { addStudio } from "./studio/studio.js";

export function createApp(options: AppOptions): App {
  const app: App = new Hono();
  answerErrors(app, options);
  measure(app, options);
  guard(app, options);
  addHealth(app, options);
  addModels(app, options);
  app.post("/v1/chat/completions", (c) => answer(c, "chat", options));
  app.post("/v1/completions", (c) => answer(c, "text", options));
  addStudio(app, options);
  return app;
}

/** Answers refused requests and unknown routes in OpenAI's form. */
function answerErrors(app: App, { log }: AppOptions): void {
  app.onError((error, c) => {
    const refused = toApiError(error, c.req.path === "/v1/completions" ? "prompt" : "messages");
    if (refused.status >= 500 && refused !== error) log.error({ err: error }, "request failed");
    if (refused.retryAfter !== undefined) c.header("Retry-After", String(refused.retryAfter));
    return c.json(refused.body, refused.status);
  });
  app.notFound((c) => {
    const { method, path } = c.req;
    if (!ROUTES.includes(path)) {
      const message = `There is nothing at ${method} ${path}`;
      return c.json(new ApiError(404, "not_found", message).body, 404);
    }
    const allowed = path.endsWith("completions") ? "POST" : "GET, HEAD";
    c.header("Allow", allowed);
    const message = `Expected the method ${allowed} at ${path}, got ${method}`;
    return c.json(new ApiError(405, "method_not_allowed", message).body, 405);
  });
}

/** Counts and logs the answers. */
function measure(app: App, { metrics, log }: AppOptions): void {
  app.use(async (c, next) => {
    const started = performance.now();
    await next();
    const route = ROUTES.includes(c.req.path) ? c.req.path : "other";
    const seconds = (performance.now() - started) / 1000;
    // The time of a stream is known only at its end, so the stream itself measures it.
    if (c.res.headers.get("content-type")?.startsWith("text/event-stream")) return;
    metrics.answered(route, c.res.status, seconds);
    if (route !== "/health" && route !== "/metrics") {
      const ms = Math.round(seconds * 1000);
      log.info({ route, model: c.get("model"), status: c.res.status, ms }, "answered");
    }
  });
}

/** Refuses requests from unknown hosts and origins. The routes that need a key check it themselves. */
function guard(app: App, options: AppOptions): void {
  app.use(secureHeaders({ crossOriginResourcePolicy: "same-origin", xFrameOptions: "DENY" }));
  if (isLoopback(options.host)) app.use(requireLocalHost());
  app.use(requireOrigin(options.cors));
  if (options.cors.length > 0) app.use(cors({ origin: [...options.cors] }));
}

/**
 * `/health` needs no key. `/metrics` and the API, which are added after it, need the key if the server has
 * one.
 */
function addHealth(app: App, { models, apiKey, metrics }: AppOptions): void {
  app.get("/health", (c) => {
    return c.json({ status: "ok", models: models.map(({ name }) => name), version: VERSION });
  });
  if (apiKey !== undefined) {
    app.use("/v1/*", requireKey(apiKey));
    app.use("/metrics", requireKey(apiKey));
  }
  app.get("/metrics", async (c) => {
    c.header("content-type", metrics.registry.contentType);
    return c.body(await metrics.registry.metrics());
  });
}

function addModels(app: App, { models }: AppOptions): void {
  const names = models.flatMap(modelNames);
  const created = Math.floor(Date.now() / 1000);
  const describe = (id: string) => ({ id, object: "model", created, owned_by: "llama-ets" });
  app.get("/v1/models", (c) => {
    return c.json({ object: "list", data: names.map(describe) });
  });
  app.get("/v1/models/:id{.+}", (c) => {
    const id = c.req.param("id");
    if (names.includes(id)) return c.json(describe(id));
    throw unknownModel(id, models);
  });
}

async function answer(c: Context<Env>, form: Form, options: AppOptions): Promise<Response> {
  const { runQueue, log } = options;
  const body = await readJson(c, options.maxBodyBytes);
  const { served, ...request } = await readRequest(body, form, options);
  const { runs } = served;
  c.set("model", request.model);
  const started = performance.now();
  const count = request.prompts.length * request.n;
  runQueue.checkRoom(count);
  const turns = await Promise.all(request.prompts.map((prompt) => runs.prepare(request, prompt)));
  runQueue.checkRoom(count); // other requests may have taken the room meanwhile
  const asked: Asked = { request, served, turns, started, route: c.req.path };
  if (options.logTexts) log.info({ prompts: request.prompts }, "asked");
  return request.stream ? answerStreaming(c, asked, options) : answerWhole(c, asked, options);
}

const ROUTES = [
  "/v1/chat/completions",
  "/v1/completions",
  "/v1/models",
  "/health",
  "/metrics",
  "/",
];
