/**
 * llama.cpp's RPC servers, by which a model uses the devices of other machines. The engine aborts its
 * process if it can't reach a server, and waits for ever if the server serves another process. So this
 * module first sends a greeting to each server, and turns both cases into errors.
 */
import { connect } from "node:net";
import { checkStrings, refuse } from "../check.js";
import { LlamaEtsError, messageOf } from "../errors.js";
import { addon, rethrow } from "./native.js";

/** llama.cpp's GGML_RPC_MAX_SERVERS. */
const MOST_SERVERS = 16;
const PATIENCE_MS = 5000;

/** The greeting of llama.cpp's protocol: a command, the size of its payload, and capabilities. */
const HELLO_COMMAND = 14;
const CAPABILITIES_BYTES = 24;
/** The answer: its size, the version in three bytes, one byte of padding, and capabilities. */
const SIZE_BYTES = 8;
const ANSWER_BYTES = SIZE_BYTES + 4 + CAPABILITIES_BYTES;

/** Checks a list of different servers as "host:port". Throws `ERR_INVALID_OPTION`. */
export function checkRpcServers(name: string, value: unknown): readonly string[] {
  const servers = checkStrings(name, value);
  if (servers.length < 1 || servers.length > MOST_SERVERS) {
    refuse(name, `from 1 to ${MOST_SERVERS} servers`, servers);
  }
  for (const server of servers) {
    const [, port] = /^[\w.-]+:(\d{1,5})$/.exec(server) ?? [];
    if (port === undefined || Number(port) < 1 || Number(port) > 65_535) {
      refuse(name, "servers as host:port", server, "127.0.0.1:50052; IPv6 is not llama.cpp's");
    }
  }
  if (new Set(servers).size < servers.length) refuse(name, "different servers", servers);
  return servers;
}

/** The servers that this process has added already. */
const added = new Set<string>();

/**
 * Adds the servers' devices to the open engine. Throws `ERR_RPC_SERVER`, or `ERR_ENGINE_NOT_FOUND` if
 * the engine was built without RPC.
 */
export async function addRpcServers(
  servers: readonly string[],
  {
    signal,
    patienceMs = PATIENCE_MS,
  }: { signal?: AbortSignal | undefined; patienceMs?: number } = {},
): Promise<void> {
  const others = servers.filter((server) => !added.has(server));
  for (const server of others) {
    await greet(server, patienceMs);
    signal?.throwIfAborted();
  }
  for (const server of others) {
    try {
      addon().addRpcServer(server);
    } catch (error) {
      rethrow(error, {
        ERR_ENGINE_NOT_FOUND:
          "npx llama-ets build-engine --rpc, and what it prints as `engine` (--engine)",
      });
    }
    added.add(server);
  }
}

/** Greets a server, and checks the version of its protocol. */
async function greet(server: string, patienceMs: number): Promise<void> {
  const [host, port] = server.split(":") as [string, string];
  const hello = Buffer.alloc(1 + SIZE_BYTES + CAPABILITIES_BYTES);
  hello[0] = HELLO_COMMAND;
  hello.writeBigUInt64LE(BigInt(CAPABILITIES_BYTES), 1);
  const socket = connect({ host, port: Number(port) });
  try {
    const answer = await new Promise<Buffer>((resolve, reject) => {
      let received = Buffer.alloc(0);
      let isConnected = false;
      socket.setTimeout(patienceMs, () =>
        reject(
          isConnected
            ? failure(server, "doesn't answer; it serves one process at a time", BUSY)
            : failure(server, `can't be reached: no answer in ${patienceMs / 1000} s`, START),
        ),
      );
      socket.on("connect", () => {
        isConnected = true;
        socket.write(hello);
      });
      socket.on("error", (error) =>
        reject(failure(server, `can't be reached: ${messageOf(error)}`, START, error)),
      );
      socket.on("close", () => reject(failure(server, "closed the connection", SAME)));
      socket.on("data", (bytes) => {
        received = Buffer.concat([received, bytes]);
        if (received.length >= ANSWER_BYTES) resolve(received);
      });
    });
    socket.destroy();
    checkAnswer(server, answer);
  } catch (error) {
    // After an orderly close, a busy server would answer later and die of SIGPIPE. So reset instead.
    socket.resetAndDestroy();
    throw error;
  }
}

function checkAnswer(server: string, answer: Buffer): void {
  const [major, minor] = [answer[SIZE_BYTES], answer[SIZE_BYTES + 1]];
  if (answer.readBigUInt64LE(0) !== BigInt(ANSWER_BYTES - SIZE_BYTES)) {
    throw failure(server, "is no RPC server of llama.cpp", START);
  }
  const wanted = addon().rpcVersion;
  if (major === wanted) return;
  throw failure(server, `speaks version ${major}.${minor}, this engine ${wanted}`, SAME);
}

const START = "ggml-rpc-server there, which lies in the directory that build-engine --rpc made";
const BUSY = "end the process that it serves, or start another server on another port";
const SAME = "the ggml-rpc-server of the same llama.cpp: npx llama-ets build-engine --rpc there";

function failure(server: string, what: string, fix: string, cause?: unknown): LlamaEtsError {
  return new LlamaEtsError("ERR_RPC_SERVER", `The RPC server at ${server} ${what}`, { fix, cause });
}
