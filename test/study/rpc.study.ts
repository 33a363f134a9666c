/**
 * One model over two RPC servers of llama.cpp, on an engine that was built for it:
 *
 *   npx llama-ets build-engine --rpc
 *   LLAMA_ETS_ENGINE=DIRECTORY npm run test:study -- rpc
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, createServer } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { RPC_SERVER } from "../../src/engine-build/build-engine.js";
import { ets, type LoadModelOptions, loadModel } from "../../src/index.js";
import { QUESTION } from "../fixtures/models.js";

const engine = process.env.LLAMA_ETS_ENGINE ?? "";
const program = path.join(engine, RPC_SERVER);
const SMALL = { candidates: 4, rollouts: 2, blockTokens: 8, maxTokens: 60, seed: 7 };
const LONG = { ...SMALL, candidates: 32, blockTokens: 4, maxTokens: 400, temperature: 1.5 };

const running: ChildProcess[] = [];

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** Starts a server; resolves once it listens, which it doesn't say. */
async function startServer(port: number): Promise<ChildProcess> {
  const server = spawn(program, ["-t", "1", "-p", String(port)], { stdio: "ignore" });
  running.push(server);
  const listens = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
      socket.on("connect", () => socket.destroy());
    });
  await vi.waitUntil(listens, { timeout: 30_000 });
  return server;
}

const load = (options: LoadModelOptions = {}) =>
  loadModel("mini-gsm-ref", { engine, gpu: false, threads: 1, attention: "engine", ...options });

describe.skipIf(!existsSync(program))("one model over two RPC servers", () => {
  const ports: number[] = [];
  let rpc: string[];
  beforeAll(async () => {
    ports.push(await freePort(), await freePort());
    rpc = ports.map((port) => `127.0.0.1:${port}`);
    for (const port of ports) await startServer(port);
  });
  afterAll(() => {
    for (const server of running) server.kill("SIGKILL");
  });

  test("gives the same answer at the same seed, and lies on both", async () => {
    await using model = await load({ rpc });
    const { devices, place } = model.describe();
    expect(place).toBe("gpu");
    expect(devices.filter(({ type }) => type === "gpu").map((d) => d.description)).toEqual(rpc);
    const first = await ets(model, QUESTION, SMALL);
    expect((await ets(model, QUESTION, SMALL)).tokens).toEqual(first.tokens);
    await using alone = await load({ isolate: true });
    expect((await ets(alone, QUESTION, SMALL)).tokens).toEqual(first.tokens);
  });

  test("a server serves one process: another one is told so", async () => {
    await using _ = await load({ rpc });
    await expect(load({ rpc })).rejects.toMatchObject({
      code: "ERR_RPC_SERVER",
      message: expect.stringMatching(/serves one process at a time/),
    });
  });

  test("a server that dies rejects what runs, and once it is back the next call does", async () => {
    await using model = await load({ rpc });
    const expected = (await ets(model, QUESTION, SMALL)).tokens;
    const run = ets(model, QUESTION, LONG);
    run.catch(() => {});
    setTimeout(() => running[1]?.kill("SIGKILL"), 200);
    const lost = expect.objectContaining({ code: "ERR_RPC_SERVER" });
    await expect(run).rejects.toEqual(lost);
    await expect(ets(model, QUESTION, SMALL)).rejects.toEqual(lost);
    await startServer(ports[1] as number);
    expect((await ets(model, QUESTION, SMALL)).tokens).toEqual(expected);
  });
});
