/** Answers a request, as a whole or as a stream of events. A client that disconnects ends its runs. */
import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import type { Context } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import type { Model } from "../engine/engine.js";
import {
  type Answered,
  choiceOf,
  finishReasonOf,
  guidanceOf,
  type Head,
  logprobsOf,
  objectOf,
  toolCallsOf,
  usageOf,
} from "./answer.js";
import type { AppOptions, Env, Serving } from "./app-options.js";
import { ApiError, toApiError } from "./errors.js";
import type { ServedRequest } from "./request.js";
import type { RunCallbacks, Turn } from "./runs.js";

export interface Asked {
  request: ServedRequest;
  served: Serving;
  /** One turn for each prompt of the request. */
  turns: readonly Turn[];
  started: number;
  route: string;
}

/** The abort reason of runs whose client has disconnected. */
class ClientGone extends Error {}

/** Returns a signal that aborts when the client disconnects or the time limit is over. */
function endOf(c: Context<Env>, { metrics, timeLimitMs }: AppOptions) {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // each run of the request adds a listener
  const onClose = () => {
    if (c.env.outgoing.writableFinished) return;
    metrics.aborted();
    controller.abort(new ClientGone());
  };
  c.env.outgoing.once("close", onClose);
  const timer = setTimeout(() => {
    const message = `The answer took longer than ${timeLimitMs / 1000} s`;
    controller.abort(new ApiError(504, "time_limit", message));
  }, timeLimitMs);
  return {
    signal: controller.signal,
    /** Ends the other runs of a request after one of them failed. */
    abort: (reason: unknown) => controller.abort(reason),
    clear: () => {
      clearTimeout(timer);
      c.env.outgoing.off("close", onClose);
    },
  };
}

/** Runs all answers of a request. The first failure ends the others. */
async function runAll(
  { request, served, turns }: Asked,
  { metrics }: AppOptions,
  end: ReturnType<typeof endOf>,
  callbacksOf: (index: number) => RunCallbacks = () => ({}),
  onEnd: (index: number, answered: Answered) => void = () => {},
): Promise<Answered[]> {
  const { n, options } = request;
  const all = turns.flatMap((turn) => Array.from({ length: n }, () => turn));
  const running = all.map(async (turn, index) => {
    const seed = ((options.seed ?? 0) + index) % Number.MAX_SAFE_INTEGER;
    const own = { seed, signal: end.signal, ...callbacksOf(index) };
    try {
      const answered = await served.runs.run(turn, own);
      metrics.ran(served.name, answered.result);
      onEnd(index, answered);
      return answered;
    } catch (error) {
      end.abort(error);
      throw error;
    }
  });
  // All runs must have ended before the request ends.
  const ended = await Promise.allSettled(running);
  if (end.signal.aborted) throw end.signal.reason;
  return ended.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
}

function headOf({ form, model }: ServedRequest): Head {
  const id = `${form === "chat" ? "chatcmpl" : "cmpl"}-${randomUUID()}`;
  return { id, created: Math.floor(Date.now() / 1000), model };
}

function logAnswers({ log, logTexts }: AppOptions, answers: readonly Answered[]): void {
  if (!logTexts) return;
  log.info({ texts: answers.map(({ result }) => result.text) }, "texts");
}

export async function answerWhole(c: Context<Env>, asked: Asked, options: AppOptions) {
  const { request, served } = asked;
  const end = endOf(c, options);
  try {
    const answers = await runAll(asked, options, end);
    logAnswers(options, answers);
    return c.json({
      ...headOf(request),
      object: objectOf(request, false),
      choices: answers.map((answered, i) => choiceOf(request, i, answered, served.runs.model)),
      usage: usageOf(answers, request.n),
    });
  } catch (error) {
    // The client is gone, so nobody reads this response.
    if (error instanceof ClientGone) return c.body(null, 408);
    throw error;
  } finally {
    end.clear();
  }
}

export function answerStreaming(c: Context<Env>, asked: Asked, options: AppOptions) {
  const { request, served, started, route } = asked;
  const { metrics, log } = options;
  c.header("X-Accel-Buffering", "no");
  return streamSSE(c, async (stream) => {
    const end = endOf(c, options);
    const events = new Events(stream, request);
    let status = 200;
    let isBegun = false;
    try {
      const answers = await runAll(
        asked,
        options,
        end,
        (index) => ({
          onText: ({ committed, draft, thoughts }) => {
            if (events.sendsTexts && thoughts !== undefined) events.thoughts(index, thoughts);
            if (committed !== "" && !isBegun) {
              isBegun = true;
              metrics.begun(route, (performance.now() - started) / 1000);
            }
            if (events.sendsTexts && committed !== "") events.text(index, committed);
            if (request.events) events.guidance(index, { committed, draft });
          },
          ...(request.events && {
            onStep: (step) => events.guidance(index, { step }),
          }),
        }),
        (index, answered) => events.end(index, answered, served.runs.model),
      );
      logAnswers(options, answers);
      if (request.includesUsage) events.usage(answers);
      events.done();
    } catch (error) {
      const refused = toApiError(error);
      status = error instanceof ClientGone ? 408 : refused.status;
      const isFailure = status >= 500 && refused !== error;
      if (isFailure) log.error({ err: error }, "request failed");
      if (!(error instanceof ClientGone)) events.send(refused.body);
    } finally {
      end.clear();
      await events.sent();
      const seconds = (performance.now() - started) / 1000;
      metrics.answered(route, status, seconds);
      const ms = Math.round(seconds * 1000);
      log.info({ route, model: request.model, status, ms, stream: true }, "answered");
    }
  });
}

/** Sends the events of a stream in order. */
class Events {
  readonly #stream: SSEStreamingApi;
  readonly #request: ServedRequest;
  readonly #head: Head;
  readonly #begun = new Set<number>();
  #last: Promise<void> = Promise.resolve();
  /**
   * Whether the text is sent while it is drawn. Tool calls are parts of the text and probabilities are known
   * only at the end, so with these everything comes at once.
   */
  readonly sendsTexts: boolean;

  constructor(stream: SSEStreamingApi, request: ServedRequest) {
    this.#stream = stream;
    this.#request = request;
    this.#head = headOf(request);
    this.sendsTexts = request.options.tools === undefined && request.logprobs === null;
  }

  send(data: object | string): void {
    const text = typeof data === "string" ? data : JSON.stringify(data);
    this.#last = this.#last.then(() => this.#stream.writeSSE({ data: text })).catch(() => {});
  }

  sent(): Promise<void> {
    return this.#last;
  }

  #choice(index: number, choice: object): void {
    const usage = this.#request.includesUsage ? { usage: null } : {};
    const object = objectOf(this.#request, true);
    this.send({ ...this.#head, object, choices: [{ index, ...choice }], ...usage });
  }

  #delta(index: number, delta: object, more: object = {}): void {
    const common = { logprobs: null, finish_reason: null, ...more };
    if (this.#request.form === "text") {
      const { content = "" } = delta as { content?: string };
      this.#choice(index, { text: content, ...common });
      return;
    }
    const role = this.#begun.has(index) ? {} : { role: "assistant" };
    this.#begun.add(index);
    this.#choice(index, { delta: { ...role, ...delta }, ...common });
  }

  text(index: number, content: string): void {
    this.#delta(index, { content });
  }

  thoughts(index: number, content: string): void {
    if (this.#request.form === "chat") this.#delta(index, { reasoning_content: content });
  }

  /** Sends additional information to a client that asked for events. */
  guidance(index: number, ets: object): void {
    this.#delta(index, {}, { ets });
  }

  end(index: number, answered: Answered, model: Model): void {
    const { result } = answered;
    const calls = toolCallsOf(result);
    if (!this.sendsTexts && result.reasoning) this.thoughts(index, result.reasoning);
    if (!this.sendsTexts && calls.length === 0) {
      const logprobs = logprobsOf(this.#request, answered, model);
      this.#delta(index, { content: result.text }, { logprobs });
    }
    if (calls.length > 0) this.#delta(index, { tool_calls: calls });
    const finish = { finish_reason: finishReasonOf(result), ets: guidanceOf(result) };
    this.#delta(index, {}, finish);
  }

  usage(answers: readonly Answered[]): void {
    const object = objectOf(this.#request, true);
    const usage = usageOf(answers, this.#request.n);
    this.send({ ...this.#head, object, choices: [], usage });
  }

  done(): void {
    this.send("[DONE]");
  }
}
