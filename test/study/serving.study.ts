/**
 * 2,000 requests in bursts of 200, of mixed methods, a tenth of them malformed and a tenth given up by their
 * clients: each is answered or refused as it should be, and memory, threads, handles and cells stay flat.
 * Prints the table of docs/reliability.md.
 */
import { readdirSync, readFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { describe, expect, test } from "vitest";
import { startCli } from "../fixtures/cli-process.js";

const NAME = "mini-gsm-ref";
const PORT = 18_471;
const METHODS = ["sample", "greedy", "ets", "majority", "best-of-n", "particle", "beam", "mh"];
const [REQUESTS, BURST] = [2000, 200];
/** Lets the test collect the server's garbage. */
const COLLECTOR = `import v8 from "node:v8"; import vm from "node:vm"; v8.setFlagsFromString("--expose-gc");
  const gc = vm.runInNewContext("gc"); process.on("SIGUSR2", () => gc());`;
/** Over the second half of the requests, in MiB. A leak of 16 KiB a request is refused. */
const MAX_GROWTH = 16;

interface Reading {
  requests: number;
  mib: number;
  threads: number;
  handles: number;
  cells: number;
  running: number;
}

describe.runIf(process.platform === "linux")("2,000 requests", () => {
  test("are answered or refused, and leave everything as it was", async () => {
    const args = ["-m", NAME, "--threads", "1", "--port", String(PORT)];
    const collector = `data:text/javascript,${encodeURIComponent(COLLECTOR)}`;
    const server = startCli(["serve", ...args], { env: { NODE_OPTIONS: `--import=${collector}` } });
    await server.says("Serving");
    const readings = [await read(server.child.pid as number, 0)];
    for (let first = 0; first < REQUESTS; first += BURST) {
      const agent = new Agent({ keepAlive: true });
      const asked = Array.from({ length: BURST }, (_, i) => ask(agent, first + i));
      await Promise.all(asked);
      agent.destroy();
      readings.push(await read(server.child.pid as number, first + BURST));
    }
    server.child.kill("SIGTERM");
    expect((await server.finished).code).toBe(0);
    console.table(readings);
    expectFlat(readings);
  }, 3_600_000);
});

test("what leaks 17 KiB, a handle or a cell a request is refused", () => {
  const series = (kib: number, handles: number, cells: number) =>
    Array.from({ length: REQUESTS / BURST + 1 }, (_, i) => {
      const more = { threads: 12, handles: 20 + i * BURST * handles, cells: i * cells };
      return { requests: i * BURST, mib: 100 + (i * BURST * kib) / 1024, running: 0, ...more };
    });
  expectFlat(series(1, 0, 0));
  for (const leaking of [series(17, 0, 0), series(0, 1, 0), series(0, 0, 1)]) {
    expect(() => expectFlat(leaking)).toThrow();
  }
});

function expectFlat(readings: readonly Reading[]): void {
  const late = readings.slice(Math.floor(readings.length / 2));
  const [first, last] = [late[0], late.at(-1)] as [Reading, Reading];
  expect(last.mib - first.mib).toBeLessThan(MAX_GROWTH);
  expect(last.threads).toBeLessThanOrEqual(first.threads);
  expect(last.handles).toBeLessThanOrEqual(first.handles);
  for (const { cells, running } of late)
    expect({ cells, running }).toEqual({ cells: 0, running: 0 });
}

/** Once nothing runs, and the connections of a burst are gone. */
async function read(pid: number, requests: number): Promise<Reading> {
  const gauges = async () => {
    const response = await fetch(`http://127.0.0.1:${PORT}/metrics`, {
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    const of = (name: string) =>
      Number(new RegExp(`^llama_ets_${name} (\\d+)`, "m").exec(text)?.[1]);
    return { cells: of("cells_used"), running: of("runs_running") };
  };
  await expect.poll(gauges, { timeout: 60_000 }).toEqual({ cells: 0, running: 0 });
  for (let i = 0; i < 3; i++) {
    process.kill(pid, "SIGUSR2");
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]);
  return {
    requests,
    mib: Math.round(of("VmRSS") / 1024),
    threads: of("Threads"),
    handles: readdirSync(`/proc/${pid}/fd`).length,
    ...(await gauges()),
  };
}

/** One in ten is malformed, and one in ten goes away. */
async function ask(agent: Agent, i: number): Promise<void> {
  const question = `Sam has ${i % 90} apples and eats ${i % 7}. How many are left?`;
  const [isMalformed, isGivenUp] = [i % 10 === 3, i % 10 === 7];
  const body = JSON.stringify({
    model: `${NAME}+${METHODS[i % METHODS.length]}`,
    messages: [{ role: "user", content: question }],
    max_tokens: 12,
    stream: i % 3 === 0,
    ...(isMalformed && { unknown: 1 }),
    ...(i % 5 === 1 && { logprobs: true, top_logprobs: 2 }),
  });
  const abort = new AbortController();
  if (isGivenUp) setTimeout(() => abort.abort(), (i * 37) % 4000);
  try {
    const { status, text } = await send(agent, i % 20 === 3 ? body.slice(1) : body, abort.signal);
    expect(status, text).toBe(isMalformed ? 400 : 200);
    if (!isMalformed) expect(text).toContain('"finish_reason":"');
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  }
}

function send(agent: Agent, body: string, signal: AbortSignal) {
  return new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    };
    const path = "/v1/chat/completions";
    const options = { port: PORT, host: "127.0.0.1", path, method: "POST", headers, agent, signal };
    const asked = request(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("end", () => resolve({ status: response.statusCode, text }));
      response.on("error", reject);
    });
    asked.on("error", reject).end(body);
  });
}
