/** A server under 2,000 requests of mixed methods: memory, threads and cells stay what they were at the start. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { startCli } from "../fixtures/cli-process.js";

const NAME = "mini-gsm-ref";
const METHODS = ["sample", "greedy", "ets", "majority", "best-of-n", "particle", "beam", "mh"];
const [REQUESTS, BATCH, START] = [2000, 16, 400];
const GROWTH = 1.1;

interface Reading {
  requests: number;
  mib: number;
  threads: number;
  cells: number;
  running: number;
}

describe.runIf(process.platform === "linux")("2,000 requests", () => {
  test("leave memory, threads and cells as they were after the first 400", async () => {
    const port = 18_471;
    const url = `http://127.0.0.1:${port}`;
    const server = startCli(["serve", "-m", NAME, "--threads", "1", "--port", String(port)]);
    await server.says("Serving");
    const readings: Reading[] = [];
    const read = async (requests: number) => {
      const status = readFileSync(`/proc/${server.child.pid}/status`, "utf8");
      const metrics = await (await fetch(`${url}/metrics`)).text();
      const of = (text: string, name: RegExp) => Number(name.exec(text)?.[1]);
      readings.push({
        requests,
        mib: Math.round(of(status, /VmRSS:\s+(\d+)/) / 1024),
        threads: of(status, /Threads:\s+(\d+)/),
        cells: of(metrics, /^llama_ets_cells_used (\d+)/m),
        running: of(metrics, /^llama_ets_runs_running (\d+)/m),
      });
    };
    for (let first = 0; first < REQUESTS; first += BATCH) {
      await Promise.all(Array.from({ length: BATCH }, (_, i) => ask(url, first + i)));
      const done = first + BATCH;
      if (done % START === 0) await read(done);
    }
    server.child.kill("SIGTERM");
    expect((await server.finished).code).toBe(0);
    console.table(readings);
    const [start, ...later] = readings;
    if (start === undefined) throw new Error("no reading");
    for (const { mib, threads, cells, running } of later) {
      expect(mib).toBeLessThan(start.mib * GROWTH);
      expect(threads).toBeLessThanOrEqual(start.threads);
      expect({ cells, running }).toEqual({ cells: 0, running: 0 });
    }
  }, 1_200_000);
});

/** One in twenty is malformed, and one in twenty goes away. */
async function ask(url: string, i: number): Promise<void> {
  const question = `Sam has ${i % 90} apples and eats ${i % 7}. How many are left?`;
  const abort = new AbortController();
  if (i % 20 === 7) setTimeout(() => abort.abort(), i % 50);
  const body = {
    model: `${NAME}+${METHODS[i % METHODS.length]}`,
    messages: [{ role: "user", content: question }],
    ...{ max_tokens: 12, stream: i % 3 === 0, ...(i % 20 === 3 && { unknown: 1 }) },
  };
  try {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: abort.signal,
    });
    await response.text();
    expect(response.status).toBe(i % 20 === 3 ? 400 : 200);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  }
}
