/** RPC servers, before the engine hears of them: who is none, is busy, or speaks otherwise is an error. */
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
import { openEngine } from "../../src/engine/local/open-engine.js";
import { addRpcServers, checkRpcServers } from "../../src/engine/local/rpc-servers.js";
import { loadModel } from "../../src/index.js";

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A server that does this with whoever connects; its address. */
async function serve(onConnection: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => {}); // the other side hangs up
    onConnection(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

/** One that greets as llama.cpp's do: a size, a version, a byte of padding and capabilities. */
const greeting = (major: number, size = 28) =>
  serve((socket) =>
    socket.once("data", () => {
      const answer = Buffer.alloc(36);
      answer.writeBigUInt64LE(BigInt(size), 0);
      answer[8] = major;
      socket.write(answer.subarray(0, 5)); // it may come in pieces
      setImmediate(() => socket.write(answer.subarray(5)));
    }),
  );

const refused = (message: RegExp) =>
  expect.objectContaining({ code: "ERR_RPC_SERVER", message: expect.stringMatching(message) });

describe("a server that can't be used is ERR_RPC_SERVER", () => {
  test("where nobody listens", async () => {
    const address = await serve(() => {});
    await new Promise((resolve) => servers.splice(0)[0]?.close(resolve));
    await expect(addRpcServers([address])).rejects.toEqual(
      refused(/can't be reached: .*ECONNREFUSED.*\nTry: ggml-rpc-server/),
    );
  });

  test("where it serves another process, which it does one at a time", async () => {
    const address = await serve((socket) => socket.resume());
    await expect(addRpcServers([address], { patienceMs: 300 })).rejects.toEqual(
      refused(/doesn't answer; it serves one process at a time/),
    );
  });

  test("where it speaks another version, or isn't llama.cpp's", async () => {
    const wanted = addon().rpcVersion;
    const other = await greeting(wanted + 1);
    await expect(addRpcServers([other])).rejects.toEqual(
      refused(new RegExp(`speaks version ${wanted + 1}\\.0, this engine ${wanted}`)),
    );
    await expect(addRpcServers([await greeting(wanted, 29)])).rejects.toEqual(refused(/is no RPC/));
    const rude = await serve((socket) => socket.destroy());
    await expect(addRpcServers([rude])).rejects.toEqual(
      refused(/closed the connection|ECONNRESET/),
    );
  });
});

test("an engine without RPC says how to build one that has it", async () => {
  await openEngine(false);
  const address = await greeting(addon().rpcVersion);
  await expect(addRpcServers([address])).rejects.toEqual(
    expect.objectContaining({
      code: "ERR_ENGINE_NOT_FOUND",
      message: expect.stringMatching(/built without RPC\nTry: npx llama-ets build-engine --rpc/),
    }),
  );
});

test.each([
  ["text", "127.0.0.1:50052"],
  ["nothing", []],
  ["no port", ["127.0.0.1"]],
  ["port 0", ["127.0.0.1:0"]],
  ["port 65536", ["127.0.0.1:65536"]],
  ["IPv6", ["[::1]:50052"]],
  ["a path", ["/x:1"]],
  ["one twice", ["a:1", "a:1"]],
  ["17", Array.from({ length: 17 }, (_, i) => `a:${i + 1}`)],
])("`rpc` refuses %s", async (_, rpc) => {
  expect(() => checkRpcServers("rpc", rpc)).toThrow(
    expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
  );
  const loading = loadModel("mini-gsm-ref", { rpc: rpc as never });
  await expect(loading).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
});

test("`rpc` needs a process of its own", async () => {
  const loading = loadModel("mini-gsm-ref", { rpc: ["a:1"], isolate: false });
  await expect(loading).rejects.toMatchObject({
    code: "ERR_INVALID_OPTION",
    message: expect.stringMatching(/^`rpc` needs `isolate`/),
  });
});
