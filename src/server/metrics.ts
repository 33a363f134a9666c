/** The metrics of the server for Prometheus. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Result } from "../methods/result.js";
import type { RunQueue } from "./run-queue.js";

const SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300];

export class Metrics {
  readonly registry = new Registry();
  readonly #tokens = this.#counter("tokens_total", "Tokens, by what was done with them", [
    "model",
    "kind",
  ]);
  readonly #runs = this.#counter("runs_total", "Runs that ended, by method", ["model", "method"]);
  readonly #requests = this.#counter("requests_total", "Requests", ["route", "status"]);
  readonly #aborts = this.#counter("aborts_total", "Requests whose client went away", []);
  readonly #ess = this.#histogram(
    "step_ess",
    "Effective sample size of guidance steps",
    [],
    [1, 1.5, 2, 3, 4, 6, 8, 16, 32, 64],
  );
  readonly #seconds = this.#histogram(
    "request_seconds",
    "Time to the end of an answer",
    ["route"],
    SECONDS,
  );
  readonly #firstText = this.#histogram(
    "first_text_seconds",
    "Time to a stream's first text",
    ["route"],
    SECONDS,
  );

  constructor(runQueue: RunQueue) {
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name: `llama_ets_${name}`,
        help,
        registers: [this.registry],
        collect() {
          this.set(value());
        },
      });
    gauge("runs_running", "Runs that go on", () => runQueue.running);
    gauge("runs_waiting", "Runs that wait", () => runQueue.waiting);
    gauge(
      "cells_used",
      "KV cells of the shared contexts that runs were given",
      () => runQueue.cells.used,
    );
    gauge("cells_total", "KV cells of the shared contexts", () => runQueue.cells.total);
    gauge("resident_bytes", "Memory of the process", () => process.memoryUsage.rss());
  }

  #counter<L extends string>(name: string, help: string, labelNames: L[]) {
    return new Counter({ name: `llama_ets_${name}`, help, labelNames, registers: [this.registry] });
  }

  #histogram<L extends string>(name: string, help: string, labelNames: L[], buckets: number[]) {
    const registers = [this.registry];
    return new Histogram({ name: `llama_ets_${name}`, help, labelNames, buckets, registers });
  }

  ran(model: string, { method, usage, prompt, steps }: Result): void {
    this.#runs.inc({ model, method });
    const { prefilled, cached, generated, decoded, scored } = usage;
    const counted = { prompt: prompt.tokens.length, prefilled, cached, generated, decoded, scored };
    for (const [kind, count] of Object.entries(counted)) this.#tokens.inc({ model, kind }, count);
    for (const { ess } of steps) this.#ess.observe(ess);
  }

  answered(route: string, status: number, seconds: number): void {
    this.#requests.inc({ route, status: String(status) });
    this.#seconds.observe({ route }, seconds);
  }

  begun(route: string, seconds: number): void {
    this.#firstText.observe({ route }, seconds);
  }

  aborted(): void {
    this.#aborts.inc();
  }
}
